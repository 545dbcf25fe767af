use std::time::Duration;

use super::outliers::Outliers;
use crate::{clock::nanos, settings::Ratio};

/// How a router treats its members. The [room's page](super) has the defaults and their reasons. How many members a
/// tenant is dealt is up to the assignment: see [`HandSize`](super::HandSize).
///
/// Any value of this type works: nonsense cannot be expressed, and durations of any length, zero and [`Duration::MAX`]
/// included, have a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Settings {
    name: &'static str,
    outliers: Outliers,
    exhausted: Exhausted,
    hung_after: Option<Duration>,
    max_hint: Duration,
}

/// What happens to a request when no member of its hand can be called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exhausted {
    /// It is refused at once.
    #[default]
    FailFast,
    /// It goes to another member of the fleet, as long as such requests are no more than this share of the previous
    /// interval's calls; beyond that it is refused. What killed one hand may kill the next: the share is how much of
    /// the fleet you are ready to lose.
    Spill(Ratio),
}

impl Settings {
    /// The defaults.
    pub const fn new() -> Self {
        Self {
            name: "shuffle_shard",
            outliers: Outliers::new(),
            exhausted: Exhausted::FailFast,
            hung_after: Some(Duration::from_secs(1)),
            max_hint: Duration::from_secs(30),
        }
    }

    /// The name of this router in refusals and events. It is fixed when the router is made.
    pub const fn with_name(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// Which members are ejected for a while.
    pub const fn with_outliers(mut self, outliers: Outliers) -> Self {
        self.outliers = outliers;
        self
    }

    /// What happens to a request when no member of its hand can be called.
    pub const fn with_exhausted(mut self, exhausted: Exhausted) -> Self {
        self.exhausted = exhausted;
        self
    }

    /// Counts a call as failed if its caller gave up on it after this time or later; a call given up on earlier says
    /// nothing. Set it no higher than the shortest timeout *around* the router. With zero, every call given up on
    /// counts as failed.
    pub const fn with_hung_after(mut self, after: Duration) -> Self {
        self.hung_after = Some(after);
        self
    }

    /// Takes a call given up on to say nothing, however long it ran: right where a timeout in each member's stack cuts
    /// every call that hangs.
    pub const fn without_hung_after(mut self) -> Self {
        self.hung_after = None;
        self
    }

    /// Up to what length a member's hint, how long to leave it alone, is believed. With zero, not at all. A member that
    /// is shut and gives no hint is left alone for 30 s, but no longer than this.
    pub const fn with_max_hint(mut self, max_hint: Duration) -> Self {
        self.max_hint = max_hint;
        self
    }

    /// The name in refusals and events.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Which members are ejected for a while.
    pub const fn outliers(&self) -> Outliers {
        self.outliers
    }

    /// What happens to a request when no member of its hand can be called.
    pub const fn exhausted(&self) -> Exhausted {
        self.exhausted
    }

    /// From what duration on a call given up on counts as failed; `None` if it never does.
    pub const fn hung_after(&self) -> Option<Duration> {
        self.hung_after
    }

    /// Up to what length a member's hint is believed.
    pub const fn max_hint(&self) -> Duration {
        self.max_hint
    }

    /// The time after which a call given up on was hung, in nanoseconds; `u64::MAX` if that is not judged.
    pub(super) fn hung_after_nanos(&self) -> u64 {
        self.hung_after.map_or(u64::MAX, nanos)
    }

    /// From how many failures in a row on somebody has to judge.
    pub(super) fn row(&self) -> u32 {
        self.outliers.consecutive_failures().map_or(u32::MAX, std::num::NonZeroU32::get)
    }

    /// How many requests may spill after an interval of so many calls.
    pub(super) fn spill(&self, calls: u64) -> u32 {
        match self.exhausted {
            Exhausted::FailFast => 0,
            Exhausted::Spill(share) => {
                let allowed = u128::from(calls) * u128::from(share.as_millionths()) / 1_000_000;
                u32::try_from(allowed).unwrap_or(u32::MAX)
            }
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spill_is_a_share_of_the_traffic_and_nothing_by_default() {
        assert_eq!(Settings::new().spill(u64::MAX), 0);
        let spilling = Settings::new().with_exhausted(Exhausted::Spill(Ratio::percent(10)));
        assert_eq!([spilling.spill(0), spilling.spill(9), spilling.spill(99)], [0, 0, 9]);
        assert_eq!(spilling.spill(u64::MAX), u32::MAX);
    }
}

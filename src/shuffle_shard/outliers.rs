//! Who is put out, and for how long.

use std::{num::NonZeroU32, time::Duration};

use super::success_rate::SuccessRate;
use crate::{
    chance::scaled,
    clock::nanos,
    settings::{InvalidSetting, Ratio, at_least_one},
};

/// Which members of a fleet are ejected, for how long, and how many of them at most. The [room's page](super) has the
/// defaults and their reasons.
///
/// Any value of this type works: nonsense cannot be expressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Outliers {
    consecutive_failures: Option<NonZeroU32>,
    success_rate: Option<SuccessRate>,
    interval: Duration,
    base: Duration,
    max: Duration,
    max_ejected: Ratio,
    panic_below: Option<Ratio>,
}

impl Outliers {
    const SHORTEST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(3600);

    /// The defaults.
    pub const fn new() -> Self {
        Self {
            consecutive_failures: Some(nonzero(5)),
            success_rate: Some(SuccessRate::new()),
            interval: Duration::from_secs(10),
            base: Duration::from_secs(30),
            max: Duration::from_secs(300),
            max_ejected: Ratio::percent(10),
            panic_below: Some(Ratio::HALF),
        }
    }

    /// Ejects a member after this many failures in a row.
    pub const fn with_consecutive_failures(mut self, failures: NonZeroU32) -> Self {
        self.consecutive_failures = Some(failures);
        self
    }

    /// As [`with_consecutive_failures`](Self::with_consecutive_failures), checked.
    ///
    /// # Errors
    /// [`InvalidSetting`] for zero.
    pub fn try_with_consecutive_failures(self, failures: u32) -> Result<Self, InvalidSetting> {
        at_least_one("shuffle_shard.consecutive_failures", failures).map(|n| self.with_consecutive_failures(n))
    }

    /// Ejects no member for failures in a row alone.
    pub const fn without_consecutive_failures(mut self) -> Self {
        self.consecutive_failures = None;
        self
    }

    /// Ejects a member whose success rate is this far below the others'.
    pub const fn with_success_rate(mut self, rule: SuccessRate) -> Self {
        self.success_rate = Some(rule);
        self
    }

    /// Does not compare the members' success rates.
    pub const fn without_success_rate(mut self) -> Self {
        self.success_rate = None;
        self
    }

    /// How often success rates are compared, the streak of a member that stayed in service shrinks by one, and the
    /// spill is granted anew.
    ///
    /// # Errors
    /// [`InvalidSetting`] unless it is 100 ms to an hour.
    pub fn try_with_interval(mut self, interval: Duration) -> Result<Self, InvalidSetting> {
        if interval < Self::SHORTEST || interval > Self::LONGEST {
            return Err(InvalidSetting::new("shuffle_shard.interval", interval, "100 ms to 1 h"));
        }
        self.interval = interval;
        Ok(self)
    }

    /// For how long a member is ejected: `base` times the number of ejections in a row, but never longer than `max`. Up
    /// to half of each time is taken off at random, so that members ejected together do not return together.
    ///
    /// # Errors
    /// [`InvalidSetting`] if `base` is zero, or longer than `max`.
    pub fn try_with_ejection_time(mut self, base: Duration, max: Duration) -> Result<Self, InvalidSetting> {
        if base.is_zero() || base > max {
            return Err(InvalidSetting::new("shuffle_shard.ejection_time.base", base, "above zero, at most the max"));
        }
        (self.base, self.max) = (base, max);
        Ok(self)
    }

    /// The largest share of the fleet that is ejected at once. One hand may be out in any case, and the last member
    /// never is.
    pub const fn with_max_ejected(mut self, share: Ratio) -> Self {
        self.max_ejected = share;
        self
    }

    /// Ejections are ignored while less than this share of the members is left in service. With [`Ratio::ONE`] a single
    /// ejection is one too many, and none has any effect.
    pub const fn with_panic_below(mut self, share: Ratio) -> Self {
        self.panic_below = Some(share);
        self
    }

    /// Ejections count, however few members are left.
    pub const fn without_panic(mut self) -> Self {
        self.panic_below = None;
        self
    }

    /// How many failures in a row eject a member; `None` if no number does.
    pub const fn consecutive_failures(&self) -> Option<NonZeroU32> {
        self.consecutive_failures
    }

    /// How the members' success rates are compared; `None` if they are not.
    pub const fn success_rate(&self) -> Option<SuccessRate> {
        self.success_rate
    }

    /// How often they are compared.
    pub const fn interval(&self) -> Duration {
        self.interval
    }

    /// For how long a member is ejected the first time, before the jitter.
    pub const fn base_ejection_time(&self) -> Duration {
        self.base
    }

    /// For how long a member is ejected at most.
    pub const fn max_ejection_time(&self) -> Duration {
        self.max
    }

    /// The largest share of the fleet that is ejected at once.
    pub const fn max_ejected(&self) -> Ratio {
        self.max_ejected
    }

    /// The share of members left in service below which ejections are ignored; `None` if they never are.
    pub const fn panic_below(&self) -> Option<Ratio> {
        self.panic_below
    }

    /// How many of `members` may be out at once, where tenants are dealt `hand` of them.
    pub(super) fn most_ejected(&self, members: usize, hand: usize) -> usize {
        let share = members as u128 * u128::from(self.max_ejected.as_millionths()) / 1_000_000;
        (share as usize).max(hand).min(members.saturating_sub(1))
    }

    /// Whether too few are left of so many.
    pub(super) fn is_panic(&self, left: usize, of: usize) -> bool {
        self.panic_below.is_some_and(|share| left < of && !share.is_reached(left as u64, of as u64))
    }

    /// For how long a member is put out, the `streak`th time in a row.
    pub(super) fn eject_for(&self, streak: u32, random: u64) -> Duration {
        let full = nanos(self.base).saturating_mul(u64::from(streak.max(1))).min(nanos(self.max));
        Duration::from_nanos(full - scaled(random, full / 2))
    }
}

impl Default for Outliers {
    fn default() -> Self {
        Self::new()
    }
}

/// For constants, which are not zero.
pub(super) const fn nonzero(value: u32) -> NonZeroU32 {
    match NonZeroU32::new(value) {
        Some(value) => value,
        None => NonZeroU32::MIN,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_hand_may_always_be_out_and_the_last_member_never() {
        let most = |members, hand| Outliers::new().most_ejected(members, hand);
        assert_eq!([most(0, 2), most(1, 2), most(2, 2), most(3, 2), most(8, 2)], [0, 0, 1, 2, 2]);
        assert_eq!([most(100, 2), most(100, 16), most(usize::MAX, 1)], [10, 16, usize::MAX / 10]);
    }

    #[test]
    fn too_few_left_is_a_panic_and_all_of_them_is_none() {
        let rules = Outliers::new();
        assert!(rules.is_panic(3, 8) && !rules.is_panic(4, 8));
        assert!(!rules.is_panic(0, 0) && rules.is_panic(0, 1));
        assert!(!rules.without_panic().is_panic(0, 8));
        let nervous = rules.with_panic_below(Ratio::ONE);
        assert!(nervous.is_panic(7, 8) && !nervous.is_panic(8, 8));
    }

    #[test]
    fn the_time_grows_with_each_ejection_in_a_row_and_keeps_half() {
        let rules = Outliers::new();
        for (streak, full) in [(0, 30), (1, 30), (2, 60), (10, 300), (u32::MAX, 300)] {
            let (longest, shortest) = (rules.eject_for(streak, 0), rules.eject_for(streak, u64::MAX));
            assert_eq!((shortest, longest), (full * SECOND / 2, full * SECOND), "streak {streak}");
        }
        let for_ever = rules.try_with_ejection_time(Duration::MAX, Duration::MAX).expect("valid");
        assert_eq!(for_ever.eject_for(u32::MAX, 0), Duration::from_nanos(u64::MAX));
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        let rules = Outliers::new();
        let refused = [
            rules.try_with_consecutive_failures(0),
            rules.try_with_interval(Duration::ZERO),
            rules.try_with_interval(Duration::MAX),
            rules.try_with_ejection_time(Duration::ZERO, SECOND),
            rules.try_with_ejection_time(2 * SECOND, SECOND),
        ];
        for refused in refused {
            assert!(refused.expect_err("nonsense").setting().starts_with("shuffle_shard."));
        }
    }

    proptest! {
        #[test]
        fn no_numbers_break_the_rules(
            members in 0..=usize::MAX, hand in 0..=16_usize, share in 0..=1_000_000_u32, streak: u32, random: u64,
        ) {
            let rules = Outliers::new().with_max_ejected(Ratio::millionths(share));
            prop_assert!(rules.most_ejected(members, hand) <= members.saturating_sub(1));
            let time = rules.eject_for(streak, random);
            prop_assert!((15 * SECOND..=300 * SECOND).contains(&time));
        }
    }
}

use std::num::NonZeroU32;

use crate::settings::{InvalidSetting, at_least_one};

/// The settings of a [`LoadShed`](super::LoadShed): a plain value. The defaults need no tuning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Settings {
    name: &'static str,
    initial_limit: NonZeroU32,
    max_limit: NonZeroU32,
    bottleneck: Bottleneck,
}

/// Whose queue it is when calls get slower.
///
/// That cannot be told from one place: a dependency that got slower looks like one that others overload. The limit
/// finds out by a trial: it halves itself for a moment, and looks whether calls get faster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Bottleneck {
    /// Found out by trial, and believed within bounds. The default.
    #[default]
    Auto,
    /// What is behind this limit is behind no other. Trials are believed further, and how long callers wait (a timeout
    /// further out, or a request's deadline) says how slow calls may become. For a service's own work.
    Private,
    /// What is behind this limit is shared with other instances, each with a limit of its own. Slower calls are always
    /// taken for a queue: the only safe guess where this instance's share of the queue is too small to see.
    Shared,
}

impl Settings {
    /// The defaults.
    pub const fn new() -> Self {
        Self { name: "load_shed", initial_limit: FOUR, max_limit: MANY, bottleneck: Bottleneck::Auto }
    }

    /// The name in its refusals and events. By default `load_shed`.
    pub const fn with_name(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// How many may be under way before anything is known. By default 4: from there the limit reaches 64 in half a
    /// second under load, and what is learned first, from a hardly loaded service, is true. For services so wide that
    /// the first seconds matter (thousands at once), set a number safely below what they can do.
    pub const fn with_initial_limit(mut self, limit: NonZeroU32) -> Self {
        self.initial_limit = limit;
        self
    }

    /// As [`with_initial_limit`](Self::with_initial_limit), from a plain number.
    ///
    /// # Errors
    /// [`InvalidSetting`] if it is zero.
    pub fn try_with_initial_limit(self, limit: u32) -> Result<Self, InvalidSetting> {
        at_least_one("load_shed.initial_limit", limit).map(|limit| self.with_initial_limit(limit))
    }

    /// How many may ever be under way, parked streams included. By default 65,536. Streams are parked only as long as
    /// that leaves room for the limit: where the limit itself is this large, none are.
    pub const fn with_max_limit(mut self, limit: NonZeroU32) -> Self {
        self.max_limit = limit;
        self
    }

    /// As [`with_max_limit`](Self::with_max_limit), from a plain number.
    ///
    /// # Errors
    /// [`InvalidSetting`] if it is zero.
    pub fn try_with_max_limit(self, limit: u32) -> Result<Self, InvalidSetting> {
        at_least_one("load_shed.max_limit", limit).map(|limit| self.with_max_limit(limit))
    }

    /// Both limits, from plain numbers. Set one by one, an initial limit above the maximum is not noticed, and counts as
    /// the maximum.
    ///
    /// # Errors
    /// [`InvalidSetting`] if either is zero, or the first is above the second.
    pub fn try_with_limits(self, initial: u32, max: u32) -> Result<Self, InvalidSetting> {
        let settings = self.try_with_max_limit(max)?.try_with_initial_limit(initial)?;
        if initial > max {
            return Err(InvalidSetting::new("load_shed.initial_limit", initial, "at most the max_limit"));
        }
        Ok(settings)
    }

    /// Whose queue it is when calls get slower.
    pub const fn with_bottleneck(mut self, bottleneck: Bottleneck) -> Self {
        self.bottleneck = bottleneck;
        self
    }

    /// The name in its refusals and events.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// How many may be under way at first: at most [`max_limit`](Self::max_limit).
    pub fn initial_limit(&self) -> NonZeroU32 {
        self.initial_limit.min(self.max_limit)
    }

    /// How many may ever be under way.
    pub const fn max_limit(&self) -> NonZeroU32 {
        self.max_limit
    }

    /// Whose queue it is when calls get slower.
    pub const fn bottleneck(&self) -> Bottleneck {
        self.bottleneck
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::new()
    }
}

const FOUR: NonZeroU32 = at_least(4);
const MANY: NonZeroU32 = at_least(65_536);

const fn at_least(limit: u32) -> NonZeroU32 {
    match NonZeroU32::new(limit) {
        Some(limit) => limit,
        None => NonZeroU32::MIN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_make_no_sense_are_refused_by_name() {
        let refused = |initial, max| Settings::new().try_with_limits(initial, max).expect_err("nonsense");
        assert_eq!(refused(0, 9).setting(), "load_shed.initial_limit");
        assert_eq!(refused(1, 0).setting(), "load_shed.max_limit");
        assert_eq!(refused(10, 9).setting(), "load_shed.initial_limit");
        assert!(Settings::new().try_with_limits(9, 9).is_ok());
    }

    #[test]
    fn nobody_begins_above_the_largest_limit() {
        let settings = Settings::new().with_max_limit(NonZeroU32::MIN);
        assert_eq!(settings.initial_limit(), NonZeroU32::MIN);
    }
}

use std::{num::NonZeroU32, time::Duration};

use crate::settings::{InvalidSetting, at_least_one};

/// How long a body may make its reader wait: a plain value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Settings {
    name: &'static str,
    idle: Duration,
    rate: Option<(NonZeroU32, Duration)>,
}

impl Settings {
    /// No longer than `idle` for one frame. [`Duration::MAX`] is for ever; zero lets through only what is there at once.
    pub const fn new(idle: Duration) -> Self {
        Self { name: "body_timeout", idle, rate: None }
    }

    /// As [`new`](Self::new), checked.
    ///
    /// # Errors
    /// [`InvalidSetting`] if `idle` is zero.
    pub fn try_new(idle: Duration) -> Result<Self, InvalidSetting> {
        if idle.is_zero() {
            return Err(InvalidSetting::new("body_timeout.idle", idle, "above zero"));
        }
        Ok(Self::new(idle))
    }

    /// At least this many bytes for each second of waiting, after an initial `grace`. A body that was early may be late
    /// afterwards, but never by more than the grace.
    pub const fn with_rate(mut self, bytes_per_second: NonZeroU32, grace: Duration) -> Self {
        self.rate = Some((bytes_per_second, grace));
        self
    }

    /// As [`with_rate`](Self::with_rate), checked.
    ///
    /// # Errors
    /// [`InvalidSetting`] if either is zero: without grace the first byte would be late.
    pub fn try_with_rate(self, bytes_per_second: u32, grace: Duration) -> Result<Self, InvalidSetting> {
        let rate = at_least_one("body_timeout.rate", bytes_per_second)?;
        if grace.is_zero() {
            return Err(InvalidSetting::new("body_timeout.grace", grace, "above zero"));
        }
        Ok(self.with_rate(rate, grace))
    }

    /// The name in its refusals. By default `body_timeout`.
    pub const fn with_name(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// The name in its refusals.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// How long one frame may take.
    pub const fn idle(&self) -> Duration {
        self.idle
    }

    /// The least number of bytes a second, and the grace.
    pub const fn rate(&self) -> Option<(NonZeroU32, Duration)> {
        self.rate
    }
}

impl From<Duration> for Settings {
    fn from(idle: Duration) -> Self {
        Self::new(idle)
    }
}

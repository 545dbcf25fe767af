use std::{num::NonZeroU32, time::Duration};

use crate::settings::{InvalidSetting, at_least_one};

/// How a [`SurgeQueue`](super::SurgeQueue) is set: a plain value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Settings {
    pub(super) name: &'static str,
    pub(super) burst: Duration,
    pub(super) max_waiting: Option<NonZeroU32>,
}

impl Settings {
    /// Bridges bursts of 100 ms, in as many places as they need.
    pub const fn new() -> Self {
        Self { name: "surge_queue", burst: Duration::from_millis(100), max_waiting: None }
    }

    /// The name under which it refuses and announces. By default `surge_queue`.
    pub const fn with_name(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// How long a burst it bridges: a request that would have to wait longer is refused on arrival, as far as can be
    /// told. Where calls take longer than that, it is three quarters of what they take. While the queue has been
    /// standing for a while, it is a tenth of this for all but the critical; and nobody waits longer than twice this.
    ///
    /// # Errors
    /// [`InvalidSetting`] if it is zero. [`Duration::MAX`] is for ever: only the places bound who waits.
    pub fn try_with_burst(mut self, burst: Duration) -> Result<Self, InvalidSetting> {
        if burst.is_zero() {
            return Err(InvalidSetting::new("surge_queue.burst", burst, "above zero"));
        }
        self.burst = burst;
        Ok(self)
    }

    /// How many may wait at once. Without it, as many as can be served in one and a half bursts, and 64 and four times
    /// the limit at least.
    ///
    /// # Errors
    /// [`InvalidSetting`] if it is zero.
    pub fn try_with_max_waiting(mut self, max_waiting: u32) -> Result<Self, InvalidSetting> {
        self.max_waiting = Some(at_least_one("surge_queue.max_waiting", max_waiting)?);
        Ok(self)
    }

    /// The name under which it refuses and announces.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// How long a burst it bridges.
    pub const fn burst(&self) -> Duration {
        self.burst
    }

    /// How many may wait at once, if that is set.
    pub const fn max_waiting(&self) -> Option<NonZeroU32> {
        self.max_waiting
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::new()
    }
}

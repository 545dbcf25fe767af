use std::{num::NonZeroU32, time::Duration};

use super::ramp::Ramp;
use crate::settings::{InvalidSetting, Ratio, at_least_one};

/// The settings of a [`SurgeQueue`](super::SurgeQueue): a plain value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Settings {
    pub(super) name: &'static str,
    pub(super) burst: Duration,
    pub(super) max_waiting: Option<NonZeroU32>,
    pub(super) surge: Option<Surge>,
}

impl Settings {
    /// Bridges bursts of 100 ms, with as many places as they need.
    pub const fn new() -> Self {
        Self { name: "surge_queue", burst: Duration::from_millis(100), max_waiting: None, surge: None }
    }

    /// The name in its refusals and events. By default `surge_queue`.
    pub const fn with_name(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// How long a burst it bridges: a request whose forecast wait is longer is refused on arrival. Where three quarters
    /// of a call take longer than this, they count instead. Once the queue has been standing for a while, the bound is
    /// a tenth of that for most; see [how it decides](super#how-it-decides).
    ///
    /// # Errors
    /// [`InvalidSetting`] if it is zero. [`Duration::MAX`] is for ever: only the number of places bounds the queue
    /// then.
    pub fn try_with_burst(mut self, burst: Duration) -> Result<Self, InvalidSetting> {
        if burst.is_zero() {
            return Err(InvalidSetting::new("surge_queue.burst", burst, "above zero"));
        }
        self.burst = burst;
        Ok(self)
    }

    /// How many may wait at once. By default as many as can be served in one and a half bursts, but at least 64, and at
    /// least four times the limit.
    ///
    /// # Errors
    /// [`InvalidSetting`] if it is zero.
    pub fn try_with_max_waiting(mut self, max_waiting: u32) -> Result<Self, InvalidSetting> {
        self.max_waiting = Some(at_least_one("surge_queue.max_waiting", max_waiting)?);
        Ok(self)
    }

    /// Adds a second lane for requests that cannot be served in time: they wait there for longer, and are served by
    /// that lane's places.
    pub const fn with_surge(mut self, surge: Surge) -> Self {
        self.surge = Some(surge);
        self
    }

    /// The name in its refusals and events.
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

    /// The second lane, if there is one.
    pub const fn surge(&self) -> Option<Surge> {
        self.surge
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::new()
    }
}

/// The second lane of a [`SurgeQueue`](super::SurgeQueue): a plain value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Surge {
    pub(super) concurrency: NonZeroU32,
    pub(super) ramp: Ramp,
    pub(super) ttl: Duration,
    pub(super) demotion_after: Option<Duration>,
    pub(super) lending: Option<Ratio>,
    pub(super) max_waiting: NonZeroU32,
}

impl Surge {
    /// A lane with `concurrency` places of its own, all available at once, where up to 1024 requests wait for up to a
    /// minute.
    pub const fn new(concurrency: NonZeroU32) -> Self {
        Self {
            concurrency,
            ramp: Ramp::steep(concurrency),
            ttl: Duration::from_secs(60),
            demotion_after: None,
            lending: Some(Ratio::HALF),
            max_waiting: NonZeroU32::MIN.saturating_add(1023),
        }
    }

    /// As [`new`](Self::new), from a plain number.
    ///
    /// # Errors
    /// [`InvalidSetting`] if `concurrency` is zero.
    pub fn try_new(concurrency: u32) -> Result<Self, InvalidSetting> {
        at_least_one("surge_queue.surge.concurrency", concurrency).map(Self::new)
    }

    /// Makes its places available step by step.
    pub const fn with_ramp(mut self, ramp: Ramp) -> Self {
        self.ramp = ramp;
        self
    }

    /// How long after its arrival a request that still waits here is given up on. [`Duration::MAX`] is for ever.
    ///
    /// # Errors
    /// [`InvalidSetting`] if it is zero.
    pub fn try_with_ttl(mut self, ttl: Duration) -> Result<Self, InvalidSetting> {
        if ttl.is_zero() {
            return Err(InvalidSetting::new("surge_queue.surge.ttl", ttl, "above zero"));
        }
        self.ttl = ttl;
        Ok(self)
    }

    /// After how long in the first lane a request is moved to this one; with zero, at once. By default after two
    /// bursts, or one and a half calls where that is longer: when it would otherwise be refused.
    pub const fn with_demotion_after(mut self, age: Duration) -> Self {
        self.demotion_after = Some(age);
        self
    }

    /// What share of the limit's places it may borrow while nobody waits for them. A place on loan comes back when its
    /// call ends, so this is what a full second lane can cost the first.
    pub const fn with_lending(mut self, share: Ratio) -> Self {
        self.lending = Some(share);
        self
    }

    /// Borrows nothing: its own places are all it has.
    pub const fn without_lending(mut self) -> Self {
        self.lending = None;
        self
    }

    /// How many may wait here.
    ///
    /// # Errors
    /// [`InvalidSetting`] if it is zero.
    pub fn try_with_max_waiting(mut self, max_waiting: u32) -> Result<Self, InvalidSetting> {
        self.max_waiting = at_least_one("surge_queue.surge.max_waiting", max_waiting)?;
        Ok(self)
    }

    /// How many places it has.
    pub const fn concurrency(&self) -> NonZeroU32 {
        self.concurrency
    }

    /// How fast they become available.
    pub const fn ramp(&self) -> Ramp {
        self.ramp
    }

    /// How long after its arrival a request is given up on.
    pub const fn ttl(&self) -> Duration {
        self.ttl
    }

    /// After how long in the first lane a request is moved to this one, if that is set.
    pub const fn demotion_after(&self) -> Option<Duration> {
        self.demotion_after
    }

    /// What share of the limit's places it may borrow.
    pub const fn lending(&self) -> Option<Ratio> {
        self.lending
    }

    /// How many may wait here.
    pub const fn max_waiting(&self) -> NonZeroU32 {
        self.max_waiting
    }
}

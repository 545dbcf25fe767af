use std::{num::NonZeroU32, time::Duration};

use super::ramp::Ramp;
use crate::settings::{InvalidSetting, Ratio, at_least_one};

/// How a [`SurgeQueue`](super::SurgeQueue) is set: a plain value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Settings {
    pub(super) name: &'static str,
    pub(super) burst: Duration,
    pub(super) max_waiting: Option<NonZeroU32>,
    pub(super) surge: Option<Surge>,
}

impl Settings {
    /// Bridges bursts of 100 ms, in as many places as they need.
    pub const fn new() -> Self {
        Self { name: "surge_queue", burst: Duration::from_millis(100), max_waiting: None, surge: None }
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

    /// Gives it a second lane, for what cannot be served in time: it waits there for longer, and is served by places of
    /// that lane.
    pub const fn with_surge(mut self, surge: Surge) -> Self {
        self.surge = Some(surge);
        self
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
    /// A lane of `concurrency` places of its own, there at once, in which up to 1024 wait for a minute.
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

    /// As [`new`](Self::new), from a number that may be anything.
    ///
    /// # Errors
    /// [`InvalidSetting`] if `concurrency` is zero.
    pub fn try_new(concurrency: u32) -> Result<Self, InvalidSetting> {
        at_least_one("surge_queue.surge.concurrency", concurrency).map(Self::new)
    }

    /// Lets its places come one after the other.
    pub const fn with_ramp(mut self, ramp: Ramp) -> Self {
        self.ramp = ramp;
        self
    }

    /// How long after its arrival a request is given up on that waits here. [`Duration::MAX`] is for ever.
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

    /// After how long in the first lane a request is moved to this one: at once where that is zero. Without it, after
    /// twice the burst, when it would be refused otherwise.
    pub const fn with_demotion_after(mut self, age: Duration) -> Self {
        self.demotion_after = Some(age);
        self
    }

    /// Up to which share of the limit's places it may borrow while nobody waits for them. A place that is lent comes
    /// back when its call ends, so this is what a full second lane can cost the first.
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

    /// How fast they come.
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

    /// Up to which share of the limit's places it may borrow.
    pub const fn lending(&self) -> Option<Ratio> {
        self.lending
    }

    /// How many may wait here.
    pub const fn max_waiting(&self) -> NonZeroU32 {
        self.max_waiting
    }
}

use std::{fmt, time::Duration};

use super::quota::Quota;
use crate::settings::InvalidSetting;

/// How many quotas a rate limit can have.
pub const MAX_QUOTAS: usize = 4;

/// The settings of a [`RateLimit`](super::RateLimit): a plain value.
#[derive(Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Settings {
    name: &'static str,
    /// Behind `len` there are copies of the first, so that equal settings are equal.
    quotas: [Quota; MAX_QUOTAS],
    len: usize,
    max_waiting: u32,
    max_wait: Duration,
    puts_back: bool,
    max_hint: Duration,
}

impl Settings {
    /// At most `quota`, and nobody waits.
    pub const fn new(quota: Quota) -> Self {
        Self {
            name: "rate_limit",
            quotas: [quota; MAX_QUOTAS],
            len: 1,
            max_waiting: 0,
            max_wait: Duration::ZERO,
            puts_back: true,
            max_hint: Duration::ZERO,
        }
    }

    /// At most each of `quotas`: ten a second, say, and a thousand an hour.
    ///
    /// # Errors
    /// [`InvalidSetting`] for none, or for more than [`MAX_QUOTAS`].
    pub fn try_new(quotas: &[Quota]) -> Result<Self, InvalidSetting> {
        let Some((first, others)) = quotas.split_first() else {
            return Err(InvalidSetting::new("rate_limit.quotas", quotas, "at least 1 quota"));
        };
        others.iter().try_fold(Self::new(*first), |settings, quota| settings.try_with_quota(*quota))
    }

    /// Adds a quota: a request passes when every quota has cells for it, and is charged to all or to none.
    ///
    /// # Errors
    /// [`InvalidSetting`] if there are [`MAX_QUOTAS`] already.
    pub fn try_with_quota(mut self, quota: Quota) -> Result<Self, InvalidSetting> {
        match self.quotas.get_mut(self.len) {
            Some(place) => *place = quota,
            None => return Err(InvalidSetting::new("rate_limit.quotas", self.len + 1, "at most 4 quotas")),
        }
        self.len += 1;
        Ok(self)
    }

    /// Checks that a request [costing](super::RateLimit::cost_by) this many cells, the dearest you expect, could ever
    /// pass, so that you learn otherwise here and not from [`TooExpensive`](crate::Reason::TooExpensive). It changes
    /// nothing.
    ///
    /// # Errors
    /// [`InvalidSetting`] if it is more than the smallest burst.
    pub fn try_with_costs_up_to(self, cells: u32) -> Result<Self, InvalidSetting> {
        if self.quotas().iter().all(|quota| quota.burst().get() >= cells) {
            return Ok(self);
        }
        Err(InvalidSetting::new("rate_limit.cost", cells, "at most the smallest burst"))
    }

    /// The name in its refusals and events. By default `rate_limit`.
    pub const fn with_name(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// Lets up to `max_waiting` requests wait for their turn, each for at most `max_wait`, and not beyond its deadline.
    /// If either is zero, nobody waits.
    pub const fn with_wait(mut self, max_waiting: u32, max_wait: Duration) -> Self {
        self.max_waiting = max_waiting;
        self.max_wait = max_wait;
        self
    }

    /// Keeps what was taken even for a request that was never sent, because a gate further in refused it or its caller
    /// left. For cases in which the attempt is what counts: passwords, say. By default it is put back.
    pub const fn without_refunds(mut self) -> Self {
        self.puts_back = false;
        self
    }

    /// Lets nobody in for as long as the callee asks in a failure judged
    /// [`Throttled`](crate::classify::Failure::Throttled), but for at most `max_hint`. Zero, the default, ignores such
    /// hints: a callee has to be trusted with them. They take a [judge](crate::Classify) that finds them.
    pub const fn with_max_hint(mut self, max_hint: Duration) -> Self {
        self.max_hint = max_hint;
        self
    }

    /// The name in its refusals and events.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The quotas, in the order in which they were given.
    pub fn quotas(&self) -> &[Quota] {
        &self.quotas[..self.len]
    }

    /// How many requests may wait.
    pub const fn max_waiting(&self) -> u32 {
        self.max_waiting
    }

    /// How long each may wait.
    pub const fn max_wait(&self) -> Duration {
        self.max_wait
    }

    /// Whether what was taken for a request that was never sent is put back.
    pub const fn refunds(&self) -> bool {
        self.puts_back
    }

    /// How long a pause the callee can ask for. Zero if its hints are ignored.
    pub const fn max_hint(&self) -> Duration {
        self.max_hint
    }

    /// How many may wait, with the time to do so.
    pub(super) const fn places(&self) -> u32 {
        if self.max_wait.is_zero() { 0 } else { self.max_waiting }
    }

    /// The quotas, and how many of them count.
    pub(super) const fn padded_quotas(&self) -> ([Quota; MAX_QUOTAS], usize) {
        (self.quotas, self.len)
    }
}

/// Without the copies behind the last quota.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("name", &self.name)
            .field("quotas", &self.quotas())
            .field("max_waiting", &self.max_waiting)
            .field("max_wait", &self.max_wait)
            .field("refunds", &self.puts_back)
            .field("max_hint", &self.max_hint)
            .finish()
    }
}

impl From<Quota> for Settings {
    fn from(quota: Quota) -> Self {
        Self::new(quota)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_quota_is_printed_once() {
        let printed = format!("{:?}", Settings::new(quota(3)));
        assert_eq!(printed.matches("burst").count(), 1, "{printed}");
    }

    fn quota(cells: u32) -> Quota {
        Quota::try_per_second(cells).expect("not zero")
    }

    #[test]
    fn there_are_one_to_four_quotas() {
        let setting =
            |quotas: &[Quota]| Settings::try_new(quotas).map(|_| "none").unwrap_or_else(|error| error.setting());
        assert_eq!(setting(&[]), "rate_limit.quotas");
        assert_eq!(setting(&[quota(1); 4]), "none");
        assert_eq!(setting(&[quota(1); 5]), "rate_limit.quotas");
    }

    #[test]
    fn a_cost_that_no_burst_holds_is_refused_at_the_door() {
        let settings = Settings::try_new(&[quota(10), quota(7)]).expect("two");
        assert!(settings.try_with_costs_up_to(7).is_ok());
        let error = settings.try_with_costs_up_to(8).expect_err("too much");
        assert_eq!((error.setting(), error.value()), ("rate_limit.cost", "8"));
    }

    #[test]
    fn settings_that_say_the_same_are_equal() {
        let both = |first, second| Settings::new(quota(first)).try_with_quota(quota(second)).expect("two");
        assert_eq!(both(1, 2), Settings::try_new(&[quota(1), quota(2)]).expect("two"));
        assert_ne!(both(1, 1), Settings::new(quota(1)));
    }
}

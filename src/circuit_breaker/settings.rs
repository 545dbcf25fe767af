use std::{num::NonZeroU32, time::Duration};

use super::values::{OpenTime, Probes, Shape, Window, nonzero};
use crate::{
    chance::scaled,
    clock::nanos,
    event::Trip,
    settings::{InvalidSetting, Ratio, at_least_one},
    stats::Counts,
};

/// How a circuit breaker judges, and how long it keeps calls away. The [room's page](super) has the defaults and their
/// reasons.
///
/// Any value of this type works: nonsense cannot be expressed, and durations of any length, zero and [`Duration::MAX`]
/// included, have a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Settings {
    pub(super) name: &'static str,
    consecutive_failures: Option<NonZeroU32>,
    failure_rate: Option<Ratio>,
    slow_calls: Option<(Duration, Ratio)>,
    pub(super) window: Window,
    hung_after: Option<Duration>,
    pub(super) open_time: OpenTime,
    max_hint: Duration,
    pub(super) calm: Duration,
    pub(super) probes: Probes,
    pub(super) probe_lease: Duration,
    pub(super) ramp: Duration,
}

impl Settings {
    /// The defaults.
    pub const fn new() -> Self {
        Self {
            name: "circuit_breaker",
            consecutive_failures: Some(nonzero(10)),
            failure_rate: Some(Ratio::HALF),
            slow_calls: None,
            window: Window { shape: Shape::Calls(nonzero(100)), minimum: nonzero(20) },
            hung_after: Some(Duration::from_secs(1)),
            open_time: OpenTime { first: Duration::from_secs(5), max: Duration::from_secs(300) },
            max_hint: Duration::from_secs(300),
            calm: Duration::from_secs(60),
            probes: Probes { successes: nonzero(1), of: nonzero(1) },
            probe_lease: Duration::from_secs(30),
            ramp: Duration::from_secs(10),
        }
    }

    /// The name of this breaker in refusals and events: its dependency's, say. It is fixed when the breaker is made.
    pub const fn with_name(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// Opens after this many failures in a row.
    pub const fn with_consecutive_failures(mut self, failures: NonZeroU32) -> Self {
        self.consecutive_failures = Some(failures);
        self
    }

    /// As [`with_consecutive_failures`](Self::with_consecutive_failures), from a plain number.
    ///
    /// # Errors
    /// [`InvalidSetting`] if it is zero.
    pub fn try_with_consecutive_failures(self, failures: u32) -> Result<Self, InvalidSetting> {
        let failures = at_least_one("circuit_breaker.consecutive_failures", failures)?;
        Ok(self.with_consecutive_failures(failures))
    }

    /// Never opens the circuit for failures in a row alone.
    pub const fn without_consecutive_failures(mut self) -> Self {
        self.consecutive_failures = None;
        self
    }

    /// Opens when this share of the calls in the window, or more, failed.
    pub const fn with_failure_rate(mut self, share: Ratio) -> Self {
        self.failure_rate = Some(share);
        self
    }

    /// Never opens the circuit for the share of failures alone.
    pub const fn without_failure_rate(mut self) -> Self {
        self.failure_rate = None;
        self
    }

    /// Opens when this share of the calls in the window, or more, took `threshold` or longer, whether they succeeded
    /// or not. A slow probe fails. Costs a clock read at the end of each call. A `threshold` of zero makes every call
    /// slow, and [`Duration::MAX`] none.
    pub const fn with_slow_calls(mut self, threshold: Duration, share: Ratio) -> Self {
        self.slow_calls = Some((threshold, share));
        self
    }

    /// Does not look at how long calls take.
    pub const fn without_slow_calls(mut self) -> Self {
        self.slow_calls = None;
        self
    }

    /// Over which calls the rates are computed.
    pub const fn with_window(mut self, window: Window) -> Self {
        self.window = window;
        self
    }

    /// Counts a call as failed if its caller gave up on it after this time or later; a call given up on earlier says
    /// nothing. Set it no higher than the shortest timeout *around* the breaker, which is what cuts calls that hang.
    /// With zero, every call given up on counts as failed.
    pub const fn with_hung_after(mut self, after: Duration) -> Self {
        self.hung_after = Some(after);
        self
    }

    /// Takes a call given up on to say nothing, however long it ran. Right where a timeout *inside* the breaker cuts
    /// every call that hangs; saves the clock read at admission if slow calls are not judged either.
    pub const fn without_hung_after(mut self) -> Self {
        self.hung_after = None;
        self
    }

    /// How long the circuit stays open.
    pub const fn with_open_time(mut self, open_time: OpenTime) -> Self {
        self.open_time = open_time;
        self
    }

    /// Up to what length the callee's own hint ("leave me alone for an hour") is believed. With zero, not at all.
    pub const fn with_max_hint(mut self, max_hint: Duration) -> Self {
        self.max_hint = max_hint;
        self
    }

    /// How long the circuit must have been closed before an opening counts as the first again, and is short.
    pub const fn with_calm(mut self, calm: Duration) -> Self {
        self.calm = calm;
        self
    }

    /// How many calls test a callee that was failing, and how many of them must succeed.
    pub const fn with_probes(mut self, probes: Probes) -> Self {
        self.probes = probes;
        self
    }

    /// How long a probe may take. One not heard of by then is lost, and counts as failed. With zero it is lost as soon
    /// as another call comes.
    pub const fn with_probe_lease(mut self, lease: Duration) -> Self {
        self.probe_lease = lease;
        self
    }

    /// How long the ramp is: after the probes succeeded a tenth of the calls is let through, and by its end all are.
    /// With zero, all at once.
    pub const fn with_ramp(mut self, ramp: Duration) -> Self {
        self.ramp = ramp;
        self
    }

    /// The name in refusals and events.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// How many failures in a row open the circuit; `None` if no number does.
    pub const fn consecutive_failures(&self) -> Option<NonZeroU32> {
        self.consecutive_failures
    }

    /// What share of failures opens the circuit; `None` if none does.
    pub const fn failure_rate(&self) -> Option<Ratio> {
        self.failure_rate
    }

    /// From what duration on a call is slow, and what share of slow calls opens the circuit; `None` if that is not
    /// judged.
    pub const fn slow_calls(&self) -> Option<(Duration, Ratio)> {
        self.slow_calls
    }

    /// Over which calls the rates are computed.
    pub const fn window(&self) -> Window {
        self.window
    }

    /// From what duration on a call given up on counts as failed; `None` if it never does.
    pub const fn hung_after(&self) -> Option<Duration> {
        self.hung_after
    }

    /// How long the circuit stays open.
    pub const fn open_time(&self) -> OpenTime {
        self.open_time
    }

    /// Up to what length the callee's hint is believed.
    pub const fn max_hint(&self) -> Duration {
        self.max_hint
    }

    /// How long the circuit must have been closed before an opening is short again.
    pub const fn calm(&self) -> Duration {
        self.calm
    }

    /// How many calls test a callee that was failing.
    pub const fn probes(&self) -> Probes {
        self.probes
    }

    /// How long a probe may take.
    pub const fn probe_lease(&self) -> Duration {
        self.probe_lease
    }

    /// How long it takes to let all calls through again.
    pub const fn ramp(&self) -> Duration {
        self.ramp
    }

    /// The time after which a finished call was slow, in nanoseconds; `u64::MAX` if that is not judged.
    pub(super) fn slow_after_nanos(&self) -> u64 {
        self.slow_calls.map_or(u64::MAX, |(threshold, _)| nanos(threshold))
    }

    /// The time after which a call given up on was hung, in nanoseconds; `u64::MAX` if that is not judged.
    pub(super) fn hung_after_nanos(&self) -> u64 {
        self.hung_after.map_or(u64::MAX, nanos)
    }

    /// Whether anything is judged for which the start of a call must be known.
    pub(super) const fn looks_at_time(&self) -> bool {
        self.hung_after.is_some() || self.slow_calls.is_some()
    }

    /// Which rule, if any, says that the callee is failing.
    pub(super) fn trip(&self, failures_in_a_row: u32, counts: Counts) -> Option<Trip> {
        if self.consecutive_failures.is_some_and(|most| failures_in_a_row >= most.get()) {
            return Some(Trip::ConsecutiveFailures);
        }
        if counts.calls < self.window.minimum.get() {
            return None;
        }
        let reached = |share: Ratio, part: u32| share.is_reached(part.into(), counts.calls.into());
        if self.failure_rate.is_some_and(|share| reached(share, counts.failures)) {
            return Some(Trip::FailureRate);
        }
        self.slow_calls.is_some_and(|(_, share)| reached(share, counts.slow)).then_some(Trip::SlowCallRate)
    }

    /// How long to stay open, the `streak`th time in a row.
    pub(super) fn open_for(&self, streak: u32, hint: Option<Duration>, random: u64) -> Duration {
        let backoff = self.open_time.backoff(streak);
        let spread = scaled(random, backoff / 2);
        let hint = nanos(hint.unwrap_or_default().min(self.max_hint));
        // A hint is a lower bound. Circuits of many clients got the same one: the spread goes on top.
        Duration::from_nanos((backoff - backoff / 2).max(hint).saturating_add(spread))
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

    const SECOND: Duration = Duration::from_secs(1);

    fn counts(calls: u32, failures: u32, slow: u32) -> Counts {
        Counts { calls, failures, slow }
    }

    #[test]
    fn every_rule_trips_at_its_threshold_and_says_which() {
        let settings = Settings::new().with_slow_calls(SECOND, Ratio::percent(80));
        assert_eq!(settings.trip(9, counts(19, 19, 19)), None, "below the minimum");
        assert_eq!(settings.trip(10, counts(10, 10, 0)), Some(Trip::ConsecutiveFailures));
        assert_eq!(settings.trip(1, counts(20, 10, 0)), Some(Trip::FailureRate));
        assert_eq!(settings.trip(1, counts(20, 9, 15)), None);
        assert_eq!(settings.trip(0, counts(20, 0, 16)), Some(Trip::SlowCallRate));
        let blind = settings.without_consecutive_failures().without_failure_rate().without_slow_calls();
        assert_eq!(blind.trip(u32::MAX, counts(100, 100, 100)), None);
    }

    #[test]
    fn no_failure_in_a_row_is_no_number_to_open_after() {
        assert!(Settings::new().try_with_consecutive_failures(0).is_err());
        let five = Settings::new().try_with_consecutive_failures(5).expect("valid");
        assert_eq!(five.trip(5, counts(5, 5, 0)), Some(Trip::ConsecutiveFailures));
    }

    #[test]
    fn the_open_time_doubles_up_to_its_most_and_keeps_half() {
        let settings = Settings::new();
        for (streak, full) in [(1, 5), (2, 10), (3, 20), (7, 300), (64, 300), (u32::MAX, 300)] {
            let (shortest, longest) = (settings.open_for(streak, None, 0), settings.open_for(streak, None, u64::MAX));
            assert_eq!((shortest, longest), (full * SECOND / 2, full * SECOND), "streak {streak}");
        }
    }

    #[test]
    fn a_hint_is_a_lower_bound_that_is_believed_up_to_a_limit() {
        let settings = Settings::new();
        assert_eq!(settings.open_for(1, Some(SECOND), u64::MAX), 5 * SECOND);
        assert_eq!(settings.open_for(1, Some(20 * SECOND), 0), 20 * SECOND);
        assert_eq!(settings.open_for(1, Some(20 * SECOND), u64::MAX), 20 * SECOND + 5 * SECOND / 2);
        assert_eq!(settings.open_for(1, Some(Duration::MAX), 0), 300 * SECOND);
        let deaf = settings.with_max_hint(Duration::ZERO);
        assert_eq!(deaf.open_for(1, Some(20 * SECOND), u64::MAX), 5 * SECOND);
    }

    #[test]
    fn absurd_open_times_saturate() {
        let settings = Settings::new().with_open_time(OpenTime::constant(Duration::MAX)).with_max_hint(Duration::MAX);
        assert_eq!(settings.open_for(u32::MAX, Some(Duration::MAX), u64::MAX), Duration::from_nanos(u64::MAX));
        let never = settings.with_open_time(OpenTime::constant(Duration::ZERO));
        assert_eq!(never.open_for(5, None, u64::MAX), Duration::ZERO);
    }
}

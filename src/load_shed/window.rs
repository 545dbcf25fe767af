//! What a window of calls showed.

use std::time::Duration;

use super::samples::{BUCKETS, Reading, middle};
use crate::clock::Instant;

/// The calls that ended in a stretch of time: what a [`Rule`](super::Rule) judges by.
///
/// Only calls that say something about the callee are in it: answers, and calls given up on after they had taken as
/// long as the mean; parked ones are not. Times have a resolution of 3 %.
#[derive(Debug)]
pub struct Window<'a> {
    began: Instant,
    now: Instant,
    counts: &'a [u32; BUCKETS],
    sums: Sums,
    bound: u32,
    overloads: u32,
    latency: Option<f64>,
    patience: Option<Duration>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    calls: u32,
    seconds: f64,
    ln: f64,
    ln_squared: f64,
}

impl<'a> Window<'a> {
    /// What lies between two readings. `scratch` holds the difference.
    pub(super) fn between(
        (began, from): (Instant, &Reading),
        (now, to): (Instant, &Reading),
        scratch: &'a mut [u32; BUCKETS],
    ) -> Self {
        let mut sums = Sums::default();
        for (bucket, count) in scratch.iter_mut().enumerate() {
            *count = to.counts[bucket].wrapping_sub(from.counts[bucket]);
            if *count > 0 {
                let (weight, seconds) = (f64::from(*count), middle(bucket));
                let ln = seconds.ln();
                sums.calls = sums.calls.saturating_add(*count);
                sums.seconds += weight * seconds;
                sums.ln += weight * ln;
                sums.ln_squared += weight * ln * ln;
            }
        }
        // Counted after the call itself, and so perhaps in a later window than that.
        let bound = to.bound.wrapping_sub(from.bound).min(sums.calls);
        let overloads = to.overloads.wrapping_sub(from.overloads);
        Self { began, now, counts: scratch, sums, bound, overloads, latency: None, patience: None }
    }

    /// Adds what is known from outside of the window.
    pub(super) fn knowing(mut self, latency: Option<f64>, patience: Option<Duration>) -> Self {
        self.latency = latency;
        self.patience = patience;
        self
    }

    /// When it began.
    pub fn began(&self) -> Instant {
        self.began
    }

    /// The moment at which it is looked at.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// How long it has lasted, in seconds.
    pub fn lasted(&self) -> f64 {
        self.now.since(self.began).as_secs_f64()
    }

    /// How many calls ended in it.
    pub fn calls(&self) -> u32 {
        self.sums.calls
    }

    /// The share of them that ended while the limit was reached. Where it is low, the limit is not what holds the
    /// service back, and the window says nothing about it.
    pub fn bound(&self) -> f64 {
        f64::from(self.bound) / f64::from(self.sums.calls.max(1))
    }

    /// How many more ended by an overload further in: a timeout, or a callee that had no room. They are not among
    /// [`calls`](Self::calls).
    pub fn overloads(&self) -> u32 {
        self.overloads
    }

    /// How many were under way on average, by Little's law.
    pub fn concurrency(&self) -> f64 {
        self.sums.seconds / self.lasted().max(1e-9)
    }

    /// The mean time of a call, in seconds; 0 where there was none.
    pub fn mean(&self) -> f64 {
        self.sums.seconds / f64::from(self.sums.calls.max(1))
    }

    /// The mean of the logarithm of the times in seconds: that of the geometric mean, which a few slow calls move little.
    pub fn ln_mean(&self) -> f64 {
        self.sums.ln / f64::from(self.sums.calls.max(1))
    }

    /// The geometric mean time of a call, in seconds.
    pub fn geometric_mean(&self) -> f64 {
        self.ln_mean().exp()
    }

    /// The variance of the logarithm of the times.
    pub fn ln_variance(&self) -> f64 {
        (self.sums.ln_squared / f64::from(self.sums.calls.max(1)) - self.ln_mean().powi(2)).max(0.0)
    }

    /// The shortest time of a call, in seconds; `None` where there was none.
    pub fn shortest(&self) -> Option<f64> {
        self.counts.iter().position(|count| *count > 0).map(middle)
    }

    /// The longest time of a call, in seconds; `None` where there was none.
    pub fn longest(&self) -> Option<f64> {
        self.counts.iter().rposition(|count| *count > 0).map(middle)
    }

    /// The time within which this share of the calls ended, in seconds; `None` where there was none.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let wanted = (f64::from(self.calls()) * share).ceil().max(1.0) as u32;
        let mut seen = 0u32;
        self.counts
            .iter()
            .position(|count| {
                seen = seen.saturating_add(*count);
                seen >= wanted
            })
            .map(middle)
    }

    /// The mean time of the latest calls, this window's included, in seconds.
    pub fn latency(&self) -> f64 {
        self.latency.unwrap_or_else(|| self.mean())
    }

    /// How long callers wait for an answer, where that is known and may be used.
    pub fn patience(&self) -> Option<Duration> {
        self.patience
    }
}

/// Windows made up, for tests of rules.
#[cfg(test)]
pub(super) mod made {
    use super::*;
    use crate::load_shed::{
        rule::{Rule, Step},
        samples::Samples,
    };

    /// What happened in a window: of 100 ms, unless it says otherwise.
    #[derive(Clone, Copy, Debug)]
    pub(in crate::load_shed) struct Made {
        pub(in crate::load_shed) calls: u32,
        pub(in crate::load_shed) millis: f64,
        pub(in crate::load_shed) bound: bool,
        pub(in crate::load_shed) overloads: u32,
        pub(in crate::load_shed) lasted: Duration,
        pub(in crate::load_shed) patience: Option<Duration>,
    }

    impl Made {
        pub(in crate::load_shed) fn bound(calls: u32, millis: f64) -> Self {
            Self { calls, millis, bound: true, overloads: 0, lasted: Duration::from_millis(100), patience: None }
        }

        /// Shows it to a rule, from `began` on.
        pub(in crate::load_shed) fn show_at(&self, began: Instant, rule: &mut impl Rule) -> Step {
            let (samples, mut to, mut scratch) = (Samples::new(), Reading::ZERO, [0; BUCKETS]);
            for _ in 0..self.calls {
                samples.record((self.millis * 1e6) as u64, self.bound);
            }
            (0..self.overloads).for_each(|_| samples.overload());
            samples.read_into(&mut to);
            let window = Window::between((began, &Reading::ZERO), (began.after(self.lasted), &to), &mut scratch);
            rule.look(&window.knowing(Some(self.millis / 1e3), self.patience))
        }

        /// Shows it as the `n`th window. The limit then is the answer.
        pub(in crate::load_shed) fn show(&self, rule: &mut impl Rule, n: u64) -> f64 {
            self.show_at(Instant::from_nanos(1 + n * 100_000_000), rule);
            rule.limit()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load_shed::samples::Samples;

    #[test]
    fn a_window_holds_what_lies_between_two_readings() {
        let (samples, mut from, mut to) = (Samples::new(), Reading::ZERO, Reading::ZERO);
        samples.record(5_000_000, false);
        samples.read_into(&mut from);
        for _ in 0..3 {
            samples.record(10_000_000, true);
        }
        samples.record(40_000_000, false);
        samples.overload();
        samples.read_into(&mut to);
        let (began, mut scratch) = (Instant::from_nanos(7), [0; BUCKETS]);
        let now = began.after(Duration::from_millis(100));
        let window = Window::between((began, &from), (now, &to), &mut scratch);
        let near = |value: f64, wanted: f64| assert!((value / wanted - 1.0).abs() < 0.02, "{value} is not {wanted}");
        assert_eq!((window.calls(), window.overloads(), window.bound()), (4, 1, 0.75));
        near(window.mean(), 0.0175);
        near(window.geometric_mean(), (0.01f64.powi(3) * 0.04).powf(0.25));
        near(window.concurrency(), 0.7);
        near(window.shortest().expect("some"), 0.01);
        near(window.quantile(0.75).expect("some"), 0.01);
        near(window.quantile(1.0).expect("some"), 0.04);
        assert!((window.ln_variance() - 4f64.ln().powi(2) * 0.1875).abs() < 0.02);
    }

    /// While a window is read, calls go on to end: of a few only the one half was seen, or only the other.
    #[test]
    fn no_more_calls_ended_at_the_limit_than_ended() {
        let (samples, mut to, mut scratch) = (Samples::new(), Reading::ZERO, [0; BUCKETS]);
        samples.record(10_000_000, true);
        samples.read_into(&mut to);
        to.bound += 3;
        let began = Instant::from_nanos(7);
        let window = Window::between((began, &Reading::ZERO), (began.after(Duration::from_secs(1)), &to), &mut scratch);
        assert_eq!(window.bound(), 1.0);
    }

    #[test]
    fn an_empty_window_has_no_times() {
        let mut scratch = [0; BUCKETS];
        let at = (Instant::from_nanos(7), &Reading::ZERO);
        let window = Window::between(at, at, &mut scratch);
        assert_eq!((window.calls(), window.mean(), window.bound(), window.shortest()), (0, 0.0, 0.0, None));
        assert_eq!((window.concurrency(), window.quantile(0.5)), (0.0, None));
    }
}

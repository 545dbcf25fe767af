//! While nothing is tried, the limit follows the gradient.

use super::{
    BOUND, CALLS, CALLS_TO_TELL, CALM, LONGEST_LAG, SHORTEST, TOLERANCE, VerifiedGradient,
    trial::{Mode, Why},
};
use crate::load_shed::{Bottleneck, Window};

/// A limit grows at most by this factor in a window; by this one while calls are about as fast as they ever are; and by
/// this one if, besides, they never were slow.
const UP: f64 = 1.3;
const UP_CALM: f64 = 1.6;
const UP_AT_FIRST: f64 = 2.0;
/// A limit falls at most by this factor in a window.
const DOWN: f64 = 0.5;
/// The weight of the newest window in the smoothed latency; at the start, of one with few calls.
const SMOOTHING: f64 = 0.4;
const LEAST_AT_FIRST: f64 = 0.3;
/// The service has been slow once if calls took this much longer than at first.
const STARTED: f64 = 1.5;
/// A limit has moved if its logarithm did by so much.
const MOVED: f64 = 0.1;
/// A limit that has fallen below this share of what it was is verified at once.
const FALLEN: f64 = 0.55;
/// How slow calls must suddenly become, our concurrency being what it was, to be looked at before the limit is cut; and where
/// it is known how slow they may become.
const JUMP: f64 = 3.0;
const JUMP_PRIVATE: f64 = 2.0;
/// How much slower than what the last trial left as it was.
const JUMP_AGAIN: f64 = 1.5;

impl VerifiedGradient {
    /// A full window while nothing is tried. How many seconds to let pass before the next is the answer.
    pub(super) fn follow(&mut self, window: &Window<'_>) -> f64 {
        let latency = self.smooth(window);
        let baseline = self.heed_baseline(latency, window);
        if window.bound() < BOUND {
            self.rest(latency, window);
            return 0.0;
        }
        let stands = self.has_moved() < MOVED;
        self.limit_before = self.limit;
        if stands && self.verifies() && self.jumps(baseline, window) {
            self.reference = self.reference.max(self.limit);
            self.next_epoch(window.now());
            self.mode = Mode::Hold(Why::Jump);
            return self.lag(window).max(window.geometric_mean().min(LONGEST_LAG));
        }
        let calm = latency <= CALM * baseline;
        let gradient = (TOLERANCE * baseline / latency).clamp(0.5, 2.0);
        let target = self.limit * gradient;
        self.set((target + target.sqrt()).clamp(DOWN * self.limit, self.up(calm, window) * self.limit + 1.0));
        self.verify(calm, window)
    }

    fn smooth(&mut self, window: &Window<'_>) -> f64 {
        let latest = window.geometric_mean();
        let least = if self.started { 0.0 } else { LEAST_AT_FIRST };
        let weight = SMOOTHING * confidence(window).max(least);
        let before = self.latency.unwrap_or(latest);
        let latency = before + weight * (latest - before);
        self.latency = Some(latency);
        latency
    }

    fn heed_baseline(&mut self, latency: f64, window: &Window<'_>) -> f64 {
        let known = self.baseline.value.unwrap_or(latency);
        self.started |= latency.max(window.geometric_mean()) > STARTED * known;
        if self.started { self.baseline.lower(latency) } else { self.baseline.pool(window, latency) }
    }

    /// The limit is not reached: there is nothing to learn about it, and all the more about how long calls take.
    fn rest(&mut self, latency: f64, window: &Window<'_>) {
        self.limit_before = self.limit;
        self.tried = 0.0;
        if self.epoch_is_over(window.now()) {
            self.baseline.rotate(latency);
            self.reference = self.limit;
            self.next_epoch(window.now());
        }
        self.baseline.not_ours();
    }

    /// Whether calls take much longer than they should, and not only than the last trial said they just do.
    fn jumps(&self, baseline: f64, window: &Window<'_>) -> bool {
        let latest = window.geometric_mean();
        let jump = if self.patience(window).is_some() { JUMP_PRIVATE } else { JUMP };
        latest > jump * TOLERANCE * baseline && latest > JUMP_AGAIN * self.tried
    }

    /// How much the limit may grow at once. What a few calls show is mostly chance.
    fn up(&self, calm: bool, window: &Window<'_>) -> f64 {
        match (calm, self.started) {
            (true, false) if f64::from(window.calls()) >= CALLS => UP_AT_FIRST,
            (true, false) => UP_CALM,
            (true, true) => 1.0 + (UP_CALM - 1.0) * confidence(window),
            (false, _) => 1.0 + (UP - 1.0) * confidence(window),
        }
    }

    /// The limit has been moved, and is verified if it is time, or if it has fallen far.
    fn verify(&mut self, calm: bool, window: &Window<'_>) -> f64 {
        self.reference = self.reference.max(self.limit);
        let fallen = self.limit < FALLEN * self.reference;
        if !(self.verifies() && (fallen || self.epoch_is_over(window.now()))) {
            return self.settle(window);
        }
        if !fallen {
            self.reference = self.limit;
        }
        self.next_epoch(window.now());
        if calm && !fallen && !self.baseline.is_raised() {
            // Nothing is slow, and never was: there is nothing to verify.
            return self.settle(window);
        }
        self.mode = Mode::Hold(if fallen { Why::Fallen } else { Why::Due });
        self.lag(window)
    }

    /// How long the service takes to show what a move did: calls that end sooner began before it. Where windows are much
    /// longer than calls, those are few.
    fn settle(&self, window: &Window<'_>) -> f64 {
        let lag = self.lag(window);
        if self.has_moved() > MOVED && lag > SHORTEST / 4.0 { lag } else { 0.0 }
    }

    fn has_moved(&self) -> f64 {
        (self.limit / self.limit_before).ln().abs()
    }

    /// Whether there is any use in a trial.
    fn verifies(&self) -> bool {
        self.bottleneck != Bottleneck::Shared && self.limit >= 2.0
    }
}

/// How much a window is worth: all, or less if it has few calls.
fn confidence(window: &Window<'_>) -> f64 {
    (f64::from(window.calls()) / CALLS_TO_TELL).min(1.0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{super::tests::at_its_most, *};
    use crate::{clock::Instant, load_shed::window::made::Made};

    #[test]
    fn the_latest_window_is_two_fifths_of_the_latency() {
        let mut rule = at_its_most(100);
        Made { bound: false, ..Made::bound(100, 20.0) }.show(&mut rule, 0);
        assert!((rule.latency.expect("known") - 0.014).abs() < 3e-4, "{:?}", rule.latency);
    }

    #[test]
    fn a_limit_that_is_not_reached_forgets_what_was_tried_and_at_the_end_of_an_epoch_what_it_was() {
        let mut rule = at_its_most(100);
        let calm = Made { bound: false, ..Made::bound(100, 10.0) };
        (rule.tried, rule.reference) = (1.0, 1000.0);
        calm.show(&mut rule, 0);
        assert_eq!((rule.tried, rule.reference), (0.0, 1000.0));
        calm.show(&mut rule, 50);
        assert_eq!(rule.reference, 100.0);
    }

    #[test]
    fn a_jump_is_looked_at_before_the_limit_is_cut_unless_that_may_have_been_why() {
        let after = |mut rule: VerifiedGradient, millis, patience| {
            Made { patience, ..Made::bound(100, millis) }.show(&mut rule, 0);
            (rule.mode, rule.limit)
        };
        let held = (Mode::Hold(Why::Jump), 100.0);
        assert_eq!(after(at_its_most(100), 60.0, None), held);
        assert_ne!(after(at_its_most(100), 35.0, None), held, "not so much slower");
        assert_ne!(
            after(VerifiedGradient { limit_before: 80.0, ..at_its_most(100) }, 60.0, None),
            held,
            "it has moved"
        );
        assert_ne!(after(VerifiedGradient { tried: 0.05, ..at_its_most(100) }, 60.0, None), held, "that was tried");
        assert_eq!(after(at_its_most(1), 60.0, None), (Mode::Steady, 1.0), "there is nothing to halve");
        let private = || VerifiedGradient { bottleneck: Bottleneck::Private, ..at_its_most(100) };
        assert_eq!(after(private(), 35.0, Some(Duration::from_secs(1))), held);
        assert_ne!(after(private(), 35.0, None), held);
    }

    #[test]
    fn it_is_verified_when_it_has_fallen_and_when_it_is_due_unless_nothing_is_slow() {
        let after = |mut rule: VerifiedGradient, millis| {
            rule.epoch_ends = Some(Instant::from_nanos(0));
            Made::bound(100, millis).show(&mut rule, 0);
            rule.mode
        };
        assert_eq!(after(at_its_most(100), 10.0), Mode::Steady);
        assert_eq!(after(at_its_most(100), 20.0), Mode::Hold(Why::Due));
        let mut raised = at_its_most(100);
        raised.baseline.raise(0.02);
        assert_eq!(after(raised, 10.0), Mode::Hold(Why::Due), "it may be fast again");
        let fallen = VerifiedGradient { reference: 1000.0, ..at_its_most(100) };
        assert_eq!(after(fallen, 10.0), Mode::Hold(Why::Fallen));
    }
}

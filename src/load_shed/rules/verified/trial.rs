//! Trials: the limit is held, then halved, and what calls take is compared.

use super::{BOUND, CALLS, CALLS_AT_FIRST, CALM, FIRST_EPOCH, VerifiedGradient, measure::Measure};
use crate::{clock::Instant, load_shed::Window};

/// In a trial the limit is this much of itself.
const HALF: f64 = 0.5;
/// A window in a trial: two of them are compared.
const CALLS_TO_COMPARE: f64 = 150.0;
/// The service is not slow because of us if latency falls by less than this power of our concurrency. The power is known
/// only so well, and has to be below by so many standard errors: more of them, and a service with few calls a second would
/// never be believed.
const ELASTICITY: f64 = 0.5;
const CERTAINTY: f64 = 1.0;
/// The same, to be quite sure; and to be so sure that the best that was ever seen does not count.
const SURELY: f64 = 0.25;
const CERTAINLY: f64 = 0.1;
/// With so few under way there is no queue of ours to speak of.
const FEW: f64 = 4.5;
/// One verdict raises the baseline to at most this much of itself, and lets the limit rise by as much.
const RAISE: f64 = 2.0;
/// Where callers' patience may be used: the share of it that calls may take.
const PATIENCE: f64 = 0.25;
/// Calls that take less than this share of the baseline at half the limit call for another trial soon.
const MUCH_FASTER: f64 = 0.9;

/// What is being done about the limit.
///
/// ```text
///            fallen far, or long unverified, or a jump                  full window, at the limit
///  ┌────────┐ ───────────────────────────────────────▶ ┌──────┐ ───────────────────────────────▶ ┌───────┐
///  │ Steady │                                          │ Hold │                                  │ Halve │
///  └────────┘ ◀─────────────────────────────────────── └──────┘                                  └───────┘
///       ▲          not at the limit any more, or falling helped                                       │
///       └────────────────────────── verdict, or too few calls to give one ────────────────────────────┘
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Mode {
    /// The limit follows the gradient.
    Steady,
    /// It stands still, to be measured.
    Hold(Why),
    /// It is halved, to be compared with what was measured.
    Halve { why: Why, held: Measure },
}

/// Why the limit is verified.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Why {
    /// It has been reached for a long time.
    Due,
    /// It has fallen far.
    Fallen,
    /// Calls suddenly take much longer, though it did not move.
    Jump,
}

impl Mode {
    /// The limit in force.
    pub(super) fn limit(self, limit: f64) -> f64 {
        match self {
            Self::Halve { .. } => HALF * limit,
            Self::Steady | Self::Hold(_) => limit,
        }
    }
}

impl VerifiedGradient {
    /// Whether a window in a trial shows enough.
    pub(super) fn decides(&self, mode: Mode, window: &Window<'_>) -> bool {
        let (calls, lasted) = (f64::from(window.calls()), window.lasted());
        let enough = calls >= CALLS_TO_COMPARE || lasted > 0.5 && calls >= CALLS || lasted > 1.0 && calls >= 20.0;
        match mode {
            Mode::Halve { held, .. } => enough || calls >= CALLS && self.is_clear(held, window),
            Mode::Steady | Mode::Hold(_) => enough,
        }
    }

    /// Whether a comparison can be decided already.
    fn is_clear(&self, held: Measure, window: &Window<'_>) -> bool {
        let (elasticity, error) = Measure::of(window).compared_to(held);
        let line = if self.patience(window).is_some() { SURELY } else { 0.0 };
        let faster = self.baseline.value.is_some_and(|baseline| window.geometric_mean() < baseline);
        faster || elasticity - CERTAINTY * error > line || elasticity + CERTAINTY * error < line
    }

    /// Whether a trial goes on for long already, and next to nobody is there to see it.
    pub(super) fn is_futile(&self, window: &Window<'_>) -> bool {
        window.lasted() > (4.0 * self.lag(window)).max(1.0) && f64::from(window.calls()) < CALLS_AT_FIRST
    }

    /// Ends a trial, with nothing learned.
    pub(super) fn give_up(&mut self, now: Instant) {
        self.mode = Mode::Steady;
        self.reference = self.limit;
        self.next_epoch(now);
    }

    /// A full window while the limit stood still. How many seconds to let pass before the next is the answer.
    pub(super) fn hold(&mut self, why: Why, window: &Window<'_>) -> f64 {
        let calm = self.baseline.value.is_some_and(|baseline| window.geometric_mean() <= CALM * baseline);
        if window.bound() < BOUND || calm && why == Why::Fallen {
            // Falling was enough: it was our queue.
            self.mode = Mode::Steady;
            self.reference = self.limit;
            return 0.0;
        }
        self.mode = Mode::Halve { why, held: Measure::of(window) };
        2.0 * self.lag(window)
    }

    /// A full window at half the limit: the verdict. How many seconds to let pass before the next is the answer.
    pub(super) fn judge(&mut self, why: Why, held: Measure, window: &Window<'_>) -> f64 {
        let latest = window.geometric_mean();
        let (elasticity, error) = Measure::of(window).compared_to(held);
        let at_most = elasticity + CERTAINTY * error;
        let baseline = self.baseline.value.unwrap_or(latest);
        self.mode = Mode::Steady;
        if latest < baseline {
            self.baseline.set(latest);
            if latest < MUCH_FASTER * baseline {
                // There may be more of it: half of a long queue is a queue.
                self.epoch = FIRST_EPOCH;
                self.epoch_ends = Some(window.now().after(FIRST_EPOCH));
            }
        } else if at_most < if why == Why::Jump { SURELY } else { ELASTICITY } {
            self.believe(at_most, baseline, window);
        }
        self.reference = self.limit;
        self.latency = Some(held.latency);
        self.tried = held.latency;
        self.lag(window)
    }

    /// It is not our queue: calls just take longer.
    fn believe(&mut self, at_most: f64, baseline: f64, window: &Window<'_>) {
        let latest = window.geometric_mean();
        let patience = self.patience(window);
        let surely = patience.is_some() && at_most < SURELY;
        let raised = if surely { latest } else { latest.min(RAISE * baseline) };
        // A service whose first answers were quick, from a cache or of a health check, would be choked for ever.
        let bound = if self.limit < FEW && at_most < CERTAINLY { f64::INFINITY } else { self.baseline.highest() };
        let highest = bound.max(patience.map_or(0.0, |patience| PATIENCE * patience));
        self.baseline.raise(raised.min(highest));
        let restored = if surely { self.reference } else { self.reference.min(RAISE * self.limit) };
        self.set(self.limit.max(restored));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{
        super::{EPOCH, tests::at_its_most},
        Why::{Due, Fallen, Jump},
        *,
    };
    use crate::load_shed::{Rule, Step, window::made::Made};

    #[test]
    fn a_trial_goes_on_unless_falling_helped_or_nobody_is_held_back() {
        let goes_on = |why, window: Made| {
            let mut rule = VerifiedGradient { mode: Mode::Hold(why), ..at_its_most(100) };
            let step = window.show_at(Instant::from_nanos(1), &mut rule);
            matches!(rule.mode, Mode::Halve { .. }).then_some(step)
        };
        let (fast, slow) = (Made::bound(200, 10.0), Made::bound(200, 30.0));
        assert!(goes_on(Due, fast).is_some() && goes_on(Fallen, slow).is_some());
        assert!(goes_on(Fallen, fast).is_none() && goes_on(Due, Made { bound: false, ..slow }).is_none());
        let Some(Step::Close(settle)) = goes_on(Due, slow) else { panic!("it goes on") };
        assert!(settle > Duration::from_millis(55), "until half of it is seen: {settle:?}");
    }

    #[test]
    fn a_comparison_that_is_clear_needs_no_long_window() {
        let ends = |millis| {
            let mut rule = VerifiedGradient { mode: Mode::Hold(Due), ..at_its_most(100) };
            Made::bound(200, 30.0).show(&mut rule, 0);
            matches!(Made::bound(60, millis).show_at(Instant::from_nanos(1), &mut rule), Step::Close(_))
        };
        assert!(ends(15.0) && !ends(30.0));
    }

    /// A trial, from 16 at once to 8, in which the latency falls to 10 ms by this power of that.
    fn tried(mut rule: VerifiedGradient, why: Why, elasticity: f64) -> VerifiedGradient {
        let held = 10.0 * 2f64.powf(elasticity);
        let window = |concurrency: f64, millis: f64| Made {
            lasted: Duration::from_secs(1),
            ..Made::bound((concurrency * 1e3 / millis) as u32, millis)
        };
        rule.mode = Mode::Hold(why);
        window(16.0, held).show(&mut rule, 0);
        window(8.0, 10.0).show(&mut rule, 100);
        assert_eq!(rule.mode, Mode::Steady);
        for latency in [rule.tried, rule.latency.expect("known")] {
            assert!((latency * 1e3 / held - 1.0).abs() < 0.03, "{latency} is not that of before");
        }
        rule
    }

    #[test]
    fn a_verdict_takes_more_certainty_after_a_jump_and_doubles_at_most() {
        let judged = |why, elasticity| {
            let mut rule = VerifiedGradient { max: 1000.0, reference: 90.0, ..at_its_most(10) };
            rule.baseline.set(0.002);
            let rule = tried(rule, why, elasticity);
            (rule.baseline().expect("known"), rule.limit)
        };
        let (believed, not) = ((0.004, 20.0), (0.002, 10.0));
        assert_eq!([judged(Due, 0.35), judged(Due, 0.7)], [believed, not]);
        assert_eq!([judged(Jump, 0.1), judged(Jump, 0.35)], [believed, not]);
    }

    #[test]
    fn the_best_that_was_ever_seen_bounds_a_verdict_unless_that_is_certain_and_the_limit_low() {
        let judged = |limit, elasticity| {
            let mut rule = at_its_most(limit);
            rule.baseline.lower(0.001);
            rule.baseline.set(0.006);
            tried(rule, Due, elasticity).baseline().expect("known")
        };
        assert!(judged(4, 0.0) > 0.009);
        assert!(judged(10, 0.0) < 0.0081 && judged(4, 0.25) < 0.0081);
    }

    #[test]
    fn half_the_limit_at_which_calls_are_much_faster_is_followed_by_another_trial_soon() {
        let mut rule = VerifiedGradient { epoch: EPOCH, ..at_its_most(100) };
        rule.baseline.set(0.02);
        let rule = tried(rule, Due, 0.9);
        assert_eq!(rule.epoch, FIRST_EPOCH);
        assert!(rule.baseline().is_some_and(|baseline| baseline < 0.0105));
    }
}

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

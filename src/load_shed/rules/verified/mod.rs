mod baseline;
mod measure;

use std::time::Duration;

use self::{baseline::Baseline, measure::Measure};
use crate::{
    clock::Instant,
    load_shed::{Bottleneck, Rule, Settings, Step, Window},
};

/// How much longer than the baseline calls may take: what waits inside of the service is then half a call's time.
const TOLERANCE: f64 = 1.5;
/// A limit grows at most by this factor in a window, and by this one while calls are about as fast as they ever are.
const UP: f64 = 1.3;
const UP_CALM: f64 = 1.6;
/// What "about as fast" is.
const CALM: f64 = 1.2;
/// A limit falls at most by this factor in a window.
const DOWN: f64 = 0.5;
/// The weight of the newest full window in the smoothed latency.
const SMOOTHING: f64 = 0.4;
/// The share of calls that must have ended at the limit for it to be what holds the service back.
const BOUND: f64 = 0.7;

/// A window has at least so many calls and lasts so long: shorter ones show chance.
const CALLS: f64 = 50.0;
const SHORTEST: f64 = 0.05;
/// At the start, before the service has ever been slow, windows may be as small as this: a limit of 4 under load must not
/// wait for fifty calls to become 7.
const CALLS_AT_FIRST: f64 = 16.0;
const ROUNDS_AT_FIRST: f64 = 2.0;
/// A window while something is tried out: two of them are compared.
const CALLS_TO_COMPARE: f64 = 150.0;
/// How long what was changed goes on to show what was before, at most.
const LONGEST_LAG: f64 = 10.0;

/// While trying out, the limit is this much of itself.
const PROBE: f64 = 0.5;
/// The longest that a limit which is reached goes without being verified.
const EPOCH: Duration = Duration::from_secs(10);
const FIRST_EPOCH: Duration = Duration::from_secs(1);
/// A limit that has fallen below this share of what it was is verified at once.
const FALLEN: f64 = 0.55;
/// The service is not slow because of us if latency falls by less than this power of our concurrency; the power is known
/// only so well, and has to be below by so many standard errors.
const ELASTICITY: f64 = 0.5;
const CERTAINTY_: f64 = 2.0;
/// The same, to be quite sure.
const SURELY: f64 = 0.25;
/// One verdict raises the baseline to at most this much of itself.
const RAISE: f64 = 2.0;
/// How slow calls must suddenly become, our concurrency being what it was, to be looked at before the limit is cut.
const JUMP: f64 = 3.0;
/// A limit has moved if its logarithm did by so much.
const MOVED: f64 = 0.1;
/// The service has been slow once if calls took this much longer than at first.
const STARTED: f64 = 1.5;
/// Calls that take less than this share of the baseline at half the limit call for another trial soon.
const MUCH_FASTER: f64 = 0.9;
/// What an overload further in does to the limit, at most once a window; and what share of the calls has to end so.
const OVERLOADED: f64 = 0.9;
const OVERLOADS: f64 = 0.02;

/// A gradient limit that verifies its baseline. The default.
///
/// The limit follows the *gradient*, the ratio of how long calls take when nothing waits inside of the service (the
/// baseline) to how long they take now: as in Netflix's and Envoy's limits, with the geometric mean for the time of a call,
/// which needs no quantiles and is moved little by a few slow calls.
///
/// What a gradient cannot tell is why calls got slower. If it is our queue, the limit must fall; if the callee has become
/// slower by itself, a lower limit helps nobody. So before it takes slower calls for the new normal (and for ever keeps a
/// queue), or holds on to the old one (and chokes), it *tries*: it halves itself for a moment. If calls get faster, it was
/// our queue. If they do not, it was not, and the baseline may rise, within bounds.
///
/// It grows only while it is reached: a limit that nobody reaches shows nothing.
///
/// Sources: Netflix *concurrency-limits* (Gradient2), Envoy's adaptive concurrency filter, Little's law. The verification
/// is this library's own.
#[derive(Clone, Debug)]
pub struct VerifiedGradient {
    max: f64,
    bottleneck: Bottleneck,
    limit: f64,
    mode: Mode,
    baseline: Baseline,
    /// The smoothed latency of the windows, in seconds.
    latency: Option<f64>,
    /// Whether the service has ever been slow.
    started: bool,
    /// The limit in the window before.
    limit_before: f64,
    /// The limit from which "fallen" is counted.
    reference: f64,
    epoch: Duration,
    epoch_ends: Option<Instant>,
    /// The latency that the last trial left as it was.
    tried: f64,
    /// The beginning of the window in which an overload cut the limit.
    cut: Option<Instant>,
    settled: bool,
    last: Option<Measure>,
}

/// What is being done about the limit.
///
/// ```text
///            fallen far, or long unverified, or a jump                  full window, at the limit
///  ┌────────┐ ───────────────────────────────────────▶ ┌──────┐ ───────────────────────────────▶ ┌───────┐
///  │ Steady │                                          │ Hold │                                  │ Halve │
///  └────────┘ ◀─────────────────────────────────────── └──────┘                                  └───────┘
///       ▲              not at the limit any more                                                      │
///       └────────────────────────── verdict, or too few calls to give one ────────────────────────────┘
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    /// The limit follows the gradient.
    Steady,
    /// It stands still, to be measured.
    Hold(Why),
    /// It is halved, to be compared with what was measured.
    Halve { why: Why, held: Measure },
}

/// Why the limit is verified.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Why {
    /// It has been reached for a long time.
    Due,
    /// It has fallen far.
    Fallen,
    /// Calls suddenly take much longer, though it did not move.
    Jump,
}

pub(super) fn exp(flag: char) -> bool {
    static E: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    E.get_or_init(|| std::env::var("EXP").unwrap_or_default()).contains(flag)
}

fn certainty() -> f64 {
    if exp('z') { 1.5 } else if exp('y') { 1.0 } else { CERTAINTY_ }
}

impl VerifiedGradient {
    /// One that begins as these settings say.
    pub fn new(settings: &Settings) -> Self {
        let limit = f64::from(settings.initial_limit().get());
        Self {
            max: f64::from(settings.max_limit().get()),
            bottleneck: settings.bottleneck(),
            limit,
            mode: Mode::Steady,
            baseline: Baseline::new(),
            latency: None,
            started: false,
            limit_before: limit,
            reference: limit,
            epoch: FIRST_EPOCH,
            epoch_ends: None,
            tried: 0.0,
            cut: None,
            settled: false,
            last: None,
        }
    }

    /// How long after a change the calls that end still began before it, in seconds.
    fn lag(&self, window: &Window<'_>) -> f64 {
        let known = self.latency.map_or(f64::INFINITY, |latency| 3.0 * latency);
        window.latency().min(known).min(LONGEST_LAG)
    }

    /// How many calls make a window.
    fn calls(&self) -> f64 {
        if self.started { CALLS } else { (ROUNDS_AT_FIRST * self.limit.round()).clamp(CALLS_AT_FIRST, CALLS) }
    }

    /// Whether the window shows enough.
    fn is_full(&self, window: &Window<'_>) -> bool {
        let (calls, lasted) = (f64::from(window.calls()), window.lasted());
        let to_compare = calls >= CALLS_TO_COMPARE || lasted > 0.5 && calls >= CALLS || lasted > 1.0 && calls >= 20.0;
        let hold = if exp('w') {
            calls >= CALLS_TO_COMPARE || lasted > 1.0 && calls >= CALLS || lasted > 2.0 && calls >= 20.0
        } else {
            to_compare
        };
        let halve = if exp('w') { calls >= CALLS_TO_COMPARE || lasted > 3.0 && calls >= 20.0 } else { to_compare };
        let least = if exp('w') { 25.0 } else { CALLS };
        let full = match self.mode {
            Mode::Steady => calls >= self.calls() || lasted > 1.0 && calls >= 10.0,
            Mode::Hold(_) => hold,
            Mode::Halve { held, .. } => halve || calls >= least && self.is_clear(held, window),
        };
        full || lasted > 10.0 && calls >= 3.0
    }

    /// Whether a comparison can be decided already.
    fn is_clear(&self, held: Measure, window: &Window<'_>) -> bool {
        let (elasticity, error) = Measure::of(window).compared_to(held);
        let line = if self.patience(window).is_some() { SURELY } else { 0.0 };
        let faster = self.baseline.value.is_some_and(|baseline| window.geometric_mean() < baseline);
        faster || elasticity - certainty() * error > line || elasticity + certainty() * error < line
    }

    /// How long callers wait, in seconds, where that may be used.
    fn patience(&self, window: &Window<'_>) -> Option<f64> {
        match self.bottleneck {
            Bottleneck::Private => window.patience().map(|patience| patience.as_secs_f64()),
            Bottleneck::Auto | Bottleneck::Shared => None,
        }
    }

    fn next_epoch(&mut self, now: Instant) {
        self.epoch = (self.epoch * 2).min(EPOCH);
        self.epoch_ends = Some(now.after(self.epoch));
    }

    /// A full window while nothing is tried.
    fn follow(&mut self, window: &Window<'_>) -> f64 {
        let (now, latest) = (window.now(), window.geometric_mean());
        let settled = 0.0;
        let full = (f64::from(window.calls()) / if exp('n') { 20.0 } else { CALLS }).min(1.0).max(if self.started { 0.0 } else { 0.3 });
        let before = self.latency.unwrap_or(latest);
        let latency = before + SMOOTHING * full * (latest - before);
        self.latency = Some(latency);
        let known = self.baseline.value.unwrap_or(latency);
        self.started |= latency.max(latest) > STARTED * known;
        let baseline =
            if self.started { self.baseline.lower(latency, now) } else { self.baseline.pool(window, latency, now) };

        if window.bound() < BOUND {
            self.limit_before = self.limit;
            self.tried = 0.0;
            if self.epoch_is_over(now) {
                self.baseline.rotate(latency);
                self.reference = self.limit;
                self.next_epoch(now);
            }
            self.baseline.not_ours();
            return settled;
        }

        let calm = latency <= CALM * baseline;
        let measure = Measure::of(window);
        if let (true, Some(last)) = (exp('b'), self.last.replace(measure)) {
            let (elasticity, error) = measure.compared_to(last);
            if error > 0.0 && elasticity - 0.5 * error > ELASTICITY {
                self.reference = self.limit;
            }
        }
        let stands = (self.limit_before / self.limit).ln().abs() < MOVED;
        self.limit_before = self.limit;
        let jump = if self.patience(window).is_some() { 2.0 } else { JUMP };
        let verifies = self.bottleneck != Bottleneck::Shared && self.limit >= 2.0;
        if verifies && stands && latest > jump * TOLERANCE * baseline && latest > 1.5 * self.tried {
            self.reference = self.reference.max(self.limit);
            self.next_epoch(now);
            self.mode = Mode::Hold(Why::Jump);
            return self.lag(window).max(latest.min(LONGEST_LAG));
        }

        let gradient = (TOLERANCE * baseline / latency).clamp(0.5, 2.0);
        let target = self.limit * gradient;
        let up = if calm && !self.started && exp('u') { 2.0 } else if calm { UP_CALM } else { UP };
        self.set((target + target.sqrt()).clamp(DOWN * self.limit, up * self.limit + 1.0));
        let settled = self.settle(window);
        self.reference = self.reference.max(self.limit);
        let fallen = self.limit < FALLEN * self.reference;
        if !(verifies && self.limit >= 2.0 && (fallen || self.epoch_is_over(now))) {
            return settled;
        }
        if !fallen {
            self.reference = self.limit;
        }
        self.next_epoch(now);
        if calm && !fallen && (exp('r') || !self.baseline.is_raised()) {
            // Nothing is slow, and never was: there is nothing to verify.
            return settled;
        }
        self.mode = Mode::Hold(if fallen { Why::Fallen } else { Why::Due });
        self.lag(window)
    }

    /// How long the service takes to show what a change of the limit did: calls that end sooner began before it. Where
    /// windows are much longer than calls, those are few.
    fn settle(&self, window: &Window<'_>) -> f64 {
        let (lag, moved) = (self.lag(window), (self.limit / self.limit_before).ln().abs() > MOVED);
        if !exp('s') && moved && lag > SHORTEST / 4.0 { lag } else { 0.0 }
    }

    /// A full window while the limit stood still.
    fn hold(&mut self, why: Why, window: &Window<'_>) -> f64 {
        let latest = window.geometric_mean();
        let calm = self.baseline.value.is_some_and(|baseline| latest <= CALM * baseline);
        if window.bound() < BOUND || !exp('h') && calm && why == Why::Fallen {
            // Falling was enough: it was our queue.
            self.mode = Mode::Steady;
            self.reference = self.limit;
            return 0.0;
        }
        self.mode = Mode::Halve { why, held: Measure::of(window) };
        2.0 * self.lag(window)
    }

    /// A full window at half the limit: the verdict.
    fn judge(&mut self, why: Why, held: Measure, window: &Window<'_>) -> f64 {
        let latest = window.geometric_mean();
        let (elasticity, error) = Measure::of(window).compared_to(held);
        let at_most = elasticity + certainty() * error;
        let baseline = self.baseline.value.unwrap_or(latest);
        let patience = self.patience(window);
        if latest < baseline {
            if !exp('f') && latest < MUCH_FASTER * baseline {
                // There may be more of it: half of a long queue is a queue.
                self.epoch = FIRST_EPOCH;
                self.epoch_ends = Some(window.now().after(FIRST_EPOCH));
            }
            self.baseline.set(latest);
        } else if at_most < if why == Why::Jump { SURELY } else { ELASTICITY } {
            let surely = patience.is_some() && at_most < SURELY;
            let raised = if surely { latest } else { latest.min(RAISE * baseline) };
            let bound = self.baseline.highest().max(patience.map_or(0.0, |p| p / 4.0));
            self.baseline.raise(raised.min(bound));
            let restored = if surely { self.reference } else { self.reference.min(RAISE * self.limit) };
            self.set(self.limit.max(restored));
        }
        self.mode = Mode::Steady;
        self.reference = self.limit;
        self.latency = Some(held.latency);
        self.tried = held.latency;
        self.lag(window)
    }

    /// Overloads further in cut the limit, whatever the times say.
    fn heed_overloads(&mut self, window: &Window<'_>) {
        let (overloads, calls) = (f64::from(window.overloads()), f64::from(window.calls()));
        let many = overloads >= (OVERLOADS * (calls + overloads)).max(1.0);
        if many && window.lasted() > SHORTEST && self.cut != Some(window.began()) {
            self.cut = Some(window.began());
            self.set(OVERLOADED * self.limit);
        }
    }

    fn epoch_is_over(&mut self, now: Instant) -> bool {
        now > *self.epoch_ends.get_or_insert(now.after(self.epoch))
    }

    fn set(&mut self, limit: f64) {
        self.limit = limit.clamp(1.0, self.max);
    }
}

impl Rule for VerifiedGradient {
    fn limit(&self) -> f64 {
        match self.mode {
            Mode::Halve { .. } => self.limit * PROBE,
            Mode::Steady | Mode::Hold(_) => self.limit,
        }
    }

    fn look(&mut self, window: &Window<'_>) -> Step {
        self.epoch_is_over(window.now());
        self.heed_overloads(window);
        let lag = self.lag(window);
        let shortest = if exp('a') && self.settled && self.mode == Mode::Steady { SHORTEST } else { SHORTEST.max(lag) };
        let (lasted, calls) = (window.lasted(), f64::from(window.calls()));
        if self.mode != Mode::Steady && lasted > (4.0 * lag).max(1.0) && calls < CALLS_AT_FIRST {
            // What it tries, it tries on too few: it stops, and has learned nothing.
            self.mode = Mode::Steady;
            self.reference = self.limit;
            self.next_epoch(window.now());
            return Step::CLOSE;
        }
        if lasted <= shortest || !self.is_full(window) {
            return Step::gather(window, window.began().after(Duration::from_secs_f64(shortest)));
        }
        let in_steady = self.mode == Mode::Steady;
        let settle = match self.mode {
            Mode::Steady => self.follow(window),
            Mode::Hold(why) => self.hold(why, window),
            Mode::Halve { why, held } => self.judge(why, held, window),
        };
        self.settled = in_steady && settle > 0.0;
        Step::Close(Duration::from_secs_f64(settle))
    }

    fn is_probing(&self) -> bool {
        self.mode != Mode::Steady
    }

    fn baseline(&self) -> Option<f64> {
        self.baseline.value
    }

    fn update(&mut self, settings: &Settings) {
        self.max = f64::from(settings.max_limit().get());
        self.bottleneck = settings.bottleneck();
        self.set(self.limit);
    }
}

#[cfg(test)]
mod tests;

mod baseline;
mod follow;
mod measure;
mod trial;

use std::time::Duration;

use self::{baseline::Baseline, trial::Mode};
use crate::{
    clock::Instant,
    load_shed::{Bottleneck, Rule, Settings, Step, Window},
};

/// How much longer than the baseline calls may take: what waits inside of the service is then half a call's time.
const TOLERANCE: f64 = 1.5;
/// How much longer calls take that are about as fast as they ever are.
const CALM: f64 = 1.2;
/// The share of calls that must have ended at the limit for it to be what holds the service back.
const BOUND: f64 = 0.7;

/// A window has at least so many calls and lasts so many seconds: shorter ones show chance.
const CALLS: f64 = 50.0;
const SHORTEST: f64 = 0.05;
/// So many tell how long calls take: times of a usual spread are then known to a fifth.
const CALLS_TO_TELL: f64 = 20.0;
/// At the start, before the service has ever been slow, windows may be as small as this: a limit of 4 under load must not
/// wait for fifty calls to become 7.
const CALLS_AT_FIRST: f64 = 16.0;
const ROUNDS_AT_FIRST: f64 = 2.0;
/// How long what was changed goes on to show what was before, at most, in seconds.
const LONGEST_LAG: f64 = 10.0;

/// The longest that a limit which is reached goes without being verified.
const EPOCH: Duration = Duration::from_secs(10);
const FIRST_EPOCH: Duration = Duration::from_secs(1);

/// What an overload further in does to the limit, at most once a window; and what share of the calls has to end so.
const OVERLOADED: f64 = 0.9;
const OVERLOADS: f64 = 0.02;

/// A gradient limit that verifies its baseline. The default.
///
/// The limit follows the *gradient*, the ratio of how long calls take when nothing waits inside the service (the
/// baseline) to how long they take now: as Netflix's and Envoy's limits do, but by the geometric mean of call times,
/// which needs no quantiles and which a few slow calls move little.
///
/// What a gradient cannot tell is why calls got slower. If they wait in our queue, the limit must fall; if the callee
/// has become slower by itself, a lower limit helps nobody. So before this rule takes slower calls for the new normal
/// (and keeps a queue for ever), or holds on to the old one (and chokes), it makes a *trial*: it halves the limit for a
/// moment. If calls get faster, it was our queue. If not, the baseline may rise, within bounds.
///
/// The limit grows only while it is reached: a limit that nobody reaches shows nothing. And after a move the rule waits
/// for as long as a call takes before it looks: calls that end sooner began under the old limit, and show that.
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
    /// Whether the service was given time to show what the last move did.
    settled: bool,
    /// The limit from which "fallen" is counted.
    reference: f64,
    epoch: Duration,
    epoch_ends: Option<Instant>,
    /// The latency that the last trial left as it was.
    tried: f64,
    /// The beginning of the window in which an overload cut the limit.
    cut: Option<Instant>,
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
            settled: false,
            reference: limit,
            epoch: FIRST_EPOCH,
            epoch_ends: None,
            tried: 0.0,
            cut: None,
        }
    }

    /// How long after a change the calls that end still began before it, in seconds.
    fn lag(&self, window: &Window<'_>) -> f64 {
        let known = self.latency.map_or(f64::INFINITY, |latency| 3.0 * latency);
        window.latency().min(known).min(LONGEST_LAG)
    }

    /// Whether the window shows enough.
    fn is_full(&self, window: &Window<'_>) -> bool {
        let (calls, lasted) = (f64::from(window.calls()), window.lasted());
        let full = match self.mode {
            Mode::Steady => calls >= self.calls() || lasted > 1.0 && calls >= 10.0,
            mode => self.decides(mode, window),
        };
        full || lasted > 10.0 && calls >= 3.0
    }

    /// How many calls make a window in which nothing is tried.
    fn calls(&self) -> f64 {
        if self.started { CALLS } else { (ROUNDS_AT_FIRST * self.limit.round()).clamp(CALLS_AT_FIRST, CALLS) }
    }

    /// How long callers wait, in seconds, where that may be used.
    fn patience(&self, window: &Window<'_>) -> Option<f64> {
        match self.bottleneck {
            Bottleneck::Private => window.patience().map(|patience| patience.as_secs_f64()),
            Bottleneck::Auto | Bottleneck::Shared => None,
        }
    }

    /// Overloads further in cut the limit, whatever the times say. Whether the window shows nothing else is the answer.
    fn heed_overloads(&mut self, window: &Window<'_>) -> bool {
        let (overloads, calls) = (f64::from(window.overloads()), f64::from(window.calls()));
        let many = overloads >= (OVERLOADS * (calls + overloads)).max(1.0);
        if many && window.lasted() > SHORTEST && self.cut != Some(window.began()) {
            self.cut = Some(window.began());
            self.set(OVERLOADED * self.limit);
            return overloads > calls;
        }
        false
    }

    fn epoch_is_over(&mut self, now: Instant) -> bool {
        now > *self.epoch_ends.get_or_insert(now.after(self.epoch))
    }

    fn next_epoch(&mut self, now: Instant) {
        self.epoch = (self.epoch * 2).min(EPOCH);
        self.epoch_ends = Some(now.after(self.epoch));
    }

    fn set(&mut self, limit: f64) {
        self.limit = limit.clamp(1.0, self.max);
    }
}

impl Rule for VerifiedGradient {
    fn limit(&self) -> f64 {
        self.mode.limit(self.limit)
    }

    fn look(&mut self, window: &Window<'_>) -> Step {
        self.epoch_is_over(window.now());
        if self.heed_overloads(window) {
            return Step::CLOSE;
        }
        if self.mode != Mode::Steady && self.is_futile(window) {
            self.give_up(window.now());
            return Step::CLOSE;
        }
        let shortest = if self.settled { SHORTEST } else { SHORTEST.max(self.lag(window)) };
        if window.lasted() <= shortest || !self.is_full(window) {
            return Step::gather(window, window.began().after(Duration::from_secs_f64(shortest)));
        }
        let settle = match self.mode {
            Mode::Steady => self.follow(window),
            Mode::Hold(why) => self.hold(why, window),
            Mode::Halve { why, held } => self.judge(why, held, window),
        };
        self.settled = settle > 0.0 && self.mode == Mode::Steady;
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

use std::time::Duration;

use crate::load_shed::{Rule, Settings, Step, Window};

/// A window is a second, and has at least ten calls.
const WINDOW: Duration = Duration::from_secs(1);
const CALLS: u32 = 10;
/// How much longer than in the long run calls may take before the limit falls.
const TOLERANCE: f64 = 1.5;
/// The queue that is always allowed, in calls.
const QUEUE: f64 = 4.0;
/// The weight of a new limit.
const SMOOTHING: f64 = 0.2;
/// How many windows the long run is.
const LONG_RUN: f64 = 600.0;
/// The share of calls that must have ended at the limit for it to move.
const BOUND: f64 = 0.5;

/// Follows the ratio of long-run latency to current latency.
///
/// It needs no baseline, and so has none: whatever lasts becomes normal, and under a lasting overload the limit creeps
/// up. [`VerifiedGradient`](super::VerifiedGradient) is what we made of this rule.
///
/// Source: Netflix *concurrency-limits*, `Gradient2Limit`.
#[derive(Clone, Copy, Debug)]
pub struct Gradient {
    limit: f64,
    max: f64,
    /// The mean time of a call in the long run, in seconds, and of how many windows.
    long: f64,
    windows: f64,
}

impl Gradient {
    /// One that begins as these settings say.
    pub fn new(settings: &Settings) -> Self {
        let (limit, max) = (settings.initial_limit().get(), settings.max_limit().get());
        Self { limit: f64::from(limit), max: f64::from(max), long: 0.0, windows: 0.0 }
    }
}

impl Rule for Gradient {
    fn limit(&self) -> f64 {
        self.limit
    }

    fn look(&mut self, window: &Window<'_>) -> Step {
        let full = window.began().after(WINDOW);
        if window.now() < full || window.calls() < CALLS {
            return Step::gather(window, full);
        }
        let short = window.mean();
        self.windows = (self.windows + 1.0).min(LONG_RUN);
        self.long += (short - self.long) / self.windows;
        if self.long > 2.0 * short {
            // After an overload the long run is too long: it comes down faster than it went up.
            self.long *= 0.95;
        }
        if window.bound() >= BOUND && short > 0.0 {
            let gradient = (TOLERANCE * self.long / short).clamp(0.5, 1.0);
            self.limit += SMOOTHING * (self.limit * gradient + QUEUE - self.limit);
        }
        self.limit = self.limit.clamp(1.0, self.max);
        Step::CLOSE
    }

    fn baseline(&self) -> Option<f64> {
        (self.windows > 0.0).then_some(self.long)
    }

    fn update(&mut self, settings: &Settings) {
        self.max = f64::from(settings.max_limit().get());
        self.limit = self.limit.min(self.max);
    }
}

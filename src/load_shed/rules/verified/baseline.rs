use crate::load_shed::Window;

/// All verdicts together raise the baseline to at most this much of the best that was ever seen.
const RAISE_IN_ALL: f64 = 8.0;

/// How long calls take when nothing waits inside of the service.
#[derive(Clone, Debug)]
pub(super) struct Baseline {
    /// In seconds; unknown before the first window.
    pub(super) value: Option<f64>,
    /// Whether a verdict has raised it: a dependency that was slow may be fast again, and then what calls take is our
    /// queue, though no longer than the baseline.
    raised: bool,
    /// The lowest latencies of this epoch and the one before: the baseline rises with them when the limit is not reached.
    this_epoch: f64,
    last_epoch: f64,
    /// The lowest of all, for the bound on raising it. It does not age while the limit is reached: an overload that lasts
    /// would become normal.
    best: f64,
    /// The logarithms of the times at first, to be averaged: the lowest of small windows is too low.
    pooled: f64,
    pooled_calls: f64,
}

impl Baseline {
    pub(super) const fn new() -> Self {
        Self {
            value: None,
            raised: false,
            this_epoch: f64::INFINITY,
            last_epoch: f64::INFINITY,
            best: f64::INFINITY,
            pooled: 0.0,
            pooled_calls: 0.0,
        }
    }

    pub(super) fn set(&mut self, latency: f64) {
        self.value = Some(latency);
        self.raised = false;
        self.this_epoch = latency;
        self.last_epoch = f64::INFINITY;
    }

    /// By a verdict, if that is higher.
    pub(super) fn raise(&mut self, latency: f64) {
        if self.value.is_none_or(|value| latency > value) {
            self.set(latency);
            self.raised = true;
        }
    }

    pub(super) fn is_raised(&self) -> bool {
        self.raised
    }

    /// At first, the mean of everything so far.
    pub(super) fn pool(&mut self, window: &Window<'_>, latency: f64) -> f64 {
        self.best = self.best.min(latency);
        self.pooled += window.ln_mean() * f64::from(window.calls());
        self.pooled_calls += f64::from(window.calls());
        let pooled = (self.pooled / self.pooled_calls.max(1.0)).exp();
        self.set(pooled);
        pooled
    }

    /// Never above what calls take now.
    pub(super) fn lower(&mut self, latency: f64) -> f64 {
        self.best = self.best.min(latency);
        self.this_epoch = self.this_epoch.min(latency);
        let value = self.value.unwrap_or(latency).min(latency);
        self.value = Some(value);
        value
    }

    /// An epoch is over in which the limit was not reached: what calls took at best in this one and the last.
    pub(super) fn rotate(&mut self, latency: f64) {
        self.value = Some(self.last_epoch.min(self.this_epoch));
        self.raised = false;
        self.last_epoch = self.this_epoch;
        self.this_epoch = latency;
    }

    /// Latency at a limit that is not reached is never our queue, so the best has to keep up with it.
    pub(super) fn not_ours(&mut self) {
        if let Some(value) = self.value {
            self.best = self.best.max(value / RAISE_IN_ALL);
        }
    }

    /// The highest that the baseline may be raised to.
    pub(super) fn highest(&self) -> f64 {
        RAISE_IN_ALL * self.best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(latency: f64) -> Baseline {
        let mut baseline = Baseline::new();
        baseline.lower(latency);
        baseline
    }

    #[test]
    fn it_falls_with_what_calls_take_and_rises_by_verdicts_alone() {
        let mut baseline = seen(2.0);
        assert_eq!((baseline.lower(1.0), baseline.lower(5.0)), (1.0, 1.0));
        baseline.raise(0.5);
        assert_eq!((baseline.value, baseline.is_raised()), (Some(1.0), false));
        baseline.raise(3.0);
        assert_eq!((baseline.value, baseline.is_raised()), (Some(3.0), true));
    }

    #[test]
    fn what_the_limit_does_not_hold_back_makes_it_rise_after_two_epochs() {
        let mut baseline = seen(1.0);
        let mut epoch = |latency| {
            baseline.lower(latency);
            baseline.rotate(latency);
            baseline.value
        };
        assert_eq!((epoch(3.0), epoch(3.0), epoch(3.0)), (Some(1.0), Some(1.0), Some(3.0)));
    }

    #[test]
    fn it_may_be_raised_to_a_multiple_of_the_best_which_keeps_up_with_what_is_not_ours() {
        let mut baseline = seen(1.0);
        assert_eq!(baseline.highest(), RAISE_IN_ALL);
        baseline.set(4.0 * RAISE_IN_ALL);
        baseline.not_ours();
        assert_eq!(baseline.highest(), 4.0 * RAISE_IN_ALL);
        baseline.lower(2.0);
        assert_eq!(baseline.highest(), 2.0 * RAISE_IN_ALL);
    }
}

use crate::load_shed::Window;

/// By how much the logarithm of the concurrency has to fall for anything to be learned: by an eighth of it.
const FELL: f64 = 0.14;

/// What a window at a standing limit showed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Measure {
    concurrency: f64,
    pub(super) latency: f64,
    /// Of the logarithm of the latency: its variance.
    error: f64,
}

impl Measure {
    pub(super) fn of(window: &Window<'_>) -> Self {
        let calls = f64::from(window.calls().max(1));
        Self {
            concurrency: window.concurrency(),
            latency: window.geometric_mean(),
            // Times that are all alike are not known exactly either: a window is one draw of many.
            error: window.ln_variance().max(1e-4) / calls,
        }
    }

    /// By what power of the concurrency the latency fell, and the standard error of that. One, exactly, where the
    /// concurrency hardly fell: then nothing was learned.
    pub(super) fn compared_to(self, held: Self) -> (f64, f64) {
        let fell = (held.concurrency / self.concurrency.max(1e-12)).ln();
        if fell.is_nan() || fell <= FELL {
            return (1.0, 0.0);
        }
        ((held.latency / self.latency).ln() / fell, (held.error + self.error).sqrt() / fell)
    }
}

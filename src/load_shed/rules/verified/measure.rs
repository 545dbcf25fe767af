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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load_shed::{Rule, Step, window::made::Made};

    fn measure(concurrency: f64, latency: f64) -> Measure {
        Measure { concurrency, latency, error: 0.01 }
    }

    #[test]
    fn a_queue_of_ours_halves_with_us_and_a_slow_callee_stays_as_slow() {
        let held = measure(16.0, 0.2);
        let (ours, error) = measure(8.0, 0.1).compared_to(held);
        assert!((ours - 1.0).abs() < 1e-9 && (error - 0.02f64.sqrt() / 2f64.ln()).abs() < 1e-9, "{ours} ± {error}");
        assert_eq!(measure(8.0, 0.2).compared_to(held).0, 0.0);
    }

    #[test]
    fn nothing_is_learned_where_the_concurrency_hardly_fell() {
        for concurrency in [14.0, 16.0, 50.0] {
            assert_eq!(measure(concurrency, 0.1).compared_to(measure(16.0, 0.2)), (1.0, 0.0), "{concurrency}");
        }
    }

    #[test]
    fn times_that_are_all_alike_are_not_known_exactly() {
        #[derive(Debug)]
        struct Measures(Option<Measure>);
        impl Rule for Measures {
            fn limit(&self) -> f64 {
                1.0
            }
            fn look(&mut self, window: &Window<'_>) -> Step {
                self.0 = Some(Measure::of(window));
                Step::CLOSE
            }
        }
        let mut measures = Measures(None);
        Made::bound(100, 10.0).show(&mut measures, 0);
        assert!(measures.0.is_some_and(|measure| measure.error >= 1e-6));
    }
}

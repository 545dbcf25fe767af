use super::is_full;
use crate::load_shed::{Rule, Settings, Step, Window};

/// The shortest latency is forgotten after so many calls for each of the limit: the callee may have become slower.
const FORGET: f64 = 30.0;
/// The share of calls that must have ended at the limit for it to grow.
const BOUND: f64 = 0.5;

/// Keeps a short queue inside the service, measured in calls.
///
/// How many calls wait there is estimated from how much longer they take than the fastest round did. With fewer than
/// one waiting the limit grows fast, with up to three slowly, and with more than six it falls; each number times the
/// decimal logarithm of the limit. Where calls differ much by nature, it takes that for a queue and stays too low.
///
/// Source: Brakmo and Peterson, *TCP Vegas* (1994); Netflix *concurrency-limits*, `VegasLimit`.
#[derive(Clone, Copy, Debug)]
pub struct Vegas {
    limit: f64,
    max: f64,
    /// The mean time of a call in the fastest round, in seconds.
    fastest: f64,
    calls: f64,
}

impl Vegas {
    /// One that begins as these settings say.
    pub fn new(settings: &Settings) -> Self {
        let (limit, max) = (settings.initial_limit().get(), settings.max_limit().get());
        Self { limit: f64::from(limit), max: f64::from(max), fastest: f64::INFINITY, calls: 0.0 }
    }
}

impl Rule for Vegas {
    fn limit(&self) -> f64 {
        self.limit
    }

    fn look(&mut self, window: &Window<'_>) -> Step {
        if let Err(until) = is_full(window) {
            return Step::gather(window, until);
        }
        let latency = window.mean();
        self.calls += f64::from(window.calls());
        if self.calls > FORGET * self.limit {
            self.calls = 0.0;
            self.fastest = latency;
        }
        self.fastest = self.fastest.min(latency);
        let step = self.limit.log10().max(1.0);
        let queue = if latency > 0.0 { self.limit * (1.0 - self.fastest / latency) } else { 0.0 };
        if window.overloads() > 0 || queue > 6.0 * step {
            self.limit -= step;
        } else if window.bound() >= BOUND {
            self.limit += match queue / step {
                ..=1.0 => 6.0 * step,
                ..3.0 => step,
                _ => 0.0,
            };
        }
        self.limit = self.limit.clamp(1.0, self.max);
        Step::CLOSE
    }

    fn baseline(&self) -> Option<f64> {
        self.fastest.is_finite().then_some(self.fastest)
    }

    fn update(&mut self, settings: &Settings) {
        self.max = f64::from(settings.max_limit().get());
        self.limit = self.limit.min(self.max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load_shed::window::made::Made;

    #[test]
    fn it_moves_by_the_queue_that_it_sees() {
        let mut rule = Vegas::new(&Settings::new().try_with_limits(10, 100).expect("valid"));
        assert_eq!(Made::bound(20, 10.0).show(&mut rule, 0), 16.0, "nobody waits");
        assert_eq!(Made { bound: false, ..Made::bound(20, 10.0) }.show(&mut rule, 1), 16.0, "nobody needed more");
        let slower = Made::bound(20, 11.5).show(&mut rule, 2);
        assert!(slower > 17.0 && slower < 17.5, "two wait: {slower}");
        assert_eq!(Made::bound(20, 13.0).show(&mut rule, 3), slower, "four wait");
        assert!(Made::bound(20, 20.0).show(&mut rule, 4) < slower - 1.0, "eight wait");
    }

    #[test]
    fn it_forgets_how_fast_calls_once_were() {
        let mut rule = Vegas::new(&Settings::new().try_with_limits(10, 100).expect("valid"));
        Made::bound(20, 1.0).show(&mut rule, 0);
        for n in 1..40 {
            Made::bound(20, 20.0).show(&mut rule, n);
        }
        assert!(rule.baseline().expect("known") > 0.019);
    }
}

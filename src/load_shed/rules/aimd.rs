use std::time::Duration;

use super::is_full;
use crate::load_shed::{Rule, Settings, Step, Window};

/// What an overload leaves of the limit.
const BACKOFF: f64 = 0.9;
/// The share of calls that must have ended at the limit for it to grow.
const BOUND: f64 = 0.5;

/// Additive increase, multiplicative decrease: one more after every round of calls that went well, a tenth less after a
/// round with an overload in it.
///
/// It needs to be told what an overload is: a call that took longer than `slow`, or that failed further in for want of
/// room or time. With the right `slow` it works, and settles in a saw-tooth below the edge; with one too long it grows
/// until the service is lost, with one too short it starves the service.
///
/// Source: Chiu and Jain, *Analysis of the increase and decrease algorithms for congestion avoidance* (1989); Netflix
/// *concurrency-limits*, `AIMDLimit`.
#[derive(Clone, Copy, Debug)]
pub struct Aimd {
    limit: f64,
    max: f64,
    slow: Duration,
}

impl Aimd {
    /// One that takes calls longer than `slow` for overloads.
    pub fn new(settings: &Settings, slow: Duration) -> Self {
        let (limit, max) = (settings.initial_limit().get(), settings.max_limit().get());
        Self { limit: f64::from(limit), max: f64::from(max), slow }
    }
}

impl Rule for Aimd {
    fn limit(&self) -> f64 {
        self.limit
    }

    fn look(&mut self, window: &Window<'_>) -> Step {
        if let Err(until) = is_full(window) {
            return Step::gather(window, until);
        }
        let slow = window.longest().is_some_and(|longest| longest > self.slow.as_secs_f64());
        if slow || window.overloads() > 0 {
            self.limit *= BACKOFF;
        } else if window.bound() >= BOUND {
            self.limit += 1.0;
        }
        self.limit = self.limit.clamp(1.0, self.max);
        Step::CLOSE
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
    fn it_adds_one_for_a_good_round_and_takes_a_tenth_for_a_bad_one() {
        let mut rule = Aimd::new(&Settings::new().try_with_limits(10, 12).expect("valid"), Duration::from_millis(50));
        assert_eq!(Made::bound(20, 10.0).show(&mut rule, 0), 11.0);
        assert_eq!(Made { bound: false, ..Made::bound(20, 10.0) }.show(&mut rule, 1), 11.0, "nobody needed more");
        assert_eq!(Made::bound(20, 10.0).show(&mut rule, 2), 12.0);
        assert_eq!(Made::bound(20, 10.0).show(&mut rule, 3), 12.0, "the largest that it may be");
        assert!((Made::bound(20, 60.0).show(&mut rule, 4) - 10.8).abs() < 1e-9);
        assert!((Made { overloads: 1, ..Made::bound(20, 10.0) }.show(&mut rule, 5) - 9.72).abs() < 1e-9);
        for n in 6..200 {
            Made::bound(20, 60.0).show(&mut rule, n);
        }
        assert_eq!(rule.limit(), 1.0);
    }

    #[test]
    fn half_a_round_changes_nothing() {
        let mut rule = Aimd::new(&Settings::new(), Duration::from_millis(50));
        assert_eq!(Made::bound(3, 10.0).show(&mut rule, 0), 4.0);
    }
}

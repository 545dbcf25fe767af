//! The rule and its window, and when that is looked at next.
//!
//! A rule may be a user's own, and is asked in the path of a call. Whatever it does, the call goes on: what it says that is
//! no limit is made one, and where it says nothing, what it said last holds.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use super::{
    rule::{Rule, Step},
    samples::{BUCKETS, Reading},
    settings::{Bottleneck, Settings},
    window::Window,
};
use crate::clock::Instant;

/// How soon a window is looked at again at the earliest.
const TICK: Duration = Duration::from_millis(2);
/// How long a rule that panicked is left alone.
const REST: Duration = Duration::from_secs(1);

pub(super) struct Controller {
    pub(super) settings: Settings,
    rule: Box<dyn Rule>,
    /// What the rule wants, as far as it was heard.
    wanted: u32,
    /// The beginning of the window, and what had been counted by then.
    began: Instant,
    from: Reading,
    /// Whether the window is still to begin.
    settling: bool,
    pub(super) to: Reading,
    scratch: [u32; BUCKETS],
    pub(super) latency: Option<f64>,
    pub(super) patience: Option<Duration>,
}

impl Controller {
    pub(super) fn new(settings: Settings, rule: Box<dyn Rule>) -> Self {
        Self {
            settings,
            rule,
            wanted: settings.initial_limit().get(),
            began: Instant::from_nanos(0),
            from: Reading::ZERO,
            settling: true,
            to: Reading::ZERO,
            scratch: [0; BUCKETS],
            latency: None,
            patience: None,
        }
    }

    /// Looks at what was counted. When to look again is the answer.
    pub(super) fn look(&mut self, now: Instant) -> Instant {
        let window = Window::between((self.began, &self.from), (now, &self.to), &mut self.scratch);
        // The mean time of a call moves with every call by a twentieth.
        let latency = (window.calls() > 0).then(|| {
            let (mean, before) = (window.mean(), self.latency.unwrap_or(window.mean()));
            before + (mean - before) * (1.0 - 0.95f64.powf(f64::from(window.calls())))
        });
        let latency = latency.or(self.latency);
        let next = if self.settling {
            // The window begins when it was to begin; the first one, with the first call that ends.
            if self.began == Instant::from_nanos(0) {
                self.began = now;
            }
            self.settling = false;
            now.after(TICK)
        } else {
            let window = window.knowing(latency, self.patience);
            let rule = &mut self.rule;
            match heard(|| rule.look(&window)).unwrap_or(Step::Close(REST)) {
                Step::Gather(until) => return until.max(now.after(TICK)),
                Step::Close(settle) => {
                    self.began = now.after(settle);
                    self.settling = !settle.is_zero();
                    self.began.max(now.after(TICK))
                }
            }
        };
        self.latency = latency;
        std::mem::swap(&mut self.from, &mut self.to);
        next
    }

    /// What the rule wants, as a number that there is.
    pub(super) fn limit(&mut self) -> u32 {
        if let Some(wanted) = heard(|| self.rule.limit()).filter(|wanted| !wanted.is_nan()) {
            // A cast from floating point saturates.
            self.wanted = wanted.round() as u32;
        }
        self.wanted.clamp(1, self.settings.max_limit().get())
    }

    /// Goes by these settings from now on. How long callers wait is forgotten: it may not be of use any more.
    pub(super) fn update(&mut self, settings: Settings) {
        self.settings = settings;
        self.patience = self.patience.filter(|_| settings.bottleneck() == Bottleneck::Private);
        heard(|| self.rule.update(&settings));
    }

    /// Whether the rule lets nobody at all go beyond the limit.
    pub(super) fn is_strict(&self) -> bool {
        heard(|| self.rule.is_strict()).unwrap_or(true)
    }

    /// What the rule says of itself: its baseline, and whether it tries something out.
    pub(super) fn said(&self) -> (Option<Duration>, bool) {
        let said = heard(|| (self.rule.baseline(), self.rule.is_probing()));
        said.map_or((None, false), |(baseline, probing)| (baseline.map(duration), probing))
    }
}

/// What a rule said, unless it panicked: a call that ends may be unwinding already, and a second panic would abort.
fn heard<T>(ask: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(ask)).ok()
}

/// Seconds as a duration, whatever came of a division.
pub(super) fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

impl fmt::Debug for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Controller").field("settings", &self.settings).field("rule", &self.rule).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load_shed::samples::Samples;

    /// Says what it is told to, or panics at every word.
    #[derive(Debug)]
    struct Says(Option<f64>);

    impl Rule for Says {
        fn limit(&self) -> f64 {
            self.0.expect("panics")
        }

        fn look(&mut self, _: &Window<'_>) -> Step {
            self.0.map(|_| Step::CLOSE).expect("panics")
        }

        fn baseline(&self) -> Option<f64> {
            Some(self.0.expect("panics"))
        }

        fn update(&mut self, _: &Settings) {
            self.0.expect("panics");
        }
    }

    fn controller(says: Option<f64>) -> Controller {
        Controller::new(Settings::new().try_with_limits(7, 50).expect("valid"), Box::new(Says(says)))
    }

    #[test]
    fn what_is_no_limit_is_taken_for_the_nearest_and_what_is_no_number_for_nothing() {
        for (says, limit) in [
            (0.0, 1),
            (-3.0, 1),
            (0.4, 1),
            (f64::NEG_INFINITY, 1),
            (8.5, 9),
            (51.0, 50),
            (f64::INFINITY, 50),
            (f64::NAN, 7),
        ] {
            assert_eq!(controller(Some(says)).limit(), limit, "{says}");
        }
    }

    /// It did so at every call that ended: the next look was never put off.
    #[test]
    fn a_rule_that_panics_is_left_alone_for_a_second_and_the_limit_stays() {
        let (mut controller, samples) = (controller(None), Samples::new());
        let now = Instant::from_nanos(1 << 40);
        let next = controller.look(now);
        samples.record(1_000_000, true);
        samples.read_into(&mut controller.to);
        assert_eq!(controller.look(next), next.after(REST));
        assert_eq!((controller.limit(), controller.said()), (7, (None, false)));
        controller.update(Settings::new().try_with_limits(1, 5).expect("valid"));
        assert_eq!(controller.limit(), 5, "the largest limit holds all the same");
    }

    #[test]
    fn how_long_callers_wait_is_forgotten_once_it_may_not_be_used() {
        let mut controller = controller(Some(1.0));
        controller.patience = Some(REST);
        controller.update(Settings::new().with_bottleneck(Bottleneck::Private));
        assert_eq!(controller.patience, Some(REST));
        controller.update(Settings::new());
        assert_eq!(controller.patience, None);
    }

    #[test]
    fn seconds_that_are_no_time_are_for_ever() {
        assert_eq!(duration(f64::NAN), Duration::MAX);
        assert_eq!(duration(1e300), Duration::MAX);
    }
}

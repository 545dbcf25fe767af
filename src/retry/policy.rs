//! Whether a request that failed is tried again, and when: pure.

use std::time::Duration;

use super::{Backoff, Settings};
use crate::{classify::Failure, clock::Instant, event::Stop};

/// A request that failed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failed {
    /// How often it was sent.
    pub(super) attempts: u32,
    /// How often it may be sent.
    pub(super) limit: u32,
    /// How it failed the last time.
    pub(super) failure: Failure,
    /// Whether there is another copy of it.
    pub(super) replayable: bool,
    /// Whether the work that it may do is used up, so that it could do nothing if it were sent.
    pub(super) used_up: bool,
    /// The backoff before the last attempt; zero before the first.
    pub(super) previous: Duration,
    /// When its answer is of no use any more.
    pub(super) deadline: Instant,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is sent again `delay` from now, at `at`, if the budget allows. Of this `backoff` was our own.
    Again { delay: Duration, backoff: Duration, at: Instant },
    /// Its last result is the answer.
    Stop(Stop),
}

impl Failed {
    /// Reasons to stop that no waiting changes come first, and of them those of the request itself.
    ///
    /// The callee's hint is a lower bound: our own delay is added to it. Else all clients that were told "in one
    /// second" would be back together in one second.
    pub(super) fn decide(&self, settings: &Settings, now: Instant, random: u64) -> Verdict {
        if self.attempts >= self.limit {
            return Verdict::Stop(Stop::Attempts);
        }
        if !self.replayable {
            return Verdict::Stop(Stop::NotReplayable);
        }
        match self.failure {
            Failure::Permanent => return Verdict::Stop(Stop::NotRetryable),
            Failure::PushedBack => return Verdict::Stop(Stop::Hint),
            _ => {}
        }
        if self.used_up {
            return Verdict::Stop(Stop::WorkExhausted);
        }
        let hint = self.failure.retry_after().unwrap_or(Duration::ZERO);
        if hint > settings.max_hint() {
            return Verdict::Stop(Stop::Hint);
        }
        let backoff: Backoff = settings.backoff();
        let backoff = backoff.delay(self.attempts, self.failure, self.previous, random);
        let delay = hint.saturating_add(backoff);
        let at = now.after(delay);
        // Without a deadline this still stops a delay that ends never.
        if at >= self.deadline {
            return Verdict::Stop(Stop::Deadline);
        }
        Verdict::Again { delay, backoff, at }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use proptest::prelude::*;

    use super::{super::Jitter, *};

    const NOW: Instant = Instant::from_nanos(1 << 62);
    const MS: Duration = Duration::from_millis(1);
    const FAILED: Failed = Failed {
        attempts: 1,
        limit: 3,
        failure: Failure::Transient,
        replayable: true,
        used_up: false,
        previous: Duration::ZERO,
        deadline: Instant::FAR,
    };

    fn decide(failed: Failed, random: u64) -> Verdict {
        failed.decide(&Settings::new(), NOW, random)
    }

    fn delay(failed: Failed, random: u64) -> Option<Duration> {
        match decide(failed, random) {
            Verdict::Again { delay, .. } => Some(delay),
            Verdict::Stop(_) => None,
        }
    }

    #[test]
    fn reasons_to_stop_have_an_order() {
        let hint = Failure::Throttled(Some(21_000 * MS));
        let all = Failed { attempts: 3, replayable: false, used_up: true, failure: hint, deadline: NOW, ..FAILED };
        assert_eq!(decide(all, 0), Verdict::Stop(Stop::Attempts));
        assert_eq!(decide(Failed { attempts: 2, ..all }, 0), Verdict::Stop(Stop::NotReplayable));
        assert_eq!(decide(Failed { attempts: 2, replayable: true, ..all }, 0), Verdict::Stop(Stop::WorkExhausted));
        let replayable = Failed { attempts: 2, replayable: true, used_up: false, ..all };
        assert_eq!(decide(replayable, 0), Verdict::Stop(Stop::Hint));
        assert_eq!(decide(Failed { failure: Failure::Overload, ..replayable }, 0), Verdict::Stop(Stop::Deadline));
    }

    /// Cutting a hint down to what suits the caller calls a callee that asked not to be called.
    #[test]
    fn a_hint_is_a_lower_bound_and_never_shortened() {
        let hinted = |hint| Failed { failure: Failure::Throttled(Some(hint)), ..FAILED };
        assert_eq!(delay(hinted(5000 * MS), 0), Some(5000 * MS));
        assert_eq!(delay(hinted(5000 * MS), u64::MAX), Some(6000 * MS));
        assert_eq!(delay(hinted(20_000 * MS), 0), Some(20_000 * MS));
        assert_eq!(decide(hinted(20_001 * MS), 0), Verdict::Stop(Stop::Hint));
    }

    #[test]
    fn what_another_attempt_does_not_help_is_not_tried_again() {
        let failed = |failure| decide(Failed { failure, ..FAILED }, 0);
        assert_eq!(failed(Failure::Permanent), Verdict::Stop(Stop::NotRetryable));
        assert_eq!(failed(Failure::PushedBack), Verdict::Stop(Stop::Hint));
    }

    #[test]
    fn a_delay_that_ends_at_the_deadline_is_too_long() {
        let by = |millis| Failed { deadline: NOW.after(millis * MS), ..FAILED };
        assert_eq!(decide(by(50), u64::MAX), Verdict::Stop(Stop::Deadline));
        assert_eq!(delay(by(51), u64::MAX), Some(50 * MS));
    }

    #[test]
    fn a_delay_that_ends_never_is_not_begun() {
        let settings = Settings::new().with_max_hint(Duration::MAX);
        let failed = Failed { failure: Failure::Throttled(Some(Duration::MAX)), ..FAILED };
        assert_eq!(failed.decide(&settings, NOW, 0), Verdict::Stop(Stop::Deadline));
    }

    proptest! {
        #[test]
        fn whatever_the_numbers_a_retry_is_within_its_bounds(
            attempts in 1u32.., limit: NonZeroU32, hint: Option<Duration>, max_hint: Duration,
            base in 1u64.., cap in 1u64.., previous: Duration, now: u64, deadline: u64, random: u64,
            jitter in prop::sample::select(&[Jitter::Full, Jitter::Equal, Jitter::Decorrelated, Jitter::None][..]),
        ) {
            let base = Duration::from_nanos(base.min(cap));
            let backoff = Backoff::try_new(base, Duration::from_nanos(cap)).expect("within the cap").with_jitter(jitter);
            let settings = Settings::new().with_attempts(limit).with_backoff(backoff).with_max_hint(max_hint);
            let (now, deadline) = (Instant::from_nanos(now), Instant::from_nanos(deadline));
            let failure = Failure::Throttled(hint);
            let failed = Failed { attempts, limit: limit.get(), failure, replayable: true, used_up: false, previous, deadline };
            if let Verdict::Again { delay, backoff, at } = failed.decide(&settings, now, random) {
                let hint = hint.unwrap_or_default();
                prop_assert!(attempts < limit.get());
                prop_assert!(hint <= max_hint && hint <= delay);
                prop_assert!(backoff <= settings.backoff().cap());
                prop_assert!(at < deadline && at == now.after(delay));
            }
        }
    }
}

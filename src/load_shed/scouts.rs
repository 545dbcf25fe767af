//! Whether a service that is full and silent stands still, or is full of streams.
//!
//! Streams are parked once enough other calls have overtaken them. But where all places are held by streams, nobody
//! overtakes, and the limit would keep everybody out until the streams end. From outside, a service that stands still looks
//! the same: there, more calls would only make a queue. So one is let in beyond the limit, to see: a *scout*. If it is answered
//! while the others are not, they are streams, and with every scout that is, a turn of [parking](super::parking) is over. As
//! long as nobody is answered, the next one goes after twice the time.

use std::time::Duration;

use crate::clock::Instant;

/// How long a service may be silent at least before the first goes.
const SILENCE: Duration = Duration::from_millis(50);
/// And for how many times as long as a call takes.
const CALLS: u32 = 2;

/// Who was let in beyond the limit, and when the next may be.
#[derive(Debug)]
pub(super) struct Scouts {
    /// The calls that had been answered when it was last looked, if it was, and since when they were as many.
    answered: Option<u32>,
    since: Instant,
    /// The calls that had been answered when the last one went.
    went: u32,
    /// How long it has to be silent for the next one.
    wait: Duration,
}

impl Scouts {
    pub(super) const fn new() -> Self {
        Self { answered: None, since: Instant::from_nanos(0), went: 0, wait: SILENCE }
    }

    /// No place is free: whether one may go beyond the limit. `answered` counts the calls that have been, `call` is how
    /// long one takes.
    pub(super) fn may_go(&mut self, answered: u32, call: Duration, now: Instant) -> bool {
        let first = SILENCE.max(call.saturating_mul(CALLS));
        if self.answered != Some(answered) {
            *self = Self { answered: Some(answered), since: now, wait: first, ..*self };
            return false;
        }
        if now < self.since.after(self.wait) {
            return false;
        }
        self.since = now;
        self.went = answered;
        self.wait = if self.wait.is_zero() { first } else { self.wait.saturating_mul(2) };
        true
    }

    /// One has come back, as the last of so many calls that have been answered. Whether it tells that the others are streams
    /// is the answer: it does if none of them has been answered since the last one went. Then there is no need to wait for the
    /// next.
    pub(super) fn came_back(&mut self, answered: u32, now: Instant) -> bool {
        let alone = answered == self.went.wrapping_add(1);
        if alone {
            *self = Self { answered: Some(answered), since: now, wait: Duration::ZERO, ..*self };
        }
        alone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: Duration = Duration::from_millis(10);

    /// The milliseconds at which one goes, of `millis`, while nothing ends.
    fn go(scouts: &mut Scouts, ended: u32, millis: std::ops::Range<u64>) -> Vec<u64> {
        let at = |millis: &u64| Instant::from_nanos((1_000 + millis) * 1_000_000);
        millis.filter(|millis| scouts.may_go(ended, CALL, at(millis))).collect()
    }

    #[test]
    fn nobody_goes_while_calls_end() {
        let mut scouts = Scouts::new();
        assert!((1..1000).all(|n| go(&mut scouts, n, 50 * u64::from(n)..50 * u64::from(n) + 50).is_empty()));
    }

    /// The fifth of the first five went beyond the limit at once: nothing had ended since the clock began.
    #[test]
    fn a_service_that_has_only_just_begun_is_not_silent() {
        let at = |millis: u64| Instant::from_nanos((1 << 62) + millis * 1_000_000);
        let mut scouts = Scouts::new();
        let went: Vec<_> = (0..200).filter(|&millis| scouts.may_go(0, Duration::ZERO, at(millis))).collect();
        assert_eq!(went, [50, 150]);
    }

    #[test]
    fn into_a_service_that_stands_still_ever_fewer_go() {
        assert_eq!(go(&mut Scouts::new(), 7, 0..5_000), [50, 150, 350, 750, 1_550, 3_150]);
    }

    #[test]
    fn when_one_comes_back_the_next_goes_at_once() {
        let mut scouts = Scouts::new();
        assert_eq!(go(&mut scouts, 7, 0..100), [50]);
        assert!(scouts.came_back(8, Instant::from_nanos(1_100_000_000)));
        assert_eq!(go(&mut scouts, 8, 100..400), [100, 150, 250], "and if that does not, with time");
    }

    /// Where all calls have become slow, the one that went beyond the limit comes back among the others.
    #[test]
    fn one_that_comes_back_among_others_tells_nothing() {
        let mut scouts = Scouts::new();
        assert_eq!(go(&mut scouts, 7, 0..100).len(), 1);
        assert_eq!(go(&mut scouts, 8, 100..101), [0; 0]);
        assert!(!scouts.came_back(9, Instant::from_nanos(1_100_000_000)));
        assert_eq!(go(&mut scouts, 9, 100..150), [0; 0]);
    }
}

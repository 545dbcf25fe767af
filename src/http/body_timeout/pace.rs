//! How long a body may still make its reader wait: pure.

use super::Settings;
use crate::clock::{Instant, nanos};

/// A body's credit, in nanoseconds of waiting: a bucket that each byte fills and each wait empties, which holds the grace and
/// no more. All arithmetic saturates.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    idle: u64,
    /// Bytes a second; zero is no rate.
    rate: u32,
    grace: u64,
    credit: u64,
    /// Since when somebody waits.
    waiting: Option<Instant>,
}

/// Why a wait was too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Slow {
    /// Nothing came for the idle time.
    Idle,
    /// Something came, but less than the rate.
    Rate,
}

impl Pace {
    pub(super) const fn new(settings: &Settings) -> Self {
        let (rate, grace) = match settings.rate() {
            Some((rate, grace)) => (rate.get(), nanos(grace)),
            None => (0, u64::MAX),
        };
        Self { idle: nanos(settings.idle()), rate, grace, credit: grace, waiting: None }
    }

    /// Whether anything can ever be too slow.
    pub(super) const fn is_bounded(&self) -> bool {
        self.idle != u64::MAX || self.credit != u64::MAX
    }

    /// Somebody waits, from now if not yet. The answer is until when at most.
    pub(super) fn wait(&mut self, now: Instant) -> Instant {
        let since = *self.waiting.get_or_insert(now);
        Instant::from_nanos(since.as_nanos().saturating_add(self.idle.min(self.credit)))
    }

    /// What is to blame where the wait was too long.
    pub(super) const fn verdict(&self) -> Slow {
        if self.idle <= self.credit { Slow::Idle } else { Slow::Rate }
    }

    /// Whether somebody waits: only then does it matter what the time is.
    pub(super) const fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// So many bytes came, at `now` if somebody had waited for them.
    pub(super) fn came(&mut self, bytes: u64, now: Option<Instant>) {
        if let (Some(since), Some(now)) = (self.waiting.take(), now) {
            self.credit = self.credit.saturating_sub(nanos(now.since(since)));
        }
        if let Some(earned) = bytes.saturating_mul(1_000_000_000).checked_div(u64::from(self.rate)) {
            self.credit = self.credit.saturating_add(earned).min(self.grace);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{num::NonZeroU32, time::Duration};

    use proptest::prelude::*;

    use super::*;

    const START: Instant = Instant::from_nanos(1 << 62);
    const SECOND: Duration = Duration::from_secs(1);

    fn pace(idle: Duration, rate: u32, grace: Duration) -> Pace {
        Pace::new(&Settings::new(idle).try_with_rate(rate, grace).expect("valid"))
    }

    #[test]
    fn a_frame_may_take_the_idle_time_and_the_next_one_again() {
        let mut pace = Pace::new(&Settings::new(3 * SECOND));
        assert_eq!(pace.wait(START), START.after(3 * SECOND));
        assert_eq!(pace.wait(START.after(SECOND)), START.after(3 * SECOND), "it began a second ago");
        pace.came(1, Some(START.after(2 * SECOND)));
        assert_eq!(pace.wait(START.after(2 * SECOND)), START.after(5 * SECOND));
        assert_eq!(pace.verdict(), Slow::Idle);
    }

    /// A byte now and then, each within the idle time, kept connections for hours.
    #[test]
    fn a_byte_a_second_is_found_out_after_the_grace() {
        let mut pace = pace(30 * SECOND, 100, 5 * SECOND);
        let mut now = START;
        for second in 0.. {
            let until = pace.wait(now);
            now = now.after(SECOND);
            if until < now {
                assert_eq!((second, pace.verdict()), (5, Slow::Rate));
                break;
            }
            pace.came(1, Some(now));
        }
    }

    #[test]
    fn what_keeps_the_rate_goes_on_for_ever() {
        let mut pace = pace(30 * SECOND, 100, 5 * SECOND);
        let mut now = START;
        for _ in 0..1000 {
            assert!(pace.wait(now) > now.after(SECOND));
            now = now.after(SECOND);
            pace.came(100, Some(now));
        }
    }

    /// A gigabyte at once would have bought hours of silence.
    #[test]
    fn a_burst_buys_the_grace_and_no_more() {
        let mut pace = pace(Duration::MAX, 1, 5 * SECOND);
        pace.came(1 << 30, None);
        assert_eq!(pace.wait(START), START.after(5 * SECOND));
    }

    #[test]
    fn time_in_which_nobody_waits_does_not_count() {
        let mut pace = pace(30 * SECOND, 100, 5 * SECOND);
        pace.came(1, None);
        let hours_later = START.after(9999 * SECOND);
        assert_eq!(pace.wait(hours_later), hours_later.after(5 * SECOND));
    }

    proptest! {
        #[test]
        fn no_numbers_overflow(
            idle: Duration, rate: NonZeroU32, grace: Duration, steps in prop::collection::vec(any::<(u64, u64)>(), 0..9)
        ) {
            let mut pace = Pace::new(&Settings::new(idle).with_rate(rate, grace));
            for (at, bytes) in steps {
                let at = Instant::from_nanos(at);
                let until = pace.wait(at);
                prop_assert!(until >= at);
                pace.came(bytes, Some(until));
                prop_assert!(pace.credit <= pace.grace);
            }
        }
    }
}

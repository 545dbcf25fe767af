use std::time::Duration;

use crate::{
    clock::Instant,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// Lets through so many a second, the first of each, and counts what it keeps back.
///
/// By whole seconds of the time that it is told, so that a run in virtual time says the same each time. Without a lock:
/// two threads that meet at the turn of a second may let one more through, or count one less.
#[derive(Debug, Default)]
pub(super) struct Sieve {
    /// The second that is counted, in whole ones from the beginning of the scale.
    second: AtomicU64,
    passed: AtomicU64,
    kept: AtomicU64,
}

impl Sieve {
    /// If this one goes through, how many have been kept back since the last that did.
    pub(super) fn pass(&self, most: u64, now: Instant) -> Option<u64> {
        let second = now.as_nanos() / Duration::from_secs(1).as_nanos() as u64;
        if self.second.swap(second, Relaxed) != second {
            self.passed.store(0, Relaxed);
        }
        if self.passed.fetch_add(1, Relaxed) < most {
            return Some(self.kept.swap(0, Relaxed));
        }
        self.kept.fetch_add(1, Relaxed);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_each_second_go_through_and_the_next_says_how_many_did_not() {
        let (sieve, ms) = (Sieve::default(), |ms: u64| Instant::from_nanos(ms * 1_000_000));
        let pass = |at| sieve.pass(2, ms(at));
        assert_eq!([pass(1000), pass(1001), pass(1500), pass(1999)], [Some(0), Some(0), None, None]);
        assert_eq!([pass(2000), pass(2000), pass(2000)], [Some(2), Some(0), None]);
        assert_eq!(pass(60_000), Some(1));
        assert_eq!([sieve.pass(0, ms(70_000)), sieve.pass(0, Instant::FAR)], [None, None]);
        assert_eq!(sieve.pass(u64::MAX, Instant::FAR), Some(2));
    }
}

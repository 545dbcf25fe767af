//! How far apart requests are in what they spend: pure.

use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Four buckets for each doubling.
const BUCKETS: usize = 252;
/// After so many, what was counted before counts for half: yesterday's requests are not today's.
const MEMORY: u64 = 4096;

/// A histogram of what requests have spent, exact to a quarter, over the last few thousand of them.
#[derive(Debug)]
pub(super) struct Spread {
    buckets: [AtomicU64; BUCKETS],
    counted: AtomicU64,
}

impl Spread {
    pub(super) fn new() -> Self {
        Self { buckets: std::array::from_fn(|_| AtomicU64::new(0)), counted: AtomicU64::new(0) }
    }

    /// Counts a request that spent so much.
    pub(super) fn count(&self, spent: u64) {
        if let Some(bucket) = self.buckets.get(bucket_of(spent)) {
            bucket.fetch_add(1, Relaxed);
        }
        if self.counted.fetch_add(1, Relaxed) % MEMORY == MEMORY - 1 {
            self.fade();
        }
    }

    /// Of so many in a hundred requests, what the last one spent at least; `None` where nothing was counted.
    pub(super) fn percentile(&self, percent: u64) -> Option<u64> {
        let counts = || self.buckets.iter().map(|bucket| bucket.load(Relaxed));
        let all: u64 = counts().sum();
        let wanted = (all * percent).div_ceil(100).max(1);
        let mut seen = 0;
        let found = counts().position(|count| {
            seen += count;
            seen >= wanted
        });
        found.map(least_of)
    }

    #[cold]
    fn fade(&self) {
        for bucket in &self.buckets {
            // Half of what is there, rounded up to go: one that is rare does not stay for ever.
            let _ = bucket.fetch_update(Relaxed, Relaxed, |count| Some(count / 2));
        }
    }
}

fn bucket_of(spent: u64) -> usize {
    if spent < 4 {
        return spent as usize;
    }
    let doublings = spent.ilog2();
    let quarter = (spent >> (doublings - 2)) & 3;
    4 * (doublings as usize - 1) + quarter as usize
}

/// The least that falls into a bucket.
fn least_of(bucket: usize) -> u64 {
    if bucket < 4 {
        return bucket as u64;
    }
    (4 + bucket as u64 % 4) << (bucket / 4 - 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn percentiles_are_those_of_what_was_counted() {
        let spread = Spread::new();
        assert_eq!(spread.percentile(50), None);
        (0..98).for_each(|_| spread.count(10));
        (0..2).for_each(|_| spread.count(1_000));
        assert_eq!([1, 50, 98, 99, 100].map(|percent| spread.percentile(percent)), [10, 10, 10, 896, 896].map(Some));
        spread.count(u64::MAX);
        assert_eq!(spread.percentile(100), Some(7 << 61));
    }

    #[test]
    fn what_was_long_ago_fades() {
        let spread = Spread::new();
        (0..MEMORY).for_each(|_| spread.count(1_000_000));
        for _ in 0..12 {
            (0..MEMORY).for_each(|_| spread.count(1));
        }
        assert_eq!(spread.percentile(99), Some(1));
    }

    proptest! {
        #[test]
        fn a_bucket_is_within_a_quarter(spent: u64) {
            let (bucket, least) = (bucket_of(spent), least_of(bucket_of(spent)));
            prop_assert!(bucket < BUCKETS && least <= spent && bucket_of(least) == bucket);
            prop_assert!(spent - least <= least / 4);
        }
    }
}

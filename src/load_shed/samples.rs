//! How long calls took, counted without a lock: one relaxed addition a call.
//!
//! A histogram rather than sums: means, spread, minimum and quantiles can all be read from it, it costs one addition where
//! sums of the time, its logarithm and that one's square cost three, and threads seldom meet on a line of it. The price is a
//! resolution of 3 %, and a microsecond's work to read it, some twenty times a second.

use crate::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Steps to the doubling.
const STEPS: usize = 32;
/// Below this power of two, in nanoseconds, everything is one bucket: a microsecond.
const LOWEST: u32 = 10;
/// Doublings from there: to 4½ minutes, beyond which everything is one bucket.
const DOUBLINGS: usize = 28;

pub(super) const BUCKETS: usize = DOUBLINGS * STEPS;

/// All calls so far, by how long they took. Counters wrap; who looks takes differences.
#[derive(Debug)]
pub(super) struct Samples {
    counts: [AtomicU32; BUCKETS],
    bound: AtomicU32,
    overloads: AtomicU32,
}

/// What the counters read at one moment.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) counts: [u32; BUCKETS],
    pub(super) bound: u32,
    pub(super) overloads: u32,
}

impl Samples {
    pub(super) fn new() -> Self {
        Self {
            counts: std::array::from_fn(|_| AtomicU32::new(0)),
            bound: AtomicU32::new(0),
            overloads: AtomicU32::new(0),
        }
    }

    /// A call that took so long, and whether the limit was reached while it ended.
    #[inline]
    pub(super) fn record(&self, nanos: u64, bound: bool) {
        self.counts[bucket(nanos)].fetch_add(1, Relaxed);
        if bound {
            self.bound.fetch_add(1, Relaxed);
        }
    }

    /// A call that ended by an overload further in.
    pub(super) fn overload(&self) {
        self.overloads.fetch_add(1, Relaxed);
    }

    pub(super) fn read_into(&self, reading: &mut Reading) {
        for (read, count) in reading.counts.iter_mut().zip(&self.counts) {
            *read = count.load(Relaxed);
        }
        reading.bound = self.bound.load(Relaxed);
        reading.overloads = self.overloads.load(Relaxed);
    }
}

impl Reading {
    pub(super) const ZERO: Self = Self { counts: [0; BUCKETS], bound: 0, overloads: 0 };
}

#[inline]
fn bucket(nanos: u64) -> usize {
    let power = nanos.max(1).ilog2();
    if power < LOWEST {
        return 0;
    }
    // The five bits below the highest one.
    let step = (nanos >> (power - STEPS.ilog2())) as usize & (STEPS - 1);
    ((power - LOWEST) as usize * STEPS + step).min(BUCKETS - 1)
}

/// The middle of a bucket, in seconds.
pub(super) fn middle(bucket: usize) -> f64 {
    let octave = f64::from(1 << LOWEST) * f64::from(1 << (bucket / STEPS)) * 1e-9;
    octave * (1.0 + ((bucket % STEPS) as f64 + 0.5) / STEPS as f64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_bucket_is_three_per_cent_wide(nanos in 1u64 << LOWEST..1 << 38) {
            let (took, read) = (nanos as f64 * 1e-9, middle(bucket(nanos)));
            prop_assert!((read / took - 1.0).abs() <= 1.0 / 32.0 + 1e-9, "{took} reads {read}");
        }

        #[test]
        fn every_time_has_a_bucket_and_longer_ones_have_later_ones(one: u64, other: u64) {
            prop_assert_eq!(bucket(one.min(other)).min(bucket(one.max(other))), bucket(one.min(other)));
        }
    }

    #[test]
    fn the_ends_hold_what_is_beyond_them() {
        assert_eq!((bucket(0), bucket(1023), bucket(1024)), (0, 0, 0));
        assert_eq!((bucket(u64::MAX), bucket((1 << 38) - 1)), (BUCKETS - 1, BUCKETS - 1));
    }
}

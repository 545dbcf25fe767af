use std::time::Duration;

/// The upper bounds of the buckets in nanoseconds: six in each decade, from 10 µs to 100 s.
const BOUNDS: [u64; 43] = {
    let mut bounds = [0; 43];
    let mut decade = 10_000;
    let mut bound = 0;
    while bound < 42 {
        let step = [10, 15, 20, 30, 50, 70][bound % 6];
        bounds[bound] = decade / 10 * step;
        bound += 1;
        if bound % 6 == 0 {
            decade *= 10;
        }
    }
    bounds[42] = decade;
    bounds
};

/// For each length of a number in bits, the first bucket that such a number may be in.
const FIRST: [u8; 65] = {
    let mut first = [0; 65];
    let mut bits = 1;
    while bits <= 64 {
        let least = 1_u64 << (bits - 1);
        let mut bucket = 0;
        while bucket < BOUNDS.len() && BOUNDS[bucket] < least {
            bucket += 1;
        }
        first[bits] = bucket as u8;
        bits += 1;
    }
    first
};

/// How many buckets there are, with the one for all that is longer.
pub(crate) const BUCKETS: usize = BOUNDS.len() + 1;

/// The bucket of a time in nanoseconds: one look-up and at most two comparisons.
#[inline]
pub(crate) fn bucket(nanos: u64) -> usize {
    let mut bucket = FIRST[(u64::BITS - nanos.leading_zeros()) as usize] as usize;
    while bucket < BOUNDS.len() && nanos > BOUNDS[bucket] {
        bucket += 1;
    }
    bucket
}

/// How times are spread over buckets, at one moment.
///
/// The buckets are fixed: up to 10, 15, 20, 30, 50, 70, 100 µs, 150 µs, … 100 s, and one for what is longer. A bound belongs
/// to the bucket below it, as in Prometheus. So a quantile is off by a factor of 5/3 at most, whatever the times, and
/// histograms of any two layers, processes and days can be added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Histogram {
    pub(crate) counts: [u64; BUCKETS],
    pub(crate) nanos: u64,
}

impl Histogram {
    /// Of nothing.
    pub const EMPTY: Self = Self { counts: [0; BUCKETS], nanos: 0 };

    /// How many times were recorded.
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.wrapping_add(*count))
    }

    /// All of them together. It starts anew after 584 years of calls.
    pub const fn sum(&self) -> Duration {
        Duration::from_nanos(self.nanos)
    }

    /// Their mean, if there are any.
    pub fn mean(&self) -> Option<Duration> {
        self.nanos.checked_div(self.count()).map(Duration::from_nanos)
    }

    /// The time that this share of them did not exceed: 0.99 for the 99th percentile. Between the bounds of a bucket it is
    /// taken to grow evenly; of the last bucket only the lower bound is known. `None` of nothing, and for what is no share.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let count = self.count();
        if count == 0 || !(0.0..=1.0).contains(&share) {
            return None;
        }
        let rank = (share * count as f64).ceil().max(1.0);
        let mut before = 0.0;
        for (bucket, here) in self.counts.iter().map(|count| *count as f64).enumerate() {
            if here > 0.0 && before + here >= rank {
                let low = bucket.checked_sub(1).map_or(0, |below| BOUNDS[below]);
                let high = BOUNDS.get(bucket).copied().unwrap_or(low);
                let share = (rank - before) / here;
                return Some(Duration::from_nanos(low + ((high - low) as f64 * share) as u64));
            }
            before += here;
        }
        // Rounding alone can lead here.
        Some(Duration::from_nanos(BOUNDS[BOUNDS.len() - 1]))
    }

    /// The buckets, the shortest times first: the upper bound, none for the last, and how many times are in it.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<Duration>, u64)> + '_ {
        let bounds = BOUNDS.iter().map(|nanos| Some(Duration::from_nanos(*nanos))).chain([None]);
        bounds.zip(self.counts)
    }

    /// This one and `other` together.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        for (mine, other) in self.counts.iter_mut().zip(other.counts) {
            *mine = mine.wrapping_add(other);
        }
        self.nanos = self.nanos.wrapping_add(other.nanos);
        self
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::EMPTY
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(times: &[u64]) -> Histogram {
        let mut histogram = Histogram::EMPTY;
        for nanos in times {
            histogram.counts[bucket(*nanos)] += 1;
            histogram.nanos = histogram.nanos.wrapping_add(*nanos);
        }
        histogram
    }

    #[test]
    fn bounds_are_round_and_belong_to_the_bucket_below() {
        assert_eq!(BOUNDS[..7], [10_000, 15_000, 20_000, 30_000, 50_000, 70_000, 100_000]);
        assert_eq!((BOUNDS[41], BOUNDS[42]), (70_000_000_000, 100_000_000_000));
        for (place, bound) in BOUNDS.iter().enumerate() {
            assert_eq!((bucket(*bound), bucket(bound + 1)), (place, place + 1));
        }
        assert_eq!((bucket(0), bucket(1), bucket(u64::MAX)), (0, 0, BUCKETS - 1));
    }

    #[test]
    fn a_quantile_is_between_the_bounds_of_its_bucket() {
        let ms = Duration::from_millis;
        let histogram = of(&[[4_000_000; 90], [60_000_000; 90]].concat()[..100]);
        assert!((ms(3)..=ms(5)).contains(&histogram.quantile(0.5).expect("some")));
        assert!((ms(50)..=ms(70)).contains(&histogram.quantile(0.99).expect("some")));
        assert_eq!(histogram.quantile(1.0), Some(ms(70)));
        assert_eq!(histogram.mean(), Some(Duration::from_micros(9_600)));
        assert_eq!(of(&[u64::MAX]).quantile(0.0), Some(Duration::from_secs(100)), "longer than is told apart");
    }

    #[test]
    fn of_nothing_and_of_no_share_there_is_no_quantile() {
        assert_eq!((Histogram::EMPTY.quantile(0.5), Histogram::EMPTY.mean()), (None, None));
        for nonsense in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert_eq!(of(&[1]).quantile(nonsense), None);
        }
    }

    #[test]
    fn two_together_are_as_one_of_all() {
        assert_eq!(of(&[1, 20_000_000]).and(&of(&[500_000])), of(&[1, 500_000, 20_000_000]));
    }

    proptest! {
        #[test]
        fn a_time_is_in_the_first_bucket_whose_bound_it_does_not_exceed(nanos in prop_oneof![0..200_000_000_000u64, any::<u64>()]) {
            let place = BOUNDS.iter().position(|bound| nanos <= *bound).unwrap_or(BOUNDS.len());
            prop_assert_eq!(bucket(nanos), place);
        }

        #[test]
        fn quantiles_rise(times in prop::collection::vec(0..200_000_000_000u64, 1..50), low in 0.0..1.0, more in 0.0..1.0) {
            let histogram = of(&times);
            let high: f64 = low + (1.0 - low) * more;
            prop_assert!(histogram.quantile(low) <= histogram.quantile(high));
        }
    }
}

//! A quota in ticks: what a cell weighs, and how many ticks pass in a nanosecond.
//!
//! # How exact it is
//! The time between two cells is rarely a whole number of nanoseconds: three per second leave a third over. Rounded, and
//! added up cell after cell, that is another rate than the one that was asked for; at 1,000,000,007 per second it is one
//! that does not exist. So nothing is rounded that is added up. A cell is a power of two of ticks, always the same; what is
//! rounded is only how many ticks have passed since the origin, anew for each moment, by less than one.
//!
//! The power is as large as fits, so that 8 to 16 ticks pass in a nanosecond. With the rounding of two moments and one tick
//! of tolerance, a request passes at the first nanosecond at which the quota has a cell for it, to three eighths of a
//! nanosecond; exactly so where that is a whole nanosecond. It is never late, and it does not add up. Only where a burst
//! takes more than nine years to come back are the ticks coarser.

use super::quota::Quota;

/// Ticks of a quota. Plain data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scale {
    /// Ticks in a nanosecond, with [`FRACTION`] binary places, rounded up.
    speed: u64,
    /// A cell is two to the power of this many ticks. At least 1, so that a tick is never a whole cell.
    bits: u32,
    /// The burst, in cells. Less than 2^62 ticks.
    burst: u32,
}

const FRACTION: u32 = 60;

/// Moments are rounded; a moment at which a cell is due must not be a tick short of it.
const TOLERANCE: u64 = 1;

impl Scale {
    /// The longest time since the origin that can be told, in nanoseconds: nine years. Fewer than 2^62 ticks pass in it.
    pub(super) const LONGEST: u64 = 1 << 58;

    pub(super) fn new(quota: &Quota) -> Self {
        let (cells, burst) = (u128::from(quota.cells().get()), quota.burst().get());
        let per = u128::from(crate::clock::nanos(quota.per()));
        let most = 62 - (u32::BITS - burst.leading_zeros());
        let mut bits = 0;
        while bits < most && cells << (bits + 1) < per << 4 {
            bits += 1;
        }
        let speed = ((cells << bits) << FRACTION).div_ceil(per);
        Self { speed: u64::try_from(speed).unwrap_or(u64::MAX), bits, burst }
    }

    /// Speed, and burst and bits in a word: to be kept in atomics.
    pub(super) const fn packed(self) -> (u64, u64) {
        (self.speed, (self.bits as u64) << 32 | self.burst as u64)
    }

    /// What [`packed`](Self::packed) packed; of the second word only the lower 40 bits count.
    #[inline(always)]
    pub(super) const fn unpacked(speed: u64, shape: u64) -> Self {
        Self { speed, bits: (shape >> 32) as u32 & 63, burst: shape as u32 }
    }

    /// How many ticks have passed after so many nanoseconds, at most [`LONGEST`](Self::LONGEST).
    #[inline(always)]
    pub(super) const fn ticks(self, nanos: u64) -> u64 {
        ((nanos as u128 * self.speed as u128) >> FRACTION) as u64
    }

    /// The same after any number of nanoseconds, as many as can be told.
    pub(super) fn ticks_ever(self, nanos: u64) -> u64 {
        u64::try_from((u128::from(nanos) * u128::from(self.speed)) >> FRACTION).unwrap_or(u64::MAX)
    }

    /// After how many nanoseconds so many ticks have passed, at the earliest.
    pub(super) fn nanos(self, ticks: u64) -> u64 {
        let exact = (u128::from(ticks) << FRACTION).div_ceil(u128::from(self.speed));
        u64::try_from(exact).unwrap_or(u64::MAX)
    }

    /// Whether so many cells could ever be there at once.
    #[inline(always)]
    pub(super) const fn holds(self, cells: u32) -> bool {
        cells <= self.burst
    }

    /// The whole burst, in ticks.
    #[inline(always)]
    pub(super) const fn burst(self) -> u64 {
        (self.burst as u64) << self.bits
    }

    /// So many cells in ticks; at most the burst.
    #[inline(always)]
    pub(super) const fn weight(self, cells: u32) -> u64 {
        let cells = if cells > self.burst { self.burst } else { cells };
        (cells as u64) << self.bits
    }

    /// The generic cell rate algorithm: `arrival` is the theoretical arrival time, at which all that was taken is back.
    /// The one after `cells` more are taken when `passed` ticks have passed; or how many must have.
    #[inline(always)]
    pub(super) const fn charge(self, arrival: u64, passed: u64, cells: u32) -> Result<u64, u64> {
        let (weight, allowed) = (self.weight(cells), self.burst() + TOLERANCE);
        let from = if arrival > passed { arrival } else { passed };
        let next = from.saturating_add(weight);
        if next <= passed.saturating_add(allowed) {
            Ok(next)
        } else {
            Err(arrival.saturating_add(weight).saturating_sub(allowed))
        }
    }

    /// How many cells are there.
    pub(super) const fn remaining(self, arrival: u64, passed: u64) -> u32 {
        let free = (self.burst() + TOLERANCE).saturating_sub(arrival.saturating_sub(passed)) >> self.bits;
        if free > self.burst as u64 { self.burst } else { free as u32 }
    }

    /// How many cells were taken beyond the burst, rounded up.
    pub(super) const fn owed(self, arrival: u64, passed: u64) -> u64 {
        arrival.saturating_sub(passed).saturating_sub(self.burst() + TOLERANCE).div_ceil(1 << self.bits)
    }

    /// `ticks` of this scale as ticks of another, rounded up: a cell stays a cell, and a part of one stays one, unless it is
    /// tolerated here.
    pub(super) const fn as_of(self, ticks: u64, other: Self) -> u64 {
        let (cells, part) = (ticks >> self.bits, ticks & ((1 << self.bits) - 1));
        if cells >= 1 << (63 - other.bits) {
            // More than any burst.
            return u64::MAX;
        }
        let whole = cells << other.bits;
        if part <= TOLERANCE {
            return whole + part;
        }
        let part = if other.bits >= self.bits {
            part << (other.bits - self.bits)
        } else {
            part.div_ceil(1 << (self.bits - other.bits))
        };
        whole + if part > TOLERANCE { part } else { TOLERANCE + 1 }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn scale(cells: u32, per: Duration, burst: u32) -> Scale {
        Scale::new(&Quota::try_new(cells, per).and_then(|quota| quota.try_with_burst(burst)).expect("valid"))
    }

    #[test]
    fn extremes_have_a_scale() {
        let (year, nano) = (Duration::from_secs(365 * 24 * 3600), Duration::from_nanos(1));
        for (cells, per) in
            [(1, 100 * year), (u32::MAX, 100 * year), (7, nano), (1, nano), (u32::MAX, nano * (1 << 29))]
        {
            for burst in [1, 2, 1000, u32::MAX] {
                let scale = scale(cells, per, burst);
                assert!(scale.bits >= 1 && scale.speed > 0, "{scale:?}");
                assert!(scale.burst() <= 1 << 62 && scale.ticks(Scale::LONGEST) < 1 << 62, "{scale:?}");
                assert_eq!(Scale::unpacked(scale.packed().0, scale.packed().1 | 1 << 40), scale);
                assert_eq!(scale.remaining(0, 0), burst);
                let all = scale.charge(0, 0, burst).expect("all at once");
                assert!(scale.charge(all, 0, 1).is_err(), "and not one more: {scale:?}");
                assert_eq!(scale.remaining(all, 0), 0);
            }
        }
    }

    /// Ticks passed against the exact quotient, over nine years.
    #[test]
    fn a_rate_does_not_drift() {
        let second = Duration::from_secs(1);
        for (cells, per) in
            [(3, second), (7, 60 * second), (1_000_000_007, second), (13, second), (1000, 3600 * second)]
        {
            let scale = scale(cells, per, 1);
            for nanos in [1, 333_333_333, 1_000_000_000, Scale::LONGEST / 3, Scale::LONGEST] {
                let exact = ((u128::from(nanos) * u128::from(cells)) << scale.bits) / per.as_nanos();
                assert!(u128::from(scale.ticks(nanos)).abs_diff(exact) <= 1, "{cells} per {per:?} after {nanos}");
            }
        }
    }

    #[test]
    fn the_earliest_nanosecond_is_found() {
        for scale in [scale(3, Duration::from_secs(1), 5), scale(7, Duration::from_nanos(1), 9)] {
            for ticks in [1, 2, 1000, 123_456_789_012_345, 1 << 61] {
                let nanos = scale.nanos(ticks);
                assert!(scale.ticks_ever(nanos) >= ticks && scale.ticks_ever(nanos - 1) < ticks);
            }
        }
    }

    #[test]
    fn a_cell_stays_a_cell_in_another_scale() {
        let (fine, coarse) = (scale(1, Duration::from_secs(1), 1), scale(1000, Duration::from_secs(1), 1));
        assert!(fine.bits > coarse.bits);
        assert_eq!(fine.as_of(fine.weight(1), coarse), coarse.weight(1));
        assert_eq!(coarse.as_of(coarse.weight(1), fine), fine.weight(1));
        assert_eq!((fine.as_of(1, coarse), coarse.as_of(1, fine)), (1, 1), "what is tolerated");
        assert_eq!(fine.as_of(2, coarse), 2, "what was used is not rounded away");
        assert_eq!(coarse.as_of(u64::MAX, fine), u64::MAX);
    }
}

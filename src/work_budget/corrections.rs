//! How far estimates were off, for each kind of request: pure.

use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How many kinds of requests have a correction of their own.
pub const MAX_KINDS: usize = 16;

/// One, as a fixed-point number.
const ONE: u64 = 1 << 20;
/// A quarter and four times: what is further off is no estimate, and one request must not spoil the next ones'.
const LEAST: u64 = ONE / 4;
const MOST: u64 = ONE * 4;
/// A new ratio counts for an eighth.
const WEIGHT: u64 = 8;
/// An eighth: where estimates are right on the whole, and single requests half as dear again or half as dear, their average is
/// mostly no further off: by the square root of 1/(2·8 − 1) of what single ones are.
const NOISE: u64 = ONE / 8;

/// By what an estimate is multiplied: between a quarter and four.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Correction(u64);

impl Default for Correction {
    fn default() -> Self {
        Self(ONE)
    }
}

impl Correction {
    /// The estimate as it should have been.
    pub(super) fn of(self, estimate: u64) -> u64 {
        let corrected = u128::from(estimate) * u128::from(self.0) / u128::from(ONE);
        u64::try_from(corrected).unwrap_or(u64::MAX)
    }

    pub(super) fn as_f64(self) -> f64 {
        self.0 as f64 / ONE as f64
    }

    #[cfg(test)]
    pub(super) fn try_of(ratio: f64) -> Option<Self> {
        Some((ratio * ONE as f64) as u64).filter(|ratio| (LEAST..=MOST).contains(ratio)).map(Self)
    }
}

/// The corrections of all kinds: exponentially weighted moving averages of what was spent to what was estimated.
#[derive(Debug)]
pub(super) struct Corrections([Kind; MAX_KINDS]);

#[derive(Debug)]
struct Kind {
    ratio: AtomicU64,
    measured: AtomicU64,
}

impl Corrections {
    pub(super) fn new() -> Self {
        Self(std::array::from_fn(|_| Kind { ratio: AtomicU64::new(ONE), measured: AtomicU64::new(0) }))
    }

    /// The correction for a kind; all that have none of their own share the last.
    pub(super) fn of(&self, kind: usize) -> Correction {
        Correction(self.kind(kind).ratio.load(Relaxed))
    }

    /// How many requests of a kind it was learned from.
    pub(super) fn measured(&self, kind: usize) -> u64 {
        self.kind(kind).measured.load(Relaxed)
    }

    /// Learns that a request of a kind spent so much of what it was thought to. One that spent nothing tells nothing: its
    /// handler may not know that it should.
    pub(super) fn learn(&self, kind: usize, estimate: u64, spent: u64) {
        if estimate == 0 || spent == 0 {
            return;
        }
        let ratio = u128::from(spent) * u128::from(ONE) / u128::from(estimate);
        let ratio = u64::try_from(ratio).unwrap_or(MOST).clamp(LEAST, MOST);
        let kind = self.kind(kind);
        kind.measured.fetch_add(1, Relaxed);
        let mean =
            |old: u64| Some(if ratio > old { old + (ratio - old) / WEIGHT } else { old - (old - ratio) / WEIGHT });
        // In one step: a sample that another thread overwrote would be lost.
        let _ = kind.ratio.fetch_update(Relaxed, Relaxed, mean);
    }

    /// Whether no kind is dearer than its estimates, as far as that can be told: see [`NOISE`].
    pub(super) fn speak_against_nobody(&self) -> bool {
        self.0.iter().all(|kind| kind.ratio.load(Relaxed) <= ONE + NOISE)
    }

    fn kind(&self, kind: usize) -> &Kind {
        let [others @ .., last] = &self.0;
        others.get(kind).unwrap_or(last)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_spent_again_and_again_becomes_the_estimate() {
        let corrections = Corrections::new();
        for _ in 0..60 {
            corrections.learn(3, 100, 250);
        }
        let corrected = corrections.of(3).of(100);
        assert!((249..=250).contains(&corrected), "{corrected}");
        assert_eq!((corrections.of(2).of(100), corrections.measured(3)), (100, 60));
        corrections.learn(3, 100, 100);
        assert!((230..=232).contains(&corrections.of(3).of(100)), "one of eight");
    }

    #[test]
    fn nothing_spent_and_nothing_estimated_tell_nothing() {
        let corrections = Corrections::new();
        corrections.learn(0, 100, 0);
        corrections.learn(0, 0, 100);
        assert_eq!((corrections.of(0), corrections.measured(0)), (Correction::default(), 0));
    }

    #[test]
    fn what_turned_out_dearer_speaks_against_who_asked_and_nothing_else_does() {
        let corrections = Corrections::new();
        assert!(corrections.speak_against_nobody());
        for (kind, spends, against) in [(0, 100, false), (1, 30, false), (2, 112, false), (3, 114, true)] {
            (0..60).for_each(|_| corrections.learn(kind, 100, spends));
            assert_eq!(!corrections.speak_against_nobody(), against, "{spends} of 100");
        }
        (0..9).for_each(|_| corrections.learn(3, 100, 100));
        assert!(corrections.speak_against_nobody(), "until it is right again");
    }

    #[test]
    fn kinds_beyond_the_last_are_the_last() {
        let corrections = Corrections::new();
        corrections.learn(usize::MAX, 10, 40);
        assert_eq!(corrections.measured(MAX_KINDS - 1), 1);
    }

    proptest! {
        #[test]
        fn a_correction_is_never_below_a_quarter_nor_above_four(
            samples in proptest::collection::vec((any::<u64>(), any::<u64>()), 0..100), estimate: u64,
        ) {
            let corrections = Corrections::new();
            samples.into_iter().for_each(|(estimate, spent)| corrections.learn(0, estimate, spent));
            let correction = corrections.of(0);
            prop_assert!((0.25..=4.0).contains(&correction.as_f64()));
            let corrected = u128::from(correction.of(estimate));
            prop_assert!(corrected >= u128::from(estimate) / 4);
            prop_assert!(corrected <= (u128::from(estimate) * 4).min(u64::MAX.into()));
        }
    }
}

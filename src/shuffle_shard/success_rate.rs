use std::num::{NonZeroU8, NonZeroU32};

use super::outliers::nonzero;
use crate::settings::{InvalidSetting, Ratio, at_least_one};

/// When a member's success rate is too far below the others': more than a number of standard deviations below their
/// mean, over one interval. The rule is Envoy's, and gRPC's after it (gRFC A50), with one addition: among healthy
/// members the deviation is next to nothing, and a single worse one of five always lies two deviations off. So a member
/// that does well in itself is left in peace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct SuccessRate {
    /// In thousandths.
    deviations: NonZeroU32,
    min_calls: NonZeroU32,
    min_members: NonZeroU8,
    good_enough: Ratio,
}

impl SuccessRate {
    /// The defaults.
    pub const fn new() -> Self {
        let min_members = match NonZeroU8::new(5) {
            Some(five) => five,
            None => NonZeroU8::MIN,
        };
        Self { deviations: nonzero(1500), min_calls: nonzero(100), min_members, good_enough: Ratio::percent(95) }
    }

    /// How many standard deviations below the mean is too far. Exact to a thousandth.
    ///
    /// # Errors
    /// [`InvalidSetting`] unless it is 0.001 to 1000; for NaN too.
    pub fn try_with_deviations(mut self, deviations: f64) -> Result<Self, InvalidSetting> {
        let thousandths = (deviations * 1000.0).round();
        match NonZeroU32::new(thousandths as u32).filter(|_| (1.0..=1e6).contains(&thousandths)) {
            Some(thousandths) => self.deviations = thousandths,
            None => return Err(InvalidSetting::new("shuffle_shard.deviations", deviations, "from 0.001 to 1000")),
        }
        Ok(self)
    }

    /// How many calls a member must have answered in the interval to be compared.
    pub const fn with_min_calls(mut self, calls: NonZeroU32) -> Self {
        self.min_calls = calls;
        self
    }

    /// As [`with_min_calls`](Self::with_min_calls), from a plain number.
    ///
    /// # Errors
    /// [`InvalidSetting`] if `calls` is zero.
    pub fn try_with_min_calls(self, calls: u32) -> Result<Self, InvalidSetting> {
        at_least_one("shuffle_shard.min_calls", calls).map(|calls| self.with_min_calls(calls))
    }

    /// How many members there must be to compare.
    pub const fn with_min_members(mut self, members: NonZeroU8) -> Self {
        self.min_members = members;
        self
    }

    /// As [`with_min_members`](Self::with_min_members), from a plain number.
    ///
    /// # Errors
    /// [`InvalidSetting`] if `members` is zero.
    pub fn try_with_min_members(self, members: u8) -> Result<Self, InvalidSetting> {
        let Some(members) = NonZeroU8::new(members) else {
            return Err(InvalidSetting::new("shuffle_shard.min_members", members, "at least 1"));
        };
        Ok(self.with_min_members(members))
    }

    /// The success rate from which on a member is left in peace, however well the others do. With [`Ratio::ONE`] this
    /// is Envoy's rule.
    pub const fn with_good_enough(mut self, share: Ratio) -> Self {
        self.good_enough = share;
        self
    }

    /// How many standard deviations below the mean is too far.
    pub fn deviations(&self) -> f64 {
        f64::from(self.deviations.get()) / 1000.0
    }

    /// How many calls a member must have answered.
    pub const fn min_calls(&self) -> NonZeroU32 {
        self.min_calls
    }

    /// How many members there must be.
    pub const fn min_members(&self) -> NonZeroU8 {
        self.min_members
    }

    /// The success rate from which on a member is left in peace.
    pub const fn good_enough(&self) -> Ratio {
        self.good_enough
    }

    /// Below how many millionths of successes a member is an outlier; `None` if there is too little to go by. O(n), and
    /// allocates nothing.
    pub(super) fn threshold(&self, tallies: impl Iterator<Item = Tally> + Clone) -> Option<f64> {
        let rates = tallies.filter_map(|tally| self.rate(tally)).map(f64::from);
        let (count, sum) = rates.clone().fold((0_u32, 0.0), |(count, sum), rate| (count + 1, sum + rate));
        if count < u32::from(self.min_members.get()) {
            return None;
        }
        // Whole numbers of millionths, of which f64 holds 2⁵³: where all rates are one, the mean is that one, exactly.
        let mean = sum / f64::from(count);
        let variance = rates.map(|rate| (rate - mean) * (rate - mean)).sum::<f64>() / f64::from(count);
        let threshold = mean - self.deviations() * variance.sqrt();
        Some(threshold.min(f64::from(self.good_enough.as_millionths())))
    }

    /// A member's successes in millionths of its calls, if it had calls enough.
    pub(super) fn rate(&self, tally: Tally) -> Option<u32> {
        let successes = u64::from(tally.calls.saturating_sub(tally.failures));
        let rate = || (successes * 1_000_000 / u64::from(tally.calls.max(1))) as u32;
        (tally.calls >= self.min_calls.get()).then(rate)
    }
}

impl Default for SuccessRate {
    fn default() -> Self {
        Self::new()
    }
}

/// What came of a member's calls in one interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) calls: u32,
    pub(super) failures: u32,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tallies(failures_of_a_thousand: &[u32]) -> Vec<Tally> {
        failures_of_a_thousand.iter().map(|failures| Tally { calls: 1000, failures: *failures }).collect()
    }

    /// Who is below the threshold.
    fn outliers(rule: SuccessRate, tallies: &[Tally]) -> Vec<usize> {
        let Some(threshold) = rule.threshold(tallies.iter().copied()) else { return Vec::new() };
        let below = |tally: Tally| rule.rate(tally).is_some_and(|rate| f64::from(rate) < threshold);
        (0..tallies.len()).filter(|i| below(tallies[*i])).collect()
    }

    #[test]
    fn one_or_two_bad_members_of_eight_are_outliers() {
        let rule = SuccessRate::new();
        assert_eq!(outliers(rule, &tallies(&[0, 900, 0, 0, 0, 0, 0, 0])), [1]);
        assert_eq!(outliers(rule, &tallies(&[0, 900, 0, 0, 950, 0, 0, 0])), [1, 4]);
        assert!(outliers(rule, &tallies(&[0, 900, 0, 900, 900, 900, 0, 0])).is_empty(), "half of them are no outliers");
        let envoys = rule.try_with_deviations(1.9).expect("valid").with_good_enough(Ratio::ONE);
        assert!(outliers(envoys, &tallies(&[0, 900, 0, 0, 900, 0, 0, 0])).is_empty(), "a hand of two goes unseen");
    }

    /// Of five members, the one that differs is two deviations off, by however little it differs.
    #[test]
    fn a_member_that_does_well_is_left_in_peace() {
        let almost = tallies(&[0, 0, 1, 0, 0]);
        assert!(outliers(SuccessRate::new(), &almost).is_empty());
        assert_eq!(outliers(SuccessRate::new().with_good_enough(Ratio::ONE), &almost), [2]);
    }

    #[test]
    fn too_few_members_or_calls_say_nothing() {
        assert!(outliers(SuccessRate::new(), &tallies(&[0, 900, 0, 0])).is_empty());
        let mut quiet = tallies(&[0, 900, 0, 0, 0, 0]);
        quiet[1].calls = 99;
        assert!(outliers(SuccessRate::new(), &quiet).is_empty());
    }

    #[test]
    fn where_all_are_alike_nobody_is_an_outlier() {
        for failures in [1, 333, 667, 999, 1000] {
            let rule = SuccessRate::new().with_good_enough(Ratio::ONE);
            assert!(outliers(rule, &tallies(&[failures; 7])).is_empty(), "{failures}");
        }
    }

    #[test]
    fn a_number_of_deviations_that_makes_no_sense_is_refused() {
        for nonsense in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-4, 1001.0] {
            let error = SuccessRate::new().try_with_deviations(nonsense).expect_err("nonsense");
            assert_eq!(error.setting(), "shuffle_shard.deviations");
        }
    }

    proptest! {
        #[test]
        fn an_outlier_had_calls_enough_and_does_badly(
            counts in prop::collection::vec((any::<u32>(), any::<u32>()), 0..50),
        ) {
            let tallies: Vec<_> = counts.iter().map(|(calls, failures)| Tally { calls: *calls, failures: *failures }).collect();
            for outlier in outliers(SuccessRate::new(), &tallies) {
                prop_assert!(tallies[outlier].calls >= 100);
                prop_assert!(SuccessRate::new().rate(tallies[outlier]).is_some_and(|rate| rate < 950_000));
            }
        }
    }
}

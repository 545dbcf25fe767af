//! What an outlier is, and for how long it is put out.

use std::{
    num::{NonZeroU8, NonZeroU32},
    time::Duration,
};

use crate::{
    chance::scaled,
    clock::nanos,
    settings::{InvalidSetting, Ratio, at_least_one},
};

/// Which members of a fleet are put out for a while, for how long, and how many of them at most. The
/// [room's page](super) has the defaults and their reasons.
///
/// Any value of this type works: what makes no sense cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Outliers {
    consecutive_failures: Option<NonZeroU32>,
    success_rate: Option<SuccessRate>,
    interval: Duration,
    base: Duration,
    max: Duration,
    max_ejected: Ratio,
    panic_below: Option<Ratio>,
}

impl Outliers {
    const SHORTEST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(3600);

    /// The defaults.
    pub const fn new() -> Self {
        Self {
            consecutive_failures: Some(nonzero(5)),
            success_rate: Some(SuccessRate::new()),
            interval: Duration::from_secs(10),
            base: Duration::from_secs(30),
            max: Duration::from_secs(300),
            max_ejected: Ratio::percent(10),
            panic_below: Some(Ratio::HALF),
        }
    }

    /// Puts out a member after so many failures in a row.
    pub const fn with_consecutive_failures(mut self, failures: NonZeroU32) -> Self {
        self.consecutive_failures = Some(failures);
        self
    }

    /// As [`with_consecutive_failures`](Self::with_consecutive_failures), for a number that may be anything.
    ///
    /// # Errors
    /// [`InvalidSetting`] for zero.
    pub fn try_with_consecutive_failures(self, failures: u32) -> Result<Self, InvalidSetting> {
        at_least_one("shuffle_shard.consecutive_failures", failures).map(|n| self.with_consecutive_failures(n))
    }

    /// However many fail in a row, that alone puts nobody out.
    pub const fn without_consecutive_failures(mut self) -> Self {
        self.consecutive_failures = None;
        self
    }

    /// Puts out a member whose share of successes is that far below the others'.
    pub const fn with_success_rate(mut self, rule: SuccessRate) -> Self {
        self.success_rate = Some(rule);
        self
    }

    /// Does not compare the members' shares of successes.
    pub const fn without_success_rate(mut self) -> Self {
        self.success_rate = None;
        self
    }

    /// How often shares of successes are compared, the streak of a member that stayed in shrinks by one, and the spill is
    /// granted anew.
    ///
    /// # Errors
    /// [`InvalidSetting`] unless it is 100 ms to an hour.
    pub fn try_with_interval(mut self, interval: Duration) -> Result<Self, InvalidSetting> {
        if interval < Self::SHORTEST || interval > Self::LONGEST {
            return Err(InvalidSetting::new("shuffle_shard.interval", interval, "100 ms to 1 h"));
        }
        self.interval = interval;
        Ok(self)
    }

    /// For how long a member is put out: `base` times how often in a row, but never more than `max`. From each, up to a
    /// half is taken off at random, so that what was put out together does not return together.
    ///
    /// # Errors
    /// [`InvalidSetting`] if `base` is zero, or longer than `max`.
    pub fn try_with_ejection_time(mut self, base: Duration, max: Duration) -> Result<Self, InvalidSetting> {
        if base.is_zero() || base > max {
            return Err(InvalidSetting::new("shuffle_shard.ejection_time.base", base, "above zero, at most the max"));
        }
        (self.base, self.max) = (base, max);
        Ok(self)
    }

    /// The largest share of the fleet that is put out at once. One hand may be out in any case, and the last member
    /// never is.
    pub const fn with_max_ejected(mut self, share: Ratio) -> Self {
        self.max_ejected = share;
        self
    }

    /// Below which share of members left in service the ejections are ignored. With [`Ratio::ONE`], a single ejection is
    /// one too many, and none has an effect.
    pub const fn with_panic_below(mut self, share: Ratio) -> Self {
        self.panic_below = Some(share);
        self
    }

    /// Ejections hold, however few members are left.
    pub const fn without_panic(mut self) -> Self {
        self.panic_below = None;
        self
    }

    /// How many failures in a row put a member out; `None` if no number does.
    pub const fn consecutive_failures(&self) -> Option<NonZeroU32> {
        self.consecutive_failures
    }

    /// How the members' shares of successes are compared; `None` if they are not.
    pub const fn success_rate(&self) -> Option<SuccessRate> {
        self.success_rate
    }

    /// How often they are compared.
    pub const fn interval(&self) -> Duration {
        self.interval
    }

    /// For how long a member is put out the first time, before the jitter.
    pub const fn base_ejection_time(&self) -> Duration {
        self.base
    }

    /// For how long a member is put out at most.
    pub const fn max_ejection_time(&self) -> Duration {
        self.max
    }

    /// The largest share of the fleet that is put out at once.
    pub const fn max_ejected(&self) -> Ratio {
        self.max_ejected
    }

    /// Below which share of members left ejections are ignored; `None` if they never are.
    pub const fn panic_below(&self) -> Option<Ratio> {
        self.panic_below
    }

    /// How many of `members` may be out at once, where tenants are dealt `hand` of them.
    pub(super) fn most_ejected(&self, members: usize, hand: usize) -> usize {
        let share = members as u128 * u128::from(self.max_ejected.as_millionths()) / 1_000_000;
        (share as usize).max(hand).min(members.saturating_sub(1))
    }

    /// Whether too few are left of so many.
    pub(super) fn is_panic(&self, left: usize, of: usize) -> bool {
        self.panic_below.is_some_and(|share| left < of && !share.is_reached(left as u64, of as u64))
    }

    /// For how long a member is put out, the `streak`th time in a row.
    pub(super) fn eject_for(&self, streak: u32, random: u64) -> Duration {
        let full = nanos(self.base).saturating_mul(u64::from(streak.max(1))).min(nanos(self.max));
        Duration::from_nanos(full - scaled(random, full / 2))
    }
}

impl Default for Outliers {
    fn default() -> Self {
        Self::new()
    }
}

/// When a member's share of successes is too far below the others': more than so many standard deviations below their
/// mean, over one interval. The rule is Envoy's, and gRPC's after it (gRFC A50), with one thing added: among healthy
/// members the deviation is next to nothing, and the worst of five always lies two deviations off. So a member that does
/// well by itself is left in peace.
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

    /// How many members there must be to compare.
    pub const fn with_min_members(mut self, members: NonZeroU8) -> Self {
        self.min_members = members;
        self
    }

    /// From which share of successes on a member is left in peace, however well the others do. With [`Ratio::ONE`] it is
    /// Envoy's rule.
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

    /// From which share of successes on a member is left in peace.
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

/// For constants, which are not zero.
const fn nonzero(value: u32) -> NonZeroU32 {
    match NonZeroU32::new(value) {
        Some(value) => value,
        None => NonZeroU32::MIN,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

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
    fn a_hand_may_always_be_out_and_the_last_member_never() {
        let most = |members, hand| Outliers::new().most_ejected(members, hand);
        assert_eq!([most(0, 2), most(1, 2), most(2, 2), most(3, 2), most(8, 2)], [0, 0, 1, 2, 2]);
        assert_eq!([most(100, 2), most(100, 16), most(usize::MAX, 1)], [10, 16, usize::MAX / 10]);
    }

    #[test]
    fn too_few_left_is_a_panic_and_all_of_them_is_none() {
        let rules = Outliers::new();
        assert!(rules.is_panic(3, 8) && !rules.is_panic(4, 8));
        assert!(!rules.is_panic(0, 0) && rules.is_panic(0, 1));
        assert!(!rules.without_panic().is_panic(0, 8));
        let nervous = rules.with_panic_below(Ratio::ONE);
        assert!(nervous.is_panic(7, 8) && !nervous.is_panic(8, 8));
    }

    #[test]
    fn the_time_grows_with_each_ejection_in_a_row_and_keeps_half() {
        let rules = Outliers::new();
        for (streak, full) in [(0, 30), (1, 30), (2, 60), (10, 300), (u32::MAX, 300)] {
            let (longest, shortest) = (rules.eject_for(streak, 0), rules.eject_for(streak, u64::MAX));
            assert_eq!((shortest, longest), (full * SECOND / 2, full * SECOND), "streak {streak}");
        }
        let for_ever = rules.try_with_ejection_time(Duration::MAX, Duration::MAX).expect("valid");
        assert_eq!(for_ever.eject_for(u32::MAX, 0), Duration::from_nanos(u64::MAX));
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        let rules = Outliers::new();
        let refused = [
            rules.try_with_consecutive_failures(0),
            rules.try_with_interval(Duration::ZERO),
            rules.try_with_interval(Duration::MAX),
            rules.try_with_ejection_time(Duration::ZERO, SECOND),
            rules.try_with_ejection_time(2 * SECOND, SECOND),
        ];
        for refused in refused {
            assert!(refused.expect_err("nonsense").setting().starts_with("shuffle_shard."));
        }
        for nonsense in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-4, 1001.0] {
            assert!(SuccessRate::new().try_with_deviations(nonsense).is_err(), "{nonsense}");
        }
    }

    proptest! {
        #[test]
        fn no_numbers_break_the_rules(
            members in 0..=usize::MAX, hand in 0..=16_usize, share in 0..=1_000_000_u32, streak: u32, random: u64,
            counts in prop::collection::vec((any::<u32>(), any::<u32>()), 0..50),
        ) {
            let rules = Outliers::new().with_max_ejected(Ratio::millionths(share));
            prop_assert!(rules.most_ejected(members, hand) <= members.saturating_sub(1));
            let time = rules.eject_for(streak, random);
            prop_assert!((15 * SECOND..=300 * SECOND).contains(&time));
            let tallies: Vec<_> = counts.iter().map(|(calls, failures)| Tally { calls: *calls, failures: *failures }).collect();
            let worst = tallies.iter().filter_map(|tally| SuccessRate::new().rate(*tally)).min();
            for outlier in outliers(SuccessRate::new(), &tallies) {
                prop_assert!(tallies[outlier].calls >= 100);
                prop_assert!(worst.is_some_and(|worst| worst < 950_000));
            }
        }
    }
}

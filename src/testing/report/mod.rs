//! What became of a run.

#[cfg(feature = "serde")]
mod serial;
mod table;

use std::time::Duration;

pub use self::table::Comparison;
use super::tally::{ANSWER_BIN, ARRIVAL_BIN, Tally};
use crate::{clock::nanos, rejection::Reason};

/// What became of a run: of all its loads together, and of [each](Self::loads).
///
/// Everything but the plots is of the measured window, unless said otherwise: requests count if they came in it,
/// attempts and the work for them if they began in it. Two reports are equal if everything in them is.
///
/// [`Display`](std::fmt::Display) writes it as a table, beside others if need be ([`beside`](Self::beside)), and feature
/// `serde` serializes it.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Report {
    pub(super) name: &'static str,
    pub(super) tally: Tally,
    pub(super) best: f64,
    pub(super) peak_in_flight: usize,
    pub(super) cut_short: bool,
    pub(super) loads: Vec<Report>,
}

impl Report {
    pub(super) fn of(
        names: &[&'static str],
        tallies: Vec<Tally>,
        best: &[f64],
        peak_in_flight: usize,
        cut_short: bool,
    ) -> Self {
        let mut whole = tallies.first().map(|tally| Tally::new(tally.window.clone())).unwrap_or_default();
        tallies.iter().for_each(|tally| whole.add(tally));
        whole.close();
        let part = |((name, mut tally), best): ((&&'static str, Tally), &f64)| {
            tally.close();
            Self { name, tally, best: *best, peak_in_flight, cut_short, loads: Vec::new() }
        };
        let mut loads: Vec<_> = names.iter().zip(tallies).zip(best).map(part).collect();
        let name = match &loads[..] {
            [only] => only.name,
            _ => "all loads",
        };
        if loads.len() < 2 {
            loads.clear();
        }
        Self { name, tally: whole, best: best.iter().sum(), peak_in_flight, cut_short, loads }
    }

    /// The name of the load, or of the simulation.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The loads one by one, in the order in which they were added; empty where there was only one.
    pub fn loads(&self) -> &[Self] {
        &self.loads
    }

    /// Whether the run was too much to be played to its end; see [`Run::play`](super::Run::play). Then nothing else in
    /// the report is of use.
    pub const fn is_cut_short(&self) -> bool {
        self.cut_short
    }

    /// Requests that were answered in the window, as a share of the [best possible](Self::best). It may be a little
    /// above 1: the best possible is computed from the mean work, and the server may have been given less. It is 1
    /// where nothing was possible.
    pub fn goodput(&self) -> f64 {
        if self.best > 0.0 { self.tally.answers as f64 / self.best } else { 1.0 }
    }

    /// How many requests a perfect server of the same capacity could have answered in the window: the fluid optimum of
    /// the very requests that came, retries aside. It works whenever there is work, at the best speed of the model, and
    /// a request may wait as long as its client waits for an attempt. Delays and failures that are part of the model are
    /// not held against it.
    pub const fn best(&self) -> f64 {
        self.best
    }

    /// Requests that came.
    pub const fn requests(&self) -> u64 {
        self.tally.requests
    }

    /// Of these, the ones with an attempt that was answered in time.
    pub const fn successes(&self) -> u64 {
        self.tally.successes
    }

    /// Of these, the ones that came to nothing.
    pub const fn failures(&self) -> u64 {
        self.tally.requests - self.tally.successes
    }

    /// The share of the requests that succeeded; 1 if there was none.
    pub fn success(&self) -> f64 {
        share((self.requests(), self.successes()), 1.0)
    }

    /// The same for one class.
    pub fn success_of_class(&self, class: u8) -> f64 {
        share(self.tally.classes.get(usize::from(class)).copied().unwrap_or_default(), 1.0)
    }

    /// The same for one tenant.
    pub fn success_of_tenant(&self, tenant: u64) -> f64 {
        share(
            usize::try_from(tenant).ok().and_then(|tenant| self.tally.tenants.get(tenant)).copied().unwrap_or_default(),
            1.0,
        )
    }

    /// The same for all tenants but number 0, the noisy one.
    pub fn success_of_the_quiet(&self) -> f64 {
        let quiet = self.tally.tenants.iter().skip(1).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        share(quiet, 1.0)
    }

    /// Requests of each class: how many came, and how many succeeded.
    pub fn classes(&self) -> &[(u64, u64)] {
        &self.tally.classes
    }

    /// Requests of each tenant: how many came, and how many succeeded.
    pub fn tenants(&self) -> &[(u64, u64)] {
        &self.tally.tenants
    }

    /// Attempts that began: [answered](Self::answered), [refused](Self::refused), [failed](Self::failed) or
    /// [timed out](Self::timed_out).
    pub const fn attempts(&self) -> u64 {
        self.tally.attempts
    }

    /// Attempts that succeeded.
    pub const fn answered(&self) -> u64 {
        self.tally.answered
    }

    /// Attempts that were refused.
    pub fn refused(&self) -> u64 {
        self.tally.refused.iter().sum()
    }

    /// Attempts that were refused for this reason.
    pub fn refused_for(&self, reason: Reason) -> u64 {
        let refused = Reason::ALL.iter().zip(&self.tally.refused);
        refused.filter(|(known, _)| **known == reason).map(|(_, count)| *count).sum()
    }

    /// Attempts that failed.
    pub const fn failed(&self) -> u64 {
        self.tally.failed
    }

    /// Attempts that their client gave up on, and those still under way when the run was over.
    pub const fn timed_out(&self) -> u64 {
        self.tally.timed_out
    }

    /// Refused attempts as a share of all; 0 if there was none.
    pub fn refused_share(&self) -> f64 {
        share((self.attempts(), self.refused()), 0.0)
    }

    /// How many attempts a request took on average; 0 if there was none.
    pub fn attempts_per_request(&self) -> f64 {
        share((self.requests(), self.attempts()), 0.0)
    }

    /// The latency that a share of the successful attempts did not exceed, 0.5 for the median: from the start of the
    /// attempt, time in queues included. The smallest such latency (nearest rank); zero if there was none.
    pub fn latency(&self, quantile: f64) -> Duration {
        self::quantile(&self.tally.latencies, quantile)
    }

    /// The mean latency of successful attempts; zero if there was none.
    pub fn mean_latency(&self) -> Duration {
        mean(&self.tally.latencies)
    }

    /// The same as [`latency`](Self::latency) for refused attempts: how long it took to say no.
    pub fn time_to_refuse(&self, quantile: f64) -> Duration {
        self::quantile(&self.tally.refusals, quantile)
    }

    /// How long it took to say no on average; zero if nobody was refused.
    pub fn mean_time_to_refuse(&self) -> Duration {
        mean(&self.tally.refusals)
    }

    /// The share of the servers' work that went into answers nobody got; 0 if there was no work. Work begun but not
    /// finished in the run is included.
    pub fn wasted(&self) -> f64 {
        let all = self.tally.useful + self.tally.wasted;
        if all > 0.0 { self.tally.wasted / all } else { 0.0 }
    }

    /// How long it took from `since` until all was well: until 97 % of the requests of the following second succeeded.
    /// To 10 ms; `None` if that never happened. Of the whole run, not of the window.
    pub fn recovery(&self, since: Duration) -> Option<Duration> {
        let start = nanos(since).div_ceil(ARRIVAL_BIN) as usize;
        let second = (1_000_000_000 / ARRIVAL_BIN) as usize;
        let bins = self.tally.arrival_bins.get(start..)?;
        let well = bins.windows(second.min(bins.len()).max(1)).position(|bins| {
            let (came, succeeded) = bins.iter().fold((0, 0), |sum, bin| (sum.0 + bin.0, sum.1 + bin.1));
            came > 0 && u64::from(succeeded) * 100 >= u64::from(came) * 97
        })?;
        let at = (start + well) as u64 * ARRIVAL_BIN;
        Some(Duration::from_nanos(at.saturating_sub(nanos(since))))
    }

    /// The most requests in the servers at once, including those that nobody waited for. Of the whole run.
    pub const fn peak_in_flight(&self) -> usize {
        self.peak_in_flight
    }

    /// Requests answered in each 100 ms of the whole run, for plots.
    pub fn answers(&self) -> impl Iterator<Item = (Duration, u32)> {
        let bins = self.tally.answer_bins.iter().enumerate();
        bins.map(|(bin, count)| (Duration::from_nanos(bin as u64 * ANSWER_BIN), *count))
    }
}

/// A share of the first of the two, or `none` of nothing.
fn share((all, some): (u64, u64), none: f64) -> f64 {
    if all > 0 { some as f64 / all as f64 } else { none }
}

fn mean(nanos: &[u64]) -> Duration {
    let sum: u128 = nanos.iter().map(|one| u128::from(*one)).sum();
    Duration::from_nanos(sum.checked_div(nanos.len() as u128).unwrap_or_default() as u64)
}

/// By nearest rank. `sorted` is.
fn quantile(sorted: &[u64], quantile: f64) -> Duration {
    // Not a number is the least there is, as is what is below zero.
    let quantile = if quantile > 0.0 { quantile.min(1.0) } else { 0.0 };
    let rank = (quantile * sorted.len() as f64).ceil() as usize;
    Duration::from_nanos(sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_the_least_that_so_many_do_not_exceed() {
        let sorted: Vec<u64> = (1..=100).collect();
        let at = [0.0, 0.005, 0.5, 0.991, 1.0, 7.0, f64::NAN, -1.0].map(|at| quantile(&sorted, at).as_nanos());
        assert_eq!(at, [1, 1, 50, 100, 100, 100, 1, 1]);
        assert_eq!(quantile(&[], 0.5), Duration::ZERO);
        assert_eq!(mean(&sorted), Duration::from_nanos(50));
        assert_eq!(mean(&[]), Duration::ZERO);
    }
}

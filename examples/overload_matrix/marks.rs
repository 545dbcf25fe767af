//! What is read off a run, and how much of it is enough.

use crate::columns::Column;

/// What is read off a run. Shares are in percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    /// Answers in time, of the best that was possible.
    Goodput,
    /// The same, of what the oracle has.
    OfOracle,
    /// Requests of class 0 that succeeded.
    Critical,
    /// Requests of all tenants but the noisy one that succeeded.
    Quiet,
    /// Attempts that were refused, of all.
    Refused,
    /// Latency that 99 % of the answers do not exceed, in milliseconds.
    P99,
    /// From when all should be well again until it is, in seconds.
    Recovery,
    /// Moments after that at which it was not well any more.
    Dips,
    /// How long it takes to say no on average, in milliseconds.
    TimeToRefuse,
}

/// So much of a measure is enough.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    pub(crate) column: Column,
    pub(crate) measure: Measure,
    /// Whether every seed must meet it, or only their mean.
    pub(crate) every_seed: bool,
    pub(crate) bound: f64,
}

impl Mark {
    /// For the mean over all seeds.
    pub(crate) const fn mean(measure: Measure, bound: f64) -> Self {
        Self { column: Column::Ours, measure, every_seed: false, bound }
    }

    /// For every seed.
    pub(crate) const fn worst(measure: Measure, bound: f64) -> Self {
        Self { every_seed: true, ..Self::mean(measure, bound) }
    }

    /// For this column, instead of ours.
    pub(crate) const fn of(self, column: Column) -> Self {
        Self { column, ..self }
    }

    /// Whether so much is enough.
    pub(crate) fn is_met_by(&self, value: f64) -> bool {
        if self.measure.is_better_high() { value >= self.bound } else { value <= self.bound }
    }
}

impl Measure {
    /// Whether more of it is better.
    pub(crate) const fn is_better_high(self) -> bool {
        matches!(self, Self::Goodput | Self::OfOracle | Self::Critical | Self::Quiet)
    }

    /// The worst of some values.
    pub(crate) fn worst(self, values: impl Iterator<Item = f64>) -> f64 {
        if self.is_better_high() { values.fold(f64::INFINITY, f64::min) } else { values.fold(0.0, f64::max) }
    }

    /// What it is called.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Goodput => "goodput",
            Self::OfOracle => "goodput of the oracle's",
            Self::Critical => "critical",
            Self::Quiet => "quiet tenants",
            Self::Refused => "refused",
            Self::P99 => "p99",
            Self::Recovery => "recovery",
            Self::Dips => "second dips",
            Self::TimeToRefuse => "time to refuse",
        }
    }

    /// A value of it, with its unit.
    pub(crate) fn say(self, value: f64) -> String {
        match self {
            Self::Recovery | Self::P99 | Self::TimeToRefuse if value.is_infinite() => "never".to_owned(),
            Self::P99 => format!("{value:.0} ms"),
            Self::TimeToRefuse => format!("{value:.1} ms"),
            Self::Recovery => format!("{value:.2} s"),
            Self::Dips => format!("{value:.0}"),
            _ => format!("{value:.1} %"),
        }
    }
}

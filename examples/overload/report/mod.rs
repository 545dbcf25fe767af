//! How the numbers are shown: while they are made, on the terminal, in a page, and as JSON.

mod canvas;
mod colours;
mod files;
mod page;
mod plots;
mod table;
mod who;

pub(crate) use files::Files;

pub(crate) use crate::support::progress::Progress;

use std::time::Duration;

use crate::measure::Run;
use crate::plan::Plan;
use crate::stacks::Facts;

/// Everything that there is to tell.
#[derive(Debug)]
pub(crate) struct Report {
    /// Jobs per second that the workers really do.
    pub(crate) capacity: f64,
    pub(crate) facts: Facts,
    pub(crate) plans: Vec<Plan>,
    pub(crate) runs: Vec<Run>,
}

impl Report {
    /// The steady runs of one side, by rising load.
    fn steady(&self, protected: bool) -> impl Iterator<Item = &Run> {
        let runs = self.runs.iter();
        runs.filter(move |run| run.name == "steady" && run.protected == protected)
    }

    /// The spike, as one side lived through it.
    fn spike(&self, protected: bool) -> Option<&Run> {
        let mut runs = self.runs.iter();
        runs.find(|run| run.name == "spike" && run.protected == protected)
    }

    /// The run with a noisy tenant.
    fn noisy(&self, protected: bool) -> Option<&Run> {
        let mut runs = self.runs.iter();
        runs.find(|run| run.name == "noisy" && run.protected == protected)
    }

    /// The longest time by which any request started later than it was due, and the worst 99th percentile.
    fn lag(&self) -> (Duration, Duration) {
        let max = self.runs.iter().map(|run| run.aside.lag_max).max();
        let p99 = self.runs.iter().map(|run| run.aside.lag_p99).max();
        (max.unwrap_or_default(), p99.unwrap_or_default())
    }

    /// Jobs per second of the steady runs that left the workers no pause: what the capacity turned out to be.
    fn busy(&self) -> (f64, f64) {
        let busy = self.steady(false).filter(|run| run.load > 1.0);
        busy.map(|run| run.aside.jobs_rps).fold((f64::INFINITY, 0.0), |(min, max), x| (min.min(x), max.max(x)))
    }

    /// How the numbers came about, in a sentence or two.
    fn how(&self) -> String {
        let (max, p99) = self.lag();
        let (least, most) = self.busy();
        format!(
            "Capacity {:.0} requests a second, as measured before the first run: {} workers, {} ms a job on average; \
             overloaded, they finished {least:.0} to {most:.0} a second. Clients arrive at random, wait {} s \
             per attempt and try again up to {} times, or by the rules of their stack. Bare \
             and protected runs have the same arrivals. Requests started at most {:.1} ms late (99 % of them within \
             {:.1} ms).",
            self.capacity,
            self.facts.workers,
            self.facts.service.as_millis(),
            self.facts.patience.as_secs_f64(),
            crate::client::RETRIES,
            max.as_secs_f64() * 1e3,
            p99.as_secs_f64() * 1e3,
        )
    }
}

/// A run in a few words.
pub(crate) fn title(plan: &Plan, protected: bool) -> String {
    let side = if protected { "protected" } else { "bare" };
    match plan.name {
        "spike" => format!("spike to {}× capacity, {side}", plan.load),
        "noisy" => format!("{}× capacity, most of it from one tenant, {side}", plan.load),
        _ => format!("{}× capacity, {side}", plan.load),
    }
}

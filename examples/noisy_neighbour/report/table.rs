//! The table at the end.

use super::Report;
use crate::measure::Run;
use crate::support::table::aligned;

pub(super) const HEAD: [&str; 9] = [
    "fleet",
    "servers killed",
    "deaths",
    "tenants hurt",
    "same servers",
    "others hurt",
    "answered",
    "worst tenant",
    "p99 ms",
];

impl Report {
    /// Prints the table, and below it what it says.
    pub(crate) fn print(&self) {
        println!("{}\n", aligned(HEAD, self.runs.iter().map(row), 1));
        for verdict in self.verdicts() {
            println!("{verdict}");
        }
        println!("\nwhat the poisonous tenant was told");
        for run in &self.runs {
            let told = run.poison_answers.iter().map(|(status, times)| match status {
                0 => format!("nothing, {times} times"),
                status => format!("{status}, {times} times"),
            });
            println!("{}: {}", run.name, told.collect::<Vec<_>>().join("; "));
        }
        println!();
    }
}

/// A run as the cells of a row.
pub(super) fn row(run: &Run) -> [String; 9] {
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    [
        run.name.to_owned(),
        run.servers_killed.to_string(),
        run.deaths.to_string(),
        format!("{} of {}", run.hurt, run.tenants),
        run.same_hand.to_string(),
        run.hurt_with_another_hand.to_string(),
        percent(run.answered),
        percent(run.worst),
        run.p99_ms.map_or("–".into(), |p99| format!("{p99:.1}")),
    ]
}

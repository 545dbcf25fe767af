//! The table at the end.

use super::Report;
use crate::{measure::Run, success::Success, support::table::aligned, tally::Deeds};

pub(super) const HEAD: [&str; 10] =
    ["run", "side", "goodput", "p50 ms", "p99 ms", "refused", "timed out", "wasted", "recovery", "tries"];

pub(super) const SUCCESS: [&str; 7] =
    ["run", "side", "critical", "normal", "sheddable", "quiet tenants", "noisy tenant"];

pub(super) const DEEDS: [&str; 8] =
    ["run", "limit", "shed at once", "shed after a wait", "timed out", "retried", "retry too dear", "circuit opened"];

impl Report {
    /// Prints the tables, and below them how the numbers came about.
    pub(crate) fn print(&self) {
        println!("{}", aligned(HEAD, self.runs.iter().map(row), 2));
        println!("\nwho was answered");
        println!("{}", aligned(SUCCESS, self.runs.iter().map(success), 2));
        println!("\nwhat the layers did");
        println!("{}\n", aligned(DEEDS, self.runs.iter().filter_map(deeds), 1));
        println!("{}", self.how());
        let broken: usize = self.runs.iter().map(|run| run.aside.broken).sum();
        if broken > 0 {
            println!("{broken} requests failed in another way: do not trust these numbers.");
        }
    }
}

/// A run as the cells of a row.
pub(super) fn row(run: &Run) -> [String; 10] {
    let number = |x: Option<f64>| x.map_or("–".into(), |x| format!("{x:.0}"));
    let recovery = match (run.name, run.recovery_s) {
        ("spike", Some(s)) => format!("{s:.2} s"),
        ("spike", None) => "never".into(),
        _ => String::new(),
    };
    [
        name(run),
        side(run).into(),
        format!("{:.3}", run.goodput),
        number(run.p50_ms),
        number(run.p99_ms),
        run.refused.to_string(),
        run.timed_out.to_string(),
        format!("{:.0} %", run.wasted_work * 100.0),
        recovery,
        format!("{:.2}", run.aside.attempts_each),
    ]
}

/// Who was answered in a run, as the cells of a row.
pub(super) fn success(run: &Run) -> [String; 7] {
    let Success { critical, normal, sheddable, quiet_tenants, noisy_tenant, .. } = run.success;
    let [critical, normal, sheddable, quiet, noisy] = [critical, normal, sheddable, quiet_tenants, noisy_tenant]
        .map(|share| share.map_or_else(String::new, |share| format!("{:.1} %", share * 100.0)));
    [name(run), side(run).into(), critical, normal, sheddable, quiet, noisy]
}

/// What the layers of a run did, as the cells of a row.
pub(super) fn deeds(run: &Run) -> Option<[String; 8]> {
    let Deeds { limit, at_once, waited, timed_out, retried, unaffordable, opened } = run.aside.deeds?;
    let limit = if limit == 0 { "–".into() } else { limit.to_string() };
    let [at_once, waited, timed_out, retried, unaffordable, opened] =
        [at_once, waited, timed_out, retried, unaffordable, opened].map(|times| times.to_string());
    Some([name(run), limit, at_once, waited, timed_out, retried, unaffordable, opened])
}

fn name(run: &Run) -> String {
    format!("{} {}×", run.name, run.load)
}

/// The side of a run, in a word.
pub(super) fn side(run: &Run) -> &'static str {
    if run.protected { "protected" } else { "bare" }
}

//! The table at the end.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, LineStyle, Table};

use super::Report;
use crate::measure::Run;

pub(super) const HEAD: [&str; 10] =
    ["run", "side", "goodput", "p50 ms", "p99 ms", "refused", "timed out", "wasted", "recovery", "tries"];

impl Report {
    /// Prints the table, and below it how it came about.
    pub(crate) fn print(&self) {
        let mut table = Table::new();
        let rule = LineStyle::none().fill('─').junction('─');
        table.load_style(NOTHING.header_separator(rule));
        table.set_header(HEAD);
        for run in &self.runs {
            table.add_row(row(run));
        }
        for column in table.column_iter_mut().skip(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        println!("{table}");
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
        format!("{} {}×", run.name, run.load),
        if run.protected { "protected" } else { "bare" }.into(),
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

//! The numbers on the terminal, row by row as they come.

use crate::{
    marks::{Mark, Measure},
    run::{Cell, Row},
};

impl Row {
    /// Prints it: a line for each column, and then its marks.
    pub(crate) fn print(&self) {
        println!("\n{}", self.scenario.title());
        println!(
            "  {:10} {:>14} {:>14} {:>9} {:>9} {:>8} {:>9} {:>9} {:>9}",
            "", "goodput/worst", "critical/worst", "quiet", "p99 ms", "refused", "recovery", "wasted", "tries"
        );
        self.cells.iter().for_each(print);
        for (mark, value) in self.marks() {
            println!("  {}", verdict(mark, value));
        }
    }

    /// The marks that were missed, in words.
    pub(crate) fn missed(&self) -> impl Iterator<Item = String> {
        let missed = self.marks().filter(|(mark, value)| !mark.is_met_by(*value));
        missed.map(|(mark, value)| format!("{}: {}", self.scenario.title(), verdict(mark, value)))
    }
}

/// A mark and what came of it, in words.
pub(crate) fn verdict(mark: Mark, value: f64) -> String {
    let Mark { column, measure, every_seed, bound } = mark;
    let met = if mark.is_met_by(value) { "met" } else { "MISSED" };
    let over = if every_seed { "worst" } else { "mean" };
    let sign = if measure.is_better_high() { '≥' } else { '≤' };
    format!("{met:6} {}: {} {over} {} {sign} {}", column.name(), measure.name(), measure.say(value), measure.say(bound))
}

fn print(cell: &Cell) {
    let pair = |measure: Measure| format!("{:.1}/{:.1}", cell.mean(measure), cell.worst(measure));
    let mean = |read: fn(&crate::play::Facts) -> f64| cell.runs.iter().map(read).sum::<f64>() / cell.runs.len() as f64;
    let recovery = match cell.worst(Measure::Recovery) {
        _ if cell.mean(Measure::Recovery).is_nan() => String::new(),
        worst => Measure::Recovery.say(worst),
    };
    println!(
        "  {:10} {:>14} {:>14} {:>9.1} {:>9.0} {:>7.2}% {:>9} {:>8.1}% {:>9.2}{}",
        cell.column.name(),
        pair(Measure::Goodput),
        pair(Measure::Critical),
        cell.mean(Measure::Quiet),
        cell.mean(Measure::P99),
        cell.mean(Measure::Refused),
        recovery,
        mean(|facts| facts.wasted),
        mean(|facts| facts.attempts),
        if cell.column == crate::columns::Column::Oracle { format!("  limit {}", cell.limit) } else { String::new() },
    );
}

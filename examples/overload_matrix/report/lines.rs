//! Rows in plain lines, with all that was read off them: for a few that one looks at closely.

use super::words;
use crate::{
    columns::Column,
    marks::Measure,
    play::Facts,
    run::{Cell, Row},
};

/// Prints a row: a line for each column, and then its marks.
pub(crate) fn print(row: &Row) {
    println!("\n{}", row.scenario.title());
    println!(
        "  {:10} {:>14} {:>14} {:>9} {:>9} {:>8} {:>9} {:>9} {:>9}",
        "", "goodput/worst", "critical/worst", "quiet", "p99 ms", "refused", "recovery", "wasted", "tries"
    );
    row.cells.iter().for_each(print_cell);
    row.marks().for_each(|(mark, value)| println!("  {}", words::verdict(row, mark, value)));
}

fn print_cell(cell: &Cell) {
    let pair = |measure: Measure| format!("{:.1}/{:.1}", cell.mean(measure), cell.worst(measure));
    let mean = |read: fn(&Facts) -> f64| cell.runs.iter().map(read).sum::<f64>() / cell.runs.len() as f64;
    println!(
        "  {:10} {:>14} {:>14} {:>9.1} {:>9.0} {:>7.2}% {:>9} {:>8.1}% {:>9.2}{}",
        cell.column.name(),
        pair(Measure::Goodput),
        pair(Measure::Critical),
        cell.mean(Measure::Quiet),
        cell.mean(Measure::P99),
        cell.mean(Measure::Refused),
        words::recovery(cell),
        mean(|facts| facts.wasted),
        mean(|facts| facts.attempts),
        if cell.column == Column::Oracle { format!("  limit {}", cell.limit) } else { String::new() },
    );
}

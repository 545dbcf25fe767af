//! Marks and numbers in words.

use crate::{
    columns::Column,
    marks::{Mark, Measure},
    run::{Cell, Row},
};

/// A mark and what came of it. Where it was missed, what the oracle has: to tell a miss from what nobody can do.
pub(super) fn verdict(row: &Row, mark: Mark, value: f64) -> String {
    let met = if mark.is_met_by(value) { "met" } else { "MISSED" };
    let oracle = match row.value(mark.of(Column::Oracle)) {
        Some(oracle) if !mark.is_met_by(value) && mark.measure != Measure::OfOracle => {
            format!(" (the oracle: {})", mark.measure.say(oracle))
        }
        _ => String::new(),
    };
    format!("{met:6} {}: {}{oracle}", mark.column.name(), said(mark, value))
}

/// What was read, and what is asked.
pub(super) fn said(mark: Mark, value: f64) -> String {
    let Mark { measure, every_seed, bound, .. } = mark;
    let over = if every_seed { "worst" } else { "mean" };
    let sign = if measure.is_better_high() { '≥' } else { '≤' };
    format!("{} {over} {} {sign} {}", measure.name(), measure.say(value), measure.say(bound))
}

/// The longest recovery of all seeds; nothing where there is nothing to recover from.
pub(super) fn recovery(cell: &Cell) -> String {
    match cell.worst(Measure::Recovery) {
        _ if cell.mean(Measure::Recovery).is_nan() => String::new(),
        worst => Measure::Recovery.say(worst),
    }
}

/// The marks that a row missed.
pub(crate) fn missed(row: &Row) -> impl Iterator<Item = String> {
    let missed = row.marks().filter(|(mark, value)| !mark.is_met_by(*value));
    missed.map(|(mark, value)| format!("{}: {}", row.scenario.title(), verdict(row, mark, value)))
}

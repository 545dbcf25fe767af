//! The whole matrix for machines.

use serde::Serialize;

use super::words;
use crate::{play::Facts, run::Row};

#[derive(Serialize)]
struct JsonRow<'a> {
    family: &'a str,
    name: &'a str,
    /// What was measured, in seconds.
    window: [f64; 2],
    columns: Vec<JsonCell<'a>>,
    marks: Vec<JsonMark>,
}

#[derive(Serialize)]
struct JsonCell<'a> {
    column: &'a str,
    /// The limit of a column that had to be told one.
    limit: u32,
    seeds: &'a [Facts],
}

#[derive(Serialize)]
struct JsonMark {
    column: &'static str,
    mark: String,
    value: f64,
    bound: f64,
    met: bool,
}

/// One object for each row. Shares are in percent; what never was is `null`.
pub(super) fn json(rows: &[Row]) -> Result<String, serde_json::Error> {
    let rows = rows.iter().map(|row| JsonRow {
        family: row.scenario.family,
        name: &row.scenario.name,
        window: [row.scenario.window.start.as_secs_f64(), row.scenario.window.end.as_secs_f64()],
        columns: row
            .cells
            .iter()
            .map(|cell| JsonCell { column: cell.column.name(), limit: cell.limit, seeds: &cell.runs })
            .collect(),
        marks: row
            .marks()
            .map(|(mark, value)| JsonMark {
                column: mark.column.name(),
                mark: words::said(mark, value),
                value,
                bound: mark.bound,
                met: mark.is_met_by(value),
            })
            .collect(),
    });
    serde_json::to_string(&rows.collect::<Vec<_>>())
}

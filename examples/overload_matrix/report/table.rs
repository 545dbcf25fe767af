//! The matrix on the terminal: goodput of every column, on average over the seeds, and all that there is of ours.

use comfy_table::{CellAlignment, LineStyle, Table, presets::NOTHING};

use super::words;
use crate::{columns::Column, marks::Measure, run::Row};

/// Prints it: goodput in percent, and how many marks are met.
pub(crate) fn print(rows: &[Row], columns: &[Column]) {
    let mut table = table();
    let heads = columns.iter().map(|column| column.name());
    table.set_header(["goodput, %"].into_iter().chain(heads).chain(["marks"]));
    table.add_rows(rows.iter().map(|row| {
        let cells = columns.iter().map(|column| match row.cell(*column) {
            Some(cell) => format!("{:.1}", cell.mean(Measure::Goodput)),
            None => "–".to_owned(),
        });
        [row.scenario.title()].into_iter().chain(cells).chain([marks(row)]).collect::<Vec<_>>()
    }));
    println!("{}", aligned(table));
}

/// Prints what else there is to say of ours.
pub(crate) fn print_ours(rows: &[Row]) {
    let mut table = table();
    table.set_header([
        "ours",
        "goodput",
        "worst",
        "oracle",
        "critical",
        "quiet",
        "p99 ms",
        "refused",
        "to refuse",
        "recovery",
    ]);
    for row in rows {
        let Some(ours) = row.cell(Column::Ours) else { continue };
        let number = |measure: Measure| format!("{:.1}", ours.mean(measure));
        table.add_row([
            row.scenario.title(),
            number(Measure::Goodput),
            format!("{:.1}", ours.worst(Measure::Goodput)),
            row.cell(Column::Oracle).map_or("–".to_owned(), |oracle| format!("{:.1}", oracle.mean(Measure::Goodput))),
            number(Measure::Critical),
            number(Measure::Quiet),
            format!("{:.0}", ours.mean(Measure::P99)),
            format!("{:.2} %", ours.mean(Measure::Refused)),
            Measure::TimeToRefuse.say(ours.mean(Measure::TimeToRefuse)),
            words::recovery(ours),
        ]);
    }
    println!("{}", aligned(table));
}

fn table() -> Table {
    let mut table = Table::new();
    let rule = LineStyle::none().fill('─').junction('─');
    table.load_style(NOTHING.header_separator(rule));
    table
}

/// The first column is words, and the others are numbers.
fn aligned(mut table: Table) -> Table {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// `1 of 4 MISSED`, or `met`, and nothing where nothing is asked.
pub(super) fn marks(row: &Row) -> String {
    let all = row.marks().count();
    let met = row.marks().filter(|(mark, value)| mark.is_met_by(*value)).count();
    match all {
        0 => String::new(),
        _ if met == all => "met".to_owned(),
        _ => format!("{} of {all} MISSED", all - met),
    }
}

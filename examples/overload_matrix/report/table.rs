//! The matrix on the terminal: goodput, on average over the seeds.

use comfy_table::{CellAlignment, LineStyle, Table, presets::NOTHING};

use crate::{columns::Column, marks::Measure, run::Row};

/// Prints it: goodput in percent, and how many marks are met.
pub(crate) fn print(rows: &[Row], columns: &[Column]) {
    let mut table = Table::new();
    let rule = LineStyle::none().fill('─').junction('─');
    table.load_style(NOTHING.header_separator(rule));
    let heads = columns.iter().map(|column| column.name());
    table.set_header(["goodput, %"].into_iter().chain(heads).chain(["marks"]));
    table.add_rows(rows.iter().map(|row| {
        let cells = columns.iter().map(|column| match row.cell(*column) {
            Some(cell) => format!("{:.1}", cell.mean(Measure::Goodput)),
            None => "–".to_owned(),
        });
        [row.scenario.title()].into_iter().chain(cells).chain([marks(row)]).collect::<Vec<_>>()
    }));
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    println!("{table}");
}

/// `3 of 4 met`, and nothing where nothing is asked.
pub(super) fn marks(row: &Row) -> String {
    let all = row.marks().count();
    let met = row.marks().filter(|(mark, value)| mark.is_met_by(*value)).count();
    match all {
        0 => String::new(),
        _ if met == all => "met".to_owned(),
        _ => format!("{} of {all} MISSED", all - met),
    }
}

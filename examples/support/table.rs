//! Tables on the terminal.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, LineStyle, Table};

/// A table whose first columns are words and whose others are numbers.
pub(crate) fn aligned<const N: usize>(head: [&str; N], rows: impl Iterator<Item = [String; N]>, words: usize) -> Table {
    let mut table = Table::new();
    let rule = LineStyle::none().fill('─').junction('─');
    table.load_style(NOTHING.header_separator(rule));
    table.set_header(head);
    table.add_rows(rows);
    for column in table.column_iter_mut().skip(words) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

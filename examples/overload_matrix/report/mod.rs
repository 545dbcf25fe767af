//! How the matrix is shown: while it is made, on the terminal, in a page, and as JSON.

mod json;
pub(crate) mod lines;
mod page;
mod plots;
mod progress;
pub(crate) mod table;
pub(crate) mod words;

use std::{error::Error, path::PathBuf};

pub(crate) use self::progress::Progress;
use crate::{columns::Column, run::Row, support::files};

/// Where the report goes: known to be there before the first run.
pub(crate) fn folder() -> Result<PathBuf, String> {
    files::folder("overload_matrix")
}

/// Writes the page and the JSON, and says where.
pub(crate) fn write(folder: &std::path::Path, rows: &[Row], columns: &[Column]) -> Result<(), Box<dyn Error>> {
    files::put(&folder.join("report.json"), &(json::json(rows)? + "\n"))?;
    files::put(&folder.join("report.html"), &page::html(rows, columns)?)?;
    Ok(())
}

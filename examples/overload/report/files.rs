//! Where the report is written.

use std::error::Error;
use std::fs::OpenOptions;
use std::path::PathBuf;

use serde::Serialize;

use super::{Report, page};
use crate::measure::Run;
use crate::support::files;

/// The places of the report's files, known to be writable before the first run.
#[derive(Debug)]
pub(crate) struct Files {
    folder: PathBuf,
    svg: Option<PathBuf>,
}

#[derive(Serialize)]
struct Json<'a> {
    capacity_rps: f64,
    runs: &'a [Run],
}

impl Files {
    /// Makes `target/overload` in the package that cargo runs, or, run without cargo, in the current directory.
    pub(crate) fn prepare(svg: Option<PathBuf>) -> Result<Self, String> {
        let folder = files::folder("overload")?;
        if let Some(path) = &svg {
            OpenOptions::new().append(true).create(true).open(path).map_err(|e| files::complaint(path, &e))?;
        }
        Ok(Self { folder, svg })
    }

    /// Writes everything, and says where.
    pub(crate) fn write(&self, report: &Report) -> Result<(), Box<dyn Error>> {
        let json = Json { capacity_rps: (report.capacity * 10.0).round() / 10.0, runs: &report.runs };
        files::put(&self.folder.join("report.json"), &(serde_json::to_string_pretty(&json)? + "\n"))?;
        files::put(&self.folder.join("report.html"), &page::html(report)?)?;
        if let Some(path) = &self.svg {
            files::put(path, &page::picture(report)?)?;
        }
        Ok(())
    }
}

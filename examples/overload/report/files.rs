//! Where the report is written.

use std::env;
use std::error::Error;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Report, page};
use crate::measure::Run;

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
        let package = env::var_os("CARGO_MANIFEST_DIR").map_or_else(PathBuf::new, PathBuf::from);
        let folder = package.join("target/overload");
        fs::create_dir_all(&folder).map_err(|e| complaint(&folder, &e))?;
        if let Some(path) = &svg {
            OpenOptions::new().append(true).create(true).open(path).map_err(|e| complaint(path, &e))?;
        }
        Ok(Self { folder, svg })
    }

    /// Writes everything, and says where.
    pub(crate) fn write(&self, report: &Report) -> Result<(), Box<dyn Error>> {
        let json = Json { capacity_rps: (report.capacity * 10.0).round() / 10.0, runs: &report.runs };
        put(&self.folder.join("report.json"), &(serde_json::to_string_pretty(&json)? + "\n"))?;
        put(&self.folder.join("report.html"), &page::html(report)?)?;
        if let Some(path) = &self.svg {
            put(path, &page::picture(report)?)?;
        }
        Ok(())
    }
}

fn put(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|e| complaint(path, &e))?;
    println!("wrote {}", path.display());
    Ok(())
}

fn complaint(path: &Path, error: &std::io::Error) -> String {
    format!("cannot write {}: {error}", path.display())
}

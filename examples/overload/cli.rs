//! What the command line says, checked before anything starts.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::{Arg, Parser};

use crate::support::cli::{Asked, number};

pub(crate) const HELP: &str = "\
A real HTTP server under real overload, first bare, then protected by plimsoll.

Usage: cargo run --release --example overload -- [OPTIONS]

Options:
  --quick            End within 30 s: shorter runs, and clients that wait 0.3 s instead of 1 s
  --port PORT        Loopback port of the server [default: 0, any free one]
  --workers N        Jobs that the server does at a time, 1 to 64 [default: 8]
  --service-ms MS    Mean time of a job, 1 to 100 [default: 10]
  --svg PATH         Also write the picture for the README
  -h, --help         Print this

Writes target/overload/report.html and target/overload/report.json.";

/// Jobs per second that the server may be set up for. Below, a run is too short to measure anything; above,
/// two cores cannot play five times the load, with all its retries, beside the server.
const CAPACITIES: RangeInclusive<f64> = 100.0..=2000.0;

/// A checked command line.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) quick: bool,
    pub(crate) port: u16,
    pub(crate) workers: usize,
    pub(crate) service: Duration,
    pub(crate) svg: Option<PathBuf>,
}

/// Reads the command line; an error is one line for the person to read.
pub(crate) fn parse(mut args: Parser) -> Result<Asked<Options>, String> {
    let mut options = Options { quick: false, port: 0, workers: 8, service: Duration::from_millis(10), svg: None };
    while let Some(arg) = args.next().map_err(|e| e.to_string())? {
        match arg {
            Arg::Long("quick") => options.quick = true,
            Arg::Long("port") => options.port = number(&mut args, "--port", 0..=65_535)? as u16,
            Arg::Long("workers") => options.workers = number(&mut args, "--workers", 1..=64)? as usize,
            Arg::Long("service-ms") => {
                options.service = Duration::from_millis(number(&mut args, "--service-ms", 1..=100)?);
            }
            Arg::Long("svg") => {
                let path = args.value().map_err(|e| e.to_string())?;
                options.svg = Some(PathBuf::from(path));
            }
            Arg::Short('h') | Arg::Long("help") => return Ok(Asked::Words(HELP.to_owned())),
            other => return Err(other.unexpected().to_string()),
        }
    }
    let capacity = options.workers as f64 / options.service.as_secs_f64();
    if !CAPACITIES.contains(&capacity) {
        return Err(format!(
            "workers: {}, at {} ms a job, make {capacity:.0} jobs a second; this needs {} to {}",
            options.workers,
            options.service.as_millis(),
            CAPACITIES.start(),
            CAPACITIES.end(),
        ));
    }
    Ok(Asked::Run(options))
}

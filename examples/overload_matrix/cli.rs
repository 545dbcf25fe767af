//! What the command line says, checked before anything starts.

use std::{num::NonZero, thread};

use lexopt::{Arg, Parser, ValueExt};

use crate::{
    columns::Column,
    scenarios::Pace,
    support::cli::{Asked, number},
};

pub(crate) const HELP: &str = "\
Overload of every kind, against everything that may protect a server, in virtual time.

Usage: cargo run --release --example overload_matrix -- [OPTIONS]

Options:
  --quick          End within a minute or so: shorter runs, one seed
  --seeds N        Play each scenario with so many seeds, 1 to 1000, in every column [default: 8, and 16 where luck
                   matters; a quarter of that for what is not ours]
  --only WORD      Play a family of scenarios (S6), those with WORD in their name, or a column; may be repeated
  --columns        Say what the columns are
  --threads N      Play so many at once [default: one for each core]
  -h, --help       Print this

Writes target/overload_matrix/report.html and target/overload_matrix/report.json.
Ends with 1 if a pass mark is missed.";

/// A checked command line.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) pace: Pace,
    pub(crate) seeds: Option<u64>,
    /// Words of scenarios; none is all of them.
    pub(crate) only: Vec<String>,
    pub(crate) columns: Vec<Column>,
    pub(crate) threads: usize,
}

/// Reads the command line; an error is one line for the person to read.
pub(crate) fn parse(mut args: Parser) -> Result<Asked<Options>, String> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let mut options = Options { pace: Pace::Full, seeds: None, only: Vec::new(), columns: Vec::new(), threads: cores };
    while let Some(arg) = args.next().map_err(|e| e.to_string())? {
        match arg {
            Arg::Long("quick") => options.pace = Pace::Quick,
            Arg::Long("seeds") => options.seeds = Some(number(&mut args, "--seeds", 1..=1000)?),
            Arg::Long("threads") => options.threads = number(&mut args, "--threads", 1..=256)? as usize,
            Arg::Long("only") => only(&mut options, args.value().and_then(|v| v.string()).map_err(|e| e.to_string())?),
            Arg::Long("columns") => return Ok(Asked::Words(columns())),
            Arg::Short('h') | Arg::Long("help") => return Ok(Asked::Words(HELP.to_owned())),
            other => return Err(other.unexpected().to_string()),
        }
    }
    if options.pace == Pace::Quick {
        options.seeds = options.seeds.or(Some(1));
    }
    if options.columns.is_empty() {
        options.columns = Column::ALL.to_vec();
    }
    Ok(Asked::Run(options))
}

/// A line for each column.
fn columns() -> String {
    let lines = Column::ALL.iter().map(|column| format!("{:10} {}", column.name(), column.about()));
    lines.collect::<Vec<_>>().join("\n")
}

/// A column by its name, else a word of scenarios.
fn only(options: &mut Options, word: String) {
    match Column::ALL.into_iter().find(|column| column.name() == word.to_lowercase()) {
        Some(column) => options.columns.push(column),
        None => options.only.push(word),
    }
}

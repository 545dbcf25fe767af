//! What the command lines of the reports have in common: help, complaints in one line, and numbers within bounds.

use std::error::Error;
use std::io::{self, Write};
use std::ops::RangeInclusive;
use std::process::ExitCode;

use lexopt::{Parser, ValueExt};

/// What the person asked for.
#[derive(Debug)]
pub(crate) enum Asked<Options> {
    /// To be told something, such as how to ask.
    Words(String),
    Run(Options),
}

/// Reads the command line and does what it says. `play` says whether all is as it should be.
pub(crate) fn main<Options>(
    name: &str,
    parse: impl FnOnce(Parser) -> Result<Asked<Options>, String>,
    play: impl FnOnce(&Options) -> Result<bool, Box<dyn Error>>,
) -> ExitCode {
    let done = match parse(Parser::from_env()) {
        Ok(Asked::Run(options)) => play(&options).map_err(|e| e.to_string()),
        Ok(Asked::Words(words)) => {
            // Whoever reads only the first lines has read enough.
            writeln!(io::stdout(), "{words}").ok();
            Ok(true)
        }
        Err(complaint) => Err(format!("{complaint} (see --help)")),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(complaint) => {
            eprintln!("{name}: {complaint}");
            ExitCode::FAILURE
        }
    }
}

/// The number that follows a flag.
pub(crate) fn number(args: &mut Parser, flag: &str, range: RangeInclusive<u64>) -> Result<u64, String> {
    let said = args.value().and_then(|v| v.string()).map_err(|e| e.to_string())?;
    match said.parse() {
        Ok(n) if range.contains(&n) => Ok(n),
        _ => Err(format!("{flag} takes a whole number from {} to {}, not {said:?}", range.start(), range.end())),
    }
}

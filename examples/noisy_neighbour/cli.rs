//! What the command line says, checked before anything starts.

use lexopt::{Arg, Parser};

use crate::support::cli::{Asked, number};

pub(crate) const HELP: &str = "\
Eight real servers, a hundred tenants, and one whose requests kill whatever server they reach.

Usage: cargo run --release --example noisy_neighbour -- [OPTIONS]

Options:
  --quick        End within 15 s: shorter attacks
  --tenants N    How many others there are, 10 to 400 [default: 100]
  --seed N       Which hands are dealt, 0 to 65535 [default: 5]
  -h, --help     Print this

Writes target/noisy_neighbour/report.html and target/noisy_neighbour/report.json.";

/// A checked command line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    pub(crate) quick: bool,
    pub(crate) tenants: usize,
    pub(crate) seed: u64,
}

/// Reads the command line; an error is one line for the person to read.
pub(crate) fn parse(mut args: Parser) -> Result<Asked<Options>, String> {
    let mut options = Options { quick: false, tenants: 100, seed: 5 };
    while let Some(arg) = args.next().map_err(|e| e.to_string())? {
        match arg {
            Arg::Long("quick") => options.quick = true,
            Arg::Long("tenants") => options.tenants = number(&mut args, "--tenants", 10..=400)? as usize,
            Arg::Long("seed") => options.seed = number(&mut args, "--seed", 0..=65_535)?,
            Arg::Short('h') | Arg::Long("help") => return Ok(Asked::Words(HELP.to_owned())),
            other => return Err(other.unexpected().to_string()),
        }
    }
    Ok(Asked::Run(options))
}

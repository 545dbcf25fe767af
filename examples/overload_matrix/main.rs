//! How plimsoll and others stand every kind of overload, in virtual time.
//!
//! Modelled servers, callers that come and retry whether they are answered or not, and a dozen ways to protect the ones
//! from the others: no protection, tower's limit, a fixed limit set by somebody who knows the best number, three
//! well-known adaptive ones, and ours. Each is played with several seeds, and our promises are marked as met or missed.
//!
//! ```text
//! cargo run --release --example overload_matrix -- --quick
//! ```
//!
//! | I want to change…                     | open…          |
//! |---------------------------------------|----------------|
//! | a scenario, or add one                | `scenarios/`   |
//! | what is compared                      | `columns.rs`, `oracle.rs` |
//! | what is read off a run, and what a pass mark is | `marks.rs` |
//! | the callers that hold themselves back | `throttle.rs`  |
//! | how one run is played                 | `play.rs`      |
//! | how many runs there are, and on how many cores | `run.rs` |
//! | how they are shown                    | `report/`, `../support/` |
//! | what must hold whenever anything is changed | `../../tests/overload.rs` |

mod cli;
mod columns;
mod marks;
mod oracle;
mod play;
mod report;
mod run;
mod scenarios;
#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "other reports have other plots")]
mod support;
mod throttle;

use std::{error::Error, process::ExitCode};

use crate::{
    cli::Options,
    report::Progress,
    run::Row,
    scenarios::{Pace, Scenario},
};

fn main() -> ExitCode {
    support::cli::main("overload_matrix", cli::parse, play_all)
}

/// Plays everything, and says whether all pass marks are met.
fn play_all(options: &Options) -> Result<bool, Box<dyn Error>> {
    let folder = report::folder()?;
    let closely = !options.only.is_empty();
    let scenarios = scenarios::all(options.pace).into_iter();
    let wanted = |scenario: &Scenario| !closely || options.only.iter().any(|word| scenario.is_called(word));
    let scenarios: Vec<_> = scenarios.filter(wanted).collect();
    if scenarios.is_empty() {
        return Err("no scenario is called like that".into());
    }
    let progress = Progress::over(scenarios.len());
    let mut rows = Vec::new();
    for scenario in &scenarios {
        progress.begin(&scenario.title());
        let row = Row::play(scenario, &options.columns, options.seeds, options.threads);
        progress.done(|| {
            if closely {
                report::lines::print(&row);
            }
        });
        rows.push(row);
    }
    progress.finish();

    if !closely {
        report::table::print(&rows, &options.columns);
        println!();
        report::table::print_ours(&rows);
    }
    let marks = rows.iter().map(|row| row.marks().count()).sum::<usize>();
    let missed: Vec<_> = rows.iter().flat_map(report::words::missed).collect();
    println!("\n{} of {marks} marks missed", missed.len());
    if options.pace != Pace::Full {
        println!("The marks are meant for whole runs: in these, what adapts has had a third of its time.");
    }
    missed.iter().for_each(|line| println!("{line}"));
    report::write(&folder, &rows, &options.columns)?;
    Ok(missed.is_empty())
}

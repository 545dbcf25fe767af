//! How plimsoll and others stand every kind of overload, in virtual time.
//!
//! Servers that are modelled, callers that come whether they are answered or not and try again, and a dozen ways to
//! protect the one from the others: no protection, tower's limit, a fixed limit by who knows the best number, three
//! well-known adaptive ones, and ours. Each is played with several seeds, and what is promised of ours is marked as met or
//! missed.
//!
//! ```text
//! cargo run --release --features testing --example overload_matrix -- --quick
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
//! | how they are shown                    | `print.rs`     |

mod cli;
mod columns;
mod marks;
mod oracle;
mod play;
mod print;
mod run;
mod scenarios;
mod throttle;

use std::process::ExitCode;

use crate::{
    cli::{Asked, Options},
    columns::Column,
    run::Row,
};

fn main() -> ExitCode {
    match cli::parse(lexopt::Parser::from_env()) {
        Ok(Asked::Run(options)) => match play_all(&options) {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        },
        Ok(Asked::Help) => {
            println!("{}", cli::HELP);
            ExitCode::SUCCESS
        }
        Ok(Asked::Columns) => {
            Column::ALL.iter().for_each(|column| println!("{:10} {}", column.name(), column.about()));
            ExitCode::SUCCESS
        }
        Err(complaint) => {
            eprintln!("overload_matrix: {complaint} (see --help)");
            ExitCode::FAILURE
        }
    }
}

/// Plays everything, and says whether all pass marks are met.
fn play_all(options: &Options) -> bool {
    let wanted = |scenario: &scenarios::Scenario| {
        options.scenarios.is_empty() || options.scenarios.iter().any(|word| scenario.is_called(word))
    };
    let mut missed = Vec::new();
    for scenario in scenarios::all(options.pace).into_iter().filter(wanted) {
        let row = Row::play(&scenario, &options.columns, options.seeds, options.threads);
        row.print();
        missed.extend(row.missed());
    }
    println!("\n{} marks missed", missed.len());
    missed.iter().for_each(|line| println!("{line}"));
    missed.is_empty()
}

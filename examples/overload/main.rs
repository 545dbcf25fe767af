//! What plimsoll does for a service under overload, shown on a real server.
//!
//! An axum server with a known capacity and an endless backlog is driven over TCP by clients that arrive whether or not
//! they are answered, wait a second, and retry up to three times. Some of their requests matter more than others, and
//! in one of the runs one of ten tenants sends too many. The server is bare first, then with a plimsoll stack around
//! its handler, which is told nothing of its capacity, and another stack around each client's requests.
//!
//! ```text
//! cargo run --release --example overload
//! ```
//!
//! | I want to change…                     | open…        |
//! |---------------------------------------|--------------|
//! | the protection                        | `stacks.rs`  |
//! | what a refused client is told         | `hint.rs`    |
//! | what of its doings is counted         | `tally.rs`   |
//! | the loads, and how long they last     | `plan.rs`    |
//! | who calls, and how a request says so  | `callers.rs` |
//! | the server, and what its capacity is  | `server.rs`, `backlog.rs` |
//! | the naive client, one attempt of it   | `client.rs`, `wire.rs` |
//! | how requests are started              | `load.rs`    |
//! | how a run goes                        | `run.rs`     |
//! | what the numbers mean                 | `measure.rs`, `success.rs` |
//! | how they are shown                    | `report/`, `../support/` |

mod backlog;
mod callers;
mod cli;
mod client;
mod hint;
mod load;
mod measure;
mod plan;
mod report;
mod run;
mod server;
mod stacks;
mod success;
#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "other reports have other plots")]
mod support;
mod tally;
mod wire;

use std::error::Error;
use std::net::{Ipv4Addr, TcpListener};
use std::process::ExitCode;
use std::time::Duration;

use crate::cli::Options;
use crate::plan::Pace;
use crate::report::{Progress, Report};
use crate::stacks::Facts;

fn main() -> ExitCode {
    support::cli::main("overload", cli::parse, play_all)
}

/// Plays everything; nothing is asserted.
fn play_all(options: &Options) -> Result<bool, Box<dyn Error>> {
    // Held from the first run to the last, so that the port stays ours; the server behind it is new each time.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port))
        .map_err(|e| format!("cannot listen on 127.0.0.1:{}: {e}", options.port))?;
    let files = report::Files::prepare(options.svg.clone())?;
    let pace = if options.quick { Pace::QUICK } else { Pace::FULL };
    let facts = Facts { workers: options.workers, service: options.service, patience: pace.patience };
    let plans = pace.plans();
    let total: Duration = plans.iter().map(|plan| 2 * plan.lasts()).sum();
    let progress = Progress::over(pace.calibration + total);

    progress.stage("measuring the capacity");
    let capacity = backlog::measure_capacity(facts.workers, facts.service, pace.calibration);
    progress.passed(pace.calibration);

    let mut runs = Vec::new();
    for plan in &plans {
        for protected in [false, true] {
            progress.stage(&report::title(plan, protected));
            let tick = |now| progress.at(now);
            let log = run::play(plan, protected, capacity, facts, &listener, tick)?;
            progress.passed(plan.lasts());
            runs.push(measure::measure(plan, protected, capacity, pace.patience, &log));
        }
    }
    progress.finish();

    let report = Report { capacity, facts, plans, runs };
    report.print();
    files.write(&report)?;
    Ok(true)
}

//! What one tenant can do to the others, shown on real servers.
//!
//! Eight axum servers on ports of their own, and a hundred tenants. One of them sends requests that no server survives:
//! each asks for so many rows that the server runs out of memory. Who else is hurt depends on who shares that tenant's
//! servers.
//!
//! | run | tenants may use | the attack kills |
//! |---|---|---|
//! | shared | all eight | all eight, and everybody is hurt |
//! | sharded | two of eight, the same two for a quarter of the tenants | two, and a quarter is hurt |
//! | shuffle-sharded | a hand of two of eight, one of 28 | two, and only tenants dealt the very same two are hurt |
//! | limited and budgeted | all eight, within a rate limit for each tenant and a work budget for each request | none |
//!
//! A tenant with another server in its hand needs a client that fails over: the same client, with the same stack, in
//! every run.
//!
//! ```text
//! cargo run --release --example noisy_neighbour
//! ```
//!
//! | I want to change…               | open…         |
//! |---------------------------------|---------------|
//! | who may use which servers       | `sharding.rs` |
//! | the stacks                      | `stacks.rs`   |
//! | who calls, and for how much     | `tenants.rs`  |
//! | the servers, and what kills them | `server.rs`, `memory.rs` |
//! | one attempt                     | `wire.rs`     |
//! | how a run goes                  | `run.rs`      |
//! | what the numbers mean           | `measure.rs`  |
//! | how they are shown              | `report/`, `../support/` |

mod cli;
mod measure;
mod memory;
mod report;
mod run;
mod server;
mod sharding;
mod stacks;
#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "other reports have plots")]
mod support;
mod tenants;
mod wire;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use crate::cli::Options;
use crate::report::Report;
use crate::run::Played;
use crate::sharding::{Cut, Sharding};
use crate::support::progress::Progress;

fn main() -> ExitCode {
    support::cli::main("noisy_neighbour", cli::parse, play_all)
}

/// Plays everything; nothing is asserted.
fn play_all(options: &Options) -> Result<bool, Box<dyn Error>> {
    let folder = support::files::folder("noisy_neighbour")?;
    let plan = plan(options);
    let progress = Progress::over(plan.iter().map(Played::lasts).sum());
    let mut runs = Vec::new();
    for played in &plan {
        progress.stage(played.name);
        let log = run::play(played, |now| progress.at(now))?;
        progress.passed(played.lasts());
        runs.push(measure::measure(played, &log));
    }
    progress.finish();

    let report = Report { runs };
    report.print();
    report.write(&folder)?;
    Ok(true)
}

/// The runs: the same attack on four fleets.
fn plan(options: &Options) -> Vec<Played> {
    let (calm, attack) = if options.quick { (500, 2000) } else { (1000, 6000) };
    let [calm, attack] = [calm, attack].map(Duration::from_millis);
    let run = |name, cut, protected| {
        let sharding = Sharding { cut, seed: options.seed };
        Played { name, sharding, protected, tenants: options.tenants, calm, attack }
    };
    vec![
        run("shared", Cut::Not, false),
        run("sharded", Cut::Plain, false),
        run("shuffle-sharded", Cut::Shuffled, false),
        run("limited and budgeted", Cut::Not, true),
    ]
}

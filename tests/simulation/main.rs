//! The simulations of `plimsoll::testing`, through the public door: against queueing theory, against the clock, and
//! against their own books.
#![cfg(feature = "testing")]

mod books;
mod clock;
mod nonsense;
mod scenes;
mod theory;

use std::time::Duration;

use plimsoll::{
    Stack, bulkhead,
    testing::{Client, Load, Model, Report, Simulation, simulate},
};

const MS: fn(u64) -> Duration = Duration::from_millis;
const SECS: fn(u64) -> Duration = Duration::from_secs;

fn naive() -> Client {
    Client::new().retries(3, MS(10)..=MS(50))
}

fn limit(limit: u32) -> bulkhead::Settings {
    bulkhead::Settings::try_new(limit).expect("a limit")
}

/// One server, and nothing around it.
fn bare(model: Model, load: Load, client: Client, seconds: u64) -> Report {
    simulate(async || {
        let sim = Simulation::new(7);
        let server = sim.server(model);
        sim.load(load).client(client).measure(SECS(0)..SECS(seconds)).run(Stack::new().service(server), |_| ()).await
    })
}

//! A dependency turns five times slower for ten seconds. What becomes of two stacks in front of it?
//!
//! `cargo run --release --example slow_dependency`

use std::time::Duration;

use plimsoll::{
    Error, Stack, load_shed, surge_queue,
    testing::{Broken, Client, Curve, Load, Model, Report, Server, Simulation, simulate},
};
use tower::Service;

const SECS: fn(u64) -> Duration = Duration::from_secs;
const MS: fn(u64) -> Duration = Duration::from_millis;

/// The dependency, and its callers: 70 % of what it can serve, until it can serve only a fifth. `around` puts a stack
/// around it.
fn play<S>(around: impl FnOnce(Server) -> S) -> Report
where
    S: Service<(), Error = Error<Broken>> + Clone,
{
    simulate(async || {
        let sim = Simulation::new(1);
        let slow = Curve::constant(1.0).during(SECS(5)..SECS(15), 0.2);
        let dependency = sim.server(Model::knee().speed(slow));
        sim.load(Load::poisson(560.0))
            .client(Client::new().retries(3, MS(10)..=MS(50)))
            .measure(SECS(2)..SECS(40))
            .run(around(dependency), |_| ())
            .await
    })
}

fn main() {
    let patient = Stack::new().timeout(SECS(1));
    let bounded =
        Stack::new().timeout(SECS(1)).overload_control(surge_queue::Settings::new(), load_shed::Settings::new());

    let patient = play(|dependency| patient.service(dependency));
    let bounded = play(|dependency| bounded.service(dependency));
    print!("{}", patient.beside("a timeout", [("and overload control", &bounded)]));
    println!();
    for (title, report) in [("a timeout", &patient), ("and overload control", &bounded)] {
        match report.recovery(SECS(15)) {
            Some(after) => println!("{title}: all is well {after:?} after the dependency is"),
            None => println!("{title}: it never recovers, though its dependency has"),
        }
    }
}

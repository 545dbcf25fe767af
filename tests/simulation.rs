//! The simulations of `plimsoll::testing`, through the public door.
#![cfg(feature = "testing")]

use std::time::Duration;

use plimsoll::{Reason, Stack, bulkhead, testing::*};

const MS: fn(u64) -> Duration = Duration::from_millis;
const SECS: fn(u64) -> Duration = Duration::from_secs;

fn naive() -> Client {
    Client::new().retries(3, MS(10)..=MS(50))
}

fn spike(seed: u64, limit: u32) -> Report {
    simulate(async || {
        let sim = Simulation::new(seed);
        let server = sim.server(Model::knee());
        let stack = Stack::new().bulkhead(bulkhead::Settings::try_new(limit).expect("a limit"));
        sim.load(Load::poisson(560.0).spike(SECS(5)..SECS(10), 4000.0))
            .client(naive())
            .classes([0.1, 0.6, 0.3])
            .tenants([1.0; 10])
            .measure(SECS(2)..SECS(20))
            .run(stack.service(server), |_| ())
            .await
    })
}

#[test]
fn a_limit_survives_a_spike_that_nothing_does_not() {
    let (with, without) = (spike(7, 16), spike(7, u32::MAX));
    println!("{with}\n{without}");
    assert!(with.goodput() > 0.9, "{with}");
    assert!(without.goodput() < 0.4, "{without}");
    assert!(with.refused_for(Reason::BulkheadFull) > 0);
    assert_eq!(spike(7, 16), with);
}

#[test]
fn speed() {
    for limit in [16, u32::MAX] {
        let begun = std::time::Instant::now();
        let report = simulate(async || {
            let sim = Simulation::new(1);
            let server = sim.server(Model::knee());
            let stack = Stack::new().bulkhead(bulkhead::Settings::try_new(limit).expect("a limit"));
            sim.load(Load::poisson(8000.0)).client(naive()).run(stack.service(server), |_| ()).await
        });
        println!("{:?}\n{report}", begun.elapsed());
    }
}

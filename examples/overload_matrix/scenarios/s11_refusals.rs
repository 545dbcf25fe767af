//! S11: to say no costs the server time too.

use std::time::Duration;

use plimsoll::testing::{Load, Model};

use super::{KNEE, Pace, Scenario};

pub(super) fn scenarios(pace: Pace) -> Vec<Scenario> {
    let scenario = |how: &str, load: f64| {
        let server = Model::knee().refusal_cost(Duration::from_micros(100));
        let name = format!("a refusal costs 0.1 ms{how} {load}×");
        Scenario::new("S11", name, (server, 8), Load::poisson(load * KNEE), pace.window())
    };
    // Nobody can do much there: it is shown for what the clients' restraint is worth.
    let plain = [5.0, 10.0].map(|load| scenario("", load));
    let throttled = [(5.0, 99.9), (10.0, 94.0)].map(|(load, percent)| {
        let mut scenario = scenario(", clients hold back", load).goodput(95.0).critical(percent);
        scenario.throttled = true;
        scenario
    });
    plain.into_iter().chain(throttled).collect()
}

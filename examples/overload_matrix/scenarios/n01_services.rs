//! N: services of other shapes than those that the constants were chosen for. Their mark is what the oracle does.

use plimsoll::testing::{Curve, Load, Model, Span};

use super::{Pace, Scenario, knee, ms, secs};
use crate::columns::Column;

pub(super) fn scenarios(pace: Pace) -> Vec<Scenario> {
    [wide_and_slow(pace), changing(pace), odd(pace)].concat()
}

/// So many times what the server can do at its start.
fn times(load: f64, server: &Model) -> Load {
    Load::poisson(load * server.capacity(secs(0.0)))
}

fn lognormal(mean: f64) -> Span {
    Span::lognormal(ms(mean), 0.8)
}

fn wide_and_slow(pace: Pace) -> Vec<Scenario> {
    let mut scenarios = Vec::new();
    for load in [0.7, 2.0] {
        let wide = Model::cores(16).work(lognormal(4.0)).delay(Span::constant(secs(1.0)));
        let scenario = Scenario::new(
            "N",
            format!("4,000 in flight {load}×"),
            (wide.clone(), 4000),
            times(load, &wide),
            pace.window(),
        );
        scenarios
            .push(scenario.callers(|stream| stream.patience = secs(5.0)).also([Column::Started]).beside_the_oracle());

        let slow = Model::cores(64).penalty(0.016, 0.00128).work(Span::lognormal(secs(2.0), 0.5));
        let window = pace.pick(secs(15.0)..secs(60.0), secs(8.0)..secs(24.0), secs(8.0)..secs(20.0));
        let name = format!("2 s on 64 cores {load}×");
        let scenario = Scenario::new("N", name, (slow.clone(), 64), times(load, &slow), window);
        scenarios.push(scenario.callers(|stream| stream.patience = secs(10.0)).beside_the_oracle());
    }
    for (share, load) in [(0.01, 1.5), (0.05, 0.7), (0.05, 1.5), (0.3, 1.5)] {
        let server = Model::knee().holders(share, Span::constant(secs(10.0)));
        let limit = (8.0 + share * 10.0 * server.capacity(secs(0.0))) as u32;
        let name = format!("{:.0} % streams of 10 s {load}×", share * 100.0);
        let window = pace.pick(secs(15.0)..secs(40.0), secs(11.0)..secs(18.0), secs(11.0)..secs(14.0));
        let mut scenario = Scenario::new("N", name, (server.clone(), limit), times(load, &server), window);
        scenario.best_without_streams = Some(8);
        // Who asks for a stream waits for its end here.
        scenarios.push(scenario.callers(|stream| stream.patience = secs(15.0)).beside_the_oracle());
    }
    scenarios
}

fn changing(pace: Pace) -> Vec<Scenario> {
    let (model, limit) = knee();
    let mut scenarios = Vec::new();
    for load in [0.7, 1.5] {
        let pauses = model.clone().speed(Curve::constant(1.0).every(secs(2.0), ms(200.0), 0.0));
        let name = format!("pauses of 0.2 s every 2 s {load}×");
        scenarios.push(Scenario::new("N", name, (pauses.clone(), limit), times(load, &pauses), pace.window()));
    }
    for load in [0.9, 1.8] {
        let half = model.clone().speed(Curve::constant(1.0).every(secs(10.0), secs(5.0), 0.5));
        let window = pace.pick(secs(8.0)..secs(38.0), secs(8.0)..secs(18.0), secs(8.0)..secs(12.0));
        let name = format!("half the capacity for 5 s of 10 s {load}×");
        scenarios.push(Scenario::new("N", name, (half.clone(), limit), times(load, &half), window));
    }
    let event = pace.event(18.0);
    let jump = Curve::constant(1.0).during(event.clone(), 100.0);
    // Its knee is at 28 in flight.
    let server = Model::cores(8).penalty(0.0046, 0.000_104).work(lognormal(2.0)).delay(Span::lognormal(ms(5.0), 0.4));
    let server = server.delay_scale(jump);
    let scenario = Scenario::new(
        "N",
        "latency jumps 100-fold at 0.7×",
        (server.clone(), 28),
        times(0.7, &server),
        pace.window().start..event.end,
    );
    let gently = event.start..event.start + secs(1.0);
    let scale = Curve::constant(1.0).ramp(gently, 502.0 / 7.0);
    let scenario = scenario.callers(|stream| stream.patience = secs(3.0)).best_scale(scale);
    scenarios.push(scenario.also([Column::Deadline, Column::Private]));

    let server = model.mix(Curve::constant(0.02).ramp(event.clone(), 0.5), Span::lognormal(ms(100.0), 0.5));
    let name = "slow requests grow from 2 % to 50 % at 0.8×";
    scenarios.push(Scenario::new(
        "N",
        name,
        (server.clone(), limit),
        times(0.8, &server),
        pace.window().start..event.end,
    ));
    scenarios.into_iter().map(Scenario::beside_the_oracle).collect()
}

fn odd(pace: Pace) -> Vec<Scenario> {
    let heavy = Model::cores(8).penalty(0.016, 0.00128).work(Span::pareto(ms(2.5), secs(10.0), 1.3));
    let cliff = Model::cores(8).cliff(24, 0.15).work(lognormal(10.0));
    let mut scenarios = Vec::new();
    for load in [0.7, 2.0] {
        for (what, server) in [("heavy-tailed work", &heavy), ("a cliff at 24 in flight", &cliff)] {
            let name = format!("{what} {load}×");
            scenarios.push(Scenario::new("N", name, (server.clone(), 8), times(load, server), pace.window()));
        }
    }
    // Half of the requests are for a route that can do a third of them.
    let (model, _) = knee();
    let name = "two routes behind one limiter, one of them at 3×";
    let mut routes = Scenario::new("N", name, (model, 16), Load::poisson(1000.0), pace.window());
    routes.servers.push(Model::cores(8).penalty(0.016, 0.00128).work(lognormal(50.0)));
    routes.capacity = Some(Curve::constant(500.0 + 160.0));
    scenarios.push(routes);
    scenarios.into_iter().map(Scenario::beside_the_oracle).collect()
}

//! S1: the same load all the time, from a cold start; and P: callers that leave before they are served.

use plimsoll::testing::{Load, Model};

use super::{KNEE, Pace, Scenario, Stream, knee, secs};
use crate::{
    columns::Column,
    marks::{Mark, Measure},
};

pub(super) fn scenarios(pace: Pace) -> Vec<Scenario> {
    let steady = [0.5, 0.7, 0.9, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0].map(|load| {
        let scenario =
            Scenario::new("S1", format!("steady {load}×"), knee(), Load::poisson(load * KNEE), pace.window());
        marked(scenario.at(load), load)
    });
    let cold = [1.0, 2.0, 5.0, 10.0].map(|load| {
        let name = format!("from cold {load}×");
        Scenario::new("S1c", name, knee(), Load::poisson(load * KNEE), pace.cold()).goodput(96.0)
    });
    steady.into_iter().chain(cold).chain(leaving(pace)).collect()
}

/// Refusals below capacity count even where a retry saves the request.
fn marked(scenario: Scenario, load: f64) -> Scenario {
    let refused = |percent| Mark::worst(Measure::Refused, percent);
    let scenario = scenario.goodput(if load < 1.0 { 99.0 } else { 96.0 });
    let scenario = scenario.critical(if load > 5.0 { 96.5 } else { 99.9 }).mark(Mark::worst(Measure::P99, 200.0));
    match load {
        0.5 => scenario.mark(refused(0.0)).mark(refused(0.0).of(Column::Plain)),
        0.7 => scenario.mark(refused(0.5)).mark(refused(0.5).of(Column::Plain)),
        0.9 => scenario.mark(refused(4.0)).mark(refused(4.0).of(Column::Plain)),
        5.0 => scenario.mark(Mark::mean(Measure::TimeToRefuse, 2.0)),
        _ => scenario,
    }
}

/// Callers hang up; the server stops working for them, or goes on; and they may have said before how long they wait.
fn leaving(pace: Pace) -> Vec<Scenario> {
    let hang_up = |stream: &mut Stream| stream.hangs_up = true;
    let impatient = |stream: &mut Stream| (stream.hangs_up, stream.patience) = (true, secs(0.1));
    let mut scenarios = Vec::new();
    for load in [2.0, 5.0] {
        for (what, server) in [("the server stops", Model::knee().cancels()), ("the server goes on", Model::knee())] {
            let scenario = |wait: &str| {
                let name = format!("hanging up {wait}, {what} {load}×");
                Scenario::new("P", name, (server.clone(), 8), Load::poisson(load * KNEE), pace.window())
                    .also([Column::Deadline])
            };
            // Beyond that, nobody waits any longer.
            if load < 5.0 {
                scenarios.push(scenario("after 1 s").callers(hang_up).goodput(96.0).critical(99.9));
            }
            scenarios.push(scenario("after 0.1 s").callers(impatient).beside_the_oracle());
        }
    }
    scenarios
}

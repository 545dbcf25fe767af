//! N: callers of other kinds than those that the constants were chosen for. Their mark is what the oracle does.

use std::f64::consts::PI;

use plimsoll::testing::{Curve, Load, Model, Span};

use super::{KNEE, Pace, Scenario, Stream, knee, ms, secs};
use crate::{
    columns::Column,
    marks::{Mark, Measure},
};

pub(super) fn scenarios(pace: Pace) -> Vec<Scenario> {
    let on_knee = |name: String, load: Load| Scenario::new("N", name, knee(), load, pace.window());
    let mut scenarios = Vec::new();
    for load in [0.7, 1.5] {
        let batches = Load::poisson(load * KNEE).in_batches_of(50);
        scenarios.push(on_knee(format!("batches of 50 {load}×"), batches));
    }
    for (callers, think) in [(200, 50.0), (200, 0.0)] {
        let name = format!("{callers} callers that wait for their answer and think for {think} ms");
        scenarios.push(on_knee(name, Load::closed(callers, Span::exponential(ms(think)))));
    }
    for (what, server) in [("the server stops", Model::knee().cancels()), ("the server goes on", Model::knee())] {
        let name = format!("hanging up after 50 ms, {what} 2×");
        let scenario = Scenario::new("N", name, (server, 8), Load::poisson(2.0 * KNEE), pace.window());
        let hasty = |stream: &mut Stream| (stream.hangs_up, stream.patience) = (true, secs(0.05));
        scenarios.push(scenario.callers(hasty).also([Column::Deadline]));
    }
    scenarios.extend([newcomer(pace), diurnal(pace), neighbour(pace), restrained(pace)]);
    scenarios.into_iter().map(Scenario::beside_the_oracle).collect()
}

/// An instance starts into a world that is warm: another one has served half of the capacity for a while.
fn newcomer(pace: Pace) -> Scenario {
    let start = pace.window().start;
    let there = Load::poisson(0.5 * KNEE);
    let name = "a second instance starts cold, at 3×";
    let mut scenario =
        Scenario::new("N", name, (Model::knee(), 4), there, start..start + secs(pace.pick(10.0, 5.0, 3.0)));
    scenario.streams.push(Stream::new(Load::poisson(0.0).step(start, 2.5 * KNEE)));
    scenario.apart = true;
    scenario
}

/// A day in a minute: from a fifth of the capacity to half as much again, and back.
fn diurnal(pace: Pace) -> Scenario {
    let day = pace.pick(60.0, 15.0, 8.0);
    let load = Curve::of(move |t| KNEE * (0.2 + 1.3 * (PI * t / day).sin().powi(2)));
    Scenario::new("N", "a day in a minute, 0.2× to 1.5×", knee(), Load::poisson(load), secs(0.0)..secs(day))
}

/// A tenant with many workers that never pause, beside others that ask for a little.
fn neighbour(pace: Pace) -> Scenario {
    let name = "a tenant with 400 busy callers, nine others 0.05× each";
    let quiet = Load::poisson(0.45 * KNEE);
    let mut scenario = Scenario::new("N", name, knee(), quiet, pace.window());
    scenario.streams[0].tenants = [vec![0.0], vec![1.0; 9]].concat();
    let mut busy = Stream::new(Load::closed(400, Span::constant(ms(1.0))));
    busy.tenants = vec![1.0];
    scenario.streams.push(busy);
    scenario.of_one_class().mark(Mark::mean(Measure::Quiet, 93.0))
}

/// A spike of callers that hold themselves back, by class.
fn restrained(pace: Pace) -> Scenario {
    let event = pace.event(5.0);
    let load = Load::poisson(0.7 * KNEE).spike(event.clone(), 5.0 * KNEE);
    let mut scenario = Scenario::new("N", "spike 0.7× to 5×, clients hold back", knee(), load, pace.around(&event));
    scenario.throttled = true;
    scenario.during(event)
}

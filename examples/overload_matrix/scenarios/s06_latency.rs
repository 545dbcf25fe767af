//! S6: a dependency takes longer, and can do as much as before.

use std::time::Duration;

use plimsoll::testing::{Curve, Load, Model, Span};

use super::{Pace, Scenario, ms, secs};
use crate::{
    columns::Column,
    marks::{Mark, Measure},
};

/// What it can do a second.
const CAPACITY: f64 = 4000.0;

/// 2 ms of work on eight cores and 18 ms of waiting: it does its best with 80 in flight.
fn server() -> Model {
    Model::cores(8)
        .penalty(0.016, 0.00128)
        .knee_at(80)
        .work(Span::lognormal(ms(2.0), 0.8))
        .delay(Span::lognormal(ms(18.0), 0.4))
}

pub(super) fn scenarios(pace: Pace) -> Vec<Scenario> {
    let event = pace.event(20.0);
    let scenario = |name: &str, load: f64, (scale, longest): (Curve, Curve), end: Duration, percent: f64| {
        let window = pace.window().start..end;
        Scenario::new("S6", name, (server().delay_scale(scale), 80), Load::poisson(load * CAPACITY), window)
            .best_scale(longest)
            .of_luck()
            .also([Column::Deadline, Column::Private, Column::Shared])
            .mark(Mark::mean(Measure::Goodput, percent))
            .mark(Mark::mean(Measure::Goodput, percent).of(Column::Plain))
    };
    // 2 ms of work and 90 ms of waiting: as many times more are in flight.
    let longest = (2.0 + 5.0 * 18.0) / 20.0;
    // Who lets in as many more at once has them all at the eight cores at once: the oracle takes a second.
    let gently = event.start..event.start + secs(1.0);
    let best = Curve::constant(1.0).ramp(gently, longest).then(event.end, 1.0);
    let slow = || (Curve::constant(1.0).during(event.clone(), 5.0), best.clone());
    let ramp = [5.0, longest].map(|times| Curve::constant(1.0).ramp(event.clone(), times)).into();
    let end = event.end + secs(pace.pick(3.0, 2.0, 1.0));
    vec![
        scenario("I/O takes 5 times as long at 0.7×", 0.7, slow(), end, 85.0),
        scenario("I/O takes 5 times as long at 1.5×", 1.5, slow(), end, 82.0),
        scenario("I/O slows down to a fifth at 0.8×", 0.8, ramp, end, 98.0),
    ]
}

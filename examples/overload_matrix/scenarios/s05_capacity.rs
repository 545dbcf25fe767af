//! S5: the server loses most of its capacity for a while.

use plimsoll::testing::{Curve, Load, Model};

use super::{KNEE, Pace, Scenario};
use crate::{
    columns::Column,
    marks::{Mark, Measure},
};

pub(super) fn scenarios(pace: Pace) -> Vec<Scenario> {
    let event = pace.event(15.0);
    let server = Model::knee().speed(Curve::constant(1.0).during(event.clone(), 0.2));
    let load = Load::poisson(0.7 * KNEE);
    let scenario = Scenario::new("S5", "capacity ÷5 at 0.7×", (server, 8), load, pace.around(&event))
        .of_luck()
        .during(event)
        .also([Column::Deadline, Column::Private, Column::Shared])
        .goodput(95.0)
        .mark(Mark::worst(Measure::Goodput, 85.0))
        .critical(97.0)
        .recovers_in(2.0);
    vec![scenario]
}

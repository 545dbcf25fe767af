//! S2: far too many for a moment; and S3: nobody is served for a moment.

use plimsoll::testing::{Curve, Load, Model};

use super::{KNEE, Pace, Scenario, knee, secs};
use crate::marks::{Mark, Measure};

pub(super) fn scenarios(pace: Pace) -> Vec<Scenario> {
    let spikes = [(0.7, 5.0), (0.8, 10.0)].map(|(calm, spike)| {
        let event = pace.event(5.0);
        let load = Load::poisson(calm * KNEE).spike(event.clone(), spike * KNEE);
        let scenario = Scenario::new("S2", format!("spike {calm}× to {spike}×"), knee(), load, pace.around(&event));
        scenario.during(event).goodput(97.0).recovers_in(0.5)
    });
    let start = pace.event(0.0).start;
    let event = start..start + secs(1.5);
    let server = Model::knee().speed(Curve::constant(1.0).during(event.clone(), 0.0));
    let load = Load::poisson(0.8 * KNEE);
    let stall = Scenario::new("S3", "stall of 1.5 s at 0.8×", (server, 8), load, pace.around(&event))
        .during(event)
        .recovers_in(0.5)
        .mark(Mark::worst(Measure::Dips, 0.0));
    spikes.into_iter().chain([stall]).collect()
}

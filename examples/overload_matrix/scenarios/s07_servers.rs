//! S4 and S7: servers of other shapes.

use plimsoll::testing::{Load, Model, Span};

use super::{KNEE, Pace, Scenario, ms};
use crate::marks::{Mark, Measure};

pub(super) fn scenarios(pace: Pace) -> Vec<Scenario> {
    let bimodal = [(1.0, 92.0), (2.0, 96.0), (5.0, 96.0)].map(|(load, percent)| {
        let server = Model::knee().work(Span::bimodal(ms(5.0), ms(105.0), 0.05));
        let name = format!("few slow requests among many fast {load}×");
        let scenario = Scenario::new("S4", name, (server, 8), Load::poisson(load * KNEE), pace.window());
        scenario.goodput(percent).critical(99.9)
    });
    let scalability = [(1.0, 94.0), (2.0, 89.0), (5.0, 89.0), (10.0, 85.0)].map(|(load, percent)| {
        let server = Model::usl(0.03, 0.0015).work(Span::lognormal(ms(10.0), 0.8));
        let name = format!("universal scalability law {load}×");
        let scenario = Scenario::new("S7", name, (server, 25), Load::poisson(load * 955.0), pace.window());
        scenario.mark(Mark::worst(Measure::Goodput, percent))
    });
    let pool = [1.0, 2.0, 5.0].map(|load| {
        let server = Model::pool(8).work(Span::lognormal(ms(10.0), 0.8));
        let name = format!("hidden pool of 8 {load}×");
        Scenario::new("S7", name, (server, 8), Load::poisson(load * KNEE), pace.window()).goodput(96.0)
    });
    bimodal.into_iter().chain(scalability).chain(pool).collect()
}

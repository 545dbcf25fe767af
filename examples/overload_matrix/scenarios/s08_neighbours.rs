//! S8: a tenant that sends far too much; and S9: several limiters in front of one server.

use plimsoll::testing::Load;

use super::{KNEE, Pace, Scenario, Stream, knee, secs};
use crate::{
    columns::Column,
    marks::{Mark, Measure},
};

pub(super) fn scenarios(pace: Pace) -> Vec<Scenario> {
    let noisy = [(3.0, 21.0, 9, 93.0), (10.0, 93.0, 7, 99.0)].map(|(load, share, quiet, percent)| {
        let name = format!("one tenant sends {}×, {quiet} others 0.1×", share / 10.0);
        let tenants = [vec![share], vec![1.0; quiet]].concat();
        Scenario::new("S8", name, knee(), Load::poisson(load * KNEE), pace.window())
            .callers(|stream| stream.tenants.clone_from(&tenants))
            // Strict classes come before tenants: the noisy one's critical requests alone would be enough.
            .of_one_class()
            .goodput(96.0)
            .mark(Mark::mean(Measure::Quiet, percent))
    });
    let shared = [(0.8, 99.0), (1.5, 88.0), (3.0, 80.0)].map(|(load, percent)| {
        let calm = 0.3 * KNEE / 4.0;
        let each = Load::poisson(calm).step(secs(4.0).min(pace.window().start / 2), load * KNEE / 4.0);
        let name = format!("four limiters, one server {load}×");
        let (server, limit) = knee();
        let mut scenario = Scenario::new("S9", name, (server, limit / 4), each.clone(), pace.window())
            .of_luck()
            .also([Column::Shared])
            .mark(Mark::mean(Measure::Goodput, percent))
            .mark(Mark::mean(Measure::Goodput, percent).of(Column::Plain))
            .mark(Mark::mean(Measure::Goodput, 95.0).of(Column::Shared));
        scenario.streams = vec![Stream::new(each); 4];
        scenario.apart = true;
        scenario
    });
    noisy.into_iter().chain(shared).collect()
}

//! S10: a service that does a dozen requests a second, and one that does thirty thousand.

use plimsoll::testing::{Load, Model, Span};

use super::{Pace, Scenario, ms, secs};
use crate::{
    columns::Column,
    marks::{Mark, Measure},
};

pub(super) fn scenarios(pace: Pace) -> Vec<Scenario> {
    let server = |cores, mean| Model::cores(cores).penalty(0.016, 0.00128).work(Span::lognormal(mean, 0.8));
    let slow = Scenario::new(
        "S10",
        "300 ms on 4 cores 3×",
        (server(4, ms(300.0)), 4),
        Load::poisson(3.0 * 4.0 / 0.3),
        pace.pick(pace.window(), secs(4.0)..secs(24.0), secs(4.0)..secs(16.0)),
    )
    .callers(|stream| stream.patience = secs(3.0))
    .of_luck()
    .also([Column::Deadline, Column::Private])
    .goodput(90.0)
    .mark(Mark::worst(Measure::Goodput, 80.0));
    // A second of it is four hundred thousand attempts, and it settles as much sooner.
    let fast = Scenario::new(
        "S10",
        "1 ms on 32 cores 3×",
        (server(32, ms(1.0)), 32),
        Load::poisson(3.0 * 32_000.0),
        secs(pace.pick(1.5, 0.75, 0.4))..secs(pace.pick(4.0, 1.5, 0.6)),
    )
    .callers(|stream| stream.patience = secs(0.1))
    .of_luck()
    .goodput(97.0);
    vec![slow, fast]
}

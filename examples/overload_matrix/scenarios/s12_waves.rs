//! S12: load that swings between a fifth of the capacity and almost twice as much.

use plimsoll::testing::Load;

use super::{KNEE, Pace, Scenario, knee, secs};

pub(super) fn scenarios(pace: Pace) -> Vec<Scenario> {
    let load = Load::poisson(KNEE).wave(secs(8.0), 0.8);
    // Whole waves.
    let window = secs(pace.pick(8.0, 4.0, 1.0))..secs(pace.pick(32.0, 12.0, 9.0));
    vec![Scenario::new("S12", "wave of 8 s, 1× ± 0.8", knee(), load, window).goodput(96.0).critical(99.9)]
}

use std::{sync::Arc, time::Duration};

use super::{
    circuit::Circuit,
    machine::{Phase, left},
    settings::Settings,
};
use crate::{
    clock::{self, Moment},
    event::{Event, Hold},
    stats::Counts,
};

/// Looks at a circuit breaker and changes it while it serves. A clone costs a reference count.
#[derive(Clone, Debug)]
pub struct Handle {
    circuit: Arc<Circuit>,
}

impl Handle {
    pub(super) fn new(circuit: Arc<Circuit>) -> Self {
        Self { circuit }
    }

    /// The circuit as it is at this moment.
    pub fn snapshot(&self) -> Snapshot {
        let now = clock::now();
        self.circuit.read(|machine| {
            let (state, half_opens_in, probes) = match &machine.phase {
                Phase::Closed { .. } => (State::Closed, None, ProbeCounts::default()),
                Phase::Open { until } => (State::Open, left(*until, now), ProbeCounts::default()),
                Phase::HalfOpen { round } => {
                    let (succeeded, failed) = (round.succeeded, round.failed);
                    (State::HalfOpen, None, ProbeCounts { under_way: round.under_way(), succeeded, failed })
                }
                Phase::Ramping { .. } => (State::Ramping, None, ProbeCounts::default()),
            };
            Snapshot {
                state,
                hold: machine.hold,
                counts: self.circuit.evidence.counts(now),
                failures_in_a_row: self.circuit.evidence.failures_in_a_row(),
                generation: machine.generation,
                streak: machine.streak,
                half_opens_in,
                probes,
                settings: machine.settings,
            }
        })
    }

    /// Refuses every call until told otherwise. What is in flight goes on.
    pub fn force_open(&self) {
        self.hold(Hold::Open);
    }

    /// Lets every call through until told otherwise, and ignores the results.
    pub fn force_closed(&self) {
        self.hold(Hold::Closed);
    }

    /// Judges, counts and announces as before, but refuses nobody: it announces [`WouldRefuse`](Event::WouldRefuse)
    /// instead. For trying settings on real traffic.
    pub fn observe_only(&self) {
        self.hold(Hold::ObserveOnly);
    }

    /// Lets the circuit judge by itself again, from where it was. [`reset`](Self::reset) makes it begin anew.
    pub fn automatic(&self) {
        self.hold(Hold::Automatic);
    }

    /// Closes the circuit and forgets everything it learned. A hold stays; results of calls under way are ignored.
    pub fn reset(&self) {
        self.circuit.decide(None, &Moment::new(), |machine, now| ((), machine.reset(now.at)));
    }

    /// Judges by `settings` from now on. The state stays as it is, nothing in flight is lost, and the window keeps what
    /// it holds unless its kind, size or length changes. An open circuit stays open for as long as it was to. The name
    /// stays.
    pub fn update(&self, settings: Settings) {
        self.circuit.decide(None, &Moment::new(), |machine, now| ((), machine.update(settings, now)));
    }

    fn hold(&self, hold: Hold) {
        if self.circuit.decide(None, &Moment::new(), |machine, _| (machine.hold(hold), None)) {
            self.circuit.events.emit(|| Event::CircuitHeld { layer: self.circuit.name, hold });
        }
    }
}

/// The state of a circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// Healthy: every call goes through.
    Closed,
    /// Failing: every call is refused.
    Open,
    /// Perhaps healthy again: a few calls go through, to see.
    HalfOpen,
    /// Healthy again: a growing share of the calls goes through.
    Ramping,
}

/// A circuit at one moment. Time alone moves nothing: an open circuit whose time is over half-opens, and one whose ramp
/// is over closes, when the next call comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Its state, whether it is held or not.
    pub state: State,
    /// Whether it is held by hand.
    pub hold: Hold,
    /// What the window holds. Empty while the circuit is open or half-open.
    pub counts: Counts,
    /// How many calls in a row have failed.
    pub failures_in_a_row: u32,
    /// Rises with each change of state that makes older results worthless, wrapping after a thousand million.
    pub generation: u32,
    /// How often in a row the circuit opened without having been calm in between.
    pub streak: u32,
    /// While open: how long until a probe may go.
    pub half_opens_in: Option<Duration>,
    /// While half-open: its probes.
    pub probes: ProbeCounts,
    /// What it judges by.
    pub settings: Settings,
}

/// How the probes of a half-open circuit stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProbeCounts {
    /// Not heard of yet.
    pub under_way: u32,
    /// Succeeded.
    pub succeeded: u32,
    /// Failed, or lost.
    pub failed: u32,
}

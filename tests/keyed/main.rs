//! A gate for each key, through the public door.
#![cfg(feature = "testing")]

mod eviction;
mod gate;
mod handle;
mod hashing;
mod neutral;
mod overflow;
mod reentrancy;
mod told;

use std::time::Duration;

use plimsoll::{
    Gate, Outcome, Reason,
    bulkhead::{self, Bulkhead},
    clock::Moment,
    gate::{Admission, Ending},
    keyed::{Keyed, Overflow, Settings},
};

const SECOND: Duration = Duration::from_secs(1);

/// A request: whose it is.
type Ask = u64;

fn settings(capacity: u32) -> Settings {
    Settings::new().try_with_capacity(capacity).expect("not zero")
}

fn places(limit: u32) -> bulkhead::Settings {
    bulkhead::Settings::try_new(limit).expect("not zero")
}

fn whose(ask: &Ask) -> u64 {
    *ask
}

type OfBulkheads = Keyed<u64, Bulkhead, fn(&Ask) -> u64, fn(&u64) -> Bulkhead>;

/// A bulkhead of one place for each key.
fn of_one(settings: Settings) -> OfBulkheads {
    Keyed::new(settings, whose as fn(&Ask) -> u64, |_: &u64| Bulkhead::new(places(1)))
}

/// Asks on behalf of a key, and keeps what it is given.
fn ask<G: Gate<Ask>>(gate: &G, key: u64) -> Result<G::Permit, Reason> {
    match gate.admit(&key, &Moment::new()) {
        Admission::Admitted(permit) => Ok(permit),
        Admission::Waiting(_) => panic!("it waits"),
        Admission::Refused(rejection) => Err(rejection.reason()),
    }
}

fn end<G: Gate<Ask>>(gate: &G, permit: G::Permit) {
    gate.settle(permit, Ending::Finished(Outcome::Success), &Moment::new());
}

/// Comes and goes.
fn pass<G: Gate<Ask>>(gate: &G, key: u64) -> Result<(), Reason> {
    ask(gate, key).map(|permit| end(gate, permit))
}

/// One key for ever under way in a map of one, so that nobody else has a place.
fn full(overflow: Overflow) -> OfBulkheads {
    let keyed = of_one(settings(1).with_overflow(overflow));
    ask(&keyed, 0).expect("free");
    keyed
}

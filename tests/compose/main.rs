//! Stacks compose: over every kind of error, in every order, with other people's layers between, inside other people's
//! builders; errors keep their identity and state survives re-layering.
#![cfg(feature = "testing")]

use std::{
    num::NonZeroU32,
    sync::{Arc, Mutex},
};

use plimsoll::{
    Reason, Rejection, bulkhead,
    clock::Moment,
    gate::{Admission, Ending, Gate, Never},
};
use tower::Service;

/// The order of a client: the whole call, attempts, places, health, one attempt.
macro_rules! client {
    ($breaker:expr) => {
        Stack::new()
            .metered("callers")
            .timeout(Duration::from_secs(30))
            .retry(retry::Settings::new())
            .bulkhead(one())
            .circuit_breaker($breaker)
            .rate_limit(Quota::per_second(NonZeroU32::MAX))
            .keyed(Keyed::new(keyed::Settings::new(), |(): &()| 7, |_: &u8| Bulkhead::new(one())))
            .timeout(Duration::from_secs(1))
            .metered("callee")
    };
}

mod errors;
mod escort;
mod gates;
mod hearing;
mod layering;
mod order;

fn one() -> bulkhead::Settings {
    bulkhead::Settings::new(NonZeroU32::MIN)
}

/// Calls twice at once what lets one in: the refusal that comes of it.
async fn refusal<S, E>(service: S) -> E
where
    S: Service<(), Error = E> + Clone,
{
    let (mut first, mut second) = (service.clone(), service);
    let held = first.call(());
    let refused = second.call(()).await;
    drop(held);
    match refused {
        Ok(_) => panic!("two were let in"),
        Err(error) => error,
    }
}

fn is_full(rejection: &Rejection) -> bool {
    rejection.reason() == Reason::BulkheadFull && !rejection.was_dispatched()
}

/// A gate that keeps what it is told.
#[derive(Clone, Default)]
struct Verdicts(Arc<Mutex<Vec<Ending>>>);

impl Gate<()> for Verdicts {
    type Permit = ();
    type Wait = Never;

    fn admit(&self, (): &(), _: &Moment) -> Admission<(), Never> {
        Admission::Admitted(())
    }

    fn settle(&self, (): (), ending: Ending, _: &Moment) {
        self.0.lock().expect("unpoisoned").push(ending);
    }
}

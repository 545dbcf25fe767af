//! The rate limit through the public door, in paused time.
#![cfg(feature = "testing")]

mod control;
mod quota;
mod refund;
mod throttle;
mod wait;

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use plimsoll::{
    Error, Event, Reason, Rejection,
    clock::{self, Instant},
    rate_limit::{Quota, Settings},
    testing::Mock,
};

const SECOND: Duration = Duration::from_secs(1);

type Answer = Result<Instant, Error<io::Error>>;
type Callee = Mock<u32, Instant, io::Error>;

/// Answers at once, by when it was called. A request is what it costs.
fn callee() -> Callee {
    Mock::answering(|_: &u32| Ok(clock::now())).0
}

fn per_second(cells: u32) -> Quota {
    Quota::try_per_second(cells).expect("valid")
}

/// `cells` a second, `burst` at once.
fn quota(cells: u32, burst: u32) -> Quota {
    per_second(cells).try_with_burst(burst).expect("valid")
}

/// Lets eight wait, for ten seconds.
fn waiting(quota: Quota) -> Settings {
    Settings::new(quota).with_wait(8, 10 * SECOND)
}

fn cost(cells: &u32) -> u32 {
    *cells
}

fn rejection(result: Answer) -> Rejection {
    match result {
        Err(Error::Rejected(rejection)) => rejection,
        other => panic!("not refused: {other:?}"),
    }
}

fn refused_for(result: Answer) -> (Reason, Option<Duration>) {
    let rejection = rejection(result);
    assert!(!rejection.was_dispatched());
    (rejection.reason(), rejection.retry_after())
}

/// How long after `start` the calls went through, in milliseconds.
fn millis(start: Instant, answers: impl IntoIterator<Item = Answer>) -> Vec<u128> {
    answers.into_iter().map(|answer| answer.expect("let in").since(start).as_millis()).collect()
}

/// What is announced.
fn heard() -> (Arc<Mutex<Vec<Event>>>, impl Fn(&Event) + Send + Sync + 'static) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ear = Arc::clone(&heard);
    (heard, move |event: &Event| ear.lock().expect("unpoisoned").push(*event))
}

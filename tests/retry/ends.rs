//! Why a request is not sent again, and who learns of it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use plimsoll::{
    Error, Outcome, Reason, Rejection, Stack,
    classify::Failure,
    clock::{self, Instant},
    dead_letter::{Cause, DeadLetter},
    event::Stop,
    request::{Carried, Carry},
    retry::{RetryLayer, Settings},
};
use tower::Layer;

use crate::mock::{Answer, Boom, Heard, MS, Mock, boom, timed};

const OPEN: Rejection = Rejection::new(Reason::CircuitOpen, "circuit_breaker");

/// Another library's retries tried an open circuit breaker five times and slept between.
#[tokio::test(start_paused = true)]
async fn an_open_circuit_is_asked_once_and_nobody_sleeps() {
    let (heard, mock) = (Heard::default(), Mock::new(|_, _: &u32| Err(OPEN.into())));
    let mut service = Stack::new().observe(heard.observer()).retry(Settings::new()).wrap(mock.clone());
    assert_eq!(timed(&mut service, 7).await, (Err(Error::Rejected(OPEN)), Duration::ZERO));
    assert_eq!((mock.calls(), heard.all().len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_circuit_that_opens_between_attempts_ends_them() {
    let heard = Heard::default();
    let mock = Mock::new(|n, _: &u32| if n == 1 { boom(n) } else { Err(OPEN.into()) });
    let mut service = Stack::new().observe(heard.observer()).retry(Settings::new()).wrap(mock.clone());
    assert_eq!(timed(&mut service, 7).await.0, Err(Error::Rejected(OPEN)));
    assert_eq!((mock.calls(), heard.stops()), (2, vec![(2, Stop::NotRetryable)]));
}

/// Each request is its own deadline.
#[derive(Clone, Copy)]
struct Until;

impl Carry<Instant> for Until {
    fn get(&self, req: &Instant) -> Option<Carried> {
        let mut carried = Carried::NONE;
        carried.deadline = *req;
        Some(carried)
    }

    fn insert(&self, _: &mut Instant, _: Carried) {}
}

fn hinting(hint: Duration) -> impl Fn(Result<&u32, &Error<Boom>>) -> Outcome + Clone {
    move |result: Result<&u32, &Error<Boom>>| match result {
        Ok(_) => Outcome::Success,
        Err(_) => Outcome::Failure(Failure::Throttled(Some(hint))),
    }
}

#[tokio::test(start_paused = true)]
async fn a_delay_that_would_outlive_the_deadline_is_not_begun() {
    let heard = Heard::default();
    let layer = RetryLayer::new(Settings::new()).classify(hinting(1000 * MS)).carry(Until).observe(heard.observer());
    let mut service = layer.layer(Mock::new(|n, _: &Instant| boom(n)));
    let (result, took) = timed(&mut service, clock::now().after(1000 * MS)).await;
    assert_eq!((result, took), (boom(1), Duration::ZERO));
    assert_eq!(heard.stops(), [(1, Stop::Deadline)]);
    assert_eq!(layer.handle().snapshot().balance, Some(100.0));
}

/// The timer is a millisecond late, and a request that nobody waits for any more would be sent.
#[tokio::test(start_paused = true)]
async fn a_deadline_that_passes_during_the_delay_is_seen_before_the_attempt() {
    for seen_after in [5000 * MS, 3000 * MS] {
        let heard = Heard::default();
        let layer =
            RetryLayer::new(Settings::new()).classify(hinting(1000 * MS)).carry(Until).observe(heard.observer());
        let mock = Mock::new(|n, _: &Instant| boom(n));
        let mut service = layer.layer(mock.clone());
        let deadline = clock::now().after(3000 * MS);
        let call = tokio::spawn(async move { timed(&mut service, deadline).await.0 });
        tokio::task::yield_now().await;
        tokio::time::advance(seen_after).await;
        assert_eq!(call.await.expect("no panic"), boom(1));
        assert_eq!((mock.calls(), heard.stops()), (1, vec![(1, Stop::Deadline)]), "{seen_after:?}");
        assert_eq!(layer.handle().snapshot().balance, Some(100.0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_callee_that_asks_for_time_gets_it_and_a_little_more() {
    let heard = Heard::default();
    let layer = RetryLayer::new(Settings::new()).classify(hinting(5000 * MS)).observe(heard.observer());
    let (result, took) = timed(&mut layer.layer(Mock::failing(1)), 7).await;
    assert_eq!(result, Ok(2));
    assert!((5000 * MS..=6002 * MS).contains(&took), "{took:?}");
    assert!(heard.delays()[0] > 5000 * MS, "all who got the same hint would be back together");
}

#[tokio::test(start_paused = true)]
async fn a_callee_that_asks_for_too_long_is_not_called_again() {
    let heard = Heard::default();
    let layer = RetryLayer::new(Settings::new()).classify(hinting(20_001 * MS)).observe(heard.observer());
    assert_eq!(timed(&mut layer.layer(Mock::failing(1)), 7).await, (boom(1), Duration::ZERO));
    assert_eq!(heard.stops(), [(1, Stop::Hint)]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_replayed_is_sent_once() {
    let heard = Heard::default();
    let layer = RetryLayer::new(Settings::new()).replay(|_: &u32, _: u32| None).observe(heard.observer());
    assert_eq!(timed(&mut layer.layer(Mock::failing(9)), 7).await, (boom(1), Duration::ZERO));
    assert_eq!(heard.stops(), [(1, Stop::NotReplayable)]);
}

/// What the sink of a call of `mock` got.
async fn letters(mock: Mock, settings: Settings) -> (Answer, Vec<DeadLetter<u32>>) {
    let letters = Arc::new(Mutex::new(Vec::new()));
    let sink = letters.clone();
    let layer = RetryLayer::new(settings)
        .dead_letter(move |letter: DeadLetter<u32>| sink.lock().expect("unpoisoned").push(letter));
    let result = timed(&mut Stack::new().retry(layer).wrap(mock), 7).await.0;
    let letters = letters.lock().expect("unpoisoned").clone();
    (result, letters)
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_given_up_on_is_handed_to_the_sink() {
    let once = Settings::new().try_with_attempts(1).expect("attempts");
    for (settings, attempts) in [(Settings::new(), 3), (once, 1)] {
        let (result, letters) = letters(Mock::failing(9), settings).await;
        assert_eq!(result, boom(attempts));
        let [DeadLetter { request: 7, attempts: sent, cause: Cause::Stopped(Stop::Attempts), .. }] = letters[..] else {
            panic!("{letters:?}");
        };
        assert_eq!(sent, attempts);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_succeeded_or_never_failed_is_no_dead_letter() {
    for mock in [Mock::failing(2), Mock::failing(0), Mock::new(|_, _: &u32| Err(OPEN.into()))] {
        assert_eq!(letters(mock, Settings::new()).await.1, []);
    }
}

//! What the callee asks for.

use std::{io, time::Duration};

use futures_util::future::join_all;
use plimsoll::{
    Classify, Error, Event, Outcome, Stack,
    classify::{Failure, Unjudged},
    clock::{self, Instant},
    rate_limit::{RateLimit, RateLimitLayer, Settings},
    testing::Mock,
};
use tokio_test::{assert_pending, assert_ready, task};
use tower::{Service, ServiceBuilder};

use crate::{Callee, SECOND, callee, heard, millis, per_second, quota, waiting};

/// Takes the number of an answer for the seconds that the callee asks for.
fn hints(result: Result<&u32, &Error<io::Error>>) -> Outcome {
    match result {
        Ok(0) => Outcome::Success,
        Ok(99) => Outcome::Failure(Failure::Throttled(None)),
        Ok(seconds) => Outcome::Failure(Failure::Throttled(Some(Duration::from_secs((*seconds).into())))),
        Err(_) => Outcome::Ignored,
    }
}

fn hinting() -> Mock<u32, u32, io::Error> {
    Mock::answering(|hint: &u32| Ok(*hint)).0
}

#[tokio::test(start_paused = true)]
async fn a_callee_that_asks_to_be_left_alone_is() {
    let settings = Settings::new(per_second(100)).with_max_hint(10 * SECOND);
    let limit = RateLimit::new(settings);
    let handle = limit.handle();
    let (heard, ear) = heard();
    let stack = Stack::new().observe(ear).classify(hints).rate_limit(limit);
    let mut service = stack.service(hinting());
    let retry_after = |refused: Result<u32, Error<io::Error>>| match refused {
        Err(Error::Rejected(no)) => no.retry_after(),
        other => panic!("not refused: {other:?}"),
    };
    assert!(service.call(0).await.is_ok() && service.call(99).await.is_ok());
    assert!(service.call(5).await.is_ok(), "the one that says so is answered");
    assert_eq!(retry_after(service.call(0).await), Some(5 * SECOND));
    let left = handle.remaining();
    assert_eq!((left.remaining, left.reset, handle.snapshot().pause), (0, 5 * SECOND, 5 * SECOND));
    tokio::time::advance(5 * SECOND).await;
    assert!(service.call(3600).await.is_ok());
    assert_eq!(retry_after(service.call(0).await), Some(10 * SECOND), "no longer than is allowed");
    let pauses = [5, 10].map(|seconds| Event::Throttled { layer: "rate_limit", pause: seconds * SECOND });
    let announced = heard.lock().expect("unpoisoned").clone();
    let announced: Vec<_> = announced.into_iter().filter(|event| matches!(event, Event::Throttled { .. })).collect();
    assert_eq!(announced, pauses);
    tokio::time::advance(10 * SECOND).await;
    assert_eq!(handle.remaining().remaining, 100, "a pause uses nothing up");
}

/// Whoever learnt that the callee does not mean what it says could not take its word back: the pause went on for as long as the
/// settings had allowed that were.
#[tokio::test(start_paused = true)]
async fn a_pause_is_over_once_the_settings_do_not_allow_it() {
    let settings = waiting(per_second(100)).with_max_hint(3600 * SECOND);
    let limit = RateLimit::new(settings.with_wait(8, Duration::MAX));
    let handle = limit.handle();
    let mut service = Stack::new().classify(hints).rate_limit(limit).service(hinting());
    assert!(service.call(3600).await.is_ok());
    let mut waits = task::spawn(service.call(0));
    assert_pending!(waits.poll());
    handle.update(settings.with_max_hint(SECOND));
    assert_eq!(handle.snapshot().pause, SECOND);
    handle.update(waiting(per_second(100)));
    assert_eq!(handle.snapshot().pause, Duration::ZERO);
    assert!(waits.is_woken() && assert_ready!(waits.poll()).is_ok());
    assert!(service.call(0).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn unasked_it_does_not_listen_to_the_callee() {
    let stack = Stack::new().classify(hints).rate_limit(per_second(100));
    let mut service = stack.service(hinting());
    assert!(service.call(5).await.is_ok() && service.call(0).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_wait_for_the_end_of_a_pause() {
    let settings = waiting(quota(10, 1)).with_max_hint(5 * SECOND);
    let hints = |result: Result<&Instant, &Error<io::Error>>| match result {
        Ok(_) => Outcome::Failure(Failure::Throttled(Some(2 * SECOND))),
        Err(_) => Outcome::Ignored,
    };
    let limit = RateLimit::new(settings);
    let handle = limit.handle();
    let layer = RateLimitLayer::<_, _, _, _>::with_judge(limit, hints);
    let mut service = ServiceBuilder::new().layer(layer).map_err(|error: Error<_>| error).service(Lifted(callee()));
    let start = clock::now();
    let calls: Vec<_> = (0..3).map(|_| service.call(1)).collect();
    let answers = join_all(calls).await;
    // Each that is answered asks for two seconds more.
    assert_eq!(millis(start, answers), [0, 2000, 4000]);
    assert_eq!(handle.snapshot().pause, 2 * SECOND);
}

/// A callee whose error can hold a refusal.
#[derive(Clone)]
struct Lifted(Callee);

impl Service<u32> for Lifted {
    type Response = Instant;
    type Error = Error<io::Error>;
    type Future = futures_util::future::MapErr<<Callee as Service<u32>>::Future, fn(io::Error) -> Error<io::Error>>;

    fn poll_ready(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx).map_err(Error::Inner)
    }

    fn call(&mut self, cost: u32) -> Self::Future {
        futures_util::TryFutureExt::map_err(self.0.call(cost), Error::Inner)
    }
}

#[test]
fn a_judge_that_finds_no_hints_is_enough() {
    fn judged<C: Classify<(), ()>>(_: C) {}
    judged(Unjudged);
}

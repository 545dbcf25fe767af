//! What one room does to another, by their order.

use std::{io, num::NonZeroU32, time::Duration};

use plimsoll::{
    Error, Reason, Stack,
    bulkhead::Bulkhead,
    circuit_breaker::{self, CircuitBreaker, State},
    keyed::{self, Keyed},
    load_shed::{self, LoadShed},
    rate_limit::Quota,
    retry,
    testing::{Mock, Reply},
};
use tower::ServiceExt;

use crate::one;

/// A refusal of a bulkhead further in says nothing about the callee; a timeout that it ran into does.
#[tokio::test(start_paused = true)]
async fn a_load_shedder_hears_of_timeouts_below_it_and_not_of_those_above() {
    for (above, below) in [(1, 60), (60, 1)] {
        let (inner, _) = Mock::new(|_, (): &()| Reply::<(), io::Error>::hang());
        let shed = LoadShed::new(load_shed::Settings::new().try_with_limits(9, 9).expect("valid"));
        let handle = shed.handle();
        let stack = Stack::new().timeout(Duration::from_secs(above)).load_shed(shed);
        let service = stack.timeout(Duration::from_secs(below)).service(inner);
        for _ in 0..5 {
            assert!(service.clone().oneshot(()).await.is_err());
        }
        assert_eq!(handle.snapshot().limit < 9, below < above, "{:?}", handle.snapshot());
        assert_eq!(handle.snapshot().in_use, 0);
    }
}

/// A callee that hangs is seen by a breaker above the timeout of each attempt: our own timeout after dispatch is a
/// failure of the callee. A deadline that the caller brought is not.
#[tokio::test(start_paused = true)]
async fn a_breaker_above_the_attempts_timeout_trips_on_a_callee_that_hangs() {
    use plimsoll::{clock, timeout::TimeoutLayer};

    for (callers_deadline, state) in [(false, State::Open), (true, State::Closed)] {
        let breaker = CircuitBreaker::new(circuit_breaker::Settings::new());
        let handle = breaker.handle();
        let (inner, mock) = Mock::new(|_, (): &()| Reply::<(), io::Error>::hang());
        let attempt = TimeoutLayer::new(Duration::from_secs(1))
            .deadline_by(move |(): &()| callers_deadline.then(|| clock::now().after(Duration::from_millis(500))));
        let service = Stack::new().circuit_breaker(breaker).timeout(attempt).service(inner);
        for _ in 0..30 {
            assert!(service.clone().oneshot(()).await.is_err());
        }
        assert_eq!(handle.snapshot().state, state);
        assert_eq!(mock.calls(), if callers_deadline { 30 } else { 10 });
    }
}

/// A peer retried what its own open breaker refused: five tries and 750 ms of sleep for nothing.
#[tokio::test(start_paused = true)]
async fn an_open_circuit_ends_the_tries_at_once() {
    let breaker = CircuitBreaker::new(circuit_breaker::Settings::new());
    breaker.handle().force_open();
    let (inner, mock) = Mock::answering(|(): &()| Ok::<(), io::Error>(()));
    let start = plimsoll::clock::now();
    let error = client!(breaker).service(inner).oneshot(()).await.expect_err("open");
    assert!(matches!(error, Error::Rejected(rejection) if rejection.reason() == Reason::CircuitOpen));
    assert_eq!((mock.calls(), plimsoll::clock::now().since(start)), (0, Duration::ZERO));
}

/// While a retry sleeps, it holds no place and no reservation of what is further in.
#[tokio::test(start_paused = true)]
async fn a_retry_holds_no_permit_while_it_sleeps() {
    let bulkhead = Bulkhead::new(one());
    let handle = bulkhead.handle();
    let (inner, mock) = Mock::answering(|(): &()| Err::<(), _>(io::Error::other("down")));
    let service = Stack::new().retry(retry::Settings::new()).bulkhead(bulkhead).service(inner);
    let mut call = tokio_test::task::spawn(service.oneshot(()));
    assert!(call.poll().is_pending());
    assert_eq!((mock.calls(), handle.snapshot().in_use), (1, 0));
}

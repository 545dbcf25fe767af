//! What is around an attempt: timeouts, the circuit breaker, the retry, and who judges.

use std::{
    convert::Infallible,
    future::Future,
    pin::pin,
    task::{Context, Waker},
    time::Duration,
};

use plimsoll::{
    Ratio, Stack,
    circuit_breaker::{self, CircuitBreaker, Window},
    retry,
    timeout::TimeoutLayer,
};
use tower::Service;

use crate::{Failing, Inner, allocations};

#[test]
fn a_timeout_allocates_nothing() {
    assert_eq!(allocations(Stack::new().timeout(Duration::from_secs(1)).service(Inner), true), 0);
}

#[test]
fn a_past_deadline_allocates_nothing() {
    let past = TimeoutLayer::new(Duration::MAX).deadline_by(|_: &u64| Some(plimsoll::clock::now()));
    assert_eq!(allocations(Stack::new().timeout(past).service(Inner), false), 0);
}

#[test]
fn a_circuit_breaker_allocates_nothing_whatever_it_looks_at() {
    let settings = circuit_breaker::Settings::new();
    let time = Window::try_time(Duration::from_secs(1), 5).expect("valid");
    for settings in [
        settings,
        settings.without_hung_after(),
        settings.with_slow_calls(Duration::from_secs(1), Ratio::HALF),
        settings.with_window(time),
    ] {
        assert_eq!(allocations(Stack::new().circuit_breaker(settings).service(Inner), true), 0);
    }
}

#[test]
fn neither_tripping_nor_an_open_circuit_allocates() {
    assert_eq!(allocations(Stack::new().circuit_breaker(circuit_breaker::Settings::new()).service(Failing), false), 0);
    let held = CircuitBreaker::new(circuit_breaker::Settings::new());
    held.handle().force_open();
    assert_eq!(allocations(Stack::new().circuit_breaker(held).service(Inner), false), 0);
}

#[test]
fn a_retry_that_has_nothing_to_retry_allocates_nothing() {
    assert_eq!(allocations(Stack::new().retry(retry::Settings::new()).service(Inner), true), 0);
}

#[test]
fn a_throttled_retry_that_has_nothing_to_retry_allocates_nothing() {
    let retry = retry::RetryLayer::new(retry::Settings::new()).throttle(retry::Throttle::default());
    assert_eq!(allocations(Stack::new().retry(retry).service(Inner), true), 0);
}

#[cfg(feature = "grpc")]
#[test]
fn an_answer_over_grpc_is_judged_without_an_allocation() {
    use plimsoll::{Classify, Error, Outcome, grpc::Codes};
    let (call, head) = (tonic::Response::new(7_u64), http::Response::new(7_u64));
    let judged = allocation_counter::measure(|| {
        assert_eq!(Codes.classify(Ok::<_, &tonic::Status>(&call)), Outcome::Success);
        assert_eq!(Codes.classify(Ok::<_, &Error<Infallible>>(&head)), Outcome::Success);
    });
    assert_eq!(judged.count_total, 0);
}

/// A timer lives in the future of its call: not even a call that takes its time allocates.
#[tokio::test(start_paused = true)]
async fn a_timeout_that_sets_its_timer_allocates_nothing() {
    let mut service = Stack::new()
        .timeout(Duration::from_secs(1))
        .service(tower::service_fn(|_: u64| std::future::pending::<Result<u64, Infallible>>()));
    let mut call = || {
        let mut future = pin!(service.call(0));
        assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    };
    call();
    assert_eq!(allocation_counter::measure(|| (0..1000).for_each(|_| call())).count_total, 0);
}

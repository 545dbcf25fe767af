use std::time::{Duration, UNIX_EPOCH};

use http::{HeaderMap, HeaderValue, Response, StatusCode, header::RETRY_AFTER};
use plimsoll::{
    Classify, Error, Outcome, Stack,
    circuit_breaker::{self, CircuitBreaker, State},
    classify::Failure,
    http::{ByStatus, Wall},
    retry,
    testing::{Mock, Reply},
};
use proptest::prelude::*;
use tower::{Service, ServiceExt};

fn hint(values: &[HeaderValue]) -> Option<Duration> {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(RETRY_AFTER, value.clone());
    }
    ByStatus::new().wall(Wall::new(|| UNIX_EPOCH)).retry_after(&headers)
}

#[test]
fn a_hint_that_stands_there_twice_is_none() {
    let ten = HeaderValue::from_static("10");
    assert_eq!(hint(std::slice::from_ref(&ten)), Some(Duration::from_secs(10)));
    assert_eq!(hint(&[ten.clone(), ten]), None);
}

#[test]
fn ten_megabytes_are_no_hint() {
    for byte in [b'1', b'0', b' ', b'x', 0xFF] {
        assert_eq!(hint(&[HeaderValue::from_bytes(&vec![byte; 10 << 20]).expect("a value")]), None);
    }
}

#[test]
fn the_longest_hint_is_as_set() {
    let mut headers = HeaderMap::new();
    headers.insert(RETRY_AFTER, HeaderValue::from_static("7200"));
    let judge = |longest| ByStatus::new().with_max_hint(longest).retry_after(&headers);
    assert_eq!(judge(Duration::MAX), Some(Duration::from_secs(7200)));
    assert_eq!(judge(Duration::ZERO), Some(Duration::ZERO));
}

fn response(status: u16, after: Option<&'static str>) -> Response<()> {
    let response = Response::builder().status(status);
    let response = if let Some(after) = after { response.header(RETRY_AFTER, after) } else { response };
    response.body(()).expect("valid")
}

/// A client's own mistakes must not shut it out, nor one method that is not there all others.
#[tokio::test(start_paused = true)]
async fn a_circuit_stays_closed_over_client_errors_and_what_is_not_there_and_opens_for_as_long_as_it_is_told() {
    let (mock, _) =
        Mock::new(|_, status: &u16| Reply::<_, Error<()>>::ok(response(*status, (*status == 503).then_some("40"))));
    let breaker = CircuitBreaker::new(circuit_breaker::Settings::new());
    let handle = breaker.handle();
    let mut service = Stack::new().classify(ByStatus::new()).circuit_breaker(breaker).wrap(mock);
    for status in [400, 401, 403, 404, 409, 410, 422, 501, 505].repeat(20) {
        let _ = service.ready().await.expect("ready").call(status).await;
    }
    assert_eq!(handle.snapshot().state, State::Closed);
    let mut refused = None;
    for _ in 0..100 {
        refused = service.ready().await.expect("ready").call(503).await.err().or(refused);
    }
    let Some(Error::Rejected(rejection)) = refused else { panic!("the circuit is open") };
    assert!(rejection.retry_after().is_some_and(|after| after >= Duration::from_secs(39)), "{rejection}");
}

#[tokio::test(start_paused = true)]
async fn a_retry_waits_for_as_long_as_it_is_told() {
    let (mock, handle) = Mock::new(|call, (): &()| {
        Reply::<_, Error<()>>::ok(if call == 0 { response(429, Some("7")) } else { response(200, None) })
    });
    let service = Stack::new().classify(ByStatus::new()).retry(retry::Settings::new()).wrap(mock);
    let start = tokio::time::Instant::now();
    assert_eq!(service.oneshot(()).await.expect("answered").status(), StatusCode::OK);
    assert_eq!(handle.calls(), 2);
    assert!(start.elapsed() >= Duration::from_secs(7));
}

/// A method that the callee does not know was tried three times, and the budget for retries paid for it.
#[tokio::test(start_paused = true)]
async fn what_a_callee_does_not_support_is_not_tried_again() {
    for (status, calls) in [(500, 3), (501, 1), (502, 3), (505, 1)] {
        let (mock, handle) = Mock::new(move |_, (): &()| Reply::<_, Error<()>>::ok(response(status, None)));
        let service = Stack::new().classify(ByStatus::new()).retry(retry::Settings::new()).wrap(mock);
        assert_eq!(service.oneshot(()).await.expect("answered").status().as_u16(), status);
        assert_eq!(handle.calls(), calls, "{status}");
    }
}

proptest! {
    #[test]
    fn whatever_a_response_says_it_is_judged_and_no_hint_is_too_long(
        status in 100u16..1000, values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..3),
    ) {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::from_u16(status).expect("a status");
        for value in values.iter().filter_map(|value| HeaderValue::from_bytes(value).ok()) {
            response.headers_mut().append(RETRY_AFTER, value);
        }
        let outcome = ByStatus::new().classify(Ok::<_, &Error<()>>(&response));
        if let Outcome::Failure(failure) = outcome {
            prop_assert!((500..600).contains(&status) || status == 429);
            prop_assert!(failure.retry_after().is_none_or(|hint| hint <= Duration::from_secs(3600)));
            prop_assert!(failure.retry_after().is_none() || matches!(failure, Failure::Throttled(_)));
        }
    }
}

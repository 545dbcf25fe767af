use std::{convert::Infallible, time::Duration};

use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use plimsoll::{
    Stack, clock,
    http::{Extensions, RespondRejections, SendDeadline, TimeLeft, Trusted},
    request::{Carried, current},
    timeout::TimeoutLayer,
};
use proptest::prelude::*;
use tower::{ServiceExt, service_fn};

const LEFT: HeaderName = HeaderName::from_static("x-time-left");

fn request(left: &str) -> Request<()> {
    Request::builder().header(LEFT, left).body(()).expect("valid")
}

/// A server that hangs, behind a timeout of ten seconds: how long it was waited for, and what was said.
async fn waited(left: &str) -> (Duration, StatusCode) {
    let timeout =
        TimeoutLayer::new(Duration::from_secs(10)).deadline_by(Trusted::everybody().deadline(TimeLeft::millis(LEFT)));
    let hung = service_fn(|_: Request<()>| std::future::pending::<Result<Response<()>, Infallible>>());
    let service = Stack::new().layer(RespondRejections::new()).timeout(timeout).service(hung);
    let start = clock::now();
    let status = service.oneshot(request(left)).await.expect("infallible").status();
    (clock::now().since(start), status)
}

#[tokio::test(start_paused = true)]
async fn a_server_waits_no_longer_than_its_caller() {
    assert_eq!(waited("250").await, (Duration::from_millis(250), StatusCode::GATEWAY_TIMEOUT));
    assert_eq!(waited("0").await, (Duration::ZERO, StatusCode::GATEWAY_TIMEOUT));
    for junk in ["-1", "1.5", "", "soon"] {
        assert_eq!(waited(junk).await, (Duration::from_secs(10), StatusCode::GATEWAY_TIMEOUT), "{junk}");
    }
    assert_eq!(waited("99999999999999999999").await.0, Duration::from_secs(10), "nor longer than it would anyway");
}

/// A header that was taken over from the request before said more than there was.
#[tokio::test(start_paused = true)]
async fn a_server_tells_its_own_callee_what_is_left_for_that() {
    let told = service_fn(|req: Request<()>| async move {
        Ok::<_, Infallible>((req.headers().get(LEFT).cloned(), req.headers().get_all(LEFT).iter().count()))
    });
    let client = Stack::new()
        .layer(SendDeadline::new(TimeLeft::millis(LEFT)).with_margin(Duration::from_millis(10)))
        .service(told);
    let handler = service_fn(move |req: Request<()>| {
        let client = client.clone();
        async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let scoped = current().deadline;
            let carried = req.extensions().get::<Carried>().map(|carried| carried.deadline);
            assert_eq!(carried, Some(scoped));
            let told = tokio::spawn(client.oneshot(req)).await.expect("no panic").expect("infallible");
            Ok::<_, Infallible>(told)
        }
    });
    let timeout = TimeoutLayer::new(Duration::from_secs(10))
        .deadline_by(Trusted::everybody().deadline(TimeLeft::millis(LEFT)))
        .carry(Extensions);
    let told = Stack::new().timeout(timeout).service(handler).oneshot(request("250")).await.expect("answered");
    assert_eq!(told, (Some(HeaderValue::from_static("140")), 1));
}

proptest! {
    #[test]
    fn hostile_headers_give_no_deadline_or_one_within_bounds(
        values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..3),
    ) {
        use plimsoll::request::{DeadlineOf, PriorityOf, TenantOf};

        let everybody = Trusted::everybody();
        for name in ["x-time-left", "grpc-timeout", "x-envoy-expected-rq-timeout-ms", "priority", "x-tenant"] {
            let mut req = Request::new(());
            for value in values.iter().filter_map(|value| HeaderValue::from_bytes(value).ok()) {
                req.headers_mut().append(name, value);
            }
            for format in [TimeLeft::millis(LEFT), TimeLeft::seconds(LEFT), TimeLeft::grpc(), TimeLeft::envoy()] {
                let longest = clock::now().after(Duration::from_secs(3600));
                let deadline = everybody.deadline(format).deadline(&req);
                prop_assert!(deadline.is_none_or(|at| at.since(longest) < Duration::from_secs(60)));
            }
            let _ = everybody.priority().priority(&req);
            let _ = everybody.tenant(HeaderName::from_static("x-tenant")).tenant(&req);
        }
    }
}

//! Rooms stacked, ready-made and in HTTP.

use std::{
    convert::Infallible,
    future::{Future, ready},
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use plimsoll::{
    Stack,
    circuit_breaker::{self, CircuitBreaker},
    rate_limit::Quota,
    retry,
    timeout::TimeoutLayer,
    work_budget,
};
use tower::Service;

use crate::{Inner, allocations, limit};

/// A timeout for the whole, retry, places, health, and a timeout for an attempt.
macro_rules! four_rooms {
    ($bulkhead:expr, $breaker:expr) => {
        Stack::new()
            .timeout(Duration::from_secs(2))
            .retry(retry::Settings::new())
            .bulkhead($bulkhead)
            .circuit_breaker($breaker)
            .timeout(Duration::from_secs(1))
    };
}

#[test]
fn the_four_rooms_stacked_allocate_nothing() {
    let stack = four_rooms!(limit(9), circuit_breaker::Settings::new());
    assert_eq!(allocations(stack.service(Inner), true), 0);
}

#[test]
fn a_refusal_through_the_four_rooms_allocates_nothing() {
    let mut full = four_rooms!(limit(1), circuit_breaker::Settings::new()).service(Inner);
    let _held = full.call(0);
    assert_eq!(allocations(full, false), 0);
    let open = CircuitBreaker::new(circuit_breaker::Settings::new());
    open.handle().force_open();
    assert_eq!(allocations(four_rooms!(limit(9), open).service(Inner), false), 0);
}

/// With everything on that can be, and with what can be left out left out.
#[test]
fn ready_made_stacks_allocate_nothing() {
    let often = Quota::try_per_second(1_000_000).expect("valid");
    let server = plimsoll::server()
        .tenant_by(|req: &u64| req % 3)
        .exempt_by(|req: &u64| req.is_multiple_of(7))
        .with_rate_limit(often)
        .with_work_budget(work_budget::Settings::try_new(9).expect("valid"))
        .with_bulkhead(limit(9));
    // The first request of a tenant makes its rate limit.
    let mut warm = server.stack().service(Inner);
    for tenant in 1..=3 {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(pin!(warm.call(tenant)).as_mut().poll(&mut cx).is_ready());
    }
    assert_eq!(allocations(warm, true), 0);
    let bare = server.without_timeout().without_overload_control().without_rate_limit().without_work_budget();
    assert_eq!(allocations(bare.stack().service(Inner), true), 0);
    let mut full = bare.with_bulkhead(limit(1)).exempt_by(|_: &u64| false).stack().service(Inner);
    let _held = full.call(0);
    assert_eq!(allocations(full, false), 0);
    assert_eq!(allocations(plimsoll::client().stack().service(Inner), true), 0);
    let bare = plimsoll::client().without_total_timeout().without_retry().without_bulkhead().without_attempt_timeout();
    assert_eq!(allocations(bare.without_circuit_breaker().stack().service(Inner), true), 0);
}

/// The HTTP annex on the way of an answer: refusals have headers, which allocate, but nobody pays for them before.
#[cfg(feature = "http")]
#[test]
fn the_http_layers_allocate_nothing_for_who_is_let_in() {
    use http::{HeaderName, Request, Response};
    use http_body_util::Full;
    use plimsoll::http::{BodyTimeout, ReplayBodies, RespondRejections, SendDeadline, TimeLeft, Trusted};

    let deadline = Trusted::everybody().deadline(TimeLeft::millis(HeaderName::from_static("x-left")));
    let stack = Stack::new()
        .layer(RespondRejections::problems())
        .timeout(TimeoutLayer::new(Duration::MAX).deadline_by(deadline))
        .bulkhead(limit(9))
        .until_body_ends()
        .layer(BodyTimeout::responses(Duration::from_secs(1)))
        .layer(SendDeadline::new(TimeLeft::envoy()))
        .layer(ReplayBodies::new());
    let mut service = stack.service(tower::service_fn(|req: Request<plimsoll::http::Replay<_>>| {
        drop::<Request<plimsoll::http::Replay<Full<bytes::Bytes>>>>(req);
        ready(Ok::<_, Infallible>(Response::new(Full::new(bytes::Bytes::from_static(b"static")))))
    }));
    let mut call = || {
        let mut cx = Context::from_waker(Waker::noop());
        let future = pin!(service.call(Request::new(Full::default())));
        assert!(matches!(future.poll(&mut cx), Poll::Ready(Ok(response)) if response.status().is_success()));
    };
    call();
    assert_eq!(allocation_counter::measure(|| (0..1000).for_each(|_| call())).count_total, 0);
}

/// A body that was kept almost to the cap took up to twice as much, as vectors do that grow by themselves.
#[cfg(feature = "http")]
#[test]
fn what_is_kept_of_a_body_takes_no_more_than_the_cap() {
    use bytes::Bytes;
    use http_body::{Body, Frame};
    use http_body_util::StreamBody;
    use plimsoll::http::Replay;

    static SENT: [u8; 40_000] = [7; 40_000];
    let pieces = [&SENT[..], &SENT[..25_000], &SENT[..500]];
    let frames = pieces.map(|piece| Ok::<_, Infallible>(Frame::data(Bytes::from_static(piece))));
    let mut first = Replay::new(StreamBody::new(futures_util::stream::iter(frames)), 64 << 10);
    let second = first.again();
    let kept = allocation_counter::measure(|| {
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(frame)) = std::pin::Pin::new(&mut first).poll_frame(&mut cx) {
            drop(frame);
        }
    });
    assert!(second.is_some_and(|second| second.is_whole()));
    assert!((65_500..=64 << 10).contains(&kept.bytes_current), "{kept:?}");
}

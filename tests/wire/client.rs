//! reqwest's client with a stack of its own, against axum.

use std::{
    net::SocketAddr,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::{Router, body::Bytes, routing::any};
use http::{HeaderMap, HeaderName, StatusCode};
use plimsoll::{
    Stack,
    bulkhead::{self, Bulkhead},
    circuit_breaker::{self, CircuitBreaker, State},
    http::{ByStatus, RespondRejections, SendDeadline, TimeLeft},
    retry::{self, Backoff, RetryLayer},
};
use reqwest::{Body, Method, Request, Response};
use tokio::sync::{Notify, mpsc};
use tower::ServiceExt;

use crate::clients::{plain_reqwest, serve};

const SECOND: Duration = Duration::from_secs(1);

/// A server that answers the `n`th request, counted from 0, with the `n`th of these, and those after with the last, and its
/// answers say what it has read; and how many there were.
async fn scripted(script: &'static [(u16, Option<&'static str>)]) -> (SocketAddr, Arc<AtomicU32>) {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let answer = any(move |body: Bytes| {
        let at = counted.fetch_add(1, SeqCst) as usize;
        let (status, after) = script[at.min(script.len() - 1)];
        let mut headers = HeaderMap::new();
        if let Some(after) = after {
            headers.insert("retry-after", after.parse().expect("a value"));
        }
        async move { (StatusCode::from_u16(status).expect("a status"), headers, body) }
    });
    (serve(Router::new().route("/", answer)).await, calls)
}

fn replay(req: &Request, _attempt: u32) -> Option<Request> {
    if req.method().is_idempotent() { req.try_clone() } else { None }
}

fn retries() -> RetryLayer<fn(&Request, u32) -> Option<Request>> {
    let settings = retry::Settings::new().with_backoff(Backoff::IMMEDIATE);
    RetryLayer::new(settings).replay(replay as fn(&Request, u32) -> Option<Request>)
}

fn request(method: Method, address: SocketAddr, body: Option<Body>) -> Request {
    let mut request = Request::new(method, format!("http://{address}/").parse().expect("a URL"));
    *request.body_mut() = body;
    request
}

#[tokio::test(start_paused = true)]
async fn what_can_be_had_again_is_tried_again_with_its_body() {
    let judge = ByStatus::new().of(|r: &Response| (r.status(), r.headers()));
    let client = Stack::new().classify(judge).retry(retries()).service(plain_reqwest());
    let stream = || Body::from("all of it");
    for (method, body, status, tries) in
        [(Method::PUT, Some(stream()), 200, 2), (Method::GET, None, 200, 2), (Method::POST, Some(stream()), 502, 1)]
    {
        let (address, calls) = scripted(&[(502, None), (200, None)]).await;
        let sent = body.is_some();
        let response = client.clone().oneshot(request(method.clone(), address, body)).await.expect("an answer");
        assert_eq!((response.status().as_u16(), calls.load(SeqCst)), (status, tries), "{method}");
        assert_eq!(response.text().await.expect("text"), if sent { "all of it" } else { "" });
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_is_left_alone_for_as_long_as_it_asks() {
    let judge = ByStatus::new().of(|r: &Response| (r.status(), r.headers()));
    let client = Stack::new().classify(judge).retry(retries()).service(plain_reqwest());
    for status in [429, 503] {
        let script: &[_] =
            if status == 429 { &[(429, Some("7")), (200, None)] } else { &[(503, Some("7")), (200, None)] };
        let (address, calls) = scripted(script).await;
        let start = tokio::time::Instant::now();
        let response = client.clone().oneshot(request(Method::GET, address, None)).await.expect("an answer");
        assert_eq!((response.status().as_u16(), calls.load(SeqCst)), (200, 2));
        assert!(start.elapsed() >= 7 * SECOND, "{status}");
    }
}

/// One judge for both opened the circuit to a server that shed a part of its load, and kept all of it away.
#[tokio::test(start_paused = true)]
async fn a_server_that_sheds_opens_no_circuit_and_one_that_fails_does() {
    for (status, state) in [(429, State::Closed), (503, State::Closed), (500, State::Open), (504, State::Open)] {
        let script: &[_] = match status {
            429 => &[(429, Some("40"))],
            503 => &[(503, None)],
            500 => &[(500, None)],
            _ => &[(504, None)],
        };
        let (address, calls) = scripted(script).await;
        let breaker = CircuitBreaker::new(circuit_breaker::Settings::new());
        let handle = breaker.handle();
        let judge = ByStatus::new().of(|r: &Response| (r.status(), r.headers()));
        let client = Stack::new().classify(judge.health()).circuit_breaker(breaker).service(plain_reqwest());
        for _ in 0..30 {
            let _ = client.clone().oneshot(request(Method::GET, address, None)).await;
        }
        assert_eq!(handle.snapshot().state, state, "{status}");
        assert_eq!(calls.load(SeqCst), if state == State::Closed { 30 } else { 10 }, "{status}");
    }
}

/// A probe that is told "not now" says nothing, gives its place back, and the next one asks again.
#[tokio::test(start_paused = true)]
async fn a_server_that_comes_back_busy_is_asked_until_it_serves() {
    let (address, calls) = scripted(&[(500, None), (503, None), (503, None), (200, None)]).await;
    let settings =
        circuit_breaker::Settings::new().with_consecutive_failures(NonZeroU32::MIN).with_ramp(Duration::ZERO);
    let breaker = CircuitBreaker::new(settings);
    let handle = breaker.handle();
    let judge = ByStatus::new().of(|r: &Response| (r.status(), r.headers()));
    let client = Stack::new().classify(judge.health()).circuit_breaker(breaker).service(plain_reqwest());
    let ask = async || client.clone().oneshot(request(Method::GET, address, None)).await.map(|r| r.status().as_u16());
    assert_eq!(ask().await.expect("an answer"), 500);
    assert_eq!(handle.snapshot().state, State::Open);
    tokio::time::advance(10 * SECOND).await;
    for state in [State::HalfOpen, State::HalfOpen, State::Closed] {
        ask().await.expect("it is asked");
        assert_eq!(handle.snapshot().state, state);
    }
    assert_eq!(calls.load(SeqCst), 4);
}

/// Not paused: the timeout would be over while the socket is waited for.
#[tokio::test]
async fn the_server_hears_how_long_there_is() {
    const LEFT: HeaderName = HeaderName::from_static("x-envoy-expected-rq-timeout-ms");
    let told = any(|headers: HeaderMap| async move {
        headers.get(LEFT).cloned().into_iter().map(|left| (LEFT, left)).collect::<HeaderMap>()
    });
    let address = serve(Router::new().route("/", told)).await;
    let layer = || SendDeadline::new(TimeLeft::envoy()).of(|r: &mut Request| r.headers_mut());
    let heard = |response: Response| {
        response.headers().get(LEFT).map(|left| left.to_str().expect("ASCII").parse::<u32>().expect("a number"))
    };
    let bounded = Stack::new().timeout(60 * SECOND).layer(layer()).service(plain_reqwest());
    let left = heard(bounded.oneshot(request(Method::GET, address, None)).await.expect("an answer"));
    assert!(left.is_some_and(|left| (1..=60_000).contains(&left)), "{left:?}");
    let unbounded = Stack::new().layer(layer()).service(plain_reqwest());
    assert_eq!(heard(unbounded.oneshot(request(Method::GET, address, None)).await.expect("an answer")), None);
}

/// Both ends at once: what the server's stack says is what the client's hears.
#[tokio::test(start_paused = true)]
async fn two_stacks_understand_one_another() {
    let full = Bulkhead::new(bulkhead::Settings::try_new(1).expect("valid"));
    let handle = full.handle();
    let hold = Arc::new(Notify::new());
    let held = Arc::clone(&hold);
    let (came, mut comes) = mpsc::unbounded_channel();
    let app = Router::new().route(
        "/",
        any(move || {
            let held = Arc::clone(&held);
            let told = came.send(());
            async move {
                told.expect("somebody waits for it");
                held.notified().await;
                "done"
            }
        }),
    );
    let stack = Stack::new().layer(RespondRejections::problems()).bulkhead(full);
    let address = serve(app.layer(stack.wrapping())).await;
    let judge = ByStatus::new().of(|r: &Response| (r.status(), r.headers()));
    let client = Stack::new()
        .classify(judge)
        .retry(retries())
        .classify(judge.health())
        .circuit_breaker(circuit_breaker::Settings::new())
        .service(plain_reqwest());
    let first = tokio::spawn(client.clone().oneshot(request(Method::GET, address, None)));
    comes.recv().await.expect("the first has come");
    let refused = client.clone().oneshot(request(Method::GET, address, None)).await.expect("an answer");
    assert_eq!(refused.status().as_u16(), 503);
    hold.notify_one();
    assert_eq!(first.await.expect("joined").expect("an answer").text().await.expect("text"), "done");
    assert_eq!(handle.snapshot().in_use, 0);
}

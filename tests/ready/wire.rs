//! Both ready-made stacks of HTTP, over a real socket.

use std::{
    convert::Infallible,
    future::Future,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    routing::get,
};
use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use plimsoll::{
    bulkhead,
    http::{ByStatus, HttpClient, Replay},
    ready::Served,
    retry::{self, Backoff},
};
use tokio::{net::TcpListener, sync::Notify};
use tower::ServiceExt;

async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// What comes of a request by a ready-made client: the status, the headers and the body.
async fn fetch(client: &HttpClient, request: http::Request<Full<Bytes>>) -> (StatusCode, HeaderMap, Bytes) {
    let wire = Client::builder(TokioExecutor::new()).build_http::<Replay<Full<Bytes>>>();
    let response = client.stack().service(wire).oneshot(request).await.expect("an answer");
    let (head, body) = response.into_parts();
    (head.status, head.headers, body.collect().await.expect("a body").to_bytes())
}

fn request(method: Method, address: SocketAddr, path: &str, body: &'static str) -> http::Request<Full<Bytes>> {
    let request = http::Request::builder().method(method).uri(format!("http://{address}{path}"));
    request.body(Full::from(body)).expect("a request")
}

/// Pauses of no length: nothing depends on real time.
fn client() -> HttpClient {
    plimsoll::http::client()
        .with_retry(retry::Settings::new().with_backoff(Backoff::IMMEDIATE).with_max_hint(Duration::ZERO))
}

#[test]
fn the_defaults_fit_together() {
    assert_eq!(plimsoll::http::server().warnings(), []);
    assert_eq!(plimsoll::http::client().warnings(), []);
    let labels = plimsoll::http::client().stack().control();
    assert_eq!(
        labels.labels().collect::<Vec<_>>(),
        ["timeout.total", "ReplayBodies", "retry", "bulkhead", "circuit_breaker", "timeout.attempt", "SendDeadline"]
    );
    let without = plimsoll::http::client().without_deadline_header().stack().control();
    assert_eq!(without.labels().last(), Some("timeout.attempt"));
    assert_eq!(plimsoll::http::server().stack().control().labels().next(), Some("RespondRejections"));
}

#[tokio::test]
async fn a_server_answers_who_is_refused_and_lets_its_health_be_checked() {
    let (here, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let stack = plimsoll::http::server()
        .exempt_by(|req: &Request<Body>| req.uri().path() == "/health")
        .with_bulkhead(bulkhead::Settings::try_new(1).expect("not zero"))
        .stack();
    let (arrived, leave) = (here.clone(), go.clone());
    let slow = move || async move {
        arrived.notify_one();
        leave.notified().await;
        "done"
    };
    let app = Router::new().route("/slow", get(slow)).route("/health", get(|| async { "well" }));
    let address = serve(app.layer(stack.wrapping())).await;

    let held = tokio::spawn(async move { fetch(&client(), request(Method::GET, address, "/slow", "")).await });
    here.notified().await;
    let (status, headers, body) = fetch(&client(), request(Method::GET, address, "/slow", "")).await;
    assert_eq!((status, &body[..], headers.get("content-type")), (StatusCode::SERVICE_UNAVAILABLE, &b""[..], None));
    assert_eq!(fetch(&client(), request(Method::GET, address, "/health", "")).await.2, "well");
    go.notify_one();
    assert_eq!(held.await.expect("no panic").2, "done");
}

#[tokio::test]
async fn a_client_sends_idempotent_requests_again_with_their_bodies_and_says_how_long_there_is() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = calls.clone();
    let app = Router::new().fallback(move |req: Request<Body>| async move {
        let call = counter.fetch_add(1, SeqCst);
        let left =
            req.headers().get("x-envoy-expected-rq-timeout-ms").and_then(|left| left.to_str().ok()?.parse().ok());
        let is_post = req.method() == Method::POST;
        let body = to_bytes(req.into_body(), 99).await.expect("a body");
        let told = matches!(left, Some(1..=3000_u64));
        let status = if is_post || call < 2 { StatusCode::BAD_GATEWAY } else { StatusCode::OK };
        (status, format!("{} {told}", String::from_utf8_lossy(&body)))
    });
    let address = serve(app).await;
    let (status, _, body) = fetch(&client(), request(Method::PUT, address, "/", "lamp")).await;
    assert_eq!((status, &body[..], calls.load(SeqCst)), (StatusCode::OK, &b"lamp true"[..], 3));
    let (status, _, _) = fetch(&client(), request(Method::POST, address, "/", "lamp")).await;
    assert_eq!((status, calls.load(SeqCst)), (StatusCode::BAD_GATEWAY, 4), "a POST is sent once");
}

/// What is left of a limit that was learned, once the handler has begun to say 503.
async fn limit_left<L, S>(stack: L, handles: plimsoll::control::Registry) -> (u32, u32)
where
    L: tower::Layer<Answering, Service = S>,
    S: tower::Service<u16, Response = http::Response<()>> + Clone,
{
    let server = stack.layer(Answering);
    let shed = handles.handle::<plimsoll::load_shed::Handle>("load_shed").expect("there").clone();
    let mut limits = Vec::new();
    for status in [200, 503] {
        for _ in 0..200 {
            join_all((0..64).map(|_| server.clone().oneshot(status))).await;
        }
        limits.push(shed.snapshot().limit);
    }
    (limits[0], limits[1])
}

/// Answers with the status that it is asked for, after 10 ms.
#[derive(Clone, Copy)]
struct Answering;

impl tower::Service<u16> for Answering {
    type Response = http::Response<()>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<http::Response<()>, Infallible>>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, status: u16) -> Self::Future {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            Ok(http::Response::builder().status(status).body(()).expect("a response"))
        })
    }
}

/// A handler's 503 speaks of one of its dependencies; taken for a sign of overload, it took places from all others.
#[tokio::test(start_paused = true)]
async fn what_a_handler_says_of_others_takes_no_place_from_anybody() {
    let served = plimsoll::server().classify(Served::of(ByStatus::new())).stack();
    let bare = plimsoll::server().classify(ByStatus::new()).stack();
    let (learned, left) = limit_left(served.clone().wrapping(), served.control()).await;
    let (_, cut) = limit_left(bare.clone().wrapping(), bare.control()).await;
    assert!(left >= learned, "{left} of {learned}");
    assert!(cut < left, "by a judge that takes answers for refusals it is {cut}");
}

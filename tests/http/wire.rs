//! What really goes over TCP: raw HTTP/1.1 against axum and hyper.

use std::{
    convert::Infallible,
    future::Future,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{Router, body::Body, routing::any};
use bytes::Bytes;
use http::{HeaderName, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use plimsoll::{
    Error, Reason, Rejection, Stack,
    bulkhead::{self, Bulkhead},
    clock::Moment,
    gate::{Admission, Ending, Gate, Never},
    http::{
        AnnounceQuota, BodyTimeout, ByStatus, Quota, Replay, ReplayBodies, ReplayRequests, RespondRejections, TimeLeft,
        Trusted, body_timeout::BodyTooSlow,
    },
    load_shed, retry,
    surge_queue::{self, SurgeQueue},
    timeout::TimeoutLayer,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

/// Long enough for a slow machine; a test that waits for so long has failed.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("it hangs")
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

async fn serve(app: Router) -> SocketAddr {
    let (listener, address) = listen().await;
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// A response as it came: the status line, the header lines but for the date, in order, and the body.
#[derive(Debug, PartialEq, Eq)]
struct Raw {
    status: String,
    headers: Vec<String>,
    body: String,
}

fn raw(status: &str, headers: &[&str], body: &str) -> Raw {
    let mut headers: Vec<_> = headers.iter().map(|line| (*line).to_owned()).collect();
    headers.sort();
    Raw { status: status.to_owned(), headers, body: body.to_owned() }
}

async fn receive(stream: &mut (impl AsyncRead + Unpin)) -> Raw {
    let mut bytes = Vec::new();
    soon(stream.read_to_end(&mut bytes)).await.expect("read");
    let text = String::from_utf8(bytes).expect("text");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("not an answer: {text:?}"));
    let mut lines = head.lines().map(str::to_owned);
    let status = lines.next().expect("a status line");
    let mut headers: Vec<_> = lines.filter(|line| !line.starts_with("date: ")).collect();
    headers.sort();
    Raw { status, headers, body: body.to_owned() }
}

/// Sends a request line and headers, and nothing else; the connection is closed after the answer.
async fn ask(address: SocketAddr, head: &str) -> Raw {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let request = format!("{head}\r\nhost: test\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    receive(&mut stream).await
}

/// Refuses whoever asks for it, for the reason of the number in `x-refuse`.
#[derive(Clone, Copy)]
struct OnRequest;

impl<B> Gate<Request<B>> for OnRequest {
    type Permit = ();
    type Wait = Never;

    fn admit(&self, req: &Request<B>, _: &Moment) -> Admission<(), Never> {
        let number = req.headers().get("x-refuse").and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        match number.and_then(|number| Reason::ALL.get(number)) {
            Some(reason) => {
                Admission::Refused(Rejection::new(*reason, "on request").with_retry_after(Duration::from_millis(2100)))
            }
            None => Admission::Admitted(()),
        }
    }

    fn settle(&self, (): (), _: Ending, _: &Moment) {}
}

fn number(reason: Reason) -> usize {
    Reason::ALL.iter().position(|other| *other == reason).expect("one of all")
}

fn hello() -> Router {
    Router::new().route("/", any(|| async { "hello" }))
}

#[tokio::test]
async fn axum_answers_every_refusal_with_status_and_headers_and_nothing_else() {
    let stack = Stack::new().layer(RespondRejections::new()).gate(OnRequest);
    let address = serve(hello().layer(stack.wrapping())).await;
    for (number, reason) in Reason::ALL.iter().enumerate() {
        let answer = ask(address, &format!("GET / HTTP/1.1\r\nx-refuse: {number}")).await;
        let status = StatusCode::from_u16(reason.http_status()).expect("a status");
        let status = format!("HTTP/1.1 {} {}", status.as_u16(), status.canonical_reason().expect("known"));
        assert_eq!(
            answer,
            raw(&status, &["connection: close", "content-length: 0", "retry-after: 3"], ""),
            "{reason:?}"
        );
    }
    let answer = ask(address, "GET / HTTP/1.1").await;
    let headers = ["connection: close", "content-length: 5", "content-type: text/plain; charset=utf-8"];
    assert_eq!(answer, raw("HTTP/1.1 200 OK", &headers, "hello"));
}

#[tokio::test]
async fn one_stack_answers_http_and_grpc_each_in_its_own_way() {
    let stack = Stack::new().layer(RespondRejections::problems()).gate(OnRequest);
    let address = serve(hello().layer(stack.wrapping())).await;
    let full = number(Reason::QueueFull);
    let answer = ask(address, &format!("POST / HTTP/1.1\r\nx-refuse: {full}\r\ncontent-type: application/grpc")).await;
    let headers = [
        "connection: close",
        "content-length: 0",
        "content-type: application/grpc",
        "grpc-message: the queue is full",
        "grpc-retry-pushback-ms: 2100",
        "grpc-status: 14",
    ];
    assert_eq!(answer, raw("HTTP/1.1 200 OK", &headers, ""));

    let answer = ask(address, &format!("POST / HTTP/1.1\r\nx-refuse: {full}\r\ncontent-type: text/plain")).await;
    let problem = concat!(
        r#"{"type":"https://iana.org/assignments/http-problem-types#temporary-reduced-capacity","#,
        r#""title":"Request cannot be satisfied due to temporary server capacity constraints","#,
        r#""status":503,"detail":"the queue is full"}"#,
    );
    let length = format!("content-length: {}", problem.len());
    let headers = ["connection: close", &length, "content-type: application/problem+json", "retry-after: 3"];
    assert_eq!(answer, raw("HTTP/1.1 503 Service Unavailable", &headers, problem));
    let head = ask(address, &format!("HEAD / HTTP/1.1\r\nx-refuse: {full}")).await;
    assert_eq!(head, raw("HTTP/1.1 503 Service Unavailable", &headers, ""), "to HEAD, the head");
}

#[tokio::test]
async fn a_rate_limit_is_told_with_its_quota() {
    let quota = Quota::new("minute", 60).with_window(Duration::from_secs(60));
    let announce = AnnounceQuota::new(move |_: &Request<Body>| move || Some(quota.left(0, Duration::from_secs(40))));
    let stack = Stack::new().layer(announce).layer(RespondRejections::new()).gate(OnRequest);
    let address = serve(hello().layer(stack.wrapping())).await;
    let answer = ask(address, &format!("GET / HTTP/1.1\r\nx-refuse: {}", number(Reason::RateLimited))).await;
    let headers = [
        "connection: close",
        "content-length: 0",
        "ratelimit-policy: \"minute\";q=60;w=60",
        "ratelimit: \"minute\";r=0;t=3",
        "retry-after: 3",
    ];
    assert_eq!(answer, raw("HTTP/1.1 429 Too Many Requests", &headers, ""));
}

/// A whole server, whose callers are trusted with everything.
fn trusting() -> Router {
    let inside = Trusted::everybody();
    let timeout = TimeoutLayer::new(Duration::from_secs(60)).deadline_by(inside.deadline(TimeLeft::envoy()));
    let queue = SurgeQueue::new(surge_queue::Settings::new())
        .priority_by(inside.priority())
        .tenant_by(inside.tenant(HeaderName::from_static("x-tenant")));
    let stack = Stack::new()
        .layer(RespondRejections::new())
        .timeout(timeout)
        .overload_control(queue, load_shed::Settings::new());
    hello().route("/hang", any(std::future::pending::<()>)).layer(stack.wrapping())
}

#[tokio::test]
async fn headers_that_make_no_sense_are_as_good_as_none() {
    let address = serve(trusting()).await;
    let long = "9".repeat(50_000);
    for field in [
        "x-envoy-expected-rq-timeout-ms: -1",
        "x-envoy-expected-rq-timeout-ms: 0",
        "x-envoy-expected-rq-timeout-ms: 1e3",
        "x-envoy-expected-rq-timeout-ms: 1\r\nx-envoy-expected-rq-timeout-ms: 1",
        "priority: u=-1, u=\"0\", ((((",
        "x-tenant: \u{fc}\u{1f600}\r\nx-tenant: b",
        &format!("x-envoy-expected-rq-timeout-ms: {long}"),
        &format!("priority: u={long}"),
        &format!("x-tenant: {long}"),
    ] {
        let answer = ask(address, &format!("GET / HTTP/1.1\r\n{field}")).await;
        assert_eq!((answer.status.as_str(), answer.body.as_str()), ("HTTP/1.1 200 OK", "hello"), "{field:.60}");
    }
}

#[tokio::test]
async fn a_deadline_that_a_caller_brings_is_kept() {
    let answer = ask(serve(trusting()).await, "GET /hang HTTP/1.1\r\nx-envoy-expected-rq-timeout-ms: 20").await;
    assert_eq!(answer, raw("HTTP/1.1 504 Gateway Timeout", &["connection: close", "content-length: 0"], ""));
}

/// The server itself refuses what is larger than it reads, and serves the next.
#[tokio::test]
async fn ten_megabytes_of_header_harm_nobody() {
    let address = serve(trusting()).await;
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let (mut reader, mut writer) = stream.split();
    let endless = format!("GET / HTTP/1.1\r\nhost: test\r\npriority: {}\r\n\r\n", "u=0,".repeat(10 << 18));
    let mut answer = Vec::new();
    // It may close the connection in the middle of either.
    let (_, _) =
        soon(async { tokio::join!(writer.write_all(endless.as_bytes()), reader.read_to_end(&mut answer)) }).await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431 "), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(ask(address, "GET / HTTP/1.1").await.body, "hello");
}

/// Is never ready, and says so with a refusal.
#[derive(Clone)]
struct NeverReady;

impl<B> Service<Request<B>> for NeverReady {
    type Response = Response<Full<Bytes>>;
    type Error = Error<Infallible>;
    type Future = std::future::Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Err(Rejection::new(Reason::NoShard, "test").into()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        panic!("called though it was not ready")
    }
}

/// A refusal from readiness made hyper close the connection without a word.
#[tokio::test]
async fn hyper_answers_a_refusal_from_readiness_too() {
    let (listener, address) = listen().await;
    let service = ServiceBuilder::new().layer(RespondRejections::problems()).service(NeverReady);
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await?;
        let service = TowerToHyperService::new(service);
        let served = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        served.map_err(io::Error::other)
    });
    let answer = ask(address, "GET / HTTP/1.1").await;
    assert_eq!(answer.status, "HTTP/1.1 503 Service Unavailable");
    assert!(answer.body.ends_with(r#""detail":"no shard that may serve it can be called"}"#), "{}", answer.body);
}

/// One at a time until its body ends, and the others wait for as long as it takes: a place that leaks is a test that hangs.
fn one_at_a_time() -> (Router, bulkhead::Handle) {
    let bulkhead = Bulkhead::new(bulkhead::Settings::try_new(1).expect("valid").with_wait(100, Duration::MAX));
    let handle = bulkhead.handle();
    let stack = Stack::new().layer(RespondRejections::problems()).bulkhead(bulkhead).until_body_ends();
    let echo = any(|body: Body| async move {
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let pieces = [Ok::<_, Infallible>(Bytes::from_static(b"you said: ")), Ok(body)];
        // In pieces and of no length that is known, so that it goes out in chunks.
        Body::from_stream(futures_util::stream::iter(pieces))
    });
    (Router::new().route("/echo", echo).route("/hello", any(|| async { "hello" })).layer(stack.wrapping()), handle)
}

const POST: &str = "POST /echo HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: 4\r\n\r\nbody";
const CHUNKS: &str = "A\r\nyou said: \r\n4\r\nbody\r\n0\r\n\r\n";

async fn echoed(address: SocketAddr) {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    stream.write_all(POST.as_bytes()).await.expect("sent");
    let answer = receive(&mut stream).await;
    assert_eq!(answer, raw("HTTP/1.1 200 OK", &["connection: close", "transfer-encoding: chunked"], CHUNKS));
}

#[tokio::test]
async fn a_client_that_leaves_at_any_byte_of_its_request_gives_its_place_back() {
    let (app, _) = one_at_a_time();
    let address = serve(app).await;
    for sent in 0..=POST.len() {
        let mut stream = TcpStream::connect(address).await.expect("connected");
        stream.write_all(&POST.as_bytes()[..sent]).await.expect("sent");
    }
    echoed(address).await;
}

#[tokio::test]
async fn a_client_that_leaves_at_any_byte_of_the_answer_gives_its_place_back() {
    let (app, _) = one_at_a_time();
    let address = serve(app).await;
    // The head, with its date, and the chunks: a little more than there is.
    for received in 0..200 {
        let mut stream = TcpStream::connect(address).await.expect("connected");
        stream.write_all(POST.as_bytes()).await.expect("sent");
        let mut answer = vec![0; received];
        let _ = soon(stream.read_exact(&mut answer)).await;
    }
    echoed(address).await;
}

/// Answers whose bodies hyper does not ask to their ends: none of them, to HEAD; one that says so; one that is known.
#[tokio::test]
async fn places_come_back_from_answers_of_every_kind() {
    let (app, handle) = one_at_a_time();
    let address = serve(app).await;
    for head in ["HEAD /hello HTTP/1.1", "GET /hello HTTP/1.1", "HEAD /echo HTTP/1.1", "GET /nowhere HTTP/1.1"] {
        let _ = ask(address, head).await;
    }
    echoed(address).await;
    soon(async {
        while handle.snapshot().in_use > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Fails the first request with a 502, before it has read any of its body if so told, and then echoes.
async fn flaky(reads: bool) -> (SocketAddr, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let handler = any(move |body: Body| {
        let first = counter.fetch_add(1, SeqCst) == 0;
        async move {
            if first && !reads {
                return Err(StatusCode::BAD_GATEWAY);
            }
            let read = body.collect().await.map_err(|_| StatusCode::BAD_REQUEST)?.to_bytes();
            if first { Err(StatusCode::BAD_GATEWAY) } else { Ok(read) }
        }
    });
    (serve(Router::new().route("/", handler)).await, calls)
}

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// A client over a connection of its own for each attempt.
async fn put<B>(address: SocketAddr, body: B) -> (StatusCode, Bytes)
where
    B: http_body::Body<Data = Bytes, Error: Into<Failed>> + Send + Unpin + 'static,
{
    let connect = service_fn(move |req: Request<Replay<B>>| async move {
        let stream = TcpStream::connect(address).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok::<_, Failed>(sender.send_request(req).await?)
    });
    let stack = Stack::new()
        .classify(ByStatus::new())
        .layer(ReplayBodies::new())
        .retry(retry::RetryLayer::new(retry::Settings::new()).replay(ReplayRequests::new()));
    let request = Request::put("/").header("host", "test").body(body).expect("valid");
    let response = soon(stack.wrap(connect).oneshot(request)).await.expect("answered");
    let status = response.status();
    (status, response.into_body().collect().await.expect("whole").to_bytes())
}

#[tokio::test]
async fn a_body_is_sent_again_over_another_connection() {
    for reads in [true, false] {
        let (address, calls) = flaky(reads).await;
        let (status, echo) = put(address, Full::<Bytes>::from("all of it")).await;
        assert_eq!((status, &echo[..], calls.load(SeqCst)), (StatusCode::OK, &b"all of it"[..], 2));
        let (address, _) = flaky(reads).await;
        let pieces = ["in ", "pieces"].map(|piece| Ok::<_, Infallible>(Bytes::from(piece)));
        let (status, echo) = put(address, Body::from_stream(futures_util::stream::iter(pieces))).await;
        assert_eq!((status, &echo[..]), (StatusCode::OK, &b"in pieces"[..]));
    }
}

#[tokio::test]
async fn a_body_beyond_the_cap_arrives_whole_and_once() {
    let (address, calls) = flaky(true).await;
    let megabyte = vec![b'x'; 1 << 20];
    let chunks: Vec<_> =
        megabyte.chunks(1000).map(|chunk| Ok::<_, Infallible>(Bytes::copy_from_slice(chunk))).collect();
    let upload = || Body::from_stream(futures_util::stream::iter(chunks.clone()));
    assert_eq!(put(address, upload()).await.0, StatusCode::BAD_GATEWAY);
    assert_eq!(calls.load(SeqCst), 1);
    let (status, echo) = put(address, upload()).await;
    assert_eq!((status, echo == megabyte), (StatusCode::OK, true));
}

/// In memory, where time can be paused: a client sends the beginning of a body, and then nothing.
#[tokio::test(start_paused = true)]
async fn a_client_that_stops_in_the_middle_of_its_body_is_told_so_and_keeps_nobody() {
    let (mut client, server) = tokio::io::duplex(1024);
    let handler =
        service_fn(|req: Request<plimsoll::http::body_timeout::TimedBody<hyper::body::Incoming>>| async move {
            let slow = match req.into_body().collect().await {
                Ok(_) => false,
                Err(error) => error.downcast_ref::<BodyTooSlow>().is_some(),
            };
            let status = if slow { StatusCode::REQUEST_TIMEOUT } else { StatusCode::OK };
            Ok::<_, Infallible>(Response::builder().status(status).body(Full::<Bytes>::default()).expect("valid"))
        });
    let service =
        TowerToHyperService::new(Stack::new().layer(BodyTimeout::requests(Duration::from_secs(5))).wrap(handler));
    let connection =
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(server), service));
    client.write_all(b"POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 10\r\n\r\nhalf").await.expect("sent");
    let answer = receive(&mut client).await;
    assert_eq!(answer.status, "HTTP/1.1 408 Request Timeout");
    let _ = soon(connection).await.expect("no panic");
}

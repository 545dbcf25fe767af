//! How long a caller will wait, across the wire.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo};
use plimsoll::{
    Reason, Stack, clock,
    grpc::{self, Codes, Detailed},
    http::{RespondRejections, SendDeadline, TimeLeft, Trusted},
    timeout::TimeoutLayer,
};
use tonic::{Code, Request, Status};
use tower::{ServiceExt, service_fn};

use crate::echo::{Echo, PATH, channel, say, serve, text};

const MINUTE: Duration = Duration::from_secs(60);

/// Heeds the deadline that a call brings.
fn heeding() -> TimeoutLayer<impl plimsoll::request::DeadlineOf<http::Request<tonic::body::Body>> + Clone> {
    TimeoutLayer::new(MINUTE).deadline_by(Trusted::everybody().deadline(TimeLeft::grpc()))
}

/// Answers with how many milliseconds are left.
fn telling() -> Echo {
    Echo::new(|_| async {
        let left = plimsoll::request::current().deadline.since(clock::now());
        Ok(left.as_millis().to_string())
    })
}

async fn left<S>(service: S, req: Request<String>) -> u64
where
    S: tower::Service<Request<String>, Response = tonic::Response<String>, Error = Status>,
{
    let answer = service.oneshot(req).await.expect("served");
    answer.into_inner().parse().expect("a number")
}

#[tokio::test]
async fn what_is_left_at_the_client_is_what_is_left_at_the_server_less_the_margin() {
    let stack = Stack::new().layer(RespondRejections::new()).timeout(heeding());
    let address = serve(stack.wrapping(), telling()).await;
    let send = SendDeadline::new(TimeLeft::grpc()).with_margin(Duration::from_secs(5));

    // Where tonic's requests are.
    let calls = service_fn(move |req| say(channel(address), req));
    let stack = Stack::new().classify(Codes).timeout(Duration::from_secs(20)).layer(send.clone());
    assert!((1..=15_000).contains(&left(stack.wrap(calls), text("")).await));
    let mut asked = text("");
    asked.set_timeout(Duration::from_secs(10));
    assert!((1..=10_000).contains(&left(stack.wrap(calls), asked).await), "what the caller asked for itself");

    // Where HTTP's are, over a channel.
    let stack = Stack::new().classify(Codes).timeout(Duration::from_secs(20)).layer(send);
    let service = stack.service(channel(address)).map_err(Status::from);
    let calls = service_fn(move |req| say(service.clone(), req));
    assert!((1..=15_000).contains(&left(calls, text("")).await));
}

/// Sends a call and returns the fields of the answer's head. tonic's client would end the call itself, at the same time.
async fn raw(address: SocketAddr, grpc_timeout: &str) -> http::HeaderMap {
    let stream = tokio::net::TcpStream::connect(address).await.expect("listening");
    let (mut send, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("HTTP/2");
    tokio::spawn(connection);
    let req = http::Request::post(format!("http://{address}{PATH}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("grpc-timeout", grpc_timeout)
        // A message of no bytes.
        .body(Full::new(Bytes::from_static(&[0; 5])))
        .expect("good");
    send.send_request(req).await.expect("answered").headers().clone()
}

/// A server of tonic's heeds the deadline by itself, and says `CANCELLED` at its end.
#[tokio::test]
async fn a_deadline_that_passes_is_told_as_one() {
    let stack = Stack::new().layer(RespondRejections::new()).timeout(heeding());
    let address = serve(stack.wrapping(), Echo::new(|_| std::future::pending::<Result<String, Status>>())).await;
    for timeout in ["0n", "1n", "1m", "7m"] {
        let head = raw(address, timeout).await;
        assert_eq!(head["grpc-status"], "4", "{timeout}");
        assert_eq!(head["grpc-message"], "the caller's deadline has passed", "{timeout}");
        assert_eq!(head["grpc-retry-pushback-ms"], "-1", "{timeout}");
    }
}

/// tonic's client leaves at the end of the deadline that it sent, and tells its caller `CANCELLED`. A server that is through a
/// little earlier is heard.
#[tokio::test]
async fn a_server_with_a_margin_is_heard_by_a_client_that_leaves_in_time() {
    let deadline = Trusted::everybody().deadline(TimeLeft::grpc()).with_margin(Duration::from_secs(60));
    let timeout = TimeoutLayer::new(MINUTE).deadline_by(deadline);
    let stack = Stack::new().layer(RespondRejections::with(Detailed::new())).timeout(timeout);
    let address = serve(stack.wrapping(), telling()).await;
    let send = SendDeadline::new(TimeLeft::grpc());
    let client = Stack::new().timeout(MINUTE).layer(send).service(channel(address)).map_err(Status::from);
    let status = say(client, text("")).await.expect_err("a minute less a minute");
    assert_eq!(status.code(), Code::DeadlineExceeded);
    let refused = grpc::received(&status).expect("of ours");
    assert_eq!((refused.reason(), refused.was_dispatched()), (Reason::DeadlineExceeded, false));
}

#[tokio::test]
async fn junk_is_no_deadline() {
    let stack = Stack::new().layer(RespondRejections::new()).timeout(heeding());
    let address = serve(stack.wrapping(), telling()).await;
    for junk in ["", "5", "+1n", "-1S", "123456789n", "1s", "1.5S", "never"] {
        assert!(!raw(address, junk).await.contains_key("grpc-retry-pushback-ms"), "{junk}");
    }
}

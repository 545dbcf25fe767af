//! Three clients that have nothing in common, and a server.

use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

pub(crate) async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// An answer: its status, its headers in order but for the date and what is the connection's own, and its body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    pub(crate) headers: Vec<String>,
    pub(crate) body: String,
}

pub(crate) fn seen(status: u16, headers: &[&str], body: &str) -> Seen {
    let headers = headers.iter().map(|line| (*line).to_owned());
    Seen { status, headers: sorted(headers), body: body.to_owned() }
}

fn sorted(lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut lines: Vec<_> =
        lines.filter(|line| !line.starts_with("date:") && !line.starts_with("connection:")).collect();
    lines.sort();
    lines
}

fn lines(headers: &HeaderMap) -> Vec<String> {
    let text = |value: &HeaderValue| value.to_str().expect("ASCII").to_owned();
    sorted(headers.iter().map(|(name, value)| format!("{name}: {}", text(value))))
}

/// What all three see of `GET path` with these headers, which is the same.
pub(crate) async fn ask(address: SocketAddr, path: &str, headers: &[(&'static str, &str)]) -> Seen {
    let raw = by_hand(address, path, headers).await;
    assert_eq!(by_hyper(address, path, headers).await, raw, "hyper sees {path} otherwise");
    assert_eq!(by_reqwest(address, path, headers).await, raw, "reqwest sees {path} otherwise");
    raw
}

pub(crate) async fn by_hand(address: SocketAddr, path: &str, headers: &[(&'static str, &str)]) -> Seen {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let fields: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n{fields}\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).await.expect("text");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("not an answer: {text:?}"));
    let mut lines = head.lines().map(str::to_owned);
    let status_line = lines.next().expect("a status line");
    let status = status_line.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).expect("known");
    assert_eq!(status_line, format!("HTTP/1.1 {status} {reason}"));
    Seen { status, headers: sorted(lines), body: body.to_owned() }
}

pub(crate) async fn by_hyper(address: SocketAddr, path: &str, headers: &[(&'static str, &str)]) -> Seen {
    Connection::to(address).await.ask(path, headers).await
}

/// One connection of hyper's.
pub(crate) struct Connection(SendRequest<Empty<Bytes>>);

impl Connection {
    pub(crate) async fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("connected");
        let (sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("connected");
        tokio::spawn(connection);
        Self(sender)
    }

    pub(crate) async fn ask(&mut self, path: &str, headers: &[(&'static str, &str)]) -> Seen {
        let mut request = Request::get(path).header("host", "test");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.0.ready().await.expect("the connection stays");
        let response = self.0.send_request(request.body(Empty::new()).expect("valid")).await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), lines(response.headers()));
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        Seen { status, headers, body: String::from_utf8(body.to_vec()).expect("text") }
    }
}

pub(crate) async fn by_reqwest(address: SocketAddr, path: &str, headers: &[(&'static str, &str)]) -> Seen {
    let mut request = plain_reqwest().get(format!("http://{address}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.expect("an answer");
    let (status, headers) = (response.status().as_u16(), lines(response.headers()));
    Seen { status, headers, body: response.text().await.expect("text") }
}

/// It tries nothing again by itself, and sets no timer.
pub(crate) fn plain_reqwest() -> reqwest::Client {
    let client = reqwest::Client::builder().retry(reqwest::retry::never()).pool_idle_timeout(None).no_proxy();
    client.build().expect("a client")
}

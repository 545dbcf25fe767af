//! One attempt: a request over a real connection, as a tower service that any client stack can wrap.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tower::Service;

/// What the clients send; cloning one is how it is tried again.
pub(crate) type Request = http::Request<Empty<Bytes>>;
/// What comes back, body and all.
pub(crate) type Response = http::Response<Bytes>;

/// Connections that share the load: enough to spread over the cores, few enough to need no file descriptors.
const CONNECTIONS: usize = 8;

/// When the attempt that a response answers was sent; found in the response's extensions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SentAt(pub(crate) Instant);

/// A fixed set of HTTP/2 connections, taken in turn. Dropping the future of a call resets its stream.
#[derive(Debug, Clone)]
pub(crate) struct Wire {
    connections: Arc<[SendRequest<Empty<Bytes>>]>,
    attempts: Arc<AtomicUsize>,
}

impl Wire {
    /// Opens the connections; they live on the runtime that polls this.
    pub(crate) async fn connect(to: SocketAddr) -> Result<Self, Box<dyn std::error::Error>> {
        let mut connections = Vec::with_capacity(CONNECTIONS);
        for _ in 0..CONNECTIONS {
            let stream = tokio::net::TcpStream::connect(to).await?;
            stream.set_nodelay(true)?;
            // A client may have thousands of requests under way and give up on most of them.
            let (send, connection) = http2::Builder::new(TokioExecutor::new())
                .initial_max_send_streams(1_000_000)
                .max_concurrent_reset_streams(1_000_000)
                .handshake(TokioIo::new(stream))
                .await?;
            tokio::spawn(connection);
            connections.push(send);
        }
        Ok(Self { connections: connections.into(), attempts: Arc::default() })
    }

    /// Attempts made so far, over all clones.
    pub(crate) fn attempts(&self) -> usize {
        self.attempts.load(Ordering::Relaxed)
    }
}

impl Service<Request> for Wire {
    type Response = Response;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, hyper::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let turn = self.attempts.fetch_add(1, Ordering::Relaxed);
        let mut connection = self.connections[turn % self.connections.len()].clone();
        Box::pin(async move {
            let sent = SentAt(Instant::now());
            let (mut head, body) = connection.send_request(request).await?.into_parts();
            let body = body.collect().await?.to_bytes();
            head.extensions.insert(sent);
            Ok(Response::from_parts(head, body))
        })
    }
}

//! A gRPC service with nothing generated: one method that takes text and gives text, and what serves and calls it.

use std::{
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::uri::PathAndQuery;
use plimsoll::BoxError;
use tonic::{
    Request, Response, Status,
    body::Body,
    server::NamedService,
    service::Routes,
    transport::{Channel, Endpoint, Server, server::TcpIncoming},
};
use tower::{Layer, Service, service_fn};

use crate::codec::Text;

pub(crate) const PATH: &str = "/test.Echo/Say";

pub(crate) type Answer = Pin<Box<dyn Future<Output = Result<Response<String>, Status>> + Send>>;
pub(crate) type Handler = dyn Fn(Request<String>) -> Answer + Send + Sync;

/// As tonic's generated servers are.
#[derive(Clone)]
pub(crate) struct Echo(pub(crate) Arc<Handler>);

impl Echo {
    pub(crate) fn new<F>(handler: impl Fn(Request<String>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<String, Status>> + Send + 'static,
    {
        Self(Arc::new(move |req| {
            let answer = handler(req);
            Box::pin(async move { answer.await.map(Response::new) })
        }))
    }
}

impl NamedService for Echo {
    const NAME: &'static str = "test.Echo";
}

impl Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, req: http::Request<Body>) -> Self::Future {
        let handler = Arc::clone(&self.0);
        Box::pin(
            async move { Ok(tonic::server::Grpc::new(Text).unary(service_fn(move |req| handler(req)), req).await) },
        )
    }
}

/// Serves `echo` behind `layer`, over TCP.
pub(crate) async fn serve<L>(layer: L, echo: Echo) -> SocketAddr
where
    L: Layer<Routes> + Send + 'static,
    L::Service: Service<http::Request<Body>, Response = http::Response<Body>> + Clone + Send + 'static,
    <L::Service as Service<http::Request<Body>>>::Future: Send,
    <L::Service as Service<http::Request<Body>>>::Error: Into<BoxError> + Send + 'static,
{
    let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into()).expect("a port");
    let address = incoming.local_addr().expect("bound");
    tokio::spawn(Server::builder().layer(layer).serve_with_incoming(Routes::new(echo), incoming));
    address
}

/// A connection; it is made at the first call.
pub(crate) fn channel(address: SocketAddr) -> Channel {
    endpoint(address).connect_lazy()
}

pub(crate) fn endpoint(address: SocketAddr) -> Endpoint {
    Endpoint::from_shared(format!("http://{address}")).expect("a URI")
}

/// Calls as tonic's generated clients do.
pub(crate) async fn say<S>(service: S, req: Request<String>) -> Result<Response<String>, Status>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>>,
    S::Error: Into<BoxError>,
{
    let mut client = tonic::client::Grpc::new(service);
    client.ready().await.map_err(|error| Status::from_error(error.into()))?;
    client.unary(req, PathAndQuery::from_static(PATH), Text).await
}

pub(crate) fn text(text: &str) -> Request<String> {
    Request::new(text.to_owned())
}

//! One attempt: a request to one server, as a tower service that any stack can wrap.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use tower::{BoxError, Service};

use crate::tenants::Ask;

/// In which header a request says whose it is.
pub(crate) const TENANT: &str = "x-tenant";

/// A pool of connections to one server.
#[derive(Debug, Clone)]
pub(crate) struct Wire {
    client: Client<HttpConnector, Empty<Bytes>>,
    to: SocketAddr,
}

impl Wire {
    pub(crate) fn to(to: SocketAddr) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(Duration::from_millis(100)));
        let client = Client::builder(TokioExecutor::new()).retry_canceled_requests(false).build(connector);
        Self { client, to }
    }
}

impl Service<Ask> for Wire {
    type Response = StatusCode;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<StatusCode, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, ask: Ask) -> Self::Future {
        let request = http::Request::get(format!("http://{}/rows/{}", self.to, ask.rows))
            .header(TENANT, ask.tenant)
            .body(Empty::new());
        let client = self.client.clone();
        Box::pin(async move {
            let response = client.request(request?).await?;
            let status = response.status();
            response.into_body().collect().await?;
            Ok(status)
        })
    }
}

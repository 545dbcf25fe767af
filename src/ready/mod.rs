mod client;
mod ends;
#[cfg(feature = "grpc")]
pub(crate) mod grpc;
mod health;
#[cfg(feature = "http")]
pub(crate) mod http;
mod misfit;
mod observer;
pub mod perhaps;
mod served;
mod server;

pub use self::{
    client::{Asks as ClientAsks, Client, ClientStack, Never},
    ends::End,
    health::Health,
    misfit::Misfit,
    perhaps::Perhaps,
    served::Served,
    server::{Asks as ServerAsks, ByTenant, Gates, Quotas, Server, ServerStack, TenantLimit},
};
use tower_layer::Layer;

use crate::{
    builder::Wrapping,
    bulkhead,
    lint::{Rule, Subject, Warning},
};

/// What `stack.service(inner)` gives, for fields and signatures: `Around<ClientStack, Inner>`.
pub type Around<T, S> = <Wrapping<T> as Layer<S>>::Service;

/// A server's stack with the recommended order and defaults: see [`ready`](self).
pub fn server() -> Server {
    Server::new()
}

/// A client's stack with the recommended order and defaults: see [`ready`](self).
pub fn client() -> Client {
    Client::new()
}

/// A bulkhead that is wider than the pool that is behind it.
fn pool(bulkhead: Option<bulkhead::Settings>, places: Option<u32>) -> Option<Warning> {
    let (bulkhead, places) = bulkhead.zip(places)?;
    let limit = Subject::said(bulkhead.name(), "limit", bulkhead.limit());
    (bulkhead.limit().get() > places)
        .then(|| Warning::new(Rule::LimitAbovePool, limit, Some(Subject::said("the pool", "places", places))))
}

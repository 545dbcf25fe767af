//! Stacks with the recommended order and reasoned defaults: [`server`] and [`client`], and their forms for HTTP
//! ([`http::server`], [`http::client`]) and gRPC
#![cfg_attr(feature = "grpc", doc = "([`grpc::server`](crate::grpc::server), [`grpc::client`](crate::grpc::client)).")]
#![cfg_attr(not(feature = "grpc"), doc = "(with feature `grpc`).")]
//!
//! # Why
//! Nine rooms can be put in many orders with many settings, and most of these are worse than none. Here is one order
//! for each side of a call, with numbers that fit one another and a reason for each. Everything can be set, and
//! everything left out; what then does not fit together is found when the stack is built, and not in the night when it
//! matters.
//!
//! ```
//! use std::time::Duration;
//! use plimsoll::{bulkhead, rate_limit::Quota, request::Priority};
//! use tower::{ServiceExt, service_fn};
//!
//! struct Request { tenant: u64, is_checkout: bool, path: &'static str }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let stack = plimsoll::server()
//!     .priority_by(|r: &Request| if r.is_checkout { Priority::Critical } else { Priority::Normal })
//!     .tenant_by(|r: &Request| r.tenant)                                // asked once, for queue and rate limit
//!     .exempt_by(|r: &Request| r.path == "/health")
//!     .with_timeout(Duration::from_secs(5))
//!     .with_rate_limit(Quota::try_per_second(100)?)                     // for each tenant
//!     .with_bulkhead(bulkhead::Settings::try_new(32)?.with_name("db"))
//!     .with_pool(32)
//!     .try_stack()?;
//!
//! println!("{}", stack.describe());
//! let handles = stack.control();
//! handles.handle::<bulkhead::Handle>("db")?.update(bulkhead::Settings::try_new(16)?);
//!
//! let shop = stack.service(service_fn(|r: Request| async move { Ok::<_, std::io::Error>(r.path) }));
//! assert_eq!(shop.oneshot(Request { tenant: 7, is_checkout: true, path: "/buy" }).await?, "/buy");
//! # Ok(())
//! # }
//! ```
//!
//! The result is a [`Stack`](crate::Stack): put it around a service by [`service`](crate::Stack::service), into
//! `ServiceBuilder` or axum by [`wrapping`](crate::Stack::wrapping), add layers to it, have it counted, describe it,
//! and reach all of its layers by [`control`](crate::Stack::control). It shares its state however often it is layered;
//! each call of [`stack`](Server::stack) or [`try_stack`](Server::try_stack) makes another, with new state.
//!
//! # When to use it
//! To begin with: for a server, and for each callee of a client, as each callee has its own circuit, budget and
//! bulkhead.
//!
//! # When not to
//! Where the order itself has to be different, or a room is missing: [`shuffle_shard`](crate::shuffle_shard), a breaker
//! for each endpoint, two bulkheads. Then build a [`Stack`](crate::Stack) by hand, and let
//! [`Stack::warnings`](crate::Stack::warnings) check it.
//!
//! # The server
//! The outermost first:
//!
//! | layer | default | why |
//! |---|---|---|
//! | answers | only for [HTTP](#http) and [gRPC](#grpc) | a refused caller is told so at once, and not left in silence |
//! | [`timeout`](crate::timeout) | 10 s | beyond that nobody keeps their attention on an answer (Nielsen, *Usability Engineering*, 1993), and the clients of this page have left. The queue behind it knows how long callers wait |
//! | [deadline](Server::deadline_by) | not asked; for gRPC, `grpc-timeout` | a stranger's word is not taken unless you say so; a gRPC caller's can only shorten its own calls |
//! | [`overload_control`](crate::Stack::overload_control) | the defaults of [`surge_queue`](crate::surge_queue#defaults) and [`load_shed`](crate::load_shed#defaults) | no number is needed: they find out what can be done well, let bursts wait for a moment, and refuse the rest before it has cost anything |
//! | [`rate_limit`](crate::rate_limit) for each tenant | none | it is an agreement, which only you know. Below overload control, so that what is refused there costs no quota. [16,384](crate::keyed#defaults) tenants are remembered, under the name `rate_limit.tenants`; a description says what `each` has. All requests without a tenant share one quota |
//! | [`work_budget`](crate::work_budget) | none | only you know what a request costs |
//! | [`bulkhead`](crate::bulkhead) | none | only you know what is behind it, and how wide that is |
//! | [exempt](Server::exempt_by) | nobody | an exempt request bypasses all of these gates, and the question is asked once; the timeout still holds |
//! | [judge](Server::classify) | an answer is a success; for HTTP and gRPC, [`Served`] by status or code | what failed in a millisecond says nothing about how long work takes; and no answer from a handler is a sign of overload |
//!
//! # The client
//! The outermost first:
//!
//! | layer | default | why |
//! |---|---|---|
//! | total [`timeout`](crate::timeout) | 10 s, named `timeout.total` | as the server's: nobody waits for longer |
//! | [`retry`](crate::retry) | [its own](crate::retry#defaults): three attempts within a budget of 10 % | what failed by chance is hidden, and a callee that is down gets a tenth more, not three times as much |
//! | [replay](Client::replay) | requests are cloned; for HTTP, [`ReplayRequests`](crate::http::ReplayRequests) | **say what must not be sent twice**, unless you speak HTTP, whose methods say it |
//! | [`bulkhead`](crate::bulkhead) | 100, nobody waits | a callee that hangs holds no more than that. It is the least number of streams that an HTTP/2 server should allow on a connection (RFC 9113, section 6.5.2), and enough for a thousand calls a second of 100 ms each |
//! | [`circuit_breaker`](crate::circuit_breaker) | [its own](crate::circuit_breaker#defaults), judged by [`Health`] | inside the retry, so that each attempt is judged and an open circuit ends the attempts. A callee that sheds load is well |
//! | attempt [`timeout`](crate::timeout) | 3 s, named `timeout.attempt` | three of them, with 150 ms of pauses, fit into the total; and one survives a lost SYN, which TCP repeats after 1 s (RFC 6298). Innermost, so that the breaker sees a callee that hangs |
//! | [deadline](Client::deadline_by) | that of timeouts further out in the same task | a server's handler that calls others passes its own deadline on with no code |
//! | [judge](Client::classify) | an answer is a success; for HTTP and gRPC, by status or code | one judge for the retry and, in matters of [health](Health), for the breaker |
//!
//! # HTTP
//! `http::server()` has [`RespondRejections`](crate::http::RespondRejections) outermost, so errors are the handler's
//! own again: `Infallible`, for axum. It believes no header; if you trust some callers, say so:
//!
//! ```
//! # #[cfg(feature = "http")]
//! # {
//! use axum::{Router, body::Body, extract::Request, routing::get};
//! use plimsoll::http::{TimeLeft, Trusted};
//!
//! # #[derive(Clone)] struct Verified;
//! let inside = Trusted::when(|req: &Request<Body>| req.extensions().get::<Verified>().is_some());
//! let stack = plimsoll::http::server()
//!     .deadline_by(inside.deadline(TimeLeft::envoy()))
//!     .priority_by(inside.priority())
//!     .tenant_by(inside.tenant(http::HeaderName::from_static("x-tenant")))
//!     .stack();
//! let app: Router = Router::new().route("/", get(|| async { "hello" })).layer(stack.wrapping());
//! # let _ = app;
//! # }
//! ```
//!
//! `http::client()` understands statuses and `Retry-After` ([`ByStatus`](crate::http::ByStatus)), tries idempotent
//! requests again, with bodies of up to 64 KiB ([`ReplayBodies`](crate::http::ReplayBodies), which the transport gets
//! as [`Replay`](crate::http::Replay)), and tells the callee how much time is left, by `x-envoy-expected-rq-timeout-ms`
//! ([`SendDeadline`](crate::http::SendDeadline)). A load balancer that answers 503 for a callee that is gone looks like
//! a callee that sheds load: where yours never shed, [say so](Client::with_shedding_as_failure), or that is the one
//! thing for which the circuit does not open.
//!
//! A client whose requests and responses have types of their own, reqwest's, say, goes into [`client`], which is told
//! where to find status and headers:
//!
//! ```
//! # #[cfg(feature = "http")]
//! # {
//! use plimsoll::http::ByStatus;
//! use reqwest::{Request, Response};
//!
//! let stack = plimsoll::client()
//!     .classify(ByStatus::new().of(|r: &Response| (r.status(), r.headers())))
//!     .replay(|r: &Request, _attempt: u32| if r.method().is_idempotent() { r.try_clone() } else { None })
//!     .stack();
//! let inventory = stack.service(reqwest::Client::new());
//! # fn serves(_: &impl tower::Service<Request>) {}
//! # serves(&inventory);
//! # }
//! ```
//!
//! # gRPC
//! As for HTTP, with details in the answers, `grpc-timeout` in both directions, and gRPC's codes; see
#![cfg_attr(feature = "grpc", doc = "[`grpc::server`](crate::grpc::server) and [`grpc::client`](crate::grpc::client).")]
#![cfg_attr(not(feature = "grpc"), doc = "feature `grpc`.")]
//! The client goes around the calls of a generated client. Around a `Channel`, use
//! [`http::client`](crate::http::client), with gRPC's judge and header.
//!
//! # What fits together
//! [`try_stack`](Server::try_stack) refuses what cannot have been meant, and says which settings do not fit, their
//! values, and what to change. What is legal but will hurt is a [`Warning`]: [`warnings`](Server::warnings) returns
//! them, and with feature `tracing` they are logged once, when the stack is built, at level `warn`. The
//! [rules](crate::lint) are those for all stacks, and two that know what a stack alone does not.
//!
//! ```
//! use std::time::Duration;
//!
//! let misfit = plimsoll::client().with_total_timeout(Duration::from_secs(2)).try_stack().unwrap_err();
//! assert_eq!(
//!     misfit.to_string(),
//!     "timeout.attempt (limit 3s) is not shorter than the one outside of it, timeout.total (limit 2s): \
//!      it never ends anything. Shorten it, or lengthen the outer one",
//! );
//!
//! let hasty = plimsoll::client().with_total_timeout(Duration::from_secs(5));
//! assert_eq!(
//!     hasty.warnings()[0].to_string(),
//!     "retry (attempts 3 of 3s each, with pauses of up to 150ms) may take longer than timeout.total (limit 5s): the last \
//!      attempts are cut off, and were for nothing. Allow fewer attempts, a shorter timeout for each, or a longer one for the \
//!      whole",
//! );
//! assert!(hasty.try_stack().is_ok());
//! ```
//!
//! # In a field
//! The types can be named, as long as no closure is in them; [`Around`] is a stack's service:
//!
//! ```
//! use plimsoll::{Error, ready::{Around, ClientStack}};
//! # use std::{future::{Ready, ready}, task::{Context, Poll}};
//! use tower::ServiceExt;
//!
//! # #[derive(Clone)] struct Database;
//! # impl tower::Service<u64> for Database {
//! #     type Response = u64; type Error = std::io::Error; type Future = Ready<Result<u64, std::io::Error>>;
//! #     fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), std::io::Error>> { Poll::Ready(Ok(())) }
//! #     fn call(&mut self, id: u64) -> Self::Future { ready(Ok(id)) }
//! # }
//! struct Repository {
//!     database: Around<ClientStack, Database>,
//! }
//!
//! impl Repository {
//!     fn new(database: Database) -> Self {
//!         Self { database: plimsoll::client().with_name("db").stack().service(database) }
//!     }
//!
//!     async fn find(&self, id: u64) -> Result<u64, Error<std::io::Error>> {
//!         self.database.clone().oneshot(id).await
//!     }
//! }
//! # tokio_test::block_on(async { assert_eq!(Repository::new(Database).find(7).await.expect("found"), 7) });
//! ```
//!
//! # What it costs
//! A layer that is left out costs a branch, and the types are the same with it and without. Nothing else differs from
//! the stack that you would write by hand; nothing is allocated on the ready path.

mod client;
mod ends;
#[cfg(feature = "grpc")]
pub(crate) mod grpc;
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
    misfit::Misfit,
    perhaps::Perhaps,
    served::Served,
    server::{Asks as ServerAsks, ByTenant, Gates, Quotas, Server, ServerStack, TenantLimit},
};
use tower_layer::Layer;

pub use crate::classify::Health;
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

/// A bulkhead that is wider than the pool behind it.
fn pool(bulkhead: Option<bulkhead::Settings>, places: Option<u32>) -> Option<Warning> {
    let (bulkhead, places) = bulkhead.zip(places)?;
    let limit = Subject::said(bulkhead.name(), "limit", bulkhead.limit());
    (bulkhead.limit().get() > places)
        .then(|| Warning::new(Rule::LimitAbovePool, limit, Some(Subject::said("the pool", "places", places))))
}

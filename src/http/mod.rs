//! At home in HTTP, whatever the framework: axum, hyper, tonic, reqwest and everything that uses the types of the crate
//! `http`.
//!
//! | you want | there is | it goes |
//! |---|---|---|
//! | a whole stack, with the recommended order | [`server`], [`client`] | around a service; [what is in it](crate::ready) |
//! | refusals to be answered, over HTTP and gRPC | [`RespondRejections`] | outermost on a server |
//! | callers to know their quota | [`AnnounceQuota`] | outside that |
//! | the caller's deadline, priority or tenant from headers | [`Trusted`] | into `deadline_by`, `priority_by`, `tenant_by` |
//! | a permit held until the response's body ends | [`Stack::until_body_ends`](crate::Stack::until_body_ends), [`UntilBodyEnds`] | after the gate |
//! | no body to hang or drip | [`BodyTimeout`] | requests': outermost; responses': innermost |
//! | responses judged, and `Retry-After` heard | [`ByStatus`] | into [`Stack::classify`](crate::Stack::classify) |
//! | a circuit that stays closed while the callee sheds | [`ByStatus::health`] | into the breaker's own `classify` |
//! | requests with bodies to be tried again | [`ReplayBodies`], [`ReplayRequests`] | around, and into, a retry |
//! | the callee to know how long there is | [`SendDeadline`] | innermost on a client |
//! | requests to carry what the layers know | [`Extensions`] | into `carry` of a timeout or a retry |
//!
//! # Refusals become answers
//! A server has to answer everybody. [`RespondRejections`] goes outermost; it turns
//! [`Error::Rejected`](crate::Error::Rejected) into a response, and the error type becomes the inner service's own
//! again: `Infallible`, for axum.
//!
//! ```
//! use std::time::Duration;
//! use axum::{Router, routing::get};
//! use plimsoll::{Stack, bulkhead, http::RespondRejections};
//!
//! let stack = Stack::new()
//!     .layer(RespondRejections::new())
//!     .timeout(Duration::from_secs(2))
//!     .bulkhead(bulkhead::Settings::try_new(64)?.with_wait(64, Duration::from_millis(100)));
//!
//! let app: Router = Router::new()
//!     .route("/", get(|| async { "hello" }))
//!     .layer(stack.wrapping());
//! # let _ = app;
//! # Ok::<_, plimsoll::InvalidSetting>(())
//! ```
//!
//! Routes layered from one stack share its limits.
//!
//! * The **status** is the one beside the reason in its [table](crate::Reason): 429 where the caller sent too much, 422
//!   where it asked for too much, 503 where there was no room, 504 where there was no time; or [your
//!   own](respond::Settings::try_with_status).
//! * **`Retry-After`** says what is known, in whole seconds, rounded up and at least one. For a caller's own rate limit
//!   it is exact; callers that find no room may be [spread](respond::Settings::with_jitter).
//! * The **body** is empty, a [problem](RespondRejections::problems) (RFC 9457), or [what a closure
//!   says](RespondRejections::with). The first and the last need a body that is `Default`; a problem, and
//!   [`with_own_body`](RespondRejections::with_own_body), work with any, as `Either`.
//! * **gRPC** callers, told by `content-type: application/grpc`, get HTTP 200 and headers alone: `grpc-status`,
//!   `grpc-message`, and `grpc-retry-pushback-ms` where that is known, or -1 where a retry is in vain. So one stack may
//!   stand in front of a server that speaks both. gRPC-Web gets plain HTTP answers. Feature `grpc` adds details.
//! * A refusal by **readiness** becomes the answer to the next request; left an error, it would make hyper close the
//!   connection.
//!
//! # What callers say of themselves
//! Anybody can send any header. [`Trusted`] reads deadline, priority and tenant from the headers of callers that you
//! trust, and ignores everybody else's; a value that is not exactly as it should be counts as absent. [Its
//! page](Trusted) has a server's stack.
//!
//! # A client
//! ```
//! use std::time::Duration;
//! use http::Request;
//! use plimsoll::{
//!     Stack, circuit_breaker,
//!     http::{ByStatus, ReplayBodies, ReplayRequests, SendDeadline, TimeLeft},
//!     retry,
//! };
//! # use http_body_util::Full;
//! # let client = tower::service_fn(|_: Request<plimsoll::http::Replay<Full<bytes::Bytes>>>| async {
//! #     Ok::<_, std::io::Error>(http::Response::new(()))
//! # });
//!
//! let stack = Stack::new()
//!     .timeout(Duration::from_secs(5))
//!     .classify(ByStatus::new())                                  // 429, 5xx and what they ask for
//!     .layer(ReplayBodies::new())                                 // up to 64 KiB of each body
//!     .retry(retry::RetryLayer::new(retry::Settings::new()).replay(ReplayRequests::new()))
//!     .classify(ByStatus::new().health())                         // what says "not now" is not down
//!     .circuit_breaker(circuit_breaker::Settings::new())
//!     .timeout(Duration::from_secs(1))
//!     .layer(SendDeadline::new(TimeLeft::envoy()));               // what is left of that second
//! let client = stack.service(client);
//! # tokio_test::block_on(tower::ServiceExt::oneshot(client, Request::new(Full::default()))).expect("answered");
//! ```
//!
//! The transport gets `Request<`[`Replay`]`<B>>`; hyper's clients take any body. For a client with a body type of its
//! own, a `tower::util::MapRequestLayer` goes innermost: `|req: Request<Replay<B>>| req.map(axum::body::Body::new)`.
//!
//! For reqwest's client, whose requests and responses are types of its own, closures say where the heads are, and
//! `try_clone` copies what can be copied. reqwest retries some things by itself; one of the two is enough.
//!
//! ```
//! use std::time::Duration;
//! use plimsoll::{
//!     Stack, circuit_breaker,
//!     http::{ByStatus, SendDeadline, TimeLeft},
//!     retry::{self, RetryLayer},
//! };
//! use reqwest::{Client, Request, Response};
//!
//! # fn main() -> Result<(), reqwest::Error> {
//! let judge = ByStatus::new().of(|r: &Response| (r.status(), r.headers()));
//! let replay = |r: &Request, _attempt: u32| if r.method().is_idempotent() { r.try_clone() } else { None };
//! let stack = Stack::new()
//!     .timeout(Duration::from_secs(5))
//!     .classify(judge)
//!     .retry(RetryLayer::new(retry::Settings::new()).replay(replay))
//!     .classify(judge.health())
//!     .circuit_breaker(circuit_breaker::Settings::new())
//!     .timeout(Duration::from_secs(1))
//!     .layer(SendDeadline::new(TimeLeft::envoy()).of(|r: &mut Request| r.headers_mut()));
//! let client = stack.service(Client::builder().retry(reqwest::retry::never()).build()?);
//! # fn serves<S: tower::Service<Request, Response = Response, Error = plimsoll::Error<reqwest::Error>> + Clone + Send + Sync + 'static>(_: S) {}
//! # serves(client);
//! # Ok(())
//! # }
//! ```
//!
//! # Requests carry what the layers know
//! With `.carry(`[`Extensions`]`)` on a timeout or a retry, the request carries its deadline and the number of the
//! attempt to its handler, across `spawn` too.
//!
//! # What it costs
//! None of these layers locks, boxes a future, or allocates anything for a request that is let in and answered, with
//! three exceptions: a replayed body costs an allocation and a lock that its attempts share; a timed body that is not
//! there at once, its timer; and the fields of a quota, their text. Answers to refused requests have headers and
//! bodies, which allocate; a bare [`Error`](crate::Error) does not.

pub mod body_timeout;
mod carry;
mod fields;
mod grpc_timeout;
mod headed;
pub mod hold;
mod judge;
mod priority;
pub mod quota;
pub mod replay;
pub mod respond;
mod send_deadline;
mod time_left;
mod trust;
mod wall;

pub use self::{
    body_timeout::BodyTimeout,
    carry::Extensions,
    headed::Headed,
    hold::UntilBodyEnds,
    judge::{Adjust, ByStatus, HeadOf, Plain, Unadjusted},
    quota::{AnnounceQuota, Quota},
    replay::{Replay, ReplayBodies, ReplayRequests},
    respond::{Answer, HeadersOnly, Problems, RespondRejections},
    send_deadline::{HeadersOf, SendDeadline, SendingDeadline},
    time_left::TimeLeft,
    trust::{Believed, Deadline, Everybody, Tenant, Trust, Trusted, Urgency},
    wall::Wall,
};
pub use crate::ready::http::{HttpClient, HttpClientStack, HttpServer, HttpServerStack, client, server};

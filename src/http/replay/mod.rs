//! Send a request's body again.
//!
//! A body is a stream, and once it is sent it is gone; so a request that has one is tried once, however often its method
//! may be. [`ReplayBodies`], around a retry, lets the attempts read from a tape: what the first attempt reads of the body is
//! kept on the way, up to a cap, and the next one reads that, and then what is left. Nothing is read ahead, so a body that
//! waits for its answer streams as it would; beyond the cap it streams on, nothing is kept any more, and the request is not
//! tried again.
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::{BodyExt, Full};
//! use plimsoll::{
//!     Error, Stack,
//!     http::{ByStatus, Replay, ReplayBodies, ReplayRequests},
//!     retry,
//! };
//! use tower::{ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), plimsoll::BoxError> {
//! let stack = Stack::new()
//!     .classify(ByStatus::new())
//!     .layer(ReplayBodies::new())
//!     .retry(retry::RetryLayer::new(retry::Settings::new()).replay(ReplayRequests::new()));
//!
//! // It reads the body, and fails the first time.
//! let client = service_fn(|req: Request<Replay<Full<Bytes>>>| async move {
//!     let first = plimsoll::request::current().attempt == 1;
//!     let body = req.into_body().collect().await?.to_bytes();
//!     let status = if first { 502 } else { 200 };
//!     Ok::<_, plimsoll::BoxError>(Response::builder().status(status).body(body).expect("valid"))
//! });
//!
//! let service = stack.wrap(client);
//! let response = service.oneshot(Request::put("/").body(Full::from("all of it"))?).await?;
//! assert_eq!((response.status().as_u16(), &response.body()[..]), (200, &b"all of it"[..]));
//! # Ok(())
//! # }
//! ```
//!
//! # What is tried again
//! By [`ReplayRequests`]: requests of [idempotent](is_idempotent) methods, and those with an `Idempotency-Key`, whose body is
//! still whole on the tape. A body that was found to be larger than the cap, that failed, or whose sender left early is not.
//! A retry judges a response by its head, before any byte of its body has reached the caller, and never after.
//!
//! # What it costs
//! A request without a body, or whose length is known to be beyond the cap, nothing. Others: one allocation, two uncontended
//! locks for each frame (none is held while the body is polled), and a copy of what is kept; that is copied so that the cap
//! is what it says, and does not pin a large buffer for each small piece. Where no other attempt may follow, nothing is kept.
//! The body has to be `Unpin`; box one that is not. Errors are boxed, as by other bodies that have something to add: the
//! body's own, unchanged, or a [`ReplayError`].

mod body;
mod layer;
mod requests;
mod tape;

pub use self::{
    body::Replay,
    layer::{ReplayBodies, ReplayingBodies},
    requests::{Idempotent, Repeatable, ReplayRequests, is_idempotent},
    tape::ReplayError,
};

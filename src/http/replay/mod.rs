//! Send a request's body again.
//!
//! A body is a stream, and once it is sent it is gone; so a request that has one is tried only once, even if its method
//! is idempotent. [`ReplayBodies`], around a retry, lets the attempts read from a tape: what the first attempt reads of
//! the body is kept, up to a cap, and the next attempt reads that, and then the rest of the body. Nothing is read
//! ahead, so a body that waits for an answer before it goes on streams as before. Beyond the cap it streams on, nothing
//! is kept, and the request is not tried again.
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
//! With [`ReplayRequests`]: requests of [idempotent](is_idempotent) methods, and those with an `Idempotency-Key`, whose
//! body is still whole on the tape. It is not if it turned out larger than the cap, if it failed, or if its sender left
//! early. A retry judges a response by its head, before any byte of its body has reached the caller, and never after.
//!
//! # What it costs
//! Nothing for a request without a body, or with one known to be larger than the cap. For others, one allocation, two
//! uncontended locks for each frame (none is held while the body is polled), and a copy of what is kept: without a
//! copy, each small piece could pin a large buffer, and the cap would be no cap. Where no other attempt may follow,
//! nothing is kept. The body has to be `Unpin`; box one that is not. Errors are boxed, as with other bodies that add
//! errors to the inner one's: the body's own, unchanged, or a [`ReplayError`].

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

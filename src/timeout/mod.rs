//! Don't wait for ever.
//!
//! # Why
//! A callee that hangs holds whatever its caller holds: memory, a connection, a permit, a person. An answer that comes
//! after the caller has given up is work for nothing.
//!
//! # When to use it
//! Outermost on a server, so that no request is worked on longer than anybody waits. Twice on a client: one for the
//! whole call, outside retry, and a shorter one for each attempt, inside it. [`Settings::try_total_and_attempt`] makes
//! the pair. Choose the attempt's so that few good answers are cut off: the callee's 99.9th percentile and a bit more.
//!
//! # When not to
//! For work that must not be given up half-way: the inner future is dropped when the time is up, wherever it is. To
//! bound how long a request *queues*: the rooms that queue have bounds of their own.
//!
//! # What the caller sees
//! | | |
//! |---|---|
//! | it | **bounds**; it **refuses** a request whose deadline has passed already |
//! | [`Reason`](crate::Reason) | `Timeout`, or `DeadlineExceeded` if it was the deadline that came with the request |
//! | `retry_after` | not known |
//! | dispatched | yes, since it may have been; no if the deadline had passed before |
//! | `poll_ready` | the inner service's |
//! | cancel safety | dropping the future drops the inner one; nothing else is held |
//!
//! The limit counts from the first poll that finds the inner future pending: a call answered at once needs neither
//! clock nor timer. Time spent in `poll_ready` does not count; gates are always ready and drive the readiness of what
//! is behind them in the future, where it does. When the time is up the inner future is dropped at once, before the
//! caller hears of it. A timer needs a tokio runtime with time enabled.
//!
//! # Place in the stack
//! See "When to use it". A circuit breaker belongs above the per-attempt timeout, so that it sees a callee that hangs.
//! What is further in finds out how long it has by [`request::current`](crate::request::current), and the rooms heed
//! it: retry does not start a delay that it cannot finish, and a bulkhead lets nobody wait longer.
//!
//! # Defaults
//! | setting | default | why |
//! |---|---|---|
//! | [limit](Settings::new) | none: you choose | only you know how long an answer is of use |
//! | [deadline of the request](TimeoutLayer::deadline_by) | not asked | a stranger's word is not taken unless you say so |
//! | [limit of the request](TimeoutLayer::timeout_by) | not asked | most requests of a stack are alike |
//! | name | `timeout` | give each limit its own where there are two |
//!
//! # Events
//! | event | when |
//! |---|---|
//! | [`Refused`](crate::Event::Refused) | the time is up, or was up before the call began |
//!
//! # Example
//! ```
//! use std::time::Duration;
//! use plimsoll::{Error, Reason, Stack};
//! use tower::{Service, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let stack = Stack::new().timeout(Duration::from_millis(10));
//! let mut hung = stack.service(service_fn(|_: ()| std::future::pending::<Result<(), std::io::Error>>()));
//!
//! let error = hung.call(()).await.unwrap_err();
//! assert!(matches!(error, Error::Rejected(r) if r.reason() == Reason::Timeout && r.was_dispatched()));
//! # }
//! ```
//!
//! # How it decides
//! ```text
//!  request ──▶ deadline past? ─yes─▶ refused
//!                  │no
//!                  ▼
//!            poll inner first ─ready─▶ answered
//!                  │pending
//!                  ▼
//!            set a timer once for min(limit, deadline) ─due─▶ drop inner, refused
//! ```
//! Every call costs O(1), and allocates nothing. A call answered at once needs no clock, timer or lock; one that is
//! pending, one clock read and one timer, which lives in the future.

mod future;
mod handle;
mod layer;
mod limit;
mod service;
mod settings;

pub use self::{
    future::ResponseFuture,
    handle::{Handle, Snapshot},
    layer::TimeoutLayer,
    service::Timeout,
    settings::Settings,
};

//! At home in HTTP: refusals become answers, and requests carry what the layers know.
//!
//! # Refusals become answers
//! A server has to say something to everybody. [`RespondRejections`] goes outermost; it turns
//! [`Error::Rejected`](crate::Error::Rejected) into a response, and the error type becomes the inner service's own
//! again: `Infallible`, for axum. The status is the reason's in its [table](crate::Reason): 503 where there was no
//! room, 504 where there was no time. `Retry-After` says what is known, in whole seconds, rounded up.
//!
//! ```
//! # #[cfg(feature = "http")]
//! # fn main() -> Result<(), plimsoll::InvalidSetting> {
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
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "http"))]
//! # fn main() {}
//! ```
//!
//! Routes layered from one stack share its limits. A body of your own is a closure:
//! [`RespondRejections::with`]`(|rejection: &Rejection, response: Response<()>| …)`.
//!
//! # Requests carry what the layers know
//! With `.carry(`[`Extensions`]`)` on a timeout or a retry, the request takes its deadline and the number of the attempt
//! along to its handler, across `spawn` too.

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
    send_deadline::{SendDeadline, SendingDeadline},
    time_left::TimeLeft,
    trust::{Believed, Deadline, Everybody, Tenant, Trust, Trusted, Urgency},
    wall::Wall,
};

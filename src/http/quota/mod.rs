//! Tell callers how much they have left.
//!
//! A caller that knows its quota can slow down before it is refused. [`AnnounceQuota`] puts the fields `RateLimit-Policy`
//! and `RateLimit` on each response, the refusals among them, as draft-ietf-httpapi-ratelimit-headers-10 has them:
//!
//! ```text
//! RateLimit-Policy: "default";q=100;w=60
//! RateLimit: "default";r=50;t=30
//! ```
//!
//! It goes outermost, outside of [`RespondRejections`](super::RespondRejections), and takes its numbers from whoever limits.
//! Asked about a request, it answers with a question for later: the numbers are those after the request was counted.
//!
//! ```
//! use std::{convert::Infallible, time::Duration};
//! use http::{Request, Response};
//! use plimsoll::http::quota::{AnnounceQuota, Quota};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // One call a request; a closure that asks your rate limit for the caller's numbers goes where the constants are.
//! let minute = Quota::new("per-minute", 100).with_window(Duration::from_secs(60));
//! let announce = AnnounceQuota::new(move |_: &Request<()>| move || Some(minute.left(50, Duration::from_secs(30))));
//!
//! let service = ServiceBuilder::new()
//!     .layer(announce)
//!     .service(service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(())) }));
//! let response = service.oneshot(Request::new(())).await?;
//! assert_eq!(response.headers()["ratelimit"], r#""per-minute";r=50;t=30"#);
//! assert_eq!(response.headers()["ratelimit-policy"], r#""per-minute";q=100;w=60"#);
//! # Ok(())
//! # }
//! ```

mod fields;
mod future;
mod service;

pub use self::{
    fields::Quota,
    future::ResponseFuture,
    service::{AnnounceQuota, Announcing, QuotaOf},
};

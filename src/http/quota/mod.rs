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
//! It goes outermost, outside [`RespondRejections`](super::RespondRejections), and gets its numbers from the handle of
//! a [rate limit](crate::rate_limit), or from a closure that is given the request and returns another, to be called
//! when the response is there. The numbers are those after the request was counted.
//!
//! ```
//! use http::{Request, Response};
//! use plimsoll::{
//!     Stack,
//!     http::{AnnounceQuota, RespondRejections},
//!     rate_limit::{Quota, RateLimit, Settings},
//! };
//! use tower::{Service, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let limit = RateLimit::new(Settings::new(Quota::try_per_minute(2)?).with_name("reports"));
//! let stack = Stack::new()
//!     .layer(AnnounceQuota::new(limit.handle()))
//!     .layer(RespondRejections::new())
//!     .rate_limit(limit);
//! let mut reports = stack.service(service_fn(|_: Request<()>| async { Ok::<_, std::io::Error>(Response::new(())) }));
//!
//! let response = reports.call(Request::new(())).await?;
//! assert_eq!(response.headers()["ratelimit-policy"], r#""reports";q=2;w=60"#);
//! assert_eq!(response.headers()["ratelimit"], r#""reports";r=1;t=30"#);
//!
//! reports.call(Request::new(())).await?;
//! let refused = reports.call(Request::new(())).await?;
//! assert_eq!(refused.status(), 429);
//! assert_eq!(refused.headers()["retry-after"], "30");
//! assert_eq!(refused.headers()["ratelimit"], r#""reports";r=0;t=30"#);
//! # Ok(())
//! # }
//! ```
//!
//! Where each tenant has a limit, the caller's is looked up after its request was counted; a tenant without a place in
//! the map is told nothing:
//!
//! ```
//! use http::{Request, Response};
//! use plimsoll::{
//!     Stack,
//!     http::{AnnounceQuota, Quota, RespondRejections},
//!     keyed::{self, Keyed},
//!     rate_limit::{self, RateLimit},
//! };
//! # use tower::{ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! /// Who asks: set by what checks tokens.
//! #[derive(Clone, Copy, PartialEq, Eq, Hash)]
//! struct Tenant(u64);
//!
//! let tenant = |req: &Request<()>| req.extensions().get().copied().unwrap_or(Tenant(0));
//! let each = RateLimit::new(rate_limit::Quota::try_per_minute(2)?);
//! let tenants = Keyed::new(keyed::Settings::new(), tenant, move |_: &Tenant| each.fresh());
//! let limits = tenants.handle();
//! let announce = AnnounceQuota::new(move |req: &Request<()>| {
//!     let (limits, tenant) = (limits.clone(), tenant(req));
//!     move || limits.get(&tenant).map(|limit| Quota::of("tenant", &limit.handle().remaining()))
//! });
//! let stack = Stack::new().layer(announce).layer(RespondRejections::new()).keyed(tenants);
//! # let service = stack.service(service_fn(|_: Request<()>| async { Ok::<_, std::io::Error>(Response::new(())) }));
//! # let response = service.oneshot(Request::new(())).await?;
//! # assert_eq!(response.headers()["ratelimit"], r#""tenant";r=1;t=30"#);
//! # Ok(())
//! # }
//! ```

mod fields;
mod future;
mod limit;
mod service;

pub use self::{
    fields::Quota,
    future::ResponseFuture,
    service::{AnnounceQuota, Announcing, QuotaOf, TellQuota},
};

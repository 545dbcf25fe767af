//! Not more often than was agreed.
//!
//! # Why
//! One caller that asks too often takes from all the others, and a callee with a limit of its own answers whoever
//! exceeds it with refusals, or with a bill. A rate limit keeps to an agreement: so many in so much time, and the
//! others hear at once when to come back.
//!
//! # When to use it
//! On a server, for each tenant or key: what is in the contract. On a client, in front of a callee that has a limit: it
//! is cheaper to wait here than to be refused there. For what must not be tried often: passwords, say.
//!
//! # When not to
//! Against overload. A rate says nothing about what a request costs or how the service is doing: ten a second are too
//! many for one that has become slow, and too few for one that is idle. That takes a [load shedder](crate::load_shed);
//! and to bound how much is under way *at once*, a [bulkhead](crate::bulkhead). For one limit over many processes: this
//! one counts what passes through it, and nothing else.
//!
//! # What the caller sees
//! | | |
//! |---|---|
//! | it | **refuses**; it **waits** if told to ([`Settings::with_wait`]), in a bounded line |
//! | [`Reason`](crate::Reason) | `RateLimited` at once, also where the wait would be too long; `DeadlineUnreachable` where it would be too long only for the request's deadline; `TooExpensive` for a request that costs more than a burst. After a wait only if it turned out longer than foreseen: the quotas were changed, the callee asked for a pause, or the future was not polled |
//! | `retry_after` | when the same request would go through at once, if nothing else came; exact, and never zero |
//! | dispatched | no |
//! | `poll_ready` | always ready |
//! | cancel safety | a request that leaves the line has cost nothing, and those behind it move up; what was taken for a request that was never sent is put back |
//!
//! The inner service has to be `Clone`; put one that is not behind `tower::buffer::Buffer`. Waiting needs a tokio
//! runtime with time enabled.
//!
//! # Place in the stack
//! On a server below [overload control](crate::Stack::overload_control), and one for each tenant: above it, a request
//! refused for overload would have to be given its cells back. On a client inside retry, since the callee counts
//! attempts; and above the bulkhead, so that no permit is held during a wait. A timeout further out bounds the wait
//! too.
//!
//! # Defaults
//! | setting | default | why |
//! |---|---|---|
//! | [quota](Quota) | none: you choose | it is an agreement |
//! | [burst](Quota::with_burst) | the cells of a whole period | a caller with a hundred an hour may use them all in one minute. In the worst hour two hundred pass: a burst, and what comes back. A smaller burst spreads them |
//! | [more quotas](Settings::try_with_quota) | none | up to [four](MAX_QUOTAS), for ten a second and a thousand an hour |
//! | [wait](Settings::with_wait) | nobody waits | on a server the caller knows better what to do with the time |
//! | [cost](RateLimit::cost_by) | 1 | most requests are alike. Zero is free |
//! | [exempt](RateLimit::exempt_by) | nobody | only you know your health checks |
//! | [refunds](Settings::without_refunds) | what was never sent is put back | it has cost the callee nothing. Turn this off for passwords, where the attempt is what counts |
//! | [max hint](Settings::with_max_hint) | zero: none is followed | a callee that may say "not now" can stop you; so bounded, and only if told to |
//! | name | `rate_limit` | give each its own |
//!
//! # Events
//! | event | when |
//! |---|---|
//! | [`Refused`](crate::Event::Refused) | a request is refused |
//! | [`WouldRefuse`](crate::Event::WouldRefuse) | a request would be, while the rate limit only observes |
//! | [`QuotaChanged`](crate::Event::QuotaChanged) | the quotas are changed |
//! | [`Throttled`](crate::Event::Throttled) | the callee asked to be left alone, and is |
//!
//! # Example
//! An agreement, what the header fields of a response say of it, and what a caller hears that exceeds it:
//!
//! ```
//! use plimsoll::{Error, Reason, Stack, rate_limit::{Quota, RateLimit, Settings}};
//! use tower::{Service, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let quotas = [Quota::try_per_second(2)?, Quota::try_per_hour(1000)?];
//! let limit = RateLimit::new(Settings::try_new(&quotas)?);
//! let handle = limit.handle();
//! let mut service = Stack::new()
//!     .rate_limit(limit)
//!     .service(service_fn(|_: ()| async { Ok::<_, std::io::Error>("done") }));
//!
//! assert_eq!(service.call(()).await?, "done");
//! let left = handle.remaining();
//! let header = format!(r#""default";r={};t={}"#, left.remaining, left.reset.as_secs_f64().ceil());
//! assert_eq!(header, r#""default";r=1;t=1"#);
//!
//! service.call(()).await?;
//! match service.call(()).await {
//!     Err(Error::Rejected(no)) => {
//!         assert_eq!(no.reason(), Reason::RateLimited);
//!         tokio::time::sleep(no.retry_after().unwrap()).await;
//!     }
//!     other => panic!("{other:?}"),
//! }
//! assert_eq!(service.call(()).await?, "done");
//! # Ok(())
//! # }
//! ```
//!
//! The client of an API that sells a hundred rows a second, in pages, and says "429, come back in a minute" and means
//! it. Up to fifty requests wait for their turn, none longer than ten seconds:
//!
//! ```
//! use std::time::Duration;
//! use plimsoll::{Outcome, Stack, classify::Failure, rate_limit::{Quota, RateLimit, Settings}};
//!
//! struct Ask { rows: u32 }
//! struct Answer { status: u16, retry_after: Option<Duration> }
//!
//! # fn main() -> Result<(), plimsoll::InvalidSetting> {
//! let settings = Settings::new(Quota::try_per_second(100)?.try_with_burst(20)?)
//!     .with_wait(50, Duration::from_secs(10))
//!     .with_max_hint(Duration::from_secs(300))
//!     .try_with_costs_up_to(20)?;
//! let stack = Stack::new()
//!     .classify(|answer: Result<&Answer, &plimsoll::Error<std::io::Error>>| match answer {
//!         Ok(answer) if answer.status == 429 => Outcome::Failure(Failure::Throttled(answer.retry_after)),
//!         Ok(_) => Outcome::Success,
//!         Err(_) => Outcome::Failure(Failure::Transient),
//!     })
//!     .rate_limit(RateLimit::new(settings).cost_by(|ask: &Ask| ask.rows));
//! # let _ = stack;
//! # Ok(())
//! # }
//! ```
//!
//! A limit for each tenant, which can be looked up while the tenant has a place in the map:
//!
//! ```
//! use plimsoll::{Stack, keyed::{self, Keyed}, rate_limit::{Quota, RateLimit}};
//! use tower::{Service, service_fn};
//!
//! struct Request { tenant: u64 }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let each = RateLimit::new(Quota::try_per_minute(2)?);
//! let tenants = Keyed::new(keyed::Settings::new(), |r: &Request| r.tenant, move |_: &u64| each.fresh());
//! let handle = tenants.handle();
//! let mut service = Stack::new()
//!     .keyed(tenants)
//!     .service(service_fn(|_: Request| async { Ok::<_, std::io::Error>(()) }));
//!
//! for _ in 0..2 {
//!     service.call(Request { tenant: 1 }).await?;
//! }
//! assert!(service.call(Request { tenant: 1 }).await.is_err());
//! service.call(Request { tenant: 2 }).await?;
//! let left = |tenant| handle.get(&tenant).map(|limit| limit.handle().remaining().remaining);
//! assert_eq!([left(1), left(2), left(3)], [Some(0), Some(1), None]);
//! # Ok(())
//! # }
//! ```
//!
//! # How it decides
//! ```text
//!              nobody waits,
//!              no pause          all quotas have it
//!  request ──────┬── yes ──────────────┬──── yes ──▶ charged to all, admitted
//!                │ no                  │ no                 ▲
//!                ▼                     ▼                    │ its turn has come:
//!         turn in time? ◀──────────────┘                    │ charged now
//!                ├── yes, and there is a place ──▶ line ────┤
//!                │                                  │       └─ leaves: has cost nothing
//!                └── no ──▶ refused, with the time ◀┘ a change made it too late
//! ```
//! * **Which algorithm**: the generic cell rate algorithm (ITU-T I.371; ATM Forum TM 4.0), a token bucket that keeps
//!   one number: when all that was taken will be back. In any window at most a burst passes, plus what comes back and
//!   what is put back in that window, whatever the interleaving. For requests that waited, the window is two
//!   milliseconds longer.
//! * **How exact**: n per period are n per period, be it three per second or 1,000,000,007. What is added up is never
//!   rounded; a moment in time is, to three eighths of a nanosecond, and never to the caller's disadvantage. Tested
//!   against exact arithmetic, and against governor where that is exact.
//! * **Why not governor**, the crate for this: its algorithm and its arithmetic are private, and nothing in its
//!   interface looks without taking, gives back, or changes a quota. A state store of your own sees the number, but can
//!   do nothing with it; and the time between two cells is rounded to whole nanoseconds.
//! * **Who waits** goes in order of arrival, whatever it costs; nobody overtakes. It is charged when its turn comes, at
//!   that very moment if it is polled within two milliseconds: timers are no more exact. When its turn will come is
//!   known on arrival, from what those ahead will take, so a request that would wait too long is refused at once. When
//!   one ahead leaves, turns come sooner.
//! * **What is put back** counts as never taken, however long ago that was, and never makes a bucket more than full.
//!   From quotas added since, nothing was taken, and nothing is put back. A caller that has many requests waiting
//!   further in, and gives up on them one by one, can send as many at once in their place: bound what may wait there.
//!
//! With one quota, and nobody waiting, that is one compare-and-swap and one look at the clock: no lock, no allocation.
//! The lock is taken where there are several quotas, while anybody waits, and for a request that finds no cell but may
//! wait. The cost is O(1) for each quota; O(log n) with n waiting, and O(n) for the first request after one of them
//! left a line for several quotas, after something was put back while they waited, or after a change. The memory is
//! that of the requests that wait.
//!
//! A rate limit in a [`Keyed`](crate::keyed::Keyed) map may be [forgotten](crate::Gate::is_neutral) once it is as full
//! as a new one, which would let in as many. A key that stays away for the map's [idle
//! time](crate::keyed::Settings::try_with_idle), ten minutes by default, may be forgotten whatever it has used: for a
//! quota by the hour or the day, make it as long as that quota's [window](Remaining::window).

mod desk;
mod gate;
mod gcra;
mod handle;
mod line;
mod meter;
mod permit;
mod plan;
mod quota;
mod quotas;
mod remaining;
mod scale;
mod settings;
mod state;
#[cfg(test)]
mod tests;

pub use self::{
    gate::{RateLimit, Wait},
    handle::{Handle, Snapshot},
    permit::Permit,
    quota::Quota,
    remaining::Remaining,
    settings::{MAX_QUOTAS, Settings},
};
use crate::{classify::Unjudged, gate::GateLayer, request::Unasked};

/// A rate limit alone, as a layer for `tower::ServiceBuilder`: `RateLimitLayer::new` takes settings or a [`RateLimit`].
/// To heed what a callee asks for, give it a judge that finds it: [`with_judge`](GateLayer::with_judge).
pub type RateLimitLayer<C = Unasked, X = Unasked, D = Unasked, J = Unjudged> = GateLayer<RateLimit<C, X, D>, J>;

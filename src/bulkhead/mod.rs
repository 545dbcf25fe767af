//! Keep one thing's trouble in its own compartment.
//!
//! # Why
//! A dependency that turns slow holds every request that calls it. Without a limit they pile up until memory,
//! connections or threads are gone, and then requests that never needed that dependency fail as well. A bulkhead gives
//! each part a fixed number of places and no more, as the bulkheads of a ship keep a leak in one hold.
//!
//! # When to use it
//! Around each dependency, with as many permits as it can serve at once: by Little's law, requests per second times
//! seconds per request, plus some headroom. Around a handler whose memory or connections are bounded. In front of a
//! pool, with as many permits as the pool has connections, so that nobody waits in two queues.
//!
//! # When not to
//! When you do not know the right number, or it changes: that takes an adaptive limit. To bound how *often* something
//! is done rather than how much of it *at once*: that takes a rate limit.
//!
//! # What the caller sees
//! | | |
//! |---|---|
//! | it | **refuses**; it **waits** if told to ([`Settings::with_wait`]), in a bounded queue |
//! | [`Reason`](crate::Reason) | `BulkheadFull` at once; `WaitTimeout` when the wait gets too long; `DeadlineExceeded` when the deadline comes first |
//! | `retry_after` | not known |
//! | dispatched | no |
//! | `poll_ready` | always ready |
//! | cancel safety | dropping the future gives the permit back, or leaves the queue; a permit that had just been granted goes to the next in line |
//!
//! The permit is given back when the call ends, before the caller hears of it. The inner service has to be `Clone`; put
//! one that is not behind `tower::buffer::Buffer`. Waiting needs a tokio runtime with time enabled.
//!
//! # Place in the stack
//! On a server innermost, next to the handler. On a client above the circuit breaker, one for each dependency; and
//! inside retry, so that no permit is held while a retry sleeps.
//!
//! # Defaults
//! | setting | default | why |
//! |---|---|---|
//! | [limit](Settings::new) | none: you choose | only you know what it protects |
//! | [wait](Settings::with_wait) | nobody waits | a queue hides overload until everybody in it is late |
//! | [order](Order) | oldest first | fair; newest first is for a standing overload |
//! | [weight](Bulkhead::weight_by) | 1 | most requests of a kind are alike |
//! | [compartments](Settings::try_with_compartments) | none | what is guaranteed to one is taken from the others: only you know whom to spare |
//! | name | `bulkhead` | give each dependency its own |
//!
//! # Events
//! | event | when |
//! |---|---|
//! | [`Refused`](crate::Event::Refused) | a request is refused |
//! | [`WouldRefuse`](crate::Event::WouldRefuse) | a request finds no permit, or waits for one, while the bulkhead only observes |
//! | [`BulkheadResized`](crate::Event::BulkheadResized) | the limit is changed |
//!
//! # Example
//! ```
//! use std::time::Duration;
//! use plimsoll::{Error, Reason, Stack, bulkhead};
//! use tower::{Service, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let stack = Stack::new().bulkhead(bulkhead::Settings::try_new(1)?);
//! let mut slow = stack.service(service_fn(|_: ()| async {
//!     tokio::time::sleep(Duration::from_millis(20)).await;
//!     Ok::<_, std::io::Error>("done")
//! }));
//!
//! let first = slow.call(());
//! let second = slow.call(());
//! let (first, second) = tokio::join!(first, second);
//! assert_eq!(first?, "done");
//! assert!(matches!(second, Err(Error::Rejected(r)) if r.reason() == Reason::BulkheadFull));
//! # Ok(())
//! # }
//! ```
//!
//! Two kinds of work that cannot starve each other, where a report takes more room than a look-up:
//!
//! ```
//! use plimsoll::bulkhead::{Bulkhead, Settings};
//!
//! #[derive(Clone, Copy)]
//! enum Query { LookUp, Report }
//!
//! # fn main() -> Result<(), plimsoll::InvalidSetting> {
//! // Of ten permits four are for look-ups, two for reports, and four for whoever comes.
//! let settings = Settings::try_new(10)?.try_with_compartments(&[4, 2])?;
//! let bulkhead = Bulkhead::new(settings)
//!     .compartment_by(|query: &Query| *query as usize)
//!     .weight_by(|query: &Query| match query { Query::LookUp => 1, Query::Report => 2 });
//! # let _ = bulkhead;
//! # Ok(())
//! # }
//! ```
//!
//! # How it decides
//! ```text
//!              no waiter in the lane           no waiter at all
//!  request ──▶ own compartment has room ─no─▶ common has room ─no─▶ may wait? ─no─▶ refused
//!                     │yes                          │yes                │yes
//!                     ▼                             ▼                   ▼
//!                  admitted                      admitted        lane of its compartment
//!                     │                             │                   ▲
//!                     └──────── call ends ──────────┴── hands over ─────┘
//! ```
//! On the ready path that is one compare-and-swap in and one add out, whatever the traffic: no lock, no clock, no
//! allocation. The lock is taken only by a request that finds no permit, or gives one back while another waits.
//! Joining, leaving and handing over are O(1). Memory grows with the most requests that ever waited at once, which is
//! bounded.

mod gate;
mod handle;
mod settings;

pub use self::{
    gate::Bulkhead,
    handle::{Handle, Snapshot},
    settings::{MAX_COMPARTMENTS, Settings},
};
pub use crate::limit::{
    permits::Wait,
    pools::{Permit, Usage},
    queue::Order,
};
use crate::{classify::Unjudged, gate::GateLayer, request::Unasked};

/// A bulkhead alone, as a layer for `tower::ServiceBuilder`: `BulkheadLayer::new` takes settings or a [`Bulkhead`].
pub type BulkheadLayer<W = Unasked, K = Unasked, D = Unasked> = GateLayer<Bulkhead<W, K, D>, Unjudged>;

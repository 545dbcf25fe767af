//! Know how calls end, and how long they take.
//!
//! # Why
//! What a dashboard is asked first is how many calls there are, how many of them fail, and how long they take. To
//! format, look up labels or allocate for that on every call costs more than the layers that are watched. A meter adds
//! to three numbers of its own, and a collector reads them when it suits.
//!
//! # When to use it
//! Once or twice in a stack: on the outside, for what callers see; right around the callee, for what it does. The
//! difference is the stack's work.
//!
//! # When not to
//! Around every layer: refusals, limits, states and retries are counted and shown without one
//! ([`Stack::counted`](crate::Stack::counted), [`Stack::control`](crate::Stack::control)). To look at single calls:
//! that is tracing.
//!
//! # What the caller sees
//! | | |
//! |---|---|
//! | it | **counts**; it neither refuses nor waits |
//! | [`Reason`](crate::Reason) | none |
//! | `retry_after` | none |
//! | dispatched | as the inner service says |
//! | `poll_ready` | always ready |
//! | cancel safety | dropping the future counts a call as cancelled, or as never dispatched |
//!
//! Whatever becomes of a call is counted exactly once, when it ends: as the stack's judge
//! ([`Classify`](crate::Classify)) says, a success, a failure of some kind, or a result that says nothing about the
//! callee (refusals from further in that were not dispatched, for one); or as cancelled, panicked, or never dispatched,
//! as when a gate right behind it refuses. The inner service has to be `Clone`; put one that is not behind
//! `tower::buffer::Buffer`.
//!
//! # Place in the stack
//! Anywhere. Beside gates it becomes one with them, and shares their clock readings. Waits in a queue behind it are
//! part of the times.
//!
//! # Defaults
//! | setting | default | why |
//! |---|---|---|
//! | [times](Settings::without_times) | yes | they are what is asked for; two clock reads, or none where a gate beside it reads the clock anyway |
//! | [events](Settings::with_events) | none | an observer that is called twice for each call costs more than the rest of the stack |
//! | name | `meter` | give each its own |
//!
//! # Events
//! | event | when |
//! |---|---|
//! | [`Admitted`](crate::Event::Admitted) | a call goes past, if [told to](Settings::with_events) |
//! | [`Settled`](crate::Event::Settled) | a call ends, if told to; says [how](crate::event::Ended) and after how long |
//!
//! # Example
//! ```
//! use plimsoll::{Stack, event::Ended, meter::Meter};
//! use tower::{ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let meter = Meter::new("inventory");
//! let handle = meter.handle();
//! let service = Stack::new().metered(meter).service(service_fn(|item: u32| async move {
//!     if item == 0 { Err(std::io::Error::other("no such item")) } else { Ok(item) }
//! }));
//! for item in [0, 1, 2, 3] {
//!     let _ = service.clone().oneshot(item).await;
//! }
//!
//! let counted = handle.snapshot();
//! assert_eq!((counted.calls(), counted.ended(Ended::Succeeded), counted.failures.count()), (4, 3, 1));
//! println!("{:?} at the 99th percentile", counted.successes.quantile(0.99));
//! # }
//! ```
//!
//! To know who uses most, or is refused most, see [`Contributors`].
//!
//! # How it decides
//! ```text
//!  call ──▶ one more admitted ──▶ inner service ──▶ how it ended ──▶ one more of that kind,
//!                                                                    in the bucket of its time
//! ```
//! It admits everything. On the ready path that is three additions, and the clock readings. Each thread has numbers of
//! its own, on cache lines of its own, so that none of the additions is a locked instruction and no two threads meet;
//! threads beyond twice as many as there are cores share one set. A snapshot adds them up. Nothing is allocated,
//! nothing locked. Memory is 1 kB for each of those threads. [`Histogram`] says which buckets there are.

mod contributors;
mod gate;
mod handle;
mod settings;
mod tally;

pub(crate) use self::tally::ENDED;
pub use self::{
    contributors::{Contributors, Standing, Standings},
    gate::{Meter, Permit},
    handle::{Handle, Snapshot},
    settings::Settings,
};
use crate::gate::GateLayer;
pub use crate::stats::Histogram;

/// A meter alone, as a layer for `tower::ServiceBuilder`: `MeterLayer::new` takes settings or a [`Meter`].
pub type MeterLayer = GateLayer<Meter>;

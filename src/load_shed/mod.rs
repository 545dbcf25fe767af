//! Take on what you can serve well, and refuse the rest at once.
//!
//! # Why
//! A service that takes on more than it can do does everything more slowly, until nothing is done in time; and every
//! caller that gives up and tries again adds to what there is to do. It does not recover by itself. Kept at the number
//! of requests that it serves well, it gives all the answers it has capacity for, whatever the load, and recovers as
//! soon as there is less. But that number is not known, and changes: with a release, a neighbour, a dependency that has
//! a bad day.
//!
//! # When to use it
//! In front of every service that does work of its own; it needs no tuning. With [`surge_queue`](crate::surge_queue) in
//! front it serves the important first, spares well-behaved tenants, and bridges bursts instead of refusing them:
//! [`Stack::overload_control`](crate::Stack::overload_control) is both, in one line.
//!
//! # When not to
//! When you know the number (connections of a pool, say): a [`bulkhead`](crate::bulkhead) is simpler. In each of many
//! clients, as the only protection of the server they share: they see little of its queue; let the server shed, and
//! give the clients a [`retry`](crate::retry) with a budget. Below some twenty requests a second, where it has little
//! to learn from. For requests of very different kinds behind one limit, when their mix changes much: give each kind
//! one of its own, with [`PerKind`](crate::gate::PerKind). For streams alone, or nearly so: a stream is told only by
//! the calls that overtake it; [exempt](LoadShed::exempt_by) streams. For services that run thousands of calls at once
//! and meet full load within seconds of their start, set an [initial limit](Settings::with_initial_limit).
//!
//! # What the caller sees
//! | | |
//! |---|---|
//! | it | **refuses**, and measures |
//! | [`Reason`](crate::Reason) | `LimitReached` |
//! | `retry_after` | about as long as a call takes, at least 50 ms, spread by half either way; not known before a call has been seen |
//! | dispatched | no |
//! | `poll_ready` | always ready |
//! | cancel safety | dropping the future gives the place back; a call dropped after more than the mean time counts as one that took that long |
//!
//! The place is given back when the call ends, before the caller hears of it. The inner service has to be `Clone`; put
//! one that is not behind `tower::buffer::Buffer`.
//!
//! # Place in the stack
//! On a server near the outside: above everything that costs anything, so that a refusal costs nothing; below a
//! timeout. Not above a retry: it would take the delays for work. Calls judged a [success](crate::Outcome::Success) are
//! measured. Overload further in (a timeout, a callee that had no room) cuts the limit. Other failures say nothing
//! about time, and are not looked at.
//!
//! # Defaults
//! | setting | default | why |
//! |---|---|---|
//! | [rule](LoadShed::with_rule) | [`VerifiedGradient`] | of all that we tried, the one that loses least over all kinds of overload; `examples/overload_matrix` shows them side by side |
//! | [initial limit](Settings::with_initial_limit) | 4 | what is learned first has to be true, and the limit grows fast |
//! | [largest limit](Settings::with_max_limit) | 65,536 | more is a mistake of the rule, or a very unusual service; parked streams count too |
//! | [bottleneck](Settings::with_bottleneck) | automatic | you may know better |
//! | [deadline](LoadShed::deadline_by) | not asked | used for a private bottleneck only |
//! | [exempt](LoadShed::exempt_by) | nobody | exempt health checks if an orchestrator restarts what does not answer them |
//! | name | `load_shed` | give each its own where there are two |
//!
//! # Events
//! | event | when |
//! |---|---|
//! | [`Refused`](crate::Event::Refused) | a request is refused |
//! | [`LimitChanged`](crate::Event::LimitChanged) | the limit moves: up to twenty times a second |
//! | [`WouldRefuse`](crate::Event::WouldRefuse) | a request finds no place while the load shedder only observes |
//!
//! # Example
//! ```
//! use plimsoll::{Error, Stack, load_shed::{LoadShed, Settings}};
//! use tower::{ServiceExt, service_fn};
//!
//! struct Request { path: &'static str }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let shed = LoadShed::new(Settings::new()).exempt_by(|r: &Request| r.path == "/health");
//! let handle = shed.handle();
//! let service = Stack::new()
//!     .load_shed(shed)
//!     .service(service_fn(|request: Request| async move { Ok::<_, std::io::Error>(request.path.len()) }));
//!
//! match service.oneshot(Request { path: "/orders" }).await {
//!     Ok(answer) => assert_eq!(answer, 7),
//!     Err(Error::Rejected(rejection)) => println!("not now: {rejection}"),
//!     Err(Error::Inner(error)) => return Err(error.into()),
//! }
//! assert_eq!((handle.snapshot().limit, handle.snapshot().in_use), (4, 0));
//! # Ok(())
//! # }
//! ```
//!
//! # How it decides
//! ```text
//!  request ──▶ fewer under way than the limit? ─no─▶ refused
//!                  │yes                 ▲
//!                  ▼                    │ limit
//!              call, timed         ┌──────┐   window of calls, some 20 times a second
//!                  │               │ rule │ ◀───────────────────────────────┐
//!                  ▼               └──────┘                                 │
//!              place given back ──▶ how long it took, whether the limit was reached
//! ```
//! The [rule](Rule) is shown [windows](Window) of calls and moves the limit; [`VerifiedGradient`] says how the default
//! does. A call that holds its place while sixteen times as many as the limit are answered is a stream or a long poll:
//! it is *parked*, and no longer counts against the limit; parked calls included, no more than the [largest
//! limit](Settings::with_max_limit) are under way. Where all places are taken and nothing is answered, one request goes
//! beyond the limit, and if it does not come back, others after ever longer times: that tells a service full of streams
//! from one that stands still. A rule may be [too strict](Rule::is_strict) for that.
//!
//! On the ready path that is two clock reads, two compare-and-swaps on the way in, and one more and two additions on
//! the way out: no allocation, and no lock but one that nobody waits for, taken some twenty times a second for a
//! microsecond. Memory is 15 kB. All of this whatever the traffic.

mod controller;
mod gate;
mod handle;
mod limiter;
mod parking;
mod rule;
mod rules;
mod samples;
mod scouts;
mod settings;
mod window;

pub use self::{
    gate::LoadShed,
    handle::{Handle, Snapshot},
    limiter::Permit,
    rule::{Rule, Step},
    rules::{Aimd, Fixed, Gradient, Vegas, VerifiedGradient},
    settings::{Bottleneck, Settings},
    window::Window,
};
use crate::{classify::Standard, gate::GateLayer, request::Unasked};

/// A load shedder alone, as a layer for `tower::ServiceBuilder`: `LoadShedLayer::new` takes settings or a [`LoadShed`].
pub type LoadShedLayer<D = Unasked, X = Unasked> = GateLayer<LoadShed<D, X>, Standard>;

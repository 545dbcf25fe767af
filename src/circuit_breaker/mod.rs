//! Stop calling what keeps failing.
//!
//! # Why
//! A callee that is down answers slowly or not at all, and every call to it holds a task, a connection and a caller's
//! patience here. To keep calling makes this service fail along with it, and keeps the callee from recovering. A
//! circuit breaker notices, refuses at once, and finds out with a few calls when the callee is back.
//!
//! # When to use it
//! * Around a dependency that fails as a whole: a service, a database, one endpoint of many (a breaker for each).
//! * Where there is something better to do than to wait: another endpoint, a cached answer, an honest error.
//!
//! # When not to
//! * Around something that fails in part: one bad shard of ten opens the circuit to the nine good ones. Give each
//!   its own.
//! * Against a callee that is merely busy: a limit ([`Stack::gate`](crate::Stack::gate) takes any) lets through what it
//!   can serve, where a breaker lets through all or nothing. If the callee itself says "not now", that is no failure:
//!   give the breaker a judge of [`Health`](crate::classify::Health).
//! * Against the rare failure of a single request: that is what a retry is for.
//!
//! # What the caller sees
//! | | |
//! |---|---|
//! | it | **refuses**; it never waits |
//! | [`Reason`](crate::Reason) | `CircuitOpen`, in the future, without touching the inner service |
//! | `retry_after` | how long the circuit stays open; half-open, when a place for a probe may be free; on the ramp, when the share of calls let through will be a tenth higher; not known while it is held open by hand |
//! | dispatched | no; half-open and on the ramp, [others are](crate::Rejection::is_in_part) |
//! | `poll_ready` | always ready |
//! | cancel safety | dropping the future gives a probe's place back; a probe that is leaked (`mem::forget`) is lost when its lease is over |
//!
//! A dropped call counts as a failure if it had been under way for [`hung_after`](Settings::with_hung_after), and as
//! slow if for longer than a call may take; otherwise it says nothing. The inner service has to be `Clone`; put one
//! that is not behind `tower::buffer::Buffer`.
//!
//! What counts as a failure is up to the stack's judge ([`Classify`](crate::Classify)); panics of the inner service
//! always do, errors of its readiness as the judge says. What the judge ignores counts as nothing: refusals from
//! further in that were not dispatched, for one. Results of calls admitted before the circuit's last change of state
//! are not looked at.
//!
//! # Place in the stack
//! Inside retry, so that each attempt is judged and an open circuit ends the retries; outside the per-attempt timeout,
//! so that a callee that hangs is seen to fail. Where the only timeout is further out, set
//! [`hung_after`](Settings::with_hung_after) no higher than that.
//!
//! A callee that sheds load is not sick. Where its refusals come as responses (429, 503), which the stack's judge takes
//! for failures so that a retry heeds them, give the breaker another judge that ignores them, such as
//! [`Health`](crate::classify::Health) ([`Stack::classify`](crate::Stack::classify) before it): under five times the
//! load it can serve a healthy callee refuses four calls of five, and an open circuit would refuse the fifth as well.
//!
//! # Defaults
//! | setting | default | why |
//! |---|---|---|
//! | [consecutive failures](Settings::with_consecutive_failures) | 10 | an outage shows in ten calls, whatever the window holds; at an error rate of 10 %, ten in a row are a chance of one in 10¹⁰ |
//! | [failure rate](Settings::with_failure_rate) | 50 % | beyond that, half of what is sent is wasted; below it, a retry gets through |
//! | [window](Settings::with_window) | 100 calls, at least 20 | at an error rate of 10 %, half of 20 fail by chance once in 140,000; 100 turn over within seconds on a busy service; costs no clock read |
//! | [slow calls](Settings::with_slow_calls) | not judged | what is slow is yours to say, and it costs a clock read for each call |
//! | [hung after](Settings::with_hung_after) | 1 s | a caller that gives up sooner (a user who types on, the loser of two raced calls) has no complaint about the callee; most timeouts are a second or more. Raise it for long polls |
//! | [open time](Settings::with_open_time) | 5 s, doubling to 5 min, half of it jitter | a restart takes seconds, an outage minutes; a caller of a healthy callee loses 5 s at most |
//! | [max hint](Settings::with_max_hint) | 5 min | no callee, however confused, shuts itself out for longer |
//! | [calm](Settings::with_calm) | 60 s closed | longer than the first open time, the ramp and a lease together: a callee that fails again within it did not recover |
//! | [probes](Settings::with_probes) | 1 of 1 | the least that can tell; the ramp carries the rest of the risk |
//! | [probe lease](Settings::with_probe_lease) | 30 s | longer than any timeout that an interactive caller would set |
//! | [ramp](Settings::with_ramp) | 10 s, from 10 % | cold caches and pools fill before the whole load is back |
//! | name | `circuit_breaker` | give each callee its own |
//!
//! # Events
//! | event | when |
//! |---|---|
//! | [`Refused`](crate::Event::Refused) | a call is refused |
//! | [`CircuitOpened`](crate::Event::CircuitOpened) | a rule tripped, or the probes failed or were lost; says which ([`Trip`](crate::event::Trip)), and for how long it opens |
//! | [`CircuitHalfOpened`](crate::Event::CircuitHalfOpened) | the first call arrives after the open time |
//! | [`CircuitRamping`](crate::Event::CircuitRamping) | enough probes succeeded |
//! | [`CircuitClosed`](crate::Event::CircuitClosed) | the ramp is over, or there is none; or by [`Handle::reset`] |
//! | [`CircuitHeld`](crate::Event::CircuitHeld) | by hand: [`Handle::force_open`] and its like |
//! | [`WouldRefuse`](crate::Event::WouldRefuse) | instead of a refusal, while it [only observes](Handle::observe_only) |
//!
//! # Example
//! ```
//! use plimsoll::{Error, Reason, Stack, circuit_breaker::{CircuitBreaker, Settings, State}};
//! use tower::{ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let breaker = CircuitBreaker::new(Settings::new().with_name("inventory"));
//! let handle = breaker.handle();
//! let service = Stack::new()
//!     .circuit_breaker(breaker)
//!     .service(service_fn(|_: u32| async { Err::<u32, _>(std::io::Error::other("down")) }));
//!
//! for item in 0..10 {
//!     assert!(matches!(service.clone().oneshot(item).await, Err(Error::Inner(_))));
//! }
//! assert_eq!(handle.snapshot().state, State::Open);
//!
//! let Err(Error::Rejected(rejection)) = service.clone().oneshot(10).await else { panic!() };
//! assert_eq!((rejection.reason(), rejection.layer()), (Reason::CircuitOpen, "inventory"));
//! assert!(rejection.retry_after().is_some());
//! # }
//! ```
//!
//! # How it decides
//! ```text
//!              a rule trips                    open time over, a call asks
//!   ┌────────┐ ───────────▶ ┌──────┐ ────────────────────────▶ ┌──────────┐
//!   │ Closed │              │ Open │                           │ HalfOpen │
//!   └────────┘              └──────┘ ◀──────────────────────── └──────────┘
//!        ▲                      ▲      probes failed or lost         │
//!        │                      │ a rule trips                       │ enough probes
//!        │  ramp over,     ┌─────────┐                               │ succeeded
//!        └──────────────── │ Ramping │ ◀─────────────────────────────┘
//!           a call asks    └─────────┘        (Closed at once if there is no ramp)
//! ```
//!
//! * **Closed**, and on the ramp, each failure and each slow call is checked against the rules: too many failures in a
//!   row, or too large a share of failures or slow calls in the window, open the circuit. A success never does. The
//!   window is exact: a number of last calls, or a time, in tenths.
//! * **Open**, every call is refused. The open time is jittered, doubles with each opening until the circuit has been
//!   calm, and is never shorter than what the callee asked for.
//! * **Half-open**, a few calls go through as probes, each with a lease; the others are refused. It cannot get stuck: a
//!   probe that is dropped makes room for another; one that is never heard of again is lost, and counts as failed.
//! * **Ramping**, a share of the calls goes through, drawn by lot, that grows from a tenth to all.
//!
//! Nothing happens on its own: there is no task and no timer, and the next call notices that time has passed.
//!
//! Every call costs O(1) and allocates nothing. A success in a closed circuit costs a few loads and two atomic
//! additions, and takes no lock. A failure takes a lock for a moment, and so does every call while the circuit is
//! half-open or ramping. An open circuit refuses without one.
//!
//! Sources: Michael Nygard, *Release It!* (the pattern); consecutive failures beside a rate are Finagle's and
//! linkerd's; jitter: Marc Brooker, *Exponential Backoff and Jitter*, AWS Architecture Blog, 2015.

mod circuit;
mod evidence;
mod gate;
mod handle;
mod machine;
mod mode;
mod probes;
mod settings;
mod values;

pub use self::{
    gate::{CircuitBreaker, Permit},
    handle::{Handle, ProbeCounts, Snapshot, State},
    settings::Settings,
    values::{OpenTime, Probes, Window},
};
use crate::gate::GateLayer;
pub use crate::stats::Counts;

/// A circuit breaker alone, as a layer for `tower::ServiceBuilder`: `CircuitBreakerLayer::new` takes settings or a
/// [`CircuitBreaker`]. For a judge of its own: `GateLayer::with_judge(breaker, judge)`.
pub type CircuitBreakerLayer = GateLayer<CircuitBreaker>;

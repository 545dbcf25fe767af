//! Let a burst wait its turn, and refuse at once what cannot be served in time.
//!
//! # Why
//! Load comes in bursts. A limit alone refuses what could have been served a moment later. A plain queue in front of it
//! bridges the burst; but when more keeps coming than can be served, it fills up until everybody who is served is late,
//! and the server works as hard as ever for nobody. What keeps a queue useful is a bound in time, not in length, and an
//! order in which it does not pay to shout loudest: the important first, tenants in turn, and the newest once it is too
//! late for the oldest.
//!
//! # When to use it
//! On a server, in front of a concurrency limit: an adaptive one, or [`FixedLimit`](crate::limit::FixedLimit) where you know the
//! number. Where requests differ in importance, or come from tenants who must not starve one another. With a [second
//! lane](Settings::with_surge), for work that may be late, but must not be lost.
//!
//! # When not to
//! On a client with one caller: there is nobody to put in order. In front of a dependency with a known number of
//! places, when all requests matter alike: a bulkhead with a wait does that. For work that has to survive the process:
//! that takes a broker; this queue hands over what it gives up on.
//!
//! # What the caller sees
//! | | |
//! |---|---|
//! | it | **waits** for its turn when there is no place; **refuses** a request that would wait too long |
//! | [`Reason`](crate::Reason) | on arrival: `WaitTooLong`, by forecast; `QueueFull`; `DeadlineUnreachable`, when no answer could come in time. After a wait: `WaitTimeout`; `Displaced` by a more important request; `DeadlineExceeded`, when the call could no longer end in time |
//! | `retry_after` | how long it would have waited, plus up to half as much by chance: at least 50 ms, at most 45 s. None where the deadline is to blame |
//! | dispatched | no |
//! | `poll_ready` | always ready |
//! | cancel safety | dropping the future gives the place back, or leaves the queue; a place that had just been granted goes to the next in line |
//!
//! The place is given back when the call ends, before the caller hears of it. The inner service has to be `Clone`; put
//! one that is not behind `tower::buffer::Buffer`. Waiting needs a tokio runtime with time enabled.
//!
//! # Place in the stack
//! On a server far out, below the deadline, so that what is refused has cost nothing yet. It brings its limit along:
//! nothing else has to bound concurrency. On a client, rarely; then inside retry, so that no place is held while a
//! retry sleeps.
//!
//! # Defaults
//! | setting | default | why |
//! |---|---|---|
//! | [limit](SurgeQueue::in_front_of) | none: you choose | it is what the queue is for |
//! | [priority](SurgeQueue::priority_by), [tenant](SurgeQueue::tenant_by), [deadline](SurgeQueue::deadline_by) | none | they depend on your types |
//! | [burst](Settings::try_with_burst) | 100 ms | a longer one only adds to everybody's wait under sustained overload, a shorter one refuses what could be served; a callee that pauses for longer, to collect garbage, say, needs more |
//! | [places](Settings::try_with_max_waiting) | what is served in 1.5 bursts, but at least 64, and four times the limit | the bound in time is the one that counts; this one bounds memory |
//! | [second lane](Settings::with_surge) | none | most callers do not wait for what comes late |
//! | its [lifetime](Surge::try_with_ttl) | a minute | the shortest that AWS Lambda lets an event live |
//! | its [lending](Surge::with_lending) | half of the limit's places | idle places are there to be used; half are left to whoever comes next |
//! | its [places to wait](Surge::try_with_max_waiting) | 1024 | a longer queue is a broker's business |
//! | its [ramp](Surge::with_ramp) | none | only you know how fast what is behind it scales |
//! | [dead letters](SurgeQueue::dead_letters) | nobody wants them | callers hear of every refusal in any case |
//! | [exempt](SurgeQueue::exempt_by) | nobody | exempt health checks if an orchestrator restarts what does not answer them |
//! | name | `surge_queue` | give each its own |
//!
//! # Events
//! | event | when |
//! |---|---|
//! | [`Refused`](crate::Event::Refused) | a request is refused, on arrival or after a wait |
//! | [`QueueStanding`](crate::Event::QueueStanding) | for 100 ms the first lane has not once been empty: this is no burst |
//! | [`QueueDrained`](crate::Event::QueueDrained) | it is empty again after that |
//! | [`Demoted`](crate::Event::Demoted) | a request goes to the second lane |
//! | [`WouldRefuse`](crate::Event::WouldRefuse) | a request finds no place, or waits for one, while the queue only observes |
//!
//! # Example
//! ```
//! use std::time::Duration;
//! use plimsoll::{Stack, limit::FixedLimit, request::Priority, surge_queue::{Settings, SurgeQueue}};
//! use tower::{ServiceExt, service_fn};
//!
//! #[derive(Clone)]
//! struct Request { tenant: u64, is_checkout: bool }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let queue = SurgeQueue::new(Settings::new())
//!     .in_front_of(FixedLimit::try_new(8)?)
//!     .priority_by(|r: &Request| if r.is_checkout { Priority::Critical } else { Priority::Normal })
//!     .tenant_by(|r: &Request| r.tenant);
//! let handle = queue.handle();
//!
//! let shop = Stack::new().surge_queue(queue).service(service_fn(|r: Request| async move {
//!     tokio::time::sleep(Duration::from_millis(1)).await;
//!     Ok::<_, std::io::Error>(r.tenant)
//! }));
//! let calls = (0..40).map(|tenant| shop.clone().oneshot(Request { tenant, is_checkout: tenant == 39 }));
//! let answers = futures_util::future::join_all(calls).await;
//! assert!(answers.iter().all(Result::is_ok), "it was a burst");
//! assert_eq!(handle.snapshot().waiting, [0; 4]);
//! # Ok(())
//! # }
//! ```
//!
//! Two lanes: what is older than 50 ms waits up to ten seconds for idle places of the limit, or for places of its own:
//! one at first, one more each second, up to four. What is still not served is written down:
//!
//! ```
//! use std::{sync::mpsc, time::Duration};
//! use plimsoll::{dead_letter::DeadLetter, limit::FixedLimit, surge_queue::{Ramp, Settings, Surge, SurgeQueue}};
//!
//! # fn main() -> Result<(), plimsoll::InvalidSetting> {
//! let lane = Surge::try_new(4)?
//!     .with_ramp(Ramp::try_new(1, 1, Duration::from_secs(1))?)
//!     .with_demotion_after(Duration::from_millis(50))
//!     .try_with_ttl(Duration::from_secs(10))?;
//! let (morgue, letters) = mpsc::sync_channel(1000);
//! let queue = SurgeQueue::new(Settings::new().with_surge(lane))
//!     .in_front_of(FixedLimit::try_new(64)?)
//!     .dead_letters(move |letter: DeadLetter<String>| {
//!         let _ = morgue.try_send(letter);
//!     });
//! # let _ = (queue, letters);
//! # Ok(())
//! # }
//! ```
//!
//! # How it decides
//! ```text
//!                 nobody waits, and            first in line, or served
//!                 there is a place             in time, as far as can be told
//!  request ──────────┬──────────── no ──────────────┬────────── no ──────▶ second lane? ─no─▶ refused
//!                    │ yes                          │ yes                       │ yes
//!                    ▼                              ▼           too old         ▼
//!                 admitted ◀── hands over ── first lane ──────────────▶ second lane ── too old ─▶ refused,
//!                    │                   best class, tenants in turn,     the same order,          a letter
//!                    │                   oldest (newest, if late)         newest first
//!                    └──────── call ends ───────────▲
//! ```
//! * **How long it would wait** is the number served before it, divided by the calls that end per second, less those
//!   that more important requests take. Both are counted only while somebody waits, in slots of 50 ms, and averaged
//!   over about three: so counting costs nothing while all is well, and a callee with little to do is not taken for a
//!   slow one. A callee that stands still for longer than chance explains is taken to be slower and slower, until a
//!   call ends; then what was known before holds again. As long as nothing is known, the forecast is optimistic.
//! * **How long it may wait** is a burst, or three quarters of a call where that is longer. Once the queue has been
//!   standing for 100 ms, it is a tenth of that; for tenants with up to three waiting, three tenths; for critical
//!   requests, all of it. A request spends at most 15 % of the time to its deadline here. Whatever the forecast said,
//!   nobody waits in the first lane longer than two bursts, or one and a half calls where that is longer, or the
//!   [age](Surge::with_demotion_after) at which the second lane takes over.
//! * **Places are handed over**: a call that ends gives its place to the next in line, and wakes nobody else. Nobody
//!   overtakes a waiting request of the same importance.
//! * **When there is no place left to wait in**, in the lowest class the newest request of the tenant with the most
//!   waiting is displaced, if that class is lower than the newcomer's.
//!
//! While nobody waits, that is one load more than the limit takes, in and out: no lock, no clock, no allocation. The
//! lock is taken by a request that finds no place, and by one that gives its place back while another waits; most of a
//! flood is refused without it. Under the lock a request costs O(1), whatever the number of waiters and tenants. Memory
//! grows with the most that ever waited at once. Tenants' numbers are hashed with a random seed, as an attacker may
//! choose them to collide.
//!
//! The order and the bounds in time are those of CoDel for requests (Facebook, "Fail at Scale", ACM Queue 2015) and of
//! `fq_codel` (RFC 8290), with classes; the second lane is that of "Avoiding insurmountable queue backlogs" (Amazon Builders'
//! Library), and its ramp that of AWS Lambda.

mod chain;
mod drain;
mod forecast;
mod gate;
mod hall;
mod handle;
mod lane;
mod lines;
mod permit;
mod ramp;
mod room;
mod settings;
mod state;
#[cfg(test)]
mod tests;

pub use self::{
    gate::{Nothing, Place, SurgeQueue, Wait},
    handle::{Handle, Lane, Snapshot},
    permit::Permit,
    ramp::Ramp,
    settings::{Settings, Surge},
};
use crate::{classify::Standard, dead_letter::Discard, gate::GateLayer, request::Unasked};

/// A queue alone, as a layer for `tower::ServiceBuilder`: `SurgeQueueLayer::new(queue)`.
pub type SurgeQueueLayer<L, P = Unasked, T = Unasked, D = Unasked, S = Discard, X = Unasked> =
    GateLayer<SurgeQueue<L, P, T, D, S, X>, Standard>;

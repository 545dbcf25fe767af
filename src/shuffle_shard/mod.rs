//! Give each tenant a hand of nodes of their own.
//!
//! # Why
//! Where every node serves everybody, a tenant whose requests kill nodes kills them all. Where each tenant has a hand of k
//! of the n nodes, such a tenant takes k nodes with them, and hardly anybody else has the very same k: of 8 nodes there are
//! 28 hands of 2, of 100 nodes 75,287,520 hands of 5. Everybody else still has a node that works; the router finds it, and
//! the retry in front of it does not go to the same node twice.
//!
//! # When to use it
//! * As the client of a fleet that many tenants share, one of whom could harm what serves them: by a query of death, by
//!   a flood.
//! * As a load balancer with a circuit breaker, a bulkhead and a timeout for each endpoint, for requests that are
//!   nobody's in particular: those go to the less loaded of two.
//! * Inside one process, for a limit that tenants share: that is the [sharded bulkhead](sharded_bulkhead).
//!
//! # When not to
//! Where callers do not try again: a hand then is no better than one of its nodes. Where a tenant needs more than a few
//! nodes can do. Where a node must be the only one that has a tenant's data: a hand says who *may* serve, and a node that
//! is down is passed over.
//!
//! # What the caller sees
//! | | |
//! |---|---|
//! | it | routes; it **refuses** where no member of the hand can be called |
//! | [`Reason`](crate::Reason) | `NoShard`; whatever a member refuses with is passed on as it is, unless another member [gets the request](ShuffleShard::resend) |
//! | `retry_after` | when the first member of the hand is back; not known where all are out by hand, or there is none |
//! | dispatched | no; a member's refusal as that says |
//! | `poll_ready` | always ready |
//! | cancel safety | dropping the future drops the member's; nothing is counted any more |
//!
//! * The members' services have to be `Clone`: each call goes to a clone, whose readiness is driven in the future. Where the
//!   best member is not ready at once the next is asked; where none is, the call waits for whichever of its hand is first.
//! * The error is the members' own. It has to be a [`Refusal`](crate::Refusal);
//!   [`Stack::service`](crate::Stack::service) makes one of any.
//! * What a member says of itself is believed, up to a limit, and is no failure. One whose circuit is open (or another
//!   refusal for which the callee is to [blame](crate::Fault)) gets no calls until its `retry_after`. One that has no room is
//!   passed over for as long as another has some, and so is one whose answer the judge takes for an overload: to put it out
//!   would send its load to the others, which are likely as busy. A router further in that has nobody for a request says nothing
//!   of itself by that: it is one tenant's hand that is out.
//! * A member that lets [a part](crate::Rejection::is_in_part) of the calls through, as its circuit half-opens and on the ramp
//!   after, is called on where what it refuses [goes to another](ShuffleShard::resend), and comes back as the ramp allows. Where
//!   its refusals are answers, each keeps calls away from it: it gets hardly any before its circuit closes, and then all of its
//!   share at once. Of 50 calls a second it had 14 in the first second of the ramp and 45 in the middle, or without it 1.
//! * A call that its caller gave up on counts as a failure if it had been under way for
//!   [`hung_after`](Settings::with_hung_after), else it says nothing. Panics and errors of readiness are failures.
//! * A member's place in all this is by its node's name. Calls under way to a node that is removed, or put out, go on to their
//!   end; calls that wait for it to become ready look for another, and go to one that is put back.
//!
//! # Place in the stack
//! Innermost: it *is* the service that a stack is put around, and each member has a stack of its own.
//!
//! ```text
//! total timeout ─▶ retry ─▶ router ─┬▶ member: bulkhead ─▶ circuit breaker ─▶ attempt's timeout ─▶ transport
//!                                   └▶ member: …
//! ```
//!
//! Inside of retry, so that the next attempt goes to another node of the hand: which were tried is known to a retry in the
//! same task, and lost across `spawn` and `Buffer`, as all that is [scoped](crate::request::Carried) is. When all of a hand
//! were tried, it is the turn of the one that was tried longest ago.
//!
//! A retry of ours takes a refusal that was not dispatched for an answer: an open circuit is asked once. In a router there is
//! somebody else to ask: tell it how to copy a request ([`resend`](ShuffleShard::resend)), and what one member refuses goes to
//! the next of the hand, at once. That is no retry, and needs none: no callee has seen the request.
//!
//! A limit for each tenant belongs outside of the router. Inside, a refusal of one tenant would be heard as the member's word
//! about itself.
//!
//! # Defaults
//! | setting | default | why |
//! |---|---|---|
//! | [tenant](ShuffleShard::tenant_by) | nobody's | only you know; requests of nobody go to the less loaded of two of the whole fleet |
//! | [assignment](Assign) | [`Rendezvous`] | needs no state, and a node that comes or goes changes at most one member of a hand |
//! | [hand](HandSize) | 2 | the fewest with which a tenant survives the loss of a node |
//! | [resend](ShuffleShard::resend) | never | it takes a copy of each request, and only you know what that costs |
//! | [exhausted hand](Settings::with_exhausted) | refused | what killed one hand would kill the next |
//! | [consecutive failures](Outliers::with_consecutive_failures) | 5 | Envoy's and Finagle's; at an error rate of 10 % five in a row are a chance in 100,000 |
//! | [success rate](SuccessRate) | 1.5 standard deviations below the mean, of 100 calls, among 5 | Envoy says 1.9; but two bad members of eight, a tenant's whole hand, lie 1.7 below, and would never be seen |
//! | [good enough](SuccessRate::with_good_enough) | 95 % | the worst of five lies two deviations off by however little it differs: a bad interval of a good member is none |
//! | [interval](Outliers::try_with_interval) | 10 s | Envoy's and gRPC's |
//! | [ejection time](Outliers::try_with_ejection_time) | 30 s times how often in a row, to 5 min, half of it jitter | Envoy's and gRPC's, but for the jitter: what was put out together, here and in other processes, must not return together |
//! | [ejected at most](Outliers::with_max_ejected) | 10 %, but one hand in any case, and never the last member | Envoy says 10 %, but one; if one of a poisoned hand could not be put out it would draw calls to itself and fail them, and every tenant who shares it would notice |
//! | [panic](Outliers::with_panic_below) | below 50 % left | Envoy's: when half of a fleet looks sick it is something else, and the others could not bear the load |
//! | [hung after](Settings::with_hung_after) | 1 s | as the circuit breaker's |
//! | [max hint](Settings::with_max_hint) | 30 s | no longer than a first ejection |
//! | name | `shuffle_shard` | give each fleet its own |
//!
//! # Events
//! | event | when |
//! |---|---|
//! | [`Refused`](crate::Event::Refused) | no member of the hand can be called |
//! | [`ShardEjected`](crate::Event::ShardEjected) | a member is put out; says why and for how long |
//! | [`ShardReturned`](crate::Event::ShardReturned) | its time is over, as the next call sees; or by hand |
//! | [`PanicBegan`](crate::Event::PanicBegan), [`PanicEnded`](crate::Event::PanicEnded) | too few members are left and ejections are ignored; no longer |
//! | [`SpillBegan`](crate::Event::SpillBegan), [`SpillEnded`](crate::Event::SpillEnded) | the first request in a while goes to a member outside of its hand; none has for an interval |
//!
//! Events name a member by its node's [identity](Node::id), a number that is the same in every process and that
//! [`Handle::snapshot`] has beside the name: an event is `Copy`, and a name is as long as whoever discovers nodes makes it.
//!
//! # Example
//! ```
//! use std::time::Duration;
//! use plimsoll::{
//!     Stack, bulkhead, circuit_breaker::{self, CircuitBreaker}, request::CloneRequest, retry,
//!     shuffle_shard::{Node, Nodes, ShuffleShard, tenant_id},
//! };
//! use tower::{ServiceExt, service_fn};
//!
//! #[derive(Clone)]
//! struct Request { tenant: &'static str }
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let places = bulkhead::Settings::try_new(64)?;
//! let nodes = Nodes::try_new(["red", "green", "blue", "grey"].map(Node::new))?;
//! let router = ShuffleShard::new(nodes, move |node: &Node| {
//!     // To each node a stack of its own, with state of its own.
//!     let name = node.name().to_owned();
//!     Stack::new()
//!         .bulkhead(places)
//!         .circuit_breaker(CircuitBreaker::new(circuit_breaker::Settings::new()))
//!         .timeout(Duration::from_secs(1))
//!         .service(service_fn(move |_: Request| {
//!             let answer = if name == "grey" { Err(std::io::Error::other("down")) } else { Ok(name.clone()) };
//!             async { answer }
//!         }))
//! })
//! .tenant_by(|req: &Request| tenant_id(req.tenant))
//! // What one node's stack refuses, and no node has seen, goes to the other; what failed is the retry's.
//! .resend(CloneRequest);
//! let handle = router.handle();
//!
//! let service =
//!     Stack::new().timeout(Duration::from_secs(5)).retry(retry::Settings::new()).wrap_router(router);
//!
//! for tenant in ["acme", "initech", "hooli", "globex", "umbrella", "wonka"] {
//!     let answer = service.clone().oneshot(Request { tenant }).await?;
//!     assert_ne!(answer, "grey");
//! }
//! println!("{}", handle.explain(tenant_id("acme")));
//! handle.insert(Node::new("white"))?;
//! handle.remove("grey");
//! # Ok(())
//! # }
//! ```
//!
//! # How it decides
//! ```text
//! tenant ──▶ assignment ──▶ hand of k nodes          nobody's ──▶ two of the fleet, at random
//!                               │                                     │
//!                               ├◀────────────────────────────────────┘
//!              in service, and not shut by its own word? ── none ──▶ spill, or NoShard
//!                               │
//!          not tried, has room ─▶ else not tried ─▶ else tried longest ago
//!                               │
//!                        the least loaded; ties take turns
//!                               │
//!                    ready? ── not yet: the next; all: wait for the first of them
//!                               │  └── failed: the next; all: its error
//!                             call ── refused, and not dispatched: the next, if it may be sent again
//! ```
//!
//! * **Loaded** is who has most calls under way, and each failure in a row counts as one: a member that fails at once has
//!   nothing under way, and would draw all calls to itself. What was not seen to fail or succeed for an interval is
//!   forgotten.
//! * **An outlier** failed so many times in a row, or at the end of an interval has a share of successes far below the
//!   others'. It is put out, the longer the more often in a row; with each interval in service that shrinks again.
//!   What a tenant does wrong must not count against its members: a judge takes a caller's own mistakes for successes.
//! * **Who returns** does so gently: with all strikes but one, so it looks loaded, and the first failure puts it out
//!   again. The first success makes it one like all others, and even then it gets no more than makes it as loaded as they.
//! * **In a panic** nobody's ejection counts, but for those who are out by hand. What members say of themselves still does.
//! * Results of calls that began before their member was put out, or put back, are not looked at.
//!
//! Nothing happens on its own: there is no task, and what time brings about is noticed by the next call, which wakes those who
//! wait for it.
//!
//! Every call costs what the assignment costs, O(n) for [`Rendezvous`], and O(k). It reads the clock once, and takes no lock
//! but for a moment where [`Pins`] or [`BoundedOverlap`] look something up. It allocates nothing, unless it has to wait for a
//! member to become ready, or is to be sent again where it is refused. A failure that may put somebody out takes a lock, and
//! once an interval somebody looks at all members: O(n), and O(m·n) where m are put out. So does a change of the fleet:
//! O(n log n).
//!
//! Sources: Colm MacCárthaigh, *Workload isolation using shuffle-sharding*, Amazon Builders' Library; outliers: Envoy's
//! outlier detection and gRFC A50; panic: Envoy; whoever fails looks loaded: linkerd's load bias; the power of two choices:
//! Mitzenmacher 2001.

mod assign;
mod bounded_overlap;
mod dealt;
mod explain;
mod fleet;
mod flight;
mod fragments;
mod future;
mod hand;
mod handle;
mod hash;
mod news;
mod nodes;
mod outlier;
mod outliers;
mod pick;
mod pins;
pub mod probability;
mod rendezvous;
mod router;
mod rules;
mod search;
mod seeker;
mod service;
mod settings;
pub mod sharded_bulkhead;
mod snapshot;
mod spare;
mod spill;
mod success_rate;
mod vitals;
mod waiting;
mod watch;

pub use self::{
    assign::Assign,
    bounded_overlap::{BoundedOverlap, Unassignable},
    dealt::Dealt,
    explain::{Basis, Explanation, Row},
    future::ResponseFuture,
    hand::{Hand, HandSize, MAX_HAND},
    handle::Handle,
    hash::tenant_id,
    nodes::{Node, Nodes},
    outliers::Outliers,
    pins::{Pinned, Pins, PinsSnapshot},
    rendezvous::Rendezvous,
    router::ShuffleShard,
    rules::MAX_PINS,
    settings::{Exhausted, Settings},
    snapshot::{Health, MemberSnapshot, Route, Snapshot},
    success_rate::SuccessRate,
};

//! Give each tenant their own hand of nodes.
//!
//! # Why
//! Where every node serves everybody, a tenant whose requests kill nodes kills them all. Where each tenant has a hand
//! of k of the n nodes, such a tenant takes k nodes down, and hardly anybody else has the very same k: of 8 nodes there
//! are 28 hands of 2, of 100 nodes 75,287,520 hands of 5. Everybody else still has a node that works: the router finds
//! it, and a retry in front of the router does not go to the same node twice.
//!
//! # When to use it
//! * As the client of a fleet that many tenants share, any of whom could harm it: by a query of death, by a flood.
//! * As a load balancer with a circuit breaker, a bulkhead and a timeout for each endpoint, for requests of no tenant:
//!   those go to the less loaded of two members.
//! * Inside one process, for a limit that tenants share: that is the [sharded bulkhead](sharded_bulkhead).
//!
//! # When not to
//! Where callers do not try again: a hand then is no better than one of its nodes. Where a tenant needs more than a few
//! nodes can serve. Where only one node may have a tenant's data: a hand says who *may* serve, and a node that is down
//! is passed over.
//!
//! # What the caller sees
//! | | |
//! |---|---|
//! | it | routes; it **refuses** where no member of the hand can be called |
//! | [`Reason`](crate::Reason) | `NoShard`; whatever a member refuses with is passed on as it is, unless another member [gets the request](ShuffleShard::resend) |
//! | `retry_after` | when the first member of the hand will be back; not known where all were put out by an operator, or there is none |
//! | dispatched | no; for a member's refusal, as that says |
//! | `poll_ready` | always ready |
//! | cancel safety | dropping the future drops the member's, and the call no longer counts as under way |
//!
//! * The members' services have to be `Clone`: each call goes to a clone, whose readiness is driven in the future.
//!   Where the best member is not ready at once the next is asked; where none is, the call waits for whichever member
//!   of its hand is ready first.
//! * The error is the members' own. It has to be a [`Refusal`](crate::Refusal);
//!   [`Stack::service`](crate::Stack::service) makes one of any error.
//! * What a member says of itself is believed, up to a limit, and is no failure. A member whose circuit is open (or
//!   that refuses for another reason with the callee to [blame](crate::Fault)) gets no calls until its `retry_after`.
//!   One that has no room is passed over for as long as another has some, and so is one whose answer the judge takes
//!   for an overload: to eject it would send its load to the others, which are likely as busy. A router further in that
//!   has no member for a request says nothing about itself: it is one tenant's hand that is out.
//! * A member that lets [a part](crate::Rejection::is_in_part) of the calls through, while its circuit is half-open and
//!   on the ramp after, is called all the same if what it refuses [goes to another](ShuffleShard::resend), and comes
//!   back as the ramp allows. Without that, each refusal keeps calls away from it: it gets hardly any before its
//!   circuit closes, and then all of its share at once. Of 50 calls a second it got 14 in the first second of the ramp
//!   and 45 in the middle, or 1 without resending.
//! * A call that its caller gave up on counts as a failure if it had been under way for
//!   [`hung_after`](Settings::with_hung_after); otherwise it says nothing. Panics and errors of readiness are failures.
//! * A member is known by its node's name. Calls under way to a node that is removed, or put out, run to their end;
//!   calls that wait for it to become ready look for another, and may go to one that is put back.
//!
//! # Place in the stack
//! Innermost: it *is* the service that a stack is put around, and each member has a stack of its own.
//!
//! ```text
//! total timeout ─▶ retry ─▶ router ─┬▶ member: bulkhead ─▶ circuit breaker ─▶ attempt's timeout ─▶ transport
//!                                   └▶ member: …
//! ```
//!
//! Inside retry, so that the next attempt goes to another node of the hand: a retry in the same task knows which were
//! tried; across `spawn` and `Buffer` that is lost, as is everything [scoped](crate::request::Carried). When all of a
//! hand were tried, the one tried longest ago has its turn.
//!
//! A retry of ours takes a refusal that was not dispatched for an answer: an open circuit is asked once. A router has
//! somebody else to ask: tell it how to copy a request ([`resend`](ShuffleShard::resend)), and what one member refuses
//! goes to the next of the hand at once. That is no retry, and needs none: no callee has seen the request.
//!
//! A limit for each tenant belongs outside the router. Inside, the refusal of one tenant would be taken for the
//! member's word about itself.
//!
//! # Defaults
//! | setting | default | why |
//! |---|---|---|
//! | [tenant](ShuffleShard::tenant_by) | nobody's | only you know; requests of no tenant go to the less loaded of two of the whole fleet |
//! | [assignment](Assign) | [`Rendezvous`] | needs no state, and a node that comes or goes changes at most one member of a hand |
//! | [hand](HandSize) | 2 | the fewest with which a tenant survives the loss of a node |
//! | [resend](ShuffleShard::resend) | never | it takes a copy of each request, and only you know what that costs |
//! | [exhausted hand](Settings::with_exhausted) | refused | what killed one hand would kill the next |
//! | [consecutive failures](Outliers::with_consecutive_failures) | 5 | Envoy's and Finagle's; at an error rate of 10 %, five in a row are a chance of one in 100,000 |
//! | [success rate](SuccessRate) | 1.5 standard deviations below the mean, of 100 calls, among 5 | Envoy says 1.9; but two bad members of eight, a tenant's whole hand, lie 1.7 below, and would never be found |
//! | [good enough](SuccessRate::with_good_enough) | 95 % | the worst of five lies two deviations off however little it differs: a good member's worse interval is no reason to eject it |
//! | [interval](Outliers::try_with_interval) | 10 s | Envoy's and gRPC's |
//! | [ejection time](Outliers::try_with_ejection_time) | 30 s times the number of ejections in a row, up to 5 min, half of it jitter | Envoy's and gRPC's, but for the jitter: members ejected together, here and in other processes, must not return together |
//! | [ejected at most](Outliers::with_max_ejected) | 10 %, but one hand in any case, and never the last member | Envoy says 10 %, but at least one; if one member of a poisoned hand could not be ejected, it would draw calls to itself and fail them, and every tenant that shares it would notice |
//! | [panic](Outliers::with_panic_below) | below 50 % left | Envoy's: when half of a fleet looks sick the cause lies elsewhere, and the other half could not bear the load |
//! | [hung after](Settings::with_hung_after) | 1 s | as for the circuit breaker |
//! | [max hint](Settings::with_max_hint) | 30 s | no longer than a first ejection |
//! | name | `shuffle_shard` | give each fleet its own |
//!
//! # Events
//! | event | when |
//! |---|---|
//! | [`Refused`](crate::Event::Refused) | no member of the hand can be called |
//! | [`ShardEjected`](crate::Event::ShardEjected) | a member is ejected; says why and for how long |
//! | [`ShardReturned`](crate::Event::ShardReturned) | its time is over, as the next call finds; or by hand |
//! | [`PanicBegan`](crate::Event::PanicBegan), [`PanicEnded`](crate::Event::PanicEnded) | too few members are left, so ejections are ignored; enough are left again |
//! | [`SpillBegan`](crate::Event::SpillBegan), [`SpillEnded`](crate::Event::SpillEnded) | the first request in a while goes to a member outside its hand; none has for an interval |
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
//! * **Loaded** is the member with most calls under way, where each failure in a row counts as one more: a member that
//!   fails at once has nothing under way, and would draw all calls to itself. Failures are forgotten after an interval
//!   without results.
//! * **An outlier** failed too many times in a row, or at the end of an interval has a success rate far below the
//!   others'. It is ejected, for longer each time in a row; each interval in service shortens that again. What a tenant
//!   does wrong must not count against its members: the judge should take a caller's own mistakes for successes.
//! * **Who returns** does so gently: one failure short of an ejection, so it looks loaded, and the first failure ejects
//!   it again. The first success makes it a member like all others, and even then it gets no more calls than make it as
//!   loaded as they are.
//! * **In a panic** no ejection counts, except those by hand. What members say of themselves still does.
//! * Results of calls that began before their member was last put out or back are not looked at.
//!
//! Nothing happens on its own: there is no task; the next call notices that time has passed, and wakes the calls that
//! wait for it.
//!
//! Every call costs what the assignment costs, O(n) for [`Rendezvous`], and O(k). It reads the clock once, and takes a
//! lock only for the moment in which [`Pins`] or [`BoundedOverlap`] look something up. It allocates nothing, unless it
//! has to wait for a member to become ready, or may be resent. A failure that may eject a member takes a lock, and so
//! does the call that looks at all members once an interval: O(n), and O(m·n) where m are ejected. So does a change of
//! the fleet: O(n log n).
//!
//! Sources: Colm MacCárthaigh, *Workload isolation using shuffle-sharding*, Amazon Builders' Library; outliers: Envoy's
//! outlier detection and gRFC A50; panic: Envoy; a member that fails looks loaded: linkerd's load bias; the power of
//! two choices: Mitzenmacher 2001.

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

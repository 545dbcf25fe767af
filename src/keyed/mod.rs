//! To each key its own gate, and never more of them than there is room for.
//!
//! # Why
//! The first tenant who floods a common limit takes all of it, and one breaker for all endpoints cuts off nine good
//! ones because of the bad tenth. Each needs its own. But to keep something for every key lets strangers fill the
//! memory with keys that they make up; and to forget old keys instead lets the same strangers reset a limit that they
//! are up against. Here neither works: there are places for only so many keys, and only a gate that remembers nothing
//! makes room for another.
//!
//! # When to use it
//! Around any gate, a bulkhead, a circuit breaker, one of your own: for each tenant, endpoint, host, route, address.
//!
//! # When not to
//! For a few kinds that are known when the stack is built: [`PerKind`](crate::gate::PerKind) has a gate for each from
//! the beginning, takes no lock, and forgets none. For tenants that take turns within one limit, where one may have all
//! of it while nobody else wants it: that is the [surge queue's](crate::surge_queue) job.
//!
//! # What the caller sees
//! | | |
//! |---|---|
//! | it | does what the gate of the request's key does |
//! | [`Reason`](crate::Reason) | that of the gate; `KeysFull` where the key finds no place and [is refused](Overflow::Refuse) for that |
//! | `retry_after` | what the gate says; not known for `KeysFull` |
//! | dispatched | no |
//! | `poll_ready` | always ready |
//! | cancel safety | that of the gate; dropping the future at any point also lets go of the key |
//!
//! A panic in the question for the key, in the factory or in a gate loses nothing, and holds no key.
//!
//! # Place in the stack
//! Where the gate would stand by itself, in [the order](crate::guide::order) of a stack: on a server, a rate limit for
//! each tenant below overload control, and a bulkhead for each above the common one, so that a request that waits for
//! its tenant's turn takes none of the common places; on a client, a breaker for each endpoint below the retry. Several
//! dependencies have a `Keyed` each, in the stack of each. A `Keyed` is a gate, so it may itself be the gate of a key:
//! for each region, a limit for each tenant.
//!
//! # Defaults
//! | setting | default | why |
//! |---|---|---|
//! | [capacity](Settings::with_capacity) | 16,384 keys | more tenants or endpoints than most services see in ten minutes. A place with a bulkhead takes about 0.9 KiB and one with a circuit breaker about 2: 14 or 32 MiB when all are taken. Allow a tenth more than you expect |
//! | [idle](Settings::try_with_idle) | 10 minutes | twice the five minutes that a circuit stays open at most. A limit by the hour or the day needs as long a time |
//! | [overflow](Settings::with_overflow) | share a gate | bounded like any key, and keeps nobody out altogether |
//! | [description](Keyed::described_as) | how each gate is set is not told | a factory may set each otherwise. Say of which key it is to be told |
//! | [hasher](Keyed::with_hasher) | the standard library's, with a random seed | nobody can choose keys that collide |
//! | name | `keyed` | for `KeysFull`, and the events; gates have names of their own |
//!
//! Keys are owned values, made anew for each request: a number or an `Arc<str>` costs less than a `String`. A key that
//! is costly to compare or to hash is so for every call. The number of keys is bounded here, but not their length: of a
//! name that a stranger may write, keep a hash, or refuse one that is too long.
//!
//! # Events
//! | event | when |
//! |---|---|
//! | [`Refused`](crate::Event::Refused) | a request is refused |
//! | [`KeysFull`](crate::Event::KeysFull) | a key finds no place: once, not for each that finds none |
//! | [`KeysFit`](crate::Event::KeysFit) | a new key finds a place, and for ten seconds every key has |
//!
//! And whatever the gates announce: gates without an observer of their own use this one's. No event holds a key, nor
//! does anything that is printed; a name that a factory gives to a gate is `&'static str`, and must not be made from a
//! key.
//!
//! # Example
//! ```
//! use plimsoll::{Error, Reason, Stack, circuit_breaker::CircuitBreaker, keyed::{Keyed, Settings}};
//! use tower::{ServiceExt, service_fn};
//!
//! #[derive(Clone)]
//! struct Request { host: &'static str }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let breakers = Keyed::new(Settings::new(), |r: &Request| r.host, |_| CircuitBreaker::default());
//! let handle = breakers.handle();
//! let service = Stack::new().keyed(breakers).service(service_fn(|r: Request| async move {
//!     if r.host == "sick" { Err(std::io::Error::other("down")) } else { Ok(r.host) }
//! }));
//!
//! for _ in 0..10 {
//!     assert!(service.clone().oneshot(Request { host: "sick" }).await.is_err());
//!     assert!(service.clone().oneshot(Request { host: "well" }).await.is_ok());
//! }
//! let refused = service.clone().oneshot(Request { host: "sick" }).await;
//! assert!(matches!(refused, Err(Error::Rejected(r)) if r.reason() == Reason::CircuitOpen));
//! assert!(service.oneshot(Request { host: "well" }).await.is_ok());
//!
//! handle.get(&"sick").expect("it has a place").handle().reset();
//! # }
//! ```
//!
//! Eight at once for each tenant, sixty-four for those who pay, and eight together for all who find no place:
//!
//! ```
//! use plimsoll::{bulkhead::{self, Bulkhead}, keyed::{Keyed, Settings}};
//!
//! #[derive(Clone, PartialEq, Eq, Hash)]
//! enum Tenant { Paying(u64), Other(u64), Strangers }
//! struct Request { tenant: Tenant }
//!
//! # fn main() -> Result<(), plimsoll::InvalidSetting> {
//! let (few, many) = (bulkhead::Settings::try_new(8)?, bulkhead::Settings::try_new(64)?);
//! let settings = Settings::new().with_name("tenants").try_with_capacity(5_000)?;
//! let tenants = Keyed::new(settings, |r: &Request| r.tenant.clone(), move |tenant: &Tenant| {
//!     Bulkhead::new(if matches!(tenant, Tenant::Paying(_)) { many } else { few })
//! });
//! let tenants = tenants.overflow_as(Tenant::Strangers);
//! # let _ = plimsoll::Stack::new().keyed(tenants);
//! # Ok(())
//! # }
//! ```
//!
//! # How it decides
//! ```text
//!             known ─▶ held, and asked ─────────────────────────────────────▶ the gate's answer
//!               ▲
//!  key ─ hash ─▶ shard
//!               │                      yes
//!               ▼         ┌─ room? ───────────────▶ made, placed, held, and asked
//!              new ───────┤                              ▲
//!                         └─ somebody to forget? ────────┘
//!                              idle, or remembers nothing
//!                              and is not held
//!                                       │no
//!                                       ▼
//!                            shared gate, refused, or let through
//! ```
//! * A key is **held** from when a request comes for it until that has been settled, refused or has left, and for as
//!   long as [`Handle::get`]'s answer is kept. What is held is never forgotten: a permit or a wait goes back to the
//!   very gate that gave it, and two requests for a key never meet two gates of its own.
//! * **To make room**, a gate is forgotten only if nobody holds it and it [is neutral](crate::Gate::is_neutral), so
//!   that it makes no difference. A bulkhead is neutral when nobody is in it; a circuit breaker, when it is closed and
//!   no failure is in its window; a rate limit, when all its cells are there; a work budget, when nobody is in it and
//!   no kind of request has turned out to cost more than its estimates by over an eighth. What a load shedder or a
//!   surge queue has learned is worth keeping, so neither ever is; nor is a gate of your own, unless it says so.
//! * **With age**, a key that nobody has asked for during the idle time is forgotten, whatever its gate remembers. A
//!   key that is being refused is being asked for.
//! * Which key is forgotten first is up to the CLOCK algorithm, whose hand prefers keys that nobody has asked for since
//!   it last came by. It looks at eight keys for a newcomer that needs room, however many there are: among many that
//!   must be remembered, it may miss the few that need not be.
//! * Your code, the factory, the gates, and what they drop, runs without a lock; only the comparison of keys runs under
//!   one.
//!
//! A call for a known key costs its hash, two locks for the time of a look-up, one at admission and one at settlement,
//! and a reference count: no clock, no allocation, and no waiting for what a gate does for another key. A gate that
//! [accompanies](crate::Gate::GOES_ALONG) its calls, as a work budget does, is also looked up for each step of a call.
//! A newcomer costs a clock reading, two or three such locks, and its gate; a refusal costs one look-up more, to offer
//! the request to its gate.
//!
//! ## A flood of keys
//! Strangers who make up keys take every place whose gate they can make remember something: a request under way, a
//! failure, a quota in use. While they hold the places:
//!
//! | [overflow](Overflow) | they get | whoever is new gets |
//! |---|---|---|
//! | share | one key's limit, between them | what they leave of it |
//! | refuse | what the keys with a place are allowed | nothing, until a place is free |
//! | admit | everything | everything |
//!
//! A key that has a place keeps it, and its limit, as long as it comes at least once in the idle time or is remembered.
//! Memory is bounded in each case. If a key finds a place after it had none, what it has under way at the shared gate
//! stays there: until that ends, the key may have that much more at once than its own limit. Bound the whole as well,
//! by overload control further out or a common bulkhead further in, and take keys from what you know, a verified
//! caller, rather than from what a stranger may write.

mod described;
mod entry;
mod gate;
mod handle;
mod newcomer;
mod place;
mod pressure;
mod settings;
mod shard;
mod state;

pub use self::{
    entry::Kept,
    gate::Keyed,
    handle::{Handle, Snapshot},
    place::{Permit, Wait},
    settings::{Overflow, Settings},
};
use crate::{classify::Standard, gate::GateLayer};

/// A gate for each key alone, as a layer for `tower::ServiceBuilder`: `KeyedLayer::new(keyed)`.
pub type KeyedLayer<K, G, Q, M, S = std::hash::RandomState, C = Standard> = GateLayer<Keyed<K, G, Q, M, S>, C>;

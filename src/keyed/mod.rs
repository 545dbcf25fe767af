//! To each key its own gate, and never more of them than there is room for.
//!
//! # Why
//! One limit for all tenants is taken by the first who floods it, and one breaker for all endpoints opens to the nine good
//! ones because of the bad tenth. Each needs its own. But whoever keeps something for every key lets strangers fill the
//! memory with keys that they make up; and whoever forgets old keys to prevent that lets the same strangers reset a limit
//! that they are up against. Here both are bounded: there is a place for so many keys, and only a gate that remembers
//! nothing makes room for another.
//!
//! # When to use it
//! Around any gate, a bulkhead, a circuit breaker, one of your own: for each tenant, endpoint, host, route, address.
//!
//! # When not to
//! For a few kinds that are known when the stack is built: [`PerKind`](crate::gate::PerKind) has a gate for each from the
//! beginning, takes no lock, and forgets none. For tenants in turn within one limit, which lets one have all of it while
//! nobody else wants it: that is the [surge queue's](crate::surge_queue).
//!
//! # What the caller sees
//! | | |
//! |---|---|
//! | it | does what the gate of the request's key does |
//! | [`Reason`](crate::Reason) | that of the gate; `KeysFull` where the key finds no place and [is refused](Overflow::Refuse) for it |
//! | `retry_after` | what the gate says; of `KeysFull`, not known |
//! | dispatched | no |
//! | `poll_ready` | always ready |
//! | cancel safety | that of the gate; dropping the future at any point also lets go of the key |
//!
//! A panic in the question for the key, in the factory or in a gate loses nothing, and holds no key.
//!
//! # Place in the stack
//! Where the gate would stand by itself, in [the order](crate::guide::order) of a stack: on a server, a rate limit for each
//! tenant below overload control, and a bulkhead for each above the one for all, so that who waits for a tenant's turn takes no
//! place of it; on a client, a breaker for each endpoint below the retry. One for each of several dependencies is one `Keyed` in the stack of each. A gate
//! for each key is a gate, so it may be what another has for each of its keys: of each region, a limit for each tenant.
//!
//! # Defaults
//! | setting | default | why |
//! |---|---|---|
//! | [capacity](Settings::with_capacity) | 16,384 keys | more tenants or endpoints than most services see in ten minutes. A place with a bulkhead takes about 0.9 KiB and one with a circuit breaker about 2: 14 or 32 MiB when all are taken. Count a tenth more than you expect |
//! | [idle](Settings::try_with_idle) | 10 minutes | twice the five minutes that a circuit stays open at most. A limit by the hour or the day needs one as long |
//! | [overflow](Settings::with_overflow) | share a gate | bounded like any key, and keeps nobody out altogether |
//! | [description](Keyed::described_as) | how each gate is set is not told | a factory may set each otherwise. Say of which key it is to be told |
//! | [hasher](Keyed::with_hasher) | the standard library's, seeded by chance | nobody can choose keys that collide |
//! | name | `keyed` | for `KeysFull`, and the events; gates have names of their own |
//!
//! Keys are owned values, made anew for each request: a number or an `Arc<str>` costs less than a `String`. What is dear to
//! compare or to hash is so for every call. Their number is bounded here, and not their length: of a name that a stranger may
//! write, keep a hash, or refuse what is too long.
//!
//! # Events
//! | event | when |
//! |---|---|
//! | [`Refused`](crate::Event::Refused) | a request is refused |
//! | [`KeysFull`](crate::Event::KeysFull) | a key finds no place: once, not for each that finds none |
//! | [`KeysFit`](crate::Event::KeysFit) | a new key finds a place, and for ten seconds none has found none |
//!
//! And what the gates announce, to whoever hears this one unless they are heard already. No event holds a key, nor does
//! anything that is printed; a name that a factory gives to a gate is `&'static str`, and must not be made of a key.
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
//! Eight at once for each tenant, sixty-four for those who pay, and eight for all together who find no place:
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
//! * A key is **held** from when a request comes for it until that has been settled, refused or has left, and for as long
//!   as [`Handle::get`]'s answer is kept. What is held is never forgotten: a permit or a wait goes back to the very gate that
//!   gave it, and two requests for a key never meet two gates of its own.
//! * **To make room**, only a gate is forgotten that nobody holds and that [is neutral](crate::Gate::is_neutral): where it
//!   makes no difference. A bulkhead is, when nobody is in it; a circuit breaker, when it is closed and no failure is in its
//!   window; a rate limit, when all its cells are there; a work budget, when nobody is in it and no kind of request has turned out to be
//!   dearer than its estimates by more than an eighth. What a load shedder or a surge queue has learned is worth keeping, so neither ever is; nor is a gate of your own,
//!   unless it says so.
//! * **With age**, a key is forgotten that nobody has asked for during the idle time, whatever its gate remembers. A key that is
//!   being refused is being asked for.
//! * What is forgotten first is what the hand of a clock finds first, and rather what nobody has asked for since it last came
//!   by. It looks at eight keys for a newcomer who needs room, however many there are: of many that must be remembered, it
//!   may miss the few that need not.
//! * Everything of yours, the factory, the gates, and what they drop, is called without a lock; the comparison of keys and
//!   nothing else is called with one.
//!
//! A call for a known key costs its hash, two locks for the time of a look-up, one at admission and one at settlement, and a
//! reference count: no clock, no allocation, and no waiting for what a gate does for another key. A gate that
//! [goes along](crate::Gate::GOES_ALONG) with its calls, as a work budget does, is looked up for each step of one as well. A newcomer costs a clock
//! reading, two or three such locks, and its gate; a refusal one look-up more, to offer the request to its gate.
//!
//! ## A flood of keys
//! Strangers who make up keys take all the places whose gates they get to remember something: by a request under way, a
//! failure, a quota in use. While they hold them:
//!
//! | [overflow](Overflow) | they get | whoever is new gets |
//! |---|---|---|
//! | share | one key's limit, between them | what they leave of it |
//! | refuse | what the keys with a place are allowed | nothing, until a place is free |
//! | admit | everything | everything |
//!
//! Whoever has a place keeps it, and its limit, as long as it comes at least once in the idle time or is remembered. Memory is
//! bounded in each case. If a key finds a place after it had none, what it has under way at the shared gate stays there: so
//! much more than its own limit may it have at once, and for so long. Bound the whole as well, by overload control further out or a
//! bulkhead for all further in, and take keys from what you know, a verified caller, rather than from what a stranger may write.

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

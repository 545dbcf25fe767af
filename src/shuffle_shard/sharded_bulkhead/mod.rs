//! Keep a tenant's flood in a few cells of many.
//!
//! # Why
//! One limit for all is used up by whoever sends most. A limit for each tenant needs memory for each, and a name for
//! everybody who may ever come. Here there are n cells of c permits, and each tenant may use a hand of k of them: in
//! memory for n cells, whatever the number of tenants. A flood fills its k cells and is refused. All but very few
//! others share at most k−1 cells with it, and go on in those that they do not share.
//!
//! # When to use it
//! Around a handler or a dependency that many tenants share, when one of them could take all of it: tenants by the million,
//! made up on the spot, or without a contract that says how much each may have.
//!
//! # When not to
//! Where a tenant has paid for a number: that takes a bulkhead for each. Where all requests belong to one tenant, who
//! could never have more than k·c at once. For nodes in other processes: that is the [router](super).
//!
//! # What the caller sees
//! | | |
//! |---|---|
//! | it | **refuses** |
//! | [`Reason`](crate::Reason) | `BulkheadFull`, when all cells of the tenant's hand are full |
//! | `retry_after` | not known |
//! | dispatched | no |
//! | `poll_ready` | always ready |
//! | cancel safety | dropping the future leaves the cell |
//!
//! The inner service has to be `Clone`; put one that is not behind `tower::buffer::Buffer`. Requests of no tenant
//! ([`TenantOf`](crate::request::TenantOf) says `None`) share one hand, as if all of them were one tenant's: a flood
//! without a name is a flood.
//!
//! # Place in the stack
//! On a server behind whatever finds out who asks, and above the queue or the limit that all share, which then never
//! sees more than k·c of one tenant's requests.
//!
//! # Defaults
//! | setting | default | why |
//! |---|---|---|
//! | [permits](Settings::new) a cell | none: you choose | k·c is what one tenant may have at once, and n·c what all may |
//! | [cells](Settings::try_with_cells) | 64 | one flood is held to a sixteenth of everything |
//! | [hand](Settings::try_with_cells) | 4 of them | four floods at once take all cells of two tenants in a thousand; with 2 of 64 it would be thirteen, and with 6 of 64 one flood has a tenth of everything |
//! | [seed](Settings::with_seed) | drawn anew for each bulkhead | nobody can foresee whose cells are whose; another process deals other hands |
//! | name | `sharded_bulkhead` | |
//!
//! [`probability`](super::probability) has these numbers for other sizes: `cover(64, hand, floods)`.
//!
//! # Events
//! | event | when |
//! |---|---|
//! | [`Refused`](crate::Event::Refused) | a request is refused |
//! | [`WouldRefuse`](crate::Event::WouldRefuse) | it would be, while the bulkhead only observes |
//! | [`BulkheadResized`](crate::Event::BulkheadResized) | the permits of a cell are changed |
//!
//! # Example
//! ```
//! use plimsoll::{Stack, shuffle_shard::{sharded_bulkhead::{Settings, ShardedBulkhead}, tenant_id}};
//! use tower::{Service, service_fn};
//!
//! #[derive(Clone)]
//! struct Request { customer: &'static str }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let settings = Settings::try_new(10)?;
//! # let settings = settings.with_seed(7);
//! let bulkhead = ShardedBulkhead::new(settings, |r: &Request| tenant_id(r.customer));
//! let handle = bulkhead.handle();
//! let mut service = Stack::new()
//!     .sharded_bulkhead(bulkhead)
//!     .service(service_fn(|_: Request| async { Ok::<_, std::io::Error>("done") }));
//!
//! // Four cells of ten permits: the forty-first request at once is refused, and another customer is served.
//! let flood: Vec<_> = (0..41).map(|_| service.call(Request { customer: "flood" })).collect();
//! assert_eq!(handle.snapshot().in_use(), 40);
//! assert!(service.call(Request { customer: "acme" }).await.is_ok());
//! # Ok(())
//! # }
//! ```
//!
//! # How it decides
//! ```text
//!  tenant ──▶ SipHash with the seed ──▶ dealer ──▶ k cells of n ──▶ the emptiest: is there room?
//!                                                                       │yes        │no
//!                                                                       ▼           ▼
//!                                                                    admitted    refused
//! ```
//! The hash is [dealt](super::Dealt) as Kubernetes deals its flows to queues. Among equally empty cells, the one used
//! least often has its turn. That is O(k) and one compare-and-swap in, and one subtraction out: no lock, no clock, no
//! allocation. Tenants get in each other's way only where they share a cell.

mod cells;
mod gate;
mod handle;
mod settings;

pub use self::{
    gate::{Permit, ShardedBulkhead},
    handle::{Handle, Snapshot},
    settings::Settings,
};
use crate::{classify::Unjudged, gate::GateLayer};

/// A sharded bulkhead alone, as a layer for `tower::ServiceBuilder`: `ShardedBulkheadLayer::new(bulkhead)`.
pub type ShardedBulkheadLayer<T> = GateLayer<ShardedBulkhead<T>, Unjudged>;

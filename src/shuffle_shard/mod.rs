//! Give each tenant a hand of nodes of their own.
//!
//! # Why
//! Where every node serves everybody, a tenant whose requests kill nodes kills them all. Where each tenant has a hand of k
//! of the n nodes, such a tenant takes k nodes with them, and hardly anybody else has the very same k: of 8 nodes there are
//! 28 hands of 2, of 100 nodes 75,287,520 hands of 5. Everybody else still has a node that works.
//!
//! # When to use it
//! Where many tenants share a fleet, callers try another node when one fails, and one tenant could harm what serves them.
//!
//! # When not to
//! Where callers do not try again: a hand then is no better than one of its nodes. Where a tenant needs more than a few
//! nodes can do.
//!
//! # What the caller sees
//! | | |
//! |---|---|
//! | it | routes |
//! | [`Reason`](crate::Reason) | none |
//! | `retry_after` | not known |
//! | dispatched | no |
//! | `poll_ready` | always ready |
//! | cancel safety | nothing is held |
//!
//! # Place in the stack
//! Inside of retry, so that the next attempt goes to another node of the hand.
//!
//! # Defaults
//! | setting | default | why |
//! |---|---|---|
//! | [assignment](Assign) | [`Rendezvous`] | needs no state, and a node that comes or goes changes at most one member of a hand |
//! | [hand](HandSize) | 2 | the fewest with which a tenant survives the loss of a node |
//!
//! # Events
//! None.
//!
//! # Example
//! ```
//! use plimsoll::shuffle_shard::{Assign, Node, Nodes, Rendezvous, tenant_id};
//!
//! # fn main() -> Result<(), plimsoll::InvalidSetting> {
//! let nodes = Nodes::try_new(["red", "green", "blue", "grey"].map(Node::new))?;
//! let hand = Rendezvous::default().hand(tenant_id("acme"), &nodes);
//! assert_eq!(hand.len(), 2);
//! # Ok(())
//! # }
//! ```
//!
//! # How it decides
//! ```text
//! tenant ──▶ assignment ──▶ hand of k nodes ──▶ those that work ──▶ the least loaded
//! ```

mod assign;
mod bounded_overlap;
mod dealt;
mod explain;
mod fragments;
mod hand;
mod hash;
mod nodes;
mod pins;
pub mod probability;
mod rendezvous;
mod rules;
pub mod sharded_bulkhead;

pub use self::{
    assign::Assign,
    bounded_overlap::{BoundedOverlap, Unassignable},
    dealt::Dealt,
    explain::{Basis, Explanation, Row},
    hand::{Hand, HandSize, MAX_HAND},
    hash::tenant_id,
    nodes::{Node, Nodes},
    pins::{Pinned, Pins, PinsSnapshot},
    rendezvous::Rendezvous,
    rules::MAX_PINS,
};

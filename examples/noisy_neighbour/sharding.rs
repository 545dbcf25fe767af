//! Who may use which servers.

use plimsoll::shuffle_shard::{Assign, Hand, HandSize, Nodes, Rendezvous};

/// How the fleet is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Everybody may use every server.
    Not,
    /// Shards of two servers; each tenant belongs to one.
    Plain,
    /// To each tenant a hand of two of its own.
    Shuffled,
}

/// A cut, and the seed by which tenants are dealt their servers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sharding {
    pub(crate) cut: Cut,
    pub(crate) seed: u64,
}

/// Servers that a tenant is dealt, where it is dealt any.
const PAIR: u32 = 2;

impl Assign for Sharding {
    fn hand(&self, tenant: u64, nodes: &Nodes) -> Hand {
        let hand = |size| Rendezvous::new(HandSize::new(size)).with_seed(self.seed.into()).hand(tenant, nodes);
        match self.cut {
            Cut::Not => (0..nodes.len() as u32).collect(),
            Cut::Shuffled => hand(PAIR as usize),
            // The shard of the server that would be the tenant's first, so that tenants are spread as evenly.
            Cut::Plain => match hand(1).first() {
                Some(first) => (0..PAIR).map(|member| first / PAIR * PAIR + member).collect(),
                None => Hand::EMPTY,
            },
        }
    }
}

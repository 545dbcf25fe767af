//! The exceptions of a [`Pinned`](super::Pinned), and what they mean for a tenant.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{hand::Hand, nodes::Nodes};

/// How many tenants can be pinned, how many can be in quarantine, and how many nodes can be set apart for the latter.
pub const MAX_PINS: usize = 65_536;

#[derive(Debug, Default)]
pub(super) struct Rules {
    /// The identities of the nodes that a tenant is pinned to.
    pub(super) pins: HashMap<u64, Box<[u64]>>,
    pub(super) quarantined: HashSet<u64>,
    /// The identities of the nodes for tenants in quarantine, sorted.
    ward: Vec<u64>,
    /// Whether others are dealt them too.
    shared: bool,
    divided: Option<Divided>,
}

/// Nodes, divided into those of the ward and the others.
#[derive(Debug)]
struct Divided {
    whole: Nodes,
    ward: Option<Arc<Part>>,
    others: Option<Arc<Part>>,
}

/// Some of the nodes.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) nodes: Nodes,
    /// Where each of them stands in the whole.
    positions: Box<[u32]>,
}

/// What the rules say about a tenant.
#[derive(Debug)]
pub(super) enum Decision {
    /// Nothing.
    AsAll,
    /// These nodes, in this order.
    Pinned(Hand),
    /// A hand of these nodes.
    Quarantined(Arc<Part>),
    /// A hand of these nodes: the tenant is in no quarantine, but others are.
    Among(Arc<Part>),
}

impl Rules {
    pub(super) fn is_empty(&self) -> bool {
        self.pins.is_empty() && self.ward.is_empty()
    }

    /// Says whether there was room for it.
    pub(super) fn pin(&mut self, tenant: u64, ids: Vec<u64>) -> bool {
        let room = self.pins.len() < MAX_PINS || self.pins.contains_key(&tenant);
        if room {
            self.pins.insert(tenant, ids.into());
        }
        room
    }

    /// Says whether there was room for it.
    pub(super) fn quarantine(&mut self, tenant: u64) -> bool {
        let room = self.quarantined.len() < MAX_PINS || self.quarantined.contains(&tenant);
        if room {
            self.quarantined.insert(tenant);
        }
        room
    }

    pub(super) fn set_ward(&mut self, mut ids: Vec<u64>, shared: bool) {
        ids.sort_unstable();
        (self.ward, self.shared, self.divided) = (ids, shared, None);
    }

    /// How many nodes there are for tenants in quarantine, and whether others are dealt them too.
    pub(super) fn ward(&self) -> (usize, bool) {
        (self.ward.len(), self.shared)
    }

    pub(super) fn decide(&mut self, tenant: u64, nodes: &Nodes) -> Decision {
        let pinned = self.pins.get(&tenant).map(|ids| nodes.hand_of(ids));
        if let Some(hand) = pinned.filter(|hand| !hand.is_empty()) {
            return Decision::Pinned(hand);
        }
        if self.ward.is_empty() {
            return Decision::AsAll;
        }
        let quarantined = self.quarantined.contains(&tenant);
        match self.divide(nodes) {
            Divided { ward: Some(ward), .. } if quarantined => Decision::Quarantined(Arc::clone(ward)),
            Divided { others: Some(others), .. } => Decision::Among(Arc::clone(others)),
            Divided { others: None, .. } => Decision::AsAll,
        }
    }

    /// The nodes, divided; as they were the last time, if they are the same.
    fn divide(&mut self, nodes: &Nodes) -> &Divided {
        let Self { ward, shared, divided, .. } = self;
        let known = divided.take().filter(|divided| divided.whole.is_same(nodes));
        divided.insert(known.unwrap_or_else(|| {
            let part = |inside: bool| {
                let (nodes, positions) = nodes.part(|id| ward.binary_search(&id).is_ok() == inside);
                (!nodes.is_empty()).then(|| Arc::new(Part { nodes, positions }))
            };
            let others = if *shared { None } else { part(false) };
            Divided { whole: nodes.clone(), ward: part(true), others }
        }))
    }
}

impl Part {
    /// A hand of these nodes, by where they stand in the whole.
    pub(super) fn outside(&self, hand: &Hand) -> Hand {
        hand.iter().filter_map(|position| self.position(*position)).collect()
    }

    pub(super) fn position(&self, position: u32) -> Option<u32> {
        self.positions.get(position as usize).copied()
    }
}

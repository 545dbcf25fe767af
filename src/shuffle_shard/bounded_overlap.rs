use std::{collections::HashMap, sync::Arc};

use super::{
    assign::Assign,
    explain::{Basis, Explanation},
    fragments::{Fragments, NotFound},
    hand::{Hand, HandSize},
    nodes::Nodes,
    probability::combinations,
    rendezvous::Rendezvous,
};
use crate::{
    settings::InvalidSetting,
    sync::{
        Lock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// Hands of which no two have more than λ nodes in common, chosen one after another and remembered.
///
/// Hands dealt by chance are sometimes alike; with a million tenants, thousands of pairs have more in common than the
/// average lets you hope ([`probability`](super::probability) says how many). To rule that out, each new hand has to be
/// compared with those there are. The search is that of Route 53's Infima library: it goes through the nodes in the
/// order in which [`Rendezvous`] would deal them to the tenant, and takes the first hand that is different enough.
/// Zones are heeded as far as that order heeds them.
///
/// # Assigned by hand
/// [`try_assign`](Self::try_assign) gives a tenant a hand, when they sign up, say. [`hand`](Assign::hand), which runs
/// on every call, only looks it up: calls with made-up tenants fill no memory. **Tenants who have not been assigned a
/// hand get the one that `Rendezvous` deals**, which keeps no bound; [`fallbacks`](Self::fallbacks) counts how often.
///
/// # When nodes come and go
/// What has been assigned stays: a hand is made of [identities](super::Node::id). A node that is gone is left out of
/// its hands, which are smaller until it is back; the bound holds all the while. If all nodes of a hand are gone, the
/// tenant gets what `Rendezvous` deals. For a hand of the present nodes, [`forget`](Self::forget) the tenant and assign
/// anew. New nodes are in new hands only.
///
/// # Your data
/// The hands are your data, since they depend on the order in which they were assigned: keep
/// [`assignments`](Self::assignments), and [`restore`](Self::restore) them in every process that should deal the same.
///
/// # Cost
/// A look-up is O(k log n) under a short lock, and allocates nothing. An assignment looks at a million fragments at
/// most, some tens of milliseconds, and holds up only other assignments. A tenant costs C(k, λ+1) fragments of some 16
/// bytes, at most 1000 of them, and k identities; there are at most [`with_max_tenants`](Self::with_max_tenants) of
/// them. Clones share everything.
///
/// ```
/// use plimsoll::shuffle_shard::{Assign, BoundedOverlap, Node, Nodes, Unassignable};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let nodes = Nodes::try_new((0..8).map(|n| Node::new(format!("worker-{n}"))))?;
/// // Of 8 nodes, 2 a hand, at most one in common: every pair of nodes once.
/// let hands = BoundedOverlap::try_new(2, 1)?;
/// for tenant in 0..28 {
///     hands.try_assign(tenant, &nodes)?;
/// }
/// assert_eq!(hands.try_assign(28, &nodes), Err(Unassignable::NoHandLeft));
/// assert_eq!(hands.hand(28, &nodes).len(), 2, "dealt, and in common with somebody");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct BoundedOverlap {
    most_shared: usize,
    max_tenants: usize,
    fallback: Rendezvous,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    /// Taken first where both are. A search holds it, and nobody who only looks up waits for that.
    fragments: Lock<Fragments>,
    hands: Lock<HashMap<u64, Box<[u64]>>>,
    fallbacks: AtomicU64,
}

/// Why a tenant could not be given a hand with bounded overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unassignable {
    /// The hand to be restored has too much in common with another, is too large or empty, or its tenant has a
    /// different one.
    #[error("the hand is at odds with what is assigned already")]
    AtOdds,
    /// None was found within the number of steps allowed. With more nodes, or a larger overlap, one would be.
    #[error("no hand was found in time that overlaps little enough with all others")]
    NotFoundInTime,
    /// Every possible hand of these nodes has too much in common with one that is assigned.
    #[error("no hand is left that overlaps little enough with all others")]
    NoHandLeft,
    /// There are no nodes.
    #[error("there are no nodes")]
    NoNodes,
    /// As many tenants have hands as may have.
    #[error("as many tenants have hands as may have")]
    TooManyTenants,
}

/// How many fragments a search looks at.
const STEPS: u32 = 1 << 20;

impl BoundedOverlap {
    /// Hands of `hand` nodes, of which no two have more than `most_shared` in common.
    ///
    /// # Errors
    /// [`InvalidSetting`] for a hand of none or more than [`MAX_HAND`](super::MAX_HAND); for a `most_shared` of the
    /// whole hand or more, which is no bound; and if C(hand, most_shared + 1) is more than 1000.
    pub fn try_new(hand: usize, most_shared: usize) -> Result<Self, InvalidSetting> {
        let size = HandSize::try_new(hand)?;
        let refuse = |allowed| Err(InvalidSetting::new("shuffle_shard.most_shared", most_shared, allowed));
        if most_shared >= hand {
            return refuse("less than the hand");
        }
        if combinations(hand as u64, most_shared as u64 + 1).is_none_or(|fragments| fragments > 1000) {
            return refuse("such that there are at most 1000 ways to choose one more from the hand");
        }
        let state = State {
            fragments: Lock::new(Fragments::new(most_shared)),
            hands: Lock::new(HashMap::new()),
            fallbacks: AtomicU64::new(0),
        };
        let fallback = Rendezvous::new(size);
        Ok(Self { most_shared, max_tenants: 10_000, fallback, state: Arc::new(state) })
    }

    /// The seed of the order in which nodes are tried, and of what is dealt to tenants without a hand.
    pub const fn with_seed(mut self, seed: u128) -> Self {
        self.fallback = self.fallback.with_seed(seed);
        self
    }

    /// How many tenants there may be. By default 10,000.
    pub const fn with_max_tenants(mut self, tenants: usize) -> Self {
        self.max_tenants = tenants;
        self
    }

    /// Gives a tenant a hand and returns it; if they have one already, that one.
    ///
    /// # Errors
    /// [`Unassignable`] if there is none to give; nothing is changed then.
    pub fn try_assign(&self, tenant: u64, nodes: &Nodes) -> Result<Hand, Unassignable> {
        let mut fragments = self.state.fragments.lock();
        if let Some(hand) = self.assigned(tenant, nodes) {
            return Ok(hand);
        }
        if self.len() >= self.max_tenants {
            return Err(Unassignable::TooManyTenants);
        }
        if nodes.is_empty() {
            return Err(Unassignable::NoNodes);
        }
        let order = self.fallback.order(tenant, nodes);
        let order: Vec<u64> = order.into_iter().map(|position| nodes.ids()[position as usize]).collect();
        let hand = fragments.search(&order, self.fallback.hand_size().get(), STEPS).map_err(|why| match why {
            NotFound::Nowhere => Unassignable::NoHandLeft,
            NotFound::TooLong => Unassignable::NotFoundInTime,
        })?;
        fragments.insert(&hand);
        let dealt = nodes.hand_of(&hand);
        self.state.hands.lock().insert(tenant, hand.into());
        Ok(dealt)
    }

    /// Gives a tenant the hand that an earlier process had [assigned](Self::assignments), whatever nodes there are now.
    ///
    /// # Errors
    /// [`Unassignable`] if it is at odds with what is assigned, or if there are too many tenants; nothing is changed
    /// then.
    pub fn restore(&self, tenant: u64, hand: &[u64]) -> Result<(), Unassignable> {
        let mut fragments = self.state.fragments.lock();
        if let Some(has) = self.state.hands.lock().get(&tenant) {
            return if **has == *hand { Ok(()) } else { Err(Unassignable::AtOdds) };
        }
        if self.len() >= self.max_tenants {
            return Err(Unassignable::TooManyTenants);
        }
        let twice = hand.iter().enumerate().any(|(at, node)| hand[..at].contains(node));
        let allowed = !twice && (1..=self.fallback.hand_size().get()).contains(&hand.len());
        if !allowed || !fragments.insert(hand) {
            return Err(Unassignable::AtOdds);
        }
        self.state.hands.lock().insert(tenant, hand.into());
        Ok(())
    }

    /// Takes the hand of a tenant back, so that others may have one like it, and says whether there was one.
    pub fn forget(&self, tenant: u64) -> bool {
        let mut fragments = self.state.fragments.lock();
        let hand = self.state.hands.lock().remove(&tenant);
        if let Some(hand) = &hand {
            fragments.remove(hand);
        }
        hand.is_some()
    }

    /// All tenants, in the order of their numbers, with the [identities](super::Node::id) of the nodes in their hands:
    /// to keep, and to [`restore`](Self::restore).
    pub fn assignments(&self) -> Vec<(u64, Box<[u64]>)> {
        let hands = self.state.hands.lock();
        let mut hands: Vec<_> = hands.iter().map(|(tenant, hand)| (*tenant, hand.clone())).collect();
        hands.sort_unstable();
        hands
    }

    /// How many tenants have been assigned a hand.
    pub fn len(&self) -> usize {
        self.state.hands.lock().len()
    }

    /// Whether no tenant has been assigned a hand.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many nodes two hands may have in common.
    pub const fn most_shared(&self) -> usize {
        self.most_shared
    }

    /// How often a tenant was dealt a hand that is not bounded, for want of one that is.
    pub fn fallbacks(&self) -> u64 {
        self.state.fallbacks.load(Relaxed)
    }

    /// What there is left of a tenant's hand.
    fn assigned(&self, tenant: u64, nodes: &Nodes) -> Option<Hand> {
        self.state.hands.lock().get(&tenant).map(|hand| nodes.hand_of(hand))
    }
}

impl Assign for BoundedOverlap {
    fn hand(&self, tenant: u64, nodes: &Nodes) -> Hand {
        match self.assigned(tenant, nodes) {
            Some(hand) if !hand.is_empty() => hand,
            _ => {
                self.state.fallbacks.fetch_add(1, Relaxed);
                self.fallback.hand(tenant, nodes)
            }
        }
    }

    fn explain(&self, tenant: u64, nodes: &Nodes) -> Explanation {
        match self.assigned(tenant, nodes) {
            Some(hand) if !hand.is_empty() => Explanation::new(tenant, Basis::Assigned, &hand, nodes),
            _ => self.fallback.explain(tenant, nodes).on(Basis::Unassigned),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shuffle_shard::nodes::Node;

    fn fleet(n: usize) -> Nodes {
        Nodes::try_new((0..n).map(|n| Node::new(format!("node-{n}")))).expect("a fleet")
    }

    #[test]
    fn settings_that_make_no_sense_are_refused() {
        for (hand, most_shared) in [(2, 2), (2, usize::MAX), (16, 4), (16, 7)] {
            let error = BoundedOverlap::try_new(hand, most_shared).expect_err("nonsense");
            assert_eq!(error.setting(), "shuffle_shard.most_shared");
        }
        assert_eq!(BoundedOverlap::try_new(0, 0).expect_err("nobody").setting(), "shuffle_shard.hand");
        assert!(BoundedOverlap::try_new(16, 15).is_ok() && BoundedOverlap::try_new(12, 5).is_ok());
    }

    #[test]
    fn what_is_assigned_stays_and_what_is_forgotten_is_given_again() {
        let (nodes, hands) = (fleet(8), BoundedOverlap::try_new(2, 0).expect("valid"));
        let given: Vec<_> = (0..4).map(|tenant| hands.try_assign(tenant, &nodes).expect("a hand")).collect();
        for (tenant, hand) in (0..).zip(&given) {
            assert_eq!((hands.hand(tenant, &nodes), hands.try_assign(tenant, &nodes)), (*hand, Ok(*hand)));
            assert_eq!(hands.explain(tenant, &nodes).basis(), Basis::Assigned);
        }
        assert_eq!(hands.fallbacks(), 0);
        assert_eq!(hands.try_assign(4, &nodes), Err(Unassignable::NoHandLeft));
        assert!(hands.forget(2) && !hands.forget(2));
        let again = hands.try_assign(4, &nodes).expect("what was given back");
        assert_eq!(again.overlap(&given[2]), 2);
    }

    #[test]
    fn whoever_has_no_hand_is_dealt_one_and_counted() {
        let (nodes, hands) = (fleet(20), BoundedOverlap::try_new(3, 1).expect("valid").with_seed(9));
        let dealt = Rendezvous::new(HandSize::new(3)).with_seed(9).hand(7, &nodes);
        assert_eq!((hands.hand(7, &nodes), hands.hand(7, &nodes), hands.fallbacks()), (dealt, dealt, 2));
        assert_eq!(hands.explain(7, &nodes).basis(), Basis::Unassigned);
        assert!(hands.is_empty(), "to ask is not to assign");
        assert!(hands.hand(7, &fleet(0)).is_empty());
        assert_eq!(hands.try_assign(7, &fleet(0)), Err(Unassignable::NoNodes));
        assert_eq!(hands.try_assign(7, &nodes), Ok(dealt), "the first choice of all, while nobody has another");
    }

    #[test]
    fn a_node_that_is_gone_is_left_out_until_it_is_back() {
        let (nodes, hands) = (fleet(12), BoundedOverlap::try_new(2, 1).expect("valid"));
        let hand = hands.try_assign(1, &nodes).expect("a hand");
        let left = |gone: &[u32]| {
            let ids: Vec<_> = gone.iter().map(|position| nodes.ids()[*position as usize]).collect();
            Nodes::try_new(nodes.iter().filter(|node| !ids.contains(&node.id())).cloned()).expect("a fleet")
        };
        let fewer = left(&hand[..1]);
        let rest = hands.hand(1, &fewer);
        assert_eq!(rest.len(), 1);
        assert_eq!(fewer.get(rest[0] as usize), nodes.get(hand[1] as usize));
        let none = left(&hand);
        assert_eq!((hands.hand(1, &none).len(), hands.fallbacks()), (2, 1));
        assert_eq!(hands.hand(1, &nodes), hand);
    }

    #[test]
    fn another_process_deals_the_same_when_it_is_told_what_was_assigned() {
        let (nodes, hands) = (fleet(30), BoundedOverlap::try_new(4, 2).expect("valid"));
        for tenant in 0..200 {
            hands.try_assign(tenant, &nodes).expect("a hand");
        }
        let other = BoundedOverlap::try_new(4, 2).expect("valid");
        for (tenant, hand) in hands.assignments() {
            assert_eq!((other.restore(tenant, &hand), other.restore(tenant, &hand)), (Ok(()), Ok(())));
        }
        assert_eq!(other.assignments(), hands.assignments());
        assert!((0..200).all(|tenant| other.hand(tenant, &nodes) == hands.hand(tenant, &nodes)));
        let taken = &hands.assignments()[7].1;
        for (tenant, hand) in [(900, &**taken), (8, &[1, 2]), (900, &[1, 1]), (900, &[]), (900, &[1, 2, 3, 4, 5])] {
            assert_eq!(other.restore(tenant, hand), Err(Unassignable::AtOdds), "{hand:?}");
        }
        assert_eq!(other.len(), 200);
    }

    #[test]
    fn there_are_no_more_tenants_than_there_may_be() {
        let (nodes, hands) = (fleet(30), BoundedOverlap::try_new(4, 2).expect("valid").with_max_tenants(2));
        assert!(hands.try_assign(1, &nodes).is_ok() && hands.try_assign(2, &nodes).is_ok());
        assert_eq!(hands.try_assign(3, &nodes), Err(Unassignable::TooManyTenants));
        assert_eq!(hands.restore(3, &[1, 2]), Err(Unassignable::TooManyTenants));
        assert!(hands.try_assign(1, &nodes).is_ok(), "who has one has it");
    }
}

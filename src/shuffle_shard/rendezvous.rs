use super::{
    assign::Assign,
    explain::{Basis, Explanation},
    hand::{Hand, HandSize, MAX_HAND},
    hash::{Seed, mix},
    nodes::Nodes,
};

/// The hand with the highest scores: every node has a score for every tenant, and the tenant gets the best k.
///
/// Also known as highest random weight (Thaler & Ravishankar 1998). It needs no state and no coordination: every
/// process that knows the same nodes by the same names deals the same hands. **When a node comes or goes, at most one
/// member of any hand changes**, and in most hands none: with n nodes, the loss of one changes k/n of the hands, and a
/// new one k/(n+1).
///
/// # Zones
/// Where nodes are in different [zones](super::Node::in_zone), a hand is spread over them evenly: first each zone's
/// best node, the best of these first; then each zone's second; and so on. So two zones' shares of a hand differ by at
/// most one, as long as neither is used up; where one is, the others fill in, and a hand has k nodes whenever there are
/// k. With zones too, each node that comes or goes changes at most one member of a hand, also where it brings a new
/// zone or was the last of one. Nodes in no zone are a zone of their own.
///
/// # Your data
/// A hand depends on the seed, its size, the names and zones of the nodes, and on nothing else. Keep seed and size as
/// you keep a schema: with another seed nearly every tenant moves. (Another size only adds to the end of a hand or
/// takes from it.) This is version [`VERSION`](Self::VERSION) of the algorithm; dealing other hands would take a
/// breaking release, and `tests/golden/hands.txt` sees to that.
///
/// # Chosen collisions
/// A tenant who chooses their own number and knows your nodes could search for a number that shares another's hand. With
/// a secret [seed](Self::with_seed) they cannot: the tenant's number goes through SipHash-1-3 under that seed first.
///
/// # Cost
/// O(n) time: some 2 ns a node. No memory, no allocation, no lock.
///
/// ```
/// use plimsoll::shuffle_shard::{Assign, HandSize, Node, Nodes, Rendezvous, tenant_id};
///
/// # fn main() -> Result<(), plimsoll::InvalidSetting> {
/// let nodes = Nodes::try_new((0..8).map(|n| Node::new(format!("worker-{n}"))))?;
/// let assignment = Rendezvous::new(HandSize::try_new(2)?).with_seed(0x5eed);
/// let hand = assignment.hand(tenant_id("acme"), &nodes);
/// assert_eq!(hand.len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Rendezvous {
    hand: HandSize,
    seed: Seed,
}

impl Rendezvous {
    /// The version of the algorithm: part of what a hand depends on.
    pub const VERSION: u32 = 1;

    /// Hands of this size, with no seed: fine where tenants cannot choose their numbers.
    pub const fn new(hand: HandSize) -> Self {
        Self { hand, seed: Seed::new(0) }
    }

    /// The seed that tenants' numbers are hashed with: any number, secret where tenants choose theirs, and the same in every
    /// process and for ever.
    pub const fn with_seed(mut self, seed: u128) -> Self {
        self.seed = Seed::new(seed);
        self
    }

    /// How many nodes a hand has.
    pub const fn hand_size(&self) -> HandSize {
        self.hand
    }

    /// All nodes, in the order in which a tenant's hand takes them. O(n log n), and it allocates.
    pub(super) fn order(&self, tenant: u64, nodes: &Nodes) -> Vec<u32> {
        let explanation = self.explain(tenant, nodes);
        explanation.hand().iter().chain(explanation.others()).map(|row| row.position).collect()
    }
}

impl Default for Rendezvous {
    /// Hands of two: the fewest with which a tenant survives the loss of a node.
    fn default() -> Self {
        Self::new(HandSize::new(2))
    }
}

impl Assign for Rendezvous {
    #[inline]
    fn hand(&self, tenant: u64, nodes: &Nodes) -> Hand {
        let hash = self.seed.tenant(tenant);
        match nodes.zones() {
            [] => best(self.hand, hash, nodes.ids()),
            zones => best_of_zones(self.hand, hash, nodes.ids(), zones),
        }
    }

    fn explain(&self, tenant: u64, nodes: &Nodes) -> Explanation {
        let hash = self.seed.tenant(tenant);
        Explanation::new(tenant, Basis::Rendezvous, &self.hand(tenant, nodes), nodes).with_scores(|id| score(hash, id))
    }
}

/// The score of a node for a tenant with this hash.
#[inline]
fn score(hash: u64, id: u64) -> u32 {
    (mix(hash ^ id) >> 32) as u32
}

/// A score and the node it is of, the lower position the better: that is the order of the identities, so that a tie, one in
/// four billion, is broken the same way whatever other nodes there are. In one word, so that comparing needs no branch.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Scored(u64);

impl Scored {
    /// Never the default: there is no position `u32::MAX`.
    #[inline]
    fn new(score: u32, position: u32) -> Self {
        Self(u64::from(score) << 32 | u64::from(u32::MAX - position))
    }

    #[inline]
    fn position(self) -> u32 {
        u32::MAX - self.0 as u32
    }
}

/// The nodes of the highest scores.
#[inline]
fn best(size: HandSize, hash: u64, ids: &[u64]) -> Hand {
    let mut top = Top::new(size);
    top.offer_all(ids.iter().enumerate().map(|(position, id)| Scored::new(score(hash, *id), position as u32)));
    top.hand(|scored| scored.position())
}

/// The best by the place in their own zone, and then by score. When a node comes, the nodes below it in its zone move
/// down by one place, so in each place there is the same node or a better one: the zone keeps its number of members and
/// changes at most its last, or it gains one and another zone loses its last.
fn best_of_zones(size: HandSize, hash: u64, ids: &[u64], zones: &[Box<[u32]>]) -> Hand {
    let mut hand = Top::new(size);
    for zone in zones {
        let mut top = Top::new(size);
        top.offer_all(zone.iter().map(|position| Scored::new(score(hash, ids[*position as usize]), *position)));
        for (place, scored) in (0..).zip(top.found()) {
            hand.offer((u8::MAX - place, *scored));
        }
    }
    hand.hand(|(_, scored)| scored.position())
}

/// The best of what was offered, the best first; what is still free is the default, which is less than anything.
struct Top<S> {
    size: usize,
    best: [S; MAX_HAND],
}

impl<S: Copy + Default + Ord> Top<S> {
    #[inline]
    fn new(size: HandSize) -> Self {
        Self { size: size.get(), best: [S::default(); MAX_HAND] }
    }

    /// In place: to move sixteen places out of here is a copy that a call waits for.
    #[inline]
    fn offer_all(&mut self, offers: impl ExactSizeIterator<Item = S>) {
        // Of a few, every second would be taken: a branch that no processor foresees costs more than going through.
        if offers.len() <= MAX_HAND {
            offers.for_each(|offer| self.sort_in(offer));
        } else {
            offers.for_each(|offer| self.offer(offer));
        }
    }

    #[inline]
    fn offer(&mut self, offer: S) {
        if offer > self.best[self.size - 1] {
            self.sort_in(offer);
        }
    }

    #[inline]
    fn sort_in(&mut self, mut offer: S) {
        for best in &mut self.best[..self.size] {
            (*best, offer) = ((*best).max(offer), (*best).min(offer));
        }
    }

    fn found(&self) -> &[S] {
        let found = self.best[..self.size].iter().take_while(|best| **best != S::default()).count();
        &self.best[..found]
    }

    #[inline]
    fn hand(&self, position: impl Fn(S) -> u32) -> Hand {
        let found = self.found();
        let mut positions = [0; MAX_HAND];
        for (slot, best) in positions.iter_mut().zip(found) {
            *slot = position(*best);
        }
        Hand::of(positions, found.len())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::shuffle_shard::nodes::Node;

    fn names(nodes: &Nodes, hand: &Hand) -> BTreeSet<String> {
        hand.iter().filter_map(|position| nodes.get(*position as usize)).map(|node| node.name().to_owned()).collect()
    }

    /// Up to 40 nodes in up to 6 zones, or in none.
    fn fleets() -> impl Strategy<Value = Vec<Node>> {
        let zoned = proptest::collection::vec(0..6u8, 0..40).prop_map(|zones| {
            let node = |(n, zone): (usize, u8)| match zone {
                0 => Node::new(format!("node-{n}")),
                zone => Node::new(format!("node-{n}")).in_zone(format!("zone-{zone}")),
            };
            zones.into_iter().enumerate().map(node).collect::<Vec<_>>()
        });
        let plain = (0..40usize).prop_map(|n| (0..n).map(|n| Node::new(format!("node-{n}"))).collect());
        prop_oneof![zoned, plain]
    }

    proptest! {
        #[test]
        fn a_node_that_goes_changes_at_most_one_member_of_a_hand(
            fleet in fleets(),
            which: proptest::sample::Index,
            size in 1..=MAX_HAND,
            seed: u128,
            tenant: u64,
        ) {
            prop_assume!(!fleet.is_empty());
            let rendezvous = Rendezvous::new(HandSize::new(size)).with_seed(seed);
            let before = Nodes::try_new(fleet.clone()).expect("a fleet");
            let mut fewer = fleet;
            let gone = fewer.remove(which.index(fewer.len()));
            let after = Nodes::try_new(fewer).expect("a fleet");
            let (had, has) = (rendezvous.hand(tenant, &before), rendezvous.hand(tenant, &after));
            let (had, has) = (names(&before, &had), names(&after, &has));
            let lost: Vec<_> = had.difference(&has).collect();
            // Who does not lose it keeps the hand; who does gets one in its place, if there is one left.
            let expected = if had.contains(gone.name()) { vec![gone.name()] } else { vec![] };
            prop_assert_eq!(&lost, &expected);
            prop_assert_eq!(has.len(), size.min(after.len()));
            prop_assert_eq!(has.difference(&had).count(), has.len() + lost.len() - had.len());
        }

        #[test]
        fn a_hand_is_spread_evenly_over_zones(fleet in fleets(), size in 1..=MAX_HAND, tenant: u64) {
            let nodes = Nodes::try_new(fleet).expect("a fleet");
            let hand = Rendezvous::new(HandSize::new(size)).hand(tenant, &nodes);
            prop_assert_eq!(hand.len(), size.min(nodes.len()));
            let shares = nodes.zones().iter().map(|zone| {
                let share = hand.iter().filter(|position| zone.contains(position)).count();
                (share, zone.len() == share)
            });
            let shares: Vec<_> = shares.collect();
            let most = shares.iter().map(|(share, _)| *share).max().unwrap_or(0);
            prop_assert!(shares.iter().all(|(share, used_up)| share + 1 >= most || *used_up), "{:?}", shares);
        }

        #[test]
        fn a_larger_hand_begins_with_the_smaller_one(fleet in fleets(), size in 1..MAX_HAND, tenant: u64) {
            let nodes = Nodes::try_new(fleet).expect("a fleet");
            let hand = |size| Rendezvous::new(HandSize::new(size)).hand(tenant, &nodes);
            prop_assert!(hand(size + 1).starts_with(&hand(size)));
        }

        #[test]
        fn an_explanation_tells_the_hand_and_who_comes_next(fleet in fleets(), size in 1..MAX_HAND, tenant: u64) {
            let nodes = Nodes::try_new(fleet).expect("a fleet");
            let rendezvous = |size| Rendezvous::new(HandSize::new(size));
            let explanation = rendezvous(size).explain(tenant, &nodes);
            let told: Vec<_> = explanation.hand().iter().chain(explanation.others()).map(|row| row.position).collect();
            let hand = rendezvous(size + 1).hand(tenant, &nodes);
            prop_assert_eq!(explanation.hand().len(), size.min(nodes.len()));
            prop_assert_eq!(&told[..hand.len()], &*hand);
            prop_assert_eq!(told.len(), nodes.len());
        }

        #[test]
        fn the_scan_finds_what_sorting_finds(fleet in fleets(), size in 1..=MAX_HAND, tenant: u64) {
            let fleet = fleet.into_iter().map(|node| Node::new(node.name()));
            let nodes = Nodes::try_new(fleet).expect("a fleet");
            let hand = Rendezvous::new(HandSize::new(size)).hand(tenant, &nodes);
            let hash = Seed::new(0).tenant(tenant);
            let mut sorted: Vec<u32> = (0..).take(nodes.len()).collect();
            sorted.sort_by_key(|position| std::cmp::Reverse(score(hash, nodes.ids()[*position as usize])));
            sorted.truncate(size);
            prop_assert_eq!(&*hand, &*sorted);
        }
    }

    #[test]
    fn a_seed_deals_other_hands() {
        let nodes = Nodes::try_new((0..100).map(|n| Node::new(n.to_string()))).expect("a fleet");
        let dealt = |seed| {
            let rendezvous = Rendezvous::new(HandSize::new(5)).with_seed(seed);
            (0..100).map(|tenant| rendezvous.hand(tenant, &nodes)).collect::<Vec<_>>()
        };
        let same = |one: Vec<Hand>, other: Vec<Hand>| one.iter().zip(&other).filter(|(a, b)| a == b).count();
        assert_eq!(same(dealt(1), dealt(1)), 100);
        assert_eq!(same(dealt(1), dealt(2)), 0);
        assert_eq!(same(dealt(1), dealt(1 << 64)), 0, "all 128 bits count");
    }

    #[test]
    fn of_no_nodes_nobody_is_dealt_any() {
        assert!(Rendezvous::default().hand(7, &Nodes::default()).is_empty());
    }
}

use super::{
    assign::Assign,
    explain::{Basis, Explanation},
    hand::{Hand, HandSize, MAX_HAND},
    hash::{Seed, mix},
    nodes::Nodes,
};

/// The hand with the highest scores: every node has a score for every tenant, and the tenant gets the best k.
///
/// Also known as highest random weight (Thaler & Ravishankar 1998). It needs no state and no coordination: every process
/// that knows the same nodes by the same names deals the same hands. **When a node comes or goes, at most one member of any
/// hand changes**, and of most hands none: of n nodes, the loss of one changes k/n of the hands, and a new one k/(n+1).
///
/// # Zones
/// Where nodes are in different [zones](super::Node::in_zone), a hand is spread over them evenly: first each zone's best
/// node, the best of these first; then each zone's second; and so on. So two zones' shares of a hand differ by at most one,
/// as long as neither is used up; where one is, the others fill in, and a hand has k nodes whenever there are k. What holds
/// for nodes holds with zones too, and for whole zones that come or go: node by node, a hand changes in at most one
/// member. Nodes in no zone are a zone of their own.
///
/// # Your data
/// A hand depends on the seed, its size, the names and zones of the nodes, and on nothing else. Keep seed and size as you
/// keep a schema: with another seed nearly every tenant moves. (Another size only adds to the end of a hand or takes from
/// it.) This is version [`VERSION`](Self::VERSION) of the algorithm; what would deal other
/// hands would be a breaking release, and `tests/golden/hands.txt` sees to that.
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

    /// Hands of so many, with no seed: fine where tenants cannot choose their numbers.
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

/// The score of a node for a tenant with this hash. One-to-one in the node, so there are no ties.
#[inline]
fn score(hash: u64, id: u64) -> u64 {
    mix(hash ^ id)
}

/// The nodes of the highest scores.
#[inline]
fn best(size: HandSize, hash: u64, ids: &[u64]) -> Hand {
    let mut top = Top::new(size, 0);
    for (position, id) in (0..).zip(ids) {
        top.offer(score(hash, *id), position);
    }
    Hand::of(top.positions, top.len)
}

/// The best by the place in their own zone, and then by score. When a node comes, the nodes below it in its zone move
/// down by one place, so in each place there is the same node or a better one: the zone keeps its number of members and
/// changes at most its last, or it gains one and another zone loses its last.
fn best_of_zones(size: HandSize, hash: u64, ids: &[u64], zones: &[Box<[u32]>]) -> Hand {
    let mut hand = Top::new(size, (0, 0));
    for zone in zones {
        let mut top = Top::new(size, 0);
        for position in zone {
            top.offer(score(hash, ids[*position as usize]), *position);
        }
        for (place, (score, position)) in (0..).zip(top.iter()) {
            if !hand.offer((u8::MAX - place, score), position) {
                break;
            }
        }
    }
    Hand::of(hand.positions, hand.len)
}

/// The best of what was offered, the best first.
struct Top<S> {
    most: usize,
    len: usize,
    scores: [S; MAX_HAND],
    positions: [u32; MAX_HAND],
}

impl<S: Copy + Ord> Top<S> {
    #[inline]
    fn new(size: HandSize, zero: S) -> Self {
        Self { most: size.get(), len: 0, scores: [zero; MAX_HAND], positions: [0; MAX_HAND] }
    }

    /// Takes it if it is among the best so far, and says whether it did. Of equals the first stays.
    #[inline]
    fn offer(&mut self, score: S, position: u32) -> bool {
        let full = self.len == self.most;
        if full && score <= self.scores[self.len - 1] {
            return false;
        }
        let mut place = if full { self.len - 1 } else { self.len };
        while place > 0 && self.scores[place - 1] < score {
            self.scores[place] = self.scores[place - 1];
            self.positions[place] = self.positions[place - 1];
            place -= 1;
        }
        self.scores[place] = score;
        self.positions[place] = position;
        self.len += usize::from(!full);
        true
    }

    fn iter(&self) -> impl Iterator<Item = (S, u32)> {
        self.scores.iter().copied().zip(self.positions.iter().copied()).take(self.len)
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

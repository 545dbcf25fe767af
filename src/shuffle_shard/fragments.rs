//! Which nodes are already together in somebody's hand, and the search for a hand that is new.
//!
//! After the stateful searching sharder of Route 53's Infima library: if no λ+1 nodes are together in two hands, no two
//! hands have more than λ nodes in common. Those sets of λ+1 nodes are its fragments.

use std::collections::HashSet;

use super::{hand::MAX_HAND, hash::mix};

/// The fragments of all hands, each as a fingerprint of 64 bits. A hand is let in only if none of its fingerprints is there:
/// two fragments that happen to have the same only cost a hand that would have been allowed, and each fingerprint that is
/// there belongs to one hand, so that it can be taken out with it.
#[derive(Debug)]
pub(super) struct Fragments {
    /// λ + 1.
    size: usize,
    used: HashSet<u64>,
}

/// Why the search found nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotFound {
    /// There is none.
    Nowhere,
    /// It was given up after so many steps.
    TooLong,
}

impl Fragments {
    /// For hands that may have `most_shared` nodes in common.
    pub(super) fn new(most_shared: usize) -> Self {
        Self { size: most_shared + 1, used: HashSet::new() }
    }

    /// Adds a hand, if it has no fragment in common with those that are there, and says whether it did.
    pub(super) fn insert(&mut self, hand: &[u64]) -> bool {
        let mut free = true;
        each_sum(hand, self.size, &mut |sum| free &= !self.used.contains(&sum));
        if free {
            each_sum(hand, self.size, &mut |sum| {
                self.used.insert(sum);
            });
        }
        free
    }

    /// Takes a hand out that was [inserted](Self::insert).
    pub(super) fn remove(&mut self, hand: &[u64]) {
        each_sum(hand, self.size, &mut |sum| {
            self.used.remove(&sum);
        });
    }

    /// The first hand of `size` nodes that could be inserted, in the order of a dictionary in which the nodes are letters
    /// and come in the order of `nodes`. Looks at no more than about `steps` fragments.
    pub(super) fn search(&self, nodes: &[u64], size: usize, mut steps: u32) -> Result<Vec<u64>, NotFound> {
        let size = size.min(nodes.len()).min(MAX_HAND);
        let mut hand = Vec::with_capacity(size);
        // Where each member of the hand stands, and where the search goes on.
        let (mut places, mut next) = (Vec::with_capacity(size), 0);
        while hand.len() < size {
            if nodes.len() - next < size - hand.len() {
                // Too few are left: the last member was wrong.
                let Some(last) = places.pop() else { return Err(NotFound::Nowhere) };
                hand.pop();
                next = last + 1;
                continue;
            }
            if self.admits(&hand, nodes[next], &mut steps) {
                hand.push(nodes[next]);
                places.push(next);
            } else if steps == 0 {
                return Err(NotFound::TooLong);
            }
            next += 1;
        }
        Ok(hand)
    }

    /// Whether no fragment of `hand` and `node` in which `node` is, is used.
    fn admits(&self, hand: &[u64], node: u64, steps: &mut u32) -> bool {
        let mut free = true;
        each_sum(hand, self.size - 1, &mut |sum| {
            *steps = steps.saturating_sub(1);
            free &= !self.used.contains(&sum.wrapping_add(letter(node)));
        });
        free && *steps > 0
    }
}

/// What a node adds to a fingerprint. A sum does not depend on the order of the nodes.
fn letter(node: u64) -> u64 {
    mix(node.wrapping_add(0x9E37_79B9_7F4A_7C15))
}

/// The sums of all subsets of `size` nodes; that of none is zero.
fn each_sum(nodes: &[u64], size: usize, visit: &mut impl FnMut(u64)) {
    fn below(nodes: &[u64], size: usize, sum: u64, visit: &mut impl FnMut(u64)) {
        if size == 0 {
            return visit(sum);
        }
        for (at, node) in nodes.iter().enumerate() {
            if nodes.len() - at >= size {
                below(&nodes[at + 1..], size - 1, sum.wrapping_add(letter(*node)), visit);
            }
        }
    }
    below(nodes, size, 0, visit);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STEPS: u32 = 100_000;

    /// As many hands as can be found, the nodes tried in the order of their numbers.
    fn all(nodes: u64, size: usize, most_shared: usize) -> Vec<Vec<u64>> {
        let (mut fragments, nodes) = (Fragments::new(most_shared), (0..nodes).collect::<Vec<_>>());
        let mut hands = Vec::new();
        while let Ok(hand) = fragments.search(&nodes, size, STEPS) {
            assert!(fragments.insert(&hand), "what was found is free");
            hands.push(hand);
        }
        assert_eq!(fragments.search(&nodes, size, STEPS), Err(NotFound::Nowhere));
        hands
    }

    #[test]
    fn all_hands_that_there_are_room_for_are_found() {
        // C(8,2), 8/2, C(20,2), and 2, where the packing bound is 3.
        for (nodes, size, most_shared, expected) in [(8, 2, 1, 28), (8, 2, 0, 4), (20, 2, 1, 190), (5, 3, 1, 2)] {
            assert_eq!(all(nodes, size, most_shared).len(), expected);
        }
        assert_eq!(all(7, 3, 1).len(), 7, "the Fano plane");
    }

    #[test]
    fn a_hand_that_is_taken_out_leaves_nothing_behind() {
        let mut fragments = Fragments::new(1);
        assert!(fragments.insert(&[1, 2, 3]) && !fragments.insert(&[3, 4, 2]) && fragments.insert(&[3, 4, 5]));
        fragments.remove(&[3, 2, 1]);
        assert!(fragments.insert(&[2, 6, 1]) && !fragments.insert(&[4, 5]));
        fragments.remove(&[2, 6, 1]);
        fragments.remove(&[5, 4, 3]);
        assert!(fragments.used.is_empty());
    }

    #[test]
    fn fewer_nodes_than_a_fragment_are_always_free() {
        let mut fragments = Fragments::new(2);
        assert!(fragments.insert(&[1, 2]) && fragments.insert(&[1, 2]) && fragments.insert(&[]));
        assert_eq!(fragments.search(&[1, 2], 4, STEPS), Ok(vec![1, 2]));
        assert_eq!(fragments.search(&[], 4, STEPS), Ok(vec![]));
    }

    /// Where hands run out slowly, a search through all of them would take years.
    #[test]
    fn a_search_comes_to_an_end() {
        let mut fragments = Fragments::new(4);
        let nodes: Vec<u64> = (0..60).collect();
        let mut found = 0;
        let ended = loop {
            match fragments.search(&nodes, 10, 5_000) {
                Ok(hand) => assert!(fragments.insert(&hand)),
                Err(why) => break why,
            }
            found += 1;
        };
        assert_eq!(ended, NotFound::TooLong);
        assert!(found > 5, "{found}");
        assert_eq!(Fragments::new(1).search(&nodes, 3, 0), Err(NotFound::TooLong));
    }

    proptest! {
        #[test]
        fn no_two_hands_have_more_in_common_than_they_may(
            nodes in 1..11u64,
            size in 1..6usize,
            most_shared in 0..5usize,
        ) {
            prop_assume!(most_shared < size && size as u64 <= nodes);
            let hands = all(nodes, size, most_shared);
            for (number, one) in hands.iter().enumerate() {
                for other in &hands[..number] {
                    prop_assert!(one.iter().filter(|node| other.contains(node)).count() <= most_shared);
                }
            }
            let bound = crate::shuffle_shard::probability::packing_bound(
                nodes, crate::shuffle_shard::HandSize::new(size), most_shared);
            prop_assert!((1..=bound.unwrap_or(0)).contains(&(hands.len() as u128)));
        }
    }
}

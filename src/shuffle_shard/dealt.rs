use super::{
    assign::Assign,
    explain::{Basis, Explanation},
    hand::{Hand, HandSize, MAX_HAND},
    hash::Seed,
    nodes::Nodes,
};
use crate::settings::InvalidSetting;

/// A hand dealt as from a deck of cards: the tenant's hash is read as a number in mixed radix, whose digits say which
/// of the cards left is drawn next.
///
/// The algorithm of Kubernetes' priority and fairness (KEP-1040), card by card. It costs O(k²) whatever the number of nodes,
/// some 20 ns in all, so it is right for cells inside a process, such as those of a
/// [`ShardedBulkhead`](super::sharded_bulkhead). It is wrong for nodes that come and go: **with one node more or less, nearly
/// all hands change in nearly all members.** For those, see [`Rendezvous`](super::Rendezvous).
///
/// # How many there can be
/// All hands are equally likely only as long as there are far fewer of them than hashes: n<sup>k</sup> is at most
/// 2<sup>60</sup>, and n at most 2<sup>26</sup>, as in Kubernetes. A hand has at most [`MAX_HAND`] cards, and no more
/// than the deck.
///
/// ```
/// use plimsoll::shuffle_shard::Dealt;
///
/// # fn main() -> Result<(), plimsoll::InvalidSetting> {
/// assert_eq!(*Dealt::try_new(128, 6)?.deal(0xDEAD_BEEF_CAFE_F00D), [13, 54, 18, 51, 19, 92]);
/// assert!(Dealt::try_new(512, 12).is_err(), "hands like the sand of the sea, and hashes are fewer");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Dealt {
    deck: u32,
    hand: HandSize,
    seed: Seed,
}

/// The largest deck.
const MAX_DECK: u32 = 1 << 26;

/// The most that deck<sup>hand</sup> may be.
const MAX_HANDS: u128 = 1 << 60;

impl Dealt {
    /// Hands of `hand` cards from a deck of `deck`.
    ///
    /// # Errors
    /// [`InvalidSetting`] for no cards, for a deck of more than 2<sup>26</sup>, for a hand of more than [`MAX_HAND`] or
    /// more than the deck, and if deck<sup>hand</sup> is more than 2<sup>60</sup>.
    pub fn try_new(deck: u32, hand: usize) -> Result<Self, InvalidSetting> {
        Self::FOUR_OF_64.try_with_deck("shuffle_shard.deck", deck, hand)
    }

    /// What nobody has to say.
    pub(super) const FOUR_OF_64: Self = Self { deck: 64, hand: HandSize::new(4), seed: Seed::new(0) };

    /// Another deck, or the error that names `setting`.
    pub(super) fn try_with_deck(self, setting: &'static str, deck: u32, hand: usize) -> Result<Self, InvalidSetting> {
        let refuse = |allowed| Err(InvalidSetting::new(setting, (deck, hand), allowed));
        if !(1..=MAX_DECK).contains(&deck) {
            return refuse("a number from 1 to 67108864, and a hand of these");
        }
        if !(1..=MAX_HAND).contains(&hand) || hand > deck as usize {
            return refuse("a number, and a hand of 1 to 16 of these");
        }
        if !is_fair(deck, hand) {
            return refuse("a number and a hand with number^hand of at most 2^60");
        }
        Ok(Self { deck, hand: HandSize::new(hand), ..self })
    }

    /// The seed that tenants' numbers are hashed with: any number, secret where tenants choose theirs.
    pub const fn with_seed(mut self, seed: u128) -> Self {
        self.seed = Seed::new(seed);
        self
    }

    /// How many cards there are.
    pub const fn deck(&self) -> u32 {
        self.deck
    }

    /// How many cards a hand has.
    pub const fn hand_size(&self) -> HandSize {
        self.hand
    }

    /// The hand of a hash, of cards 0 to deck − 1. It has to be a hash, and not a running number: neighbouring numbers
    /// are dealt nearly the same hand. O(k²).
    #[inline]
    pub fn deal(&self, hash: u64) -> Hand {
        deal(hash, self.deck, self.hand.get())
    }

    /// The hand of a tenant. O(k²).
    #[inline]
    pub fn deal_to(&self, tenant: u64) -> Hand {
        self.deal(self.seed.tenant(tenant))
    }

    /// The hand of requests that are nobody's: another hash than any tenant's.
    #[inline]
    pub(super) fn deal_to_nobody(&self) -> Hand {
        self.deal(self.seed.hash(&[]))
    }
}

impl Assign for Dealt {
    /// Dealt from as many nodes as there are, whatever the size of the deck. Where there are too few for a hand, it is
    /// all of them; where there are so many that hands would not be equally likely, it is as large as it can fairly be.
    fn hand(&self, tenant: u64, nodes: &Nodes) -> Hand {
        let deck = u32::try_from(nodes.len()).unwrap_or(u32::MAX);
        let mut size = self.hand.get().min(nodes.len());
        while size > 1 && !is_fair(deck, size) {
            size -= 1;
        }
        deal(self.seed.tenant(tenant), deck, size)
    }

    fn explain(&self, tenant: u64, nodes: &Nodes) -> Explanation {
        Explanation::new(tenant, Basis::Dealt, &self.hand(tenant, nodes), nodes)
    }
}

/// Whether there are so many more hashes than ordered hands that all hands are about equally likely.
fn is_fair(deck: u32, hand: usize) -> bool {
    u128::from(deck).checked_pow(hand as u32).is_some_and(|hands| hands <= MAX_HANDS)
}

/// `size` is at most `deck`.
#[inline]
fn deal(mut hash: u64, deck: u32, size: usize) -> Hand {
    let mut digits = [0; MAX_HAND];
    let mut cards = [0; MAX_HAND];
    let mut left = u64::from(deck);
    for drawn in 0..size.min(MAX_HAND) {
        let digit = (hash % left) as u32;
        hash /= left;
        left -= 1;
        digits[drawn] = digit;
        // The digit counts the cards that are left: skip those that are not.
        cards[drawn] = digits[..drawn].iter().rev().fold(digit, |card, gap| card + u32::from(card >= *gap));
    }
    Hand::of(cards, size)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::shuffle_shard::nodes::Node;

    #[test]
    fn it_deals_as_kubernetes_does() {
        let dealt = Dealt::try_new(128, 6).expect("a deck");
        assert_eq!(*dealt.deal(0), [0, 1, 2, 3, 4, 5]);
        assert_eq!(*dealt.deal(1), [1, 0, 2, 3, 4, 5]);
        assert_eq!(*dealt.deal(0xDEAD_BEEF_CAFE_F00D), [13, 54, 18, 51, 19, 92]);
    }

    #[test]
    fn every_hand_is_dealt_once() {
        let dealt = Dealt::try_new(8, 2).expect("a deck");
        let mut times = BTreeMap::new();
        for hash in 0..56 {
            let hand = dealt.deal(hash);
            *times.entry([hand[0].min(hand[1]), hand[0].max(hand[1])]).or_insert(0) += 1;
        }
        assert_eq!(times.len(), 28);
        assert!(times.values().all(|times| *times == 2), "{times:?}");
    }

    #[test]
    fn decks_that_make_no_sense_are_refused() {
        let refused = |deck, hand: usize| Dealt::try_new(deck, hand).expect_err("nonsense");
        for (deck, hand) in [
            (0, 1),
            (MAX_DECK + 1, 1),
            (u32::MAX, 2),
            (4, 5),
            (512, 12),
            (1 << 26, 3),
            (33, 12),
            (64, 0),
            (64, 17),
            (64, usize::MAX),
        ] {
            let error = refused(deck, hand);
            assert_eq!((error.setting(), error.value()), ("shuffle_shard.deck", &*format!("({deck}, {hand})")));
        }
        // The largest of each kind: 26·2, 10·6, 5·12 bits, and one card of one.
        for (deck, hand) in [(1 << 26, 2), (1024, 6), (32, 12), (1, 1)] {
            assert!(Dealt::try_new(deck, hand).is_ok(), "{deck} {hand}");
        }
    }

    #[test]
    fn of_more_nodes_than_hashes_pay_for_a_smaller_hand_is_dealt() {
        let dealt = Dealt::try_new(13, 16 - 2).expect_err("more than there are");
        assert_eq!(dealt.setting(), "shuffle_shard.deck");
        let dealt = Dealt::try_new(16, 15).expect("60 bits");
        let hand = |n: usize| {
            let nodes = Nodes::try_new((0..n).map(|n| Node::new(n.to_string()))).expect("a fleet");
            dealt.hand(7, &nodes).len()
        };
        assert_eq!([0, 1, 3, 15, 16, 17, 64, 2048].map(hand), [0, 1, 3, 15, 15, 14, 10, 5]);
    }

    #[test]
    fn nobody_has_a_hand_of_their_own() {
        let dealt = Dealt::try_new(1024, 6).expect("a deck").with_seed(5);
        assert!((0..1000).all(|tenant| dealt.deal_to(tenant) != dealt.deal_to_nobody()));
    }

    proptest! {
        #[test]
        fn a_hand_has_different_cards_of_the_deck(hash: u64, deck in 1..=MAX_DECK, hand in 1..=MAX_HAND) {
            if let Ok(dealt) = Dealt::try_new(deck, hand) {
                let dealt = dealt.deal(hash);
                prop_assert_eq!(dealt.iter().copied().collect::<Hand>(), dealt, "different");
                prop_assert_eq!(dealt.len(), hand);
                prop_assert!(dealt.iter().all(|card| *card < deck));
            }
        }
    }
}

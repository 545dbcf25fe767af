use std::{fmt, num::NonZeroU8, ops::Deref};

use crate::settings::InvalidSetting;

/// How many nodes a hand can have.
pub const MAX_HAND: usize = 16;

/// How many nodes a tenant is dealt: 1 to [`MAX_HAND`].
///
/// A larger hand survives more failures of its nodes, but a tenant that floods its whole hand takes that much more of
/// the fleet down. 2 to 5 is usual, and no more than a tenth of the fleet; [`probability`](super::probability) has the
/// numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HandSize(NonZeroU8);

impl HandSize {
    /// `size` nodes. Zero counts as one, and more than [`MAX_HAND`] as [`MAX_HAND`]; to have these refused, use
    /// [`try_new`](Self::try_new).
    pub const fn new(size: usize) -> Self {
        let size = if size > MAX_HAND { MAX_HAND } else { size };
        match NonZeroU8::new(size as u8) {
            Some(size) => Self(size),
            None => Self(NonZeroU8::MIN),
        }
    }

    /// As [`new`](Self::new), from a plain number.
    ///
    /// # Errors
    /// [`InvalidSetting`] for zero and for more than [`MAX_HAND`].
    pub fn try_new(size: usize) -> Result<Self, InvalidSetting> {
        match size {
            1..=MAX_HAND => Ok(Self::new(size)),
            _ => Err(InvalidSetting::new("shuffle_shard.hand", size, "1 to 16")),
        }
    }

    /// The number.
    #[inline]
    pub const fn get(self) -> usize {
        self.0.get() as usize
    }
}

impl fmt::Debug for HandSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for HandSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The nodes that may serve a tenant: up to [`MAX_HAND`] positions in a [`Nodes`](super::Nodes), no two of them the same,
/// the first choice first. Plain data, and a slice of `u32`.
///
/// ```
/// use plimsoll::shuffle_shard::Hand;
///
/// let hand: Hand = [7, 3, 7].into_iter().collect();
/// assert_eq!(*hand, [7, 3]);
/// assert!(hand.contains(&3));
/// ```
#[derive(Clone, Copy, Default)]
pub struct Hand {
    size: u8,
    positions: [u32; MAX_HAND],
}

impl Hand {
    /// No nodes.
    pub const EMPTY: Self = Self { size: 0, positions: [0; MAX_HAND] };

    /// Adds the node at a position as the last choice, and says whether it did: not if it is in the hand already, or
    /// the hand is full. O(k).
    #[inline]
    pub fn push(&mut self, position: u32) -> bool {
        let free = usize::from(self.size) < MAX_HAND && !self.contains(&position);
        if free {
            self.positions[usize::from(self.size)] = position;
            self.size += 1;
        }
        free
    }

    /// The first `size` of these, which are known to be different.
    #[inline]
    pub(super) fn of(positions: [u32; MAX_HAND], size: usize) -> Self {
        Self { size: size.min(MAX_HAND) as u8, positions }
    }

    /// How many of its nodes are also in `other`. O(k²).
    pub fn overlap(&self, other: &Self) -> usize {
        self.iter().filter(|position| other.contains(position)).count()
    }
}

impl Deref for Hand {
    type Target = [u32];

    #[inline]
    fn deref(&self) -> &[u32] {
        &self.positions[..usize::from(self.size)]
    }
}

impl FromIterator<u32> for Hand {
    /// The first [`MAX_HAND`] different ones. Stops as soon as it has them.
    fn from_iter<I: IntoIterator<Item = u32>>(positions: I) -> Self {
        let mut hand = Self::EMPTY;
        for position in positions {
            hand.push(position);
            if hand.len() == MAX_HAND {
                break;
            }
        }
        hand
    }
}

impl<'a> IntoIterator for &'a Hand {
    type Item = &'a u32;
    type IntoIter = std::slice::Iter<'a, u32>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl PartialEq for Hand {
    /// The same nodes in the same order.
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Hand {}

impl fmt::Debug for Hand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hand_has_every_node_once_and_no_more_than_there_is_room_for() {
        let hand: Hand = (0..100).chain(0..100).collect();
        assert_eq!(hand.len(), MAX_HAND);
        let mut hand: Hand = [5, 5, 5].into_iter().collect();
        assert_eq!(*hand, [5]);
        assert!(hand.push(6) && !hand.push(6));
        assert_eq!((hand.overlap(&hand), hand.overlap(&Hand::EMPTY)), (2, 0));
        assert_eq!((0..).collect::<Hand>().len(), MAX_HAND, "an endless iterator is not run through");
    }

    #[test]
    fn a_size_is_one_to_sixteen() {
        assert_eq!([0, 1, 16, 17, usize::MAX].map(|size| HandSize::new(size).get()), [1, 1, 16, 16, 16]);
        for size in [0, 17, 256, 257, usize::MAX] {
            let error = HandSize::try_new(size).expect_err("nonsense");
            assert_eq!(error.value(), size.to_string());
        }
        assert_eq!(HandSize::try_new(16), Ok(HandSize::new(16)));
    }
}

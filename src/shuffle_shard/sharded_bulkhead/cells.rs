//! The cells of a bulkhead: how many requests are in each, and in which of a hand the next one goes.

use crate::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

/// The requests in each cell, in the lower half of a word. In its upper half are the turns that were ever taken there,
/// modulo 2³².
#[derive(Debug)]
pub(super) struct Cells(Box<[AtomicU64]>);

/// One more turn, of a request that goes in.
const TURN: u64 = (1 << 32) + 1;

const fn in_use(cell: u64) -> u32 {
    cell as u32
}

const fn turns(cell: u64) -> u32 {
    (cell >> 32) as u32
}

impl Cells {
    pub(super) fn new(cells: u32) -> Self {
        Self((0..cells).map(|_| AtomicU64::new(0)).collect())
    }

    /// Goes into the cell of `hand` that has the fewest requests in it, if these are less than `limit`; returns which. Fails
    /// only where all of them were full, each when it was looked at. O(k), and again when another was quicker.
    #[inline]
    pub(super) fn take(&self, hand: &[u32], limit: u32) -> Option<u32> {
        loop {
            let (position, cell, seen) = self.least(hand)?;
            if in_use(seen) >= limit {
                return None;
            }
            if cell.compare_exchange_weak(seen, seen.wrapping_add(TURN), Acquire, Relaxed).is_ok() {
                return Some(position);
            }
        }
    }

    /// Leaves a cell.
    #[inline]
    pub(super) fn put_back(&self, position: u32) {
        if let Some(cell) = self.0.get(position as usize) {
            cell.fetch_sub(1, Release);
        }
    }

    /// How many requests are in each cell.
    pub(super) fn in_use(&self) -> impl Iterator<Item = u32> {
        self.0.iter().map(|cell| in_use(cell.load(Relaxed)))
    }

    /// The cell of `hand` that the next request goes into, and what was seen there.
    #[inline]
    fn least(&self, hand: &[u32]) -> Option<(u32, &AtomicU64, u64)> {
        let mut least: Option<(u32, &AtomicU64, u64)> = None;
        for position in hand {
            let Some(cell) = self.0.get(*position as usize) else { continue };
            let seen = cell.load(Relaxed);
            if least.is_none_or(|(_, _, least)| is_better(seen, least)) {
                least = Some((*position, cell, seen));
            }
        }
        least
    }
}

/// Fewer requests, and of equally many, fewer turns: were it always the first, some cells would fill more than others.
#[inline]
const fn is_better(one: u64, other: u64) -> bool {
    let (turns, others) = (turns(one), turns(other));
    in_use(one) < in_use(other) || in_use(one) == in_use(other) && (turns.wrapping_sub(others) as i32) < 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counts(cells: &Cells) -> Vec<u32> {
        cells.in_use().collect()
    }

    #[test]
    fn the_emptiest_of_the_hand_is_taken_and_no_other() {
        let cells = Cells::new(5);
        let taken: Vec<_> = (0..6).map(|_| cells.take(&[3, 1], 3)).collect();
        assert_eq!(taken, [3, 1, 3, 1, 3, 1].map(Some));
        assert_eq!((cells.take(&[3, 1], 3), counts(&cells)), (None, vec![0, 3, 0, 3, 0]));
        cells.put_back(1);
        assert_eq!([cells.take(&[3, 1], 3), cells.take(&[3, 1], 3)], [Some(1), None]);
        assert_eq!(cells.take(&[1, 4], 3), Some(4), "who shares a full cell has another");
    }

    /// One request at a time is always a tie. The first cell of a hand used to get them all.
    #[test]
    fn ties_go_round() {
        let cells = Cells::new(3);
        let mut taken = [0; 3];
        for _ in 0..300 {
            let cell = cells.take(&[0, 1, 2], 1).expect("empty");
            taken[cell as usize] += 1;
            cells.put_back(cell);
        }
        assert_eq!(taken, [100; 3]);
    }

    #[test]
    fn turns_may_overflow() {
        let cells = Cells(vec![AtomicU64::new(u64::from(u32::MAX) << 32), AtomicU64::new(0)].into());
        let taken: Vec<_> = (0..4).map(|_| cells.take(&[0, 1], 2)).collect();
        assert_eq!(taken, [0, 1, 0, 1].map(Some));
        assert_eq!((cells.take(&[0, 1], 2), counts(&cells)), (None, vec![2, 2]));
    }

    #[test]
    fn the_largest_limit_is_one_too() {
        let cells = Cells(vec![AtomicU64::new(u64::from(u32::MAX) - 1)].into());
        assert_eq!([cells.take(&[0], u32::MAX), cells.take(&[0], u32::MAX)], [Some(0), None]);
        assert_eq!(counts(&cells), [u32::MAX]);
    }

    #[test]
    fn what_is_no_cell_is_passed_over() {
        let cells = Cells::new(1);
        assert_eq!((cells.take(&[9], 1), cells.take(&[], 1), cells.take(&[9, 0], 1)), (None, None, Some(0)));
        cells.put_back(9);
        assert_eq!(counts(&cells), [1]);
    }

    proptest! {
        /// Beside a plain model: a vector of counts.
        #[test]
        fn it_counts_as_a_vector_does(
            steps in proptest::collection::vec((proptest::sample::subsequence((0..6u32).collect::<Vec<_>>(), 1..4), any::<bool>()), 0..200),
            limit in 0..4u32,
        ) {
            let (cells, mut model, mut held) = (Cells::new(6), vec![0u32; 6], Vec::new());
            for (hand, leaves) in steps {
                if leaves && !held.is_empty() {
                    let cell: u32 = held.swap_remove(held.len() / 2);
                    cells.put_back(cell);
                    model[cell as usize] -= 1;
                } else {
                    let least = hand.iter().map(|cell| model[*cell as usize]).min().unwrap_or(limit);
                    let taken = cells.take(&hand, limit);
                    prop_assert_eq!(taken.is_some(), least < limit);
                    if let Some(cell) = taken {
                        prop_assert!(hand.contains(&cell) && model[cell as usize] == least);
                        model[cell as usize] += 1;
                        held.push(cell);
                    }
                }
                prop_assert_eq!(&counts(&cells), &model);
            }
        }
    }
}

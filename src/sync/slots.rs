//! Places to keep something for a while, each with a number, taken and put back without a lock.

use std::sync::OnceLock;

use super::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};

/// How many slots are made first. Each time that there are none left, twice as many as the time before are made.
const FIRST: u64 = 8;
/// Enough for all numbers.
pub(super) const CHUNKS: usize = 30;
pub(super) const NONE: u32 = 0;

/// Slots that are used again and again: as many as were ever in use at once, which is what they take in memory.
///
/// Which ones are free is a stack of numbers (R. K. Treiber, 1986), linked through the slots themselves. Its head
/// carries a count of its changes, so that one who looked at it, and was delayed while others took and put back the same
/// slot, does not mistake it for unchanged.
pub(crate) struct Slots<T> {
    chunks: [OnceLock<Box<[Slot<T>]>>; CHUNKS],
    /// The count of changes, and in the lower half the slot on top: its number and one, or [`NONE`].
    head: AtomicU64,
    /// How many were ever taken for the first time.
    made: AtomicU64,
}

#[derive(Default)]
struct Slot<T> {
    /// The one below on the stack, as in its head.
    below: AtomicU32,
    value: T,
}

impl<T: Default> Slots<T> {
    pub(crate) fn new() -> Self {
        let chunks = std::array::from_fn(|_| OnceLock::new());
        Self { chunks, head: AtomicU64::new(0), made: AtomicU64::new(0) }
    }

    /// The number of a slot that nobody else has until it is put back; `None` where all numbers are taken.
    #[inline]
    pub(crate) fn take(&self) -> Option<u32> {
        let mut head = self.head.load(Acquire);
        while head as u32 != NONE {
            let number = head as u32 - 1;
            let below = self.slot(number)?.below.load(Relaxed);
            match self.head.compare_exchange_weak(head, changed(head, below), AcqRel, Acquire) {
                Ok(_) => return Some(number),
                Err(now) => head = now,
            }
        }
        self.make()
    }

    /// What is kept in a slot.
    #[inline]
    pub(crate) fn get(&self, number: u32) -> Option<&T> {
        self.slot(number).map(|slot| &slot.value)
    }

    /// Gives a slot back. Only who has it may do so, and once.
    #[inline]
    pub(crate) fn put(&self, number: u32) {
        let Some(slot) = self.slot(number) else { return };
        let mut head = self.head.load(Acquire);
        loop {
            slot.below.store(head as u32, Relaxed);
            match self.head.compare_exchange_weak(head, changed(head, number + 1), AcqRel, Acquire) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    #[cold]
    fn make(&self) -> Option<u32> {
        let number = u32::try_from(self.made.fetch_add(1, Relaxed)).ok().filter(|number| *number < u32::MAX)?;
        let (chunk, _) = place(number);
        self.chunks.get(chunk)?.get_or_init(|| (0..FIRST << chunk).map(|_| Slot::default()).collect());
        Some(number)
    }

    #[inline]
    fn slot(&self, number: u32) -> Option<&Slot<T>> {
        let (chunk, index) = place(number);
        self.chunks.get(chunk)?.get()?.get(index)
    }
}

/// In which chunk a slot is, and where in it.
#[inline]
pub(super) fn place(number: u32) -> (usize, usize) {
    let from_first = u64::from(number) + FIRST;
    let chunk = from_first.ilog2() - FIRST.ilog2();
    (chunk as usize, (from_first - (FIRST << chunk)) as usize)
}

#[inline]
pub(super) fn changed(head: u64, top: u32) -> u64 {
    ((head >> 32).wrapping_add(1) << 32) | u64::from(top)
}

impl<T> std::fmt::Debug for Slots<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slots").field("made", &self.made).finish_non_exhaustive()
    }
}

//! The fuel of one request: how much was granted, and what is left of it. Pure.
//!
//! # Why the sum of all spends never exceeds what was granted
//! What is left is one word, and whoever takes of it takes by one compare-and-swap. Whoever gives back first takes it
//! from what is on record as spent, and adds it to what is left after; a spender does the two the other way round. So
//! between the two steps of either, fuel is missing from the books and never there twice. What is lent to a child is
//! not on record as spent: a refund cannot bring back what the child may still spend.
//!
//! `tests/models` has a model checker go through the interleavings of this file.

use crate::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};

/// The most that can be granted, which nobody ever spends.
pub(crate) const MOST: u64 = u64::MAX - 1;

/// What is left once the books are closed.
const CLOSED: u64 = u64::MAX;

/// What was granted to one request, or to one part of it.
#[derive(Debug)]
pub(crate) struct Ledger {
    granted: u64,
    /// [`CLOSED`], or what nobody has spent or borrowed.
    left: AtomicU64,
    /// What was spent and not refunded.
    spent: AtomicU64,
    /// Whether somebody wanted more than there was.
    fell_short: AtomicBool,
}

/// Why fuel was not to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shortage {
    /// The request is over.
    Closed,
    /// There is not as much left.
    Fuel,
}

impl Ledger {
    /// Grants so much, at most [`MOST`].
    pub(crate) fn new(granted: u64) -> Self {
        let granted = granted.min(MOST);
        let (left, spent) = (AtomicU64::new(granted), AtomicU64::new(0));
        Self { granted, left, spent, fell_short: AtomicBool::new(false) }
    }

    pub(crate) fn granted(&self) -> u64 {
        self.granted
    }

    /// What is left; `None` once closed.
    pub(crate) fn left(&self) -> Option<u64> {
        Some(self.left.load(Acquire)).filter(|left| *left != CLOSED)
    }

    /// Whether somebody wanted more than there was.
    pub(crate) fn fell_short(&self) -> bool {
        self.fell_short.load(Relaxed)
    }

    /// Spends all of `fuel`, or nothing.
    pub(crate) fn spend(&self, fuel: u64) -> Result<(), Shortage> {
        match self.take(|left| if left >= fuel { fuel } else { 0 }) {
            None => Err(Shortage::Closed),
            Some(taken) if taken < fuel => {
                self.fell_short.store(true, Relaxed);
                Err(Shortage::Fuel)
            }
            Some(taken) => {
                self.record(taken);
                Ok(())
            }
        }
    }

    /// Spends what there is of `most`, and says how much that was.
    pub(crate) fn spend_up_to(&self, most: u64) -> u64 {
        self.spend_in_units(most, 1)
    }

    /// Spends whole units, as many as there are of `most`, and says how many that was.
    pub(crate) fn spend_in_units(&self, most: u64, unit: u64) -> u64 {
        let unit = unit.max(1);
        let taken = self.take(|left| (left / unit).min(most) * unit).unwrap_or(0);
        if most > 0 && taken == 0 {
            self.fell_short.store(true, Relaxed);
        }
        self.record(taken);
        taken / unit
    }

    /// Lends up to `most` to a child, and says how much that is.
    pub(crate) fn lend(&self, most: u64) -> u64 {
        self.take(|left| left.min(most)).unwrap_or(0)
    }

    /// Takes back what a child had left of what was lent to it.
    pub(crate) fn take_back(&self, fuel: u64) {
        self.add(fuel);
    }

    /// Puts back what was spent, at most that, and says how much that was.
    pub(crate) fn refund(&self, fuel: u64) -> u64 {
        // Off the record first, and only then there again: see above.
        let mut spent = self.spent.load(Relaxed);
        let refunded = loop {
            let refunded = fuel.min(spent);
            match self.spent.compare_exchange_weak(spent, spent - refunded, AcqRel, Relaxed) {
                Ok(_) => break refunded,
                Err(now) => spent = now,
            }
        };
        if self.add(refunded) { refunded } else { 0 }
    }

    /// Nobody spends any more, and nothing comes back. What was left is the answer, the first time.
    pub(crate) fn close(&self) -> u64 {
        match self.left.swap(CLOSED, AcqRel) {
            CLOSED => 0,
            left => left,
        }
    }

    /// Takes what `wanted` says of what is left, which is no more than that; `None` once closed.
    fn take(&self, wanted: impl Fn(u64) -> u64) -> Option<u64> {
        let mut left = self.left.load(Relaxed);
        loop {
            if left == CLOSED {
                return None;
            }
            let taken = wanted(left);
            match self.left.compare_exchange_weak(left, left - taken, AcqRel, Relaxed) {
                Ok(_) => return Some(taken),
                Err(now) => left = now,
            }
        }
    }

    fn record(&self, spent: u64) {
        if spent > 0 {
            self.spent.fetch_add(spent, AcqRel);
        }
    }

    /// Adds to what is left, unless it is closed; whether it was added.
    fn add(&self, fuel: u64) -> bool {
        let mut left = self.left.load(Relaxed);
        while left != CLOSED {
            // No more comes back than was taken; should it, what was granted is the end.
            let more = left.saturating_add(fuel).min(self.granted);
            match self.left.compare_exchange_weak(left, more, AcqRel, Relaxed) {
                Ok(_) => return true,
                Err(now) => left = now,
            }
        }
        false
    }
}

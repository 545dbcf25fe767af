//! What a run has still to do, by time.

use std::{cmp::Reverse, collections::BinaryHeap};

/// Things to do at their time; what is due at one instant comes in the order in which it was written down.
#[derive(Debug)]
pub(super) struct Agenda<T> {
    heap: BinaryHeap<Reverse<Entry<T>>>,
    written: u64,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry<T> {
    at: u64,
    number: u64,
    what: T,
}

impl<T: Ord> Agenda<T> {
    pub(super) const fn new() -> Self {
        Self { heap: BinaryHeap::new(), written: 0 }
    }

    pub(super) fn add(&mut self, at: u64, what: T) {
        self.written += 1;
        self.heap.push(Reverse(Entry { at, number: self.written, what }));
    }

    /// When the next thing is due.
    pub(super) fn next(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse(entry)| entry.at)
    }

    /// The next thing that is due by `now`.
    pub(super) fn due(&mut self, now: u64) -> Option<T> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry.what)
    }
}

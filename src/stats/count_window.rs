use std::sync::OnceLock;

use super::{Counts, Mark};
use crate::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

/// Exactly the last `size` results, in a ring that evicts.
///
/// ```text
///                position (a ticket for each result)
///                    ▼
/// slots   [e·ok] [e·ok] [e·failed] [d·ok] …      each stamped with the epoch it was written in;
///                    │                           one of an older epoch counts as empty
///          swap: new in, old out
///                    ▼
/// totals  {epoch, calls, failures, slow}         + new − old, in one word
/// ```
///
/// Whoever swaps a result out of a slot takes it out of the totals too, so each is added once and taken out once, in
/// any interleaving. On a full ring, a result that replaces its like leaves the totals alone: a healthy call costs
/// two read-modify-writes.
///
/// A thread can be late to add what another has taken out already, so a field may be below zero for a moment. Each
/// carries a bias for that, which 500 threads inside [`record`](Self::record) at one instant could not use up.
#[derive(Debug)]
pub(crate) struct CountWindow {
    position: Alone,
    totals: AtomicU64,
    size: AtomicU32,
    /// Made when the window first grows into them, and kept: shrinking frees nothing.
    chunks: [OnceLock<Box<[AtomicU32; CHUNK]>>; CHUNKS],
}

/// On a pair of cache lines of its own (they are fetched in pairs): every call writes it, and what lies around it every call only reads.
#[derive(Debug)]
#[repr(align(128))]
struct Alone(AtomicU64);

const CHUNK: usize = 128;
/// The cache lines of a chunk.
const LINES: usize = CHUNK * size_of::<u32>() / 64;
const CHUNKS: usize = CountWindow::MOST as usize / CHUNK;

impl CountWindow {
    /// The largest window: 1024 results.
    pub(crate) const MOST: u32 = 1024;

    /// A window that holds nothing yet, and has no room until it is [restarted](Self::restart).
    pub(crate) const fn new() -> Self {
        Self {
            position: Alone(AtomicU64::new(0)),
            totals: AtomicU64::new(Totals::empty(0).0),
            size: AtomicU32::new(0),
            chunks: [const { OnceLock::new() }; CHUNKS],
        }
    }

    /// Forgets, and holds the last `size` results of `epoch` from now on, at most [`MOST`](Self::MOST). The owner
    /// calls this from one thread at a time, before it lets the others know of `epoch`, which is not zero. Epochs
    /// count in 30 bits.
    pub(crate) fn restart(&self, epoch: u32, size: u32) {
        let size = size.min(Self::MOST);
        for chunk in self.chunks.iter().take((size as usize).div_ceil(CHUNK)) {
            chunk.get_or_init(|| Box::new([const { AtomicU32::new(0) }; CHUNK]));
        }
        self.size.store(size, Relaxed);
        self.totals.store(Totals::empty(epoch).0, Release);
    }

    /// Records a result of `epoch`.
    #[inline]
    pub(crate) fn record(&self, epoch: u32, mark: Mark) {
        let size = self.size.load(Relaxed);
        if size == 0 {
            return;
        }
        let index = (self.position.0.fetch_add(1, Relaxed) % u64::from(size)) as usize;
        let Some(slot) = self.slot(index) else { return };
        let new = Slot::new(epoch, mark);
        let old = Slot(slot.swap(new.0, AcqRel));
        if new != old {
            self.account(new, old);
        }
    }

    /// What the window holds now. One load.
    #[inline]
    pub(crate) fn counts(&self) -> Counts {
        Totals(self.totals.load(Acquire)).counts()
    }

    #[inline]
    fn slot(&self, index: usize) -> Option<&AtomicU32> {
        // Neighbours in time lie on different cache lines: threads record at the same time.
        let (column, row) = (index % CHUNK / LINES, index % LINES);
        self.chunks.get(index / CHUNK)?.get()?.get(row * (CHUNK / LINES) + column)
    }

    /// Adds `new` to the totals and takes `old` out, as far as they are of the totals' epoch.
    fn account(&self, new: Slot, old: Slot) {
        let mut totals = Totals(self.totals.load(Acquire));
        loop {
            let mut next = totals;
            if new.epoch() == totals.epoch() {
                next.0 = next.0.wrapping_add(new.weight());
            }
            if old.epoch() == totals.epoch() {
                next.0 = next.0.wrapping_sub(old.weight());
            }
            if next == totals {
                return;
            }
            match self.totals.compare_exchange_weak(totals.0, next.0, AcqRel, Acquire) {
                Ok(_) => return,
                Err(now) => totals = Totals(now),
            }
        }
    }

    /// What the slots say: what the totals must come to when nobody is recording.
    #[cfg(test)]
    fn recount(&self) -> Counts {
        let totals = Totals(self.totals.load(Acquire));
        let mut sum = Totals::empty(totals.epoch()).0;
        for index in 0..self.size.load(Relaxed) as usize {
            let slot = Slot(self.slot(index).expect("restart made it").load(Relaxed));
            if slot.epoch() == totals.epoch() {
                sum += slot.weight();
            }
        }
        Totals(sum).counts()
    }
}

/// `epoch:30 | failed:1 | slow:1`
#[derive(Clone, Copy, PartialEq, Eq)]
struct Slot(u32);

impl Slot {
    #[inline]
    const fn new(epoch: u32, mark: Mark) -> Self {
        Self(epoch << 2 | (mark.failed as u32) << 1 | mark.slow as u32)
    }

    const fn epoch(self) -> u32 {
        self.0 >> 2
    }

    /// What this result adds to the totals.
    const fn weight(self) -> u64 {
        Totals::CALL + (self.0 >> 1 & 1) as u64 * Totals::FAILURE + (self.0 & 1) as u64 * Totals::SLOW
    }
}

/// `epoch:30 | unused:1 | calls:11 | failures:11 | slow:11`, each count with [`BIAS`](Totals::BIAS) added.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Totals(u64);

impl Totals {
    const SLOW: u64 = 1;
    const FAILURE: u64 = 1 << 11;
    const CALL: u64 = 1 << 22;
    const BIAS: u64 = 512;

    const fn empty(epoch: u32) -> Self {
        Self(((epoch as u64) << 34) | (Self::BIAS * (Self::CALL + Self::FAILURE + Self::SLOW)))
    }

    const fn epoch(self) -> u32 {
        (self.0 >> 34) as u32
    }

    fn counts(self) -> Counts {
        let field = |unit: u64| (((self.0 / unit) & 0x7ff).saturating_sub(Self::BIAS)) as u32;
        Counts { calls: field(Self::CALL), failures: field(Self::FAILURE), slow: field(Self::SLOW) }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, thread};

    use proptest::prelude::*;

    use super::*;

    const OK: Mark = Mark { failed: false, slow: false };
    const FAILED: Mark = Mark { failed: true, slow: false };

    fn window(size: u32) -> CountWindow {
        let window = CountWindow::new();
        window.restart(1, size);
        window
    }

    /// tower-resilience's count window only ever counted up: after a healthy day it took a day of failures to trip.
    #[test]
    fn the_oldest_result_makes_room() {
        let window = window(10);
        for _ in 0..100_000 {
            window.record(1, OK);
        }
        for failures in 1..=10 {
            window.record(1, FAILED);
            assert_eq!(window.counts(), Counts { calls: 10, failures, slow: 0 });
        }
    }

    #[test]
    fn a_late_writer_of_an_older_epoch_leaves_no_trace_but_makes_room() {
        let window = window(2);
        window.restart(2, 2);
        window.record(2, FAILED);
        window.record(1, FAILED);
        assert_eq!(window.counts(), Counts { calls: 1, failures: 1, slow: 0 });
        window.record(1, FAILED);
        assert_eq!(window.counts(), Counts::default(), "its slot is lost, so it no longer counts");
        assert_eq!(window.counts(), window.recount());
    }

    #[test]
    fn a_window_without_room_records_nothing() {
        let window = window(0);
        window.record(1, FAILED);
        assert_eq!(window.counts(), Counts::default());
    }

    #[test]
    fn threads_leave_totals_that_match_the_slots() {
        let window = window(7);
        let epoch = AtomicU32::new(1);
        for round in 1..20 {
            thread::scope(|scope| {
                for thread in 0..4_u32 {
                    let (window, epoch) = (&window, &epoch);
                    scope.spawn(move || {
                        for n in 0..500 {
                            let known = epoch.load(Acquire);
                            let mark = Mark { failed: (n + thread) % 3 == 0, slow: n % 5 == 0 };
                            window.record(known, mark);
                        }
                    });
                }
                scope.spawn(|| {
                    window.restart(round + 1, 7 + round);
                    epoch.store(round + 1, Release);
                });
            });
            assert_eq!(window.counts(), window.recount());
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Record(bool, bool),
        Restart(u32),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            20 => any::<(bool, bool)>().prop_map(|(failed, slow)| Step::Record(failed, slow)),
            1 => (1..=40_u32).prop_map(Step::Restart),
            1 => (1..=CountWindow::MOST).prop_map(Step::Restart),
        ]
    }

    proptest! {
        #[test]
        fn it_is_the_last_results_and_nothing_else(steps in prop::collection::vec(step(), 0..400)) {
            let (window, mut size, mut epoch) = (window(8), 8, 1);
            let mut model = VecDeque::new();
            for step in steps {
                match step {
                    Step::Record(failed, slow) => {
                        window.record(epoch, Mark { failed, slow });
                        model.push_back((failed, slow));
                        if model.len() > size as usize {
                            model.pop_front();
                        }
                    }
                    Step::Restart(new) => {
                        (size, epoch) = (new, epoch + 1);
                        window.restart(epoch, size);
                        model.clear();
                    }
                }
                let count = |wanted: fn(&&(bool, bool)) -> bool| model.iter().filter(wanted).count() as u32;
                let expected =
                    Counts { calls: count(|_| true), failures: count(|r| r.0), slow: count(|r| r.1) };
                prop_assert_eq!(window.counts(), expected);
                prop_assert_eq!(window.recount(), expected);
            }
        }
    }
}

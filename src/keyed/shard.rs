//! The keys of one shard, and who may be forgotten. Plain data for its owner to lock: it reads no clock and asks no
//! gate, and what it takes out it returns, to be dropped once the lock is gone. Of the user's, only the comparison of
//! keys runs in here.
//!
//! Every operation is O(1), with keys that do not collide; but for a newcomer for whom the table has to grow, which it
//! does no more once it is full. Where their hashes are all the same, one takes as long as it takes to compare with
//! each.
//!
//! # Who may be forgotten
//! ```text
//!        ┌── hand        held: a permit is out, somebody waits, or has a pointer to the gate
//!        ▼               asked for since the hand last came by
//!  [ ] [ ] [ ] [ ] …     neither, and for how long
//! ```
//! A hand goes round the slots, as that of the CLOCK page replacement does (Corbató, *A Paging Experiment with the
//! Multics System*, 1968), a few with each newcomer. It forgets at once what nobody has asked for during the idle time.
//! If the shard is full, it offers the others that nobody holds as [`Candidate`]s: whether their gates remember
//! anything is for the owner to find out, without the lock; and then to say which to [evict](Shard::evict), which is
//! done only if nothing has happened to it meanwhile.
//!
//! Requests do not write down when they came, which would cost each a clock reading, but that they came; the hand
//! writes down when it saw that. So a key is idle for as long as the idle time at least, and for longer where the hand
//! comes by rarely, which it does where there is room.

use std::sync::{Arc, Weak};

use hashbrown::HashTable;
use slab::Slab;

use super::{entry::Entry, settings::Bounds};
use crate::{
    clock::Instant,
    sync::atomic::{Ordering::Acquire, fence},
};

/// How many slots the hand looks at for a newcomer who needs room.
pub(super) const LOOKS: usize = 8;
/// And for one who does not: more than one, so that what is idle goes faster than what is new comes, as long as most
/// slots are taken.
const LOOKS_IN_PASSING: usize = 2;

pub(super) struct Shard<K, G> {
    pub(super) bounds: Bounds,
    slots: HashTable<usize>,
    records: Slab<Record<K, G>>,
    /// One past the highest slot that there ever was.
    end: usize,
    hand: usize,
}

struct Record<K, G> {
    hash: u64,
    entry: Arc<Entry<K, G>>,
    /// Requests that came. Each holds the entry until it is counted out: here, or in [`Entry::sent_away`].
    came: u64,
    went: u64,
    /// What `came` and `went` were together when the hand last looked.
    looked: u64,
    /// When the hand last saw that somebody had come or gone.
    active: Instant,
    /// How often somebody looked into the gate who is no request.
    visits: u64,
}

/// Somebody who may be forgotten if the gate remembers nothing, and nothing has happened to it since. It holds nobody:
/// who looks at the same time for somebody to forget may find the same.
pub(super) struct Candidate<K, G> {
    slot: usize,
    unchanged: (u64, u64),
    /// Nobody has come for it since the hand last came by: better than one that is in use.
    pub(super) quiet: bool,
    pub(super) entry: Weak<Entry<K, G>>,
}

/// So many entries, or fewer.
pub(super) type Few<K, G> = [Option<Arc<Entry<K, G>>>; LOOKS];

/// What the hand found. To be dropped once the lock is gone.
pub(super) struct Looked<K, G> {
    pub(super) idle: Few<K, G>,
    pub(super) candidates: [Option<Candidate<K, G>>; LOOKS],
}

impl<K, G> Shard<K, G> {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { bounds, slots: HashTable::new(), records: Slab::new(), end: 0, hand: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.len() >= self.bounds.capacity
    }

    /// A request comes for a key. If that is there, it holds it until it is counted out.
    #[inline]
    pub(super) fn come(&mut self, hash: u64, key: &K) -> Option<(usize, Arc<Entry<K, G>>)>
    where
        K: Eq,
    {
        let slot = self.slot(hash, key)?;
        let record = self.records.get_mut(slot)?;
        record.came += 1;
        Some((slot, Arc::clone(&record.entry)))
    }

    /// The request that holds `slot` goes. Until the pointer is dropped, it still holds the entry.
    #[inline]
    pub(super) fn go(&mut self, slot: usize) -> Option<Arc<Entry<K, G>>> {
        let record = self.records.get_mut(slot)?;
        record.went += 1;
        Some(Arc::clone(&record.entry))
    }

    /// What is in a slot, for the request that holds it.
    pub(super) fn at(&self, slot: usize) -> Option<Arc<Entry<K, G>>> {
        Some(Arc::clone(&self.records.get(slot)?.entry))
    }

    /// Looks a key up for somebody who is no request.
    pub(super) fn visit(&mut self, hash: u64, key: &K) -> Option<Arc<Entry<K, G>>>
    where
        K: Eq,
    {
        let slot = self.slot(hash, key)?;
        self.records.get_mut(slot).map(Record::visit)
    }

    /// The entries from `from` on, a few at a time, and where to go on. Whoever is there all the while is there once.
    pub(super) fn visit_from(&mut self, from: usize) -> (Few<K, G>, Option<usize>) {
        let to = from.saturating_add(LOOKS);
        let found = std::array::from_fn(|step| self.records.get_mut(from + step).map(Record::visit));
        (found, (to < self.end).then_some(to))
    }

    /// A place for a key that is not there, held by the request that comes for it; `None` if there is no room.
    pub(super) fn insert(&mut self, hash: u64, entry: Arc<Entry<K, G>>, now: Instant) -> Option<usize> {
        if self.is_full() {
            return None;
        }
        let record = Record { hash, entry, came: 1, went: 0, looked: 0, active: now, visits: 0 };
        let slot = self.records.insert(record);
        self.end = self.end.max(slot + 1);
        let records = &self.records;
        self.slots.insert_unique(hash, slot, |&slot| records.get(slot).map_or(0, |record| record.hash));
        Some(slot)
    }

    /// The hand goes on by a few slots, for a newcomer.
    pub(super) fn look(&mut self, now: Instant) -> Looked<K, G> {
        let full = self.is_full();
        self.look_at(if full { LOOKS } else { LOOKS_IN_PASSING }, full, now)
    }

    /// The hand goes on by a few slots, and forgets who is idle.
    pub(super) fn sweep(&mut self, now: Instant) -> Looked<K, G> {
        self.look_at(LOOKS, false, now)
    }

    /// How often it has to be swept to go round once.
    pub(super) fn round(&self) -> usize {
        self.end.div_ceil(LOOKS)
    }

    fn look_at(&mut self, slots: usize, wanted: bool, now: Instant) -> Looked<K, G> {
        let mut looked = Looked { idle: std::array::from_fn(|_| None), candidates: std::array::from_fn(|_| None) };
        let found = looked.idle.iter_mut().zip(&mut looked.candidates);
        for (idle, candidate) in found.take(slots.min(self.end)) {
            let slot = self.hand;
            self.hand = if slot + 1 < self.end { slot + 1 } else { 0 };
            let Some(record) = self.records.get_mut(slot) else { continue };
            let (held, quiet) = (record.is_held(), record.moves() == record.looked);
            if !quiet {
                record.looked = record.moves();
                record.active = now;
            }
            if held {
                continue;
            }
            if now.since(record.active) >= self.bounds.idle {
                *idle = self.remove(slot);
            } else if wanted {
                let (unchanged, entry) = (record.state(), Arc::downgrade(&record.entry));
                *candidate = Some(Candidate { slot, unchanged, quiet, entry });
            }
        }
        looked
    }

    /// Forgets a candidate, if nothing has happened to it meanwhile and nobody holds it.
    pub(super) fn evict(&mut self, candidate: &Candidate<K, G>) -> Option<Arc<Entry<K, G>>> {
        let Candidate { slot, unchanged, ref entry, .. } = *candidate;
        let record = self.records.get(slot)?;
        let same = Weak::as_ptr(entry) == Arc::as_ptr(&record.entry) && record.state() == unchanged;
        if same && !record.is_held() { self.remove(slot) } else { None }
    }

    /// Forgets a key that nobody holds, whatever its gate remembers.
    pub(super) fn forget(&mut self, hash: u64, key: &K) -> Option<Arc<Entry<K, G>>>
    where
        K: Eq,
    {
        let slot = self.slot(hash, key)?;
        if self.records.get(slot)?.is_held() { None } else { self.remove(slot) }
    }

    /// All entries, if they are few and nobody holds one.
    pub(super) fn few(&self) -> Option<Few<K, G>> {
        if self.len() > LOOKS || self.records.iter().any(|(_, record)| record.is_held()) {
            return None;
        }
        let mut entries = self.records.iter().map(|(_, record)| Arc::clone(&record.entry));
        Some(std::array::from_fn(|_| entries.next()))
    }

    #[inline]
    fn slot(&self, hash: u64, key: &K) -> Option<usize>
    where
        K: Eq,
    {
        let is_it = |record: &Record<K, G>| record.hash == hash && record.entry.key == *key;
        self.slots.find(hash, |&slot| self.records.get(slot).is_some_and(is_it)).copied()
    }

    fn remove(&mut self, slot: usize) -> Option<Arc<Entry<K, G>>> {
        let record = self.records.try_remove(slot)?;
        if let Ok(found) = self.slots.find_entry(record.hash, |&other| other == slot) {
            found.remove();
        }
        Some(record.entry)
    }
}

impl<K, G> Record<K, G> {
    fn moves(&self) -> u64 {
        self.came.wrapping_add(self.went)
    }

    fn state(&self) -> (u64, u64) {
        (self.moves(), self.visits)
    }

    fn visit(&mut self) -> Arc<Entry<K, G>> {
        self.visits += 1;
        Arc::clone(&self.entry)
    }

    /// Whether a request holds it, or there is another pointer to it. A new one is only ever made of the record's,
    /// under the lock, but for who asks the gate of a [`Candidate`] whether it remembers anything, and does nothing
    /// else with it.
    fn is_held(&self) -> bool {
        let requests = self.came.wrapping_sub(self.went).wrapping_sub(self.entry.sent_away());
        let held = requests != 0 || Arc::strong_count(&self.entry) > 1;
        // What those did who dropped their pointers is seen by whoever looks at the gate next.
        fence(Acquire);
        held
    }
}

#[cfg(test)]
mod tests;

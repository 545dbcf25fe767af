use std::{array, iter::Flatten, mem, sync::Arc};

use super::{
    entry::{Entry, Visit},
    place::Place,
    settings::Overflow,
    shard::{Candidate, LOOKS},
    state::State,
};
use crate::{
    clock::{Instant, Moment},
    event::Event,
    gate::Gate,
    sync::atomic::Ordering::Relaxed,
};

/// What a request meets.
pub(super) enum Met<'a, K, G> {
    /// The gate of its key.
    Own(Place, Visit<K, G>),
    /// The gate that those share who found no place.
    Shared(&'a G),
    /// No gate: it passes.
    Open,
    /// No gate: it is refused.
    Full,
}

/// How gates are made.
pub(super) struct Factory<'a, K, M> {
    pub(super) make: &'a M,
    /// The key that the shared gate is made for; if there is none, that of whoever needs it first.
    pub(super) shared_as: Option<&'a K>,
}

/// What the hand found for a newcomer.
struct Found<K, G> {
    /// Whether somebody has to be forgotten first.
    full: bool,
    candidates: Flatten<array::IntoIter<Option<Candidate<K, G>>, LOOKS>>,
    overflow: Overflow,
}

/// What became of a gate that was made.
enum Seat<K, G> {
    /// The key has a place, with this gate or with one that somebody else was quicker to bring.
    Taken(Place, Visit<K, G>),
    /// There is no room.
    Full,
    /// All gates were changed while this one was made, and it has to be changed too.
    Late,
}

impl<K: Eq, G, S> State<K, G, S> {
    /// A request whose key is not there. All that is the user's is called without a lock: the factory, and the gates
    /// that may be forgotten. So the shard is looked at before, and again after.
    #[cold]
    pub(super) fn welcome<Req, M>(&self, key: K, hash: u64, factory: &Factory<'_, K, M>, now: &Moment) -> Met<'_, K, G>
    where
        G: Gate<Req>,
        M: Fn(&K) -> G,
    {
        let (index, at) = (self.shard_of(hash), now.now());
        let mut found = self.look(index, at);
        let mut forgettable = if found.full { found.neutral(now) } else { None };
        if found.full && forgettable.is_none() {
            // No gate is made for nothing.
            return self.turn_away(found.overflow, &key, factory, at);
        }
        let gate = (factory.make)(&key);
        self.hear(&gate);
        let mut changed = self.change(Some(&key), &gate);
        let entry = Arc::new(Entry::new(key, gate));
        let mut looked_twice = found.full;
        loop {
            match self.seat(index, hash, &entry, changed, forgettable.as_ref(), at) {
                Seat::Taken(place, visit) => {
                    if self.pressure.placed(at) {
                        self.events.emit(|| Event::KeysFit { layer: self.name });
                    }
                    return Met::Own(place, visit);
                }
                Seat::Late => changed = self.change(Some(&entry.key), &entry.gate),
                Seat::Full => {
                    // If there was room, and others took it, it looks once more, and never a third time.
                    let again = !mem::replace(&mut looked_twice, true);
                    if again {
                        found = self.look(index, at);
                    }
                    forgettable = found.neutral(now);
                    if forgettable.is_none() && (found.full || !again) {
                        return self.turn_away(found.overflow, &entry.key, factory, at);
                    }
                }
            }
        }
    }

    fn look(&self, index: usize, at: Instant) -> Found<K, G> {
        let (looked, full, overflow) = {
            let mut shard = self.shard(index).lock();
            (shard.look(at), shard.is_full(), shard.bounds.overflow)
        };
        self.let_go(looked.idle);
        let mut candidates = looked.candidates;
        // Those first whom nobody has come for lately: whoever is forgotten in use is made anew at once.
        candidates.sort_by_key(|candidate| candidate.as_ref().is_none_or(|candidate| !candidate.quiet));
        Found { full, candidates: candidates.into_iter().flatten(), overflow }
    }

    /// Gives a new entry its place, if there is room or `forgettable` makes some.
    fn seat(
        &self,
        index: usize,
        hash: u64,
        entry: &Arc<Entry<K, G>>,
        changed: u64,
        forgettable: Option<&Candidate<K, G>>,
        at: Instant,
    ) -> Seat<K, G> {
        // Before the lock, so that it is dropped after.
        let mut _evicted = None;
        let mut shard = self.shard(index).lock();
        if let Some((slot, entry)) = shard.come(hash, &entry.key) {
            return Seat::Taken(Place::new(index, slot), Visit::new(entry));
        }
        if self.version() != changed {
            return Seat::Late;
        }
        if shard.is_full() {
            _evicted = forgettable.and_then(|candidate| shard.evict(candidate));
            self.evicted.fetch_add(_evicted.is_some().into(), Relaxed);
        }
        match shard.insert(hash, Arc::clone(entry), at) {
            Some(slot) => Seat::Taken(Place::new(index, slot), Visit::new(Arc::clone(entry))),
            None => Seat::Full,
        }
    }

    /// What becomes of a request whose key has no place.
    fn turn_away<Req, M>(&self, overflow: Overflow, key: &K, factory: &Factory<'_, K, M>, at: Instant) -> Met<'_, K, G>
    where
        G: Gate<Req>,
        M: Fn(&K) -> G,
    {
        self.overflowed.fetch_add(1, Relaxed);
        if self.pressure.turned_away(at) {
            self.events.emit(|| Event::KeysFull { layer: self.name });
        }
        match overflow {
            Overflow::Admit => Met::Open,
            Overflow::Refuse => Met::Full,
            Overflow::Share => {
                let shared = self.shared.get().or_else(|| {
                    let gate = (factory.make)(factory.shared_as.unwrap_or(key));
                    self.hear(&gate);
                    let changed = self.change(None, &gate);
                    self.share(gate, changed)
                });
                shared.map_or(Met::Full, Met::Shared)
            }
        }
    }
}

impl<K, G> Found<K, G> {
    /// The next whose gate remembers nothing.
    fn neutral<Req>(&mut self, now: &Moment) -> Option<Candidate<K, G>>
    where
        G: Gate<Req>,
    {
        self.candidates.find(|candidate| candidate.entry.upgrade().is_some_and(|entry| entry.gate.is_neutral(now)))
    }
}

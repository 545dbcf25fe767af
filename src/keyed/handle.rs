use std::{
    fmt,
    hash::{BuildHasher, Hash, RandomState},
    sync::Arc,
};

use super::{
    entry::Kept,
    settings::Settings,
    state::{Change, State},
};
use crate::{clock, sync::atomic::Ordering::Relaxed, telemetry::Page};

/// Looks at the gates of all keys and changes them while they serve. A clone costs a reference count.
pub struct Handle<K, G, S = RandomState>(Arc<State<K, G, S>>);

/// A [`Keyed`](super::Keyed) at one moment. Under load its numbers are each true, but not of the very same instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Its settings.
    pub settings: Settings,
    /// How many keys have a place.
    pub keys: usize,
    /// How many keys whose gates remembered nothing were forgotten to make room for others.
    pub evicted: u64,
    /// How many keys were forgotten because nobody had asked for them during the idle time.
    pub expired: u64,
    /// How many requests found no place for their key.
    pub overflowed: u64,
    /// Whether the last event was [`KeysFull`](crate::Event::KeysFull), and not [`KeysFit`](crate::Event::KeysFit).
    pub is_full: bool,
}

impl<K, G, S> Handle<K, G, S> {
    pub(super) fn new(state: Arc<State<K, G, S>>) -> Self {
        Self(state)
    }

    /// As it is at this moment. It takes the lock of each shard in turn, for a moment.
    pub fn snapshot(&self) -> Snapshot {
        let state = &*self.0;
        Snapshot {
            settings: state.settings(),
            keys: self.len(),
            evicted: state.evicted.load(Relaxed),
            expired: state.expired.load(Relaxed),
            overflowed: state.overflowed.load(Relaxed),
            is_full: state.pressure.is_full(),
        }
    }

    /// How many keys have a place.
    pub fn len(&self) -> usize {
        self.0.shards().map(|shard| shard.lock().len()).sum()
    }

    /// Whether no key has a place.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many keys can have a place.
    pub fn capacity(&self) -> usize {
        self.0.shards().map(|shard| shard.lock().bounds.capacity).sum()
    }

    /// The gate of a key that has a place: to take its handle, say. The key is not forgotten for as long as what this
    /// returns is kept; what was set by hand on this gate alone is forgotten with it.
    pub fn get(&self, key: &K) -> Option<Kept<K, G>>
    where
        K: Hash + Eq,
        S: BuildHasher,
    {
        self.0.visit(key).map(Kept)
    }

    /// The gate that keys without a place share, once there has been such a key.
    pub fn overflow_gate(&self) -> Option<&G> {
        self.0.shared.get()
    }

    /// How each gate is set, if it was said [of which key](super::Keyed::described_as) that is to be told.
    pub(crate) fn each(&self) -> Option<Page> {
        let described = self.0.described.get()?;
        Some(described.page(|key, gate| {
            self.0.change(Some(key), gate);
        }))
    }

    /// Calls this for every gate that there is, with its key, or `None` for the gate that keys without a place share.
    /// No lock is held meanwhile. A gate that is made or forgotten meanwhile may be visited or not.
    pub fn for_each(&self, mut look: impl FnMut(Option<&K>, &G)) {
        for shard in self.0.shards() {
            let mut from = Some(0);
            while let Some(start) = from {
                let (entries, next) = shard.lock().visit_from(start);
                entries.iter().flatten().for_each(|entry| look(Some(&entry.key), &entry.gate));
                from = next;
            }
        }
        if let Some(shared) = self.0.shared.get() {
            look(None, shared);
        }
    }

    /// Calls this for every gate that there is, as [`for_each`](Self::for_each) does, and for every gate made later,
    /// before that decides about anything. The next call of this method replaces it. It may be called more than once
    /// for a gate.
    ///
    /// ```
    /// use plimsoll::{bulkhead::{self, Bulkhead}, keyed::{Keyed, Settings}};
    ///
    /// struct Request { tenant: u64 }
    ///
    /// # fn main() -> Result<(), plimsoll::InvalidSetting> {
    /// let bulkhead = Bulkhead::new(bulkhead::Settings::try_new(8)?);
    /// let keyed = Keyed::new(Settings::new(), |r: &Request| r.tenant, move |_| bulkhead.fresh());
    /// let narrow = bulkhead::Settings::try_new(4)?;
    /// keyed.handle().update_gates(move |_, bulkhead| bulkhead.handle().update(narrow));
    /// # Ok(())
    /// # }
    /// ```
    pub fn update_gates(&self, change: impl Fn(Option<&K>, &G) + Send + Sync + 'static) {
        let change: Change<K, G> = Arc::new(change);
        // First: whoever comes after this changes what it makes by itself, and whoever came before is met below.
        self.0.remember(Arc::clone(&change));
        self.for_each(|key, gate| change(key, gate));
    }

    /// Goes by `settings` from now on; the name stays, and so do the shards: no capacity is smaller than their number.
    /// No key is lost: with less room, keys whose gates remember nothing make way as newcomers come.
    pub fn update(&self, settings: Settings) {
        self.0.update(settings);
    }

    /// Forgets a key, whatever its gate remembers, unless it is held: by a request that is under way or waits, or by
    /// whoever keeps what [`get`](Self::get) returned. Returns whether the key was there, and is forgotten.
    pub fn forget(&self, key: &K) -> bool
    where
        K: Hash + Eq,
        S: BuildHasher,
    {
        let hash = self.0.hash(key);
        // A name, so that it is dropped after the lock.
        let gone = self.0.shard(self.0.shard_of(hash)).lock().forget(hash, key);
        gone.is_some()
    }

    /// Forgets the keys that nobody has asked for during the idle time, and returns how many. Newcomers do so in
    /// passing; this is for times without any. A key counts as idle from when it was first seen to be: by a newcomer,
    /// or by an earlier sweep.
    ///
    /// It looks at every key, eight at a time under a lock.
    pub fn sweep(&self) -> usize {
        let now = clock::now();
        let mut swept = 0;
        for shard in self.0.shards() {
            let round = shard.lock().round();
            for _ in 0..round {
                let looked = shard.lock().sweep(now);
                swept += self.0.let_go(looked.idle);
            }
        }
        swept
    }
}

impl<K, G, S> Clone for Handle<K, G, S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Whatever the gates are, and without the keys.
impl<K, G, S> fmt::Debug for Handle<K, G, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&self.snapshot()).finish()
    }
}

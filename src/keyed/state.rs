use std::{
    hash::{BuildHasher, Hash},
    ops::Deref,
    sync::{Arc, OnceLock},
};

use super::{
    described::Described,
    entry::{Entry, Visit},
    place::Place,
    pressure::Pressure,
    settings::Settings,
    shard::{Few, LOOKS, Shard},
};
use crate::{
    event::Events,
    gate::Gate,
    sync::{
        Lock,
        atomic::{
            AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
};

/// What all clones share.
pub(super) struct State<K, G, S> {
    shards: Box<[Alone<K, G>]>,
    pub(super) hasher: S,
    /// The gate of those who found no place, once there was one.
    pub(super) shared: OnceLock<G>,
    changes: Lock<Changes<K, G>>,
    /// Of which key it is told how its gate is set, once somebody said so.
    pub(super) described: OnceLock<Arc<Described<K, G>>>,
    /// The number of the last change, for who would not wait for the lock.
    version: AtomicU64,
    settings: Lock<Settings>,
    pub(super) pressure: Pressure,
    pub(super) evicted: AtomicU64,
    pub(super) expired: AtomicU64,
    pub(super) overflowed: AtomicU64,
    pub(super) events: Events,
    pub(super) name: &'static str,
}

/// On cache lines of its own: each is written by every call that goes through it.
#[repr(align(128))]
struct Alone<K, G>(Lock<Shard<K, G>>);

/// What is done to every gate that there is, and to those made later.
pub(super) type Change<K, G> = Arc<dyn Fn(Option<&K>, &G) + Send + Sync>;

struct Changes<K, G> {
    version: u64,
    change: Option<Change<K, G>>,
}

/// The gate that a request is at.
pub(super) enum Behind<'a, K, G> {
    Own(Arc<Entry<K, G>>),
    Shared(&'a G),
}

impl<K, G> Deref for Behind<'_, K, G> {
    type Target = G;

    #[inline]
    fn deref(&self) -> &G {
        match self {
            Self::Own(entry) => &entry.gate,
            Self::Shared(gate) => gate,
        }
    }
}

impl<K, G> Behind<'_, K, G> {
    /// The request was refused after a wait.
    pub(super) fn send_away(&self) {
        if let Self::Own(entry) = self {
            entry.send_away();
        }
    }
}

impl<K, G, S> State<K, G, S> {
    pub(super) fn new(settings: Settings, hasher: S, events: Events) -> Self {
        let count = settings.shards();
        let shards = (0..count).map(|shard| Alone(Lock::new(Shard::new(settings.bounds(shard, count))))).collect();
        Self {
            shards,
            hasher,
            shared: OnceLock::new(),
            changes: Lock::new(Changes { version: 0, change: None }),
            described: OnceLock::new(),
            version: AtomicU64::new(0),
            settings: Lock::new(settings),
            pressure: Pressure::default(),
            evicted: AtomicU64::new(0),
            expired: AtomicU64::new(0),
            overflowed: AtomicU64::new(0),
            events,
            name: settings.name,
        }
    }

    /// The same settings, changes and observer, and no keys.
    pub(super) fn fresh<H>(&self, hasher: H) -> State<K, G, H> {
        let state = State::new(self.settings(), hasher, self.events.clone());
        if let Some(described) = self.described.get() {
            let _ = state.described.set(Arc::clone(described));
        }
        if let Some(change) = self.changes.lock().change.clone() {
            state.remember(change);
        }
        state
    }

    pub(super) fn settings(&self) -> Settings {
        *self.settings.lock()
    }

    /// Holds to `settings` from now on; the name stays.
    pub(super) fn update(&self, settings: Settings) {
        // Until all shards know them, so that two updates do not end half and half.
        let mut current = self.settings.lock();
        *current = settings.with_name(self.name);
        for (index, shard) in self.shards.iter().enumerate() {
            shard.0.lock().bounds = settings.bounds(index, self.shards.len());
        }
    }

    #[inline]
    pub(super) fn hash(&self, key: &K) -> u64
    where
        K: Hash,
        S: BuildHasher,
    {
        self.hasher.hash_one(key)
    }

    /// The shard of a hash. The table in it goes by the lowest bits and the highest; a hasher that mixes little may
    /// have nothing in those between, so all of them are mixed here (Knuth's multiplicative hashing).
    #[inline]
    pub(super) fn shard_of(&self, hash: u64) -> usize {
        (hash.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 48) as usize & (self.shards.len() - 1)
    }

    #[inline]
    pub(super) fn shard(&self, index: usize) -> &Lock<Shard<K, G>> {
        &self.shards[index].0
    }

    pub(super) fn shards(&self) -> impl Iterator<Item = &Lock<Shard<K, G>>> {
        self.shards.iter().map(|alone| &alone.0)
    }

    /// A request comes for a key that is there. One short lock.
    #[inline]
    pub(super) fn come(&self, hash: u64, key: &K) -> Option<(Place, Visit<K, G>)>
    where
        K: Eq,
    {
        let shard = self.shard_of(hash);
        let (slot, entry) = self.shard(shard).lock().come(hash, key)?;
        Some((Place::new(shard, slot), Visit::new(entry)))
    }

    /// The gate of a request that goes.
    #[inline]
    pub(super) fn go(&self, place: Place) -> Option<Behind<'_, K, G>> {
        if place == Place::SHARED {
            return self.shared.get().map(Behind::Shared);
        }
        self.shards.get(place.shard())?.0.lock().go(place.slot()).map(Behind::Own)
    }

    /// The gate of a request that stays.
    pub(super) fn at(&self, place: Place) -> Option<Behind<'_, K, G>> {
        if place == Place::SHARED {
            return self.shared.get().map(Behind::Shared);
        }
        self.shards.get(place.shard())?.0.lock().at(place.slot()).map(Behind::Own)
    }

    /// Looks at the gate of a key.
    pub(super) fn visit(&self, key: &K) -> Option<Arc<Entry<K, G>>>
    where
        K: Hash + Eq,
        S: BuildHasher,
    {
        let hash = self.hash(key);
        self.shard(self.shard_of(hash)).lock().visit(hash, key)
    }

    /// All entries, if they are few and no request is at any.
    pub(super) fn few(&self) -> Option<Few<K, G>> {
        let mut all = [const { None }; LOOKS];
        let mut places = all.iter_mut();
        for shard in self.shards() {
            let few = shard.lock().few()?;
            for entry in few.into_iter().flatten() {
                *places.next()? = Some(entry);
            }
        }
        Some(all)
    }

    /// Does to a new gate what was done to those before it. The number of the last change.
    pub(super) fn change(&self, key: Option<&K>, gate: &G) -> u64 {
        let (version, change) = {
            let changes = self.changes.lock();
            (changes.version, changes.change.clone())
        };
        if let Some(change) = change {
            change(key, gate);
        }
        version
    }

    /// The number of the last change. Under a shard's lock, it is not behind what was done to the gates of that shard.
    pub(super) fn version(&self) -> u64 {
        self.version.load(Acquire)
    }

    /// Does this to gates that are made from now on. Those in the shards are for the caller to change, after this.
    pub(super) fn remember(&self, change: Change<K, G>) {
        let _before = {
            let mut changes = self.changes.lock();
            changes.version += 1;
            self.version.store(changes.version, Release);
            // Dropped without the lock: it is the user's.
            changes.change.replace(change)
        };
    }

    /// Lets everybody without a place meet `gate`, unless they meet one already.
    pub(super) fn share(&self, gate: G, changed: u64) -> Option<&G> {
        // Under the lock of the changes: whoever announces one later finds it here, and who did before is seen.
        let (refused, late) = {
            let changes = self.changes.lock();
            (self.shared.set(gate).err(), changes.version != changed)
        };
        let shared = self.shared.get()?;
        if late && refused.is_none() {
            self.change(None, shared);
        }
        Some(shared)
    }

    /// Joins what a gate tells to what is told here.
    pub(super) fn hear<Req>(&self, gate: &G)
    where
        G: Gate<Req>,
    {
        if let Some(own) = gate.events() {
            own.join(&self.events);
        }
    }

    /// Counts those whom the hand found idle, and lets go of them: without a lock, for they are the user's.
    pub(super) fn let_go(&self, idle: Few<K, G>) -> usize {
        let count = idle.iter().flatten().count();
        if count > 0 {
            self.expired.fetch_add(count as u64, Relaxed);
        }
        count
    }
}

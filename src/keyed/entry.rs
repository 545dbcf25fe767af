use std::{fmt, ops::Deref, sync::Arc};

use crate::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Release},
};

/// A key and its gate. Whoever has a pointer to it keeps it from being forgotten.
pub(super) struct Entry<K, G> {
    pub(super) key: K,
    pub(super) gate: G,
    /// Requests that came and hold nothing here, because they were refused. Counted apart from the shard's own counts,
    /// so that a refusal takes no lock.
    sent_away: AtomicU64,
}

impl<K, G> Entry<K, G> {
    pub(super) fn new(key: K, gate: G) -> Self {
        Self { key, gate, sent_away: AtomicU64::new(0) }
    }

    /// A request that came holds nothing here.
    pub(super) fn send_away(&self) {
        self.sent_away.fetch_add(1, Release);
    }

    pub(super) fn sent_away(&self) -> u64 {
        self.sent_away.load(Acquire)
    }
}

/// A request at its gate, from when it is counted in the shard until the gate has answered. If it goes without a permit
/// or a wait, because it is refused or the gate panics, it is counted out.
pub(super) struct Visit<K, G> {
    pub(super) entry: Arc<Entry<K, G>>,
    stays: bool,
}

impl<K, G> Visit<K, G> {
    #[inline]
    pub(super) fn new(entry: Arc<Entry<K, G>>) -> Self {
        Self { entry, stays: false }
    }

    /// It holds a permit or a wait now, and is counted out when that ends.
    #[inline]
    pub(super) fn stay(mut self) {
        self.stays = true;
    }
}

impl<K, G> Drop for Visit<K, G> {
    #[inline]
    fn drop(&mut self) {
        if !self.stays {
            self.entry.send_away();
        }
    }
}

/// The gate of one key, which is not forgotten for as long as this is kept. It dereferences to the gate: take its
/// handle.
pub struct Kept<K, G>(pub(super) Arc<Entry<K, G>>);

impl<K, G> Kept<K, G> {
    /// Whose it is.
    pub fn key(&self) -> &K {
        &self.0.key
    }
}

impl<K, G> Deref for Kept<K, G> {
    type Target = G;

    fn deref(&self) -> &G {
        &self.0.gate
    }
}

impl<K, G> Clone for Kept<K, G> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Without the key: what is printed may end up in a log.
impl<K, G: fmt::Debug> fmt::Debug for Kept<K, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Kept").field(&self.0.gate).finish()
    }
}

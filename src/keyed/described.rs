use crate::telemetry::Page;

/// Writes down how a gate is set.
type Tell<G> = dyn Fn(&G, &mut Page) + Send + Sync;

/// How a gate like those of the keys is made and looked at, to tell how they are set.
pub(super) struct Described<K, G> {
    pub(super) key: K,
    pub(super) make: Box<dyn Fn(&K) -> G + Send + Sync>,
    pub(super) tell: Box<Tell<G>>,
}

impl<K, G> Described<K, G> {
    /// Makes a gate, does to it what is done to new ones, and lets it tell.
    pub(super) fn page(&self, change: impl FnOnce(&K, &G)) -> Page {
        let gate = (self.make)(&self.key);
        change(&self.key, &gate);
        let mut page = Page::default();
        (self.tell)(&gate, &mut page);
        page
    }
}

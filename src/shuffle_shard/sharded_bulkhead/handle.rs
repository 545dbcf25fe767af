use std::sync::Arc;

use super::{super::hand::Hand, gate::State, settings::Settings};
use crate::{event::Event, sync::atomic::Ordering::Relaxed};

/// Looks at a sharded bulkhead and changes it while it serves. A clone costs a reference count.
#[derive(Clone, Debug)]
pub struct Handle(Arc<State>);

/// A sharded bulkhead at one moment. Under load its numbers are each true, but not of the very same instant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Its settings.
    pub settings: Settings,
    /// How many requests are in each cell. May exceed the permits after these became fewer, or while the bulkhead only
    /// observes.
    pub cells: Box<[u32]>,
    /// Whether it only observes.
    pub observe_only: bool,
}

impl Snapshot {
    /// The requests in all cells together.
    pub fn in_use(&self) -> u64 {
        self.cells.iter().copied().map(u64::from).sum()
    }

    /// How many cells take no more.
    pub fn full(&self) -> usize {
        self.cells.iter().filter(|in_use| **in_use >= self.settings.permits().get()).count()
    }
}

impl Handle {
    pub(super) fn new(state: Arc<State>) -> Self {
        Self(state)
    }

    /// The bulkhead as it is at this moment. O(n), and it allocates: for dashboards, not for every call.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            settings: self.0.settings(),
            cells: self.0.cells.in_use().collect(),
            observe_only: self.0.observing.load(Relaxed),
        }
    }

    /// The cells that a tenant may use: to see in a [snapshot](Self::snapshot) how full they are.
    pub fn hand(&self, tenant: u64) -> Hand {
        self.0.dealt.deal_to(tenant)
    }

    /// Gives each cell as many permits as `settings` say, from now on. Calls in a cell beyond them run to their end,
    /// and are not replaced. Name, cells, hands and seed stay as they are, since requests are in those cells: to change
    /// them, make another bulkhead.
    pub fn update(&self, settings: Settings) {
        let to = settings.permits().get();
        let from = self.0.permits.swap(to, Relaxed);
        if from != to {
            self.0.events.emit(|| Event::BulkheadResized { layer: self.0.settings.name(), from, to });
        }
    }

    /// Counts as before, but refuses nobody: it announces [`WouldRefuse`](Event::WouldRefuse) instead. For trying a
    /// limit on real traffic.
    pub fn observe_only(&self) {
        self.0.observing.store(true, Relaxed);
    }

    /// Refuses again, after [`observe_only`](Self::observe_only).
    pub fn automatic(&self) {
        self.0.observing.store(false, Relaxed);
    }
}

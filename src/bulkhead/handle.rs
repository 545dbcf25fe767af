use std::sync::Arc;

use super::{
    gate::State,
    permits::COMMON,
    settings::{MAX_COMPARTMENTS, Settings},
};
use crate::{event::Event, sync::atomic::Ordering::Relaxed};

/// Looks at a bulkhead and changes it while it serves. A clone costs a reference count.
#[derive(Clone, Debug)]
pub struct Handle(Arc<State>);

/// A bulkhead at one moment. Under load its numbers are each true, but not of the very same instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Its settings.
    pub settings: Settings,
    /// Permits in use, of all pools. More than the limit after the limit shrank, or while it only observes.
    pub in_use: u32,
    /// Requests that wait.
    pub waiting: usize,
    /// The permits that belong to no compartment.
    pub common: Usage,
    /// The compartments.
    pub compartments: [Usage; MAX_COMPARTMENTS],
    /// Whether it only observes.
    pub observe_only: bool,
}

/// One pool of permits at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// The permits that it has.
    pub capacity: u32,
    /// Those in use.
    pub in_use: u32,
    /// Requests that wait, of those that belong here.
    pub waiting: usize,
}

impl Handle {
    pub(super) fn new(state: Arc<State>) -> Self {
        Self(state)
    }

    /// The bulkhead as it is at this moment.
    pub fn snapshot(&self) -> Snapshot {
        // Locked for as long as it is looked at: in the middle of a resize, what is in use cannot be known.
        let queue = self.0.queue.lock();
        let usage = |pool| {
            let (capacity, in_use, waiting) = self.0.permits.usage(pool);
            Usage { capacity, in_use, waiting }
        };
        let common = usage(COMMON);
        let compartments = std::array::from_fn(|compartment| usage(compartment + 1));
        Snapshot {
            settings: queue.settings,
            in_use: compartments.iter().fold(common.in_use, |sum, usage| sum.saturating_add(usage.in_use)),
            waiting: self.0.permits.waiting(),
            common,
            compartments,
            observe_only: self.0.observing.load(Relaxed),
        }
    }

    /// Limits by `settings` from now on; the name stays. Nothing in flight is lost: after shrinking, what is in use beyond the
    /// limit stays until it ends and is not replaced; after growing, those who wait go on at once. Requests that wait
    /// already keep the bound on their wait.
    pub fn update(&self, settings: Settings) {
        let state = &*self.0;
        let from = {
            let mut queue = state.queue.lock();
            let from = queue.settings.limit.get();
            queue.settings = settings.with_name(state.name);
            state.permits.resize(&settings);
            from
        };
        state.hand_over();
        let to = settings.limit.get();
        if from != to {
            state.events.emit(|| Event::BulkheadResized { layer: state.name, from, to });
        }
    }

    /// Counts as ever, but never refuses and lets nobody wait, those who do already included: instead, it announces
    /// [`WouldRefuse`](Event::WouldRefuse). To try a limit on real traffic.
    pub fn observe_only(&self) {
        self.0.observe_only(true);
    }

    /// Refuses again, after [`observe_only`](Self::observe_only).
    pub fn automatic(&self) {
        self.0.observe_only(false);
    }
}

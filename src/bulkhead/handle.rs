use std::sync::Arc;

use super::{
    gate::State,
    settings::{MAX_COMPARTMENTS, Settings},
};
use crate::{event::Event, limit::pools::Usage};

/// Looks at a bulkhead and changes it while it serves. A clone costs a reference count.
#[derive(Clone, Debug)]
pub struct Handle(Arc<State>);

/// A bulkhead at one moment. Under load its numbers are each true, but not of the very same instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Its settings.
    pub settings: Settings,
    /// Permits in use, in all pools. May exceed the limit after that shrank, or while the bulkhead only observes.
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

impl Handle {
    pub(super) fn new(state: Arc<State>) -> Self {
        Self(state)
    }

    /// The bulkhead as it is at this moment.
    pub fn snapshot(&self) -> Snapshot {
        let (settings, pools) = self.0.look();
        let [common, compartments @ ..] = pools;
        Snapshot {
            settings,
            in_use: compartments.iter().fold(common.in_use, |sum, usage| sum.saturating_add(usage.in_use)),
            waiting: self.0.waiting(),
            common,
            compartments,
            observe_only: self.0.is_observing(),
        }
    }

    /// Limits by `settings` from now on; the name stays. Nothing in flight is lost: after it shrinks, calls beyond the
    /// limit run to their end and are not replaced; after it grows, waiting requests go on at once. Requests that
    /// already wait keep the bound on their wait.
    pub fn update(&self, settings: Settings) {
        let before = self.0.update(|before| settings.with_name(before.name()));
        let (layer, from, to) = (before.name(), before.limit().get(), settings.limit().get());
        if from != to {
            self.0.events().emit(|| Event::BulkheadResized { layer, from, to });
        }
    }

    /// Counts as before, but refuses nobody and makes nobody wait, not even those that wait already: it announces
    /// [`WouldRefuse`](Event::WouldRefuse) instead. For trying a limit on real traffic.
    pub fn observe_only(&self) {
        self.0.observe_only(true);
    }

    /// Refuses again, after [`observe_only`](Self::observe_only).
    pub fn automatic(&self) {
        self.0.observe_only(false);
    }
}

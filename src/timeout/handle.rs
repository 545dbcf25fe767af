use std::{sync::Arc, time::Duration};

use super::{layer::Shared, settings::Settings};
use crate::{clock::nanos, sync::atomic::Ordering::Relaxed};

/// Looks at a timeout and changes it while it serves. A clone costs a reference count.
#[derive(Clone, Debug)]
pub struct Handle(Arc<Shared>);

/// A timeout at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Its settings.
    pub settings: Settings,
}

impl Handle {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// The timeout as it is at this moment.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { settings: self.0.settings() }
    }

    /// Limits by `settings` from now on; the name stays. Calls under way keep the limit they began with.
    pub fn update(&self, settings: impl Into<Settings>) {
        self.0.limit.store(nanos(settings.into().limit()), Relaxed);
    }
}

impl Shared {
    pub(super) fn settings(&self) -> Settings {
        let limit = match self.limit.load(Relaxed) {
            u64::MAX => Duration::MAX,
            nanos => Duration::from_nanos(nanos),
        };
        Settings::new(limit).with_name(self.name)
    }
}

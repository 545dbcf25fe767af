use std::{fmt, sync::Arc, time::Duration};

use super::{
    limiter::{Known, Limiter},
    settings::Settings,
};

/// Looks at a load shedder and changes it while it serves. A clone costs a reference count.
#[derive(Clone)]
pub struct Handle(Arc<Limiter>);

/// A load shedder at one moment. Under load its numbers are each true, but not of the very same instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Its settings.
    pub settings: Settings,
    /// How many may be under way.
    pub limit: u32,
    /// How many are under way and count against the limit. May exceed the limit after it fell, while the load shedder
    /// only observes, or while a request has gone beyond it to see whether the service stands still.
    pub in_use: u32,
    /// How many more are under way that do not count: parked streams and long polls.
    pub parked: u32,
    /// The mean time of the latest calls, once there were any.
    pub latency: Option<Duration>,
    /// How long a call takes when nothing waits inside the service, as far as the rule knows.
    pub baseline: Option<Duration>,
    /// Whether the rule is just now trying out whose queue it is.
    pub probing: bool,
    /// Whether it only observes.
    pub observe_only: bool,
}

impl Handle {
    pub(super) fn new(limiter: Arc<Limiter>) -> Self {
        Self(limiter)
    }

    /// The load shedder as it is at this moment.
    pub fn snapshot(&self) -> Snapshot {
        let Known { settings, limit, in_use, parked, latency, baseline, probing, observing } = self.0.known();
        Snapshot { settings, limit, in_use, parked, latency, baseline, probing, observe_only: observing }
    }

    /// Goes by `settings` from now on; the name stays, and so does what was learned. Nothing in flight is lost: calls
    /// beyond a smaller limit run to their end. A place that this frees is given to a request waiting in a queue in
    /// front only when the next call ends. The initial limit takes effect in [`fresh`](super::LoadShed::fresh).
    pub fn update(&self, settings: Settings) {
        self.0.update(settings);
    }

    /// Measures and counts as before, but refuses nobody: it announces [`WouldRefuse`](crate::Event::WouldRefuse)
    /// instead. For trying it on real traffic. What it learns from an overloaded service then is not what it would
    /// learn while protecting it.
    ///
    /// A queue in front decides for itself whom to refuse, and observes only if [told
    /// to](crate::surge_queue::Handle::observe_only).
    pub fn observe_only(&self) {
        self.0.observe_only(true);
    }

    /// Refuses again, after [`observe_only`](Self::observe_only).
    pub fn automatic(&self) {
        self.0.observe_only(false);
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&self.snapshot()).finish()
    }
}

use std::{fmt, sync::Arc, time::Duration};

use super::{
    remaining::Remaining,
    settings::{MAX_QUOTAS, Settings},
    state::State,
};
use crate::clock;

/// Looks at a rate limit and changes it while it serves. A clone costs a reference count.
#[derive(Clone)]
pub struct Handle(Arc<State>);

/// A rate limit at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Its settings.
    pub settings: Settings,
    /// What is left of the tightest quota: of which least remains, or which takes longest to reset.
    pub tightest: Remaining,
    /// What is left of each quota, in the order of the settings; `None` for those that there are not.
    pub remaining: [Option<Remaining>; MAX_QUOTAS],
    /// Requests that wait.
    pub waiting: usize,
    /// For how long nobody is let in any more, because the callee asked so. Zero if it did not.
    pub pause: Duration,
    /// Whether it only observes.
    pub observe_only: bool,
}

impl Handle {
    pub(super) fn new(state: Arc<State>) -> Self {
        Self(state)
    }

    /// The rate limit as it is at this moment.
    pub fn snapshot(&self) -> Snapshot {
        let now = clock::now();
        self.0.at_desk(now, |desk, wake| {
            let (tightest, remaining) = desk.remaining(now, wake);
            Snapshot {
                settings: desk.settings,
                tightest,
                remaining,
                waiting: desk.line.len(),
                pause: desk.paused_until.since(now),
                observe_only: desk.observing,
            }
        })
    }

    /// What is left of the tightest quota: for the `RateLimit` fields of an answer. It takes nothing.
    /// [`snapshot`](Self::snapshot) says it of each.
    pub fn remaining(&self) -> Remaining {
        self.snapshot().tightest
    }

    /// Sets it like this from now on; the name stays. Nothing in flight is lost.
    ///
    /// What was used stays used, cell by cell: nothing is filled up. If more was used than a smaller burst holds, all of that
    /// is used, and cells come back from now on; nobody is let wait for what would be a debt. A quota takes over from the one
    /// with the same period, else from the first that is left over; one for which none is left begins unused.
    ///
    /// A pause that the callee asked for lasts no longer, from now on, than the new [max hint](Settings::with_max_hint): with
    /// zero it is over.
    ///
    /// Whoever waits keeps their place and the bound on their wait, and has their turn when the new quotas say so. Whoever cannot
    /// have it in time by these is refused at once.
    pub fn update(&self, settings: impl Into<Settings>) {
        self.0.update(settings.into(), clock::now());
    }

    /// Uses up all that is left: when somebody else says that it is gone, in a header, say. Cells come back as ever.
    pub fn use_up(&self) {
        let now = clock::now();
        self.0.at_desk(now, |desk, wake| desk.use_up(now, wake));
    }

    /// Counts as ever, but never refuses and lets nobody wait, those who do already included: instead, it announces
    /// [`WouldRefuse`](crate::Event::WouldRefuse). To try a quota on real traffic.
    ///
    /// Whoever would have been refused is not charged; whoever would have waited is charged as if they had, and may leave a debt
    /// behind for when it [refuses again](Self::automatic).
    pub fn observe_only(&self) {
        self.0.observe_only(true, clock::now());
    }

    /// Refuses again, after [`observe_only`](Self::observe_only).
    pub fn automatic(&self) {
        self.0.observe_only(false, clock::now());
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&self.snapshot()).finish()
    }
}

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
    /// What is left of the tightest quota: the one with the least remaining, or the longest reset.
    pub tightest: Remaining,
    /// What is left of each quota, in the order of the settings; `None` beyond the last.
    pub remaining: [Option<Remaining>; MAX_QUOTAS],
    /// Requests that wait.
    pub waiting: usize,
    /// For how long nobody is let in, because the callee asked for that. Zero if it did not.
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

    /// What is left of the tightest quota: for the `RateLimit` fields of a response. It takes nothing.
    /// [`snapshot`](Self::snapshot) has all quotas.
    pub fn remaining(&self) -> Remaining {
        self.snapshot().tightest
    }

    /// Goes by `settings` from now on; the name stays. Nothing in flight is lost.
    ///
    /// What was used stays used, cell by cell: nothing is refilled. If more was used than a smaller burst holds, all of
    /// the burst counts as used, and cells come back from now on: no debt is carried over. A new quota takes over what
    /// was used of the old one with the same period, or else of the first old one left over; if none is left, it begins
    /// unused.
    ///
    /// A pause that the callee asked for lasts, from now on, no longer than the new
    /// [max hint](Settings::with_max_hint): with zero it is over.
    ///
    /// Waiting requests keep their place and the bound on their wait, and have their turn when the new quotas say so.
    /// Those that can no longer have it in time are refused at once.
    pub fn update(&self, settings: impl Into<Settings>) {
        self.0.update(settings.into(), clock::now());
    }

    /// Uses up all that is left: for when somebody else says that it is gone, in a header, say. Cells come back as
    /// usual.
    pub fn use_up(&self) {
        let now = clock::now();
        self.0.at_desk(now, |desk, wake| desk.use_up(now, wake));
    }

    /// Counts as before, but refuses nobody and makes nobody wait, not even those that wait already: it announces
    /// [`WouldRefuse`](crate::Event::WouldRefuse) instead. For trying a quota on real traffic.
    ///
    /// A request that would have been refused is not charged; one that would have waited is charged as if it had, and
    /// may leave a debt behind for when the limit [refuses again](Self::automatic).
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

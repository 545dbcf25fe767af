//! What the services of one layer share, and the handle on that.

use std::sync::Arc;

use super::{Budget, Settings, Throttle};
use crate::{
    chance::Chance,
    event::Events,
    sync::{
        Lock,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
};

/// What one pointer leads to: the shared state, and the hooks.
#[derive(Clone)]
pub(super) struct Plan<R, C, K, D> {
    pub(super) shared: Shared,
    pub(super) replay: R,
    pub(super) judge: C,
    pub(super) carrier: K,
    pub(super) dead_letters: D,
}

/// What all services of a layer and of its clones have in common.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    pub(super) state: Arc<State>,
    pub(super) chance: Arc<Chance>,
    pub(super) bound: Bound,
    pub(super) events: Events,
}

/// What bounds retries beside the number of attempts.
#[derive(Clone, Debug)]
pub(super) enum Bound {
    Nothing,
    Budget(Budget),
    Throttle(Throttle),
}

impl Bound {
    /// The same settings, and full.
    pub(super) fn fresh(&self) -> Self {
        match self {
            Self::Nothing => Self::Nothing,
            Self::Budget(budget) => Self::Budget(Budget::new(budget.settings())),
            Self::Throttle(throttle) => Self::Throttle(Throttle::new(throttle.settings())),
        }
    }

    fn balance(&self) -> Option<f64> {
        match self {
            Self::Nothing => None,
            Self::Budget(budget) => Some(budget.balance()),
            Self::Throttle(throttle) => Some(throttle.balance()),
        }
    }
}

#[derive(Debug)]
pub(super) struct State {
    /// Looked at when something failed.
    settings: Lock<Settings>,
    /// The attempts of the settings, for every request to see.
    attempts: AtomicU32,
    retries: AtomicU64,
    stopped: AtomicU64,
}

impl Shared {
    pub(super) fn new(settings: Settings, bound: Bound) -> Self {
        let state = State {
            settings: Lock::new(settings),
            attempts: AtomicU32::new(settings.attempts().get()),
            retries: AtomicU64::new(0),
            stopped: AtomicU64::new(0),
        };
        Self { state: Arc::new(state), chance: Arc::default(), bound, events: Events::default() }
    }
}

impl State {
    #[inline]
    pub(super) fn attempts(&self) -> u32 {
        self.attempts.load(Relaxed)
    }

    pub(super) fn settings(&self) -> Settings {
        *self.settings.lock()
    }

    pub(super) fn retried(&self) {
        self.retries.fetch_add(1, Relaxed);
    }

    pub(super) fn stopped(&self) {
        self.stopped.fetch_add(1, Relaxed);
    }
}

/// Looks at a retry and changes it while it serves. A clone costs a reference count or two.
#[derive(Clone, Debug)]
pub struct Handle {
    state: Arc<State>,
    bound: Bound,
}

/// A retry at one moment. The numbers are read one after the other, while calls go on.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The settings in force.
    pub settings: Settings,
    /// How many tokens the budget or the throttle has; `None` without one.
    pub balance: Option<f64>,
    /// How many attempts after the first were sent.
    pub retries: u64,
    /// How many requests failed and were not tried again.
    pub stopped: u64,
}

impl Handle {
    pub(super) fn new(shared: &Shared) -> Self {
        Self { state: Arc::clone(&shared.state), bound: shared.bound.clone() }
    }

    /// The retry as it is at this moment.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            settings: self.state.settings(),
            balance: self.bound.balance(),
            retries: self.state.retries.load(Relaxed),
            stopped: self.state.stopped.load(Relaxed),
        }
    }

    /// Retries by `settings` from now on; the name stays. A request under way keeps the number of attempts it began
    /// with; a delay that has begun runs its course.
    pub fn update(&self, settings: Settings) {
        let mut current = self.state.settings.lock();
        *current = settings.with_name(current.name());
        self.state.attempts.store(settings.attempts().get(), Relaxed);
    }

    /// The budget, to look at and to [update](Budget::update); `None` without one.
    pub fn budget(&self) -> Option<&Budget> {
        if let Bound::Budget(budget) = &self.bound { Some(budget) } else { None }
    }

    /// The throttle, to look at and to [update](Throttle::update); `None` without one.
    pub fn throttle(&self) -> Option<&Throttle> {
        if let Bound::Throttle(throttle) = &self.bound { Some(throttle) } else { None }
    }
}

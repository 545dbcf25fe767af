use std::sync::Arc;

use super::{corrections::MAX_KINDS, settings::Settings, state::State};
use crate::{event::Event, limit::pools::Usage, sync::atomic::Ordering::Relaxed};

/// Looks at a work budget and changes it while it serves. A clone costs a reference count.
#[derive(Clone, Debug)]
pub struct Handle(Arc<State>);

/// A work budget at one moment. Under load its numbers are each true, but not of the very same instant.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Its settings.
    pub settings: Settings,
    /// The seats.
    pub seats: Usage,
    /// The places of those that were demoted.
    pub demoted: Usage,
    /// All the fuel granted to requests that have ended; for those without a bound, what they spent.
    pub granted: u64,
    /// All the fuel spent by requests that have ended.
    pub spent: u64,
    /// How many requests asked for more fuel than they were granted.
    pub exhausted: u64,
    /// What was learned about each kind of request.
    pub kinds: [Kind; MAX_KINDS],
    /// How far apart requests are in the fuel they spend; `None` before any has spent anything.
    pub spread: Option<Percentiles>,
    /// Whether it only observes.
    pub observe_only: bool,
}

/// What was learned about one kind of request.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Kind {
    /// What it spends, as a multiple of its estimate: between a quarter and 4; 1 before anything was learned.
    pub ratio: f64,
    /// From how many requests that was learned.
    pub measured: u64,
}

/// What the last few thousand requests spent, exact to a quarter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Percentiles {
    /// Half of them spent this or less.
    pub median: u64,
    /// One in a hundred spent more.
    pub p99: u64,
}

impl Percentiles {
    /// The 99th percentile as a multiple of the median. Where that is more than 10, requests are not similar work, and
    /// are better told apart: by their cost, by demotion, or by a budget of their own.
    pub fn ratio(&self) -> f64 {
        self.p99 as f64 / self.median.max(1) as f64
    }
}

impl Handle {
    pub(super) fn new(state: Arc<State>) -> Self {
        Self(state)
    }

    /// The work budget as it is at this moment.
    pub fn snapshot(&self) -> Snapshot {
        let state = &*self.0;
        let (settings, [seats, demoted]) = state.permits.look();
        let kind =
            |kind| Kind { ratio: state.corrections.of(kind).as_f64(), measured: state.corrections.measured(kind) };
        let percentile = |percent| state.spread.percentile(percent);
        Snapshot {
            settings,
            seats,
            demoted,
            granted: state.granted.load(Relaxed),
            spent: state.spent.load(Relaxed),
            exhausted: state.exhausted.load(Relaxed),
            kinds: std::array::from_fn(kind),
            spread: percentile(50).zip(percentile(99)).map(|(median, p99)| Percentiles { median, p99 }),
            observe_only: state.permits.is_observing(),
        }
    }

    /// Goes by `settings` from now on; the name and what was learned stay. Nothing in flight is lost: where there are
    /// fewer seats than are in use, calls run to their end, and a request wider than all seats runs alone. Requests
    /// under way keep the fuel they were granted, and those that wait keep the bound on their wait.
    pub fn update(&self, settings: Settings) {
        let state = &*self.0;
        state.changed.store(true, Relaxed);
        let before = state.permits.update(|before| {
            // Under the lock: two updates at once end with the tariff of the settings that stay.
            state.tariff.set(&settings);
            settings.with_name(before.name())
        });
        let (from, to) = (before.seats().get(), settings.seats().get());
        if from != to {
            state.events().emit(|| Event::BudgetResized { layer: state.name, from, to });
        }
    }

    /// Counts as before, but refuses nobody, makes nobody wait, and ends nothing: it announces
    /// [`WouldRefuse`](Event::WouldRefuse) instead. New requests may spend as much as they need, or, if they draw from
    /// another budget further out, what that allows. For trying a budget on real traffic.
    pub fn observe_only(&self) {
        self.0.changed.store(true, Relaxed);
        self.0.permits.observe_only(true);
    }

    /// Refuses again, after [`observe_only`](Self::observe_only).
    pub fn automatic(&self) {
        self.0.permits.observe_only(false);
    }
}

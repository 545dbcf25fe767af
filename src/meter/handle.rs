use std::sync::Arc;

use super::{
    gate::State,
    settings::Settings,
    tally::{self, Counted},
};
use crate::{event::Ended, stats::Histogram, sync::atomic::Ordering::Relaxed};

/// Looks at a meter and changes it while it serves. A clone costs a reference count.
#[derive(Clone, Debug)]
pub struct Handle(Arc<State>);

/// What a meter has counted since it was made. Under load its numbers are each true, but not of the very same instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Its settings.
    pub settings: Settings,
    /// Calls that have not ended.
    pub active: u64,
    /// How long successful calls took.
    pub successes: Histogram,
    /// How long failed calls took.
    pub failures: Histogram,
    counted: Counted,
}

impl Snapshot {
    /// How many calls ended in this way. A hint inside a throttled failure is ignored in the comparison.
    pub fn ended(&self, ended: Ended) -> u64 {
        let timed = if ended == Ended::Succeeded { self.successes.count() } else { 0 };
        self.counted.ends[tally::place(ended)].wrapping_add(timed)
    }

    /// How many calls ended.
    pub fn calls(&self) -> u64 {
        self.counted.ends.iter().fold(self.successes.count(), |sum, end| sum.wrapping_add(*end))
    }
}

impl Handle {
    pub(super) fn new(state: Arc<State>) -> Self {
        Self(state)
    }

    /// The meter as it is at this moment. It adds up what each thread has counted: some hundred numbers a thread.
    pub fn snapshot(&self) -> Snapshot {
        let counted = tally::sum(&self.0.numbers);
        let Counted { admitted, answers, failures, .. } = counted;
        let snapshot = Snapshot { settings: self.0.settings(), active: 0, successes: answers, failures, counted };
        // A call that a snapshot sees end, it may not have seen begin: then there are none, and not 2⁶⁴.
        let active = i64::try_from(admitted.wrapping_sub(snapshot.calls())).unwrap_or(0).max(0);
        Snapshot { active: active.unsigned_abs(), ..snapshot }
    }

    /// Counts by `settings` from now on; the name stays, and so does what was counted. A call whose beginning was not
    /// timed is counted without its time.
    pub fn update(&self, settings: impl Into<Settings>) {
        let settings = settings.into();
        self.0.times.store(settings.times(), Relaxed);
        self.0.announces.store(settings.events(), Relaxed);
    }
}

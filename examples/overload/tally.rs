//! What the layers themselves say that they did: an observer that counts.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use plimsoll::{Event, Observer, Reason, event::Stop};

/// Counts what the stacks of one run announce.
#[derive(Debug, Default)]
pub(crate) struct Tally(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    full: AtomicUsize,
    waited: AtomicUsize,
    timed_out: AtomicUsize,
    retried: AtomicUsize,
    unaffordable: AtomicUsize,
    opened: AtomicUsize,
}

/// What the layers did from the start of a run to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Deeds {
    /// Attempts that the bulkhead refused at once, for want of a place to wait.
    pub(crate) full: usize,
    /// Attempts that the bulkhead refused after they had waited for as long as they may.
    pub(crate) waited: usize,
    /// Times that a timeout of either stack ended something.
    pub(crate) timed_out: usize,
    /// Retries.
    pub(crate) retried: usize,
    /// Retries that the budget did not allow.
    pub(crate) unaffordable: usize,
    /// Times that the circuit opened.
    pub(crate) opened: usize,
}

impl Tally {
    pub(crate) fn observer(&self) -> impl Observer + 'static {
        let counters = Arc::clone(&self.0);
        move |event: &Event| counters.count(event)
    }

    pub(crate) fn deeds(&self) -> Deeds {
        let Counters { full, waited, timed_out, retried, unaffordable, opened } = &*self.0;
        let read = |counter: &AtomicUsize| counter.load(Relaxed);
        Deeds {
            full: read(full),
            waited: read(waited),
            timed_out: read(timed_out),
            retried: read(retried),
            unaffordable: read(unaffordable),
            opened: read(opened),
        }
    }
}

impl Counters {
    fn count(&self, event: &Event) {
        let counter = match event {
            Event::Refused(rejection) => match rejection.reason() {
                Reason::BulkheadFull => &self.full,
                Reason::WaitTimeout => &self.waited,
                Reason::Timeout | Reason::DeadlineExceeded => &self.timed_out,
                _ => return,
            },
            Event::Retrying { .. } => &self.retried,
            Event::RetryStopped { stop: Stop::Budget, .. } => &self.unaffordable,
            Event::CircuitOpened { .. } => &self.opened,
            _ => return,
        };
        counter.fetch_add(1, Relaxed);
    }
}

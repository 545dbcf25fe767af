//! What the layers say they did: an observer that counts.

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
    at_once: AtomicUsize,
    waited: AtomicUsize,
    limit: AtomicUsize,
    timed_out: AtomicUsize,
    retried: AtomicUsize,
    unaffordable: AtomicUsize,
    opened: AtomicUsize,
}

/// What the layers did from the start of a run to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Deeds {
    /// Attempts that the server's queue refused at once.
    pub(crate) at_once: usize,
    /// Attempts that it let wait and refused then: for too long, or displaced by more important ones.
    pub(crate) waited: usize,
    /// How many the server let in at a time, as it had learned by the end of the run; 0 if it had not.
    pub(crate) limit: usize,
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
        let Counters { at_once, waited, limit, timed_out, retried, unaffordable, opened } = &*self.0;
        let read = |counter: &AtomicUsize| counter.load(Relaxed);
        Deeds {
            at_once: read(at_once),
            waited: read(waited),
            limit: read(limit),
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
                Reason::WaitTooLong | Reason::QueueFull | Reason::LimitReached => &self.at_once,
                Reason::WaitTimeout | Reason::Displaced => &self.waited,
                Reason::Timeout | Reason::DeadlineExceeded => &self.timed_out,
                _ => return,
            },
            Event::LimitChanged { to, .. } => return self.limit.store(*to as usize, Relaxed),
            Event::Retrying { .. } => &self.retried,
            Event::RetryStopped { stop: Stop::Budget, .. } => &self.unaffordable,
            Event::CircuitOpened { .. } => &self.opened,
            _ => return,
        };
        counter.fetch_add(1, Relaxed);
    }
}

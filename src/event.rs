//! What the rooms announce, and who listens.

use std::{
    fmt, iter,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, OnceLock},
    time::Duration,
};

use crate::{classify::Failure, rejection::Rejection};

/// Something that happened in a room.
///
/// Events hold names given when the stack was built and numbers, never anything of a request. Each room's page says
/// when it announces which.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the fields are named after what they hold; `layer` is always the room's name")]
pub enum Event {
    /// A call went past a meter that announces each call.
    Admitted { layer: &'static str },
    /// A bulkhead's limit was changed.
    BulkheadResized { layer: &'static str, from: u32, to: u32 },
    /// A work budget's number of seats was changed.
    BudgetResized { layer: &'static str, from: u32, to: u32 },
    /// The circuit closed: the callee is healthy.
    CircuitClosed { layer: &'static str },
    /// The circuit is held as it is by hand, or handed back to its own judgement.
    CircuitHeld { layer: &'static str, hold: Hold },
    /// The circuit lets probes through.
    CircuitHalfOpened { layer: &'static str },
    /// The circuit opened: calls are refused for `open_for`.
    CircuitOpened { layer: &'static str, trip: Trip, open_for: Duration },
    /// The probes went well: the circuit lets a growing share of the calls through.
    CircuitRamping { layer: &'static str },
    /// New keys find places for their gates again.
    KeysFit { layer: &'static str },
    /// A new key found no place for its gate: all are taken by keys that must be remembered.
    KeysFull { layer: &'static str },
    /// A load shedder lets more through at once, or less.
    LimitChanged { layer: &'static str, from: u32, to: u32 },
    /// A request cannot be served in time, or costs too much, and goes to the second lane of its room.
    Demoted { layer: &'static str },
    /// A rate limit's quotas were changed.
    QuotaChanged { layer: &'static str },
    /// A poll of a request kept its thread for as long as is announced, or longer.
    LongPoll { layer: &'static str, took: Duration },
    /// Enough members of a fleet are in service again: ejections hold.
    PanicEnded { layer: &'static str },
    /// So few members of a fleet are left in service, `left` of `of`, that ejections are ignored.
    PanicBegan { layer: &'static str, left: u32, of: u32 },
    /// A queue that was standing is empty again.
    QueueDrained { layer: &'static str },
    /// A queue has not been empty for a while: what comes is no burst, but more than can be served.
    QueueStanding { layer: &'static str },
    /// A request was refused, or given up on.
    Refused(Rejection),
    /// A request failed; the `attempt`th will be sent after `delay`.
    Retrying { layer: &'static str, attempt: u32, delay: Duration, failure: Failure },
    /// A request failed `attempts` times, and was not tried again.
    RetryStopped { layer: &'static str, attempts: u32, stop: Stop },
    /// A call of a meter that announces each call ended: how, and after how long; after no time at all if it was not timed.
    Settled { layer: &'static str, ended: Ended, after: Duration },
    /// The callee asked a rate limit to leave it alone: nothing is let in for `pause`.
    Throttled { layer: &'static str, pause: Duration },
    /// A request that has ended wanted more than the fuel that it was `granted`.
    WorkExhausted { layer: &'static str, granted: u64 },
    /// A member of a fleet is put out for `eject_for`; by hand, until it is put back.
    ShardEjected { layer: &'static str, node: u64, cause: Ejection, eject_for: Duration },
    /// A member of a fleet is back in service.
    ShardReturned { layer: &'static str, node: u64 },
    /// No member of a tenant's hand could be called, and requests go to other members of the fleet.
    SpillBegan { layer: &'static str },
    /// For a while no request has gone to a member outside of its tenant's hand.
    SpillEnded { layer: &'static str },
    /// A request would have been refused, were the room not only observing.
    WouldRefuse(Rejection),
}

impl Event {
    /// The layer that announces this.
    pub const fn layer(&self) -> &'static str {
        match self {
            Self::Admitted { layer }
            | Self::BudgetResized { layer, .. }
            | Self::BulkheadResized { layer, .. }
            | Self::CircuitClosed { layer }
            | Self::CircuitHeld { layer, .. }
            | Self::CircuitHalfOpened { layer }
            | Self::CircuitOpened { layer, .. }
            | Self::CircuitRamping { layer }
            | Self::KeysFit { layer }
            | Self::KeysFull { layer }
            | Self::LimitChanged { layer, .. }
            | Self::Demoted { layer }
            | Self::QuotaChanged { layer }
            | Self::LongPoll { layer, .. }
            | Self::PanicBegan { layer, .. }
            | Self::PanicEnded { layer }
            | Self::QueueDrained { layer }
            | Self::QueueStanding { layer }
            | Self::Retrying { layer, .. }
            | Self::RetryStopped { layer, .. }
            | Self::Settled { layer, .. }
            | Self::Throttled { layer, .. }
            | Self::WorkExhausted { layer, .. }
            | Self::ShardEjected { layer, .. }
            | Self::ShardReturned { layer, .. }
            | Self::SpillBegan { layer }
            | Self::SpillEnded { layer } => layer,
            Self::Refused(rejection) | Self::WouldRefuse(rejection) => rejection.layer(),
        }
    }
}

/// How a call ended, as whoever counts sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ended {
    /// The caller dropped the future of a dispatched request before it was done.
    Cancelled,
    /// The callee failed, says the judge.
    Failed(Failure),
    /// The result says nothing about the callee, says the judge: a refusal from further in, say.
    Ignored,
    /// The inner service panicked, or the judge of its result did.
    Panicked,
    /// The callee did its work, says the judge.
    Succeeded,
    /// The request never reached the inner service: a gate right behind refused it, or its caller left before.
    Undispatched,
}

/// Why a circuit opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Trip {
    /// So many calls in a row failed.
    ConsecutiveFailures,
    /// Too large a share of the calls in the window failed.
    FailureRate,
    /// Too many probes failed to still reach the successes that close the circuit.
    ProbeFailed,
    /// A probe was not heard of again within its lease.
    ProbeLost,
    /// Too large a share of the calls in the window was slow.
    SlowCallRate,
}

/// Why a member of a fleet was put out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ejection {
    /// By hand.
    ByHand,
    /// So many of its calls in a row failed.
    ConsecutiveFailures,
    /// Its share of successes was far below the others'.
    SuccessRate,
}

/// Whether a circuit judges by itself, or is held by hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Hold {
    /// The circuit judges by itself.
    #[default]
    Automatic,
    /// Held closed: every call is let through, results are not looked at.
    Closed,
    /// The circuit judges by itself and announces what it would have refused, but lets every call through.
    ObserveOnly,
    /// Held open: every call is refused.
    Open,
}

/// Why a failed request was not tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stop {
    /// All attempts were made.
    Attempts,
    /// The budget for retries was spent, or too many calls fail.
    Budget,
    /// The next attempt would have come after the deadline.
    Deadline,
    /// The callee asked to be left alone for longer than this retry is willing to wait, or not to be sent this again.
    Hint,
    /// The inner service failed to become ready for another attempt.
    NotReady,
    /// The request could not be had a second time.
    NotReplayable,
    /// The failure is not one that another attempt helps.
    NotRetryable,
    /// A retry layer further out tries again already.
    Nested,
    /// The work that the request may do is used up: another attempt could not do anything.
    WorkExhausted,
}

/// Listens to events. A closure over `&Event` qualifies, and two listen as one by [`and`](Self::and).
///
/// It is called in the call path, never under a lock of ours, and should be quick. A panic in it is caught: it
/// cannot fail the call that it listens to.
pub trait Observer: Send + Sync {
    /// Something happened.
    fn observe(&self, event: &Event);

    /// This observer and `other`: both hear everything, this one first. If it panics, `other` does not hear that event.
    fn and<O: Observer>(self, other: O) -> Both<Self, O>
    where
        Self: Sized,
    {
        Both(self, other)
    }
}

impl<F: Fn(&Event) + Send + Sync> Observer for F {
    fn observe(&self, event: &Event) {
        self(event);
    }
}

/// Two observers that listen as one. Made by [`Observer::and`].
#[derive(Clone, Copy, Debug)]
pub struct Both<A, B>(A, B);

impl<A: Observer, B: Observer> Observer for Both<A, B> {
    fn observe(&self, event: &Event) {
        self.0.observe(event);
        self.1.observe(event);
    }
}

/// Where a room sends its events. Empty by default, and then nothing is built or sent.
///
/// Clones send to the same place.
#[derive(Clone, Default)]
pub struct Events(Arc<Ears>);

/// Whoever counts hears everything in its stack, also of a room with an observer of its own.
#[derive(Default)]
struct Ears {
    listener: OnceLock<Listener>,
    counter: OnceLock<Arc<dyn Observer>>,
}

enum Listener {
    /// One of its own. What is counted in its stack is counted of it, too.
    Observer(Arc<dyn Observer>, OnceLock<Events>),
    /// A room sends to its stack, which may get its observer later.
    Stack(Events),
}

impl Events {
    /// How many stacks deep an event is passed on.
    const FLOORS: usize = 16;

    /// Sends what `event` makes, if anybody listens.
    #[inline]
    pub fn emit(&self, event: impl FnOnce() -> Event) {
        if self.0.is_wired() {
            self.hear(None, event);
        }
    }

    /// As [`emit`](Self::emit); but if nobody observes this, whoever observes `own` is told. Out of the way of calls that are
    /// let in.
    #[inline(never)]
    pub(crate) fn emit_or<'a>(&'a self, own: impl FnOnce() -> Option<&'a Self>, event: impl FnOnce() -> Event) {
        let own = if self.observer().is_some() { None } else { own().filter(|own| own.0.is_wired()) };
        if own.is_some() || self.0.is_wired() {
            self.hear(own, event);
        }
    }

    /// Sends events to `observer`; the first who asks is heard, and whether that is this one is returned.
    pub fn observe(&self, observer: impl Observer + 'static) -> bool {
        self.0.listener.set(Listener::Observer(Arc::new(observer), OnceLock::new())).is_ok()
    }

    /// Lets `counter` hear all that is sent here, whoever observes; the first who asks is heard.
    pub(crate) fn count(&self, counter: Arc<dyn Observer>) -> bool {
        self.0.counter.set(counter).is_ok()
    }

    /// Itself, if anybody listens by now: for who would have to keep a pointer just in case.
    #[inline]
    pub(crate) fn heard(&self) -> Option<Self> {
        self.is_heard().then(|| self.clone())
    }

    /// Whether anybody listens by now. In the way of calls: a loop, and no iterators.
    #[inline]
    pub(crate) fn is_heard(&self) -> bool {
        let mut ears = &*self.0;
        for _ in 0..Self::FLOORS {
            match ears.listener.get() {
                _ if ears.counter.get().is_some() => return true,
                Some(Listener::Observer(..)) => return true,
                Some(Listener::Stack(events)) => ears = &*events.0,
                None => return false,
            }
        }
        false
    }

    /// Sends events on to where `stack` sends its own, unless they go somewhere already.
    pub fn join(&self, stack: &Self) {
        if Arc::ptr_eq(&self.0, &stack.0) {
            return;
        }
        match self.0.listener.get_or_init(|| Listener::Stack(stack.clone())) {
            Listener::Observer(_, joined) => drop(joined.set(stack.clone())),
            Listener::Stack(_) => {}
        }
    }

    /// This one, the stack that it belongs to, the one that this belongs to, … Stacks joined in a circle come to an end.
    fn floors(&self) -> impl Iterator<Item = &Ears> {
        iter::successors(Some(&*self.0), |ears| ears.stack()).take(Self::FLOORS)
    }

    /// Who listens in the end: the nearest.
    fn observer(&self) -> Option<&dyn Observer> {
        let mut ears = &*self.0;
        for _ in 0..Self::FLOORS {
            match ears.listener.get()? {
                Listener::Observer(observer, _) => return Some(&**observer),
                Listener::Stack(events) => ears = &*events.0,
            }
        }
        None
    }

    #[cold]
    fn hear(&self, own: Option<&Self>, event: impl FnOnce() -> Event) {
        let observer = self.observer().or_else(|| own?.observer());
        let counters = self.floors().filter_map(|ears| ears.counter.get().map(|counter| &**counter));
        let mut listeners = counters.chain(observer).peekable();
        if listeners.peek().is_none() {
            return;
        }
        // Events are announced from drop guards too: a panic that left here while unwinding would abort.
        let Ok(event) = catch_unwind(AssertUnwindSafe(event)) else { return };
        for listener in listeners {
            drop(catch_unwind(AssertUnwindSafe(|| listener.observe(&event))));
        }
    }
}

impl Ears {
    /// Whether it is worth a look.
    #[inline]
    fn is_wired(&self) -> bool {
        self.listener.get().is_some() || self.counter.get().is_some()
    }

    fn stack(&self) -> Option<&Self> {
        match self.listener.get()? {
            Listener::Observer(_, stack) => stack.get().map(|events| &*events.0),
            Listener::Stack(events) => Some(&*events.0),
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_wired() { "Events(heard)" } else { "Events(unheard)" })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    };

    use super::*;
    use crate::rejection::Reason;

    const REFUSED: Event = Event::Refused(Rejection::new(Reason::Custom, "test"));

    #[test]
    fn nothing_is_built_when_nobody_listens() {
        Events::default().emit(|| unreachable!("nobody listens"));
    }

    #[test]
    fn a_room_is_heard_through_its_stack_even_if_the_observer_comes_later() {
        let (room, stack, heard) = (Events::default(), Events::default(), Arc::new(Mutex::new(0)));
        room.join(&stack);
        room.emit(|| unreachable!("nobody listens yet"));
        let counter = heard.clone();
        assert!(stack.observe(move |_: &Event| *counter.lock().expect("unpoisoned") += 1));
        room.emit(|| REFUSED);
        assert_eq!(*heard.lock().expect("unpoisoned"), 1);
    }

    /// What a room sent to a stack that was joined to another stack was lost between the two.
    #[test]
    fn a_room_is_heard_through_stacks_of_stacks() {
        let (room, stack, outer, heard) =
            (Events::default(), Events::default(), Events::default(), Arc::new(Mutex::new(0)));
        room.join(&stack);
        stack.join(&outer);
        assert!(room.heard().is_none());
        let counter = heard.clone();
        outer.observe(move |_: &Event| *counter.lock().expect("unpoisoned") += 1);
        room.emit(|| REFUSED);
        assert_eq!((*heard.lock().expect("unpoisoned"), room.heard().is_some()), (1, true));
    }

    /// Who counts for a stack counts the rooms too that have an observer of their own, and each event once.
    #[test]
    fn who_counts_hears_everything_and_takes_nobodys_place() {
        let (room, stack) = (Events::default(), Events::default());
        let heard = [0; 3].map(|_: usize| Arc::new(AtomicUsize::new(0)));
        let [own, observer, counter] = heard.each_ref().map(|heard| {
            let heard = Arc::clone(heard);
            move |_: &Event| {
                heard.fetch_add(1, SeqCst);
            }
        });
        let counts = || heard.each_ref().map(|heard| heard.load(SeqCst));
        room.observe(own);
        room.join(&stack);
        stack.count(Arc::new(counter));
        room.emit(|| REFUSED);
        assert_eq!((counts(), room.is_heard(), stack.is_heard()), ([1, 0, 1], true, true));
        stack.emit_or(|| Some(&room), || REFUSED);
        assert_eq!(counts(), [2, 0, 2], "nobody observes the stack: the room's own observer is told");
        stack.observe(observer);
        stack.emit_or(|| Some(&room), || REFUSED);
        assert_eq!(counts(), [2, 1, 3]);
        room.emit(|| REFUSED);
        assert_eq!(counts(), [3, 1, 4]);
    }

    #[test]
    fn two_observers_hear_as_one() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let listener = |name: &'static str| {
            let heard = Arc::clone(&heard);
            move |_: &Event| heard.lock().expect("unpoisoned").push(name)
        };
        let events = Events::default();
        assert!(events.observe(listener("first").and(listener("second"))));
        assert!(!events.observe(listener("late")), "the first who asks is heard");
        events.emit(|| REFUSED);
        assert_eq!(*heard.lock().expect("unpoisoned"), ["first", "second"]);
    }

    #[test]
    fn a_circle_hears_nothing_and_comes_to_an_end() {
        let (one, other) = (Events::default(), Events::default());
        one.join(&other);
        other.join(&one);
        one.emit(|| unreachable!("nobody listens"));
    }

    #[test]
    fn a_panicking_observer_harms_nobody() {
        let events = Events::default();
        events.observe(|_: &Event| panic!("observer"));
        events.emit(|| REFUSED);
        events.join(&events.clone());
        events.emit(|| REFUSED);
    }
}

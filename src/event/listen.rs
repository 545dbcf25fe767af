//! Who listens, and how an event gets there.

use std::{
    fmt, iter,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, OnceLock},
};

use super::Event;

/// Listens to events. A closure over `&Event` qualifies, and [`and`](Self::and) makes two observers one.
///
/// It is called in the call path, never under a lock of ours, and should be quick. A panic in it is caught: it
/// cannot fail the call that it listens to.
pub trait Observer: Send + Sync {
    /// Something happened.
    fn observe(&self, event: &Event);

    /// This observer and `other` as one: both hear everything, this one first. If this one panics, `other` does not
    /// hear that event.
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

    /// As [`emit`](Self::emit); but if nobody observes this, whoever observes `own` is told. Out of the way of calls
    /// that are let in.
    #[inline(never)]
    pub(crate) fn emit_or<'a>(&'a self, own: impl FnOnce() -> Option<&'a Self>, event: impl FnOnce() -> Event) {
        let own = if self.observer().is_some() { None } else { own().filter(|own| own.0.is_wired()) };
        if own.is_some() || self.0.is_wired() {
            self.hear(own, event);
        }
    }

    /// Sends events to `observer`, and returns whether it did: only the first observer is heard.
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

    /// This one, the stack that it belongs to, the one that this belongs to, … Stacks joined in a circle come to an
    /// end.
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
    use crate::rejection::{Reason, Rejection};

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

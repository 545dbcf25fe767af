//! Permits of which there are only so many, and the bounded queue of those who wait for them: what a bulkhead and a
//! work budget have in common.

use std::task::{Context, Poll};

use super::{
    pools::{Permit, Pools, Usage},
    queue::{Arrival, Queue, Rules},
};
use crate::{
    clock::{Instant, Moment},
    event::{Event, Events},
    gate::Admission,
    rejection::{Reason, Rejection},
    request::current,
    sync::{
        Lock, Ticket,
        atomic::{
            AtomicBool,
            Ordering::{Relaxed, SeqCst},
        },
    },
};

/// The permits of one room, and who waits for them.
#[derive(Debug)]
pub(crate) struct Permits<S, const LANES: usize, const BORROW: bool> {
    pools: Pools<LANES, BORROW>,
    queue: Lock<Queue<S, LANES, BORROW>>,
    observing: AtomicBool,
    events: Events,
    /// What is said to whom there is no permit for.
    full: Rejection,
}

/// A request's wait for a permit.
#[derive(Debug)]
pub struct Wait {
    ticket: Ticket,
    lane: usize,
    until: Instant,
    /// Whether `until` is the caller's deadline, and not the longest wait.
    deadline: bool,
}

impl<S: Rules<LANES>, const LANES: usize, const BORROW: bool> Permits<S, LANES, BORROW> {
    pub(crate) fn new(settings: S, full: Rejection, events: Events) -> Self {
        Self {
            pools: Pools::new(settings.capacities(), settings.places()),
            queue: Lock::new(Queue::new(settings)),
            observing: AtomicBool::new(false),
            events,
            full,
        }
    }

    pub(crate) fn events(&self) -> &Events {
        &self.events
    }

    pub(crate) fn settings(&self) -> S {
        self.queue.lock().settings
    }

    /// The settings, and the pools as they are.
    pub(crate) fn look(&self) -> (S, [Usage; LANES]) {
        // Locked for as long as it is looked at: in the middle of a resize, what is in use cannot be known.
        let queue = self.queue.lock();
        (queue.settings, std::array::from_fn(|pool| self.pools.usage(pool)))
    }

    /// How many wait in all lanes.
    pub(crate) fn waiting(&self) -> usize {
        self.pools.waiting()
    }

    /// Whether every permit is there, nobody waits, and what is full is refused.
    pub(crate) fn is_idle(&self) -> bool {
        self.pools.is_idle() && !self.is_observing()
    }

    pub(crate) fn is_observing(&self) -> bool {
        self.observing.load(Relaxed)
    }

    /// Takes a permit, or a place among those who wait. `deadline` is asked only where there is no permit.
    #[inline(always)]
    pub(crate) fn admit(
        &self,
        lane: usize,
        weight: u32,
        now: &Moment,
        deadline: impl FnOnce() -> Option<Instant>,
    ) -> Admission<Permit, Wait> {
        match self.pools.take(lane, weight) {
            Some(permit) => Admission::Admitted(permit),
            None => self.arrive(lane, weight, now, deadline),
        }
    }

    /// A request that found no permit at first sight.
    #[cold]
    fn arrive(
        &self,
        lane: usize,
        weight: u32,
        now: &Moment,
        deadline: impl FnOnce() -> Option<Instant>,
    ) -> Admission<Permit, Wait> {
        if self.is_observing() {
            self.events.emit(|| Event::WouldRefuse(self.full));
            return Admission::Admitted(self.pools.take_anyway(lane, weight));
        }
        // Under a flood of requests refusing them must not cost a lock.
        if self.pools.is_packed(lane) && !self.pools.has_room(lane, weight) {
            return Admission::Refused(self.full);
        }
        let deadline = deadline().unwrap_or(Instant::FAR).min(current().deadline);
        let arrival = self.queue.lock().arrive(&self.pools, lane, weight);
        match arrival {
            Arrival::Admitted(permit) => Admission::Admitted(permit),
            Arrival::Full => Admission::Refused(self.full),
            Arrival::Waiting(ticket, max_wait) => {
                // If that has changed since it was looked at, those who waited may be through already.
                if self.observing.load(SeqCst) {
                    self.let_through();
                }
                let until = now.now().after(max_wait);
                Admission::Waiting(Wait { ticket, lane, until: until.min(deadline), deadline: deadline < until })
            }
        }
    }

    /// Whether a wait is over.
    pub(crate) fn poll_wait(
        &self,
        wait: &mut Wait,
        now: &Moment,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Permit, Rejection>> {
        // Cloned and dropped outside of the lock: a waker is somebody else's code.
        let mut waker = Some(cx.waker().clone());
        let claimed = self.queue.lock().waiters.claim(wait.ticket, &mut waker);
        drop(waker);
        match claimed {
            Some(permit) => Poll::Ready(Ok(permit)),
            None if now.now() < wait.until => Poll::Pending,
            // The turn may come in this very moment; then it is taken, and not wasted.
            None => Poll::Ready(match self.leave(wait.lane, wait.ticket) {
                Some(permit) => Ok(permit),
                None if wait.deadline => Err(Rejection::new(Reason::DeadlineExceeded, self.full.layer())),
                None => Err(Rejection::new(Reason::WaitTimeout, self.full.layer())),
            }),
        }
    }

    /// Somebody who waits leaves. A permit that had come to them goes to the next.
    pub(crate) fn abandon(&self, wait: &Wait) {
        if let Some(permit) = self.leave(wait.lane, wait.ticket) {
            self.put_back(permit);
        }
    }

    /// Puts permits back, and hands them to those who wait.
    #[inline(always)]
    pub(crate) fn put_back(&self, permit: Permit) {
        if self.pools.put_back(permit) {
            self.hand_over();
        }
    }

    /// Ends a wait. A request behind it, which was narrower but could not pass, may be able to go on now.
    fn leave(&self, lane: usize, ticket: Ticket) -> Option<Permit> {
        let left = self.queue.lock().leave(&self.pools, lane, ticket);
        match left {
            Ok(permit) => Some(permit),
            Err(nobody) => {
                // First, and the drop after it: should that panic, nobody waits for a permit that is free.
                self.hand_over();
                drop(nobody);
                None
            }
        }
    }

    /// Gives what is free to those who wait, one after another, and wakes each outside of the lock.
    #[cold]
    fn hand_over(&self) {
        loop {
            let granted = self.queue.lock().grant_one(&self.pools);
            let Some(wakeup) = granted else { return };
            wakeup.wake();
        }
    }

    /// Goes by other settings, whatever `anew` makes of the present ones. What is in use beyond them stays until it
    /// ends and is not replaced; whoever waits and finds room now goes on at once. The settings before are the answer.
    pub(crate) fn update(&self, anew: impl FnOnce(S) -> S) -> S {
        let before = {
            let mut queue = self.queue.lock();
            let before = queue.settings;
            queue.settings = anew(before);
            self.pools.resize(queue.settings.capacities(), queue.settings.places());
            before
        };
        self.hand_over();
        before
    }

    /// Only observes, or refuses again. Those who wait need not wait any longer while it only observes.
    pub(crate) fn observe_only(&self, observe: bool) {
        self.observing.store(observe, SeqCst);
        if observe {
            self.let_through();
        }
    }

    /// Lets all who wait go on, whatever is free, and wakes each outside of the lock.
    #[cold]
    fn let_through(&self) {
        loop {
            let granted = self.queue.lock().grant_anyway(&self.pools);
            let Some(wakeup) = granted else { return };
            self.events.emit(|| Event::WouldRefuse(self.full));
            wakeup.wake();
        }
    }
}

impl Wait {
    /// When to look again, woken or not.
    pub(crate) fn until(&self) -> Instant {
        self.until
    }
}

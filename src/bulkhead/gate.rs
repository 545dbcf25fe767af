use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use super::{
    handle::Handle,
    permits::{COMMON, LANES, Permit, Permits},
    queue::{Arrival, Queue},
    settings::Settings,
};
use crate::{
    clock::{Instant, Moment},
    event::{Event, Events, Observer},
    gate::{Admission, Ending, Gate},
    rejection::{Reason, Rejection},
    request::{CostOf, DeadlineOf, KeyOf, Unasked, current},
    sync::{
        Lock, Ticket,
        atomic::{
            AtomicBool,
            Ordering::{Relaxed, SeqCst},
        },
    },
};

/// The gate of this room; see the [module](super). Clones share their permits; [`fresh`](Self::fresh) does not.
#[derive(Clone)]
#[must_use]
pub struct Bulkhead<W = Unasked, K = Unasked, D = Unasked> {
    state: Arc<State>,
    weight: W,
    compartment: K,
    deadline: D,
}

/// What all clones of a bulkhead share.
#[derive(Debug)]
pub(super) struct State {
    pub(super) permits: Permits,
    pub(super) queue: Lock<Queue>,
    pub(super) observing: AtomicBool,
    pub(super) events: Events,
    pub(super) name: &'static str,
}

impl Bulkhead {
    /// A bulkhead set like this, with all its permits free.
    pub fn new(settings: Settings) -> Self {
        let state = State::new(settings, Events::default());
        Self { state: Arc::new(state), weight: Unasked, compartment: Unasked, deadline: Unasked }
    }
}

impl From<Settings> for Bulkhead {
    fn from(settings: Settings) -> Self {
        Self::new(settings)
    }
}

impl<W, K, D> Bulkhead<W, K, D> {
    /// Lets a request take as many permits as `weight` says: `|r: &Req| r.rows`. Zero counts as one, and what is
    /// wider than the whole bulkhead runs alone.
    pub fn weight_by<F>(self, weight: F) -> Bulkhead<F, K, D> {
        Bulkhead { state: self.state, weight, compartment: self.compartment, deadline: self.deadline }
    }

    /// Puts a request into the compartment that `compartment` says: `|r: &Req| r.kind as usize`. A number that no
    /// compartment has means none: only common permits.
    pub fn compartment_by<F>(self, compartment: F) -> Bulkhead<W, F, D> {
        Bulkhead { state: self.state, weight: self.weight, compartment, deadline: self.deadline }
    }

    /// Lets a request wait no longer than until its own deadline: `|r: &Req| r.deadline`. A timeout further out in
    /// the same task is known without it.
    pub fn deadline_by<F>(self, deadline: F) -> Bulkhead<W, K, F> {
        Bulkhead { state: self.state, weight: self.weight, compartment: self.compartment, deadline }
    }

    /// The same settings, questions and observer, with new state: for another dependency.
    pub fn fresh(&self) -> Self
    where
        W: Clone,
        K: Clone,
        D: Clone,
    {
        let settings = self.state.queue.lock().settings;
        Self {
            state: Arc::new(State::new(settings, self.state.events.clone())),
            weight: self.weight.clone(),
            compartment: self.compartment.clone(),
            deadline: self.deadline.clone(),
        }
    }

    /// Looks at it and changes it while it serves. Take it before the bulkhead goes into the stack.
    pub fn handle(&self) -> Handle {
        Handle::new(Arc::clone(&self.state))
    }

    /// Lets `observer` hear what happens here; in a stack, the stack's observer does unless this was called, and hears
    /// of refusals in any case. The first who asks is heard.
    pub fn observe(self, observer: impl Observer + 'static) -> Self {
        self.state.events.observe(observer);
        self
    }

    pub(crate) fn join(&self, events: &Events) {
        self.state.events.join(events);
    }
}

/// Whatever the questions are: closures are not `Debug`.
impl<W, K, D> fmt::Debug for Bulkhead<W, K, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bulkhead").field("snapshot", &self.handle().snapshot()).finish_non_exhaustive()
    }
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

impl<Req, W, K, D> Gate<Req> for Bulkhead<W, K, D>
where
    W: CostOf<Req>,
    K: KeyOf<Req, Key = usize>,
    D: DeadlineOf<Req>,
{
    type Permit = Permit;
    type Wait = Wait;

    #[inline(always)]
    fn admit(&self, req: &Req, now: &Moment) -> Admission<Permit, Wait> {
        let lane = lane(self.compartment.key(req));
        let weight = self.weight.cost(req);
        match self.state.permits.take(lane, weight) {
            Some(permit) => Admission::Admitted(permit),
            None => self.state.arrive(lane, weight, now, || self.deadline.deadline(req)),
        }
    }

    fn poll_wait(
        &self,
        wait: &mut Wait,
        _: &Req,
        now: &Moment,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Permit, Rejection>> {
        let State { queue, name, .. } = &*self.state;
        // Cloned and dropped outside of the lock: a waker is somebody else's code.
        let mut waker = Some(cx.waker().clone());
        let claimed = queue.lock().waiters.claim(wait.ticket, &mut waker);
        drop(waker);
        match claimed {
            Some(permit) => Poll::Ready(Ok(permit)),
            None if now.now() < wait.until => Poll::Pending,
            // The turn may come in this very moment; then it is taken, and not wasted.
            None => Poll::Ready(match self.state.leave(wait.lane, wait.ticket) {
                Some(permit) => Ok(permit),
                None if wait.deadline => Err(Rejection::new(Reason::DeadlineExceeded, name)),
                None => Err(Rejection::new(Reason::WaitTimeout, name)),
            }),
        }
    }

    fn wait_until(&self, wait: &Wait) -> Instant {
        wait.until
    }

    fn abandon(&self, wait: Wait) {
        if let Some(permit) = self.state.leave(wait.lane, wait.ticket) {
            self.state.put_back(permit);
        }
    }

    #[inline(always)]
    fn settle(&self, permit: Permit, _: Ending, _: &Moment) {
        self.state.put_back(permit);
    }

    /// Whether all permits are there, nobody waits, and it does refuse.
    fn is_neutral(&self, _: &Moment) -> bool {
        !self.state.observing.load(SeqCst) && self.state.permits.are_all_free()
    }

    fn events(&self) -> Option<&Events> {
        Some(&self.state.events)
    }
}

impl State {
    fn new(settings: Settings, events: Events) -> Self {
        Self {
            permits: Permits::new(&settings),
            queue: Lock::new(Queue::new(settings)),
            observing: AtomicBool::new(false),
            events,
            name: settings.name,
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
        if self.observing.load(Relaxed) {
            self.events.emit(|| Event::WouldRefuse(self.full()));
            return Admission::Admitted(self.permits.take_anyway(lane, weight));
        }
        // Under a flood of requests refusing them must not cost a lock.
        if self.permits.is_packed() && !self.permits.has_room(lane, weight) {
            return Admission::Refused(self.full());
        }
        let deadline = deadline().unwrap_or(Instant::FAR).min(current().deadline);
        let arrival = self.queue.lock().arrive(&self.permits, lane, weight);
        match arrival {
            Arrival::Admitted(permit) => Admission::Admitted(permit),
            Arrival::Full => Admission::Refused(self.full()),
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

    /// Puts permits back, and hands them to those who wait.
    #[inline(always)]
    fn put_back(&self, permit: Permit) {
        if self.permits.put_back(permit) {
            self.hand_over();
        }
    }

    /// Ends a wait. Somebody behind may be able to go on now, who was too narrow to pass.
    fn leave(&self, lane: usize, ticket: Ticket) -> Option<Permit> {
        let left = self.queue.lock().leave(&self.permits, lane, ticket);
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
    pub(super) fn hand_over(&self) {
        loop {
            let granted = self.queue.lock().grant_one(&self.permits);
            let Some(wakeup) = granted else { return };
            wakeup.wake();
        }
    }

    /// Only observes, or refuses again. Those who wait need not wait any longer while it only observes.
    pub(super) fn observe_only(&self, observe: bool) {
        self.observing.store(observe, SeqCst);
        if observe {
            self.let_through();
        }
    }

    /// Lets all who wait go on, whatever is free, and wakes each outside of the lock.
    #[cold]
    fn let_through(&self) {
        loop {
            let granted = self.queue.lock().grant_anyway(&self.permits);
            let Some(wakeup) = granted else { return };
            self.events.emit(|| Event::WouldRefuse(self.full()));
            wakeup.wake();
        }
    }

    fn full(&self) -> Rejection {
        Rejection::new(Reason::BulkheadFull, self.name)
    }
}

/// The lane of a compartment: its own pool's, or the common one where there is no such compartment.
#[inline(always)]
fn lane(compartment: usize) -> usize {
    match compartment.checked_add(1) {
        Some(lane) if lane < LANES => lane,
        _ => COMMON,
    }
}

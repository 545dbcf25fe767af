use std::{
    sync::MutexGuard,
    task::{Context, Poll},
    time::Duration,
};

use super::{
    gate::Wait,
    lines::Ticket,
    room::{Arrival, CLASSES, Joined, Next, Refused, Room, Tide},
    settings::Settings,
};
use crate::{
    chance::{Chance, scaled},
    clock::{Instant, Moment, nanos},
    event::{Event, Events},
    gate::{Admission, Ending},
    limit::Limit,
    rejection::{Reason, Rejection},
    request::current,
    sync::{
        Lock, Turn, Wakeup,
        atomic::{
            AtomicBool, AtomicU32, AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
    },
};

/// What all clones of a queue share. `P` is the permit of the limit `L`.
///
/// # Why nobody sleeps on a free place
/// Who wants to wait first says so (`waiting`), and then looks for a place once more. Who puts a place back does that
/// first, and then looks whether somebody waits. All four steps are sequentially consistent, so at least one sees the
/// other.
#[derive(Debug)]
pub(super) struct State<L, P> {
    pub(super) limit: L,
    /// How many wait, or are about to. Written under the lock alone.
    waiting: AtomicU32,
    pub(super) observing: AtomicBool,
    doors: [Door; CLASSES],
    pub(super) room: Lock<Room<Turn<Verdict<P>>>>,
    pub(super) events: Events,
    pub(super) name: &'static str,
    pub(super) salt: AtomicU64,
}

/// What is known of one class without the lock.
#[derive(Debug, Default)]
struct Door {
    /// Until when all are refused, in nanoseconds, and when they should come back.
    shut: AtomicU64,
    retry_after: AtomicU64,
    /// How many came that found no place.
    came: AtomicU32,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum Verdict<P> {
    /// With a place.
    Go(P),
    /// Turned away.
    Out(Reason),
}

impl<L, P> State<L, P> {
    pub(super) fn new(limit: L, settings: Settings, events: Events, chance: &Chance) -> Self {
        Self {
            limit,
            waiting: AtomicU32::new(0),
            observing: AtomicBool::new(false),
            doors: Default::default(),
            room: Lock::new(Room::new(settings)),
            events,
            name: settings.name,
            salt: AtomicU64::new(chance.draw()),
        }
    }

    /// Whether nobody waits: then a place may be taken without asking the room.
    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.load(SeqCst) == 0
    }

    fn rejection(&self, class: usize, reason: Reason, retry_after: Option<Duration>) -> Rejection {
        let ticket = self.doors[class].came.load(Relaxed);
        let rejection = Rejection::new(reason, self.name);
        retry_after.map_or(rejection, |after| rejection.with_retry_after(self.spread(after, ticket)))
    }

    /// Up to half as much again: those who are refused together should not come back together. Multiples of the golden
    /// ratio, from a start by chance, are spread as evenly as can be, and cost one multiplication.
    fn spread(&self, after: Duration, ticket: u32) -> Duration {
        let random = self.salt.load(Relaxed).wrapping_add(u64::from(ticket).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        after.saturating_add(Duration::from_nanos(scaled(random, nanos(after) / 2)))
    }
}

impl<L: Limit> State<L, L::Permit> {
    /// A request of this class that found no place at first sight.
    #[cold]
    pub(super) fn arrive(
        &self,
        class: usize,
        now: &Moment,
        asked: impl FnOnce() -> (Option<u64>, Option<Instant>),
    ) -> Admission<L::Permit, Wait> {
        let door = &self.doors[class];
        let ticket = door.came.fetch_add(1, Relaxed);
        if self.observing.load(Relaxed) {
            return Admission::Admitted(self.pass_by(class, now));
        }
        // Under a flood of requests refusing them must not cost a lock.
        if door.shut.load(Relaxed) > now.now().as_nanos() {
            let after = Duration::from_nanos(door.retry_after.load(Relaxed));
            let rejection = Rejection::new(Reason::WaitTooLong, self.name).with_retry_after(self.spread(after, ticket));
            return Admission::Refused(rejection);
        }
        let (tenant, deadline) = asked();
        let deadline = deadline.unwrap_or(Instant::FAR).min(current().deadline);
        let arrival = Arrival { class, tenant, deadline, now: now.now() };
        if deadline != Instant::FAR {
            self.limit.patience(deadline.since(arrival.now));
        }
        let mut hall = self.hand_over(self.enter_and_wait(now));
        let admission = if hall.room.waiting() == 0
            && let Some(permit) = self.limit.take(now)
        {
            Admission::Admitted(permit)
        } else {
            hall.arrive(&arrival)
        };
        hall.leave();
        // If that has changed since it was looked at, those who waited may be through already.
        if self.observing.load(SeqCst) {
            self.let_through();
        }
        admission
    }

    /// Looks whether a wait is over.
    pub(super) fn poll(
        &self,
        wait: &mut Wait,
        now: &Moment,
        cx: &mut Context<'_>,
    ) -> Poll<Result<L::Permit, Rejection>> {
        // Cloned and dropped outside of the lock: a waker is somebody else's code.
        let mut waker = Some(cx.waker().clone());
        let mut hall = self.enter(now);
        let waiter = hall.room.lines.get_mut(wait.ticket);
        let verdict = if waiter.with.has_come(&mut waker) {
            hall.room.lines.remove(wait.ticket).with.end().ok()
        } else if now.now() >= waiter.until {
            let reason = Room::reason(waiter);
            hall.gone = hall.room.lines.remove(wait.ticket).with.end().err();
            Some(Verdict::Out(reason))
        } else {
            wait.until = waiter.until;
            None
        };
        let after = hall.room.retry_after(wait.class);
        hall.leave();
        drop(waker);
        match verdict {
            None => Poll::Pending,
            Some(Verdict::Go(permit)) => Poll::Ready(Ok(permit)),
            Some(Verdict::Out(reason)) => {
                let after = reason.is_retryable().then_some(after);
                Poll::Ready(Err(self.rejection(wait.class, reason, after)))
            }
        }
    }

    /// Ends a wait whose caller has left. A place that it was given meanwhile goes to the next.
    pub(super) fn abandon(&self, ticket: Ticket) {
        let now = Moment::new();
        let mut hall = self.enter(&now);
        let turn = hall.room.lines.remove(ticket).with.end();
        match turn {
            Ok(Verdict::Go(permit)) => {
                hall.leave();
                self.put_back(permit, Ending::Undispatched, &now);
            }
            Ok(Verdict::Out(_)) => hall.leave(),
            Err(unwoken) => {
                hall.gone = Some(unwoken);
                hall.leave();
            }
        }
    }

    /// Puts a place back, and hands it to the next who waits.
    #[inline(always)]
    pub(super) fn put_back(&self, permit: L::Permit, ending: Ending, now: &Moment) {
        self.limit.put_back(permit, ending, now);
        if !self.is_empty() {
            self.next(now);
        }
    }

    /// A call ended: gives what is free to those who wait.
    #[cold]
    fn next(&self, now: &Moment) {
        let mut hall = self.enter(now);
        hall.room.drain.end(now.now());
        self.hand_over(hall).leave();
    }

    /// Gives what is free to those who wait, some of them at a time.
    fn hand_over<'a>(&'a self, mut hall: Hall<'a, L>) -> Hall<'a, L> {
        while hall.hand_over() {
            let now = hall.now;
            hall.leave();
            hall = self.enter_and_wait(now);
        }
        hall
    }

    /// Only observes, or refuses again. Those who wait need not wait any longer while it only observes.
    pub(super) fn observe_only(&self, observe: bool) {
        self.observing.store(observe, SeqCst);
        if observe {
            self.let_through();
        }
    }

    /// Lets nobody in to wait any more, or lets them in again.
    pub(super) fn close(&self, closed: bool) {
        self.room.lock().closed = closed;
        self.reopen();
    }

    /// Sends all away who wait.
    pub(super) fn send_away(&self) {
        let now = Moment::new();
        while self.send_off(&now, || Verdict::Out(Reason::WaitTimeout)) {}
    }

    /// Sets it anew while it serves.
    pub(super) fn update(&self, settings: Settings) {
        let now = Moment::new();
        let mut hall = self.enter(&now);
        hall.room.settings = settings.with_name(self.name);
        self.reopen();
        self.hand_over(hall).leave();
    }

    /// What was decided for a moment ahead holds no longer.
    fn reopen(&self) {
        self.doors.iter().for_each(|door| door.shut.store(0, Relaxed));
    }

    /// Lets all who wait go on, whatever is free.
    #[cold]
    fn let_through(&self) {
        let now = Moment::new();
        while self.send_off(&now, || Verdict::Go(self.limit.take_anyway(&now))) {
            self.events.emit(|| Event::WouldRefuse(Rejection::new(Reason::WaitTooLong, self.name)));
        }
    }

    /// Ends the wait of the next, whoever that is, if there is one.
    fn send_off(&self, now: &Moment, verdict: impl FnOnce() -> Verdict<L::Permit>) -> bool {
        let mut hall = self.enter(now);
        let next = hall.room.any();
        if let Some(ticket) = next {
            hall.end(ticket, verdict());
        }
        hall.leave();
        next.is_some()
    }

    /// A request that is let in though there is no place.
    fn pass_by(&self, class: usize, now: &Moment) -> L::Permit {
        self.events.emit(|| Event::WouldRefuse(self.rejection(class, Reason::WaitTooLong, None)));
        self.limit.take_anyway(now)
    }

    /// Locks the room, and tells it the time and what there is to know.
    fn enter<'a>(&'a self, now: &'a Moment) -> Hall<'a, L> {
        let at = now.now();
        let mut room = self.room.lock();
        room.learn(self.limit.limit(), self.limit.latency());
        room.drain.pass(at);
        for (class, door) in self.doors.iter().enumerate() {
            room.came(class, door.came.load(Relaxed));
        }
        Hall { state: self, room, now, woken: [const { None }; WOKEN], gone: None }
    }

    /// The same, and says that somebody waits, or is about to.
    fn enter_and_wait<'a>(&'a self, now: &'a Moment) -> Hall<'a, L> {
        let hall = self.enter(now);
        self.waiting.store(hall.room.waiting().saturating_add(1), SeqCst);
        hall
    }
}

/// How many are woken at most before the lock is let go of, for a moment.
const WOKEN: usize = 4;

/// The locked room, and what is to be done once the lock is gone: nothing of anybody else's is called under it, but the
/// limit.
struct Hall<'a, L: Limit> {
    state: &'a State<L, L::Permit>,
    room: MutexGuard<'a, Room<Turn<Verdict<L::Permit>>>>,
    now: &'a Moment,
    woken: [Option<Wakeup>; WOKEN],
    /// What would have woken somebody who is gone.
    gone: Option<Wakeup>,
}

impl<L: Limit> Hall<'_, L> {
    /// Gives what is free to those who wait. Whether there may be more to do, once those are woken.
    fn hand_over(&mut self) -> bool {
        while self.woken[WOKEN - 1].is_none() {
            match self.room.next(self.now.now()) {
                None => return false,
                Some(Next::Late(ticket)) => {
                    let reason = Room::reason(self.room.lines.get(ticket));
                    self.end(ticket, Verdict::Out(reason));
                }
                Some(Next::Turn(ticket)) => match self.state.limit.take(self.now) {
                    None => return false,
                    Some(permit) => self.end(ticket, Verdict::Go(permit)),
                },
            }
        }
        true
    }

    /// A request that found no place, now that it has been looked for twice.
    fn arrive(&mut self, arrival: &Arrival) -> Admission<L::Permit, Wait> {
        match self.room.arrive(arrival, Turn::default()) {
            Ok(Joined { ticket, displaced }) => {
                if let Some(ticket) = displaced {
                    self.end(ticket, Verdict::Out(Reason::Displaced));
                }
                let until = self.room.lines.get(ticket).until;
                Admission::Waiting(Wait { ticket, class: arrival.class, until })
            }
            Err(Refused { reason, retry_after, shut }) => {
                let door = &self.state.doors[arrival.class];
                if let (Some(shut), Some(after)) = (shut, retry_after) {
                    door.retry_after.store(nanos(after), Relaxed);
                    door.shut.store(shut.as_nanos(), Relaxed);
                }
                Admission::Refused(self.state.rejection(arrival.class, reason, retry_after))
            }
        }
    }

    fn end(&mut self, ticket: Ticket, verdict: Verdict<L::Permit>) {
        self.room.lines.serve(ticket);
        let wakeup = self.room.lines.get_mut(ticket).with.grant(verdict);
        match self.woken.iter_mut().find(|woken| woken.is_none()) {
            Some(free) => *free = Some(wakeup),
            None => self.gone = Some(wakeup),
        }
    }

    /// Unlocks the room, and tells whoever is to be told.
    fn leave(mut self) {
        let tide = self.room.look(self.now.now());
        let State { waiting, events, name: layer, .. } = self.state;
        waiting.store(self.room.waiting(), SeqCst);
        if tide == Some(Tide::Drained) {
            self.state.reopen();
        }
        drop(self.room);
        self.woken.into_iter().flatten().for_each(Wakeup::wake);
        match tide {
            None => {}
            Some(Tide::Standing) => events.emit(|| Event::QueueStanding { layer }),
            Some(Tide::Drained) => events.emit(|| Event::QueueDrained { layer }),
        }
        drop(self.gone);
    }
}


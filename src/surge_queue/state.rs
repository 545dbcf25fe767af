use std::{
    task::{Context, Poll},
    time::Duration,
};

use super::{
    gate::Wait,
    hall::Hall,
    lines::Ticket,
    permit::Held,
    room::{Arrival, CLASSES, Room},
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
        Lock, Turn,
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
    /// How many wait, or are about to: see [`waiters`]. Written under the lock alone.
    pub(super) waiting: AtomicU64,
    pub(super) observing: AtomicBool,
    pub(super) doors: [Door; CLASSES],
    pub(super) room: Lock<Room<Turn<Verdict<P>>>>,
    pub(super) events: Events,
    pub(super) name: &'static str,
    pub(super) salt: AtomicU64,
    /// How many were refused after a look.
    refusals: AtomicU32,
    pub(super) letters: AtomicU64,
    pub(super) letters_lost: AtomicU64,
}

/// What is known of one class without the lock.
#[derive(Debug, Default)]
pub(super) struct Door {
    /// Until when all are refused, in nanoseconds, and when they should come back.
    pub(super) shut: AtomicU64,
    pub(super) retry_after: AtomicU64,
    /// How many came that found no place.
    pub(super) came: AtomicU32,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum Verdict<P> {
    /// With a place.
    Go(Held<P>),
    /// Turned away.
    Out(Reason),
}

/// Those who wait in the first lane, and those in the second who would take one of the limit's places, in one word: it is
/// read by every call.
pub(super) const fn waiters(first: u32, second: u32) -> u64 {
    (second as u64) << 32 | first as u64
}

impl<L, P> State<L, P> {
    pub(super) fn new(limit: L, settings: Settings, events: Events, chance: &Chance) -> Self {
        Self {
            limit,
            waiting: AtomicU64::new(0),
            observing: AtomicBool::new(false),
            doors: Default::default(),
            room: Lock::new(Room::new(settings)),
            events,
            name: settings.name,
            salt: AtomicU64::new(chance.draw()),
            refusals: AtomicU32::new(0),
            letters: AtomicU64::new(0),
            letters_lost: AtomicU64::new(0),
        }
    }

    /// Whether nobody waits in the first lane: then a place may be taken without asking the room.
    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.load(SeqCst) as u32 == 0
    }

    /// A refusal without another look, if that was decided for a moment ahead: under a flood of requests refusing them
    /// must not cost a lock.
    #[inline]
    pub(super) fn refuse_at_once(&self, class: usize, now: &Moment) -> Option<Rejection> {
        let door = &self.doors[class];
        let shut = door.shut.load(Relaxed);
        if shut == 0 || shut <= now.now().as_nanos() || self.observing.load(Relaxed) {
            return None;
        }
        let ticket = door.came.fetch_add(1, Relaxed);
        let after = self.spread(door.retry_after.load(Relaxed), ticket);
        Some(Rejection::new(Reason::WaitTooLong, self.name).with_retry_after(after))
    }

    pub(super) fn rejection(&self, reason: Reason, retry_after: Option<Duration>) -> Rejection {
        let rejection = Rejection::new(reason, self.name);
        let Some(after) = retry_after else { return rejection };
        rejection.with_retry_after(self.spread(nanos(after), self.refusals.fetch_add(1, Relaxed)))
    }

    /// What was decided for a moment ahead holds no longer.
    pub(super) fn reopen(&self) {
        self.doors.iter().for_each(|door| door.shut.store(0, Relaxed));
    }

    /// Up to half as much again: those who are refused together should not come back together. Multiples of the golden
    /// ratio, from a start by chance, are spread as evenly as can be, and cost one multiplication.
    #[inline]
    fn spread(&self, after: u64, ticket: u32) -> Duration {
        let random = self.salt.load(Relaxed).wrapping_add(u64::from(ticket).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        Duration::from_nanos(after.saturating_add(scaled(random, after / 2)))
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
    ) -> Admission<Held<L::Permit>, Wait> {
        self.doors[class].came.fetch_add(1, Relaxed);
        if self.observing.load(Relaxed) {
            self.events.emit(|| Event::WouldRefuse(self.rejection(Reason::WaitTooLong, None)));
            return Admission::Admitted(Held::Warm(self.limit.take_anyway(now)));
        }
        let (tenant, deadline) = asked();
        let deadline = deadline.unwrap_or(Instant::FAR).min(current().deadline);
        let arrival = Arrival { class, tenant, deadline, now: now.now() };
        if deadline != Instant::FAR {
            self.limit.patience(deadline.since(arrival.now));
        }
        self.limit.look(now);
        // Announced before looking: see above for why.
        let mut hall = self.hand_over(Hall::enter_and_wait(self, now));
        let admission = if hall.room.waiting() == 0
            && let Some(permit) = self.limit.take(now)
        {
            Admission::Admitted(Held::Warm(permit))
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
    ) -> Poll<Result<Held<L::Permit>, Rejection>> {
        // Cloned and dropped outside of the lock: a waker is somebody else's code.
        let (mut waker, mut before) = (Some(cx.waker().clone()), None);
        let is_time = now.now() >= wait.until;
        if is_time {
            self.limit.look(now);
        }
        let mut hall = Hall::enter(self, now);
        if is_time {
            if hall.room.lines.rank(wait.ticket).is_some() {
                // Nobody else may look for a long time: who is in the second lane may have a place by now, who is not may
                // have to go there. It is awake, and need not be woken if so.
                hall.room.lines.get_mut(wait.ticket).with.has_come(&mut before);
                if now.now() >= hall.room.lines.get(wait.ticket).until {
                    hall.late(wait.ticket);
                }
            }
            hall = self.hand_over(hall);
        }
        let ended = hall.room.lines.get_mut(wait.ticket).with.has_come(&mut waker);
        let verdict = if ended { hall.room.lines.remove(wait.ticket).with.end().ok() } else { None };
        if verdict.is_none() {
            wait.until = hall.room.look_again(wait.ticket, now.now());
        }
        let after = hall.retry_after(wait.class);
        hall.leave();
        drop((waker, before));
        match verdict {
            None => Poll::Pending,
            Some(Verdict::Go(held)) => Poll::Ready(Ok(held)),
            Some(Verdict::Out(reason)) => {
                let after = reason.is_retryable().then_some(after);
                Poll::Ready(Err(self.rejection(reason, after)))
            }
        }
    }

    /// Ends a wait whose caller has left. A place that it was given meanwhile goes to the next.
    pub(super) fn abandon(&self, ticket: Ticket) {
        let now = Moment::new();
        let mut hall = Hall::enter(self, &now);
        let turn = hall.room.lines.remove(ticket).with.end();
        let mut held = None;
        match turn {
            Ok(Verdict::Go(place)) => held = Some(place),
            Ok(Verdict::Out(_)) => {}
            Err(unwoken) => hall.gone = Some(unwoken),
        }
        hall.leave();
        if let Some(held) = held {
            self.put_back(held, Ending::Undispatched, &now);
        }
    }

    /// Puts a place back, and hands it to the next who waits.
    #[inline(always)]
    pub(super) fn put_back(&self, held: Held<L::Permit>, ending: Ending, now: &Moment) {
        match held {
            Held::Warm(permit) => {
                self.limit.put_back(permit, ending, now);
                if self.waiting.load(SeqCst) != 0 {
                    self.next(now, |room| room.drain.end(now.now()));
                }
            }
            Held::Lent(permit) => {
                self.limit.put_back(permit, ending, now);
                self.next(now, |room| {
                    room.drain.end(now.now());
                    room.returned();
                });
            }
            Held::Surge => self.next(now, |room| room.put_back_own(now.now())),
            Held::Exempt => {}
        }
    }

    /// A call ended: gives what is free to those who wait.
    #[cold]
    fn next(&self, now: &Moment, ended: impl FnOnce(&mut Room<Turn<Verdict<L::Permit>>>)) {
        let mut hall = Hall::enter(self, now);
        ended(&mut hall.room);
        self.hand_over(hall).leave();
    }

    /// Gives what is free to those who wait, some of them at a time.
    fn hand_over<'a>(&'a self, mut hall: Hall<'a, L>) -> Hall<'a, L> {
        while hall.hand_over() {
            let now = hall.now;
            hall.leave();
            hall = Hall::enter_and_wait(self, now);
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
        while self.send_off(|_| Verdict::Out(Reason::WaitTimeout)) {}
    }

    /// Sets it anew while it serves.
    pub(super) fn set(&self, change: impl FnOnce(&mut Room<Turn<Verdict<L::Permit>>>)) {
        let now = Moment::new();
        let mut hall = Hall::enter(self, &now);
        change(&mut hall.room);
        self.reopen();
        self.hand_over(hall).leave();
    }

    /// Lets all who wait go on, whatever is free.
    #[cold]
    fn let_through(&self) {
        while self.send_off(|now| Verdict::Go(Held::Warm(self.limit.take_anyway(now)))) {
            self.events.emit(|| Event::WouldRefuse(Rejection::new(Reason::WaitTooLong, self.name)));
        }
    }

    /// Ends the wait of one, if there is one.
    fn send_off(&self, verdict: impl FnOnce(&Moment) -> Verdict<L::Permit>) -> bool {
        let now = Moment::new();
        let mut hall = Hall::enter(self, &now);
        let next = hall.room.any();
        if let Some(ticket) = next {
            hall.tell(ticket, verdict(&now));
        }
        hall.leave();
        next.is_some()
    }
}

use std::time::Duration;

use super::{
    gate::Wait,
    lines::Ticket,
    permit::Held,
    room::{Arrival, Joined, Next, Refused, Room, Tide},
    state::{State, Verdict, waiters},
};
use crate::{
    clock::{Moment, nanos},
    event::Event,
    gate::Admission,
    limit::Limit,
    rejection::Reason,
    sync::{
        Guard, Turn, Wakeup,
        atomic::Ordering::{Relaxed, SeqCst},
    },
};

/// How many are told at most before the lock is let go of, for a moment.
const TOLD: usize = 4;

/// The locked room, and what is to be done once the lock is gone: nothing of anybody else's is called under it, but the
/// limit, which promises to be short, and to call nobody.
pub(super) struct Hall<'a, L: Limit> {
    state: &'a State<L, L::Permit>,
    pub(super) room: Guard<'a, Room<Turn<Verdict<L::Permit>>>>,
    pub(super) now: &'a Moment,
    told: [Option<Wakeup>; TOLD],
    /// What would have woken somebody who is gone.
    pub(super) gone: Option<Wakeup>,
    demoted: u32,
}

impl<'a, L: Limit> Hall<'a, L> {
    /// Locks the room, and tells it the time and what there is to know.
    pub(super) fn enter(state: &'a State<L, L::Permit>, now: &'a Moment) -> Self {
        let at = now.now();
        let mut room = state.room.lock();
        room.learn(state.limit.limit(), state.limit.latency());
        room.drain.pass(at);
        for (class, door) in state.doors.iter().enumerate() {
            room.came(class, door.came.load(Relaxed));
        }
        Self { state, room, now, told: [const { None }; TOLD], gone: None, demoted: 0 }
    }

    /// The same, and says that somebody waits, or is about to.
    pub(super) fn enter_and_wait(state: &'a State<L, L::Permit>, now: &'a Moment) -> Self {
        let hall = Self::enter(state, now);
        state.waiting.store(waiters(hall.room.waiting().saturating_add(1), hall.room.surging()), SeqCst);
        hall
    }

    /// Gives what is free to those who wait. Whether there may be more to do, once those are told.
    pub(super) fn hand_over(&mut self) -> bool {
        let now = self.now.now();
        loop {
            if self.told[TOLD - 1].is_some() {
                return true;
            }
            match self.room.next(now) {
                Some(Next::Late(ticket)) => self.late(ticket),
                Some(Next::Turn(ticket)) => match self.state.limit.take(self.now) {
                    Some(permit) => self.tell(ticket, Verdict::Go(Held::Warm(permit))),
                    None => break,
                },
                None => break,
            }
        }
        while self.told[TOLD - 1].is_none() {
            match self.room.next_surge(now) {
                Some(Next::Late(ticket)) => self.late(ticket),
                Some(Next::Turn(ticket)) => match self.take_surge() {
                    Some(held) => self.tell(ticket, Verdict::Go(held)),
                    None => return false,
                },
                None => return false,
            }
        }
        true
    }

    /// A place for somebody of the second lane: one of its own, else one that nobody in the first lane waits for.
    fn take_surge(&mut self) -> Option<Held<L::Permit>> {
        if self.room.take_own(self.now.now()) {
            return Some(Held::Surge);
        }
        if self.room.waiting() > 0 || !self.room.wants_to_borrow() {
            return None;
        }
        let permit = self.state.limit.take(self.now)?;
        if let Some(lane) = &mut self.room.lane {
            lane.lent += 1;
        }
        Some(Held::Lent(permit))
    }

    /// Somebody has waited for too long: moves them to the second lane, or turns them away.
    pub(super) fn late(&mut self, ticket: Ticket) {
        match self.room.demote(ticket, self.now.now()) {
            Some(displaced) => {
                self.demoted += 1;
                self.displace(displaced);
            }
            None => {
                let reason = Room::reason(self.room.lines.get(ticket));
                self.tell(ticket, Verdict::Out(reason));
            }
        }
    }

    /// A request that found no place, now that it has been looked for twice.
    pub(super) fn arrive(&mut self, arrival: &Arrival) -> Admission<Held<L::Permit>, Wait> {
        let refused = match self.room.arrive(arrival) {
            Ok(joined) => return self.wait(joined, arrival),
            Err(refused) => refused,
        };
        if self.room.may_surge(arrival, &refused) {
            if self.room.surging() == 0 && self.room.take_own(arrival.now) {
                self.room.count();
                self.demoted += 1;
                return Admission::Admitted(Held::Surge);
            }
            if let Some(joined) = self.room.surge(arrival) {
                self.demoted += 1;
                return self.wait(joined, arrival);
            }
        }
        let Refused { reason, retry_after, shut } = refused;
        if let (Some(shut), Some(after)) = (shut, retry_after) {
            let door = &self.state.doors[arrival.class];
            door.retry_after.store(nanos(after), Relaxed);
            door.shut.store(shut.as_nanos(), Relaxed);
            self.room.shut = true;
        }
        Admission::Refused(self.state.rejection(reason, retry_after))
    }

    /// Tells somebody how their wait ended, once the lock is gone.
    pub(super) fn tell(&mut self, ticket: Ticket, verdict: Verdict<L::Permit>) {
        match verdict {
            Verdict::Go(_) => self.room.lines.serve(ticket),
            // That was no turn of its tenant's.
            Verdict::Out(_) => self.room.lines.take_out(ticket),
        }
        let wakeup = self.room.lines.get_mut(ticket).with.grant(verdict);
        // There is a place left: whoever tells somebody looks for one before.
        if let Some(free) = self.told.iter_mut().find(|told| told.is_none()) {
            *free = Some(wakeup);
        }
    }

    /// When somebody of a class should come back.
    pub(super) fn retry_after(&self, class: usize) -> Duration {
        self.room.retry_after(class)
    }

    /// Unlocks the room, and tells whoever is to be told.
    pub(super) fn leave(mut self) {
        let tide = self.room.look(self.now.now());
        let State { waiting, events, name: layer, .. } = self.state;
        let borrowers = if self.room.wants_to_borrow() { self.room.surging() } else { 0 };
        waiting.store(waiters(self.room.waiting(), borrowers), SeqCst);
        if self.room.shut && self.room.waiting() == 0 {
            self.room.shut = false;
            self.state.reopen();
        }
        drop(self.room);
        self.told.into_iter().flatten().for_each(Wakeup::wake);
        (0..self.demoted).for_each(|_| events.emit(|| Event::Demoted { layer }));
        match tide {
            None => {}
            Some(Tide::Standing) => events.emit(|| Event::QueueStanding { layer }),
            Some(Tide::Drained) => events.emit(|| Event::QueueDrained { layer }),
        }
        drop(self.gone);
    }

    fn wait(&mut self, joined: Joined, arrival: &Arrival) -> Admission<Held<L::Permit>, Wait> {
        self.displace(joined.displaced);
        let until = self.room.look_again(joined.ticket, arrival.now);
        Admission::Waiting(Wait { ticket: joined.ticket, class: arrival.class, until })
    }

    fn displace(&mut self, displaced: Option<Ticket>) {
        if let Some(ticket) = displaced {
            self.tell(ticket, Verdict::Out(Reason::Displaced));
        }
    }
}

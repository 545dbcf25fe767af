//! The second lane: what cannot be served in time waits here for longer, for places of its own, and for such of the
//! limit's as nobody waits for.

use super::{
    lines::Ticket,
    ramp::Places,
    room::{Arrival, CLASSES, Joined, Next, RANKS, Refused, Room},
    settings::Surge,
};
use crate::{clock::Instant, rejection::Reason};

/// The places of the second lane. Who waits for them is in the room's lines, in ranks of their own.
#[derive(Debug)]
pub(super) struct Lane {
    settings: Surge,
    /// Whether anybody may come in. A lane that is given up serves who is in it.
    open: bool,
    pub(super) places: Places,
    /// How many of the limit's places are lent to this lane.
    pub(super) lent: u32,
    /// How many have been moved here, or sent here on arrival.
    pub(super) demoted: u64,
}

impl Lane {
    pub(super) fn new(settings: Surge) -> Self {
        let places = Places::new(settings.ramp, settings.concurrency);
        Self { settings, open: true, places, lent: 0, demoted: 0 }
    }

    pub(super) fn set(&mut self, surge: Option<Surge>) {
        self.open = surge.is_some();
        if let Some(settings) = surge {
            self.settings = settings;
            self.places.set(settings.ramp, settings.concurrency);
        }
    }

    /// Its settings, if somebody may come in.
    pub(super) fn open(&self) -> Option<&Surge> {
        self.open.then_some(&self.settings)
    }

    /// Whether it may borrow one more of so many places.
    pub(super) fn may_borrow(&self, limit: u32) -> bool {
        let share = self.settings.lending.map_or(0, |share| u64::from(share.as_millionths()));
        u64::from(self.lent) < u64::from(limit) * share / 1_000_000
    }
}

impl<T> Room<T> {
    /// How many wait in the second lane.
    pub(super) fn surging(&self) -> u32 {
        (CLASSES..RANKS).map(|rank| self.lines.waiting(rank)).sum()
    }

    /// Whether a place of the limit that nobody in the first lane waits for would be taken by the second.
    pub(super) fn wants_to_borrow(&self) -> bool {
        self.surging() > 0 && self.lane.as_ref().is_some_and(|lane| lane.may_borrow(self.limit))
    }

    /// Whether a request that may not wait in the first lane is one for the second: if it is only for the time it would
    /// take.
    pub(super) fn may_surge(&self, arrival: &Arrival, refused: &Refused) -> bool {
        let in_time = self.in_time(arrival.deadline) > arrival.now;
        let only_late = matches!(refused.reason, Reason::WaitTooLong | Reason::QueueFull | Reason::DeadlineUnreachable);
        in_time && only_late && !self.closed && self.lane.as_ref().is_some_and(|lane| lane.open().is_some())
    }

    /// A free place of the second lane's own.
    pub(super) fn take_own(&mut self, now: Instant) -> bool {
        self.lane.as_mut().is_some_and(|lane| lane.places.take(now))
    }

    /// A place that was lent is the limit's again.
    pub(super) fn returned(&mut self) {
        if let Some(lane) = &mut self.lane {
            lane.lent = lane.lent.saturating_sub(1);
        }
    }

    /// A place of the second lane's own is free again.
    pub(super) fn put_back_own(&mut self, now: Instant) {
        if let Some(lane) = &mut self.lane {
            lane.places.put_back(now);
        }
    }

    /// Moves somebody who waited for too long to the second lane, if there is one with room. Who has to go for that is
    /// returned.
    pub(super) fn demote(&mut self, ticket: Ticket, now: Instant) -> Option<Option<Ticket>> {
        let class = self.lines.rank(ticket).filter(|&rank| rank < CLASSES)?;
        let ttl = self.lane.as_ref()?.open()?.ttl;
        let (end, in_time) = (self.lines.get(ticket).since.after(ttl), self.lines.get(ticket).in_time);
        if end.min(in_time) <= now {
            return None;
        }
        let displaced = self.make_room(class)?;
        self.lines.transfer(ticket, CLASSES + class);
        self.lines.get_mut(ticket).until = end.min(in_time);
        self.count();
        Some(displaced)
    }

    /// Who is next in the second lane: of the best class, of its tenants in turn, the newest. Most of what is here is
    /// late in any case; so at least some of it is fresh.
    pub(super) fn next_surge(&self, now: Instant) -> Option<Next> {
        let (_, newest) = (CLASSES..RANKS).find_map(|rank| self.lines.ends(rank))?;
        Some(if self.lines.get(newest).until <= now { Next::Late(newest) } else { Next::Turn(newest) })
    }

    /// When somebody who waits should look again: at its end; in a lane that grows with time alone, every interval.
    pub(super) fn look_again(&self, ticket: Ticket, now: Instant) -> Instant {
        let until = self.lines.get(ticket).until;
        let surging = self.lines.rank(ticket).is_some_and(|rank| rank >= CLASSES);
        match &self.lane {
            Some(lane) if surging && lane.places.is_growing() => until.min(now.after(lane.settings.ramp.every())),
            _ => until,
        }
    }

    /// Counts somebody who came here.
    pub(super) fn count(&mut self) {
        if let Some(lane) = &mut self.lane {
            lane.demoted += 1;
        }
    }

    /// Sees to a place to wait for one more of a class; who has to go for that is returned, and nothing if that is
    /// nobody worse.
    fn make_room(&mut self, class: usize) -> Option<Option<Ticket>> {
        if self.surging() < self.lane.as_ref()?.settings.max_waiting.get() {
            return Some(None);
        }
        self.displace(CLASSES + class + 1..RANKS).map(Some)
    }
}

impl<T: Default> Room<T> {
    /// A request that may not wait in the first lane waits in the second.
    pub(super) fn surge(&mut self, arrival: &Arrival) -> Option<Joined> {
        let Arrival { class, tenant, deadline, now } = *arrival;
        let ttl = self.lane.as_ref()?.open()?.ttl;
        let displaced = self.make_room(class)?;
        let in_time = self.in_time(deadline);
        let ticket = self.lines.join(CLASSES + class, tenant.unwrap_or(0), now, T::default());
        let waiter = self.lines.get_mut(ticket);
        (waiter.until, waiter.in_time) = (now.after(ttl).min(in_time), in_time);
        self.count();
        Some(Joined { ticket, displaced })
    }
}

//! Who may wait, for how long, and who is next.

use std::time::Duration;

use super::{
    drain::{self, Drain},
    lane::Lane,
    lines::{Lines, Ticket, Waiter},
    settings::Settings,
};
use crate::{
    clock::{Instant, nanos},
    rejection::Reason,
    request::Priority,
};

pub(super) const CLASSES: usize = Priority::ALL.len();

/// The classes in the first lane, and then those in the second.
pub(super) const RANKS: usize = 2 * CLASSES;

/// After so many nanoseconds without being empty, a queue is not a burst any more, but a load that is too high.
const STANDING: u64 = 100_000_000;
/// How much of the time to its deadline a request may spend in the queue.
const OF_DEADLINE: f64 = 0.15;

/// The waiting room: who waits, and what is known of how fast it empties. `T` is what the plumbing keeps with each.
#[derive(Debug)]
pub(super) struct Room<T> {
    pub(super) settings: Settings,
    pub(super) lines: Lines<T, RANKS>,
    pub(super) drain: Drain,
    /// The second lane, if there ever was one.
    pub(super) lane: Option<Lane>,
    /// Whether nobody may come in any more.
    pub(super) closed: bool,
    /// Whether some are refused without asking, for a moment.
    pub(super) shut: bool,
    pub(super) limit: u32,
    /// How long a call takes, in nanoseconds, where the limit says so.
    pub(super) latency: Option<f64>,
    /// Whether requests are somebody's.
    pub(super) tenanted: bool,
    /// How many of each class had come when that was last looked at.
    came: [u32; CLASSES],
    waiting_since: Option<Instant>,
    standing: bool,
}

/// A request that found no place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) class: usize,
    /// Nobody's, where nobody says whose.
    pub(super) tenant: Option<u64>,
    pub(super) deadline: Instant,
    pub(super) now: Instant,
}

/// A request that may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Joined {
    pub(super) ticket: Ticket,
    /// Who has to go for it.
    pub(super) displaced: Option<Ticket>,
}

/// A request that may not wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) reason: Reason,
    pub(super) retry_after: Option<Duration>,
    /// Until when every request of this class is refused for the same reason, whosesoever it is.
    pub(super) shut: Option<Instant>,
}

/// The next in line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Its turn comes with the next free place.
    Turn(Ticket),
    /// It has waited for too long, and is in the way.
    Late(Ticket),
}

/// What became of the queue as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tide {
    Standing,
    Drained,
}

impl<T: Default> Room<T> {
    pub(super) fn new(settings: Settings) -> Self {
        let mut room = Self {
            settings,
            lines: Lines::new(),
            drain: Drain::new(),
            lane: None,
            closed: false,
            shut: false,
            limit: 1,
            latency: None,
            tenanted: false,
            came: [0; CLASSES],
            waiting_since: None,
            standing: false,
        };
        room.set(settings);
        room
    }

    /// A request that found no place waits, or may not.
    pub(super) fn arrive(&mut self, arrival: &Arrival) -> Result<Joined, Refused> {
        let Arrival { class, tenant, deadline, now } = *arrival;
        self.tenanted = tenant.is_some();
        if self.closed {
            return Err(self.full(class));
        }
        let own = u64::from(self.lines.of_tenant(class, tenant.unwrap_or(0))) + 1;
        let (ahead, budget) = (self.ahead(class, own), self.budget(class, own, now));
        // Who is first in line waits for one call to end, and is how the room notices that they end at all: after an
        // outage a guess would keep everybody out, and would never be corrected.
        let first = ahead == 1;
        let in_time = if first && self.latency.is_none() { deadline } else { self.in_time(deadline) };
        if in_time <= now {
            return Err(Refused::hopeless());
        }
        let wait = self.drain.left_for(class).map_or(0.0, |rate| drain::wait(ahead, rate));
        if !first {
            if wait > budget {
                let retry_after = Some(Self::come_back(wait));
                return Err(Refused { reason: Reason::WaitTooLong, retry_after, shut: self.shut(arrival) });
            }
            let left = |until: Instant| nanos(until.since(now)) as f64;
            if deadline != Instant::FAR && wait > (OF_DEADLINE * left(deadline)).min(self.burst()) {
                // It might still be in time, and the deadline may be no more than a timeout of this very stack: the
                // caller should not hear that it is to blame, nor take it for the sign of a server that hangs.
                if wait > left(in_time) {
                    return Err(Refused::hopeless());
                }
                let retry_after = Some(Self::come_back(wait));
                return Err(Refused { reason: Reason::WaitTooLong, retry_after, shut: None });
            }
        }
        let displaced = if f64::from(self.waiting()) < self.places() {
            None
        } else {
            match self.displace(class + 1..CLASSES) {
                Some(victim) => Some(victim),
                None => return Err(self.full(class)),
            }
        };
        let ticket = self.lines.join(class, tenant.unwrap_or(0), now, T::default());
        let until = now.after(self.patience());
        let waiter = self.lines.get_mut(ticket);
        (waiter.until, waiter.in_time) = (until.min(in_time), in_time);
        Ok(Joined { ticket, displaced })
    }
}

impl<T> Room<T> {
    /// Sets it anew. Who waits already keeps the bound on their wait.
    pub(super) fn set(&mut self, settings: Settings) {
        self.settings = settings;
        match (&mut self.lane, settings.surge) {
            (Some(lane), surge) => lane.set(surge),
            (lane, Some(surge)) => *lane = Some(Lane::new(surge)),
            (None, None) => {}
        }
    }

    /// How many of a class have come by now, all in all.
    pub(super) fn came(&mut self, class: usize, came: u32) {
        let before = std::mem::replace(&mut self.came[class], came);
        self.drain.come(class, came.wrapping_sub(before));
    }

    /// Somebody who waits, in either lane.
    pub(super) fn any(&self) -> Option<Ticket> {
        (0..RANKS).find_map(|rank| self.lines.ends(rank)).map(|(oldest, _)| oldest)
    }

    /// How many wait in the first lane.
    pub(super) fn waiting(&self) -> u32 {
        (0..CLASSES).map(|class| self.lines.waiting(class)).sum()
    }

    /// Whether the queue has not been empty for a while.
    pub(super) fn is_standing(&self, now: Instant) -> bool {
        self.waiting_since.is_some_and(|since| nanos(now.since(since)) > STANDING)
    }

    /// Who is next in the first lane: of the best class that has somebody, of its tenants in turn, the oldest; or the
    /// newest, once the oldest has waited for longer than a burst. Then not all can be served in time, but some can.
    pub(super) fn next(&self, now: Instant) -> Option<Next> {
        let (oldest, newest) = (0..CLASSES).find_map(|class| self.lines.ends(class))?;
        let (head, tail) = (self.lines.get(oldest), self.lines.get(newest));
        if head.until <= now {
            return Some(Next::Late(oldest));
        }
        if now.since(head.since) <= self.settings.burst {
            return Some(Next::Turn(oldest));
        }
        Some(if tail.until <= now { Next::Late(newest) } else { Next::Turn(newest) })
    }

    /// Why somebody who has waited long enough is turned away.
    pub(super) fn reason(waiter: &Waiter<T>) -> Reason {
        if waiter.in_time <= waiter.until { Reason::DeadlineExceeded } else { Reason::WaitTimeout }
    }

    /// To be called whenever people came or went.
    pub(super) fn look(&mut self, now: Instant) -> Option<Tide> {
        let busy = self.waiting() > 0;
        self.drain.wait(busy, now);
        if busy {
            self.waiting_since.get_or_insert(now);
            let news = self.is_standing(now) && !self.standing;
            self.standing |= news;
            return news.then_some(Tide::Standing);
        }
        self.waiting_since = None;
        std::mem::take(&mut self.standing).then_some(Tide::Drained)
    }

    /// Takes the newest of the longest tenant of the worst of these ranks out of line.
    pub(super) fn displace(&mut self, mut ranks: impl DoubleEndedIterator<Item = usize>) -> Option<Ticket> {
        let victim = ranks.by_ref().rev().find_map(|rank| self.lines.newest_of_longest(rank))?;
        self.lines.take_out(victim);
        Some(victim)
    }

    fn full(&self, class: usize) -> Refused {
        Refused { reason: Reason::QueueFull, retry_after: Some(self.retry_after(class)), shut: None }
    }
}

impl Refused {
    /// There is no point in coming back.
    const fn hopeless() -> Self {
        Self { reason: Reason::DeadlineUnreachable, retry_after: None, shut: None }
    }
}

//! Who may wait, for how long, and who is next.

use std::time::Duration;

use super::{
    drain::{self, Drain},
    lines::{Lines, Ticket, Waiter},
    settings::Settings,
};
use crate::{
    clock::{Instant, nanos},
    rejection::Reason,
    request::Priority,
};

pub(super) const CLASSES: usize = Priority::ALL.len();

/// After so long without being empty, a queue is not a burst any more, but a load that is too high.
const STANDING: u64 = 100 * MILLI;
/// How long most may wait in a standing queue, as a part of the burst: waiting does not help against a load.
const TARGET: f64 = 0.1;
/// What is left of the burst, in a standing queue, to those who are few and so cannot be the load.
const SPARSE_SHARE: f64 = 0.3;
/// So many at most, of one tenant of several, are few.
const SPARSE: u64 = 3;
/// How much of a call's time a room bridges at least: where calls take long, so do the gaps between them.
const SCALE: f64 = 0.75;
/// How much of the time to its deadline a request may spend in the queue.
const OF_DEADLINE: f64 = 0.15;
/// How long a refusal may be repeated without another look.
const SHUT: f64 = 4.0 * MILLI as f64;
/// When to come back, at least and at most.
const SOONEST: f64 = 50.0 * MILLI as f64;
const LATEST: f64 = 30_000.0 * MILLI as f64;
/// The longest time that a call is supposed to take, where only Little's law tells.
const LITTLE: f64 = 1_000.0 * MILLI as f64;
/// Where nobody says how many may wait.
const PLACES: f64 = 64.0;
const MILLI: u64 = 1_000_000;

/// The waiting room: who waits, and what is known of how fast it empties. `T` is what the plumbing keeps with each.
#[derive(Debug)]
pub(super) struct Room<T> {
    pub(super) settings: Settings,
    pub(super) lines: Lines<T, CLASSES>,
    pub(super) drain: Drain,
    /// Whether nobody may come in any more.
    pub(super) closed: bool,
    limit: u32,
    /// How long a call takes, in nanoseconds, where the limit says so.
    latency: Option<f64>,
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

impl<T> Room<T> {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            lines: Lines::new(),
            drain: Drain::new(),
            closed: false,
            limit: 1,
            latency: None,
            came: [0; CLASSES],
            waiting_since: None,
            standing: false,
        }
    }

    /// What the limit has to say.
    pub(super) fn learn(&mut self, limit: u32, latency: Option<Duration>) {
        self.limit = limit.max(1);
        self.latency = latency.filter(|latency| !latency.is_zero()).map(|latency| nanos(latency) as f64);
        if let Some(latency) = self.latency {
            // Little's law: until it is measured, this is how fast so many calls end.
            self.drain.suppose(f64::from(self.limit) * 1e9 / latency);
        }
    }

    /// How many of a class have come by now, all in all.
    pub(super) fn came(&mut self, class: usize, came: u32) {
        let before = std::mem::replace(&mut self.came[class], came);
        self.drain.come(class, came.wrapping_sub(before));
    }

    /// Somebody who waits, the next first.
    pub(super) fn any(&self) -> Option<Ticket> {
        (0..CLASSES).find_map(|class| self.lines.ends(class)).map(|(oldest, _)| oldest)
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> u32 {
        (0..CLASSES).map(|class| self.lines.waiting(class)).sum()
    }

    /// Whether the queue has not been empty for a while.
    pub(super) fn is_standing(&self, now: Instant) -> bool {
        self.waiting_since.is_some_and(|since| nanos(now.since(since)) > STANDING)
    }

    /// A request that found no place waits, or may not.
    pub(super) fn arrive(&mut self, arrival: &Arrival, with: T) -> Result<Joined, Refused> {
        let Arrival { class, tenant, deadline, now } = *arrival;
        let hopeless = |reason| Refused { reason, retry_after: None, shut: None };
        if deadline <= now {
            return Err(hopeless(Reason::DeadlineExceeded));
        }
        if self.closed {
            return Err(self.refuse(Reason::QueueFull, class, None));
        }
        let own = u64::from(self.lines.of_tenant(class, tenant.unwrap_or(0))) + 1;
        let (ahead, budget) = (self.ahead(class, own), self.budget(class, own, now));
        // Who is first in line waits for one call to end, and is how the room notices that they end at all: after an
        // outage a guess would keep everybody out, and would never be corrected.
        let first = ahead == 1;
        let in_time = if first && self.latency.is_none() { deadline } else { self.in_time(deadline) };
        if in_time <= now {
            return Err(hopeless(Reason::DeadlineUnreachable));
        }
        let wait = self.drain.left_for(class).map_or(0.0, |rate| drain::wait(ahead, rate));
        if !first {
            if wait > budget {
                return Err(self.refuse(Reason::WaitTooLong, class, self.shut(arrival)));
            }
            let left = nanos(deadline.since(now)) as f64;
            if deadline != Instant::FAR && wait > (OF_DEADLINE * left).min(self.burst()) {
                return Err(hopeless(Reason::DeadlineUnreachable));
            }
        }
        let mut displaced = None;
        if f64::from(self.waiting()) >= self.places() {
            let worse = (class + 1..CLASSES).rev().find_map(|class| self.lines.newest_of_longest(class));
            let Some(victim) = worse else {
                return Err(self.refuse(Reason::QueueFull, class, None));
            };
            self.lines.take_out(victim);
            displaced = Some(victim);
        }
        let ticket = self.lines.join(class, tenant.unwrap_or(0), now, with);
        let patience = now.after(drain::duration(2.0 * self.bridge()));
        let waiter = self.lines.get_mut(ticket);
        (waiter.until, waiter.by_deadline) = (patience.min(in_time), in_time < patience);
        Ok(Joined { ticket, displaced })
    }

    /// Who is next: of the best class that has somebody, of its tenants in turn, the oldest; or the newest, once the
    /// oldest has waited for longer than a burst. Then not all can be served in time, but some can.
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
        if waiter.by_deadline { Reason::DeadlineUnreachable } else { Reason::WaitTimeout }
    }

    /// How long a request of a class would wait, whose tenant has nobody here: in nanoseconds, if it can be told.
    pub(super) fn foretell(&self, class: usize) -> Option<f64> {
        self.drain.left_for(class).map(|rate| drain::wait(self.ahead(class, 1), rate))
    }

    /// When somebody of a class should come back.
    pub(super) fn retry_after(&self, class: usize) -> Duration {
        drain::duration(self.foretell(class).unwrap_or(0.0).clamp(SOONEST, LATEST))
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

    fn refuse(&self, reason: Reason, class: usize, shut: Option<Instant>) -> Refused {
        Refused { reason, retry_after: Some(self.retry_after(class)), shut }
    }

    /// How many are served before the last of `own` of a tenant, itself included. The others of its class come before
    /// it in turn, not all of them.
    fn ahead(&self, class: usize, own: u64) -> u64 {
        let better: u64 = (0..class).map(|class| u64::from(self.lines.waiting(class))).sum();
        let tenants = u64::from(self.lines.tenants(class)) + u64::from(own == 1);
        better + (u64::from(self.lines.waiting(class)) + 1).min(own.saturating_mul(tenants))
    }

    /// How long a tenant's `own`th of a class may be foretold to wait, in nanoseconds.
    fn budget(&self, class: usize, own: u64, now: Instant) -> f64 {
        let calm = class == Priority::Critical.level() || !self.is_standing(now);
        let sparse = own == 1 || self.lines.tenants(class) > 1 && own <= SPARSE;
        let share = match (calm, sparse) {
            (true, _) => 1.0,
            (false, true) => SPARSE_SHARE,
            (false, false) => TARGET,
        };
        share * self.bridge()
    }

    /// Until when everybody of a class would be refused, even whose tenant has nobody here; where there are no tenants,
    /// the next.
    fn shut(&self, arrival: &Arrival) -> Option<Instant> {
        let Arrival { class, tenant, now, .. } = *arrival;
        let own = if tenant.is_some() { 1 } else { u64::from(self.lines.waiting(class)) + 1 };
        let wait = drain::wait(self.ahead(class, own), self.drain.left_for(class)?);
        let over = wait - self.budget(class, own, now);
        (over > 0.0).then(|| now.after(drain::duration(over.min(SHUT))))
    }

    /// The last moment at which a call can still begin that has to end by `deadline`.
    fn in_time(&self, deadline: Instant) -> Instant {
        if deadline == Instant::FAR {
            return deadline;
        }
        deadline.before(drain::duration(self.latency().unwrap_or(0.0)))
    }

    /// How long a call takes: by the limit, else by Little's law. That cannot tell a slow callee from one that has
    /// stopped, so it is not believed without end.
    fn latency(&self) -> Option<f64> {
        let little = || Some(drain::wait(u64::from(self.limit), self.drain.rate()?).min(LITTLE));
        self.latency.or_else(little)
    }

    /// How long a burst it bridges, in nanoseconds.
    fn bridge(&self) -> f64 {
        self.burst().max(SCALE * self.latency().unwrap_or(0.0))
    }

    fn burst(&self) -> f64 {
        nanos(self.settings.burst) as f64
    }

    /// How many may wait.
    fn places(&self) -> f64 {
        match self.settings.max_waiting {
            Some(places) => f64::from(places.get()),
            None => {
                let burst = 1.5 * self.drain.rate().unwrap_or(0.0) * self.bridge() / 1e9;
                // Bounded in any case: a room is not to hold a million because a callee is fast.
                PLACES.max(4.0 * f64::from(self.limit)).max(burst).min(f64::from(MOST))
            }
        }
    }
}

/// How many wait at most where nobody says how many.
const MOST: u32 = 65_536;

#[cfg(test)]
mod tests {
    use std::{cmp::Reverse, collections::BinaryHeap};

    use super::*;
    use crate::chance::Chance;

    const START: Instant = Instant::from_nanos(1 << 62);

    /// Eight servers of 10 ms, clients of three classes that come at random: a second of warming up, and three that
    /// are looked at. How many of each class came, were served in time, and were told on arrival that they would not be.
    struct Report {
        came: [u32; 3],
        served: [u32; 3],
        refused: [u32; 3],
        /// The longest wait of any who was served.
        longest: Duration,
    }

    fn overload(times: f64, tenants: impl Fn(u64) -> Option<u64>) -> Report {
        let (chance, mut room) = (Chance::seeded(7), Room::new(Settings::new()));
        let share = |draw: u64| draw as f64 / u64::MAX as f64;
        let exponential = |mean: f64| -mean * (1.0 - share(chance.draw()).min(0.999_999)).ln();
        let (mut now, mut free) = (START, 8);
        let mut ends = BinaryHeap::new();
        let mut next = now;
        let zero = [0; 3];
        let mut report = Report { came: zero, served: zero, refused: zero, longest: Duration::ZERO };
        while now < START.after(Duration::from_secs(4)) {
            let ended = ends.peek().is_some_and(|&Reverse(end)| end <= next);
            now = if ended { ends.pop().map_or(now, |Reverse(end)| end) } else { next };
            room.learn(8, None);
            room.drain.pass(now);
            let measured = now > START.after(Duration::from_secs(1));
            let work = |exponential: f64| now.after(drain::duration(exponential));
            if ended {
                room.drain.end(now);
                free += 1;
            } else {
                next = now.after(drain::duration(exponential(1e9 / 800.0 / times)));
                let class = match share(chance.draw()) {
                    share if share < 0.1 => 0,
                    share if share < 0.7 => 1,
                    _ => 2,
                };
                report.came[class] += u32::from(measured);
                let came = room.came[class].wrapping_add(1);
                room.came(class, came);
                let tenant = tenants(chance.draw());
                if free > 0 && room.waiting() == 0 {
                    free -= 1;
                    ends.push(Reverse(work(exponential(1e7))));
                    report.served[class] += u32::from(measured);
                } else {
                    match room.arrive(&Arrival { class, tenant, deadline: Instant::FAR, now }, class) {
                        Ok(Joined { displaced: Some(ticket), .. }) => drop(room.lines.remove(ticket)),
                        Ok(_) => {}
                        Err(_) => report.refused[class] += u32::from(measured),
                    }
                }
            }
            while free > 0 {
                match room.next(now) {
                    None => break,
                    Some(Next::Late(ticket)) => drop(room.lines.remove(ticket)),
                    Some(Next::Turn(ticket)) => {
                        room.lines.serve(ticket);
                        let waiter = room.lines.remove(ticket);
                        free -= 1;
                        ends.push(Reverse(work(exponential(1e7))));
                        report.longest = report.longest.max(now.since(waiter.since));
                        report.served[waiter.with] += u32::from(measured);
                    }
                }
            }
            room.look(now);
        }
        report
    }

    #[test]
    #[ignore = "prints"]
    fn explore() {
        for times in [0.5, 0.7, 0.9, 1.0, 1.2, 2.0, 5.0, 10.0, 20.0] {
            let r = overload(times, |_| None);
            let part = |a: u32, b: u32| f64::from(a) / f64::from(b.max(1)) * 100.0;
            let all: u32 = r.served.iter().sum();
            println!("{times:5}: goodput {:6.1} served {:5.1} {:5.1} {:5.1} refused {:5.1} {:5.1} {:5.1} longest {:?}",
                f64::from(all) / (2400.0 * times.min(1.0)) * 100.0,
                part(r.served[0], r.came[0]), part(r.served[1], r.came[1]), part(r.served[2], r.came[2]),
                part(r.refused[0], r.came[0]), part(r.refused[1], r.came[1]), part(r.refused[2], r.came[2]), r.longest);
        }
    }
}

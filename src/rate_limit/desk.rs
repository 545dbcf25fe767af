//! Where everything is decided that is not decided without a lock: several quotas, who waits, pauses, other settings.

use std::{array, time::Duration};

use super::{
    line::{Line, Ticket, Waiting},
    permit::Permit,
    quotas::Quotas,
    remaining::Remaining,
    settings::{MAX_QUOTAS, Settings},
};
use crate::{
    clock::Instant,
    rejection::{Reason, Rejection},
    sync::{Turn, Wakeup},
};

/// Timers tick in milliseconds, and tasks take a moment to be polled. Who takes their turn not later than that is charged as
/// if they had been on time. Otherwise a quota of a thousand a second, one at a time, would let wait two milliseconds each.
const LATE: Duration = Duration::from_millis(2);

/// Guarded by the rate limit's lock. What it puts into `wake` is woken once that is gone.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) settings: Settings,
    pub(super) line: Line,
    /// Counted up whenever the rules change.
    pub(super) version: u32,
    pub(super) observing: bool,
    pub(super) quotas: Quotas,
    /// What will be once all who wait have had their turn, if that is known.
    pub(super) plan: Quotas,
    pub(super) planned: bool,
    /// Nobody is let in before this.
    pub(super) paused_until: Instant,
}

/// What became of a request that asked at the desk.
#[derive(Debug)]
pub(super) enum Arrival {
    Admitted(Permit),
    Waiting(Place),
    Refused(Rejection),
    /// It would have been refused.
    Observed(Rejection),
}

/// A request's place in the line, for whom it is.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) ticket: Ticket,
    /// When to look again.
    pub(super) alarm: Instant,
}

impl Desk {
    pub(super) fn new(settings: Settings) -> Self {
        let quotas = Quotas::new(&settings, 0);
        Self {
            settings,
            line: Line::default(),
            version: 0,
            observing: false,
            quotas,
            plan: quotas,
            planned: false,
            paused_until: Instant::from_nanos(0),
        }
    }

    /// What was used without a lock, of the one quota that there is.
    pub(super) fn take_over(&mut self, arrival: u64) {
        self.quotas.set_single(arrival);
    }

    /// What is used, if nobody has to ask at the desk.
    pub(super) fn alone(&self, now: Instant) -> Option<u64> {
        let plain = self.line.is_empty() && !self.observing && self.paused_until <= now;
        self.quotas.single().filter(|_| plain).map(|gcra| gcra.arrival())
    }

    /// Puts the origins forward once in some years.
    pub(super) fn keep_young(&mut self, now: Instant) {
        if self.quotas.are_old(now) {
            self.quotas = self.quotas.renewed(now);
            self.version = self.version.wrapping_add(1);
            self.planned = false;
        }
    }

    /// Somebody who believed in other rules made `after` of `before`. If others have come since, it cannot be taken back,
    /// and no more is known than that nobody uses more than there is.
    pub(super) fn set_right(&mut self, before: u64, after: u64, now: Instant) {
        if self.quotas.single().is_some_and(|gcra| gcra.arrival() == after) {
            self.quotas.set_single(before);
        }
        self.quotas.forgive(now);
        self.planned = false;
    }

    /// A request that has to ask here.
    pub(super) fn arrive(&mut self, cells: u32, now: Instant, deadline: Instant, wake: &mut Vec<Wakeup>) -> Arrival {
        self.serve(now, wake);
        if self.line.is_empty() && self.paused_until <= now && self.quotas.take_if_there(cells, now) {
            return Arrival::Admitted(self.permit(cells));
        }
        let Some(due) = self.next_due(cells, now, wake) else {
            return self.refuse(Reason::TooExpensive, None, now);
        };
        let patience = now.after(self.settings.max_wait());
        let until = patience.min(deadline);
        if self.is_full(cells, now) || due > patience {
            return self.refuse(Reason::RateLimited, Some(due), now);
        }
        if due > until {
            return self.refuse(Reason::DeadlineUnreachable, Some(due), now);
        }
        if self.observing {
            // It would have waited. What will be is charged now: that is the same for whoever comes after.
            self.quotas.take(cells, due);
            return Arrival::Admitted(self.permit(cells));
        }
        let by_deadline = deadline < patience;
        let waiting = Waiting { cells, until, by_deadline, alarm: due, turn: Turn::default() };
        Arrival::Waiting(Place { ticket: self.join(waiting), alarm: due })
    }

    /// Lets in all whose turn has come.
    pub(super) fn serve(&mut self, now: Instant, wake: &mut Vec<Wakeup>) {
        while let Some((ticket, first)) = self.line.first() {
            let (cells, alarm) = (first.cells, first.alarm);
            let Some(due) = self.quotas.due(cells).map(|due| due.max(self.paused_until)) else {
                wake.push(self.line.end(ticket, Err(self.rejection(Reason::TooExpensive, None, now))));
                continue;
            };
            if due > now {
                if due < alarm {
                    wake.extend(self.tell(ticket, due));
                }
                return;
            }
            let at = due.max(now.before(LATE));
            // What was planned for the others was planned for an earlier moment.
            self.planned &= at == due;
            self.quotas.take(cells, at);
            wake.push(self.line.end(ticket, Ok(self.permit(cells))));
        }
    }

    /// Puts back what was taken for nothing.
    pub(super) fn put_back(&mut self, permit: Permit) {
        self.quotas.put_back(permit);
        self.planned = false;
    }

    /// Lets nobody in before `until`. Whether that is news.
    pub(super) fn pause(&mut self, until: Instant, now: Instant, wake: &mut Vec<Wakeup>) -> bool {
        let news = until > self.paused_until && until > now;
        if news {
            self.paused_until = until;
            self.plan_anew(now, false, wake);
        }
        news
    }

    /// Uses up what is left.
    pub(super) fn use_up(&mut self, now: Instant, wake: &mut Vec<Wakeup>) {
        self.quotas.use_up(now);
        self.plan_anew(now, false, wake);
    }

    /// Other settings. Who waits is told when their turn is by these, and refused at once if that is too late.
    pub(super) fn update(&mut self, settings: Settings, now: Instant, wake: &mut Vec<Wakeup>) {
        self.version = self.version.wrapping_add(1);
        self.settings = settings.with_name(self.settings.name());
        self.quotas = self.quotas.changed(&self.settings, self.version, now);
        self.paused_until = self.paused_until.min(now.after(self.settings.max_hint()));
        self.serve(now, wake);
        self.plan_anew(now, true, wake);
    }

    /// Only observes from now on: all who wait go on at once, charged as if they had waited.
    pub(super) fn observe(&mut self, now: Instant, wake: &mut Vec<Wakeup>) {
        self.observing = true;
        self.serve(now, wake);
        while let Some((ticket, first)) = self.line.first() {
            let cells = first.cells;
            let due = self.quotas.due(cells).map_or(now, |due| due.max(self.paused_until));
            self.quotas.take(cells, due);
            wake.push(self.line.end(ticket, Ok(self.permit(cells))));
        }
    }

    /// What a request could have at this moment: of the tightest quota, and of each.
    pub(super) fn remaining(
        &mut self,
        now: Instant,
        wake: &mut Vec<Wakeup>,
    ) -> (Remaining, [Option<Remaining>; MAX_QUOTAS]) {
        self.serve(now, wake);
        let quotas = if self.line.is_empty() { self.quotas } else { *self.planned(now, wake) };
        let open = self.line.is_empty() && self.paused_until <= now;
        let remaining = |gcra| Remaining::new(gcra, now, open, self.paused_until);
        let each = array::from_fn(|at| quotas.all().get(at).map(remaining));
        (each.iter().flatten().copied().fold(remaining(quotas.first()), Remaining::tighter), each)
    }

    /// Whether a new one would decide the same.
    pub(super) fn is_neutral(&self, now: Instant) -> bool {
        self.line.is_empty() && !self.observing && self.paused_until <= now && self.quotas.is_full(now)
    }

    /// Whether there is no place to wait. While it only observes nobody does: those who would are told by what they owe.
    fn is_full(&self, cells: u32, now: Instant) -> bool {
        let places = self.settings.places();
        if !self.observing {
            return self.line.len() >= places as usize;
        }
        let owed = self.quotas.all().iter().map(|gcra| gcra.owed(now)).max().unwrap_or(0);
        owed / u64::from(cells.max(1)) >= u64::from(places)
    }

    fn permit(&self, cells: u32) -> Permit {
        Permit::new(cells, self.version)
    }

    fn refuse(&self, reason: Reason, due: Option<Instant>, now: Instant) -> Arrival {
        let rejection = self.rejection(reason, due, now);
        if self.observing { Arrival::Observed(rejection) } else { Arrival::Refused(rejection) }
    }

    pub(super) fn rejection(&self, reason: Reason, due: Option<Instant>, now: Instant) -> Rejection {
        let rejection = Rejection::new(reason, self.settings.name());
        match due {
            Some(due) => rejection.with_retry_after(due.since(now)),
            None => rejection,
        }
    }
}

#[cfg(test)]
mod tests;

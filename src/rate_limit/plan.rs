//! Who has their turn when.
//!
//! Whoever waits is charged when their turn comes, and not before: so who leaves, or is refused, has cost nothing. Next to
//! what is used, the desk keeps a *plan* of what will be once all who wait have had their turn. A newcomer's turn is read
//! off the plan, exactly, and who could not wait for so long is refused at once.
//!
//! Everybody sets an alarm for their own turn, and whoever comes by, at their alarm or for something else, serves all whose
//! turn has come: so one who is not polled does not hold up the others. When somebody leaves, those behind move up; they
//! need not be told before they are first in line.

use super::{
    desk::Desk,
    line::{Ticket, Waiting},
    quotas::Quotas,
};
use crate::{clock::Instant, rejection::Reason, sync::Wakeup};

impl Desk {
    /// When whoever came now would have their turn, or `None` for never.
    pub(super) fn next_due(&mut self, cells: u32, now: Instant, wake: &mut Vec<Wakeup>) -> Option<Instant> {
        let paused_until = self.paused_until;
        let quotas = if self.line.is_empty() { &self.quotas } else { self.planned(now, wake) };
        quotas.due(cells).map(|due| due.max(paused_until))
    }

    /// Takes the place at the end of the line.
    pub(super) fn join(&mut self, waiting: Waiting) -> Ticket {
        if self.line.is_empty() {
            self.plan = self.quotas;
            self.planned = true;
        }
        self.plan.take(waiting.cells, waiting.alarm);
        self.line.join(waiting)
    }

    /// Whoever leaves. If their turn had come, what was taken for them is put back, whatever the settings; else those behind
    /// move up.
    pub(super) fn forget(&mut self, ticket: Ticket) -> Option<Waiting> {
        let gone = match self.line.leave(ticket) {
            Ok(Ok(permit)) => {
                self.put_back(permit);
                return None;
            }
            Ok(Err(_)) => return None,
            Err(gone) => gone?,
        };
        if self.quotas.single().is_some() {
            self.plan.unplan(gone.cells);
        } else {
            self.planned = false;
        }
        Some(gone)
    }

    /// When somebody should look again whose wait is not over, as it may be now: they are refused if their time is up.
    pub(super) fn alarm(&mut self, ticket: Ticket, now: Instant, wake: &mut Vec<Wakeup>) -> Option<Instant> {
        let alarm = |desk: &Self| desk.line.get(ticket).map(|waiting| waiting.alarm.min(waiting.until));
        if alarm(self)? <= now {
            self.plan_anew(now, false, wake);
        }
        alarm(self)
    }

    /// What will be once all who wait have had their turn.
    pub(super) fn planned(&mut self, now: Instant, wake: &mut Vec<Wakeup>) -> &Quotas {
        if !self.planned {
            self.plan_anew(now, false, wake);
        }
        &self.plan
    }

    /// Goes along the line, and notes when each will have their turn; who cannot wait for so long is refused. O(n), and
    /// only after something was not as planned. Whose turn is later knows when they look; of those whose turn is sooner the
    /// first is told, who has nobody ahead to be told by. With `tell`, all are told.
    pub(super) fn plan_anew(&mut self, now: Instant, tell: bool, wake: &mut Vec<Wakeup>) {
        self.plan = self.quotas;
        self.planned = true;
        let (mut next, mut first) = (self.line.first(), true);
        while let Some((ticket, waiting)) = next {
            let (cells, until, by_deadline, alarm) = (waiting.cells, waiting.until, waiting.by_deadline, waiting.alarm);
            match self.plan.due(cells).map(|due| due.max(self.paused_until)) {
                Some(due) if due <= until => {
                    self.plan.take(cells, due);
                    if tell && due != alarm || first && due < alarm {
                        wake.extend(self.tell(ticket, due));
                    } else if due > alarm {
                        self.note(ticket, due);
                    }
                    first = false;
                }
                due => {
                    let late = if by_deadline { Reason::DeadlineUnreachable } else { Reason::RateLimited };
                    let reason = if due.is_some() { late } else { Reason::TooExpensive };
                    let rejection = self.rejection(reason, due, now);
                    wake.push(self.line.end(ticket, Err(rejection)));
                }
            }
            next = self.line.after(ticket);
        }
    }

    /// Notes when somebody's turn is, and has them look.
    pub(super) fn tell(&mut self, ticket: Ticket, due: Instant) -> Option<Wakeup> {
        self.note(ticket, due);
        self.line.get_mut(ticket).map(|waiting| waiting.turn.nudge())
    }

    /// Notes when somebody's turn is, for when they look.
    fn note(&mut self, ticket: Ticket, due: Instant) {
        if let Some(waiting) = self.line.get_mut(ticket) {
            waiting.alarm = due;
        }
    }
}

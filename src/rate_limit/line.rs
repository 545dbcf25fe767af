//! Who waits for their turn, in the order of their arrival.

use std::collections::BTreeMap;

use super::permit::Permit;
use crate::{
    clock::Instant,
    rejection::Rejection,
    sync::{Turn, Wakeup},
};

/// How a wait ended.
pub(super) type Verdict = Result<Permit, Rejection>;

/// A place in the line, numbered by arrival. Whoever holds it ends it exactly once, by [`Line::leave`].
pub(super) type Ticket = u64;

/// Requests that wait. Plain data, for its owner to lock; what it returns is woken or dropped once the lock is gone.
///
/// Joining, leaving and ending a wait are O(log n).
#[derive(Debug, Default)]
pub(super) struct Line {
    waiting: BTreeMap<Ticket, Waiting>,
    /// Those whose wait is over, and who have not come for it yet.
    over: BTreeMap<Ticket, Verdict>,
    arrivals: Ticket,
}

/// A request that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) cells: u32,
    /// It waits no longer than this.
    pub(super) until: Instant,
    /// Whether that is its own deadline, and not the longest wait.
    pub(super) by_deadline: bool,
    /// When it was told to look again.
    pub(super) alarm: Instant,
    pub(super) turn: Turn<()>,
}

impl Line {
    pub(super) fn join(&mut self, waiting: Waiting) -> Ticket {
        let ticket = self.arrivals;
        self.arrivals += 1;
        self.waiting.insert(ticket, waiting);
        ticket
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whoever has waited longest.
    pub(super) fn first(&self) -> Option<(Ticket, &Waiting)> {
        self.waiting.first_key_value().map(|(ticket, waiting)| (*ticket, waiting))
    }

    /// Whoever came next after `ticket`.
    pub(super) fn after(&self, ticket: Ticket) -> Option<(Ticket, &Waiting)> {
        self.waiting.range(ticket.saturating_add(1)..).next().map(|(ticket, waiting)| (*ticket, waiting))
    }

    pub(super) fn get(&self, ticket: Ticket) -> Option<&Waiting> {
        self.waiting.get(&ticket)
    }

    pub(super) fn get_mut(&mut self, ticket: Ticket) -> Option<&mut Waiting> {
        self.waiting.get_mut(&ticket)
    }

    /// Ends a wait. Whoever waited is to be woken once the lock is gone.
    pub(super) fn end(&mut self, ticket: Ticket, verdict: Verdict) -> Wakeup {
        match self.waiting.remove(&ticket) {
            Some(mut waiting) => {
                self.over.insert(ticket, verdict);
                waiting.turn.grant(())
            }
            None => Wakeup::nobody(),
        }
    }

    /// Gives the place up. How the wait ended, if it has; else what waited, to be dropped once the lock is gone.
    pub(super) fn leave(&mut self, ticket: Ticket) -> Result<Verdict, Option<Waiting>> {
        self.over.remove(&ticket).ok_or_else(|| self.waiting.remove(&ticket))
    }

    /// Whether its wait is over.
    #[cfg(test)]
    pub(super) fn is_over(&self, ticket: Ticket) -> bool {
        self.over.contains_key(&ticket)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn one(line: &mut Line) -> Ticket {
        let until = Instant::FAR;
        line.join(Waiting {
            cells: 1,
            until,
            by_deadline: false,
            alarm: until.before(Duration::ZERO),
            turn: Turn::default(),
        })
    }

    #[test]
    fn whoever_leaves_from_the_middle_leaves_the_order_as_it_is() {
        let mut line = Line::default();
        let tickets: Vec<_> = (0..4).map(|_| one(&mut line)).collect();
        assert!(line.leave(tickets[1]).is_err());
        let second = line.first().and_then(|(first, _)| line.after(first)).map(|(ticket, _)| ticket);
        assert_eq!((line.first().map(|first| first.0), second, line.len()), (Some(tickets[0]), Some(tickets[2]), 3));
    }

    #[test]
    fn a_verdict_is_kept_for_whom_it_is_for() {
        let mut line = Line::default();
        let (first, second) = (one(&mut line), one(&mut line));
        let _ = line.end(first, Ok(Permit::FREE));
        assert!(line.is_over(first) && !line.is_over(second));
        assert_eq!(line.leave(first).ok(), Some(Ok(Permit::FREE)));
        assert!(matches!(line.leave(second), Err(Some(_))));
        assert!(matches!(line.leave(second), Err(None)), "once");
    }
}

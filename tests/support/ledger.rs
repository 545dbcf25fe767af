//! Every permit and every wait that a gate gave, and how each ended.

use std::{
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use plimsoll::{
    Gate, Outcome, Rejection,
    classify::Failure,
    clock::{Instant, Moment},
    gate::{Admission, Ending},
};

use super::{
    client::{End, Stage},
    finding::{Finding, Kind},
    kit::Ask,
    lock,
};

/// Where a watched gate stands, and so how much can be said about the endings that it sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Outermost, and the inner service is right behind its group.
    OnInner,
    /// Outermost, with something in between.
    Outermost,
    /// Somewhere: a layer further out may call twice, or turn one ending into another.
    Inside,
}

/// A gate, and a book of what it does.
pub(crate) struct Watched<G> {
    gate: G,
    ledger: Ledger,
    place: Place,
}

/// A permit or a wait, and its entry in the book.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entered<T>(T, usize);

#[derive(Clone, Default)]
pub(crate) struct Ledger(Arc<Mutex<Books>>);

#[derive(Default)]
struct Books {
    permits: Vec<Permit>,
    /// How often each wait ended.
    waits: Vec<(Ask, usize)>,
}

struct Permit {
    ask: Ask,
    place: Place,
    endings: Vec<Ending>,
}

impl Ledger {
    pub(crate) fn watch<G>(&self, gate: G, place: Place) -> Watched<G> {
        Watched { gate, ledger: self.clone(), place }
    }

    /// What is wrong with the permits of `ask`, whose call is this far and whose future is as dead as it gets.
    /// `reached` is whether the inner service has seen it.
    pub(crate) fn audit(&self, ask: Ask, stage: &Stage, reached: bool) -> Vec<Finding> {
        let books = lock(&self.0);
        let of = |permit: &&Permit| permit.ask.id == ask.id;
        let mut findings = Vec::new();
        for Permit { place, endings, .. } in books.permits.iter().filter(of) {
            match endings[..] {
                [] => findings.push((Kind::Unsettled, format!("{ask:?} {stage:?}, {place:?}"))),
                [ending] if is_right(*place, ending, stage, reached) => {}
                [ending] => findings.push((Kind::WrongEnding, format!("{ask:?} {stage:?}, {place:?}: {ending:?}"))),
                _ => findings.push((Kind::SettledTwice, format!("{ask:?} {stage:?}, {place:?}: {endings:?}"))),
            }
        }
        for (_, ends) in books.waits.iter().filter(|wait| wait.0.id == ask.id) {
            match ends {
                0 => findings.push((Kind::WaitNotEnded, format!("{ask:?} {stage:?}"))),
                1 => {}
                _ => findings.push((Kind::WaitEndedTwice, format!("{ask:?} {stage:?}"))),
            }
        }
        findings.into_iter().map(|(kind, at)| Finding { kind, at }).collect()
    }

    fn permit(&self, ask: Ask, place: Place) -> usize {
        let permits = &mut lock(&self.0).permits;
        permits.push(Permit { ask, place, endings: Vec::new() });
        permits.len() - 1
    }

    fn wait(&self, ask: Ask) -> usize {
        let waits = &mut lock(&self.0).waits;
        waits.push((ask, 0));
        waits.len() - 1
    }

    fn end_wait(&self, entry: usize) {
        lock(&self.0).waits[entry].1 += 1;
    }
}

/// Whether a gate at this place may see this ending.
fn is_right(place: Place, ending: Ending, stage: &Stage, reached: bool) -> bool {
    if place == Place::Inside {
        return true;
    }
    match stage {
        Stage::Ended(End::Answered) => ending == Ending::Finished(Outcome::Success),
        Stage::Ended(End::Failed) => ending == Ending::Finished(Outcome::Failure(Failure::Transient)),
        Stage::Ended(End::Panicked(_)) => ending == Ending::Panicked,
        Stage::Ended(End::Refused(rejection)) => match (place, ending) {
            (_, Ending::Undispatched) => !rejection.was_dispatched(),
            // What is further in refused it, or a gate of the group ended the call.
            (_, Ending::Finished(outcome)) if place == Place::Outermost || rejection.was_dispatched() => {
                outcome == Outcome::of_rejection(rejection)
            }
            _ => false,
        },
        Stage::Unready | Stage::Ready | Stage::Called | Stage::Pending => match ending {
            Ending::Cancelled => reached || place == Place::Outermost,
            Ending::Undispatched => !reached,
            // Whoever asked in `call` found out that the inner service fails to become ready; the caller was not told.
            Ending::Finished(Outcome::Failure(Failure::Transient)) => !reached && *stage == Stage::Called,
            _ => false,
        },
    }
}

impl<G: Gate<Ask>> Gate<Ask> for Watched<G> {
    type Permit = Entered<G::Permit>;
    type Wait = Entered<G::Wait>;

    const GOES_ALONG: bool = G::GOES_ALONG;

    fn admit(&self, ask: &Ask, now: &Moment) -> Admission<Self::Permit, Self::Wait> {
        match self.gate.admit(ask, now) {
            Admission::Admitted(permit) => Admission::Admitted(Entered(permit, self.ledger.permit(*ask, self.place))),
            Admission::Waiting(wait) => Admission::Waiting(Entered(wait, self.ledger.wait(*ask))),
            Admission::Refused(rejection) => Admission::Refused(rejection),
        }
    }

    fn poll_wait(
        &self,
        wait: &mut Self::Wait,
        ask: &Ask,
        now: &Moment,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Permit, Rejection>> {
        let polled = self.gate.poll_wait(&mut wait.0, ask, now, cx);
        if polled.is_ready() {
            self.ledger.end_wait(wait.1);
        }
        polled.map_ok(|permit| Entered(permit, self.ledger.permit(*ask, self.place)))
    }

    fn wait_until(&self, wait: &Self::Wait) -> Instant {
        self.gate.wait_until(&wait.0)
    }

    fn abandon(&self, wait: Self::Wait) {
        self.ledger.end_wait(wait.1);
        self.gate.abandon(wait.0);
    }

    fn dispatch<T>(&self, permit: Self::Permit, ask: Ask, call: impl FnOnce(Ask) -> T) -> T {
        self.gate.dispatch(permit.0, ask, call)
    }

    fn around<T>(&self, permit: Self::Permit, step: impl FnOnce() -> T) -> T {
        self.gate.around(permit.0, step)
    }

    fn bound(&self, permit: Self::Permit) -> Option<Rejection> {
        self.gate.bound(permit.0)
    }

    fn settle(&self, permit: Self::Permit, ending: Ending, now: &Moment) {
        lock(&self.ledger.0).permits[permit.1].endings.push(ending);
        self.gate.settle(permit.0, ending, now);
    }
}

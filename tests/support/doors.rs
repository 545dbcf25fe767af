//! Gates of a user's making.

use std::task::{Context, Poll};

use plimsoll::{
    Gate, Reason, Rejection,
    clock::{Instant, Moment},
    gate::{Admission, Ending, Never},
};

use super::kit::{Ask, WAIT};

/// Nobody passes.
pub(crate) struct Shut;

impl Gate<Ask> for Shut {
    type Permit = ();
    type Wait = Never;

    fn admit(&self, _: &Ask, _: &Moment) -> Admission<(), Never> {
        Admission::Refused(Rejection::new(Reason::Custom, "shut"))
    }

    fn settle(&self, (): (), _: Ending, _: &Moment) {}
}

/// Everybody passes, after one turn round the task.
pub(crate) struct Turnstile;

impl Gate<Ask> for Turnstile {
    type Permit = ();
    type Wait = bool;

    fn admit(&self, _: &Ask, _: &Moment) -> Admission<(), bool> {
        Admission::Waiting(false)
    }

    fn poll_wait(&self, turned: &mut bool, _: &Ask, _: &Moment, cx: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
        if std::mem::replace(turned, true) {
            return Poll::Ready(Ok(()));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn settle(&self, (): (), _: Ending, _: &Moment) {}
}

/// Everybody passes, once their time has come; nobody is woken but by the plumbing's timer.
pub(crate) struct Hourglass;

impl Gate<Ask> for Hourglass {
    type Permit = ();
    type Wait = Instant;

    fn admit(&self, _: &Ask, now: &Moment) -> Admission<(), Instant> {
        Admission::Waiting(now.now().after(WAIT))
    }

    fn poll_wait(
        &self,
        until: &mut Instant,
        _: &Ask,
        now: &Moment,
        _: &mut Context<'_>,
    ) -> Poll<Result<(), Rejection>> {
        if now.now() < *until { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn wait_until(&self, until: &Instant) -> Instant {
        *until
    }

    fn settle(&self, (): (), _: Ending, _: &Moment) {}
}

//! Gates made of other things: nothing, a pointer to one, perhaps one.

use std::{
    convert::identity,
    sync::Arc,
    task::{Context, Poll},
};

use super::{Admission, Ending, Gate, Never};
use crate::{
    clock::{Instant, Moment},
    event::Events,
    rejection::Rejection,
};

/// No gate: everything passes, and nothing is asked.
impl<Req> Gate<Req> for () {
    type Permit = ();
    type Wait = Never;

    const GOES_ALONG: bool = false;

    #[inline]
    fn admit(&self, _: &Req, _: &Moment) -> Admission<(), Never> {
        Admission::Admitted(())
    }

    #[inline]
    fn settle(&self, (): (), _: Ending, _: &Moment) {}

    fn is_neutral(&self, _: &Moment) -> bool {
        true
    }
}

/// A shared gate: however often it is cloned, all meet the same one.
impl<Req, G: Gate<Req>> Gate<Req> for Arc<G> {
    type Permit = G::Permit;
    type Wait = G::Wait;

    const GOES_ALONG: bool = G::GOES_ALONG;

    #[inline]
    fn admit(&self, req: &Req, now: &Moment) -> Admission<G::Permit, G::Wait> {
        (**self).admit(req, now)
    }

    fn poll_wait(
        &self,
        wait: &mut G::Wait,
        req: &Req,
        now: &Moment,
        cx: &mut Context<'_>,
    ) -> Poll<Result<G::Permit, Rejection>> {
        (**self).poll_wait(wait, req, now, cx)
    }

    fn wait_until(&self, wait: &G::Wait) -> Instant {
        (**self).wait_until(wait)
    }

    fn abandon(&self, wait: G::Wait) {
        (**self).abandon(wait);
    }

    #[inline]
    fn refused(&self, req: Req, rejection: &Rejection) -> Option<Req> {
        (**self).refused(req, rejection)
    }

    #[inline(always)]
    fn dispatch<T>(&self, permit: G::Permit, req: Req, call: impl FnOnce(Req) -> T) -> T {
        (**self).dispatch(permit, req, call)
    }

    #[inline(always)]
    fn around<T>(&self, permit: G::Permit, step: impl FnOnce() -> T) -> T {
        (**self).around(permit, step)
    }

    #[inline]
    fn bound(&self, permit: G::Permit) -> Option<Rejection> {
        (**self).bound(permit)
    }

    #[inline]
    fn settle(&self, permit: G::Permit, ending: Ending, now: &Moment) {
        (**self).settle(permit, ending, now);
    }

    fn is_neutral(&self, now: &Moment) -> bool {
        (**self).is_neutral(now)
    }

    fn events(&self) -> Option<&Events> {
        (**self).events()
    }
}

/// A gate that may be left out: `None` lets everything pass.
impl<Req, G: Gate<Req>> Gate<Req> for Option<G> {
    type Permit = Option<G::Permit>;
    type Wait = G::Wait;

    const GOES_ALONG: bool = G::GOES_ALONG;

    #[inline]
    fn admit(&self, req: &Req, now: &Moment) -> Admission<Option<G::Permit>, G::Wait> {
        let Some(gate) = self else { return Admission::Admitted(None) };
        gate.admit(req, now).map(Some, identity)
    }

    fn poll_wait(
        &self,
        wait: &mut G::Wait,
        req: &Req,
        now: &Moment,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<G::Permit>, Rejection>> {
        match self {
            Some(gate) => gate.poll_wait(wait, req, now, cx).map_ok(Some),
            None => Poll::Ready(Ok(None)),
        }
    }

    fn wait_until(&self, wait: &G::Wait) -> Instant {
        self.as_ref().map_or(Instant::FAR, |gate| gate.wait_until(wait))
    }

    fn abandon(&self, wait: G::Wait) {
        if let Some(gate) = self {
            gate.abandon(wait);
        }
    }

    #[inline]
    fn refused(&self, req: Req, rejection: &Rejection) -> Option<Req> {
        match self {
            Some(gate) => gate.refused(req, rejection),
            None => Some(req),
        }
    }

    #[inline(always)]
    fn dispatch<T>(&self, permit: Option<G::Permit>, req: Req, call: impl FnOnce(Req) -> T) -> T {
        match (self, permit) {
            (Some(gate), Some(permit)) => gate.dispatch(permit, req, call),
            _ => call(req),
        }
    }

    #[inline(always)]
    fn around<T>(&self, permit: Option<G::Permit>, step: impl FnOnce() -> T) -> T {
        match (self, permit) {
            (Some(gate), Some(permit)) => gate.around(permit, step),
            _ => step(),
        }
    }

    #[inline]
    fn bound(&self, permit: Option<G::Permit>) -> Option<Rejection> {
        self.as_ref()?.bound(permit?)
    }

    #[inline]
    fn settle(&self, permit: Option<G::Permit>, ending: Ending, now: &Moment) {
        if let (Some(gate), Some(permit)) = (self, permit) {
            gate.settle(permit, ending, now);
        }
    }

    fn is_neutral(&self, now: &Moment) -> bool {
        self.as_ref().is_none_or(|gate| gate.is_neutral(now))
    }

    fn events(&self) -> Option<&Events> {
        self.as_ref()?.events()
    }
}

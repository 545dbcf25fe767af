use std::{
    convert::identity,
    fmt,
    task::{Context, Poll},
};

use super::{Admission, Ending, Gate};
use crate::{
    clock::{Instant, Moment},
    event::Events,
    rejection::Rejection,
    request::ExemptOf,
};

/// A gate that some requests bypass: exempt requests are not refused, do not wait and are not counted. The question is
/// asked once, however many gates there are inside.
///
/// ```
/// use plimsoll::{Stack, bulkhead::{self, Bulkhead}, gate::Unless};
///
/// # fn main() -> Result<(), plimsoll::InvalidSetting> {
/// struct Request { path: &'static str }
///
/// let bulkhead = Bulkhead::new(bulkhead::Settings::try_new(64)?);
/// let stack = Stack::new().gate(Unless::new(|r: &Request| r.path == "/health", bulkhead));
/// # let _ = stack;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy)]
#[must_use]
pub struct Unless<X, G> {
    exempt: X,
    gate: G,
}

impl<X, G> Unless<X, G> {
    /// `gate`, for all requests but those of which `exempt` says `true`.
    pub const fn new(exempt: X, gate: G) -> Self {
        Self { exempt, gate }
    }
}

/// Whatever the question is: closures are not `Debug`.
impl<X, G: fmt::Debug> fmt::Debug for Unless<X, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Unless").field(&self.gate).finish()
    }
}

impl<Req, X: ExemptOf<Req>, G: Gate<Req>> Gate<Req> for Unless<X, G> {
    /// `None` is a request's that passed by.
    type Permit = Option<G::Permit>;
    type Wait = G::Wait;

    const GOES_ALONG: bool = G::GOES_ALONG;

    #[inline(always)]
    fn admit(&self, req: &Req, now: &Moment) -> Admission<Self::Permit, G::Wait> {
        if self.exempt.exempt(req) {
            return Admission::Admitted(None);
        }
        self.gate.admit(req, now).map(Some, identity)
    }

    fn poll_wait(
        &self,
        wait: &mut G::Wait,
        req: &Req,
        now: &Moment,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Permit, Rejection>> {
        self.gate.poll_wait(wait, req, now, cx).map_ok(Some)
    }

    fn wait_until(&self, wait: &G::Wait) -> Instant {
        self.gate.wait_until(wait)
    }

    fn abandon(&self, wait: G::Wait) {
        self.gate.abandon(wait);
    }

    #[inline]
    fn refused(&self, req: Req, rejection: &Rejection) -> Option<Req> {
        self.gate.refused(req, rejection)
    }

    #[inline(always)]
    fn dispatch<T>(&self, permit: Self::Permit, req: Req, call: impl FnOnce(Req) -> T) -> T {
        match permit {
            Some(permit) => self.gate.dispatch(permit, req, call),
            None => call(req),
        }
    }

    #[inline(always)]
    fn around<T>(&self, permit: Self::Permit, step: impl FnOnce() -> T) -> T {
        match permit {
            Some(permit) => self.gate.around(permit, step),
            None => step(),
        }
    }

    #[inline]
    fn bound(&self, permit: Self::Permit) -> Option<Rejection> {
        self.gate.bound(permit?)
    }

    #[inline(always)]
    fn settle(&self, permit: Self::Permit, ending: Ending, now: &Moment) {
        if let Some(permit) = permit {
            self.gate.settle(permit, ending, now);
        }
    }

    fn is_neutral(&self, now: &Moment) -> bool {
        self.gate.is_neutral(now)
    }

    fn events(&self) -> Option<&Events> {
        self.gate.events()
    }
}

use std::{
    mem,
    task::{Context, Poll, ready},
};

use super::{Admission, Ending, Gate};
use crate::{
    clock::{Instant, Moment},
    rejection::Rejection,
};

/// Two gates as one: the first is asked before the second, and settled after it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seq<A, B>(pub(crate) A, pub(crate) B);

/// Where a request waits in a [`Seq`].
#[derive(Debug)]
pub struct SeqWait<AW, AP, BW>(At<AW, AP, BW>);

#[derive(Debug)]
enum At<AW, AP, BW> {
    /// At the first gate.
    First(AW),
    /// At the second, holding the first one's permit.
    Second(AP, BW),
    /// Nowhere any more.
    Spent,
}

/// A permit that must be settled on every way out: refusal, panic of a gate further in, or a plain return.
struct Owed<'a, A: Gate<Req>, Req> {
    gate: &'a A,
    permit: A::Permit,
    ending: Ending,
    now: &'a Moment,
}

impl<A: Gate<Req>, Req> Owed<'_, A, Req> {
    /// The permit, which somebody else settles now.
    #[inline(always)]
    fn keep(self) -> A::Permit {
        let permit = self.permit;
        mem::forget(self);
        permit
    }
}

impl<A: Gate<Req>, Req> Drop for Owed<'_, A, Req> {
    #[inline(always)]
    fn drop(&mut self) {
        self.gate.settle(self.permit, self.ending, self.now);
    }
}

impl<A: Gate<Req>, B: Gate<Req>, Req> Gate<Req> for Seq<A, B> {
    type Permit = (A::Permit, B::Permit);
    type Wait = SeqWait<A::Wait, A::Permit, B::Wait>;

    const GOES_ALONG: bool = A::GOES_ALONG || B::GOES_ALONG;

    #[inline(always)]
    fn admit(&self, req: &Req, now: &Moment) -> Admission<Self::Permit, Self::Wait> {
        match self.0.admit(req, now) {
            Admission::Admitted(permit) => self.admit_second(permit, req, now),
            Admission::Waiting(wait) => Admission::Waiting(SeqWait(At::First(wait))),
            Admission::Refused(rejection) => Admission::Refused(rejection),
        }
    }

    fn poll_wait(
        &self,
        wait: &mut Self::Wait,
        req: &Req,
        now: &Moment,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Permit, Rejection>> {
        // ## First => (First | Second | Spent)
        if let At::First(first) = &mut wait.0 {
            let answer = ready!(self.0.poll_wait(first, req, now, cx));
            wait.0 = At::Spent;
            match self.admit_second(answer?, req, now) {
                Admission::Admitted(permits) => return Poll::Ready(Ok(permits)),
                Admission::Waiting(second) => *wait = second,
                Admission::Refused(rejection) => return Poll::Ready(Err(rejection)),
            }
        }
        // ## Second => (Second | Spent)
        let At::Second(_, second) = &mut wait.0 else { return Poll::Pending };
        let answer = ready!(self.1.poll_wait(second, req, now, cx));
        let At::Second(first, _) = mem::replace(&mut wait.0, At::Spent) else { return Poll::Pending };
        let first = Owed { gate: &self.0, permit: first, ending: Ending::Undispatched, now };
        Poll::Ready(answer.map(|second| (first.keep(), second)))
    }

    fn wait_until(&self, wait: &Self::Wait) -> Instant {
        match &wait.0 {
            At::First(first) => self.0.wait_until(first),
            At::Second(_, second) => self.1.wait_until(second),
            At::Spent => Instant::FAR,
        }
    }

    fn abandon(&self, wait: Self::Wait) {
        match wait.0 {
            At::First(first) => self.0.abandon(first),
            At::Second(first, second) => {
                let now = Moment::new();
                let _owed = Owed { gate: &self.0, permit: first, ending: Ending::Undispatched, now: &now };
                self.1.abandon(second);
            }
            At::Spent => {}
        }
    }

    #[inline(always)]
    fn refused(&self, req: Req, rejection: &Rejection) -> Option<Req> {
        self.0.refused(req, rejection).and_then(|req| self.1.refused(req, rejection))
    }

    /// The second within the first: it is further in.
    // Both are asked, whether they go along or not: a branch for each would be compiled for each, and twice as many of them
    // with every gate more.
    #[inline(always)]
    fn dispatch<T>(&self, (first, second): Self::Permit, req: Req, call: impl FnOnce(Req) -> T) -> T {
        self.0.dispatch(first, req, |req| self.1.dispatch(second, req, call))
    }

    #[inline(always)]
    fn around<T>(&self, (first, second): Self::Permit, step: impl FnOnce() -> T) -> T {
        self.0.around(first, || self.1.around(second, step))
    }

    #[inline(always)]
    fn bound(&self, (first, second): Self::Permit) -> Option<Rejection> {
        self.1.bound(second).or_else(|| self.0.bound(first))
    }

    #[inline(always)]
    fn settle(&self, (first, second): Self::Permit, ending: Ending, now: &Moment) {
        let _owed = Owed { gate: &self.0, permit: first, ending, now };
        self.1.settle(second, ending, now);
    }

    fn is_neutral(&self, now: &Moment) -> bool {
        self.0.is_neutral(now) && self.1.is_neutral(now)
    }
}

impl<A, B> Seq<A, B> {
    #[inline(always)]
    #[allow(clippy::type_complexity, reason = "this is `Admission<Self::Permit, Self::Wait>`, spelt out")]
    fn admit_second<Req>(
        &self,
        first: A::Permit,
        req: &Req,
        now: &Moment,
    ) -> Admission<(A::Permit, B::Permit), SeqWait<A::Wait, A::Permit, B::Wait>>
    where
        A: Gate<Req>,
        B: Gate<Req>,
    {
        let first = Owed { gate: &self.0, permit: first, ending: Ending::Undispatched, now };
        match self.1.admit(req, now) {
            Admission::Admitted(second) => Admission::Admitted((first.keep(), second)),
            Admission::Waiting(second) => Admission::Waiting(SeqWait(At::Second(first.keep(), second))),
            Admission::Refused(rejection) => Admission::Refused(rejection),
        }
    }
}

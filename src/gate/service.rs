use std::{
    mem,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use tower_service::Service;

use super::{
    Admission, Ending, Gate,
    future::ResponseFuture,
    guard::{Held, Queued, watch},
};
use crate::{
    classify::{Classify, Outcome, Standard},
    clock::Moment,
    event::{Event, Events},
    rejection::Rejection,
};

/// Gates that act as one, their judge, and where their refusals are announced.
///
/// On cache lines of its own, away from the reference count in front of it: that is written by every call, and these
/// are only read.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Group<G, C> {
    pub(super) gate: G,
    pub(super) judge: C,
    pub(super) events: Events,
}

impl<G, C> Group<G, C> {
    /// Announces a refusal, offers the request to the gates, and turns the refusal into the caller's error.
    #[inline(always)]
    pub(super) fn refuse<Req, E: From<Rejection>>(&self, req: Req, rejection: Rejection) -> E
    where
        G: Gate<Req>,
    {
        drop(self.gate.refused(req, &rejection));
        self.announce::<Req>(rejection);
        E::from(rejection)
    }

    /// Announces a refusal.
    #[inline(always)]
    pub(super) fn announce<Req>(&self, rejection: Rejection)
    where
        G: Gate<Req>,
    {
        self.events.emit_or(|| self.gate.events(), || Event::Refused(rejection));
    }
}

/// A service behind a gate. A clone costs one reference count and the inner clone, and meets the same gate.
///
/// It is always ready, so it may be called without being polled for readiness. The inner service has to be `Clone`, and
/// its clones must be ready independently of one another; one that is not goes into a `tower::buffer::Buffer`.
#[derive(Debug)]
pub struct Gated<S, G, C = Standard> {
    inner: S,
    group: Arc<Group<G, C>>,
}

impl<S, G, C> Gated<S, G, C> {
    pub(super) fn new(inner: S, group: Arc<Group<G, C>>) -> Self {
        Self { inner, group }
    }
}

impl<S: Clone, G, C> Clone for Gated<S, G, C> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), group: Arc::clone(&self.group) }
    }
}

impl<S, G, C, Req> Service<Req> for Gated<S, G, C>
where
    S: Service<Req> + Clone,
    S::Error: From<Rejection>,
    G: Gate<Req>,
    C: Classify<S::Response, S::Error>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, Req, G, C>;

    /// Always ready. A request's key, cost and deadline are not known here, so nothing can be decided; and a refusal
    /// from here would make hyper drop the connection without an answer, and make job workers stop.
    #[inline(always)]
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    #[inline(always)]
    fn call(&mut self, req: Req) -> Self::Future {
        let now = Moment::new();
        match self.group.gate.admit(&req, &now) {
            Admission::Admitted(permit) => self.dispatch(req, Held::new(Arc::clone(&self.group), permit)),
            Admission::Refused(rejection) => ResponseFuture::ended(self.group.refuse(req, rejection)),
            Admission::Waiting(wait) => {
                let queued = Queued::new(Arc::clone(&self.group), wait);
                ResponseFuture::waiting(queued, self.take_inner(), req)
            }
        }
    }
}

impl<S, G, C> Gated<S, G, C> {
    /// Calls the inner service now if it is ready at once, else in the future.
    #[inline(always)]
    fn dispatch<Req>(&mut self, req: Req, mut held: Held<G, C, Req>) -> ResponseFuture<S, Req, G, C>
    where
        S: Service<Req> + Clone,
        S::Error: From<Rejection>,
        G: Gate<Req>,
        C: Classify<S::Response, S::Error>,
    {
        // Whoever is not ready here is polled again by the future, which brings the true waker.
        let mut cx = Context::from_waker(Waker::noop());
        let inner = &mut self.inner;
        match watch(&mut held, |_| inner.poll_ready(&mut cx)) {
            Poll::Ready(Ok(())) => {
                let future = held.dispatch(req, |req| inner.call(req));
                ResponseFuture::running(future, held)
            }
            Poll::Ready(Err(error)) => {
                // Whoever failed is not used again: it may hold a reservation further in, and would keep it while idle.
                drop(self.take_inner());
                held.finish(Err(&error));
                ResponseFuture::ended(error)
            }
            Poll::Pending => ResponseFuture::readying(held, self.take_inner(), req),
        }
    }

    /// The very instance that was polled, leaving a clone behind: readiness belongs to an instance.
    #[cold]
    fn take_inner(&mut self) -> S
    where
        S: Clone,
    {
        let clone = self.inner.clone();
        mem::replace(&mut self.inner, clone)
    }
}

impl<G, C, Req> Held<G, C, Req>
where
    G: Gate<Req>,
{
    /// The call is over: has the judge look at its result, and settles.
    #[inline(always)]
    pub(super) fn finish<Res, E>(&mut self, result: Result<&Res, &E>)
    where
        C: Classify<Res, E>,
    {
        let outcome = self.judge(result);
        self.settle(Ending::Finished(outcome));
    }

    /// What the judge makes of a result.
    #[inline(always)]
    pub(crate) fn judge<Res, E>(&mut self, result: Result<&Res, &E>) -> Outcome
    where
        C: Classify<Res, E>,
    {
        watch(self, |group| group.judge.classify(result))
    }
}

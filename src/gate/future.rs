use std::{
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tokio::time::Sleep;
use tower_service::Service;

use super::{
    Gate,
    guard::{Held, Queued, watch},
};
use crate::{
    classify::Classify,
    clock::{self, Instant},
    rejection::Rejection,
};

pin_project! {
    /// The future of a [`Gated`](super::Gated) service.
    ///
    /// **Cancel safety**: dropping it at any point gives back what it holds, and tells the gates.
    ///
    /// # Panics
    /// When it is polled again after it was ready, or after it panicked.
    pub struct ResponseFuture<S, Req, G, C>
    where
        S: Service<Req>,
        G: Gate<Req>,
    {
        #[pin]
        phase: Phase<S, Req, G, C>,
    }
}

pin_project! {
    // Few, so that telling them apart is short: nearly all calls run when they are first polled, or have ended.
    #[project = PhaseProject]
    #[project_replace = PhaseReplace]
    enum Phase<S, Req, G, C>
    where
        S: Service<Req>,
        G: Gate<Req>,
    {
        /// On the way to the inner service.
        Outside { way: Way<S, Req, G, C> },
        /// In the inner service.
        Running { #[pin] future: S::Future, held: Held<G, C, Req> },
        /// Over before it began, or answered: then there is no error any more.
        Ended { error: Option<S::Error> },
    }
}

/// How far a request has come that is not in the inner service yet.
enum Way<S, Req, G: Gate<Req>, C> {
    /// At a gate, for its turn.
    Waiting { queued: Queued<G, C, Req>, inner: S, req: Req, timer: Timer },
    /// Admitted; the inner service is not ready yet.
    // In this order, as they are dropped in it: what the service has reserved is free before its permit is.
    Readying { inner: S, req: Req, held: Held<G, C, Req> },
    /// Arrived, or lost on the way.
    Left,
}

impl<S, Req, G, C> ResponseFuture<S, Req, G, C>
where
    S: Service<Req>,
    G: Gate<Req>,
{
    #[inline(always)]
    pub(super) fn waiting(queued: Queued<G, C, Req>, inner: S, req: Req) -> Self {
        Self { phase: Phase::Outside { way: Way::Waiting { queued, inner, req, timer: Timer::default() } } }
    }

    #[inline(always)]
    pub(super) fn readying(held: Held<G, C, Req>, inner: S, req: Req) -> Self {
        Self { phase: Phase::Outside { way: Way::Readying { held, inner, req } } }
    }

    #[inline(always)]
    pub(super) fn running(future: S::Future, held: Held<G, C, Req>) -> Self {
        Self { phase: Phase::Running { future, held } }
    }

    #[inline(always)]
    pub(super) fn ended(error: S::Error) -> Self {
        Self { phase: Phase::Ended { error: Some(error) } }
    }
}

impl<S, Req, G, C> Future for ResponseFuture<S, Req, G, C>
where
    S: Service<Req>,
    S::Error: From<Rejection>,
    G: Gate<Req>,
    C: Classify<S::Response, S::Error>,
{
    type Output = Result<S::Response, S::Error>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut phase = self.project().phase;
        let (future, held) = match ready!(arrive(&mut phase, cx)) {
            Ok(running) => running,
            Err(error) => return Poll::Ready(Err(error)),
        };
        let Poll::Ready(result) = held.step(|| future.poll(cx)) else {
            return match held.bound() {
                Some(rejection) => Poll::Ready(Err(cut(phase, rejection))),
                None => Poll::Pending,
            };
        };
        held.finish(result.as_ref());
        // Drops the inner future too: what it holds is free now, not when the caller lets go of us.
        phase.set(Phase::Ended { error: None });
        Poll::Ready(result)
    }
}

/// Ends a call that has not ended by itself. It has all that it works with, so it goes before its permit is another's.
#[cold]
fn cut<S, Req, G, C>(phase: Pin<&mut Phase<S, Req, G, C>>, rejection: Rejection) -> S::Error
where
    S: Service<Req>,
    S::Error: From<Rejection>,
    G: Gate<Req>,
    C: Classify<S::Response, S::Error>,
{
    let error = S::Error::from(rejection);
    if let PhaseReplace::Running { mut held, .. } = phase.project_replace(Phase::Ended { error: None }) {
        held.finish(Err(&error));
    }
    error
}

#[cfg(feature = "http")]
impl<S, Req, G, C> ResponseFuture<S, Req, G, C>
where
    S: Service<Req>,
    S::Error: From<Rejection>,
    G: Gate<Req>,
{
    /// As `poll`, but hands over the permit of a request that the inner service answered, for whom the call is not over
    /// with that.
    #[inline]
    #[allow(clippy::type_complexity, reason = "said once")]
    pub(crate) fn poll_held(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<(Result<S::Response, S::Error>, Option<Held<G, C, Req>>)>
    where
        C: Classify<S::Response, S::Error>,
    {
        let mut phase = self.project().phase;
        let (future, held) = match ready!(arrive(&mut phase, cx)) {
            Ok(running) => running,
            Err(error) => return Poll::Ready((Err(error), None)),
        };
        let result = match held.step(|| future.poll(cx)) {
            Poll::Ready(result) => result,
            Poll::Pending => match held.bound() {
                Some(rejection) => Err(rejection.into()),
                None => return Poll::Pending,
            },
        };
        Poll::Ready(match phase.project_replace(Phase::Ended { error: None }) {
            PhaseReplace::Running { held, .. } => (result, Some(held)),
            _ => (result, None),
        })
    }
}

/// Gets to the inner service: ready with the call that runs there, or with the error of who does not get so far.
#[inline(always)]
#[allow(clippy::type_complexity, reason = "said once")]
fn arrive<'a, S, Req, G, C>(
    phase: &'a mut Pin<&mut Phase<S, Req, G, C>>,
    cx: &mut Context<'_>,
) -> Poll<Result<(Pin<&'a mut S::Future>, &'a mut Held<G, C, Req>), S::Error>>
where
    S: Service<Req>,
    S::Error: From<Rejection>,
    G: Gate<Req>,
    C: Classify<S::Response, S::Error>,
{
    // ## Outside => (Outside | Running | Ended)
    if let PhaseProject::Outside { way } = phase.as_mut().project() {
        match ready!(way.poll(cx)) {
            Ok((future, held)) => phase.set(Phase::Running { future, held }),
            Err(error) => {
                phase.set(Phase::Ended { error: None });
                return Poll::Ready(Err(error));
            }
        }
    }
    // ## Running => Running, Ended => Ended
    match phase.as_mut().project() {
        PhaseProject::Running { future, held } => Poll::Ready(Ok((future, held))),
        PhaseProject::Ended { error } => match error.take() {
            Some(error) => Poll::Ready(Err(error)),
            None => panic!("polled after it was ready"),
        },
        // Who was runs by now.
        PhaseProject::Outside { .. } => Poll::Pending,
    }
}

impl<S, Req, G, C> Way<S, Req, G, C>
where
    S: Service<Req>,
    S::Error: From<Rejection>,
    G: Gate<Req>,
    C: Classify<S::Response, S::Error>,
{
    /// Ready with the running call and its permit, or with the error of who does not get so far.
    // Out of the way of those who are let in at once.
    #[inline(never)]
    #[allow(clippy::type_complexity, reason = "said once")]
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(S::Future, Held<G, C, Req>), S::Error>> {
        loop {
            match self {
                // ## Waiting => (Waiting | Readying | Left)
                Self::Waiting { queued, req, timer, .. } => {
                    let answer = ready!(poll_wait(queued, req, timer, cx));
                    let Self::Waiting { queued, inner, req, .. } = mem::replace(self, Self::Left) else { continue };
                    match answer {
                        Ok(permit) => {
                            let held = Held::new(Arc::clone(&queued.group), permit);
                            *self = Self::Readying { held, inner, req };
                        }
                        Err(rejection) => return Poll::Ready(Err(queued.group.refuse(req, rejection))),
                    }
                }
                // ## Readying => (Readying | Left)
                Self::Readying { held, inner, .. } => {
                    // The permit went back when the inner service panicked; without one, nobody is dispatched.
                    assert!(!held.is_settled(), "polled after it panicked");
                    let ready = ready!(watch(held, |_| inner.poll_ready(cx)));
                    let Self::Readying { mut held, mut inner, req } = mem::replace(self, Self::Left) else { continue };
                    return Poll::Ready(match ready {
                        Ok(()) => Ok((held.dispatch(req, |req| inner.call(req)), held)),
                        Err(error) => {
                            drop(inner);
                            held.finish(Err(&error));
                            Err(error)
                        }
                    });
                }
                Self::Left => panic!("polled after it panicked"),
            }
        }
    }
}

/// Asks the gate whether the wait is over, now and when the wait's own time is up.
#[cold]
fn poll_wait<G: Gate<Req>, C, Req>(
    queued: &mut Queued<G, C, Req>,
    req: &Req,
    timer: &mut Timer,
    cx: &mut Context<'_>,
) -> Poll<Result<G::Permit, Rejection>> {
    loop {
        if let Poll::Ready(answer) = queued.poll(req, cx) {
            return Poll::Ready(answer);
        }
        ready!(timer.poll(queued.until(), cx));
    }
}

/// The alarm of a wait. It is made when a wait first needs one, on the heap, so that who does not wait does not pay.
#[derive(Default)]
struct Timer {
    due: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timer {
    /// Ready once for each `due`.
    fn poll(&mut self, due: Instant, cx: &mut Context<'_>) -> Poll<()> {
        if self.due != Some(due) {
            self.due = Some(due);
            self.sleep = clock::sleep_until(due).map(Box::pin);
        }
        let Some(sleep) = &mut self.sleep else { return Poll::Pending };
        ready!(sleep.as_mut().poll(cx));
        self.sleep = None;
        Poll::Ready(())
    }
}

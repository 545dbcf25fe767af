use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tower_service::Service;

use super::{
    assign::Assign,
    flight::{Flight, watch},
    search::Boarded,
    seeker::Seeker,
    spare::{Spare, may_go_on},
    waiting::Waiting,
};
use crate::{
    classify::Classify,
    error::Refusal,
    request::{Carry, Replay},
};

/// What a call has of its router until it ends. Most often of no size.
pub(super) struct Hooks<C, K, R> {
    pub(super) judge: C,
    pub(super) carry: K,
    pub(super) replay: R,
}

pin_project! {
    /// The future of a [`ShuffleShard`](super::ShuffleShard).
    ///
    /// **Cancel safety**: dropping it at any point drops the member's future, and the call no longer counts as under
    /// way there.
    ///
    /// # Panics
    /// When it is polled again after it was ready, or after it panicked.
    pub struct ResponseFuture<S, Req, A, C, K, R>
    where
        S: Service<Req>,
    {
        #[pin]
        phase: Phase<S, Req, A>,
        hooks: Hooks<C, K, R>,
    }
}

pin_project! {
    #[project = PhaseProject]
    #[project_replace = PhaseReplace]
    enum Phase<S, Req, A>
    where
        S: Service<Req>,
    {
        /// No member of the hand is ready yet. On the heap: who does not wait does not pay for the room.
        Waiting { waiting: Box<Waiting<S, A, S::Error>>, req: Req },
        /// With a member; and what is needed to send the request to another, and whether that was done already.
        Running { #[pin] future: S::Future, flight: Flight<S>, spare: Option<Spare<S, Req, A>>, resent: bool },
        /// Over before it began.
        Ended { result: Result<S::Response, S::Error> },
        /// Answered.
        Answered,
    }
}

impl<S, Req, A> Phase<S, Req, A>
where
    S: Service<Req>,
    A: Assign,
{
    /// Sends the request to a member that is ready for it. Whether there may be another, and who finds it, for the copy.
    #[inline]
    fn send(
        boarded: Boarded<S>,
        req: Req,
        replay: &impl Replay<Req>,
        has_more: bool,
        resent: bool,
        seeker: impl FnOnce() -> Seeker<S, A>,
    ) -> Self {
        let Boarded { mut service, mut flight } = boarded;
        let spare = Spare::keep(&req, flight.member().id, replay, has_more, seeker);
        flight.dispatched();
        let future = watch(&mut flight, |_| service.call(req));
        Self::Running { future, flight, spare, resent }
    }
}

impl<S, Req, A, C, K, R> ResponseFuture<S, Req, A, C, K, R>
where
    S: Service<Req>,
    A: Assign,
{
    pub(super) fn waiting(waiting: Waiting<S, A, S::Error>, req: Req, hooks: Hooks<C, K, R>) -> Self {
        Self { phase: Phase::Waiting { waiting: Box::new(waiting), req }, hooks }
    }

    #[inline]
    pub(super) fn running(
        boarded: Boarded<S>,
        req: Req,
        hooks: Hooks<C, K, R>,
        has_more: bool,
        seeker: impl FnOnce() -> Seeker<S, A>,
    ) -> Self
    where
        R: Replay<Req>,
    {
        Self { phase: Phase::send(boarded, req, &hooks.replay, has_more, false, seeker), hooks }
    }

    pub(super) fn ended(error: S::Error, hooks: Hooks<C, K, R>) -> Self {
        Self { phase: Phase::Ended { result: Err(error) }, hooks }
    }
}

impl<S, Req, A, C, K, R> Future for ResponseFuture<S, Req, A, C, K, R>
where
    S: Service<Req> + Clone,
    S::Error: Refusal,
    A: Assign,
    C: Classify<S::Response, S::Error>,
    K: Carry<Req>,
    R: Replay<Req>,
{
    type Output = Result<S::Response, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let me = self.project();
        let (mut phase, Hooks { judge, carry, replay }) = (me.phase, &*me.hooks);
        loop {
            match phase.as_mut().project() {
                // ## Running => (Running | Waiting | Answered)
                PhaseProject::Running { future, flight, spare, resent } => {
                    let result = ready!(watch(flight, |_| future.poll(cx)));
                    flight.finish(result.as_ref(), judge, spare.is_some() || *resent);
                    let spare = spare.take();
                    // Drops the member's future too: what it holds is free now, not when the caller lets go of us.
                    phase.set(Phase::Answered);
                    let (error, spare) = match (result, spare) {
                        (Err(error), Some(spare)) if may_go_on(&error) => (error, spare),
                        (result, _) => return Poll::Ready(result),
                    };
                    match spare.send(error, replay, carry) {
                        Ok((waiting, req)) => phase.set(Phase::Waiting { waiting: Box::new(waiting), req }),
                        Err(error) => return Poll::Ready(Err(error)),
                    }
                }
                // ## Waiting => (Waiting | Running | Answered)
                PhaseProject::Waiting { waiting, .. } => {
                    let found = ready!(waiting.poll::<Req, C>(judge, cx));
                    let PhaseReplace::Waiting { waiting, req } = phase.as_mut().project_replace(Phase::Answered) else {
                        continue;
                    };
                    let seeker = waiting.into_seeker();
                    let boarded = match found {
                        Ok(boarded) => boarded,
                        Err(error) => return Poll::Ready(Err(error)),
                    };
                    let (has_more, resent) = (seeker.has_more(), seeker.was_refused());
                    if resent {
                        seeker.watch.count_resent();
                    }
                    phase.set(Phase::send(boarded, req, replay, has_more, resent, || seeker));
                }
                // ## Ended => Answered
                PhaseProject::Ended { .. } => {
                    let PhaseReplace::Ended { result } = phase.as_mut().project_replace(Phase::Answered) else {
                        continue;
                    };
                    return Poll::Ready(result);
                }
                PhaseProject::Answered => panic!("polled after it was ready"),
            }
        }
    }
}

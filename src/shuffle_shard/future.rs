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
    waiting::Waiting,
};
use crate::{classify::Classify, error::Refusal};

pin_project! {
    /// The future of a [`ShuffleShard`](super::ShuffleShard).
    ///
    /// **Cancel safety**: dropping it at any point drops the member's future, and the member is no longer counted as
    /// having this call.
    ///
    /// # Panics
    /// When it is polled again after it was ready, or after it panicked.
    pub struct ResponseFuture<S, Req, A, C>
    where
        S: Service<Req>,
    {
        #[pin]
        phase: Phase<S, Req, A>,
        judge: C,
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
        Waiting { waiting: Box<Waiting<S, A>>, req: Req },
        /// With a member.
        Running { #[pin] future: S::Future, flight: Flight<S> },
        /// Over before it began.
        Ended { result: Result<S::Response, S::Error> },
        /// Answered.
        Answered,
    }
}

impl<S, Req, A, C> ResponseFuture<S, Req, A, C>
where
    S: Service<Req>,
{
    pub(super) fn waiting(waiting: Waiting<S, A>, req: Req, judge: C) -> Self {
        Self { phase: Phase::Waiting { waiting: Box::new(waiting), req }, judge }
    }

    #[inline]
    pub(super) fn running(future: S::Future, flight: Flight<S>, judge: C) -> Self {
        Self { phase: Phase::Running { future, flight }, judge }
    }

    pub(super) fn ended(error: S::Error, judge: C) -> Self {
        Self { phase: Phase::Ended { result: Err(error) }, judge }
    }
}

impl<S, Req, A, C> Future for ResponseFuture<S, Req, A, C>
where
    S: Service<Req> + Clone,
    S::Error: Refusal,
    A: Assign,
    C: Classify<S::Response, S::Error>,
{
    type Output = Result<S::Response, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let me = self.project();
        let (mut phase, judge) = (me.phase, me.judge);
        loop {
            match phase.as_mut().project() {
                // ## Running => (Running | Answered)
                PhaseProject::Running { future, flight } => {
                    let result = ready!(watch(flight, |_| future.poll(cx)));
                    flight.finish(result.as_ref(), judge);
                    // Drops the member's future too: what it holds is free now, not when the caller lets go of us.
                    phase.set(Phase::Answered);
                    return Poll::Ready(result);
                }
                // ## Waiting => (Waiting | Running | Answered)
                PhaseProject::Waiting { waiting, .. } => {
                    let found = ready!(waiting.poll::<Req, C>(judge, cx));
                    let PhaseReplace::Waiting { waiting, req } = phase.as_mut().project_replace(Phase::Answered) else {
                        continue;
                    };
                    drop(waiting);
                    let Boarded { mut service, mut flight } = match found {
                        Ok(boarded) => boarded,
                        Err(error) => return Poll::Ready(Err(error)),
                    };
                    flight.dispatched();
                    let future = watch(&mut flight, |_| service.call(req));
                    phase.set(Phase::Running { future, flight });
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

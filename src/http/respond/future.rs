use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use ::http::Response;
use pin_project_lite::pin_project;

use super::{
    Answer,
    service::{Plan, Speaks},
};
use crate::error::Error;

pin_project! {
    /// The future of a [`Responding`](super::Responding).
    ///
    /// **Cancel safety**: it holds nothing but the inner future.
    ///
    /// # Panics
    /// When it is polled again after it was ready, or where the [`Answer`] panics; the inner future is gone by then.
    pub struct ResponseFuture<F, A, B> {
        #[pin]
        phase: Phase<F, A, B>,
    }
}

pin_project! {
    #[project = PhaseProject]
    #[project_replace = PhaseReplace]
    enum Phase<F, A, B> {
        /// In the inner service.
        Running { #[pin] inner: F, plan: Arc<Plan<A>>, speaks: Speaks },
        /// Refused while it was made ready.
        Refused { response: Response<B> },
        /// Answered.
        Answered,
    }
}

impl<F, A, B> ResponseFuture<F, A, B> {
    #[inline]
    pub(super) fn running(inner: F, plan: Arc<Plan<A>>, speaks: Speaks) -> Self {
        Self { phase: Phase::Running { inner, plan, speaks } }
    }

    pub(super) fn refused(response: Response<B>) -> Self {
        Self { phase: Phase::Refused { response } }
    }
}

impl<F, A, B, Out, E> Future for ResponseFuture<F, A, Out>
where
    F: Future<Output = Result<Response<B>, Error<E>>>,
    A: Answer<B, Body = Out>,
{
    type Output = Result<Response<Out>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut phase = self.project().phase;
        let result = match phase.as_mut().project() {
            PhaseProject::Running { inner, .. } => Some(ready!(inner.poll(cx))),
            PhaseProject::Refused { .. } => None,
            PhaseProject::Answered => panic!("polled after it was ready"),
        };
        // Drops the inner future before the answer is made, which may panic.
        Poll::Ready(match (phase.project_replace(Phase::Answered), result) {
            (PhaseReplace::Running { plan, .. }, Some(Ok(response))) => Ok(plan.answer.pass(response)),
            (PhaseReplace::Running { plan, speaks, .. }, Some(Err(Error::Rejected(rejection)))) => {
                Ok(plan.answer(&rejection, speaks))
            }
            (_, Some(Err(Error::Inner(error)))) => Err(error),
            (PhaseReplace::Refused { response }, _) => Ok(response),
            _ => return Poll::Pending,
        })
    }
}

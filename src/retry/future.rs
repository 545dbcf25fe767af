use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tower_service::Service;

use super::{
    Replay,
    state::Plan,
    tries::{Pause, Tries},
};
use crate::{
    classify::{Classify, Outcome},
    dead_letter::DeadLetters,
    event::Stop,
    request::Carry,
};

pin_project! {
    /// The future of a [`Retry`](super::Retry) service.
    ///
    /// **Cancel safety**: dropping it at any point leaves nothing behind. What the budget gave for an attempt that
    /// was not sent yet goes back.
    ///
    /// # Panics
    /// When it is polled again after it was ready.
    pub struct ResponseFuture<S, Req, R, C, K, D>
    where
        S: Service<Req>,
    {
        #[pin]
        phase: Phase<S::Future, S::Response, S::Error>,
        tries: Tries<S, Req>,
        plan: Arc<Plan<R, C, K, D>>,
    }
}

pin_project! {
    #[project = PhaseProject]
    #[project_replace = PhaseReplace]
    enum Phase<F, Res, E> {
        /// In the inner service.
        Attempting { #[pin] future: F },
        /// Between two attempts: first for the delay, then for the inner service's readiness.
        Between { pause: Pause, last: Result<Res, E> },
        /// Answered.
        Answered,
    }
}

impl<S, Req, R, C, K, D> ResponseFuture<S, Req, R, C, K, D>
where
    S: Service<Req>,
{
    #[inline]
    pub(super) fn new(future: S::Future, tries: Tries<S, Req>, plan: Arc<Plan<R, C, K, D>>) -> Self {
        Self { phase: Phase::Attempting { future }, tries, plan }
    }
}

impl<S, Req, R, C, K, D> Future for ResponseFuture<S, Req, R, C, K, D>
where
    S: Service<Req>,
    R: Replay<Req>,
    C: Classify<S::Response, S::Error>,
    K: Carry<Req>,
    D: DeadLetters<Req>,
{
    type Output = Result<S::Response, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let me = self.project();
        let (mut phase, tries, plan) = (me.phase, me.tries, &**me.plan);
        loop {
            match phase.as_mut().project() {
                // ## Attempting => (Between | Answered)
                PhaseProject::Attempting { future } => {
                    let scope = tries.scope();
                    let result = ready!(future.poll(cx));
                    drop(scope);
                    // Drops the attempt too: what it holds is free now, not when the delay is over.
                    phase.set(Phase::Answered);
                    let failure = match plan.judge.classify(result.as_ref()) {
                        Outcome::Success => {
                            tries.succeeded(plan);
                            return Poll::Ready(result);
                        }
                        Outcome::Ignored => {
                            tries.ignored(plan);
                            return Poll::Ready(result);
                        }
                        Outcome::Failure(failure) => failure,
                    };
                    match tries.failed(plan, failure) {
                        Ok(pause) => phase.set(Phase::Between { pause, last: result }),
                        Err(stop) => {
                            tries.stop(plan, stop);
                            return Poll::Ready(result);
                        }
                    }
                }
                // ## Between => (Attempting | Answered)
                PhaseProject::Between { pause, .. } => {
                    ready!(pause.poll(cx));
                    let ready = ready!(tries.poll_ready(cx));
                    let PhaseReplace::Between { pause, last } = phase.as_mut().project_replace(Phase::Answered) else {
                        continue;
                    };
                    let again = if ready { tries.again(plan, pause) } else { Err(Stop::NotReady) };
                    match again {
                        Ok(future) => phase.set(Phase::Attempting { future }),
                        Err(stop) => {
                            tries.stop(plan, stop);
                            return Poll::Ready(last);
                        }
                    }
                }
                PhaseProject::Answered => panic!("polled after it was ready"),
            }
        }
    }
}

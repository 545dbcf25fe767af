use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tokio::time::Sleep;

use super::limit::Limit;
use crate::{
    clock,
    event::{Event, Events},
    rejection::Rejection,
    request::Within,
};

pin_project! {
    /// The future of a [`Timeout`](super::Timeout).
    ///
    /// **Cancel safety**: it holds nothing but the inner future. When the time is up the inner future is dropped at
    /// once, before the answer is given.
    ///
    /// # Panics
    /// When it is polled again after it was ready.
    #[derive(Debug)]
    pub struct ResponseFuture<F, Res, E> {
        #[pin]
        phase: Phase<F, Res, E>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = PhaseProject]
    #[project_replace = PhaseReplace]
    enum Phase<F, Res, E> {
        /// In the inner service. The timer is set when that is pending, and lives here: no allocation.
        Running { #[pin] future: F, #[pin] sleep: Option<Sleep>, limit: Limit, name: &'static str, events: Option<Events> },
        /// Over before it began.
        Refused { error: Result<Res, E> },
        /// Answered.
        Answered,
    }
}

impl<F, Res, E> ResponseFuture<F, Res, E> {
    #[inline]
    pub(super) fn running(future: F, limit: Limit, name: &'static str, events: Option<Events>) -> Self {
        Self { phase: Phase::Running { future, sleep: None, limit, name, events } }
    }

    pub(super) fn refused(error: E) -> Self {
        Self { phase: Phase::Refused { error: Err(error) } }
    }
}

impl<F, Res, E> Future for ResponseFuture<F, Res, E>
where
    F: Future<Output = Result<Res, E>>,
    E: From<Rejection>,
{
    type Output = Result<Res, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut phase = self.project().phase;
        match phase.as_mut().project() {
            // ## Running => (Running | Answered)
            PhaseProject::Running { future, sleep, limit, name, events } => {
                let scope = Within::enter(limit.unstarted(), limit.due());
                let polled = future.poll(cx);
                drop(scope);
                let result = match polled {
                    Poll::Ready(result) => result,
                    Poll::Pending => {
                        ready!(poll_timer(limit, sleep, cx));
                        let rejection = limit.refuse(name);
                        if let Some(events) = events {
                            events.emit(|| Event::Refused(rejection));
                        }
                        Err(rejection.into())
                    }
                };
                phase.set(Phase::Answered);
                Poll::Ready(result)
            }
            // ## Refused => Answered
            PhaseProject::Refused { .. } => match phase.project_replace(Phase::Answered) {
                PhaseReplace::Refused { error } => Poll::Ready(error),
                _ => Poll::Pending,
            },
            PhaseProject::Answered => panic!("polled after it was ready"),
        }
    }
}

/// Ready when the time is up. Out of the hot function: setting a timer is for calls that take their time anyway.
#[cold]
fn poll_timer(limit: &mut Limit, mut sleep: Pin<&mut Option<Sleep>>, cx: &mut Context<'_>) -> Poll<()> {
    if sleep.is_none() {
        let now = clock::now();
        let due = limit.start(now);
        if limit.is_over(now) {
            return Poll::Ready(());
        }
        sleep.set(clock::sleep_until(due));
    }
    match sleep.as_pin_mut() {
        Some(sleep) => sleep.poll(cx),
        None => Poll::Pending,
    }
}

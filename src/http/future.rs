use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use ::http::Response;
use pin_project_lite::pin_project;

use super::respond::Answer;
use crate::error::Error;

pin_project! {
    /// The future of a [`Responding`](super::Responding).
    #[derive(Debug)]
    pub struct ResponseFuture<F, A, B> {
        #[pin]
        phase: Phase<F, A, B>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = PhaseProject]
    enum Phase<F, A, B> {
        /// In the inner service.
        Running { #[pin] inner: F, answer: A },
        /// Refused while it was made ready.
        Answered { response: Option<Response<B>> },
    }
}

impl<F, A, B> ResponseFuture<F, A, B> {
    pub(super) fn new(inner: F, answer: A) -> Self {
        Self { phase: Phase::Running { inner, answer } }
    }

    pub(super) fn answered(response: Response<B>) -> Self {
        Self { phase: Phase::Answered { response: Some(response) } }
    }
}

impl<F, A, B, E> Future for ResponseFuture<F, A, B>
where
    F: Future<Output = Result<Response<B>, Error<E>>>,
    A: Answer<B>,
{
    type Output = Result<Response<B>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().phase.project() {
            PhaseProject::Running { inner, answer } => Poll::Ready(match ready!(inner.poll(cx)) {
                Ok(response) => Ok(response),
                Err(Error::Inner(error)) => Err(error),
                Err(Error::Rejected(rejection)) => Ok(answer.answer(&rejection)),
            }),
            PhaseProject::Answered { response } => Poll::Ready(Ok(response.take().expect("polled after it was ready"))),
        }
    }
}

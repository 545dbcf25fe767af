use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use ::http::Response;
use pin_project_lite::pin_project;

use super::{Settings, TimedBody};

pin_project! {
    /// The future of a [`Timing`](super::Timing) service whose responses are timed.
    ///
    /// **Cancel safety**: it holds nothing but the inner future.
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        settings: Settings,
    }
}

impl<F> ResponseFuture<F> {
    pub(super) fn new(inner: F, settings: Settings) -> Self {
        Self { inner, settings }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<TimedBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let me = self.project();
        me.inner.poll(cx).map_ok(|response| response.map(|body| TimedBody::new(body, me.settings)))
    }
}

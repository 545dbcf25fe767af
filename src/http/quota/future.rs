use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use ::http::Response;
use pin_project_lite::pin_project;

use super::TellQuota;

pin_project! {
    /// The future of an [`Announcing`](super::Announcing) service.
    ///
    /// **Cancel safety**: it holds nothing but the inner future.
    #[derive(Debug)]
    pub struct ResponseFuture<F, Later> {
        #[pin]
        inner: F,
        later: Option<Later>,
    }
}

impl<F, Later> ResponseFuture<F, Later> {
    pub(super) fn new(inner: F, later: Later) -> Self {
        Self { inner, later: Some(later) }
    }
}

impl<F, Later, B, E> Future for ResponseFuture<F, Later>
where
    F: Future<Output = Result<Response<B>, E>>,
    Later: TellQuota,
{
    type Output = Result<Response<B>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let me = self.project();
        let mut result = ready!(me.inner.poll(cx));
        if let (Ok(response), Some(later)) = (&mut result, me.later.take()) {
            for quota in later.tell() {
                quota.write(response.headers_mut());
            }
        }
        Poll::Ready(result)
    }
}

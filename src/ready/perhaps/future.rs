use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

pin_project! {
    /// The future of a [`Maybe`](super::Maybe).
    ///
    /// **Cancel safety**: that of the future inside, which is all that this holds.
    #[derive(Debug)]
    pub struct ResponseFuture<A, B> {
        #[pin]
        which: Which<A, B>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = WhichProject]
    enum Which<A, B> {
        There { #[pin] future: A },
        Left { #[pin] future: B },
    }
}

impl<A, B> ResponseFuture<A, B> {
    #[inline]
    pub(super) fn there(future: A) -> Self {
        Self { which: Which::There { future } }
    }

    #[inline]
    pub(super) fn left(future: B) -> Self {
        Self { which: Which::Left { future } }
    }
}

impl<A, B> Future for ResponseFuture<A, B>
where
    A: Future,
    B: Future<Output = A::Output>,
{
    type Output = A::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<A::Output> {
        match self.project().which.project() {
            WhichProject::There { future } => future.poll(cx),
            WhichProject::Left { future } => future.poll(cx),
        }
    }
}

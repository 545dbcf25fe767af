use std::task::{Context, Poll};

use ::http::Request;
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::Replay;

/// Lets the bodies of requests be sent again; goes around a retry. See the [module](super).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct ReplayBodies {
    cap: usize,
}

impl ReplayBodies {
    /// Keeps up to 64 KiB of each body: forms and most API calls fit, and a thousand at once take 64 MiB. Linkerd chose
    /// the same.
    pub const fn new() -> Self {
        Self { cap: 64 << 10 }
    }

    /// Keeps up to `cap` bytes of each body, trailers included. With zero only requests without a body are sent again.
    pub const fn with_cap(mut self, cap: usize) -> Self {
        self.cap = cap;
        self
    }

    /// How many bytes of a body are kept.
    pub const fn cap(&self) -> usize {
        self.cap
    }
}

impl Default for ReplayBodies {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for ReplayBodies {
    type Service = ReplayingBodies<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ReplayingBodies { inner, cap: self.cap }
    }
}

/// A service whose requests' bodies can be sent again. Made by [`ReplayBodies`].
#[derive(Clone, Debug)]
pub struct ReplayingBodies<S> {
    inner: S,
    cap: usize,
}

impl<S, B> Service<Request<B>> for ReplayingBodies<S>
where
    S: Service<Request<Replay<B>>>,
    B: Body,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, req: Request<B>) -> S::Future {
        self.inner.call(req.map(|body| Replay::new(body, self.cap)))
    }
}

use std::{
    marker::PhantomData,
    task::{Context, Poll},
};

use ::http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::{ResponseFuture, Settings, TimedBody};

/// Times the bodies of requests or responses. See the [module](super).
#[derive(Clone, Debug)]
#[must_use]
pub struct BodyTimeout<Which> {
    settings: Settings,
    which: PhantomData<Which>,
}

/// The bodies of requests.
#[derive(Clone, Copy, Debug)]
pub struct Requests;

/// The bodies of responses.
#[derive(Clone, Copy, Debug)]
pub struct Responses;

impl BodyTimeout<Requests> {
    /// Times the bodies of requests: the inner service gets `Request<TimedBody<B>>`. A [`Duration`](std::time::Duration) for
    /// one frame will do.
    pub fn requests(settings: impl Into<Settings>) -> Self {
        Self { settings: settings.into(), which: PhantomData }
    }
}

impl BodyTimeout<Responses> {
    /// Times the bodies of responses: callers get `Response<TimedBody<B>>`. A [`Duration`](std::time::Duration) for one frame
    /// will do.
    pub fn responses(settings: impl Into<Settings>) -> Self {
        Self { settings: settings.into(), which: PhantomData }
    }
}

impl<S, Which> Layer<S> for BodyTimeout<Which> {
    type Service = Timing<S, Which>;

    fn layer(&self, inner: S) -> Self::Service {
        Timing { inner, settings: self.settings, which: PhantomData }
    }
}

/// A service whose requests' or responses' bodies are timed. Made by [`BodyTimeout`].
#[derive(Clone, Debug)]
pub struct Timing<S, Which> {
    inner: S,
    settings: Settings,
    which: PhantomData<Which>,
}

impl<S, B> Service<Request<B>> for Timing<S, Requests>
where
    S: Service<Request<TimedBody<B>>>,
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
        self.inner.call(req.map(|body| TimedBody::new(body, &self.settings)))
    }
}

impl<S, Req, B> Service<Req> for Timing<S, Responses>
where
    S: Service<Req, Response = Response<B>>,
{
    type Response = Response<TimedBody<B>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, req: Req) -> Self::Future {
        ResponseFuture::new(self.inner.call(req), self.settings)
    }
}

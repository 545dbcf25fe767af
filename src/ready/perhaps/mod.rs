//! A layer that may be left out while the type stays the same.

mod future;

use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

pub use self::future::ResponseFuture;

/// A layer, or none: a [ready-made stack](super) has the same type with an optional layer and without. It costs a
/// branch.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Perhaps<M>(Option<M>);

impl<M> Perhaps<M> {
    /// `layer`, if there is one.
    pub const fn new(layer: Option<M>) -> Self {
        Self(layer)
    }

    /// The layer, if there is one.
    pub const fn get(&self) -> Option<&M> {
        self.0.as_ref()
    }
}

impl<M: Layer<S>, S> Layer<S> for Perhaps<M> {
    type Service = Maybe<M::Service, S>;

    fn layer(&self, inner: S) -> Self::Service {
        Maybe(match &self.0 {
            Some(layer) => Which::There(layer.layer(inner)),
            None => Which::Left(inner),
        })
    }
}

/// A service with a layer around it, or bare. Made by [`Perhaps`].
#[derive(Clone, Debug)]
pub struct Maybe<A, B>(Which<A, B>);

#[derive(Clone, Debug)]
enum Which<A, B> {
    There(A),
    Left(B),
}

impl<A, B, Req> Service<Req> for Maybe<A, B>
where
    A: Service<Req>,
    B: Service<Req, Response = A::Response, Error = A::Error>,
{
    type Response = A::Response;
    type Error = A::Error;
    type Future = ResponseFuture<A::Future, B::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), A::Error>> {
        match &mut self.0 {
            Which::There(service) => service.poll_ready(cx),
            Which::Left(service) => service.poll_ready(cx),
        }
    }

    #[inline]
    fn call(&mut self, req: Req) -> Self::Future {
        match &mut self.0 {
            Which::There(service) => ResponseFuture::there(service.call(req)),
            Which::Left(service) => ResponseFuture::left(service.call(req)),
        }
    }
}

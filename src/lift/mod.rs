//! The bottom of a stack: the inner service's error becomes [`Error::Inner`], once.

mod future;

use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

pub use self::future::ResponseFuture;
use crate::error::Error;

/// A service whose error, [`Error`], can also say that the stack refused.
#[derive(Clone, Copy, Debug)]
pub struct Lift<S>(S);

/// The layer that makes a [`Lift`]: the innermost of [`Stack::service`](crate::Stack::service).
#[derive(Clone, Copy, Debug, Default)]
pub struct LiftLayer;

impl<S> Layer<S> for LiftLayer {
    type Service = Lift<S>;

    fn layer(&self, inner: S) -> Lift<S> {
        Lift(inner)
    }
}

impl<S: Service<Req>, Req> Service<Req> for Lift<S> {
    type Response = S::Response;
    type Error = Error<S::Error>;
    type Future = ResponseFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx).map_err(Error::Inner)
    }

    #[inline]
    fn call(&mut self, req: Req) -> Self::Future {
        ResponseFuture::new(self.0.call(req))
    }
}

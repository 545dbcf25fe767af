use std::task::{Context, Poll};

use ::http::{Method, Request, Response, StatusCode};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::{HeldBody, ResponseFuture};
use crate::{
    classify::{Classify, Standard},
    gate::{Gate, GateLayer, Gated},
    rejection::Rejection,
};

/// Puts a gate in front of services, which holds its permits until the bodies of the responses end: for use alone in a
/// `tower::ServiceBuilder`. In a stack see [`Stack::until_body_ends`](crate::Stack::until_body_ends).
#[derive(Debug)]
#[must_use]
pub struct UntilBodyEnds<G, C = Standard> {
    gates: GateLayer<G, C>,
}

impl<G, C> UntilBodyEnds<G, C> {
    /// Does what this layer does, but holds on until bodies end.
    pub const fn new(gates: GateLayer<G, C>) -> Self {
        Self { gates }
    }
}

impl<G, C> Clone for UntilBodyEnds<G, C> {
    fn clone(&self) -> Self {
        Self { gates: self.gates.clone() }
    }
}

impl<G, C, S> Layer<S> for UntilBodyEnds<G, C> {
    type Service = Holding<S, G, C>;

    fn layer(&self, inner: S) -> Self::Service {
        Holding { gated: self.gates.layer(inner) }
    }
}

/// A service behind a gate that holds its permits until bodies end. As [`Gated`] it is always ready.
#[derive(Debug)]
pub struct Holding<S, G, C = Standard> {
    gated: Gated<S, G, C>,
}

impl<S: Clone, G, C> Clone for Holding<S, G, C> {
    fn clone(&self) -> Self {
        Self { gated: self.gated.clone() }
    }
}

impl<S, G, C, Q, B> Service<Request<Q>> for Holding<S, G, C>
where
    S: Service<Request<Q>, Response = Response<B>> + Clone,
    S::Error: From<Rejection>,
    G: Gate<Request<Q>>,
    C: Classify<Response<B>, S::Error>,
    B: Body,
{
    type Response = Response<HeldBody<B, G, C, Request<Q>>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, Q, G, C>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.gated.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, req: Request<Q>) -> Self::Future {
        let bodiless: fn(StatusCode) -> bool = match *req.method() {
            Method::HEAD => |_| true,
            // A tunnel; who does not get one is told why.
            Method::CONNECT => |status| status.is_success(),
            _ => |_| false,
        };
        ResponseFuture::new(self.gated.call(req), bodiless)
    }
}

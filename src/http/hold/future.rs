use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use ::http::{Request, Response, StatusCode};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::HeldBody;
use crate::{
    classify::Classify,
    gate::{self, Ending, Gate},
    rejection::Rejection,
};

pin_project! {
    /// The future of a [`Holding`](super::Holding) service.
    ///
    /// **Cancel safety**: dropping it at any point gives back what it holds, and tells the gates.
    ///
    /// # Panics
    /// When it is polled again after it was ready, or after it panicked.
    pub struct ResponseFuture<S, Q, G, C>
    where
        S: Service<Request<Q>>,
        G: Gate<Request<Q>>,
    {
        #[pin]
        gated: gate::ResponseFuture<S, Request<Q>, G, C>,
        // Whether an answer with this status has no body, as the method of the request has it.
        bodiless: fn(StatusCode) -> bool,
    }
}

impl<S, Q, G, C> ResponseFuture<S, Q, G, C>
where
    S: Service<Request<Q>>,
    G: Gate<Request<Q>>,
{
    #[inline]
    pub(super) fn new(gated: gate::ResponseFuture<S, Request<Q>, G, C>, bodiless: fn(StatusCode) -> bool) -> Self {
        Self { gated, bodiless }
    }
}

impl<S, Q, G, C, B> Future for ResponseFuture<S, Q, G, C>
where
    S: Service<Request<Q>, Response = Response<B>>,
    S::Error: From<Rejection>,
    G: Gate<Request<Q>>,
    C: Classify<Response<B>, S::Error>,
    B: Body,
{
    type Output = Result<Response<HeldBody<B, G, C, Request<Q>>>, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let me = self.project();
        let (result, held) = ready!(me.gated.poll_held(cx));
        let Some(mut held) = held else {
            return Poll::Ready(result.map(|response| response.map(HeldBody::settled)));
        };
        let outcome = held.judge(result.as_ref());
        Poll::Ready(match result {
            Ok(response) => Ok(HeldBody::respond(response, held, outcome, *me.bodiless)),
            Err(error) => {
                held.settle(Ending::Finished(outcome));
                Err(error)
            }
        })
    }
}

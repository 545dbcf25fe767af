//! Services that break tower's contract, each in one way.

use std::task::{Context, Poll, Waker, ready};

use plimsoll::{Reason, Refusal, Rejection};
use tower::{Service, ServiceExt, util::Oneshot};

use crate::support::kit::Ask;

/// Calls a clone of the instance that was polled.
#[derive(Clone)]
pub(crate) struct ClonesInCall<S>(pub(crate) S);

impl<S: Service<Ask> + Clone> Service<Ask> for ClonesInCall<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, ask: Ask) -> S::Future {
        self.0.clone().call(ask)
    }
}

/// Is always ready, asks in `call`, and has its future go on with a clone of the instance that it asked.
#[derive(Clone)]
pub(crate) struct GoesOnWithAClone<S>(pub(crate) S);

impl<S: Service<Ask> + Clone> Service<Ask> for GoesOnWithAClone<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = Oneshot<S, Ask>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, ask: Ask) -> Self::Future {
        let _ = self.0.poll_ready(&mut Context::from_waker(Waker::noop()));
        self.0.clone().oneshot(ask)
    }
}

/// Refuses before it knows the request.
#[derive(Clone)]
pub(crate) struct RefusesReadiness<S>(pub(crate) S);

impl<S> Service<Ask> for RefusesReadiness<S>
where
    S: Service<Ask>,
    S::Error: Refusal,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        ready!(self.0.poll_ready(cx))?;
        Poll::Ready(Err(Rejection::new(Reason::Custom, "hasty").into()))
    }

    fn call(&mut self, ask: Ask) -> S::Future {
        self.0.call(ask)
    }
}

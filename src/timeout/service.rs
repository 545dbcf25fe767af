use std::{
    fmt,
    task::{Context, Poll},
};

use tower_service::Service;

use super::{
    future::ResponseFuture,
    layer::{Questions, TimeoutLayer},
    limit::Limit,
};
use crate::{
    clock::{self, Instant, nanos},
    event::Event,
    rejection::{Reason, Rejection},
    request::{Carry, DeadlineOf, Scoped, TimeoutOf, Unasked, Within, current},
    sync::atomic::Ordering::Relaxed,
};

/// A service whose calls take no longer than a limit. See the [module](super).
#[derive(Clone)]
pub struct Timeout<S, D = Unasked, T = Unasked, K = Scoped> {
    inner: S,
    layer: TimeoutLayer<D, T, K>,
}

impl<S, D, T, K> Timeout<S, D, T, K> {
    pub(super) fn new(inner: S, layer: TimeoutLayer<D, T, K>) -> Self {
        Self { inner, layer }
    }
}

impl<S: fmt::Debug, D, T, K> fmt::Debug for Timeout<S, D, T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeout").field("inner", &self.inner).field("layer", &self.layer).finish()
    }
}

impl<S, D, T, K, Req> Service<Req> for Timeout<S, D, T, K>
where
    S: Service<Req>,
    S::Error: From<Rejection>,
    D: DeadlineOf<Req>,
    T: TimeoutOf<Req>,
    K: Carry<Req>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, S::Response, S::Error>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, mut req: Req) -> Self::Future {
        let TimeoutLayer { shared, questions } = &self.layer;
        let Questions { deadline, timeout, carry } = questions;
        let limit = timeout.timeout(&req).map_or_else(|| shared.limit.load(Relaxed), nanos);
        let asked = deadline.deadline(&req).unwrap_or(Instant::FAR);
        let carried = carry.get(&req).map_or(Instant::FAR, |carried| carried.deadline);
        let mut limit = Limit::new(limit, asked.min(carried));

        if limit.has_deadline() && limit.is_over(clock::now()) {
            let rejection = Rejection::new(Reason::DeadlineExceeded, shared.name);
            shared.events.emit(|| Event::Refused(rejection));
            return ResponseFuture::refused(rejection.into());
        }
        if K::CARRIES {
            let mut known = carry.get(&req).unwrap_or_else(current);
            known.deadline = known.deadline.min(limit.start(clock::now()));
            carry.insert(&mut req, known);
        }
        let scope = Within::enter(limit.unstarted(), limit.due());
        let future = self.inner.call(req);
        drop(scope);
        ResponseFuture::running(future, limit, shared.name, shared.events.heard())
    }
}

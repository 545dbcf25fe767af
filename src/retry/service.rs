use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use tower_service::Service;

use super::{Handle, Replay, future::ResponseFuture, state::Plan, tries::Tries};
use crate::{classify::Classify, dead_letter::DeadLetters, request::Carry};

/// A service whose failed requests are sent again. Made by [`RetryLayer`](super::RetryLayer), or in a stack by
/// [`Stack::retry`](crate::Stack::retry).
///
/// It is ready when the inner service is. A clone costs one reference count and the inner clone, and shares budget and
/// settings. The inner service has to be `Clone`, since later attempts are sent by clones of it; put one that is not
/// behind `tower::buffer::Buffer`.
pub struct Retry<S, R, C, K, D> {
    inner: S,
    plan: Arc<Plan<R, C, K, D>>,
}

impl<S, R, C, K, D> Retry<S, R, C, K, D> {
    pub(super) fn new(inner: S, plan: Arc<Plan<R, C, K, D>>) -> Self {
        Self { inner, plan }
    }
}

impl<S: Clone, R, C, K, D> Clone for Retry<S, R, C, K, D> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), plan: Arc::clone(&self.plan) }
    }
}

impl<S: fmt::Debug, R, C, K, D> fmt::Debug for Retry<S, R, C, K, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let snapshot = Handle::new(&self.plan.shared).snapshot();
        f.debug_struct("Retry").field("inner", &self.inner).field("snapshot", &snapshot).finish_non_exhaustive()
    }
}

impl<S, R, C, K, D, Req> Service<Req> for Retry<S, R, C, K, D>
where
    S: Service<Req> + Clone,
    R: Replay<Req>,
    C: Classify<S::Response, S::Error>,
    K: Carry<Req>,
    D: DeadLetters<Req>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, Req, R, C, K, D>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    /// Sends the first attempt by the very instance that was polled: readiness belongs to an instance, and a clone
    /// has to be polled anew. The clone is kept for later attempts, which do so.
    #[inline]
    fn call(&mut self, mut req: Req) -> Self::Future {
        let mut tries = Tries::begin(&self.plan, &self.inner, &mut req);
        let scope = tries.scope();
        let future = self.inner.call(req);
        drop(scope);
        ResponseFuture::new(future, tries, Arc::clone(&self.plan))
    }
}

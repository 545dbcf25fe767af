use std::task::{Context, Poll};

use ::http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::{Quota, ResponseFuture};

/// Makes from a request what will tell, once it is answered, how much its sender has left. The handle of a [rate
/// limit](crate::rate_limit::Handle) qualifies, and so does a closure that returns a closure:
/// `|req: &Request<B>| { let caller = …; move || limits.quota(&caller) }`. The inner one returns `Some` quota, `None`,
/// or several.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not know what is left for the sender of `{Req}`",
    note = "the handle of a rate limit does, and a closure that returns a closure: `|req: &Request<B>| move || Some(quota)`"
)]
pub trait QuotaOf<Req> {
    /// What will tell; it runs when there is a response. A panic in either reaches the caller, and loses nothing.
    type Later: TellQuota;

    /// Called before the request is counted.
    fn later(&self, req: &Req) -> Self::Later;
}

impl<F: Fn(&Req) -> Later, Req, Later: TellQuota> QuotaOf<Req> for F {
    type Later = Later;

    fn later(&self, req: &Req) -> Later {
        self(req)
    }
}

/// Tells how much is left, when there is a response. A closure such as `move || Some(quota)` qualifies.
pub trait TellQuota {
    /// The quotas: `Some`, `None`, or several.
    type Quotas: IntoIterator<Item = Quota>;

    /// What is left of them now.
    fn tell(self) -> Self::Quotas;
}

impl<F: FnOnce() -> Quotas, Quotas: IntoIterator<Item = Quota>> TellQuota for F {
    type Quotas = Quotas;

    fn tell(self) -> Quotas {
        self()
    }
}

/// Puts `RateLimit` fields on responses: the outermost layer. See the [module](super).
#[derive(Clone, Debug)]
#[must_use]
pub struct AnnounceQuota<Q> {
    quota: Q,
}

impl<Q> AnnounceQuota<Q> {
    /// Announces what `quota` says.
    pub const fn new(quota: Q) -> Self {
        Self { quota }
    }
}

impl<S, Q: Clone> Layer<S> for AnnounceQuota<Q> {
    type Service = Announcing<S, Q>;

    fn layer(&self, inner: S) -> Self::Service {
        Announcing { inner, quota: self.quota.clone() }
    }
}

/// A service whose responses tell callers how much they have left. Made by [`AnnounceQuota`].
#[derive(Clone, Debug)]
pub struct Announcing<S, Q> {
    inner: S,
    quota: Q,
}

impl<S, Q, B, Out> Service<Request<B>> for Announcing<S, Q>
where
    S: Service<Request<B>, Response = Response<Out>>,
    Q: QuotaOf<Request<B>>,
{
    type Response = Response<Out>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, Q::Later>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, req: Request<B>) -> Self::Future {
        let later = self.quota.later(&req);
        ResponseFuture::new(self.inner.call(req), later)
    }
}

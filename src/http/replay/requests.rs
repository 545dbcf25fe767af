use ::http::{HeaderName, Request};

use super::Replay;
use crate::retry;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Whether a request may be sent twice without harm: by its method (RFC 9110, section 9.2.2: `GET`, `HEAD`, `OPTIONS`,
/// `TRACE`, `PUT`, `DELETE`), or because the callee recognises it by its `Idempotency-Key`.
pub fn is_idempotent<B>(req: &Request<B>) -> bool {
    req.method().is_idempotent() || req.headers().get(IDEMPOTENCY_KEY).is_some_and(|key| !key.is_empty())
}

/// Whether a request may be sent twice without harm. A closure over `&Req` qualifies.
pub trait Repeatable<Req> {
    /// Whether this one may.
    fn is_repeatable(&self, req: &Req) -> bool;
}

impl<F: Fn(&Req) -> bool, Req> Repeatable<Req> for F {
    fn is_repeatable(&self, req: &Req) -> bool {
        self(req)
    }
}

/// Those that [are idempotent](is_idempotent).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Idempotent;

impl<B> Repeatable<Request<B>> for Idempotent {
    fn is_repeatable(&self, req: &Request<B>) -> bool {
        is_idempotent(req)
    }
}

/// Makes the next attempt's request from what [`ReplayBodies`](super::ReplayBodies) keeps: for
/// [`RetryLayer::replay`](retry::RetryLayer::replay).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplayRequests<R = Idempotent> {
    repeatable: R,
}

impl ReplayRequests {
    /// Sends again those requests that [are idempotent](is_idempotent).
    pub const fn new() -> Self {
        Self { repeatable: Idempotent }
    }
}

impl<R> ReplayRequests<R> {
    /// Sends again those requests that `repeatable` accepts:
    /// `|req: &Request<Replay<B>>| is_idempotent(req) || req.uri().path() == "/search"`.
    pub const fn when(repeatable: R) -> Self {
        Self { repeatable }
    }
}

impl<R, B> retry::Replay<Request<Replay<B>>> for ReplayRequests<R>
where
    R: Repeatable<Request<Replay<B>>>,
{
    fn replay(&self, req: &Request<Replay<B>>, _attempt: u32) -> Option<Request<Replay<B>>> {
        if !self.repeatable.is_repeatable(req) {
            return None;
        }
        let mut copy = Request::new(req.body().again()?);
        copy.method_mut().clone_from(req.method());
        copy.uri_mut().clone_from(req.uri());
        *copy.version_mut() = req.version();
        copy.headers_mut().clone_from(req.headers());
        copy.extensions_mut().clone_from(req.extensions());
        Some(copy)
    }

    fn is_whole(&self, copy: &Request<Replay<B>>) -> bool {
        copy.body().is_whole()
    }
}

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use ::http::{HeaderMap, HeaderValue, Request, Response, header::RETRY_AFTER};
use tower_layer::Layer;
use tower_service::Service;

use super::{
    Answer, HeadersOnly, OwnBody, Problems, ResponseFuture, Settings,
    grpc::{self, Pushback},
};
use crate::{chance::Chance, error::Error, rejection::Rejection};

/// Turns refusals into responses: the outermost layer of a server's stack, over [`Stack::service`](crate::Stack::service).
///
/// gRPC callers, told by their content type, get a gRPC response: HTTP 200 and headers alone, with the reason's code.
/// So a stack may stand in front of a server that speaks both. A clone costs a reference count.
#[must_use]
pub struct RespondRejections<A = HeadersOnly> {
    plan: Arc<Plan<A>>,
}

/// What all services of a layer share.
pub(super) struct Plan<A> {
    pub(super) answer: A,
    settings: Settings,
    chance: Arc<Chance>,
}

/// What a caller speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaks {
    Http,
    Grpc,
}

impl Speaks {
    #[inline]
    fn of(headers: &HeaderMap) -> Self {
        if grpc::is_grpc(headers) { Self::Grpc } else { Self::Http }
    }
}

impl RespondRejections {
    /// Answers with a status and headers, and an empty body. The inner service's body has to be `Default`, as those of axum,
    /// tonic, reqwest and `Full` are.
    pub fn new() -> Self {
        Self::with(HeadersOnly)
    }
}

impl RespondRejections<Problems> {
    /// Answers with [`Problems`], whatever the inner service's body.
    pub fn problems() -> Self {
        Self::with(Problems)
    }
}

impl<F> RespondRejections<OwnBody<F>> {
    /// Answers as `answer` says, a closure `|rejection: &Rejection, response: Response<()>| -> Response<Own>` with a
    /// body of any type, whatever the inner service's is.
    pub fn with_own_body(answer: F) -> Self {
        Self::with(OwnBody(answer))
    }
}

impl<A> RespondRejections<A> {
    /// Answers as `answer` says: a closure `|rejection: &Rejection, response: Response<()>| -> Response<B>` with the
    /// inner service's body type, for example.
    pub fn with(answer: A) -> Self {
        Self { plan: Arc::new(Plan { answer, settings: Settings::new(), chance: Arc::new(Chance::from_entropy()) }) }
    }

    /// Answers as `settings` say.
    pub fn settings(self, settings: Settings) -> Self
    where
        A: Clone,
    {
        self.with_plan(|plan| plan.settings = settings)
    }

    /// Spreads hints by `chance`; a seed makes them repeatable.
    pub fn chance(self, chance: Chance) -> Self
    where
        A: Clone,
    {
        self.with_plan(|plan| plan.chance = Arc::new(chance))
    }

    fn with_plan(mut self, change: impl FnOnce(&mut Plan<A>)) -> Self
    where
        A: Clone,
    {
        change(Arc::make_mut(&mut self.plan));
        self
    }
}

impl<A> Plan<A> {
    /// The whole answer to who was refused.
    #[cold]
    pub(super) fn answer<B>(&self, rejection: &Rejection, speaks: Speaks) -> Response<A::Body>
    where
        A: Answer<B>,
    {
        let random = || self.chance.draw();
        match speaks {
            Speaks::Http => {
                let mut response = Response::new(());
                *response.status_mut() = self.settings.code(rejection.reason());
                if let Some(seconds) = self.settings.seconds(rejection, random) {
                    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
                }
                self.answer.answer(rejection, response)
            }
            Speaks::Grpc => {
                let reason = rejection.reason();
                let pushback = match self.settings.millis(rejection, random) {
                    _ if !reason.is_retryable() => Some(Pushback::Never),
                    known => known.map(Pushback::After),
                };
                let response = grpc::head(self.settings.grpc_code(reason), &reason.to_string(), pushback);
                self.answer.answer_grpc(rejection, response)
            }
        }
    }
}

impl<A: Clone> Clone for Plan<A> {
    fn clone(&self) -> Self {
        Self { answer: self.answer.clone(), settings: self.settings, chance: Arc::clone(&self.chance) }
    }
}

impl<A> Clone for RespondRejections<A> {
    fn clone(&self) -> Self {
        Self { plan: Arc::clone(&self.plan) }
    }
}

impl<A: Default> Default for RespondRejections<A> {
    fn default() -> Self {
        Self::with(A::default())
    }
}

/// Whatever the closure is: it need not be `Debug`.
impl<A> fmt::Debug for RespondRejections<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RespondRejections").field("settings", &self.plan.settings).finish_non_exhaustive()
    }
}

impl<S, A> Layer<S> for RespondRejections<A> {
    type Service = Responding<S, A>;

    fn layer(&self, inner: S) -> Self::Service {
        Responding { inner, plan: Arc::clone(&self.plan), unready: None }
    }
}

/// A service that answers instead of refusing.
pub struct Responding<S, A = HeadersOnly> {
    inner: S,
    plan: Arc<Plan<A>>,
    /// A refusal that came out of readiness, to be answered when the request comes: hyper would close the connection
    /// without a word.
    unready: Option<Rejection>,
}

impl<S: Clone, A> Clone for Responding<S, A> {
    fn clone(&self) -> Self {
        // Readiness belongs to an instance, and so does having failed at it.
        Self { inner: self.inner.clone(), plan: Arc::clone(&self.plan), unready: None }
    }
}

impl<S: fmt::Debug, A> fmt::Debug for Responding<S, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Responding").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<S, A, Q, B, E> Service<Request<Q>> for Responding<S, A>
where
    S: Service<Request<Q>, Response = Response<B>, Error = Error<E>>,
    A: Answer<B>,
{
    type Response = Response<A::Body>;
    type Error = E;
    type Future = ResponseFuture<S::Future, A, A::Body>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        // Who failed is not asked again, and the refusal is owed to a request.
        if self.unready.is_some() {
            return Poll::Ready(Ok(()));
        }
        self.inner.poll_ready(cx).map(|ready| match ready {
            Ok(()) => Ok(()),
            Err(Error::Inner(error)) => Err(error),
            Err(Error::Rejected(rejection)) => {
                self.unready = Some(rejection);
                Ok(())
            }
        })
    }

    #[inline]
    fn call(&mut self, req: Request<Q>) -> Self::Future {
        let speaks = Speaks::of(req.headers());
        match self.unready.take() {
            Some(rejection) => ResponseFuture::refused(self.plan.answer(&rejection, speaks)),
            None => ResponseFuture::running(self.inner.call(req), Arc::clone(&self.plan), speaks),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::{Future, Ready},
        pin::pin,
        task::Waker,
    };

    use ::http::StatusCode;

    use super::*;
    use crate::rejection::Reason;

    /// Refuses to become ready, once.
    struct Unready(u32);

    impl Service<Request<()>> for Unready {
        type Response = Response<()>;
        type Error = Error<()>;
        type Future = Ready<Result<Response<()>, Error<()>>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error<()>>> {
            self.0 += 1;
            assert_eq!(self.0, 1, "asked again after it failed");
            Poll::Ready(Err(Rejection::new(Reason::Custom, "test").into()))
        }

        fn call(&mut self, _: Request<()>) -> Self::Future {
            panic!("called though it was not ready")
        }
    }

    /// Asking for readiness twice asked the inner service twice, which had failed: what it had reserved by then was
    /// never used, and the refusal answered a later request.
    #[test]
    fn a_refusal_out_of_readiness_is_kept_for_the_request() {
        let mut service = RespondRejections::new().layer(Unready(0));
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..2 {
            assert_eq!(service.poll_ready(&mut cx), Poll::Ready(Ok(())));
        }
        let Poll::Ready(Ok(response)) = pin!(service.call(Request::new(()))).poll(&mut cx) else { panic!("no answer") };
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}

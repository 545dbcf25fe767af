use std::task::{Context, Poll};

use ::http::{HeaderValue, Request, Response, StatusCode, header::RETRY_AFTER};
use tower_layer::Layer;
use tower_service::Service;

use super::future::ResponseFuture;
use crate::{error::Error, rejection::Rejection};

/// Makes the response that tells a caller of a refusal. A closure `Fn(&Rejection) -> Response<B>` qualifies;
/// [`HeadersOnly`] is a good start for one that adds a body.
pub trait Answer<B> {
    /// The response for this refusal.
    fn answer(&self, rejection: &Rejection) -> Response<B>;
}

impl<F: Fn(&Rejection) -> Response<B>, B> Answer<B> for F {
    fn answer(&self, rejection: &Rejection) -> Response<B> {
        self(rejection)
    }
}

/// Answers with a status, `Retry-After` where it is known, and an empty body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeadersOnly;

impl<B: Default> Answer<B> for HeadersOnly {
    fn answer(&self, rejection: &Rejection) -> Response<B> {
        let mut response = Response::new(B::default());
        *response.status_mut() =
            StatusCode::from_u16(rejection.reason().http_status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        if let Some(after) = rejection.retry_after() {
            // Rounded up, and never zero: who comes back a moment early is refused again.
            let seconds = after.as_nanos().div_ceil(1_000_000_000).max(1).min(u128::from(u64::MAX)) as u64;
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// Turns refusals into responses: the outermost layer of a server's stack.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct RespondRejections<A = HeadersOnly> {
    answer: A,
}

impl RespondRejections {
    /// Answers with [`HeadersOnly`].
    pub const fn new() -> Self {
        Self { answer: HeadersOnly }
    }
}

impl<A> RespondRejections<A> {
    /// Answers as `answer` says.
    pub const fn with(answer: A) -> Self {
        Self { answer }
    }
}

impl<S, A: Clone> Layer<S> for RespondRejections<A> {
    type Service = Responding<S, A>;

    fn layer(&self, inner: S) -> Self::Service {
        Responding { inner, answer: self.answer.clone(), unready: None }
    }
}

/// A service that answers instead of refusing.
#[derive(Debug)]
pub struct Responding<S, A = HeadersOnly> {
    inner: S,
    answer: A,
    /// A refusal that came out of readiness, to be answered when the request comes: hyper would close the connection
    /// without a word.
    unready: Option<Rejection>,
}

impl<S: Clone, A: Clone> Clone for Responding<S, A> {
    fn clone(&self) -> Self {
        // Readiness belongs to an instance, and so does having failed at it.
        Self { inner: self.inner.clone(), answer: self.answer.clone(), unready: None }
    }
}

impl<S, A, Q, B, E> Service<Request<Q>> for Responding<S, A>
where
    S: Service<Request<Q>, Response = Response<B>, Error = Error<E>>,
    A: Answer<B> + Clone,
{
    type Response = Response<B>;
    type Error = E;
    type Future = ResponseFuture<S::Future, A, B>;

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

    fn call(&mut self, req: Request<Q>) -> Self::Future {
        match self.unready.take() {
            Some(rejection) => ResponseFuture::answered(self.answer.answer(&rejection)),
            None => ResponseFuture::new(self.inner.call(req), self.answer.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::{Future, Ready},
        pin::pin,
        task::Waker,
        time::Duration,
    };

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

    fn answer(rejection: Rejection) -> (u16, Option<String>) {
        let response: Response<()> = HeadersOnly.answer(&rejection);
        let after = response.headers().get(RETRY_AFTER).map(|after| after.to_str().expect("digits").to_owned());
        (response.status().as_u16(), after)
    }

    #[test]
    fn retry_after_is_rounded_up_and_never_zero() {
        let open = |after| answer(Rejection::new(Reason::CircuitOpen, "test").with_retry_after(after));
        assert_eq!(open(Duration::from_millis(1001)), (503, Some("2".to_owned())));
        assert_eq!(open(Duration::ZERO), (503, Some("1".to_owned())));
        assert_eq!(open(Duration::MAX), (503, Some("18446744074".to_owned())), "584 years");
        assert_eq!(answer(Rejection::new(Reason::Timeout, "test")), (504, None));
    }
}

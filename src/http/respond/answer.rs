use ::http::Response;
use http_body_util::Either;

use crate::rejection::Rejection;

/// Makes the response that tells a caller of a refusal.
///
/// A closure `Fn(&Rejection, Response<()>) -> Response<B>` qualifies. It is given the response as the
/// [settings](super::Settings) make it, with status and `Retry-After`, and adds a body; gRPC callers get a standard
/// response. The body has to be of the inner service's type; for another see [`OwnBody`]. A panic in it reaches the
/// caller: the inner service's future is gone by then, so nothing of the call is left, and the service goes on.
#[diagnostic::on_unimplemented(
    message = "`{Self}` makes no answers beside those with a body `{B}`",
    label = "not an answer for this body",
    note = "the body has to be `Default` for `RespondRejections::new` and for closures, which are written `|rejection: &Rejection, response: Response<()>| …`",
    note = "`RespondRejections::problems` and `OwnBody` go over any body"
)]
pub trait Answer<B> {
    /// The body of all responses, the inner service's among them.
    type Body;

    /// A response of the inner service.
    fn pass(&self, response: Response<B>) -> Response<Self::Body>;

    /// The response to a caller refused over HTTP.
    fn answer(&self, rejection: &Rejection, response: Response<()>) -> Response<Self::Body>;

    /// The response to a caller refused over gRPC. The headers say everything; the body must be empty.
    fn answer_grpc(&self, rejection: &Rejection, response: Response<()>) -> Response<Self::Body>;
}

impl<F, B> Answer<B> for F
where
    F: Fn(&Rejection, Response<()>) -> Response<B>,
    B: Default,
{
    type Body = B;

    #[inline]
    fn pass(&self, response: Response<B>) -> Response<B> {
        response
    }

    fn answer(&self, rejection: &Rejection, response: Response<()>) -> Response<B> {
        self(rejection, response)
    }

    fn answer_grpc(&self, _: &Rejection, response: Response<()>) -> Response<B> {
        response.map(|()| B::default())
    }
}

/// Leaves the body empty: the status says why, and `Retry-After` when to come back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeadersOnly;

impl<B: Default> Answer<B> for HeadersOnly {
    type Body = B;

    #[inline]
    fn pass(&self, response: Response<B>) -> Response<B> {
        response
    }

    fn answer(&self, _: &Rejection, response: Response<()>) -> Response<B> {
        response.map(|()| B::default())
    }

    fn answer_grpc(&self, _: &Rejection, response: Response<()>) -> Response<B> {
        response.map(|()| B::default())
    }
}

/// A closure whose responses have another body type than the inner service's: callers get one or the other, as
/// [`Either`]. It works with bodies that cannot be made by hand, such as hyper's `Incoming`.
#[derive(Clone, Copy, Debug, Default)]
pub struct OwnBody<F>(pub F);

impl<F, B, Own> Answer<B> for OwnBody<F>
where
    F: Fn(&Rejection, Response<()>) -> Response<Own>,
    Own: Default,
{
    type Body = Either<B, Own>;

    #[inline]
    fn pass(&self, response: Response<B>) -> Response<Self::Body> {
        response.map(Either::Left)
    }

    fn answer(&self, rejection: &Rejection, response: Response<()>) -> Response<Self::Body> {
        self.0(rejection, response).map(Either::Right)
    }

    fn answer_grpc(&self, _: &Rejection, response: Response<()>) -> Response<Self::Body> {
        response.map(|()| Either::Right(Own::default()))
    }
}

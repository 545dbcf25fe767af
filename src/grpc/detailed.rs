use ::http::{HeaderMap, HeaderValue, Response};
use tonic::{Status, metadata::BinaryMetadataValue};

use super::{details::Details, pushback::Pushback, status::PUSHBACK};
use crate::{
    http::{Answer, HeadersOnly},
    rejection::Rejection,
};

/// Tells gRPC callers in the status details what the headers tell them: an answer for
/// [`RespondRejections`](crate::http::RespondRejections), the outermost layer of a server's stack.
///
/// `grpc-status-details-bin` gets a `RetryInfo`, for clients that go by that, and an `ErrorInfo` with the reason, for
/// [`received`](super::received). HTTP callers get the answer that this wraps.
///
/// ```
/// use plimsoll::{Stack, grpc::Detailed, http::{Problems, RespondRejections}};
///
/// let stack = Stack::new().layer(RespondRejections::with(Detailed::new()));
/// # let _ = stack;
/// // Problems for callers over HTTP, and over any body:
/// let mixed = Stack::new().layer(RespondRejections::with(Detailed::around(Problems)));
/// # let _ = mixed;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Detailed<A = HeadersOnly>(A);

impl Detailed {
    /// Empty bodies for HTTP callers.
    pub const fn new() -> Self {
        Self(HeadersOnly)
    }
}

impl<A> Detailed<A> {
    /// HTTP callers are answered by `answer`.
    pub const fn around(answer: A) -> Self {
        Self(answer)
    }
}

impl<A: Answer<B>, B> Answer<B> for Detailed<A> {
    type Body = A::Body;

    #[inline]
    fn pass(&self, response: Response<B>) -> Response<A::Body> {
        self.0.pass(response)
    }

    fn answer(&self, rejection: &Rejection, response: Response<()>) -> Response<A::Body> {
        self.0.answer(rejection, response)
    }

    fn answer_grpc(&self, rejection: &Rejection, mut response: Response<()>) -> Response<A::Body> {
        if let Some(details) = details(rejection, response.headers()) {
            response.headers_mut().insert(Status::GRPC_STATUS_DETAILS, details);
        }
        self.0.answer_grpc(rejection, response)
    }
}

/// With the code and the time that the headers say: both may be set otherwise than in the table of reasons.
fn details(rejection: &Rejection, headers: &HeaderMap) -> Option<HeaderValue> {
    let code = headers.get(Status::GRPC_STATUS)?.to_str().ok()?.parse().ok()?;
    let pushback = headers.get(PUSHBACK).map(|value| Pushback::parse(value.as_bytes()));
    let bytes = Details::write(code, &rejection.reason().to_string(), pushback, rejection);
    // As tonic encodes what it writes itself: without padding.
    HeaderValue::from_bytes(BinaryMetadataValue::from_bytes(&bytes).as_encoded_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tonic::metadata::MetadataMap;

    use super::{super::wire::Fields, *};
    use crate::rejection::Reason;

    #[test]
    fn details_are_of_the_head_that_they_are_put_into() {
        let mut head = Response::new(());
        head.headers_mut().insert(Status::GRPC_STATUS, HeaderValue::from_static("8"));
        head.headers_mut().insert(PUSHBACK, HeaderValue::from_static("1700"));
        let rejection = Rejection::new(Reason::QueueFull, "test").with_retry_after(Duration::from_secs(1));
        let answer: Response<()> = Detailed::new().answer_grpc(&rejection, head);
        let headers = MetadataMap::from_headers(answer.into_parts().0.headers);
        let bytes =
            headers.get_bin("grpc-status-details-bin").and_then(|value| value.to_bytes().ok()).expect("details");
        assert_eq!(Fields(&bytes).number_of(1), 8, "and not 14, as of a full queue");
        assert_eq!(
            Details::read(&bytes).retry_delay,
            Some(Duration::from_millis(1700)),
            "spread, and in both places alike"
        );
    }
}

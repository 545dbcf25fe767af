use ::http::{HeaderMap, StatusCode};
use tonic::{Code, Status, metadata::MetadataMap};

use super::{
    codes::Said,
    details::Details,
    pushback::Pushback,
    status::{First, PUSHBACK, first},
};
use crate::{
    classify::{Failure, Outcome},
    error::{BoxError, Error, Refusal},
};

/// A response or an error that can be judged by gRPC's [`Codes`](super::Codes).
///
/// For an application's own enum it takes a few lines:
///
/// ```
/// use plimsoll::{Outcome, Rejection, grpc::ToOutcome};
///
/// enum AppError {
///     Refused(Rejection),
///     Callee(tonic::Status),
/// }
///
/// impl ToOutcome for AppError {
///     fn to_outcome(&self) -> Outcome {
///         match self {
///             Self::Refused(rejection) => Outcome::of_rejection(rejection),
///             Self::Callee(status) => status.to_outcome(),
///         }
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be judged by gRPC's codes",
    label = "no gRPC status is found in this",
    note = "implement `plimsoll::grpc::ToOutcome` for it (its page has the lines)"
)]
pub trait ToOutcome {
    /// What it says about the callee.
    fn to_outcome(&self) -> Outcome;
}

/// A success: a call that got as far as a message was served. A stream that breaks off later is not seen.
impl<T> ToOutcome for tonic::Response<T> {
    #[inline]
    fn to_outcome(&self) -> Outcome {
        Outcome::Success
    }
}

/// As far as the head of a response tells, such as a `Channel`'s. A call that fails without having answered says so in
/// the head (a "trailers-only" response). *A failure after the head was sent is not seen*: then the status is in the
/// trailers, behind the body, and the head says 200, a success here; servers written with tonic do that only while they
/// stream. A head that is not gRPC's, a proxy's for one, is read by gRPC's
/// [table](https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md).
impl<B> ToOutcome for ::http::Response<B> {
    #[inline]
    fn to_outcome(&self) -> Outcome {
        match self.headers().get(Status::GRPC_STATUS) {
            None if self.status() == StatusCode::OK => Outcome::Success,
            None => Said { code: code_of(self.status()), pushback: None, reason: None }.to_outcome(),
            Some(code) => said_in_head(Code::from_bytes(code.as_bytes()), self.headers()).to_outcome(),
        }
    }
}

impl ToOutcome for Status {
    fn to_outcome(&self) -> Outcome {
        if let Some(rejection) = self.rejection() {
            return Outcome::of_rejection(rejection);
        }
        if let Some(First::TimeoutExpired) = std::error::Error::source(self).and_then(first) {
            return Outcome::Failure(Failure::Timeout);
        }
        let reason = Details::read(self.details()).reason.map(|(reason, _)| reason);
        Said { code: self.code(), pushback: Pushback::of(self), reason }.to_outcome()
    }
}

/// By what is found in the error and its sources: a status, a refusal, or tonic's time limit. Anything else, such as a
/// broken connection, is [`Transient`](Failure::Transient).
impl<E: std::error::Error + 'static> ToOutcome for Error<E> {
    fn to_outcome(&self) -> Outcome {
        match self {
            Self::Rejected(rejection) => Outcome::of_rejection(rejection),
            Self::Inner(error) => by_sources(error),
        }
    }
}

/// As [`Error`].
impl ToOutcome for BoxError {
    fn to_outcome(&self) -> Outcome {
        by_sources(self.as_ref())
    }
}

/// As [`Error`].
#[cfg(feature = "anyhow")]
impl ToOutcome for anyhow::Error {
    fn to_outcome(&self) -> Outcome {
        by_sources(self.as_ref())
    }
}

fn by_sources(error: &(dyn std::error::Error + 'static)) -> Outcome {
    match first(error) {
        Some(First::Status(status)) => status.to_outcome(),
        Some(First::Rejection(rejection)) => Outcome::of_rejection(rejection),
        Some(First::TimeoutExpired) => Outcome::Failure(Failure::Timeout),
        None => Outcome::Failure(Failure::Transient),
    }
}

/// What the head of a response says that has a code in it.
fn said_in_head(code: Code, headers: &HeaderMap) -> Said {
    // Not `Status::from_header_map`, which panics where details are no base64.
    let mut details = HeaderMap::new();
    if let (true, Some(value)) = (code != Code::Ok, headers.get(Status::GRPC_STATUS_DETAILS)) {
        details.insert(Status::GRPC_STATUS_DETAILS, value.clone());
    }
    let details = MetadataMap::from_headers(details);
    let details = details.get_bin("grpc-status-details-bin").and_then(|value| value.to_bytes().ok());
    let details = details.map(|bytes| Details::read(&bytes)).unwrap_or_default();
    let pushback = headers.get(PUSHBACK).map(|value| Pushback::parse(value.as_bytes()));
    let pushback = pushback.or(details.retry_delay.map(Pushback::After));
    Said { code, pushback, reason: details.reason.map(|(reason, _)| reason) }
}

/// The code of a response that does not say any.
fn code_of(status: StatusCode) -> Code {
    match status {
        StatusCode::BAD_REQUEST => Code::Internal,
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::FORBIDDEN => Code::PermissionDenied,
        StatusCode::NOT_FOUND => Code::Unimplemented,
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Code::Unavailable,
        _ => Code::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use std::{io, sync::Arc, time::Duration};

    use ::http::{HeaderValue, Response};
    use tonic::{TimeoutExpired, metadata::AsciiMetadataValue};

    use super::*;
    use crate::rejection::{Reason, Rejection};

    /// As another layer wraps around an error: transports do.
    #[derive(Debug, thiserror::Error)]
    #[error("not this time")]
    struct Wrapped(#[source] BoxError);

    const TRANSIENT: Outcome = Outcome::Failure(Failure::Transient);
    const PERMANENT: Outcome = Outcome::Failure(Failure::Permanent);
    const PUSHED_BACK: Outcome = Outcome::Failure(Failure::PushedBack);
    const TIMEOUT: Outcome = Outcome::Failure(Failure::Timeout);
    const THROTTLED: Outcome = Outcome::Failure(Failure::Throttled(Some(Duration::from_millis(25))));

    /// The table, a line a code: without pushback, with 25 ms of it, and told never to come back.
    const TABLE: [[Outcome; 3]; 17] = {
        use Outcome::{Ignored, Success};
        [
            [Success; 3],
            [Ignored; 3],
            [PERMANENT; 3],
            [Success; 3],
            [TIMEOUT, THROTTLED, PUSHED_BACK],
            [Success; 3],
            [Success; 3],
            [Success; 3],
            [PUSHED_BACK, THROTTLED, PUSHED_BACK],
            [Success; 3],
            [Success, THROTTLED, Success],
            [Success; 3],
            [Success; 3],
            [PERMANENT; 3],
            [TRANSIENT, THROTTLED, PUSHED_BACK],
            [PERMANENT; 3],
            [Success; 3],
        ]
    };

    fn status(code: usize, pushback: &'static str) -> Status {
        let mut status = Status::new(Code::from_i32(code as i32), "");
        if !pushback.is_empty() {
            status.metadata_mut().insert(PUSHBACK, AsciiMetadataValue::from_static(pushback));
        }
        status
    }

    #[test]
    fn each_code_says_what_the_table_says() {
        for (code, outcomes) in TABLE.iter().enumerate() {
            for (pushback, outcome) in ["", "25", "-1"].into_iter().zip(outcomes) {
                let status = status(code, pushback);
                assert_eq!(status.to_outcome(), *outcome, "{code} {pushback:?}");
                let head = status.into_http::<()>();
                assert_eq!(head.to_outcome(), *outcome, "{code} {pushback:?} in the head of a response");
            }
        }
    }

    fn refused(reason: Reason) -> Rejection {
        Rejection::new(reason, "there")
    }

    /// As it comes over the wire: without the source.
    fn sent(rejection: Rejection) -> Status {
        let status = Status::from(rejection);
        Status::from_header_map(status.into_http::<()>().headers()).expect("a status")
    }

    #[test]
    fn what_a_stack_of_ours_refused_there_is_told_by_its_reason() {
        for (reason, outcome) in [
            (Reason::BulkheadFull, Outcome::Failure(Failure::Overload)),
            (Reason::CircuitOpen, Outcome::Failure(Failure::Overload)),
            (Reason::DeadlineExceeded, PUSHED_BACK),
            (Reason::DeadlineUnreachable, PUSHED_BACK),
            (Reason::RateLimited, PUSHED_BACK),
            (Reason::Timeout, TIMEOUT),
            (Reason::TooExpensive, Outcome::Success),
            (Reason::WorkExhausted, Outcome::Success),
        ] {
            let status = sent(refused(reason));
            assert_eq!(status.to_outcome(), outcome, "{reason:?}");
            assert_eq!(status.into_http::<()>().to_outcome(), outcome, "{reason:?} in the head of a response");
        }
        let limited = sent(refused(Reason::RateLimited).with_retry_after(Duration::from_millis(25)));
        assert_eq!(limited.to_outcome(), THROTTLED);
    }

    /// A proxy that wants no retries sets the field, and leaves alone what the callee has written into its details.
    #[test]
    fn the_field_counts_before_the_details_in_a_head_too() {
        let limited = sent(refused(Reason::RateLimited).with_retry_after(Duration::from_millis(70)));
        let mut head = limited.into_http::<()>();
        for (field, outcome) in [("-1", PUSHED_BACK), ("25", THROTTLED)] {
            head.headers_mut().insert(PUSHBACK, HeaderValue::from_static(field));
            assert_eq!(head.to_outcome(), outcome, "{field}");
        }
        head.headers_mut().remove(PUSHBACK);
        let details = Outcome::Failure(Failure::Throttled(Some(Duration::from_millis(70))));
        assert_eq!(head.to_outcome(), details, "where there is no field");
    }

    #[test]
    fn a_refusal_of_this_process_is_none_of_the_callees() {
        let full = refused(Reason::BulkheadFull);
        assert_eq!(Status::from(full).to_outcome(), Outcome::Ignored);
        assert_eq!(Error::<io::Error>::from(full).to_outcome(), Outcome::Ignored);
        let boxed: BoxError = Error::Inner(Status::from(full)).into();
        assert_eq!(boxed.to_outcome(), Outcome::Ignored);
        assert_eq!(Status::from(refused(Reason::Timeout).dispatched()).to_outcome(), TIMEOUT);
    }

    #[test]
    fn an_error_is_judged_by_the_status_in_it_and_else_is_transient() {
        assert_eq!(Error::Inner(Status::not_found("lamp")).to_outcome(), Outcome::Success);
        assert_eq!(Error::Inner(Wrapped(Status::internal("bug").into())).to_outcome(), PERMANENT);
        assert_eq!(Error::Inner(io::Error::other("cut")).to_outcome(), TRANSIENT);
        #[cfg(feature = "anyhow")]
        assert_eq!(anyhow::Error::from(Status::internal("bug")).context("of theirs").to_outcome(), PERMANENT);
    }

    #[test]
    fn tonics_own_time_limit_is_a_timeout_wherever_it_stands() {
        assert_eq!(Error::Inner(Wrapped(TimeoutExpired(()).into())).to_outcome(), TIMEOUT);
        let mut cancelled = Status::cancelled("Timeout expired");
        cancelled.set_source(Arc::new(TimeoutExpired(())));
        assert_eq!(cancelled.to_outcome(), TIMEOUT);
        assert_eq!(Status::cancelled("the caller left").to_outcome(), Outcome::Ignored);
    }

    #[test]
    fn a_head_that_is_not_grpcs_is_read_by_grpcs_table() {
        let judged = |status: u16| {
            let mut head = Response::new(());
            *head.status_mut() = StatusCode::from_u16(status).expect("a status");
            head.to_outcome()
        };
        assert_eq!(judged(200), Outcome::Success, "what follows is in the trailers");
        assert_eq!([429, 502, 503, 504].map(judged), [TRANSIENT; 4]);
        assert_eq!([401, 403, 404].map(judged), [Outcome::Success; 3]);
        assert_eq!([400, 418, 500, 302].map(judged), [PERMANENT; 4]);
    }

    #[test]
    fn junk_in_a_head_breaks_nothing() {
        for code in ["", "17", "-1", "999999999999", "ok"] {
            let mut head = Response::new(());
            head.headers_mut().insert(Status::GRPC_STATUS, HeaderValue::from_static(code));
            head.headers_mut().insert(Status::GRPC_STATUS_DETAILS, HeaderValue::from_static("!!no base64!!"));
            assert_eq!(head.to_outcome(), PERMANENT, "{code:?} is no code");
        }
    }
}

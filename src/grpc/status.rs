use std::{error, iter::successors, sync::Arc};

use tonic::{
    Code, Status, TimeoutExpired,
    metadata::{AsciiMetadataValue, MetadataMap},
};

use super::{details::Details, pushback::Pushback};
use crate::{
    error::{BoxError, Error, Refusal, find},
    rejection::Rejection,
};

/// The field in which a callee says when to try again.
pub(super) const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// The layer of a [`Rejection`] that came over the wire.
const REMOTE: &str = "remote";

/// The refusal as a status: the [code](crate::Reason::grpc_code) and the text of its reason;
/// [`grpc-retry-pushback-ms`](Pushback) where it is known when to come back, or that a retry is of no use; and as
/// details a `RetryInfo` and an `ErrorInfo`. The name of the layer does not leave the process: it is in the status's
/// source, where [`Refusal`] finds it. Allocates, unlike the refusal itself.
impl From<Rejection> for Status {
    fn from(rejection: Rejection) -> Self {
        let (code, message) = (rejection.reason().grpc_code(), rejection.reason().to_string());
        let pushback = Pushback::of_rejection(&rejection);
        let details = Details::write(code, &message, pushback, &rejection);
        let mut metadata = MetadataMap::new();
        if let Some(value) = pushback.and_then(|pushback| AsciiMetadataValue::try_from(pushback.to_string()).ok()) {
            metadata.insert(PUSHBACK, value);
        }
        let mut status = Self::with_details_and_metadata(Code::from_i32(code), message, details.into(), metadata);
        status.set_source(Arc::new(rejection));
        status
    }
}

/// Refusals of this process only: one that came over the wire is a failure of the callee, and [`received`] reads it.
impl Refusal for Status {
    fn rejection(&self) -> Option<&Rejection> {
        find(self)
    }
}

/// What a stack's caller got, as a status: a refusal by its reason, and the inner error as [`status_of`] has it.
impl<E: Into<BoxError>> From<Error<E>> for Status {
    fn from(error: Error<E>) -> Self {
        match error {
            Error::Rejected(rejection) => rejection.into(),
            Error::Inner(error) => status_of(error),
        }
    }
}

/// Any error as a status: for `map_err`, between a stack and code that wants statuses, such as a generated client over
/// [`Stack::wrap`](crate::Stack::wrap) of a boxed error.
///
/// A status or refusal found in the error or its sources decides; otherwise tonic does, which knows failed connections,
/// and calls what it does not know `UNKNOWN`. With one exception: where tonic's own time limit has run out, tonic says
/// `CANCELLED`, and this says `DEADLINE_EXCEEDED`, as the specification has it. The error becomes the status's source.
pub fn status_of(error: impl Into<BoxError>) -> Status {
    let error = error.into();
    let mut told = match first(error.as_ref()) {
        Some(First::Rejection(rejection)) => Status::from(*rejection),
        Some(First::TimeoutExpired) => Status::deadline_exceeded("the time limit of the call ran out"),
        Some(First::Status(_)) | None => return Status::from_error(error),
    };
    told.set_source(error.into());
    told
}

/// Why a callee with a stack of ours refused, as this status says: for clients. `None` if there is nothing of ours in
/// it.
///
/// The layer is `remote`, since names of layers do not leave their process. [`Rejection::was_dispatched`] is about the
/// callee's inner service: `false` says that work on the request was not begun, so it is safe to send again. Nothing
/// proves that the status really comes from a stack of ours.
///
/// ```
/// use plimsoll::{Reason, Rejection, grpc};
///
/// let status = tonic::Status::from(Rejection::new(Reason::QueueFull, "front"));
/// // …over the wire…
/// let refused = grpc::received(&status).expect("a refusal");
/// assert_eq!((refused.reason(), refused.layer()), (Reason::QueueFull, "remote"));
/// ```
pub fn received(status: &Status) -> Option<Rejection> {
    let (reason, dispatched) = Details::read(status.details()).reason?;
    let rejection = Rejection::new(reason, REMOTE);
    let rejection = if dispatched { rejection.dispatched() } else { rejection };
    Some(match Pushback::of(status) {
        Some(Pushback::After(after)) => rejection.with_retry_after(after),
        Some(Pushback::Never) | None => rejection,
    })
}

impl Pushback {
    /// What a status says about retries: `grpc-retry-pushback-ms` among its metadata, or else a `RetryInfo` among its
    /// details. `None` where it says nothing.
    pub fn of(status: &Status) -> Option<Self> {
        match status.metadata().get(PUSHBACK) {
            Some(value) => Some(Self::parse(value.as_bytes())),
            None => Details::read(status.details()).retry_delay.map(Self::After),
        }
    }
}

/// What tells most about an error.
pub(super) enum First<'a> {
    Rejection(&'a Rejection),
    Status(&'a Status),
    TimeoutExpired,
}

/// The first in the error and its sources that we know.
pub(super) fn first<'a>(error: &'a (dyn error::Error + 'static)) -> Option<First<'a>> {
    successors(Some(error), |error| error.source()).find_map(|error| {
        if let Some(status) = error.downcast_ref() {
            return Some(First::Status(status));
        }
        let rejection = error.downcast_ref().map(First::Rejection);
        rejection.or_else(|| error.is::<TimeoutExpired>().then_some(First::TimeoutExpired))
    })
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, io, time::Duration};

    use tonic_types::StatusExt;

    use super::{super::wire::Fields, *};
    use crate::rejection::Reason;

    const FULL: Rejection = Rejection::new(Reason::BulkheadFull, "db");

    fn pushback(status: &Status) -> Option<&str> {
        status.metadata().get(PUSHBACK).and_then(|value| value.to_str().ok())
    }

    #[test]
    fn every_reason_has_its_code_and_says_whether_to_come_back() {
        for reason in Reason::ALL {
            let status = Status::from(Rejection::new(*reason, "db").with_retry_after(Duration::from_millis(1500)));
            assert_eq!(i32::from(status.code()), reason.grpc_code(), "{reason:?}");
            assert_eq!(status.message(), reason.to_string());
            let details = status.get_error_details();
            let info = details.error_info().expect("one");
            assert_eq!(info.domain, "plimsoll");
            let retry = details.retry_info().and_then(|info| info.retry_delay);
            if reason.is_retryable() {
                assert_eq!((pushback(&status), retry), (Some("1500"), Some(Duration::from_millis(1500))), "{reason:?}");
            } else {
                assert_eq!((pushback(&status), retry), (Some("-1"), None), "{reason:?}");
            }
        }
    }

    #[test]
    fn what_is_not_known_is_not_said() {
        let status = Status::from(FULL);
        assert!(status.get_details_retry_info().is_none());
        assert_eq!((pushback(&status), Pushback::of(&status)), (None, None));
    }

    /// Who looks at details alone is told the same as who looks at the status.
    #[test]
    fn details_say_what_the_status_says() {
        let status = Status::from(FULL.with_retry_after(Duration::from_secs(2)));
        let fields = || Fields(status.details());
        assert_eq!((fields().number_of(1), fields().bytes_of(3).count()), (14, 2));
        assert_eq!(fields().bytes_of(2).collect::<Vec<_>>(), [status.message().as_bytes()]);
    }

    #[test]
    fn a_refusal_is_found_in_its_status_below_whatever_is_wrapped_around_it() {
        assert_eq!(Status::from(FULL).rejection(), Some(&FULL));
        let boxed: BoxError = Box::new(Error::Inner(Status::from(FULL)));
        assert_eq!(status_of(boxed).rejection(), Some(&FULL));
        assert_eq!(Status::unavailable("theirs").rejection(), None);
    }

    #[test]
    fn errors_become_the_status_that_is_in_them() {
        assert_eq!(Status::from(Error::<Infallible>::from(FULL)).code(), Code::Unavailable);
        assert_eq!(Status::from(Error::Inner(Status::not_found("lamp"))).code(), Code::NotFound);
        assert_eq!(Status::from(Error::Inner(io::Error::other("cut"))).code(), Code::Unknown);
        let nested: BoxError = Box::new(Error::Inner(Error::<io::Error>::from(FULL)));
        assert_eq!(status_of(nested).message(), "the bulkhead is full");
    }

    /// tonic says `CANCELLED` of a call that its own time limit ended: nobody had cancelled it.
    #[test]
    fn a_time_limit_of_tonics_own_is_a_deadline() {
        assert_eq!(Status::from_error(Box::new(TimeoutExpired(()))).code(), Code::Cancelled, "what tonic says");
        assert_eq!(Status::from(Error::Inner(TimeoutExpired(()))).code(), Code::DeadlineExceeded);
    }

    #[test]
    fn what_a_callee_said_is_read_again() {
        let refused = FULL.dispatched().with_retry_after(Duration::from_millis(20));
        let status = received(&Status::from(refused)).expect("a refusal");
        assert_eq!((status.reason(), status.layer()), (Reason::BulkheadFull, "remote"));
        assert_eq!((status.was_dispatched(), status.retry_after()), (true, Some(Duration::from_millis(20))));
        assert_eq!(received(&Status::unavailable("theirs")), None);
    }

    /// What is not written by us is read too: the field first, and else the details.
    #[test]
    fn pushback_is_read_from_the_field_or_else_from_details() {
        let delay = tonic_types::ErrorDetails::with_retry_info(Some(Duration::from_millis(70)));
        let mut status = Status::with_error_details(Code::ResourceExhausted, "slowly", delay);
        assert_eq!(Pushback::of(&status), Some(Pushback::After(Duration::from_millis(70))));
        status.metadata_mut().insert(PUSHBACK, AsciiMetadataValue::from_static("25"));
        assert_eq!(Pushback::of(&status), Some(Pushback::After(Duration::from_millis(25))));
        status.metadata_mut().insert(PUSHBACK, AsciiMetadataValue::from_static("soon"));
        assert_eq!(Pushback::of(&status), Some(Pushback::Never));
    }
}

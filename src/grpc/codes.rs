use tonic::Code;

use super::{ToOutcome, pushback::Pushback};
use crate::{
    classify::{Classify, Failure, Outcome},
    rejection::Reason,
};

/// Judges results by gRPC's status codes: the judge for a client's stack.
///
/// | code | | says | tried again |
/// |---|---|---|---|
/// | 0 | `OK` | success | |
/// | 1 | `CANCELLED` | nothing about the callee; [`Timeout`](Failure::Timeout) where tonic's own time limit ran out, which tonic calls `CANCELLED` | no; yes |
/// | 2 | `UNKNOWN` | [`Permanent`](Failure::Permanent): a bug, or an answer that broke off | no |
/// | 3 | `INVALID_ARGUMENT` | success: the caller's mistake | |
/// | 4 | `DEADLINE_EXCEEDED` | [`Timeout`](Failure::Timeout) | while there is time left, unless pushed back |
/// | 5 | `NOT_FOUND` | success: an answer | |
/// | 6 | `ALREADY_EXISTS` | success: an answer | |
/// | 7 | `PERMISSION_DENIED` | success: an answer | |
/// | 8 | `RESOURCE_EXHAUSTED` | [`Throttled`](Failure::Throttled) with the time of the pushback; without one [`PushedBack`](Failure::PushedBack), as nothing says that it will get better (a quota, a full disk) | with pushback |
/// | 9 | `FAILED_PRECONDITION` | success: an answer | |
/// | 10 | `ABORTED` | success: a conflict, to be tried again from where the caller began; with pushback [`Throttled`](Failure::Throttled) | with pushback |
/// | 11 | `OUT_OF_RANGE` | success: an answer | |
/// | 12 | `UNIMPLEMENTED` | success, as HTTP's 501 is: a callee that answers that it does not have this method is up | |
/// | 13 | `INTERNAL` | [`Permanent`](Failure::Permanent) | no |
/// | 14 | `UNAVAILABLE` | [`Throttled`](Failure::Throttled) with pushback; [`Overload`](Failure::Overload) where it was a refusal of ours; else [`Transient`](Failure::Transient) | yes, unless pushed back |
/// | 15 | `DATA_LOSS` | [`Permanent`](Failure::Permanent) | no |
/// | 16 | `UNAUTHENTICATED` | success: an answer | |
///
/// *Pushback* is [`grpc-retry-pushback-ms`](Pushback) or, without that, a `RetryInfo`. Where it says "never", codes 4,
/// 8 and 14 are [`PushedBack`](Failure::PushedBack). If a stack of ours over there refused because of the request
/// itself (`TooExpensive`, `WorkExhausted`), that is a success: an answer. A refusal in this process is judged by
/// [`Outcome::of_rejection`].
///
/// What is tried again follows gRPC's advice on [codes](https://grpc.io/docs/guides/status-codes/) and OpenTelemetry's
/// on [`RESOURCE_EXHAUSTED`](https://opentelemetry.io/docs/specs/otlp/#failures); what is a failure follows
/// OpenTelemetry's [semantic conventions for servers](https://opentelemetry.io/docs/specs/semconv/rpc/grpc/), except
/// `UNIMPLEMENTED`: one missing method should not open the circuit for all others.
///
/// It judges whatever implements [`ToOutcome`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Codes;

impl<Res: ToOutcome, E: ToOutcome> Classify<Res, E> for Codes {
    #[inline]
    fn classify(&self, result: Result<&Res, &E>) -> Outcome {
        match result {
            Ok(response) => response.to_outcome(),
            Err(error) => error.to_outcome(),
        }
    }
}

/// What a callee said.
pub(super) struct Said {
    pub(super) code: Code,
    pub(super) pushback: Option<Pushback>,
    /// Of a stack of ours, there.
    pub(super) reason: Option<Reason>,
}

impl Said {
    /// The table of [`Codes`].
    pub(super) fn to_outcome(&self) -> Outcome {
        if let Some(Reason::TooExpensive | Reason::WorkExhausted) = self.reason {
            return Outcome::Success;
        }
        let hint = match self.pushback {
            Some(Pushback::After(after)) => Some(Failure::Throttled(Some(after))),
            Some(Pushback::Never) => Some(Failure::PushedBack),
            None => None,
        };
        Outcome::Failure(match self.code {
            Code::Ok
            | Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::FailedPrecondition
            | Code::OutOfRange
            | Code::Unimplemented
            | Code::Unauthenticated => return Outcome::Success,
            Code::Cancelled => return Outcome::Ignored,
            Code::Unknown | Code::Internal | Code::DataLoss => Failure::Permanent,
            Code::DeadlineExceeded => hint.unwrap_or(Failure::Timeout),
            Code::ResourceExhausted => hint.unwrap_or(Failure::PushedBack),
            Code::Aborted => match hint {
                Some(hint @ Failure::Throttled(_)) => hint,
                _ => return Outcome::Success,
            },
            Code::Unavailable => {
                let otherwise = if self.reason.is_some() { Failure::Overload } else { Failure::Transient };
                hint.unwrap_or(otherwise)
            }
        })
    }
}

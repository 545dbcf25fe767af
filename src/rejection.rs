//! Why a request was refused, by which layer, and what helps.

use std::{error, fmt, time::Duration};

use crate::clock::nanos;

/// A refusal: why, by which layer, when to try again, and whether the inner service may have seen the request.
///
/// Every refusal of the library is one of these, whatever the layer and whatever the stack. It is small and `Copy`.
#[derive(Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Rejection {
    reason: Reason,
    layer: &'static str,
    /// In nanoseconds; `u64::MAX` is unknown.
    retry_after: u64,
    dispatched: Dispatched,
}

/// Whether the inner service may have the request. A word, as every field of a [`Rejection`] is: it is moved from gate
/// to future to caller, and a field that is written as a byte and read as part of a word stalls the processor each
/// time.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
enum Dispatched {
    No,
    /// Nor was this one; others are, at this moment.
    NotThisOne,
    Maybe,
}

impl Rejection {
    /// A refusal by `layer` of a request that has not reached the inner service.
    pub const fn new(reason: Reason, layer: &'static str) -> Self {
        Self { reason, layer, retry_after: u64::MAX, dispatched: Dispatched::No }
    }

    /// Says that trying again sooner than `after` is in vain. Saturates after 584 years.
    pub const fn with_retry_after(mut self, after: Duration) -> Self {
        let nanos = nanos(after);
        self.retry_after = if nanos == u64::MAX { u64::MAX - 1 } else { nanos };
        self
    }

    /// Says that other requests like this one get through at the moment: a half-open circuit lets probes through, and
    /// one on its ramp a share of the calls. It changes nothing in a rejection that is
    /// [`dispatched`](Self::dispatched).
    pub const fn in_part(mut self) -> Self {
        if !self.was_dispatched() {
            self.dispatched = Dispatched::NotThisOne;
        }
        self
    }

    /// Says that the request may have reached the inner service: sending it again may do its work twice.
    pub const fn dispatched(mut self) -> Self {
        self.dispatched = Dispatched::Maybe;
        self
    }

    /// Why.
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// The layer that refused: its room's name, or the name that you gave it.
    pub const fn layer(&self) -> &'static str {
        self.layer
    }

    /// How long to wait before another try can succeed, where that is known.
    pub const fn retry_after(&self) -> Option<Duration> {
        if self.retry_after == u64::MAX { None } else { Some(Duration::from_nanos(self.retry_after)) }
    }

    /// Whether the request may have reached the inner service. `false` means that it is safe to send again.
    pub const fn was_dispatched(&self) -> bool {
        matches!(self.dispatched, Dispatched::Maybe)
    }

    /// Whether other requests like this one get through at the moment, as far as the layer says so.
    pub const fn is_in_part(&self) -> bool {
        matches!(self.dispatched, Dispatched::NotThisOne)
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.layer, self.reason)?;
        match self.retry_after() {
            Some(after) => write!(f, "; try again in {after:.1?}"),
            None => Ok(()),
        }
    }
}

/// As its methods say it, and not as it is kept.
impl fmt::Debug for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut printed = f.debug_struct("Rejection");
        printed
            .field("reason", &self.reason)
            .field("layer", &self.layer)
            .field("retry_after", &self.retry_after())
            .field("dispatched", &self.was_dispatched());
        if self.is_in_part() {
            printed.field("in_part", &true);
        }
        printed.finish()
    }
}

impl error::Error for Rejection {}

/// Who could have avoided a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// Whoever sent the request: too many, too large, or with too little time.
    Caller,
    /// The service behind the layer: failing or slow.
    Callee,
    /// This process: it has no room.
    Here,
}

/// Writes the one table of reasons: a variant, what it says, and what it means to others.
macro_rules! reasons {
    ($($(#[$doc:meta])* $reason:ident: $says:literal, $fault:ident, retryable $retryable:literal, http $http:literal, grpc $grpc:literal;)*) => {
        /// Why a request was refused.
        ///
        /// | reason | fault | may succeed later | HTTP | gRPC |
        /// |---|---|---|---|---|
        $(#[doc = concat!("| [`", stringify!($reason), "`](Self::", stringify!($reason), ") | ", stringify!($fault), " | ", stringify!($retryable), " | ", stringify!($http), " | ", stringify!($grpc), " |")])*
        ///
        /// The gRPC numbers are 4 `DEADLINE_EXCEEDED`, 8 `RESOURCE_EXHAUSTED` and 14 `UNAVAILABLE`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u64)]
        #[non_exhaustive]
        pub enum Reason {
            $($(#[$doc])* $reason,)*
        }

        impl Reason {
            /// Every reason, for tables and metrics.
            pub const ALL: &'static [Self] = &[$(Self::$reason),*];

            /// Who could have avoided it.
            pub const fn fault(self) -> Fault {
                match self { $(Self::$reason => Fault::$fault,)* }
            }

            /// Whether the same request may succeed if it is sent again a little later.
            pub const fn is_retryable(self) -> bool {
                match self { $(Self::$reason => $retryable,)* }
            }

            /// The HTTP status that says this to a caller.
            pub const fn http_status(self) -> u16 {
                match self { $(Self::$reason => $http,)* }
            }

            /// The gRPC code that says this to a caller.
            pub const fn grpc_code(self) -> i32 {
                match self { $(Self::$reason => $grpc,)* }
            }
        }

        impl fmt::Display for Reason {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$reason => $says,)* })
            }
        }
    };
}

reasons! {
    /// The bulkhead has no permit to give, and no place to wait for one.
    BulkheadFull: "the bulkhead is full", Here, retryable true, http 503, grpc 14;
    /// The circuit breaker has stopped calling a callee that keeps failing.
    CircuitOpen: "the circuit is open", Callee, retryable true, http 503, grpc 14;
    /// A gate of your own refused.
    Custom: "refused", Here, retryable true, http 503, grpc 14;
    /// The time that the caller gave ran out.
    DeadlineExceeded: "the caller's deadline has passed", Caller, retryable false, http 504, grpc 4;
    /// The request's deadline would pass before an answer could be there.
    DeadlineUnreachable: "the caller's deadline cannot be met", Here, retryable false, http 504, grpc 4;
    /// A more important request took this one's place in the queue.
    Displaced: "more important requests took the place", Here, retryable true, http 503, grpc 14;
    /// All the places for keys are taken by keys that must be remembered.
    KeysFull: "there is no room for another key", Here, retryable true, http 503, grpc 14;
    /// As many requests are under way as the service can serve well.
    LimitReached: "as much is under way as can be served well", Here, retryable true, http 503, grpc 14;
    /// None of the shards that may serve this request can be called.
    NoShard: "no shard that may serve it can be called", Callee, retryable true, http 503, grpc 14;
    /// There is no place left in the queue.
    QueueFull: "the queue is full", Here, retryable true, http 503, grpc 14;
    /// The caller sent more than its rate allows.
    RateLimited: "the rate limit is reached", Caller, retryable true, http 429, grpc 8;
    /// The call took longer than a timeout of this stack allows.
    Timeout: "the call timed out", Callee, retryable true, http 504, grpc 4;
    /// The request would cost more than any single one may.
    TooExpensive: "it would cost more than one request may", Caller, retryable false, http 422, grpc 8;
    /// The request has waited for its turn for as long as it may.
    WaitTimeout: "the wait for a turn was too long", Here, retryable true, http 503, grpc 14;
    /// The wait for a turn would be longer than it may be, as far as can be foretold.
    WaitTooLong: "the wait for a turn would be too long", Here, retryable true, http 503, grpc 14;
    /// The request has used up the work that it was given, before it was done.
    WorkExhausted: "its budget of work is spent", Caller, retryable false, http 422, grpc 8;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rejection_says_who_why_and_what_helps() {
        let plain = Rejection::new(Reason::BulkheadFull, "db");
        assert_eq!(plain.to_string(), "db: the bulkhead is full");
        let helpful = plain.with_retry_after(Duration::from_millis(1500));
        assert_eq!(helpful.to_string(), "db: the bulkhead is full; try again in 1.5s");
        assert!(!helpful.was_dispatched());
        assert!(helpful.dispatched().was_dispatched());
        assert!(!helpful.is_in_part() && helpful.in_part().is_in_part() && !helpful.in_part().was_dispatched());
        assert!(helpful.dispatched().in_part().was_dispatched() && helpful.in_part().dispatched().was_dispatched());
    }

    /// It used to print the number that stands for "unknown".
    #[test]
    fn what_is_not_known_is_printed_as_none() {
        let unknown = Rejection::new(Reason::Custom, "mine");
        let printed = "Rejection { reason: Custom, layer: \"mine\", retry_after: None, dispatched: false }";
        assert_eq!(format!("{unknown:?}"), printed);
    }

    /// A test that compared one of a circuit on its ramp with one of an open circuit failed, and printed the same twice.
    #[test]
    fn rejections_that_differ_are_printed_differently() {
        let plain = Rejection::new(Reason::CircuitOpen, "mine");
        let printed = [plain, plain.in_part(), plain.dispatched()].map(|rejection| format!("{rejection:?}"));
        assert!(printed[0] != printed[1] && printed[1] != printed[2] && printed[2] != printed[0], "{printed:?}");
    }

    #[test]
    fn a_rejection_is_small() {
        assert!(size_of::<Rejection>() <= 40);
    }

    #[test]
    fn statuses_fit_the_fault() {
        for reason in Reason::ALL {
            let (http, grpc) = (reason.http_status(), reason.grpc_code());
            assert!(matches!((http, grpc), (422 | 429, 8) | (503, 14) | (504, 4)), "{reason:?}");
            assert!(http >= 500 || reason.fault() == Fault::Caller, "{reason:?} blames the caller");
        }
    }
}

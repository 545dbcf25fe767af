//! What a result says about a server's own work.

use crate::classify::{Classify, Failure, Outcome};

/// Judges as another judge does, but takes no answer from the handler for a sign of overload: for a server, whose load
/// shedder cuts its limit when it hears of overload.
///
/// A handler says 429 to one caller that tries too many passwords, or 503 when one of its dependencies is gone, and
/// gRPC's `DEADLINE_EXCEEDED` when a caller was in a hurry. None of these is a reason to serve everybody else less; if
/// they were, anybody could provoke them to that end. Such an answer is a failure like any other: not measured, as it
/// says nothing about how long work takes. Refusals by layers further in, which are errors and not answers, are judged
/// as ever.
///
/// ```
/// use plimsoll::{Classify, Error, Outcome, classify::Failure, http::ByStatus, ready::Served};
///
/// let busy = http::Response::builder().status(503).body(()).expect("a response");
/// let judge = Served::of(ByStatus::new());
/// assert_eq!(judge.classify(Ok::<_, &Error<std::io::Error>>(&busy)), Outcome::Failure(Failure::Transient));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Served<C>(C);

impl<C> Served<C> {
    /// What `judge` says, except of answers that speak of overload.
    pub const fn of(judge: C) -> Self {
        Self(judge)
    }
}

impl<C: Classify<Res, E>, Res, E> Classify<Res, E> for Served<C> {
    fn classify(&self, result: Result<&Res, &E>) -> Outcome {
        match (result, self.0.classify(result)) {
            (Ok(_), Outcome::Failure(_)) => Outcome::Failure(Failure::Transient),
            (_, outcome) => outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overloaded(_: Result<&(), &()>) -> Outcome {
        Outcome::Failure(Failure::Overload)
    }

    #[test]
    fn an_answer_is_no_sign_of_overload_and_a_refusal_further_in_is() {
        assert_eq!(Served::of(overloaded).classify(Ok(&())), Outcome::Failure(Failure::Transient));
        assert_eq!(Served::of(overloaded).classify(Err(&())), Outcome::Failure(Failure::Overload));
        let success = |_: Result<&(), &()>| Outcome::Success;
        assert_eq!(Served::of(success).classify(Ok(&())), Outcome::Success);
    }
}

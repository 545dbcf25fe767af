//! What a result says about the health of a callee, as apart from whether it has room.

use crate::classify::{Classify, Failure, Outcome};

/// Judges as another judge does, but takes no callee for sick that sheds load: for a circuit breaker.
///
/// At five times its capacity a healthy callee refuses four calls of five. A retry should hear of it, and pause; a circuit that
/// opens for it would refuse the fifth as well. So [`Overload`](Failure::Overload), [`Throttled`](Failure::Throttled) and
/// [`PushedBack`](Failure::PushedBack) are [ignored](Outcome::Ignored): they are neither failures nor successes.
///
/// ```
/// use plimsoll::{Error, Outcome, Stack, circuit_breaker, classify::Failure, ready::Health, retry};
///
/// let judge = |result: Result<&u16, &Error<std::io::Error>>| match result {
///     Ok(503) => Outcome::Failure(Failure::Overload),
///     Ok(500..) => Outcome::Failure(Failure::Transient),
///     Ok(_) => Outcome::Success,
///     Err(error) => match error {
///         Error::Rejected(rejection) => Outcome::of_rejection(rejection),
///         Error::Inner(_) => Outcome::Failure(Failure::Transient),
///     },
/// };
/// let stack = Stack::new()
///     .classify(judge)
///     .retry(retry::Settings::new())
///     .classify(Health::of(judge))
///     .circuit_breaker(circuit_breaker::Settings::new());
/// # let _ = stack.service(tower::service_fn(|_: ()| async { Ok::<u16, std::io::Error>(200) }));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Health<C> {
    judge: C,
    shedding_fails: bool,
}

impl<C> Health<C> {
    /// The health of a callee, of which `judge` says all else.
    pub const fn of(judge: C) -> Self {
        Self { judge, shedding_fails: false }
    }

    /// Takes shedding for a failure after all: for a callee that never sheds by itself, and behind which there is only
    /// something that says 503 in its place when it is gone.
    pub const fn with_shedding_as_failure(mut self) -> Self {
        self.shedding_fails = true;
        self
    }
}

impl<C: Classify<Res, E>, Res, E> Classify<Res, E> for Health<C> {
    fn classify(&self, result: Result<&Res, &E>) -> Outcome {
        match self.judge.classify(result) {
            Outcome::Failure(Failure::Overload | Failure::PushedBack | Failure::Throttled(_))
                if !self.shedding_fails =>
            {
                Outcome::Ignored
            }
            outcome => outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Whatever it is shown is the outcome.
    fn itself(result: Result<&Outcome, &()>) -> Outcome {
        result.map_or(Outcome::Ignored, |outcome| *outcome)
    }

    const SHEDS: [Failure; 4] = [
        Failure::Overload,
        Failure::PushedBack,
        Failure::Throttled(None),
        Failure::Throttled(Some(Duration::from_secs(1))),
    ];

    #[test]
    fn who_sheds_is_neither_well_nor_sick() {
        let judge = Health::of(itself);
        for failure in SHEDS {
            assert_eq!(judge.classify(Ok(&Outcome::Failure(failure))), Outcome::Ignored, "{failure:?}");
        }
        for failure in [Failure::Permanent, Failure::Timeout, Failure::Transient] {
            let outcome = Outcome::Failure(failure);
            assert_eq!(judge.classify(Ok(&outcome)), outcome);
        }
        assert_eq!(judge.classify(Ok(&Outcome::Success)), Outcome::Success);
    }

    #[test]
    fn shedding_is_a_failure_if_that_is_said() {
        let judge = Health::of(itself).with_shedding_as_failure();
        for failure in SHEDS {
            assert_eq!(judge.classify(Ok(&Outcome::Failure(failure))), Outcome::Failure(failure));
        }
    }
}

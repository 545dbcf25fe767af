use std::fmt;

use super::{Classify, Outcome};

/// Judges whether the callee is [well](Outcome::health), by what another judge says: for circuit breakers, and for
/// routers, which eject members.
///
/// A callee that sheds load does what it should. At five times its capacity a healthy one refuses four calls in five. A
/// retry has to hear of that, to wait for as long as it is asked to; a circuit that opens for it refuses the fifth call
/// as well, for longer than was asked, and when it closes, all come at once. So each of the two has a judge of its own.
///
/// ```
/// use plimsoll::{Error, Outcome, Stack, circuit_breaker, classify::{Failure, Health}, retry};
///
/// let judge = |result: Result<&u16, &Error<std::io::Error>>| match result {
///     Ok(503) => Outcome::Failure(Failure::Overload),
///     Ok(500..) => Outcome::Failure(Failure::Transient),
///     Ok(_) => Outcome::Success,
///     Err(Error::Rejected(rejection)) => Outcome::of_rejection(rejection),
///     Err(Error::Inner(_)) => Outcome::Failure(Failure::Transient),
/// };
/// let stack = Stack::new()
///     .classify(judge)
///     .retry(retry::Settings::new())
///     .classify(Health::of(judge))
///     .circuit_breaker(circuit_breaker::Settings::new());
/// # let _ = stack.service(tower::service_fn(|_: ()| async { Ok::<u16, std::io::Error>(200) }));
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq)]
#[must_use]
pub struct Health<C> {
    judge: C,
    shedding_fails: bool,
}

impl<C> Health<C> {
    /// The health of a callee, as far as `judge`'s outcomes tell.
    pub const fn of(judge: C) -> Self {
        Self { judge, shedding_fails: false }
    }

    /// Takes shedding for a failure after all: for a callee that never sheds load by itself, so that a 503 can only
    /// come from something in front of it, when it is gone.
    pub const fn with_shedding_as_failure(mut self) -> Self {
        self.shedding_fails = true;
        self
    }
}

/// Closures are not `Debug`, and a service over one should be.
impl<C> fmt::Debug for Health<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Health({})", std::any::type_name::<C>())
    }
}

impl<C: Classify<Res, E>, Res, E> Classify<Res, E> for Health<C> {
    #[inline]
    fn classify(&self, result: Result<&Res, &E>) -> Outcome {
        let outcome = self.judge.classify(result);
        if self.shedding_fails { outcome } else { outcome.health() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::Failure;

    /// Whatever it is shown is the outcome.
    fn itself(result: Result<&Outcome, &()>) -> Outcome {
        result.map_or(Outcome::Ignored, |outcome| *outcome)
    }

    const SHEDS: Outcome = Outcome::Failure(Failure::Overload);

    #[test]
    fn who_sheds_is_neither_well_nor_ill() {
        let judge = Health::of(itself);
        assert_eq!(judge.classify(Ok(&SHEDS)), Outcome::Ignored);
        for outcome in [Outcome::Failure(Failure::Transient), Outcome::Success] {
            assert_eq!(judge.classify(Ok(&outcome)), outcome);
        }
    }

    #[test]
    fn shedding_is_a_failure_if_that_is_said() {
        let judge = Health::of(itself).with_shedding_as_failure();
        assert_eq!(judge.classify(Ok(&SHEDS)), SHEDS);
    }

    #[test]
    fn it_is_printed_over_a_closure_too() {
        assert!(format!("{:?}", Health::of(|_: Result<&(), &()>| Outcome::Success)).starts_with("Health("));
    }
}

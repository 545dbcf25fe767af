//! What a result says about the callee.

mod health;

use std::{fmt, time::Duration};

pub use self::health::Health;
use crate::{
    error::Refusal,
    rejection::{Reason, Rejection},
};

/// What a result says about the callee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a third verdict beside good and bad is the whole vocabulary")]
pub enum Outcome {
    /// The callee did its work. The client's own mistake (a 404, say) is a success of the callee.
    Success,
    /// The callee failed.
    Failure(Failure),
    /// The result says nothing about the callee.
    Ignored,
}

/// How a callee failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Failure {
    /// The callee had no room for the request.
    Overload,
    /// The callee failed, and would fail again, or another attempt may do harm: an answer that broke off, say. Not
    /// tried again.
    Permanent,
    /// The callee had no room for the request, which is not to be sent again: the callee said so, or it would have said
    /// when.
    PushedBack,
    /// The callee asked to be called less often, and may have said for how long.
    Throttled(Option<Duration>),
    /// The callee took too long.
    Timeout,
    /// Any other failure, which another attempt may not meet.
    Transient,
}

impl Failure {
    /// How long the callee asked to be left alone.
    pub const fn retry_after(self) -> Option<Duration> {
        match self {
            Self::Throttled(after) => after,
            _ => None,
        }
    }
}

/// Judges results: one judge for a whole stack, or a room's own.
///
/// A closure qualifies; it has to name its argument's type:
///
/// ```
/// use plimsoll::{Classify, Outcome, classify::Failure};
///
/// let judge = |result: Result<&u16, &std::io::Error>| match result {
///     Ok(500..) => Outcome::Failure(Failure::Transient),
///     Ok(_) => Outcome::Success,
///     Err(_) => Outcome::Failure(Failure::Transient),
/// };
/// assert_eq!(judge.classify(Ok(&404)), Outcome::Success);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not judge results `Result<&{Res}, &{E}>`",
    label = "not a judge of this response and error",
    note = "a closure says both types: `|result: Result<&Response, &Error>|`; over `Stack::service` the error is `plimsoll::Error<E>`",
    note = "the standard judge asks that the error is a `plimsoll::Refusal`",
    note = "a judge of another library's responses is told where their heads are, as `ByStatus::of` is"
)]
pub trait Classify<Res, E> {
    /// What this result says about the callee. It should be quick: it runs in the call path.
    fn classify(&self, result: Result<&Res, &E>) -> Outcome;
}

impl<F, Res, E> Classify<Res, E> for F
where
    F: Fn(Result<&Res, &E>) -> Outcome,
{
    fn classify(&self, result: Result<&Res, &E>) -> Outcome {
        self(result)
    }
}

/// The default judge: an answer is a success, an error a failure, and a refusal from further in is judged by
/// [`Outcome::of_rejection`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standard;

impl<Res, E: Refusal> Classify<Res, E> for Standard {
    #[inline]
    fn classify(&self, result: Result<&Res, &E>) -> Outcome {
        match result {
            Ok(_) => Outcome::Success,
            Err(error) => match error.rejection() {
                Some(rejection) => Outcome::of_rejection(rejection),
                None => Outcome::Failure(Failure::Transient),
            },
        }
    }
}

impl Outcome {
    /// What a refusal from further in says about the callee.
    ///
    /// Nothing, if the request was never dispatched, or if it ran out of its caller's time or of its work. A timeout of
    /// ours after dispatch is a failure, so a circuit breaker above a per-attempt timeout trips on a callee that hangs.
    pub const fn of_rejection(rejection: &Rejection) -> Self {
        if !rejection.was_dispatched() {
            return Self::Ignored;
        }
        match rejection.reason() {
            Reason::DeadlineExceeded | Reason::WorkExhausted => Self::Ignored,
            Reason::Timeout => Self::Failure(Failure::Timeout),
            _ => Self::Failure(Failure::Transient),
        }
    }
}

impl Outcome {
    /// What this outcome says about whether the callee is *well*, rather than whether to try again.
    ///
    /// A callee that says "not now" ([`Overload`](Failure::Overload), [`Throttled`](Failure::Throttled),
    /// [`PushedBack`](Failure::PushedBack)) is up, knows how much it can do, and refused at next to no cost. That is
    /// neither its failure nor its success, as none of its work was done: [`Ignored`](Self::Ignored). All other
    /// outcomes stay as they are.
    #[must_use]
    pub const fn health(self) -> Self {
        match self {
            Self::Failure(Failure::Overload | Failure::Throttled(_) | Failure::PushedBack) => Self::Ignored,
            other => other,
        }
    }
}

/// The judge of a stack in which no room looks at outcomes; it requires nothing of the error type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unjudged;

impl<Res, E> Classify<Res, E> for Unjudged {
    #[inline]
    fn classify(&self, result: Result<&Res, &E>) -> Outcome {
        match result {
            Ok(_) => Outcome::Success,
            Err(_) => Outcome::Failure(Failure::Transient),
        }
    }
}

/// The judge that the user of a [`Stack`](crate::Stack) chose.
#[derive(Clone, Copy)]
pub struct Chosen<C>(pub(crate) C);

/// Closures are not `Debug`, and a service over one should be.
impl<C> fmt::Debug for Chosen<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chosen({})", std::any::type_name::<C>())
    }
}

impl<C: Classify<Res, E>, Res, E> Classify<Res, E> for Chosen<C> {
    #[inline]
    fn classify(&self, result: Result<&Res, &E>) -> Outcome {
        self.0.classify(result)
    }
}

/// Which of two judges counts: one that the user [chose](Chosen), or else the other.
///
/// A stack whose user chose no judge uses [`Standard`] once a room that looks at outcomes is added; a retry that was
/// given none judges as its stack does. A judge of your own implements [`Classify`], and not this.
pub trait Judge: sealed::Sealed {
    /// This judge if it was chosen, else `C`.
    type Or<C: Clone>: Clone;

    /// This judge if it was chosen, else `other`.
    fn or<C: Clone>(self, other: C) -> Self::Or<C>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Unjudged {}
    impl Sealed for super::Standard {}
    impl<C> Sealed for super::Chosen<C> {}
}

impl Judge for Unjudged {
    type Or<C: Clone> = C;

    fn or<C: Clone>(self, other: C) -> C {
        other
    }
}

impl Judge for Standard {
    type Or<C: Clone> = C;

    fn or<C: Clone>(self, other: C) -> C {
        other
    }
}

impl<J: Clone> Judge for Chosen<J> {
    type Or<C: Clone> = Self;

    fn or<C: Clone>(self, _: C) -> Self {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn the_standard_judge_knows_refusals_from_failures() {
        let judge = |result: Result<(), Error<()>>| Standard.classify(result.as_ref());
        let refused = |reason| Rejection::new(reason, "inner");
        assert_eq!(judge(Ok(())), Outcome::Success);
        assert_eq!(judge(Err(Error::Inner(()))), Outcome::Failure(Failure::Transient));
        for reason in Reason::ALL {
            assert_eq!(judge(Err(refused(*reason).into())), Outcome::Ignored, "{reason:?} before dispatch");
        }
        let late = |reason| judge(Err(refused(reason).dispatched().into()));
        assert_eq!(late(Reason::Timeout), Outcome::Failure(Failure::Timeout));
        assert_eq!(late(Reason::DeadlineExceeded), Outcome::Ignored);
        assert_eq!(late(Reason::WorkExhausted), Outcome::Ignored);
    }

    #[test]
    fn a_callee_that_says_not_now_is_neither_well_nor_ill() {
        let (ms, failed) = (Duration::from_millis(1), Outcome::Failure);
        for not_now in [Failure::Overload, Failure::PushedBack, Failure::Throttled(None), Failure::Throttled(Some(ms))]
        {
            assert_eq!(failed(not_now).health(), Outcome::Ignored, "{not_now:?}");
        }
        for ill in [Failure::Permanent, Failure::Timeout, Failure::Transient] {
            assert_eq!(failed(ill).health(), failed(ill));
        }
        assert_eq!(Outcome::Success.health(), Outcome::Success);
        assert_eq!(Outcome::Ignored.health(), Outcome::Ignored);
    }
}

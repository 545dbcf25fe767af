use crate::{
    error::Error,
    rejection::{Reason, Rejection},
};

/// There is no more work to be had: the fuel is spent, the caller's deadline has passed, or the request is over.
///
/// It becomes a [`Rejection`] of a dispatched request, by the layer that granted the work: by `?` in a handler whose
/// error is [`Error`], by `.map_err(Rejection::from)?` in one whose error can hold a refusal. A call that ends like
/// this is not tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.rejection())]
pub struct Exhausted {
    cause: Cause,
    layer: &'static str,
}

/// What has run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// Fuel: it is spent, or less is left than was wanted.
    Fuel,
    /// Time: the caller's deadline has passed.
    Deadline,
    /// The request itself: it was answered, or given up on. Whoever still holds its work is too late.
    Over,
}

impl Exhausted {
    pub(super) const fn new(cause: Cause, layer: &'static str) -> Self {
        Self { cause, layer }
    }

    /// What has run out.
    pub const fn cause(&self) -> Cause {
        self.cause
    }

    /// The refusal that this becomes.
    pub const fn rejection(&self) -> Rejection {
        let reason = match self.cause {
            Cause::Fuel | Cause::Over => Reason::WorkExhausted,
            Cause::Deadline => Reason::DeadlineExceeded,
        };
        Rejection::new(reason, self.layer).dispatched()
    }
}

impl From<Exhausted> for Rejection {
    fn from(exhausted: Exhausted) -> Self {
        exhausted.rejection()
    }
}

impl<E> From<Exhausted> for Error<E> {
    fn from(exhausted: Exhausted) -> Self {
        Self::Rejected(exhausted.rejection())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_exhausted_is_a_refusal_of_a_request_that_was_dispatched() {
        let fuel: Rejection = Exhausted::new(Cause::Fuel, "api").into();
        assert_eq!((fuel.reason(), fuel.layer(), fuel.was_dispatched()), (Reason::WorkExhausted, "api", true));
        let late = Error::<()>::from(Exhausted::new(Cause::Deadline, "api"));
        assert!(matches!(late, Error::Rejected(rejection) if rejection.reason() == Reason::DeadlineExceeded));
        assert_eq!(Exhausted::new(Cause::Over, "api").to_string(), "api: its budget of work is spent");
    }
}

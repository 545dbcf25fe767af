//! The one error type of a stack, and how a refusal is found in an error.

use std::{error, fmt};

use crate::rejection::Rejection;

/// A boxed error, as many tower layers use.
pub type BoxError = Box<dyn error::Error + Send + Sync>;

/// What callers of [`Stack::service`](crate::Stack::service) get: a refusal of the stack, or the error of the inner
/// service.
///
/// However many layers the stack has, the inner error is wrapped once, at the bottom. `source()` leads to it. Making
/// one for a refusal allocates nothing.
///
/// `Box<dyn Error>` is not itself an `Error`, so `Error<BoxError>` is not one either, and will not turn into a
/// `BoxError`: over an inner service whose error is boxed, use [`Stack::wrap`](crate::Stack::wrap), or
/// [`Error::into_box`] where the two meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "two arms, and there will never be a third")]
pub enum Error<E> {
    /// The stack refused the request, or gave up on it.
    Rejected(Rejection),
    /// The inner service failed.
    Inner(E),
}

impl<E> Error<E> {
    /// The inner service's error, unless the stack refused.
    pub fn into_inner(self) -> Option<E> {
        match self {
            Self::Rejected(_) => None,
            Self::Inner(error) => Some(error),
        }
    }

    /// Either arm as a boxed error, which can be downcast to what was in the arm.
    pub fn into_box(self) -> BoxError
    where
        E: Into<BoxError>,
    {
        match self {
            Self::Rejected(rejection) => rejection.into(),
            Self::Inner(error) => error.into(),
        }
    }
}

impl<E> From<Rejection> for Error<E> {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl<E> fmt::Display for Error<E> {
    /// This level only; the source says the rest.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(rejection) => write!(f, "{} did not let the request through", rejection.layer()),
            Self::Inner(_) => f.write_str("the inner service failed"),
        }
    }
}

impl<E: error::Error + 'static> error::Error for Error<E> {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Rejected(rejection) => Some(rejection),
            Self::Inner(error) => Some(error),
        }
    }
}

/// An error in which a refusal of ours can be found again.
///
/// Rooms that only refuse require the inner service's error to be `From<Rejection>`. Rooms that judge results (circuit
/// breaker, retry) require this, so that a refusal from further in is not taken for a failure of the callee. An
/// application's enum implements it in one line:
///
/// ```
/// use plimsoll::{Refusal, Rejection};
///
/// #[derive(Debug, thiserror::Error)]
/// enum AppError {
///     #[error(transparent)]
///     Refused(#[from] Rejection),
///     #[error("no such customer")]
///     NotFound,
/// }
///
/// impl Refusal for AppError {
///     fn rejection(&self) -> Option<&Rejection> {
///         if let Self::Refused(rejection) = self { Some(rejection) } else { None }
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot say whether it is a refusal",
    label = "not a `Refusal`",
    note = "implement `plimsoll::Refusal` for it (its page has the lines), or use `Stack::service` instead of `Stack::wrap`"
)]
pub trait Refusal: From<Rejection> {
    /// The refusal in this error, if there is one.
    fn rejection(&self) -> Option<&Rejection>;
}

impl<E> Refusal for Error<E> {
    fn rejection(&self) -> Option<&Rejection> {
        match self {
            Self::Rejected(rejection) => Some(rejection),
            Self::Inner(_) => None,
        }
    }
}

impl Refusal for Rejection {
    fn rejection(&self) -> Option<&Rejection> {
        Some(self)
    }
}

/// Looks through the sources, so that a refusal is found below whatever another layer wrapped around it.
impl Refusal for BoxError {
    fn rejection(&self) -> Option<&Rejection> {
        find(self.as_ref())
    }
}

/// Looks through the chain of sources.
#[cfg(feature = "anyhow")]
impl Refusal for anyhow::Error {
    fn rejection(&self) -> Option<&Rejection> {
        find(self.as_ref())
    }
}

pub(crate) fn find<'a>(error: &'a (dyn error::Error + 'static)) -> Option<&'a Rejection> {
    std::iter::successors(Some(error), |error| error.source()).find_map(|error| error.downcast_ref())
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::rejection::Reason;

    const FULL: Rejection = Rejection::new(Reason::BulkheadFull, "bulkhead");

    #[test]
    fn a_refusal_is_found_below_a_box() {
        let nested: BoxError = Box::new(Error::<io::Error>::from(FULL));
        assert_eq!(nested.rejection(), Some(&FULL));
        let direct: BoxError = FULL.into();
        assert_eq!(direct.rejection(), Some(&FULL));
        let other: BoxError = "not ours".into();
        assert_eq!(other.rejection(), None);
    }

    #[test]
    fn the_inner_error_is_the_source() {
        let error = Error::Inner(io::Error::other("disk on fire"));
        let source = error::Error::source(&error).expect("a source");
        assert_eq!(source.to_string(), "disk on fire");
    }

    #[test]
    fn both_arms_survive_a_box() {
        let inner = Error::Inner(io::Error::other("disk on fire")).into_box();
        assert!(inner.downcast_ref::<io::Error>().is_some());
        let refused = Error::<io::Error>::from(FULL).into_box();
        assert_eq!(refused.downcast_ref(), Some(&FULL));
    }

    #[cfg(feature = "anyhow")]
    #[test]
    fn a_refusal_is_found_below_anyhow_and_its_contexts() {
        let error = anyhow::Error::from(FULL).context("while greeting");
        assert_eq!(Refusal::rejection(&error), Some(&FULL));
    }
}

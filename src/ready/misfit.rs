use std::{error, fmt};

use crate::{lint::Warning, telemetry::advise};

/// A ready-made stack was not built, as its settings cannot have been meant: which do not fit, and what to change.
#[derive(Clone, Debug, PartialEq)]
pub struct Misfit {
    errors: Vec<Warning>,
}

impl Misfit {
    /// What does not fit: at least one.
    pub fn errors(&self) -> &[Warning] {
        &self.errors
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, error) in self.errors.iter().enumerate() {
            write!(f, "{}{error}", if place > 0 { "; " } else { "" })?;
        }
        Ok(())
    }
}

impl error::Error for Misfit {}

/// `stack`, unless there are errors in `found`. What else was found is written down.
pub(super) fn fitting<T>(stack: T, found: Vec<Warning>) -> Result<T, Misfit> {
    let (errors, warnings): (Vec<_>, Vec<_>) = found.into_iter().partition(|warning| warning.rule().is_error());
    if errors.is_empty() { Ok(noted(stack, &warnings)) } else { Err(Misfit { errors }) }
}

/// `stack`, whatever was found. It is written down.
pub(super) fn noted<T>(stack: T, found: &[Warning]) -> T {
    found.iter().for_each(|warning| advise(warning));
    stack
}

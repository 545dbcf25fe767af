use std::sync::{Mutex, MutexGuard, PoisonError};

/// A mutex that a panic does not close.
///
/// What it guards is written in one step and never left half done, so what a panicking thread leaves behind is as
/// good as before. Never call out while it is held.
#[derive(Debug, Default)]
pub(crate) struct Lock<T>(Mutex<T>);

impl<T> Lock<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A mutex that a panic does not turn into an outage: what it guards is valid between any two statements, so a
/// poisoned lock is as good as any. Nothing of the user's ever runs while it is held.
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

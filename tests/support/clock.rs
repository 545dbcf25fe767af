//! Tokio's paused clock, for tests that poll by hand: it moves when it is told to.

use std::time::Duration;

use tokio::runtime::{Builder, EnterGuard, Runtime};

pub(crate) struct Clock(Runtime);

impl Clock {
    pub(crate) fn new() -> Self {
        Self(Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime"))
    }

    /// Timers made while the guard lives go by this clock.
    pub(crate) fn enter(&self) -> EnterGuard<'_> {
        self.0.enter()
    }

    pub(crate) fn advance(&self, time: Duration) {
        self.0.block_on(tokio::time::advance(time));
    }
}

//! The paused clock, moved by one hand.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Waker},
    time::Duration,
};

use crate::{
    clock::{self, Instant},
    testing::world::World,
};

/// Tokio's timers are due at whole milliseconds since its runtime began.
const TICK: u64 = 1_000_000;

/// Steps the paused clock of a runtime, and tells the world of a simulation what time it is.
pub(super) struct Stepper {
    world: Arc<World>,
    /// Nanoseconds since the start of the run.
    now: u64,
    start: Instant,
}

impl Stepper {
    /// # Panics
    /// If the clock is not paused.
    pub(super) fn new(world: Arc<World>) -> Self {
        assert!(
            is_paused(),
            "a simulation needs a paused clock: `#[tokio::test(start_paused = true)]`, or `plimsoll::testing::simulate`"
        );
        Self { world, now: 0, start: clock::now() }
    }

    pub(super) const fn now(&self) -> u64 {
        self.now
    }

    /// A moment of the run on everybody's clock.
    pub(super) const fn at(&self, moment: u64) -> Instant {
        self.start.after(Duration::from_nanos(moment))
    }

    /// The next tick of tokio's timers.
    pub(super) const fn tick(&self) -> u64 {
        (self.now / TICK + 1).saturating_mul(TICK)
    }

    /// Lets the clock go on until `stop`, which is not after the next tick.
    ///
    /// # Panics
    /// If somebody else has moved it.
    pub(super) async fn go(&mut self, stop: u64) {
        if stop <= self.now {
            return;
        }
        jump(stop - self.now);
        self.now = stop;
        self.world.set_now(stop);
        if stop.is_multiple_of(TICK) {
            // Lets the runtime see to its timers.
            tokio::task::yield_now().await;
            let undisturbed = clock::now() == self.at(stop);
            assert!(undisturbed, "something else moved the paused clock while a simulation was played");
        }
    }
}

/// Whether the clock stands still. Tokio does not say, and its own panic does not say what to do.
fn is_paused() -> bool {
    let before = clock::now();
    std::thread::sleep(Duration::from_micros(1));
    clock::now() == before
}

/// Lets the paused clock go on, and nobody else's turn come: what `advance` does when it is first polled. Then it would
/// give way to the runtime, which takes longer than all the rest of a step.
fn jump(nanos: u64) {
    let advance = pin!(tokio::time::advance(Duration::from_nanos(nanos)));
    let _ = advance.poll(&mut Context::from_waker(Waker::noop()));
}

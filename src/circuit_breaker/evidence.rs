use super::values::{Shape, Window};
use crate::{
    clock::{Instant, Moment},
    stats::{CountWindow, Counts, Mark, Run, TimeWindow},
    sync::atomic::{
        AtomicBool,
        Ordering::{Acquire, Release},
    },
};

/// What the circuit knows of the callee: the window, of whichever shape, and the failures in a row.
#[derive(Debug)]
pub(super) struct Evidence {
    run: Run,
    by_time: AtomicBool,
    calls: CountWindow,
    time: TimeWindow,
}

impl Evidence {
    pub(super) fn new() -> Self {
        Self {
            run: Run::default(),
            by_time: AtomicBool::new(false),
            calls: CountWindow::new(),
            time: TimeWindow::new(),
        }
    }

    /// Forgets, and collects for `epoch` in `window` from now on. Under the machine's lock, before the others know
    /// of `epoch`.
    pub(super) fn restart(&self, epoch: u32, window: Window, now: Instant) {
        match window.shape {
            Shape::Calls(size) => self.calls.restart(epoch, size.get()),
            Shape::Time(length) => self.time.restart(epoch, length, now),
        }
        self.by_time.store(matches!(window.shape, Shape::Time(_)), Release);
        self.run.restart(epoch);
    }

    /// Reads the clock only if the window goes by time. A call that was not `answered` may have been slow, but it did
    /// not succeed: a row of failures goes on after it.
    #[inline]
    pub(super) fn record(&self, epoch: u32, mark: Mark, answered: bool, now: &Moment) {
        if mark.failed {
            self.run.failed(epoch);
        } else if answered {
            self.run.succeeded(epoch);
        }
        if self.by_time.load(Acquire) {
            self.time.record(epoch, mark, now.now());
        } else {
            self.calls.record(epoch, mark);
        }
    }

    pub(super) fn counts(&self, now: Instant) -> Counts {
        if self.by_time.load(Acquire) { self.time.counts(now) } else { self.calls.counts() }
    }

    pub(super) fn failures_in_a_row(&self) -> u32 {
        self.run.length()
    }
}

//! How long scenarios last.

use std::{ops::Range, time::Duration};

use super::secs;

/// How long scenarios last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// As long as the pass marks mean.
    Full,
    /// For a first look.
    Quick,
    /// For a test in a debug build.
    #[allow(dead_code, reason = "for tests/overload.rs")]
    Brief,
}

impl Pace {
    /// What is measured where the load is steady. What came before is left out: who starts cold has settled by then.
    pub(crate) fn window(self) -> Range<Duration> {
        let (start, end) = self.pick((8.0, 28.0), (3.0, 7.0), (2.0, 7.0));
        secs(start)..secs(end)
    }

    /// What is measured from the cold start on.
    pub(crate) fn cold(self) -> Range<Duration> {
        secs(0.0)..self.window().end
    }

    /// Something that happens for so many seconds while it is measured; shorter where the pace is.
    pub(crate) fn event(self, length: f64) -> Range<Duration> {
        let start = self.window().start + secs(self.pick(2.0, 1.0, 0.5));
        start..start + secs(length * self.pick(1.0, 0.4, 0.5))
    }

    /// What is measured around something that happens.
    pub(crate) fn around(self, event: &Range<Duration>) -> Range<Duration> {
        let window = self.window();
        window.start..window.end.max(event.end + secs(self.pick(3.0, 2.0, 1.5)))
    }

    /// So many seconds, or less where the pace is faster.
    pub(crate) fn pick<T>(self, full: T, quick: T, brief: T) -> T {
        match self {
            Self::Full => full,
            Self::Quick => quick,
            Self::Brief => brief,
        }
    }
}

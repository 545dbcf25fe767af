use std::time::Duration;

use crate::{
    clock::Instant,
    sync::atomic::{
        AtomicBool, AtomicU64,
        Ordering::{Relaxed, SeqCst},
    },
};

/// How long every newcomer has to have found a place until it is news that they do. Under a flood some do and some do
/// not, and each announcing the change would be a flood of news.
const QUIET: Duration = Duration::from_secs(10);

/// Whether newcomers find places, as it is announced: once when one does not, and once when they do again.
#[derive(Debug, Default)]
pub(super) struct Pressure {
    full: AtomicBool,
    /// When somebody last found no place, in nanoseconds.
    last: AtomicU64,
}

impl Pressure {
    /// A newcomer found no place. Whether that is news.
    pub(super) fn turned_away(&self, now: Instant) -> bool {
        self.last.fetch_max(now.as_nanos(), SeqCst);
        !self.full.load(SeqCst) && !self.full.swap(true, SeqCst)
    }

    /// A newcomer found a place. Whether that is news.
    pub(super) fn placed(&self, now: Instant) -> bool {
        self.full.load(Relaxed)
            && now.since(Instant::from_nanos(self.last.load(SeqCst))) >= QUIET
            && self.full.swap(false, SeqCst)
    }

    /// Whether the last news was that somebody found none.
    pub(super) fn is_full(&self) -> bool {
        self.full.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_news_once_and_its_end_after_a_while_without_one_turned_away() {
        let (pressure, start) = (Pressure::default(), Instant::from_nanos(1 << 62));
        assert!(!pressure.placed(start), "nothing has happened");
        assert!(pressure.turned_away(start));
        for second in 1..30 {
            let now = start.after(Duration::from_secs(second));
            assert!(!pressure.placed(now) && !pressure.turned_away(now), "some do and some do not");
        }
        let calm = start.after(Duration::from_secs(39));
        assert!(!pressure.placed(calm.before(Duration::from_nanos(1))));
        assert!(pressure.placed(calm) && !pressure.placed(calm));
        assert!(!pressure.is_full() && pressure.turned_away(calm));
    }
}

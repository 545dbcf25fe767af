//! The only reader of time.
//!
//! Rooms take `now` as an argument. The plumbing hands them a [`Moment`], which reads the clock when it is first asked
//! and never again, so that a decision costs one clock read, or none if nobody asks.
//!
//! Time is tokio's: under `tokio::time::pause` decisions and timers move together.

use std::{cell::Cell, fmt, sync::OnceLock, time::Duration};

use tokio::time::{Instant as TokioInstant, Sleep};

/// Where the anchor stands on our scale. Half-way up, so that a paused clock which was frozen before the anchor
/// was set (another test's runtime, say) still has room below it.
const ANCHOR: u64 = 1 << 62;

/// A point in time: nanoseconds on a scale of our own, saturating at both ends.
///
/// It is a plain `u64`, so it fits an atomic; adding to it never overflows and subtracting never goes below zero.
/// [`Instant::FAR`] is "never".
///
/// Make a deadline from the time left, `clock::now().after(left)`, or from an `Instant` of tokio or the standard
/// library: `at.into()`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// Later than anything that a clock will say: "never". Adding to it changes nothing.
    pub const FAR: Self = Self(u64::MAX);

    /// The moment `nanos` on the scale. Scales of different processes have nothing to do with one another.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The position on the scale, in nanoseconds.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; zero if it is not later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The moment `duration` after this one, at most [`Instant::FAR`].
    #[must_use]
    pub const fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanos(duration)))
    }

    /// The moment `duration` before this one, at least the beginning of the scale.
    #[must_use]
    pub const fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(duration)))
    }
}

impl fmt::Debug for Instant {
    /// Seconds from the anchor, with a sign.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::FAR {
            return f.write_str("never");
        }
        let sign = if self.0 < ANCHOR { '-' } else { '+' };
        write!(f, "{sign}{:?}", Duration::from_nanos(self.0.abs_diff(ANCHOR)))
    }
}

/// A duration as nanoseconds, saturating after 584 years.
#[inline]
pub const fn nanos(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1_000_000_000).saturating_add(duration.subsec_nanos() as u64)
}

/// The time now, by tokio's clock. About 25 ns.
#[inline]
pub fn now() -> Instant {
    TokioInstant::now().into()
}

/// For a deadline that was kept as tokio's.
impl From<TokioInstant> for Instant {
    #[inline]
    fn from(at: TokioInstant) -> Self {
        let anchor = anchor();
        match at.checked_duration_since(anchor) {
            Some(later) => Self(ANCHOR.saturating_add(nanos(later))),
            None => Self(ANCHOR.saturating_sub(nanos(anchor.duration_since(at)))),
        }
    }
}

/// For a deadline that was kept as the standard library's.
impl From<std::time::Instant> for Instant {
    fn from(at: std::time::Instant) -> Self {
        TokioInstant::from_std(at).into()
    }
}

/// A timer that ends at `at`, or `None` where that is never. Needs a tokio runtime with time enabled.
#[inline]
pub(crate) fn sleep_until(at: Instant) -> Option<Sleep> {
    if at == Instant::FAR {
        return None;
    }
    let anchor = anchor();
    let deadline = match at.0.checked_sub(ANCHOR) {
        Some(later) => anchor.checked_add(Duration::from_nanos(later))?,
        // A moment before the anchor can be due only to a frozen clock; where the platform cannot say such a
        // moment, the anchor is as near as it gets.
        None => anchor.checked_sub(Duration::from_nanos(ANCHOR - at.0)).unwrap_or(anchor),
    };
    Some(tokio::time::sleep_until(deadline))
}

fn anchor() -> TokioInstant {
    static FIRST_READ: OnceLock<TokioInstant> = OnceLock::new();
    *FIRST_READ.get_or_init(TokioInstant::now)
}

/// The time of one decision: read from the clock when first asked, and the same for all who ask after.
///
/// Several gates decide about a request at one moment; together that costs them one clock read, and none if no gate
/// needs the time.
#[derive(Debug, Default)]
pub struct Moment(Cell<Option<Instant>>);

impl Moment {
    /// A moment that has not been looked at.
    pub const fn new() -> Self {
        Self(Cell::new(None))
    }

    /// A moment that is known already: for tests, and for drivers with a clock of their own.
    pub const fn at(now: Instant) -> Self {
        Self(Cell::new(Some(now)))
    }

    /// The time of this decision.
    #[inline]
    pub fn now(&self) -> Instant {
        self.0.get().unwrap_or_else(|| {
            let now = now();
            self.0.set(Some(now));
            now
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        let now = Instant::from_nanos(5);
        assert_eq!(now.after(Duration::MAX), Instant::FAR);
        assert_eq!(Instant::FAR.after(SECOND), Instant::FAR);
        assert_eq!(now.before(SECOND), Instant::from_nanos(0));
        assert_eq!(now.since(Instant::FAR), Duration::ZERO);
    }

    #[test]
    fn a_moment_reads_the_clock_once() {
        let moment = Moment::new();
        let first = moment.now();
        std::thread::sleep(Duration::from_millis(1));
        assert_eq!(moment.now(), first);
        assert!(now() > first);
    }

    #[tokio::test(start_paused = true)]
    async fn a_paused_clock_moves_decisions_and_timers_together() {
        let start = now();
        tokio::time::advance(SECOND).await;
        assert_eq!(now().since(start), SECOND);
        sleep_until(now().after(SECOND)).expect("not never").await;
        assert_eq!(now().since(start), 2 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_of_tokio_or_std_is_one_of_ours() {
        let (at, start) = (TokioInstant::now() + SECOND, now());
        assert_eq!(Instant::from(at).since(start), SECOND);
        assert_eq!(Instant::from(at.into_std()), Instant::from(at));
        assert_eq!(start.since(Instant::from(at - 2 * SECOND)), SECOND);
    }

    /// A clock that was paused before the anchor was set stands before it for ever; a scale that began at its
    /// anchor would read zero there and time would seem to stand still.
    #[test]
    fn moments_before_the_anchor_keep_their_distance() {
        let early = Instant::from_nanos(ANCHOR).before(SECOND);
        assert_eq!(Instant::from_nanos(ANCHOR).since(early), SECOND);
        assert_eq!(format!("{early:?}"), "-1s");
    }

    #[tokio::test(start_paused = true)]
    async fn never_arms_no_timer_and_the_past_is_due_at_once() {
        assert!(sleep_until(Instant::FAR).is_none());
        let start = now();
        sleep_until(Instant::from_nanos(0)).expect("not never").await;
        assert!(now().since(start) <= Duration::from_millis(1));
    }
}

//! How long a call may take: a limit from its start, and a deadline that was brought along.

use std::time::Duration;

use crate::{
    clock::Instant,
    rejection::{Reason, Rejection},
};

/// The end of a call, whichever comes first.
///
/// The limit counts from `start`, which is put off until somebody needs to know: a call that is answered at once never
/// reads the clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    /// Nanoseconds from the start; `u64::MAX` is for ever, or started already.
    limit: u64,
    /// The caller's deadline.
    deadline: Instant,
    /// The end, as far as it is known.
    due: Instant,
}

impl Limit {
    pub(super) const fn new(limit: u64, deadline: Instant) -> Self {
        Self { limit, deadline, due: deadline }
    }

    /// Whether the caller brought a deadline.
    pub(super) fn has_deadline(&self) -> bool {
        self.deadline != Instant::FAR
    }

    /// Counts the limit from `now`, unless it counts already. The end of the call is the answer.
    pub(super) fn start(&mut self, now: Instant) -> Instant {
        if self.limit != u64::MAX {
            self.due = self.due.min(now.after(Duration::from_nanos(self.limit)));
            self.limit = u64::MAX;
        }
        self.due
    }

    /// The limit in nanoseconds, while it has not been started; `u64::MAX` is none.
    pub(super) const fn unstarted(&self) -> u64 {
        self.limit
    }

    /// The end of the call, as far as it is known.
    pub(super) const fn due(&self) -> Instant {
        self.due
    }

    /// Whether the call must end.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.due <= now
    }

    /// What a call that was dispatched and is over is refused with. Where both ends are one, the caller's counts: it
    /// would not have waited longer, so the callee is not to blame.
    pub(super) fn refuse(&self, layer: &'static str) -> Rejection {
        let reason = if self.deadline <= self.due { Reason::DeadlineExceeded } else { Reason::Timeout };
        Rejection::new(reason, layer).dispatched()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Instant = Instant::from_nanos(1_000);

    #[test]
    fn the_earlier_end_ends_the_call_and_gives_the_reason() {
        let mut ours = Limit::new(10, START.after(Duration::from_nanos(20)));
        assert_eq!(ours.start(START), START.after(Duration::from_nanos(10)));
        assert_eq!(ours.refuse("t").reason(), Reason::Timeout);
        let mut theirs = Limit::new(30, START.after(Duration::from_nanos(20)));
        assert_eq!(theirs.start(START), START.after(Duration::from_nanos(20)));
        assert_eq!(theirs.refuse("t").reason(), Reason::DeadlineExceeded);
        assert!(theirs.refuse("t").was_dispatched());
    }

    #[test]
    fn a_limit_starts_once() {
        let mut limit = Limit::new(10, Instant::FAR);
        let due = limit.start(START);
        assert_eq!(limit.start(START.after(Duration::from_secs(1))), due);
        assert_eq!(limit.unstarted(), u64::MAX);
    }

    proptest! {
        #[test]
        fn no_limit_and_no_clock_overflows(limit: u64, deadline: u64, now: u64, later: u64) {
            let mut limit = Limit::new(limit, Instant::from_nanos(deadline));
            let due = limit.start(Instant::from_nanos(now));
            prop_assert!(due <= Instant::from_nanos(deadline));
            prop_assert_eq!(limit.is_over(Instant::from_nanos(later)), due.as_nanos() <= later);
        }
    }
}

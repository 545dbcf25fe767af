//! What a queue may stand in front of: a limit on how many requests are under way at once.
//!
//! A [`LoadShed`](crate::load_shed::LoadShed) is a limit whose number adapts; a [`FixedLimit`] limit is a number that you
//! know; and a [`SurgeQueue`](crate::surge_queue::SurgeQueue) stands in front of either, or of one of your own.

mod fixed;
pub(crate) mod permits;
pub(crate) mod pools;
pub(crate) mod queue;

use std::time::Duration;

pub use self::fixed::FixedLimit;
use crate::{clock::Moment, gate::Ending};

/// A limit on how many requests are under way at once, with room in front for others to wait.
///
/// # The contract
/// * Every place that was taken is put back exactly once.
/// * [`take`](Self::take) and [`put_back`](Self::put_back) are sequentially consistent: a request that announces its
///   wait and then finds no place is seen by a call that puts a place back and then looks for waiters. A
///   read-modify-write with `SeqCst` in both is enough.
/// * Neither waits, nor locks for long. A queue calls `take`, `take_anyway`, `limit` and `latency` under its lock, so
///   they must not call foreign code, an observer's included. The places to review the limit and to announce things are
///   [`look`](Self::look) and `put_back`, which are called without a lock.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no limit to wait in front of",
    note = "a queue gets its limit by `SurgeQueue::in_front_of`; `Stack::overload_control` puts one in front of a `LoadShed`",
    note = "a `LoadShed` is one as long as it asks nothing: give the closures to the queue in front of it"
)]
pub trait Limit {
    /// What a request holds while it is under way: plain data, in whole words.
    type Permit: Copy;

    /// Takes a place, if there is one.
    fn take(&self, now: &Moment) -> Option<Self::Permit>;

    /// Takes a place whether there is one or not: for a queue that only observes.
    fn take_anyway(&self, now: &Moment) -> Self::Permit;

    /// Puts a place back, and says how its call ended.
    fn put_back(&self, permit: Self::Permit, ending: Ending, now: &Moment);

    /// Reviews the limit, if it is time: called before a request waits for want of a place, and while it does. It is
    /// not called under a lock, and may announce what it finds. By default there is nothing to do.
    fn look(&self, now: &Moment) {
        let _ = now;
    }

    /// How many may be under way at this moment. At least 1.
    fn limit(&self) -> u32;

    /// How long a call takes on average, where that is known. A queue that is not told estimates it by Little's law.
    fn latency(&self) -> Option<Duration> {
        None
    }

    /// Takes note of how long callers wait for an answer at most, in the queue and under way. A limit that has no use
    /// for that ignores it.
    fn patience(&self, patience: Duration) {
        let _ = patience;
    }
}

/// A shared limit: whoever has the pointer meets the same one.
impl<L: Limit> Limit for std::sync::Arc<L> {
    type Permit = L::Permit;

    #[inline]
    fn take(&self, now: &Moment) -> Option<L::Permit> {
        (**self).take(now)
    }

    fn take_anyway(&self, now: &Moment) -> L::Permit {
        (**self).take_anyway(now)
    }

    #[inline]
    fn put_back(&self, permit: L::Permit, ending: Ending, now: &Moment) {
        (**self).put_back(permit, ending, now);
    }

    fn look(&self, now: &Moment) {
        (**self).look(now);
    }

    fn limit(&self) -> u32 {
        (**self).limit()
    }

    fn latency(&self) -> Option<Duration> {
        (**self).latency()
    }

    fn patience(&self, patience: Duration) {
        (**self).patience(patience);
    }
}

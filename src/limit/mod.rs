//! What a queue may wait in front of: a limit on how many requests are under way at once.
//!
//! A [`LoadShed`](crate::load_shed::LoadShed) is one, whose number adapts; a [`FixedLimit`] is a number that you know; and a
//! [`SurgeQueue`](crate::surge_queue::SurgeQueue) waits in front of either, or of one of your own.

mod fixed;
pub(crate) mod permits;
pub(crate) mod pools;
pub(crate) mod queue;

use std::time::Duration;

pub use self::fixed::FixedLimit;
use crate::{clock::Moment, gate::Ending};

/// A limit on how many requests are under way at once, that others may wait in front of.
///
/// # The contract
/// * Every place that was taken is put back exactly once.
/// * [`take`](Self::take) and [`put_back`](Self::put_back) order themselves as sequentially consistent operations: whoever
///   announces a wait first and then finds no place is seen by whoever puts one back first and then looks for those who wait.
///   A read-modify-write with `SeqCst` in both does.
/// * Neither waits, nor locks for long. A queue calls `take`, `take_anyway`, `limit` and `latency` under its lock, so they
///   call nothing of anybody else's, an observer included. What there is to look at and to announce has its place in
///   [`look`](Self::look) and in `put_back`, which are called without a lock.
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

    /// Takes a place whether there is one or not: for whoever only observes.
    fn take_anyway(&self, now: &Moment) -> Self::Permit;

    /// Puts a place back, and says how its call ended.
    fn put_back(&self, permit: Self::Permit, ending: Ending, now: &Moment);

    /// Looks whether it is time for another limit, before a request waits for want of a place, and while it does. It is not
    /// called under a lock, and may announce what it finds. By default there is nothing to do.
    fn look(&self, now: &Moment) {
        let _ = now;
    }

    /// How many may be under way at this moment. At least 1.
    fn limit(&self) -> u32;

    /// How long a call takes on average, where that is known. A queue that is not told estimates it by Little's law.
    fn latency(&self) -> Option<Duration> {
        None
    }

    /// Takes note of how long callers wait for an answer at most, in a queue and under way; whoever has no use for it
    /// forgets it.
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

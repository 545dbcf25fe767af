use std::num::NonZeroU32;

use super::Limit;
use crate::{
    clock::Moment,
    gate::Ending,
    settings::{InvalidSetting, at_least_one},
    sync::atomic::{
        AtomicU32,
        Ordering::{Relaxed, SeqCst},
    },
};

/// A limit that is a fixed number, for where you know how many requests are served well at once.
///
/// One compare-and-swap in and one subtraction out, no clock.
#[derive(Debug)]
pub struct FixedLimit {
    in_use: AtomicU32,
    limit: AtomicU32,
}

impl FixedLimit {
    /// At most `limit` at once.
    pub const fn new(limit: NonZeroU32) -> Self {
        Self { in_use: AtomicU32::new(0), limit: AtomicU32::new(limit.get()) }
    }

    /// As [`new`](Self::new), from a plain number.
    ///
    /// # Errors
    /// [`InvalidSetting`] if `limit` is zero.
    pub fn try_new(limit: u32) -> Result<Self, InvalidSetting> {
        at_least_one("limit.fixed", limit).map(Self::new)
    }

    /// Sets the limit from now on. Calls under way beyond it go on until they end, and are not replaced; a request that
    /// waits gets a place that this makes when the next call ends.
    pub fn resize(&self, limit: NonZeroU32) {
        self.limit.store(limit.get(), Relaxed);
    }

    /// How many are under way.
    pub fn in_use(&self) -> u32 {
        self.in_use.load(Relaxed)
    }
}

impl Limit for FixedLimit {
    type Permit = ();

    #[inline]
    fn take(&self, _: &Moment) -> Option<()> {
        let limit = self.limit.load(Relaxed);
        let more = |in_use| if in_use < limit { Some(in_use + 1) } else { None };
        self.in_use.fetch_update(SeqCst, SeqCst, more).ok().map(drop)
    }

    fn take_anyway(&self, _: &Moment) {
        self.in_use.fetch_add(1, SeqCst);
    }

    #[inline]
    fn put_back(&self, (): (), _: Ending, _: &Moment) {
        self.in_use.fetch_sub(1, SeqCst);
    }

    fn limit(&self) -> u32 {
        self.limit.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_limit_is_never_exceeded_and_a_shrunken_one_is_worked_off() {
        let limit = FixedLimit::try_new(2).expect("not zero");
        let now = Moment::new();
        assert!(limit.take(&now).is_some() && limit.take(&now).is_some() && limit.take(&now).is_none());
        limit.resize(NonZeroU32::MIN);
        limit.put_back((), Ending::Cancelled, &now);
        assert!(limit.take(&now).is_none(), "one too many is still under way");
        limit.put_back((), Ending::Cancelled, &now);
        assert!(limit.take(&now).is_some());
        assert!(FixedLimit::try_new(0).is_err());
    }
}

//! One quota and what is used of it: the generic cell rate algorithm (ATM Forum Traffic Management 4.0; ITU-T I.371), which
//! is a token bucket that keeps one number, the time at which all that was taken will be back.
//!
//! Pure: `now` is an argument. Everything is O(1).

use std::time::Duration;

use super::{permit::Permit, quota::Quota, scale::Scale};
use crate::clock::Instant;

/// One quota, and the theoretical arrival time. Plain data, for its owner to lock; the
/// [one that needs no lock](super::meter::Meter) does the same with the same numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gcra {
    quota: Quota,
    scale: Scale,
    /// Ticks are counted from here.
    origin: Instant,
    /// In ticks: all that was taken is back then.
    arrival: u64,
    /// The version of the settings with which it came. Whoever was let in before was not charged here.
    born: u32,
}

/// How far before the present the origin is put: clocks of several runtimes, one of which is paused, need not agree.
const MARGIN: Duration = Duration::from_secs(365 * 24 * 3600);

impl Gcra {
    /// All of it is there.
    pub(super) fn new(quota: Quota, born: u32) -> Self {
        Self { quota, scale: Scale::new(&quota), origin: Instant::from_nanos(0), arrival: 0, born }
    }

    pub(super) const fn quota(&self) -> &Quota {
        &self.quota
    }

    pub(super) const fn scale(&self) -> Scale {
        self.scale
    }

    pub(super) const fn origin(&self) -> Instant {
        self.origin
    }

    pub(super) const fn arrival(&self) -> u64 {
        self.arrival
    }

    /// What somebody else made of it without a lock.
    pub(super) const fn set_arrival(&mut self, arrival: u64) {
        self.arrival = arrival;
    }

    /// When so many cells can be had, which may be past; `None` for never.
    pub(super) fn due(&self, cells: u32) -> Option<Instant> {
        if !self.scale.holds(cells) {
            return None;
        }
        match self.scale.charge(self.arrival, 0, cells) {
            Ok(_) => Some(self.origin),
            Err(ticks) => Some(self.at(ticks)),
        }
    }

    /// The theoretical arrival time once so many cells are taken now, if they are there.
    pub(super) fn after(&self, cells: u32, now: Instant) -> Option<u64> {
        self.scale.charge(self.arrival, self.passed(now), cells).ok().filter(|_| self.scale.holds(cells))
    }

    /// Takes cells as of `at`, whether they are there or not.
    ///
    /// For somebody who waited until they were there: `at` is a whole nanosecond, and rounded up. All that there is was there
    /// a part of one earlier, which is not lost.
    pub(super) fn take(&mut self, cells: u32, at: Instant) {
        let waited = self.arrival > self.passed(at.before(Duration::from_nanos(1)));
        let from = if waited { self.arrival } else { self.passed(at) };
        self.arrival = from.saturating_add(self.scale.weight(cells)).min(u64::MAX - 1);
    }

    /// Takes back what nobody but those who still wait had planned to take.
    pub(super) fn unplan(&mut self, cells: u32) {
        self.arrival = self.arrival.saturating_sub(self.scale.weight(cells));
    }

    /// Puts back what a permit took, if it took anything here. More than all is never there.
    pub(super) fn put_back(&mut self, permit: Permit) {
        if permit.was_charged(self.born) {
            self.arrival = self.arrival.saturating_sub(self.scale.weight(permit.cells()));
        }
    }

    /// Uses up what is left.
    pub(super) fn use_up(&mut self, now: Instant) {
        self.arrival = self.arrival.max(self.passed(now).saturating_add(self.scale.burst()));
    }

    /// No more is used than there is: debts are forgiven.
    pub(super) fn forgive(&mut self, now: Instant) {
        self.arrival = self.arrival.min(self.passed(now).saturating_add(self.scale.burst()));
    }

    /// How many cells are there.
    pub(super) fn remaining(&self, now: Instant) -> u32 {
        self.scale.remaining(self.arrival, self.passed(now))
    }

    /// How many cells beyond all that there are have been taken, rounded up.
    pub(super) fn owed(&self, now: Instant) -> u64 {
        self.scale.owed(self.arrival, self.passed(now))
    }

    /// Whether all of it is there.
    pub(super) fn is_full(&self, now: Instant) -> bool {
        self.arrival <= self.passed(now)
    }

    /// When all of it will be there, if nothing more is taken.
    pub(super) fn full_at(&self) -> Instant {
        self.at(self.arrival)
    }

    /// Whether its origin lies so far back that it should be put forward.
    pub(super) fn is_old(&self, now: Instant) -> bool {
        now.as_nanos().saturating_sub(self.origin.as_nanos()) > Scale::LONGEST
    }

    /// Another quota in this one's place: what was used of this is used of that, as far as it has so much. Of the same
    /// quota, with the origin put forward.
    pub(super) fn changed(&self, quota: Quota, now: Instant) -> Self {
        let mut next = Self { origin: now.before(MARGIN), ..Self::new(quota, self.born) };
        let used = self.arrival.saturating_sub(self.passed(now));
        let used = if quota == self.quota { used } else { self.scale.as_of(used, next.scale).min(next.scale.burst()) };
        next.arrival = next.passed(now).saturating_add(used).min(u64::MAX - 1);
        next
    }

    fn passed(&self, now: Instant) -> u64 {
        self.scale.ticks_ever(now.as_nanos().saturating_sub(self.origin.as_nanos()))
    }

    /// When so many ticks have passed.
    fn at(&self, ticks: u64) -> Instant {
        Instant::from_nanos(self.origin.as_nanos().saturating_add(self.scale.nanos(ticks)))
    }
}

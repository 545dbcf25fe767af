//! Several quotas as one: all are asked before any is charged.

use std::array;

use super::{
    gcra::Gcra,
    permit::Permit,
    settings::{MAX_QUOTAS, Settings},
};
use crate::clock::Instant;

/// One to four quotas, and what is used of each. Plain data, for its owner to lock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quotas {
    /// Those behind `len` are not looked at.
    all: [Gcra; MAX_QUOTAS],
    len: usize,
}

impl Quotas {
    /// All of each is there.
    pub(super) fn new(settings: &Settings, born: u32) -> Self {
        let (quotas, len) = settings.padded_quotas();
        Self { all: quotas.map(|quota| Gcra::new(quota, born)), len }
    }

    pub(super) fn all(&self) -> &[Gcra] {
        &self.all[..self.len]
    }

    pub(super) fn first(&self) -> &Gcra {
        &self.all[0]
    }

    fn all_mut(&mut self) -> &mut [Gcra] {
        &mut self.all[..self.len]
    }

    /// The one there is, if there is only one.
    pub(super) fn single(&self) -> Option<&Gcra> {
        if self.len == 1 { Some(self.first()) } else { None }
    }

    /// What somebody else made of the one there is without a lock.
    pub(super) fn set_single(&mut self, arrival: u64) {
        self.all[0].set_arrival(arrival);
    }

    /// Takes cells of every quota, if every one has them now; else of none. Whether it did.
    pub(super) fn take_if_there(&mut self, cells: u32, now: Instant) -> bool {
        let mut after = [0; MAX_QUOTAS];
        for (gcra, after) in self.all().iter().zip(&mut after) {
            let Some(arrival) = gcra.after(cells, now) else { return false };
            *after = arrival;
        }
        self.all_mut().iter_mut().zip(after).for_each(|(gcra, after)| gcra.set_arrival(after));
        true
    }

    /// When so many cells can be had of every quota, which may be past; `None` for never.
    pub(super) fn due(&self, cells: u32) -> Option<Instant> {
        self.all().iter().try_fold(Instant::from_nanos(0), |due, gcra| Some(due.max(gcra.due(cells)?)))
    }

    /// Takes cells of every quota as of `at`, whether they are there or not.
    pub(super) fn take(&mut self, cells: u32, at: Instant) {
        self.all_mut().iter_mut().for_each(|gcra| gcra.take(cells, at));
    }

    /// Takes back what nobody but those who still wait had planned to take.
    pub(super) fn unplan(&mut self, cells: u32) {
        self.all_mut().iter_mut().for_each(|gcra| gcra.unplan(cells));
    }

    /// Puts back what a permit took, of the quotas of which it took.
    pub(super) fn put_back(&mut self, permit: Permit) {
        self.all_mut().iter_mut().for_each(|gcra| gcra.put_back(permit));
    }

    /// Uses up what is left of each.
    pub(super) fn use_up(&mut self, now: Instant) {
        self.all_mut().iter_mut().for_each(|gcra| gcra.use_up(now));
    }

    /// No more is used than there is.
    pub(super) fn forgive(&mut self, now: Instant) {
        self.all_mut().iter_mut().for_each(|gcra| gcra.forgive(now));
    }

    pub(super) fn is_full(&self, now: Instant) -> bool {
        self.all().iter().all(|gcra| gcra.is_full(now))
    }

    pub(super) fn are_old(&self, now: Instant) -> bool {
        self.all().iter().any(|gcra| gcra.is_old(now))
    }

    /// The same, with their origins put forward.
    pub(super) fn renewed(&self, now: Instant) -> Self {
        Self { all: self.all.map(|gcra| gcra.changed(*gcra.quota(), now)), len: self.len }
    }

    /// The quotas of other settings. Each takes over what was used of the first with the same period that no other has
    /// taken over from, else of the first that is left. One for which none is left is new, and all of it is there.
    pub(super) fn changed(&self, settings: &Settings, born: u32, now: Instant) -> Self {
        let (quotas, len) = settings.padded_quotas();
        let mut left: [Option<&Gcra>; MAX_QUOTAS] = array::from_fn(|at| self.all().get(at));
        let mut next = [None; MAX_QUOTAS];
        for same_period in [true, false] {
            for (quota, next) in quotas.iter().zip(&mut next).take(len).filter(|(_, next)| next.is_none()) {
                let fits =
                    |old: &Option<&Gcra>| old.is_some_and(|old| !same_period || old.quota().per() == quota.per());
                let old = left.iter_mut().find(|old| fits(old)).and_then(Option::take);
                *next = old.map(|old| old.changed(*quota, now));
            }
        }
        let all = array::from_fn(|at| next[at].unwrap_or_else(|| Gcra::new(quotas[at], born).changed(quotas[at], now)));
        Self { all, len }
    }
}

//! Accounts that are used again and again, so that a request's books cost no allocation.

use std::sync::Arc;

use super::{
    Work,
    account::{Account, Grant, Usage},
};
use crate::sync::{Lock, Slots};

/// The accounts of one room: as many as there ever were requests under way at once.
///
/// An account is reset for another request only when nobody else holds it. A task that outlives its request and still has
/// its work keeps the closed account for itself, and the next request gets a new one.
#[derive(Debug)]
pub(crate) struct Accounts(Slots<Lock<Desk>>);

/// Where the books of one request are kept. Only that one comes here, so its lock is never waited for.
#[derive(Debug, Default)]
struct Desk {
    /// What is to be granted, until the account is opened.
    reserved: Option<Grant>,
    /// Of who came before, unless it is open.
    own: Option<Work>,
    is_open: bool,
    /// What it was drawn from.
    outer: Option<Work>,
}

impl Accounts {
    pub(crate) fn new() -> Self {
        Self(Slots::new())
    }

    /// Reserves an account, which has to be closed, whether it was opened or not.
    #[inline]
    pub(crate) fn reserve(&self, grant: Grant) -> Option<u32> {
        let number = self.0.take()?;
        self.0.get(number)?.lock().reserved = Some(grant);
        Some(number)
    }

    /// Opens a reserved account, with what `grant` makes of what was reserved, drawn from `outer` if there is one, of which
    /// it gets no more than is left.
    #[inline]
    pub(crate) fn open(&self, number: u32, outer: Option<Work>, grant: impl FnOnce(&mut Grant)) -> Option<Work> {
        let mut desk = self.0.get(number)?.lock();
        let desk = &mut *desk;
        let mut granted = desk.reserved.take()?;
        grant(&mut granted);
        if let Some(outer) = &outer {
            granted.fuel = if outer.0.is_open() { outer.0.ledger.lend(granted.fuel) } else { 0 };
        }
        desk.outer = outer;
        desk.is_open = true;
        match desk.own.as_mut().and_then(|own| Arc::get_mut(&mut own.0)) {
            Some(account) => *account = Account::new(granted, None),
            None => desk.own = Some(Work::of(granted, None)),
        }
        desk.own.clone()
    }

    /// The work of an account, if it is open.
    #[inline]
    pub(crate) fn work(&self, number: u32) -> Option<Work> {
        let desk = self.0.get(number)?.lock();
        if desk.is_open { desk.own.clone() } else { None }
    }

    /// How long the steps of a request took together, in nanoseconds.
    pub(crate) fn busy(&self, number: u32) -> u64 {
        let busy_of = |desk: &Lock<Desk>| desk.lock().own.as_ref().map(|own| own.0.busy());
        self.0.get(number).and_then(busy_of).unwrap_or(0)
    }

    /// Closes an account: whoever still has its work spends nothing any more. What was left goes back to where it was
    /// drawn from. If it was opened, what became of it is the answer.
    pub(crate) fn close(&self, number: u32) -> Option<Usage> {
        let mut desk = self.0.get(number)?.lock();
        desk.reserved = None;
        let was_open = std::mem::take(&mut desk.is_open);
        let (usage, left) = desk.own.as_ref().filter(|_| was_open).map(|own| own.0.close()).unzip();
        let outer = desk.outer.take();
        drop(desk);
        if let (Some(outer), Some(left)) = (outer, left) {
            outer.0.ledger.take_back(left);
        }
        self.0.put(number);
        usage
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Instant;

    const GRANT: Grant = Grant {
        fuel: 10,
        allowed: 10,
        layer: "test",
        deadline: Instant::FAR,
        max_page: 100,
        estimate: Some(5),
        kind: 0,
    };

    fn open(accounts: &Accounts) -> (u32, Work) {
        open_from(accounts, None)
    }

    fn open_from(accounts: &Accounts, outer: Option<Work>) -> (u32, Work) {
        let number = accounts.reserve(GRANT).expect("a number");
        assert!(accounts.work(number).is_none(), "not yet");
        let work = accounts.open(number, outer, |_| ()).expect("reserved");
        assert!(Arc::ptr_eq(&accounts.work(number).expect("open").0, &work.0));
        (number, work)
    }

    #[test]
    fn an_account_is_used_again_once_nobody_has_it() {
        let accounts = Accounts::new();
        let (number, work) = open(&accounts);
        let pointer = Arc::as_ptr(&work.0);
        assert!(work.spend(3).is_ok());
        drop(work);
        let usage = accounts.close(number).expect("open");
        assert_eq!((usage.spent, usage.fell_short), (3, false));
        let (again, work) = open(&accounts);
        assert_eq!((again, Arc::as_ptr(&work.0), work.remaining()), (number, pointer, 10));
    }

    /// A task that was spawned by a request and outlived it spent what the next one had been given.
    #[test]
    fn a_late_holder_spends_nothing_of_anybody() {
        let accounts = Accounts::new();
        let (number, late) = open(&accounts);
        accounts.close(number).expect("open");
        let (again, work) = open(&accounts);
        assert_eq!(again, number, "the same desk");
        assert!(late.spend(1).is_err() && late.try_take(1) == 0 && late.refund(1) == 0);
        assert_eq!((late.remaining(), work.remaining()), (0, 10));
        let kept = Arc::downgrade(&late.0);
        drop(late);
        assert!(kept.upgrade().is_none(), "and is gone with its holder");
    }

    #[test]
    fn what_is_drawn_from_another_goes_back_there() {
        let (accounts, outer) = (Accounts::new(), Work::new(12));
        let (first, one) = open_from(&accounts, Some(outer.clone()));
        let (second, two) = open_from(&accounts, Some(outer.clone()));
        assert_eq!((one.remaining(), two.remaining(), outer.remaining()), (10, 2, 0));
        assert!(one.spend(4).is_ok());
        assert_eq!(accounts.close(first).map(|usage| usage.spent), Some(4));
        assert_eq!(outer.remaining(), 6);
        outer.0.ledger.close();
        accounts.close(second).expect("open");
        assert_eq!(open_from(&accounts, Some(outer)).1.remaining(), 0, "nothing comes of what is over");
    }

    #[test]
    fn what_was_never_opened_is_closed_without_a_word() {
        let accounts = Accounts::new();
        let (number, work) = open(&accounts);
        assert!(accounts.close(number).is_some());
        let again = accounts.reserve(GRANT).expect("a number");
        assert_eq!((again, accounts.work(again).is_none()), (number, true), "not that of who was here before");
        assert!(accounts.close(again).is_none() && accounts.open(again, None, |_| ()).is_none());
        assert!(work.spend(1).is_err());
        assert_eq!(accounts.reserve(GRANT), Some(number), "and is free again");
    }
}

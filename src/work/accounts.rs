//! Accounts that are used again and again, so that a request's books cost no allocation.

use std::sync::Arc;

use super::{
    Work,
    account::{Account, Claim, Grant, Usage},
};
use crate::{
    clock::Instant,
    sync::{
        Lock, Slots,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
};

/// The accounts of one room: as many as there ever were requests under way or waiting at once.
///
/// An account is reset for another request only when nobody else holds it. A task that outlives its request and still
/// has its work keeps the closed account for itself, and the next request gets a new one.
#[derive(Debug)]
pub(crate) struct Accounts(Slots<Desk>);

/// Where the books of one request are kept. Only that one comes here, so what is atomic needs no order, and the lock is
/// never waited for.
#[derive(Debug, Default)]
struct Desk {
    claimed: Claimed,
    is_open: AtomicBool,
    books: Lock<Books>,
}

#[derive(Debug, Default)]
struct Books {
    /// Of who came before, unless it is open.
    own: Option<Work>,
    /// What it was drawn from.
    outer: Option<Work>,
}

/// A [`Claim`], to be written down and read without a lock.
#[derive(Debug, Default)]
struct Claimed {
    fuel: AtomicU64,
    estimate: AtomicU64,
    kind: AtomicU32,
    deadline: AtomicU64,
}

impl Claimed {
    #[inline]
    fn set(&self, claim: Claim) {
        self.fuel.store(claim.fuel, Relaxed);
        self.estimate.store(claim.estimate, Relaxed);
        self.kind.store(claim.kind, Relaxed);
        self.deadline.store(claim.deadline.as_nanos(), Relaxed);
    }

    #[inline]
    fn get(&self) -> Claim {
        Claim {
            fuel: self.fuel.load(Relaxed),
            estimate: self.estimate.load(Relaxed),
            kind: self.kind.load(Relaxed),
            deadline: Instant::from_nanos(self.deadline.load(Relaxed)),
        }
    }
}

impl Accounts {
    pub(crate) fn new() -> Self {
        Self(Slots::new())
    }

    /// Reserves an account, which has to be closed, whether it was opened or not.
    #[inline]
    pub(crate) fn reserve(&self, claim: Claim) -> Option<u32> {
        let number = self.0.take()?;
        self.0.get(number)?.claimed.set(claim);
        Some(number)
    }

    /// Opens a reserved account, with what `grant` makes of the claim, drawn from `outer` if there is one, of which it
    /// gets no more than is left.
    #[inline]
    pub(crate) fn open(&self, number: u32, outer: Option<Work>, grant: impl FnOnce(Claim) -> Grant) -> Option<Work> {
        let desk = self.0.get(number)?;
        let mut grant = grant(desk.claimed.get());
        if let Some(outer) = &outer {
            grant.fuel = if outer.0.is_open() { outer.0.ledger.lend(grant.fuel) } else { 0 };
        }
        desk.is_open.store(true, Relaxed);
        let mut books = desk.books.lock();
        books.outer = outer;
        match books.own.as_mut().and_then(|own| Arc::get_mut(&mut own.0)) {
            Some(account) => *account = Account::new(grant, None),
            None => books.own = Some(Work::of(grant, None)),
        }
        books.own.clone()
    }

    /// The work of an account, if it is open.
    #[inline]
    pub(crate) fn work(&self, number: u32) -> Option<Work> {
        let desk = self.0.get(number)?;
        if desk.is_open.load(Relaxed) { desk.books.lock().own.clone() } else { None }
    }

    /// How long the steps of a request took together, in nanoseconds.
    pub(crate) fn busy(&self, number: u32) -> u64 {
        self.work(number).map_or(0, |work| work.0.busy())
    }

    /// Notes that a request would be ended, were this not only observed. Whether that is so for the first time.
    pub(crate) fn spare(&self, number: u32) -> bool {
        self.work(number).is_some_and(|work| work.0.spare())
    }

    /// Closes an account: whoever still has its work spends nothing any more. What was left goes back to where it was
    /// drawn from. If it was opened, what became of it is the answer.
    pub(crate) fn close(&self, number: u32) -> Option<Usage> {
        let desk = self.0.get(number)?;
        let usage = if desk.is_open.load(Relaxed) { desk.close() } else { None };
        self.0.put(number);
        usage
    }
}

impl Desk {
    fn close(&self) -> Option<Usage> {
        self.is_open.store(false, Relaxed);
        let mut books = self.books.lock();
        let (usage, left) = books.own.as_ref()?.0.close();
        let outer = books.outer.take();
        drop(books);
        if let Some(outer) = outer {
            outer.0.ledger.take_back(left);
        }
        Some(usage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLAIM: Claim = Claim { fuel: 10, estimate: 5, kind: 0, deadline: Instant::FAR };

    fn granted(claim: Claim) -> Grant {
        Grant { claim, fuel: claim.fuel, layer: "test", max_page: 100 }
    }

    fn open(accounts: &Accounts) -> (u32, Work) {
        open_from(accounts, None)
    }

    fn open_from(accounts: &Accounts, outer: Option<Work>) -> (u32, Work) {
        let number = accounts.reserve(CLAIM).expect("a number");
        assert!(accounts.work(number).is_none(), "not yet");
        let work = accounts.open(number, outer, granted).expect("reserved");
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

    /// Who takes pages runs out as well as who spends item by item, and is counted and learned from.
    #[test]
    fn a_page_that_was_not_to_be_had_is_on_the_books_and_a_short_one_is_not() {
        for (unit, short) in [(4, false), (11, true)] {
            let accounts = Accounts::new();
            let (number, work) = open(&accounts);
            assert_eq!(work.page(5, unit).ok(), (!short).then_some(2));
            assert_eq!(accounts.close(number).map(|usage| usage.fell_short), Some(short));
        }
    }

    /// A task that outlived its request calls a stack with a budget, on behalf of a part whose own books nobody has
    /// closed: it must not be granted what that part still had.
    #[test]
    fn nothing_comes_of_a_part_whose_whole_is_over() {
        let whole = Work::new(20);
        let part = whole.child(12);
        whole.0.ledger.close();
        assert_eq!(part.0.ledger.left(), Some(12), "its own books are open");
        let (_, work) = open_from(&Accounts::new(), Some(part));
        assert_eq!((work.remaining(), work.spend(1).is_ok()), (0, false));
    }

    #[test]
    fn what_was_never_opened_is_closed_without_a_word() {
        let accounts = Accounts::new();
        let (number, work) = open(&accounts);
        assert!(accounts.close(number).is_some());
        let again = accounts.reserve(CLAIM).expect("a number");
        assert_eq!((again, accounts.work(again).is_none()), (number, true), "not that of who was here before");
        assert!(accounts.close(again).is_none());
        assert!(work.spend(1).is_err());
        assert_eq!(accounts.reserve(CLAIM), Some(number), "and is free again");
    }
}

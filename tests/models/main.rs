//! What several threads share without a lock, and a model checker that goes through the orders in which they may meet,
//! weak memory included. The files are the library's own, compiled here with the checker's atomics in place of the
//! standard library's: that is why everything imports its atomics from one place.

#![allow(dead_code, unreachable_pub, reason = "the rest of the files")]

mod rate_limit;
mod sync;

mod clock {
    pub(crate) use plimsoll::clock::{Instant, nanos};
}

#[path = "../../src/settings.rs"]
mod settings;

#[path = "../../src/work/ledger.rs"]
mod ledger;

use ledger::Ledger;
use loom::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    thread,
};
use sync::slots::Slots;

/// Goes through all orders of up to so many preemptions.
fn model(preemptions: usize, run: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(preemptions);
    model.check(run);
}

fn spawn<T: 'static>(ledger: &Arc<Ledger>, part: impl FnOnce(&Ledger) -> T + 'static) -> thread::JoinHandle<T> {
    let ledger = Arc::clone(ledger);
    thread::spawn(move || part(&ledger))
}

fn joined<T>(thread: thread::JoinHandle<T>) -> T {
    thread.join().expect("no panic")
}

/// Two who spend and take what they can get, while a third spends and gives back.
#[test]
fn spends_never_exceed_what_was_granted() {
    model(3, || {
        let ledger = Arc::new(Ledger::new(3));
        let one = spawn(&ledger, |ledger| if ledger.spend(2).is_ok() { 2 } else { 0 });
        let other = spawn(&ledger, |ledger| ledger.spend_up_to(2));
        let mut net = if ledger.spend(2).is_ok() { 2 } else { 0 };
        // As much as it can get: what the others have spent too.
        let refunded = ledger.refund(1);
        net += joined(one) + joined(other);
        assert!(net <= 3 + refunded, "{net} spent, {refunded} refunded");
        assert_eq!(ledger.left(), Some(3 + refunded - net));
    });
}

/// Two give back what one has spent, while it spends: it comes back once.
#[test]
fn what_is_refunded_twice_comes_back_once() {
    model(3, || {
        let ledger = Arc::new(Ledger::new(2));
        let spender = spawn(&ledger, |ledger| u64::from(ledger.spend(1).is_ok()));
        let refund = spawn(&ledger, |ledger| ledger.refund(2));
        let refunded = ledger.refund(2) + joined(refund);
        let spent = joined(spender);
        assert!(refunded <= spent);
        assert_eq!(ledger.left(), Some(2 - spent + refunded));
    });
}

/// A child borrows and gives back what it has left, while its parent refunds and takes all that it can get.
#[test]
fn what_a_child_has_borrowed_is_not_there_for_its_parent() {
    model(3, || {
        let ledger = Arc::new(Ledger::new(4));
        assert!(ledger.spend(2).is_ok());
        let child = spawn(&ledger, |ledger| {
            let own = Ledger::new(ledger.lend(2));
            let spent = own.spend_up_to(1);
            ledger.take_back(own.close());
            spent
        });
        let refunder = spawn(&ledger, |ledger| ledger.refund(1));
        let spent = ledger.spend_up_to(4);
        let (by_child, refunded) = (joined(child), joined(refunder));
        assert!(2 + spent + by_child <= 4 + refunded);
        assert_eq!(ledger.left(), Some(4 + refunded - 2 - spent - by_child));
    });
}

/// The request ends while others spend, refund and give back.
#[test]
fn after_the_end_nothing_is_spent_that_the_books_do_not_know() {
    model(3, || {
        let ledger = Arc::new(Ledger::new(3));
        let lent = ledger.lend(1);
        let spender = spawn(&ledger, |ledger| ledger.spend_up_to(2));
        let refunder = spawn(&ledger, move |ledger| {
            ledger.take_back(lent);
            ledger.refund(2)
        });
        let left = ledger.close();
        let (spent, refunded) = (joined(spender), joined(refunder));
        assert!(spent + left <= 3 + refunded, "{spent} spent, {refunded} refunded, {left} left");
        assert_eq!((ledger.left(), ledger.spend(1).is_err(), ledger.refund(9)), (None, true, 0));
    });
}

/// Two take two slots each and put one back while they have the other: nobody has one that another has. Who looked at
/// the top and was delayed meanwhile finds the same one there, with another below.
#[test]
fn a_slot_belongs_to_one_at_a_time() {
    type Owners = Slots<AtomicU32>;

    fn take(slots: &Owners) -> u32 {
        let number = slots.take().expect("there are enough");
        let owners = slots.get(number).expect("there").fetch_add(1, Relaxed);
        assert_eq!(owners, 0, "somebody else has it");
        number
    }

    fn put(slots: &Owners, number: u32) {
        slots.get(number).expect("there").fetch_sub(1, Relaxed);
        slots.put(number);
    }

    fn turns(slots: &Owners) {
        let (first, second) = (take(slots), take(slots));
        put(slots, first);
        put(slots, second);
    }

    model(3, || {
        let slots = Arc::new(Owners::new());
        // Made before, so that they are fought over.
        let made: Vec<_> = (0..3).map(|_| take(&slots)).collect();
        made.into_iter().for_each(|number| put(&slots, number));
        let shared = Arc::clone(&slots);
        let other = thread::spawn(move || turns(&shared));
        turns(&slots);
        joined(other);
        let mut left: Vec<_> = (0..3).map(|_| take(&slots)).collect();
        left.sort_unstable();
        assert!(left.windows(2).all(|pair| pair[0] < pair[1]) && left[2] < 4, "{left:?}");
    });
}

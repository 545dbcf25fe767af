//! Tests of the ledger. They are no part of its file, which `tests/models` compiles with other atomics.

use proptest::prelude::*;

use super::ledger::*;

#[test]
fn a_spend_is_all_or_nothing() {
    let ledger = Ledger::new(10);
    assert_eq!(ledger.spend(7), Ok(()));
    assert!(!ledger.fell_short());
    assert_eq!((ledger.spend(4), ledger.left()), (Err(Shortage::Fuel), Some(3)));
    assert!(ledger.fell_short());
    assert_eq!((ledger.spend(3), ledger.spend(0), ledger.spend(1)), (Ok(()), Ok(()), Err(Shortage::Fuel)));
}

#[test]
fn no_more_is_refunded_than_was_spent_however_often() {
    let ledger = Ledger::new(10);
    assert_eq!(ledger.refund(5), 0);
    assert_eq!(ledger.spend(4), Ok(()));
    assert_eq!((ledger.refund(3), ledger.refund(3), ledger.refund(u64::MAX)), (3, 1, 0));
    assert_eq!(ledger.left(), Some(10));
}

/// What a child has borrowed it may still spend. Brought back by a refund, it was there twice.
#[test]
fn what_is_lent_cannot_be_refunded() {
    let ledger = Ledger::new(10);
    assert_eq!((ledger.lend(u64::MAX), ledger.lend(1)), (10, 0));
    assert_eq!((ledger.refund(10), ledger.left()), (0, Some(0)));
    ledger.take_back(4);
    assert_eq!(ledger.left(), Some(4));
}

#[test]
fn what_is_closed_gives_and_takes_nothing() {
    let ledger = Ledger::new(10);
    assert_eq!(ledger.spend(4), Ok(()));
    assert_eq!((ledger.close(), ledger.close(), ledger.left()), (6, 0, None));
    assert_eq!((ledger.spend(0), ledger.spend(1)), (Err(Shortage::Closed), Err(Shortage::Closed)));
    assert_eq!((ledger.spend_up_to(1), ledger.lend(1), ledger.refund(4)), (0, 0, 0));
    ledger.take_back(6);
    assert_eq!(ledger.left(), None);
    assert!(!Ledger::new(0).fell_short() && Ledger::new(0).spend(1).is_err());
}

#[test]
fn the_most_is_one_less_than_there_are_numbers() {
    let ledger = Ledger::new(u64::MAX);
    assert_eq!((ledger.left(), ledger.spend(u64::MAX)), (Some(MOST), Err(Shortage::Fuel)));
    assert_eq!((ledger.spend(MOST), ledger.refund(u64::MAX)), (Ok(()), MOST));
    assert_eq!((ledger.spend_in_units(u64::MAX, u64::MAX), ledger.spend_in_units(u64::MAX, MOST)), (0, 1));
    assert_eq!(Ledger::new(9).spend_in_units(5, 0), 5, "a unit of nothing counts as one");
}

proptest! {
    /// Whatever is done in whatever order: nothing is there twice, and nothing is lost.
    #[test]
    fn the_books_add_up(granted: u64, ops in proptest::collection::vec((0..6u8, any::<u64>(), any::<bool>()), 0..100)) {
        let ledger = Ledger::new(granted);
        let granted = ledger.granted();
        let (mut spent, mut lent) = (0u64, 0u64);
        for (op, number, small) in ops {
            let number = if small { number % 100 } else { number };
            match op {
                0 => if ledger.spend(number).is_ok() { spent += number },
                1 => spent += ledger.spend_up_to(number),
                2 => spent += ledger.spend_in_units(number, 7) * 7,
                3 => spent -= ledger.refund(number),
                4 => lent += ledger.lend(number),
                _ => {
                    let back = number.min(lent);
                    ledger.take_back(back);
                    lent -= back;
                }
            }
            prop_assert_eq!(ledger.left(), Some(granted - spent - lent));
        }
        prop_assert_eq!(ledger.close(), granted - spent - lent);
    }
}

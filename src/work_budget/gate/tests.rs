//! Whose books are kept, and what goes on them.

use std::time::Duration;

use super::*;
use crate::{classify::Outcome, sync::nobody};

const SECOND: Duration = Duration::from_secs(1);

/// One seat, and nine of fuel for whoever has it.
fn budget() -> WorkBudget {
    let settings = Settings::try_new(1).and_then(|settings| settings.try_with_fuel(9)).expect("valid");
    WorkBudget::new(settings.with_wait(9, SECOND))
}

fn admitted(budget: &WorkBudget) -> Permit {
    match Gate::<()>::admit(budget, &(), &Moment::new()) {
        Admission::Admitted(permit) => permit,
        _ => panic!("not admitted"),
    }
}

fn waiting(budget: &WorkBudget) -> Wait {
    match Gate::<()>::admit(budget, &(), &Moment::new()) {
        Admission::Waiting(wait) => wait,
        _ => panic!("it does not wait"),
    }
}

/// Books are kept under numbers that are used again. If those of a wait that came to nothing were not, each such wait
/// would take memory for good: an overload leaks, and only an overload.
#[tokio::test(start_paused = true)]
async fn a_wait_that_came_to_nothing_gives_its_books_back() {
    let budget = budget();
    let held = admitted(&budget);
    let next = || {
        let claim = Claim { fuel: 9, estimate: 0, kind: 0, deadline: Instant::FAR };
        let number = budget.state.reserve(claim);
        budget.state.give_up(number);
        number
    };
    assert_eq!((held.account(), next()), (Some(0), Some(1)));
    Gate::<()>::abandon(&budget, waiting(&budget));
    assert_eq!(next(), Some(1), "after one that left");
    let mut late = waiting(&budget);
    tokio::time::advance(2 * SECOND).await;
    let polled = Gate::<()>::poll_wait(&budget, &mut late, &(), &Moment::new(), &mut nobody());
    assert!(matches!(polled, Poll::Ready(Err(_))), "{polled:?}");
    assert_eq!(next(), Some(1), "after one that waited in vain");
}

/// A layer in between did something for it, and then it was refused further in: that is no request by which to tell how
/// much others need.
#[test]
fn what_was_never_sent_counts_for_nothing() {
    let budget = budget();
    let permit = admitted(&budget);
    let spent = Gate::<()>::dispatch(&budget, permit, (), |()| work::current().map(|work| work.spend(3)));
    assert!(matches!(spent, Some(Ok(()))), "{spent:?}");
    Gate::<()>::settle(&budget, permit, Ending::Undispatched, &Moment::new());
    let snapshot = budget.handle().snapshot();
    assert_eq!((snapshot.granted, snapshot.spent, snapshot.spread), (0, 0, None));
    assert_eq!(snapshot.seats.in_use, 0);
}

/// While it only observes there is no end of fuel, and a sum with that in it would be a number of nothing for good.
#[test]
fn one_that_only_observes_has_granted_what_was_spent() {
    let budget = budget();
    budget.handle().observe_only();
    let permit = admitted(&budget);
    let spent = Gate::<()>::dispatch(&budget, permit, (), |()| work::current().map(|work| work.spend(30)));
    assert!(matches!(spent, Some(Ok(()))), "{spent:?}");
    Gate::<()>::settle(&budget, permit, Ending::Finished(Outcome::Success), &Moment::new());
    let snapshot = budget.handle().snapshot();
    assert_eq!((snapshot.granted, snapshot.spent), (30, 30));
}

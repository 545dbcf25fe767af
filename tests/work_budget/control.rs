//! Changes at run time, and the rest of what every room does.

use std::time::Duration;

use futures_util::future::join_all;
use plimsoll::{
    Event, Gate, Reason, Rejection, Stack,
    clock::Moment,
    work_budget::{Demotion, Settings},
};
use tokio_test::{assert_pending, task};
use tower::{Service, service_fn};

use crate::{Ask, Budget, Heard, SECOND, ask, budget, handle, reason, seats, spending};

#[tokio::test(start_paused = true)]
async fn one_that_only_observes_refuses_nothing_and_says_what_it_would_have() {
    let heard = Heard::default();
    let budget = budget(seats(2).with_max_busy(SECOND)).observe(heard.observer());
    let handle_of = budget.handle();
    let mut service = Stack::new().work_budget(budget).wrap(service_fn(handle));
    handle_of.observe_only();
    assert!(handle_of.snapshot().observe_only);
    let would = |reason| Event::WouldRefuse(Rejection::new(reason, "work_budget"));
    assert!(service.call(ask(2_000)).await.is_ok());
    assert_eq!(
        heard.all(),
        [
            would(Reason::TooExpensive),
            Event::WouldRefuse(Rejection::new(Reason::WorkExhausted, "work_budget").dispatched())
        ]
    );
    let calls = [service.call(ask(20)), service.call(ask(20))];
    assert_eq!((handle_of.snapshot().seats.in_use, heard.all().last()), (4, Some(&would(Reason::LimitReached))));
    assert!(join_all(calls).await.iter().all(Result::is_ok));
    assert!(service.call(spending(10, 50)).await.is_ok());
    handle_of.automatic();
    assert_eq!(reason(service.call(ask(2_000)).await), Reason::TooExpensive);
    assert_eq!(reason(service.call(spending(10, 50)).await), Reason::WorkExhausted);
    assert_eq!(handle_of.snapshot().seats.in_use, 0);
}

#[tokio::test(start_paused = true)]
async fn an_update_keeps_what_is_in_flight_and_lets_in_who_has_room_now() {
    let heard = Heard::default();
    let budget = budget(seats(1).with_wait(9, Duration::MAX)).observe(heard.observer());
    let handle_of = budget.handle();
    let mut service = Stack::new().work_budget(budget).wrap(service_fn(handle));
    let first = service.call(spending(10, 40));
    let mut second = task::spawn(service.call(ask(10)));
    assert_pending!(second.poll());
    let wider = seats(2).try_with_fuel(5).expect("five").with_name("ignored");
    handle_of.update(wider);
    assert!(second.is_woken());
    assert!(second.await.is_ok());
    assert_eq!(first.await.ok(), Some(40), "with the fuel that it was granted");
    assert_eq!(handle_of.snapshot().settings.name(), "work_budget");
    assert_eq!(heard.all(), [Event::BudgetResized { layer: "work_budget", from: 1, to: 2 }]);
    assert_eq!(reason(service.call(ask(6)).await), Reason::TooExpensive);
}

#[tokio::test(start_paused = true)]
async fn one_is_neutral_while_a_new_one_would_decide_the_same() {
    let budget = budget(seats(9));
    let is_neutral = |budget: &Budget| Gate::<Ask>::is_neutral(budget, &Moment::new());
    let mut service = Stack::new().work_budget(budget.clone()).wrap(service_fn(handle));
    assert!(is_neutral(&budget));
    let call = service.call(ask(10));
    assert!(!is_neutral(&budget), "a call is under way");
    assert!(call.await.is_ok() && is_neutral(&budget), "it was right about that");
    assert!(service.call(spending(10, 20)).await.is_ok());
    assert!(!is_neutral(&budget), "it has learned something");
    let fresh = budget.fresh();
    assert!(is_neutral(&fresh));
    fresh.handle().update(seats(1));
    assert!(!is_neutral(&fresh), "it was changed");
}

#[test]
fn nonsense_is_refused_by_name() {
    let one = Settings::try_new(1).expect("one");
    let names = [
        Settings::try_new(0),
        one.try_with_fuel(0),
        one.try_with_headroom(0),
        one.try_with_max_page(0),
        one.try_with_fuel_per_seat(0),
        one.try_with_max_busy(Duration::ZERO),
        one.try_with_long_poll(Duration::ZERO),
    ]
    .map(|result| result.map(|_| ()).expect_err("nonsense").setting());
    assert_eq!(
        names,
        ["seats", "fuel", "headroom", "max_page", "fuel_per_seat", "max_busy", "long_poll"]
            .map(|name| format!("work_budget.{name}"))
    );
    assert_eq!(Demotion::try_new(0).expect_err("nonsense").setting(), "work_budget.demotion");
}

//! Changes at run time, and the rest of what every room does.

use std::{num::NonZeroU64, time::Duration};

use futures_util::future::join_all;
use plimsoll::{
    Event, Gate, Ratio, Reason, Rejection, Stack,
    clock::Moment,
    keyed::{self, Keyed},
    work_budget::{Demotion, Settings},
};
use tokio_test::{assert_pending, task};
use tower::{Service, ServiceExt, service_fn};

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

/// Any correction at all kept a budget from ever being neutral again: a request that spent one unit less than was estimated,
/// or corrections that nobody heeds.
#[tokio::test(start_paused = true)]
async fn one_is_neutral_unless_somebody_is_in_it_or_it_has_learned_what_narrows_it() {
    async fn after(budget: &Budget, times: usize, ask: Ask) -> bool {
        let service = Stack::new().work_budget(budget.clone()).wrap(service_fn(handle));
        for _ in 0..times {
            assert!(service.clone().oneshot(ask).await.is_ok());
        }
        is_neutral(budget)
    }
    fn is_neutral(budget: &Budget) -> bool {
        Gate::<Ask>::is_neutral(budget, &Moment::new())
    }

    let careful = budget(seats(9));
    let mut service = Stack::new().work_budget(careful.clone()).wrap(service_fn(handle));
    assert!(is_neutral(&careful));
    let call = service.call(ask(10));
    assert!(!is_neutral(&careful), "a call is under way");
    assert!(call.await.is_ok() && is_neutral(&careful), "it was right about that");
    assert!(after(&careful, 40, spending(50, 49)).await && after(&careful, 40, spending(10, 5)).await, "cheaper");
    assert!(!after(&careful, 40, spending(10, 20)).await, "dearer");
    assert!(after(&careful, 40, ask(10)).await, "not any more");

    let blind = [seats(9).without_correction(), seats(9).with_width(Ratio::percent(1))];
    let blind = blind.into_iter().chain([seats(9).with_fuel_per_seat(NonZeroU64::MAX)]);
    for blind in blind.map(budget) {
        assert!(after(&blind, 40, spending(10, 20)).await, "whatever it has learned, it decides the same: {blind:?}");
    }

    let fresh = careful.fresh();
    assert!(is_neutral(&fresh));
    fresh.handle().update(seats(1));
    assert!(!is_neutral(&fresh), "it was changed");
}

/// Whoever had spent anything else than was estimated kept a place for as long as the idle time; and who spends more than is
/// estimated is not to get rid of that by bringing keys.
#[tokio::test(start_paused = true)]
async fn a_key_that_spends_less_makes_room_and_one_that_spends_more_does_not() {
    let each = budget(seats(9));
    let one = keyed::Settings::new().try_with_capacity(1).expect("not zero");
    let keyed = Keyed::new(one, |ask: &Ask| ask.kind, move |_: &usize| each.fresh());
    let handle_of = keyed.handle();
    let service = Stack::new().keyed(keyed).wrap(service_fn(handle));
    let call = async |kind, spends| {
        for _ in 0..20 {
            assert!(service.clone().oneshot(Ask { kind, ..spending(10, spends) }).await.is_ok());
        }
        [0, 1].map(|key| handle_of.get(&key).is_some())
    };
    assert_eq!(call(0, 30).await, [true, false]);
    assert_eq!(call(1, 10).await, [true, false], "shares the gate of those who find no place");
    assert_eq!(call(0, 5).await, [true, false]);
    assert_eq!(call(1, 10).await, [false, true]);
    assert_eq!(handle_of.snapshot().evicted, 1);
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

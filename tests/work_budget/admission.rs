//! Admission: seats by cost, who is too expensive, who is demoted, and who waits.

use std::{io, time::Duration};

use futures_util::future::join_all;
use plimsoll::{
    Event, Ratio, Reason, Stack, clock,
    testing::Mock,
    work_budget::{Demotion, OverCost},
};
use tokio_test::{assert_pending, task};
use tower::{Service, ServiceExt, service_fn};

use crate::{Ask, Failed, Heard, SECOND, ask, budget, handle, reason, rejection, seats, spending};

#[tokio::test(start_paused = true)]
async fn requests_take_room_by_their_cost_and_give_it_back() {
    let budget = budget(seats(5));
    let handle_of = budget.handle();
    let mut service = Stack::new().work_budget(budget).wrap(service_fn(handle));
    let calls = [service.call(ask(11)), service.call(ask(30))];
    assert_eq!(handle_of.snapshot().seats.in_use, 5, "two and three");
    let refused = rejection(service.call(ask(1)).await);
    assert_eq!(
        (refused.reason(), refused.layer(), refused.was_dispatched()),
        (Reason::LimitReached, "work_budget", false)
    );
    assert!(join_all(calls).await.iter().all(Result::is_ok));
    let snapshot = handle_of.snapshot();
    assert_eq!((snapshot.seats.in_use, snapshot.granted, snapshot.spent), (0, 44 + 120, 41));
}

/// One scan of everything, and all others wait for it: nobody may take more than a share.
#[tokio::test(start_paused = true)]
async fn what_costs_too_much_is_refused_before_it_is_dispatched() {
    let (inner, mock) = Mock::answering(|_: &Ask| Ok::<_, io::Error>(()));
    let settings = seats(20).with_width(Ratio::percent(15));
    let heard = Heard::default();
    let service = Stack::new().observe(heard.observer()).work_budget(budget(settings)).service(inner);
    assert!(service.clone().oneshot(ask(30)).await.is_ok(), "three seats of twenty");
    for estimate in [31, 1_001, u64::MAX] {
        let refused = rejection(service.clone().oneshot(ask(estimate)).await);
        assert_eq!((refused.reason(), refused.was_dispatched()), (Reason::TooExpensive, false));
        assert_eq!(heard.all().last(), Some(&Event::Refused(refused)));
    }
    assert_eq!(mock.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_clamped_goes_on_with_as_much_as_one_may_have() {
    let settings = seats(20).with_width(Ratio::percent(15)).with_over_cost(OverCost::Clamp);
    let budget = budget(settings);
    let handle_of = budget.handle();
    let mut service = Stack::new().work_budget(budget).wrap(service_fn(handle));
    let call = service.call(spending(u64::MAX, 1_001));
    assert_eq!(handle_of.snapshot().seats.in_use, 3);
    assert_eq!(reason(call.await), Reason::WorkExhausted, "it wanted more than one may have");
    assert_eq!(service.call(spending(u64::MAX, 1_000)).await.ok(), Some(1_000));
}

/// Two dear requests, and there was room for nobody else. Those that are demoted never take the others' seats, nor their
/// places to wait, whatever comes.
#[tokio::test(start_paused = true)]
async fn those_that_are_demoted_are_among_themselves() {
    let heard = Heard::default();
    let settings = seats(20)
        .with_width(Ratio::percent(15))
        .with_over_cost(OverCost::Demote(Demotion::try_new(2).expect("two")))
        .with_wait(3, 60 * SECOND);
    let budget = budget(settings).observe(heard.observer());
    let handle_of = budget.handle();
    let mut service = Stack::new().work_budget(budget).wrap(service_fn(handle));

    let dear: Vec<_> = (0..8).map(|_| service.call(ask(5_000))).collect();
    let known = handle_of.snapshot();
    assert_eq!((known.demoted.in_use, known.demoted.waiting, known.seats.in_use), (2, 3, 0));
    let demoted = Event::Demoted { layer: "work_budget" };
    assert!(heard.all().contains(&demoted));
    assert!(heard.all().iter().all(|event| *event == demoted || matches!(event, Event::Refused(_))));

    // All the seats are there for the others, and places to wait as well.
    let cheap: Vec<_> = (0..23).map(|_| service.call(ask(10))).collect();
    let known = handle_of.snapshot();
    assert_eq!((known.seats.in_use, known.seats.waiting), (20, 3));
    let start = clock::now();
    assert!(join_all(cheap).await.iter().all(Result::is_ok));
    assert_eq!(clock::now().since(start), 2 * SECOND);
    let ends = join_all(dear).await;
    assert_eq!(ends.iter().filter(|end| end.is_ok()).count(), 5, "two, and the three that could wait");
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_in_a_lane_that_is_there_no_more_for_ever() {
    let demoting = seats(2).with_over_cost(OverCost::Demote(Demotion::try_new(1).expect("one")));
    let budget = budget(demoting.with_wait(9, Duration::MAX));
    let handle_of = budget.handle();
    let mut service = Stack::new().work_budget(budget).wrap(service_fn(handle));
    let calls: Vec<_> = (0..3).map(|_| service.call(ask(5_000))).collect();
    handle_of.update(seats(2));
    assert_eq!(reason(service.call(ask(5_000)).await), Reason::TooExpensive);
    let ends = tokio::time::timeout(60 * SECOND, join_all(calls)).await.expect("one after another");
    assert!(ends.iter().all(Result::is_ok));
}

#[tokio::test(start_paused = true)]
async fn who_waits_goes_in_order_and_nobody_narrow_passes_one_who_is_wide() {
    let settings = seats(4).with_wait(9, 60 * SECOND);
    let mut service = Stack::new().work_budget(budget(settings)).wrap(service_fn(handle));
    let mut first = task::spawn(service.call(ask(30)));
    let mut wide = task::spawn(service.call(ask(40)));
    let mut narrow = task::spawn(service.call(ask(1)));
    assert_pending!(first.poll());
    assert_pending!(wide.poll());
    assert_pending!(narrow.poll());
    drop(first);
    assert!(wide.is_woken() && !narrow.is_woken());
    drop(wide);
    assert!(narrow.is_woken());
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_in_time_and_at_the_deadline_of_the_request() {
    let settings = seats(1).with_wait(9, 2 * SECOND);
    let mut service = Stack::new()
        .work_budget(budget(settings).deadline_by(|ask: &Ask| (ask.kind == 1).then(|| clock::now().after(SECOND))))
        .wrap(service_fn(|_: Ask| std::future::pending::<Result<u64, Failed>>()));
    let _held = service.call(ask(1));
    let (late, by_deadline) = (service.call(ask(1)), service.call(Ask { kind: 1, ..ask(1) }));
    let (late, by_deadline) = tokio::join!(late, by_deadline);
    assert_eq!([reason(late), reason(by_deadline)], [Reason::WaitTimeout, Reason::DeadlineExceeded]);
}

/// The seats became fewer while it waited: what is wider than all of them would wait for ever.
#[tokio::test(start_paused = true)]
async fn what_is_wider_than_seats_that_became_fewer_runs_alone() {
    let budget = budget(seats(4).with_wait(9, Duration::MAX));
    let handle_of = budget.handle();
    let mut service = Stack::new().work_budget(budget).wrap(service_fn(handle));
    let first = service.call(ask(10));
    let mut wide = task::spawn(service.call(ask(40)));
    assert_pending!(wide.poll());
    handle_of.update(seats(2).with_wait(9, Duration::MAX));
    assert_eq!(first.await.ok(), Some(10));
    assert!(wide.is_woken());
    assert_pending!(wide.poll());
    let known = handle_of.snapshot().seats;
    assert_eq!((known.capacity, known.in_use), (2, 2), "all there are");
    assert_eq!(reason(service.call(ask(40)).await), Reason::TooExpensive, "it would be too wide if it came now");
    assert!(wide.await.is_ok());
}

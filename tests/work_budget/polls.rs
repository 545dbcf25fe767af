//! Bounds on polls: how long a request may keep the thread.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use plimsoll::{
    Event, Reason, Rejection, Stack,
    work_budget::{WorkBudget, WorkBudgetLayer},
};
use tower::{Layer, ServiceExt, service_fn};

use crate::{Ask, Failed, Heard, SECOND, budget, compute, rejection, seats, spending};

#[tokio::test(start_paused = true)]
async fn a_request_that_keeps_the_thread_for_too_long_in_all_is_ended() {
    let heard = Heard::default();
    let steps = Arc::new(AtomicU32::new(0));
    let counted = steps.clone();
    let budget = budget(seats(9).with_max_busy(SECOND));
    let handle_of = budget.handle();
    let service = Stack::new().observe(heard.observer()).work_budget(budget).wrap(service_fn(move |ask: Ask| {
        let counted = counted.clone();
        async move {
            loop {
                counted.fetch_add(1, Relaxed);
                compute(ask.spends).await;
                // Time in which it waits does not count.
                tokio::time::sleep(SECOND).await;
            }
            #[allow(unreachable_code, reason = "it has a type")]
            Ok::<u64, Failed>(0)
        }
    }));
    let refused = rejection(service.clone().oneshot(spending(1, 300)).await);
    assert_eq!((refused.reason(), refused.was_dispatched()), (Reason::WorkExhausted, true));
    assert_eq!((steps.load(Relaxed), handle_of.snapshot().seats.in_use), (4, 0), "after 1.2 seconds");
    assert_eq!(heard.all(), [Event::Refused(refused)], "and nothing is said of fuel");

    // What is done at once is an answer, however long it took.
    let slow = WorkBudgetLayer::new(WorkBudget::new(seats(9).with_max_busy(SECOND)));
    let answer = slow.layer(service_fn(|(): ()| async {
        compute(5_000).await;
        Ok::<_, Failed>(7)
    }));
    assert_eq!(answer.oneshot(()).await.ok(), Some(7));
}

#[tokio::test(start_paused = true)]
async fn one_that_only_observes_ends_nobody_who_keeps_the_thread_for_too_long() {
    let heard = Heard::default();
    let budget = budget(seats(9).with_max_busy(SECOND)).observe(heard.observer());
    budget.handle().observe_only();
    let service = Stack::new().work_budget(budget).wrap(service_fn(|ask: Ask| async move {
        for _ in 0..4 {
            compute(ask.spends).await;
            tokio::time::sleep(SECOND).await;
        }
        Ok::<_, Failed>(())
    }));
    assert!(service.oneshot(spending(1, 300)).await.is_ok());
    let would = Rejection::new(Reason::WorkExhausted, "work_budget").dispatched();
    assert_eq!(heard.all(), [Event::WouldRefuse(would)]);
}

/// One whose last poll was the long one had its answer by then: that it would have been refused was said all the same.
#[tokio::test(start_paused = true)]
async fn one_that_only_observes_says_nothing_of_a_call_that_ended_by_itself() {
    let heard = Heard::default();
    let budget = budget(seats(9).with_max_busy(SECOND)).observe(heard.observer());
    let handle = budget.handle();
    let service = Stack::new().work_budget(budget).wrap(service_fn(|ask: Ask| async move {
        compute(ask.spends).await;
        tokio::time::sleep(SECOND).await;
        compute(5_000).await;
        Ok::<_, Failed>(())
    }));
    for enforced in [true, false] {
        if !enforced {
            handle.observe_only();
        }
        assert!(service.clone().oneshot(spending(1, 999)).await.is_ok(), "{enforced}");
    }
    assert_eq!(heard.all(), []);
    assert!(service.oneshot(spending(1, 1_000)).await.is_ok());
    assert!(matches!(heard.all()[..], [Event::WouldRefuse(_)]), "{:?}", heard.all());
}

/// In force, it is an answer however long it took. A budget on trial announced refusals that would never have come.
#[tokio::test(start_paused = true)]
async fn one_that_only_observes_says_nothing_of_what_is_done_at_once() {
    let heard = Heard::default();
    let budget = budget(seats(9).with_max_busy(SECOND)).observe(heard.observer());
    budget.handle().observe_only();
    let service = Stack::new().work_budget(budget).wrap(service_fn(|ask: Ask| async move {
        compute(ask.spends).await;
        Ok::<_, Failed>(())
    }));
    assert!(service.oneshot(spending(1, 5_000)).await.is_ok());
    assert_eq!(heard.all(), []);
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_is_announced_and_a_short_one_is_not() {
    let heard = Heard::default();
    let budget = budget(seats(9).with_long_poll(Duration::from_millis(10))).observe(heard.observer());
    let service = Stack::new().work_budget(budget).wrap(service_fn(|ask: Ask| async move {
        compute(ask.spends).await;
        Ok::<_, Failed>(())
    }));
    for (millis, long) in [(9, 0), (10, 1), (25, 2)] {
        assert!(service.clone().oneshot(spending(1, millis)).await.is_ok());
        assert_eq!(heard.all().len(), long);
    }
    assert_eq!(heard.all()[1], Event::LongPoll { layer: "work_budget", took: Duration::from_millis(25) });
}

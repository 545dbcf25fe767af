//! Fuel: what one request may spend, by when, and with how many hands.

use std::{
    num::{NonZeroU32, NonZeroU64},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use futures_util::future::join_all;
use plimsoll::{
    Event, Reason, Stack, clock,
    timeout::TimeoutLayer,
    work::{Cause, Exhausted, Work},
    work_budget::Settings,
};
use tokio_test::{assert_pending, task};
use tower::{Service, ServiceExt, service_fn};

use crate::{Ask, Failed, Heard, SECOND, ask, budget, handle, rejection, seats, spending, work};

#[tokio::test(start_paused = true)]
async fn a_request_spends_what_it_was_granted_and_no_more() {
    let heard = Heard::default();
    let budget = budget(seats(9)).observe(heard.observer());
    let handle_of = budget.handle();
    let service = Stack::new().work_budget(budget).wrap(service_fn(handle));
    assert!(service.clone().oneshot(spending(10, 40)).await.is_ok(), "four times what was estimated");
    let refused = rejection(service.clone().oneshot(spending(10, 50)).await);
    assert_eq!((refused.reason(), refused.was_dispatched()), (Reason::WorkExhausted, true));
    assert_eq!(heard.all(), [Event::WorkExhausted { layer: "work_budget", granted: 40 }]);
    let known = handle_of.snapshot();
    assert_eq!((known.exhausted, known.granted, known.spent, known.seats.in_use), (1, 80, 80, 0));
}

#[tokio::test(start_paused = true)]
async fn without_fuel_there_is_no_work_and_with_no_end_of_it_there_is_no_bound() {
    let none = Settings::try_new(1).expect("one");
    let seen = service_fn(|_: Ask| async {
        Ok::<_, Failed>(work::current().map(|work| (work.granted(), work.remaining() > 0)))
    });
    let known = |settings| Stack::new().work_budget(budget(settings)).wrap(seen).oneshot(ask(3));
    assert_eq!(known(none).await.expect("answered"), None);
    let endless = none.with_fuel(NonZeroU64::MAX);
    assert_eq!(known(endless).await.expect("answered"), Some((Some(12), true)));
    assert_eq!(
        known(endless.with_headroom(NonZeroU32::MAX)).await.expect("answered"),
        Some((Some(3 * u64::from(u32::MAX)), true))
    );
    assert!(work::current().is_none(), "and nobody else has any");
}

/// What a spawned task kept it went on spending, when its request was long over: by then it was another request's.
#[tokio::test(start_paused = true)]
async fn a_task_that_outlives_its_request_spends_nothing_of_anybody() {
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keeps = kept.clone();
    let service = Stack::new().work_budget(budget(seats(9))).wrap(service_fn(move |ask: Ask| {
        let keeps = keeps.clone();
        async move {
            keeps.lock().expect("unpoisoned").extend([work(), work().child(2)]);
            work().spend(ask.spends)?;
            Ok::<_, Failed>(work().remaining())
        }
    }));
    assert_eq!(service.clone().oneshot(ask(5)).await.ok(), Some(20 - 2 - 5));
    let late: Vec<_> = kept.lock().expect("unpoisoned").drain(..).collect();
    let mut call = task::spawn(Stack::new().work_budget(budget(seats(9))).wrap(service_fn(handle)).oneshot(ask(5)));
    assert_pending!(call.poll());
    for late in &late {
        assert_eq!(late.spend(0).map_err(|exhausted: Exhausted| exhausted.cause()), Err(Cause::Over));
        assert_eq!((late.try_take(1), late.refund(1), late.remaining(), late.child(1).remaining()), (0, 0, 0, 0));
    }
    assert_eq!(service.oneshot(ask(5)).await.ok(), Some(13), "the next one has all of its own");
}

/// However a call ends, its work is closed: cancelled, panicked, answered.
#[tokio::test(start_paused = true)]
async fn the_work_of_a_call_that_was_given_up_is_over() {
    let kept = Arc::new(Mutex::new(None));
    let keeps = kept.clone();
    let budget = budget(seats(9));
    let handle_of = budget.handle();
    let mut service = Stack::new().work_budget(budget).wrap(service_fn(move |_: Ask| {
        *keeps.lock().expect("unpoisoned") = Some(work());
        std::future::pending::<Result<u64, Failed>>()
    }));
    let mut call = task::spawn(service.call(ask(5)));
    assert_pending!(call.poll());
    let late: Work = kept.lock().expect("unpoisoned").take().expect("called");
    assert_eq!(late.spend(5), Ok(()));
    drop(call);
    assert!(late.spend(1).is_err() && late.remaining() == 0);
    let known = handle_of.snapshot();
    assert_eq!(
        (known.spent, known.kinds[0].measured, known.spread),
        (5, 0, None),
        "half-way says nothing of the whole"
    );
}

#[tokio::test(start_paused = true)]
async fn work_knows_by_when_it_has_to_be_done() {
    let budget = budget(seats(9)).deadline_by(|ask: &Ask| (ask.kind == 1).then(|| clock::now().after(SECOND)));
    let total = TimeoutLayer::new(2 * SECOND);
    let service = Stack::new().timeout(total).work_budget(budget).wrap(service_fn(|ask: Ask| async move {
        let (start, work) = (clock::now(), work());
        let left = work.deadline().expect("known").since(start);
        if ask.kind == 1 {
            tokio::time::advance(SECOND).await;
            work.checkpoint(1).await?;
        }
        Ok::<_, Failed>(left)
    }));
    assert_eq!(service.clone().oneshot(ask(1)).await.ok(), Some(2 * SECOND));
    let late = rejection(service.oneshot(Ask { kind: 1, ..ask(1) }).await);
    assert_eq!((late.reason(), late.was_dispatched()), (Reason::DeadlineExceeded, true));
}

/// What is spent by many tasks of one request is no more than what it was granted, whatever each tries.
#[tokio::test]
async fn many_tasks_of_one_request_spend_no_more_than_was_granted() {
    let spent = Arc::new(AtomicU64::new(0));
    let sum = spent.clone();
    let service = Stack::new().work_budget(budget(seats(9))).wrap(service_fn(move |_: Ask| {
        let sum = sum.clone();
        async move {
            let tasks = (0..8u64).map(|number| {
                let (work, sum) = (work(), sum.clone());
                tokio::spawn(async move {
                    let part = work.child(5 + number);
                    sum.fetch_add(part.try_take(7), Relaxed);
                    if work.spend(3).is_ok() {
                        sum.fetch_add(3, Relaxed);
                    }
                })
            });
            join_all(tasks).await;
            Ok::<_, Failed>(work().remaining())
        }
    }));
    let left = service.oneshot(ask(10)).await.expect("answered");
    assert_eq!(spent.load(Relaxed) + left, 40);
}

//! By hand: holds, updates, what is announced and what is shared.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use plimsoll::{
    Event, Reason, Stack,
    chance::Chance,
    clock,
    surge_queue::{Ramp, Surge, SurgeQueue},
};
use tokio::time::advance;
use tokio_test::task;
use tower::Service;

use crate::{
    Ask, MILLI, SECOND, ask, callee, fixed, ids, pending, poll_woken, refusal, refused, settings, surge, waiting,
};

#[tokio::test(start_paused = true)]
async fn it_only_observes_and_refuses_again() {
    let events = Arc::new(Mutex::new(0));
    let heard = events.clone();
    let queue = asking!(settings().try_with_max_waiting(2).expect("valid"), 1).observe(move |event: &Event| {
        *heard.lock().expect("unpoisoned") += u32::from(matches!(event, Event::WouldRefuse(_)));
    });
    let (mut service, reached, handle) = behind!(queue);
    let mut calls = pending(&mut service, (0..3).map(ask));
    handle.observe_only();
    poll_woken(&mut calls);
    let others = pending(&mut service, (3..9).map(ask));
    assert_eq!((ids(&reached).len(), waiting(&handle)), (9, 0));
    assert_eq!((handle.limit().in_use(), *events.lock().expect("unpoisoned")), (9, 8));
    handle.automatic();
    let last = pending(&mut service, [ask(10)]);
    assert_eq!((ids(&reached).len(), waiting(&handle)), (9, 1));
    drop((calls, others, last));
    assert_eq!((handle.limit().in_use(), waiting(&handle)), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn it_drains_closes_and_opens() {
    let (mut service, reached, handle) = behind!(asking!(settings().with_surge(surge(1)), 1));
    let mut calls = pending(&mut service, (0..4).map(ask));
    handle.drain();
    assert_eq!(refused(&mut service, ask(4)).reason(), Reason::QueueFull);
    assert_eq!(waiting(&handle), 3, "who waits stays");
    drop(calls.remove(0));
    poll_woken(&mut calls);
    assert_eq!(ids(&reached), [0, 1]);
    handle.close();
    let ends = poll_woken(&mut calls);
    assert_eq!(ends.len(), 2);
    ends.into_iter().for_each(|end| assert_eq!(refusal(end).reason(), Reason::WaitTimeout));
    assert!(handle.snapshot().closed);
    handle.open();
    let again = pending(&mut service, [ask(5)]);
    assert_eq!(waiting(&handle), 1);
    drop(again);
}

#[tokio::test(start_paused = true)]
async fn it_is_updated_while_thousands_wait() {
    let wide = settings().try_with_max_waiting(5_000).expect("valid");
    let (mut service, _, handle) = behind!(asking!(wide, 1));
    let mut calls: Vec<_> = (0..5_001).map(|id| task::spawn(service.call(ask(id)))).collect();
    assert_eq!(refused(&mut service, ask(0)).reason(), Reason::QueueFull);
    handle.update(settings().with_name("other").try_with_max_waiting(1).expect("valid"));
    assert_eq!((waiting(&handle), handle.snapshot().settings.name()), (5_000, "surge_queue"));
    assert_eq!(refused(&mut service, ask(0)).reason(), Reason::QueueFull);
    handle.update(settings().try_with_max_waiting(6_000).expect("valid").with_surge(surge(1)));
    calls.push(task::spawn(service.call(ask(1))));
    assert_eq!(waiting(&handle), 5_001);
    drop(calls);
    assert_eq!((waiting(&handle), handle.limit().in_use()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_stands_and_drains_is_announced() {
    let events = Arc::new(Mutex::new(Vec::new()));
    let heard = events.clone();
    let queue = asking!(settings().with_surge(surge(1)), 1);
    let (inner, _) = callee();
    let stack = Stack::new().surge_queue(queue).observe(move |event: &Event| {
        heard.lock().expect("unpoisoned").push(*event);
    });
    let mut service = stack.service(inner);
    let mut calls = pending(&mut service, [ask(0), ask(1)]);
    advance(150 * MILLI).await;
    calls.extend(pending(&mut service, [ask(2)]));
    advance(50 * MILLI).await;
    poll_woken(&mut calls);
    drop(calls);
    let layer = "surge_queue";
    let expected = [Event::QueueStanding { layer }, Event::Demoted { layer }, Event::QueueDrained { layer }];
    assert_eq!(*events.lock().expect("unpoisoned"), expected);
}

#[tokio::test(start_paused = true)]
async fn clones_and_layers_meet_the_same_queue_and_a_fresh_one_does_not() {
    let queue = asking!(settings(), 1);
    let (handle, fresh) = (queue.handle(), queue.fresh(fixed(1)));
    let stack = Stack::new().surge_queue(queue);
    let (inner, reached) = callee();
    let (mut one, mut other) = (stack.service(inner.clone()), stack.clone().service(inner.clone()));
    let calls = (pending(&mut one, [ask(0)]), pending(&mut other, [ask(1)]));
    assert_eq!((ids(&reached), waiting(&handle)), (vec![0], 1));
    let mut apart = Stack::new().surge_queue(fresh).service(inner);
    let _call = pending(&mut apart, [ask(2)]);
    assert_eq!(ids(&reached), [0, 2]);
    drop(calls);
}

#[test]
fn what_makes_no_sense_is_refused_by_name() {
    let settings_that_fail = [
        settings().try_with_burst(Duration::ZERO).expect_err("zero"),
        settings().try_with_max_waiting(0).expect_err("zero"),
        Surge::try_new(0).expect_err("zero"),
        surge(1).try_with_ttl(Duration::ZERO).expect_err("zero"),
        surge(1).try_with_max_waiting(0).expect_err("zero"),
        Ramp::try_new(0, 1, SECOND).expect_err("zero"),
        Ramp::try_new(1, 1, Duration::ZERO).expect_err("zero"),
    ];
    for error in settings_that_fail {
        assert!(error.setting().starts_with("surge_queue."), "{error}");
    }
}

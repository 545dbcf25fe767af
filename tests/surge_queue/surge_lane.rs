//! The second lane: demotion, lending and its ramp.

use std::time::Duration;

use plimsoll::{
    Ratio, Reason, Stack,
    chance::Chance,
    clock,
    surge_queue::{Ramp, Surge, SurgeQueue},
};
use tokio::time::advance;
use tokio_test::{
    assert_pending,
    task::{self, Spawn},
};
use tower::Service;

use crate::{
    Ask, MILLI, SECOND, ask, callee, fixed, ids, pending, poll_woken, refusal, serve_all, settings, surge, waiting,
};

#[tokio::test(start_paused = true)]
async fn takes_who_waited_too_long_in_the_first() {
    let (mut service, reached, handle) = behind!(asking!(settings().with_surge(surge(1)), 1));
    let mut calls = pending(&mut service, [ask(0), ask(1), ask(2)]);
    advance(200 * MILLI).await;
    assert!(poll_woken(&mut calls).is_empty());
    let lane = handle.snapshot().surge.expect("there is one");
    assert_eq!((lane.in_use, lane.waiting, lane.demoted), (1, [0, 1, 0, 0], 2));
    assert_eq!((ids(&reached).len(), handle.snapshot().waiting), (2, [0; 4]));
    drop(calls);
    let lane = handle.snapshot().surge.expect("there is one");
    assert_eq!((lane.in_use, waiting(&handle), handle.limit().in_use()), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn takes_at_once_whom_the_first_has_no_place_for() {
    let settings = settings().try_with_max_waiting(1).expect("valid").with_surge(surge(1));
    let (mut service, reached, handle) = behind!(asking!(settings, 1));
    let calls = pending(&mut service, (0..4).map(ask));
    assert_eq!(ids(&reached), [0, 2], "one in its place, one in a place of the second lane");
    assert_eq!(handle.snapshot().waiting, [0, 1, 0, 0]);
    assert_eq!(handle.snapshot().surge.expect("there is one").waiting, [0, 1, 0, 0]);
    drop(calls);
}

#[tokio::test(start_paused = true)]
async fn takes_nobody_whose_deadline_has_come() {
    let (mut service, _, handle) = behind!(asking!(settings().with_surge(surge(1)), 1));
    let _held = pending(&mut service, [ask(0)]);
    let refused = refusal(service.call(Ask { left: Some(30 * MILLI), ..ask(1) }).await);
    assert_eq!(refused.reason(), Reason::DeadlineExceeded);
    let late = Ask { left: Some(Duration::ZERO), ..ask(2) };
    assert_eq!(super::refused(&mut service, late).reason(), Reason::DeadlineUnreachable);
    let lane = handle.snapshot().surge.expect("there is one");
    assert_eq!((lane.in_use, lane.demoted), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn moves_them_when_they_are_as_old_as_is_set() {
    let settings = settings().with_surge(surge(1).with_demotion_after(10 * MILLI));
    let (mut service, reached, _) = behind!(asking!(settings, 1));
    let _calls = pending(&mut service, [ask(0)]);
    let start = clock::now();
    let mut moved = task::spawn(service.call(ask(1)));
    assert_pending!(moved.poll());
    advance(10 * MILLI).await;
    assert!(moved.is_woken());
    assert_pending!(moved.poll());
    assert_eq!((ids(&reached), clock::now().since(start)), (vec![0, 1], 10 * MILLI));
}

#[tokio::test(start_paused = true)]
async fn gives_up_on_who_is_too_old_even_there() {
    let settings = settings().with_surge(surge(1).try_with_ttl(SECOND).expect("valid"));
    let (mut service, _, handle) = behind!(asking!(settings, 1));
    let mut calls = pending(&mut service, [ask(0), ask(1)]);
    advance(200 * MILLI).await;
    poll_woken(&mut calls);
    let start = clock::now();
    let refused = refusal(service.call(ask(2)).await);
    assert_eq!((refused.reason(), clock::now().since(start)), (Reason::WaitTimeout, SECOND));
    assert_eq!(waiting(&handle), 0);
}

#[tokio::test(start_paused = true)]
async fn serves_the_newest_of_each_tenant_in_turn() {
    let settings = settings().with_surge(surge(1).with_demotion_after(Duration::ZERO));
    let (mut service, reached, _) = behind!(asking!(settings, 1));
    let _warm = pending(&mut service, [ask(0)]);
    let mut held = pending(&mut service, [ask(1)]);
    let tenants = [7, 7, 8, 7];
    let calls = pending(&mut service, (2..).zip(tenants).map(|(id, tenant)| Ask { tenant, ..ask(id) }));
    assert_eq!(ids(&reached), [0, 1]);
    serve_all(vec![held.remove(0)], calls);
    assert_eq!(ids(&reached), [0, 1, 5, 4, 3, 2]);
}

#[tokio::test(start_paused = true)]
async fn borrows_what_nobody_waits_for_up_to_its_share() {
    let lane = Surge::try_new(1).expect("valid").with_demotion_after(Duration::ZERO).with_lending(Ratio::HALF);
    let (mut service, reached, handle) = behind!(asking!(settings().with_surge(lane), 4));
    let mut warm = pending(&mut service, (0..4).map(ask));
    let mut calls = pending(&mut service, (10..20).map(ask));
    assert_eq!(ids(&reached).len(), 5);
    warm.clear();
    poll_woken(&mut calls);
    let lane = handle.snapshot().surge.expect("there is one");
    assert_eq!((lane.lent, lane.in_use, handle.limit().in_use(), ids(&reached).len()), (2, 1, 2, 7));
    // What is left is for the first lane, however many wait in the second.
    let warm = pending(&mut service, [ask(50), ask(51)]);
    assert_eq!(ids(&reached)[7..], [50, 51]);
    drop(warm);
    assert_eq!(handle.snapshot().surge.expect("there is one").lent, 2);
    drop(calls);
    let lane = handle.snapshot().surge.expect("there is one");
    assert_eq!((lane.lent, lane.in_use, handle.limit().in_use(), waiting(&handle)), (0, 0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn borrows_nothing_that_somebody_waits_for() {
    let lane = Surge::try_new(1).expect("valid").with_lending(Ratio::ONE);
    let (mut service, reached, _) = behind!(asking!(settings().with_surge(lane), 1));
    let held = pending(&mut service, [ask(0)]);
    let mut old = pending(&mut service, [ask(1), ask(2)]);
    advance(200 * MILLI).await;
    poll_woken(&mut old);
    let fresh = pending(&mut service, [ask(3)]);
    drop(held);
    assert!(fresh[0].is_woken() && !old.iter().any(Spawn::is_woken));
    assert_eq!(ids(&reached).len(), 2);
}

/// Nothing ends, and nobody comes: who waits there has to look for itself.
#[tokio::test(start_paused = true)]
async fn grows_with_time_alone() {
    let ramp = Ramp::try_new(1, 2, SECOND).expect("valid");
    let settings = settings().with_surge(surge(4).with_ramp(ramp).with_demotion_after(Duration::ZERO));
    let (mut service, reached, handle) = behind!(asking!(settings, 1));
    let mut calls = pending(&mut service, (0..8).map(ask));
    let mut served = vec![ids(&reached).len()];
    for _ in 0..4 {
        advance(SECOND).await;
        while !calls.iter().all(|call| !call.is_woken()) {
            poll_woken(&mut calls);
        }
        served.push(ids(&reached).len());
    }
    assert_eq!(served, [2, 4, 5, 5, 5]);
    assert_eq!(handle.snapshot().surge.expect("there is one").provisioned, 4);
}

#[tokio::test(start_paused = true)]
async fn may_be_prewarmed() {
    let ramp = Ramp::try_new(1, 1, SECOND).expect("valid");
    let settings = settings().with_surge(surge(4).with_ramp(ramp).with_demotion_after(Duration::ZERO));
    let (mut service, reached, handle) = behind!(asking!(settings, 1));
    let mut calls = pending(&mut service, (0..8).map(ask));
    assert_eq!(ids(&reached).len(), 2);
    handle.prewarm(99);
    poll_woken(&mut calls);
    assert_eq!(ids(&reached).len(), 5);
}

#[tokio::test(start_paused = true)]
async fn that_is_taken_away_serves_who_is_in_it() {
    let with = settings().with_surge(surge(1).with_demotion_after(Duration::ZERO));
    let (mut service, reached, handle) = behind!(asking!(with, 1));
    let _warm = pending(&mut service, [ask(0)]);
    let held = pending(&mut service, [ask(1)]);
    let calls = pending(&mut service, [ask(2), ask(3)]);
    handle.update(settings());
    let last = pending(&mut service, [ask(4)]);
    assert_eq!(handle.snapshot().waiting, [0, 1, 0, 0]);
    serve_all(held, calls);
    assert_eq!(ids(&reached), [0, 1, 3, 2]);
    drop(last);
}

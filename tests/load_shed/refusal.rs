//! What happens to who finds no place.

use plimsoll::{Reason, Stack};
use tokio::time::advance;
use tokio_test::{assert_ready_ok, task};
use tower::Service;

use crate::{Ask, MILLI, SECOND, Script, Takes, call, callee, fixed, held, limits, look, refusal};

#[tokio::test(start_paused = true)]
async fn is_refused_at_once_and_let_in_when_a_call_ends() {
    let (mut service, handle) = behind!(fixed(2));
    let mut calls = held(&mut service, 2);
    let rejection = refusal(&mut service);
    assert_eq!((rejection.reason(), rejection.layer()), (Reason::LimitReached, "load_shed"));
    assert_eq!((rejection.was_dispatched(), rejection.retry_after()), (false, None));
    drop(calls.pop());
    assert_eq!(handle.snapshot().in_use, 1);
    assert_ready_ok!(call(&mut service, Takes(0)).poll());
}

#[tokio::test(start_paused = true)]
async fn hears_when_to_come_back_once_calls_were_seen() {
    let (mut service, handle) = behind!(fixed(1));
    for _ in 0..3 {
        service.call(Takes(200)).await.expect("answered");
    }
    look(&mut service).await;
    let latency = handle.snapshot().latency.expect("known");
    assert!((190 * MILLI..=210 * MILLI).contains(&latency), "{latency:?}");
    let _held = held(&mut service, 1);
    let mut after: Vec<_> =
        (0..100).map(|_| refusal(&mut service).retry_after().expect("known").as_secs_f64()).collect();
    after.sort_by(f64::total_cmp);
    let share = |after: f64| after / latency.as_secs_f64();
    assert!((0.5..0.6).contains(&share(after[0])), "half at least: {after:?}");
    assert!((1.4..=1.5).contains(&share(after[99])), "half as much again at most: {after:?}");
    after.dedup();
    assert!(after.len() > 90, "they come back together: {after:?}");
}

#[tokio::test(start_paused = true)]
async fn never_hears_to_come_back_at_once() {
    let (mut service, handle) = behind!(fixed(1));
    for _ in 0..3 {
        service.call(Takes(0)).await.expect("answered");
    }
    look(&mut service).await;
    assert!(handle.snapshot().latency.is_some_and(|latency| latency < MILLI));
    let _held = held(&mut service, 1);
    for _ in 0..100 {
        let after = refusal(&mut service).retry_after().expect("known");
        assert!((25 * MILLI..=75 * MILLI).contains(&after), "{after:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn passes_if_exempt_and_is_not_counted() {
    let script = Script::of(1);
    let (mut service, handle) = behind!(script.shed(limits(1, 1)).exempt_by(|ask: &Ask| *ask == Takes(5)));
    let _held = held(&mut service, 1);
    assert_eq!(refusal(&mut service).reason(), Reason::LimitReached);
    let exempt = task::spawn(service.call(Takes(5)));
    assert_eq!((handle.snapshot().in_use, handle.snapshot().parked), (1, 0));
    exempt.into_inner().await.expect("answered");
    assert_eq!(handle.snapshot().in_use, 1);
    advance(SECOND).await;
    let _ = refusal(&mut service);
    advance(SECOND).await;
    let _ = refusal(&mut service);
    assert_eq!(script.seen().calls, 0, "an exempt call says nothing");
}

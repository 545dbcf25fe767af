//! By hand: observers, holds, updates, and what is shared.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use plimsoll::{
    Error, Event, Ratio, Stack,
    chance::Chance,
    circuit_breaker::{CircuitBreaker, CircuitBreakerLayer, State, Window},
    event::Hold,
};
use tokio::time;
use tower::{BoxError, Layer, ServiceBuilder, ServiceExt, service_fn};

use crate::{SECOND, Script, ask, callee, guarded, n, poll_once, refused, three, trip};

/// tower-resilience ran its listeners under the lock of the circuit: one that looked at the circuit hung for ever.
#[tokio::test(start_paused = true)]
async fn an_observer_may_look_at_the_circuit_and_panic() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let breaker = CircuitBreaker::new(three());
    let (handle, log) = (breaker.handle(), seen.clone());
    let looking = handle.clone();
    let breaker = breaker.observe(move |_: &Event| {
        log.lock().expect("unpoisoned").push(looking.snapshot().state);
        looking.update(looking.snapshot().settings);
        panic!("observer");
    });
    let service = Stack::new().circuit_breaker(breaker).service(service_fn(callee));
    trip(&service).await;
    time::advance(10 * SECOND).await;
    assert!(ask(&service, Script::Ok).await.is_ok());
    let expected = [State::Open, State::HalfOpen, State::Closed];
    assert_eq!(*seen.lock().expect("unpoisoned"), expected);
}

#[tokio::test(start_paused = true)]
async fn it_can_be_held_and_handed_back() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (service, handle) = {
        let log = heard.clone();
        let breaker = CircuitBreaker::new(three()).observe(move |event: &Event| {
            if let Event::CircuitHeld { hold, .. } = event {
                log.lock().expect("unpoisoned").push(*hold);
            }
        });
        let handle = breaker.handle();
        (Stack::new().circuit_breaker(breaker).service(service_fn(callee)), handle)
    };
    handle.force_open();
    handle.force_open();
    assert!(refused(&ask(&service, Script::Ok).await));
    handle.force_closed();
    for _ in 0..100 {
        assert!(!refused(&ask(&service, Script::Fail).await));
    }
    handle.automatic();
    assert_eq!(handle.snapshot().counts.calls, 0, "what happened while held was not looked at");
    trip(&service).await;
    assert!(refused(&ask(&service, Script::Ok).await));
    handle.reset();
    assert!(ask(&service, Script::Ok).await.is_ok());
    assert_eq!(*heard.lock().expect("unpoisoned"), [Hold::Open, Hold::Closed, Hold::Automatic]);
}

#[tokio::test(start_paused = true)]
async fn an_observing_circuit_judges_and_never_refuses() {
    let would_refuse = Arc::new(AtomicUsize::new(0));
    let count = would_refuse.clone();
    let breaker = CircuitBreaker::new(three()).observe(move |event: &Event| {
        if matches!(event, Event::WouldRefuse(_)) {
            count.fetch_add(1, SeqCst);
        }
    });
    let handle = breaker.handle();
    handle.observe_only();
    let service = Stack::new().circuit_breaker(breaker).service(service_fn(callee));
    trip(&service).await;
    for _ in 0..5 {
        assert!(ask(&service, Script::Ok).await.is_ok());
    }
    assert_eq!((handle.snapshot().state, would_refuse.load(SeqCst)), (State::Open, 5));
    time::advance(10 * SECOND).await;
    assert!(ask(&service, Script::Ok).await.is_ok());
    assert_eq!(handle.snapshot().state, State::Closed);
}

#[tokio::test(start_paused = true)]
async fn an_update_keeps_what_was_counted_and_what_is_in_flight() {
    let (service, handle) = guarded(three());
    let mut slow = Box::pin(ask(&service, Script::Take(SECOND)));
    assert!(poll_once(&mut slow).await.is_none());
    let _ = ask(&service, Script::Fail).await;
    handle.update(three().with_consecutive_failures(n(2)).with_name("other"));
    assert_eq!(handle.snapshot().counts.failures, 1);
    assert!(slow.await.is_ok());
    assert_eq!(handle.snapshot().counts.calls, 2);
    handle.update(three().with_window(Window::try_time(SECOND, 1).expect("a window")).with_failure_rate(Ratio::ONE));
    assert_eq!(handle.snapshot().counts.calls, 0);
    let Err(Error::Inner(_)) = ask(&service, Script::Fail).await else { panic!("closed") };
    let Err(Error::Rejected(rejection)) = ask(&service, Script::Ok).await else { panic!("open") };
    assert_eq!(rejection.layer(), "circuit_breaker", "the name stays");
}

#[tokio::test(start_paused = true)]
async fn it_works_alone_and_its_services_share_their_state() {
    let layer = CircuitBreakerLayer::new(three());
    let fails = || service_fn(|()| async { Err::<(), BoxError>("disk on fire".into()) });
    let (one, other) = (layer.layer(fails()), ServiceBuilder::new().layer(layer).service(fails()));
    for _ in 0..3 {
        let _ = one.clone().oneshot(()).await;
    }
    let error = other.oneshot(()).await.expect_err("open");
    assert!(plimsoll::Refusal::rejection(&error).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_fresh_breaker_shares_nothing() {
    let breaker = CircuitBreaker::new(three());
    breaker.handle().force_open();
    let fresh = breaker.fresh().handle().snapshot();
    assert_eq!((fresh.hold, fresh.settings), (Hold::Automatic, three()));
    assert_eq!(breaker.clone().handle().snapshot().hold, Hold::Open);
}

#[tokio::test(start_paused = true)]
async fn a_seed_repeats_and_circuits_of_many_clients_do_not_return_together() {
    async fn open_time(breaker: CircuitBreaker) -> Option<Duration> {
        let handle = breaker.handle();
        trip(&Stack::new().circuit_breaker(breaker).service(service_fn(callee))).await;
        handle.snapshot().half_opens_in
    }
    let seeded = |seed| CircuitBreaker::new(three()).chance(Chance::seeded(seed));
    assert_eq!(open_time(seeded(7)).await, open_time(seeded(7)).await);
    let first = seeded(7);
    assert_ne!(open_time(first.fresh()).await, open_time(first.fresh()).await);
}

#[tokio::test(start_paused = true)]
async fn an_update_of_how_long_calls_may_take_counts_at_once() {
    let (service, handle) = guarded(three().with_hung_after(10 * SECOND));
    handle.update(three().with_hung_after(SECOND));
    assert!(time::timeout(2 * SECOND, ask(&service, Script::Hang)).await.is_err());
    assert_eq!(handle.snapshot().failures_in_a_row, 1);
}

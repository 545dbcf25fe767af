//! Half-open: probes that are slow, hung, dropped, or none, and what decides.

use std::{convert::Infallible, pin::pin, time::Duration};

use plimsoll::{
    Error, Outcome, Stack,
    circuit_breaker::{CircuitBreaker, Probes, State, Window},
    classify::Failure,
};
use tokio::{sync::oneshot, time};
use tower::{Service, ServiceExt, service_fn};

use crate::{MILLI, SECOND, Script, ask, guarded, poll_once, refused, three, trip};

/// tower-resilience 0.13 looked for three successes within a window of time; probes that came slower than that used up
/// all permits, and the circuit stayed half-open for ever.
#[tokio::test(start_paused = true)]
async fn probes_that_come_slowly_still_close_the_circuit() {
    let probes = Probes::try_new(3, 3).expect("three");
    let window = Window::try_time(SECOND, 3).expect("a second");
    let (service, handle) = guarded(three().with_probes(probes).with_window(window));
    trip(&service).await;
    for _ in 0..3 {
        time::advance(10 * SECOND).await;
        assert!(ask(&service, Script::Ok).await.is_ok());
    }
    assert_eq!(handle.snapshot().state, State::Closed);
}

/// tower-resilience 0.13 accepted "0 calls permitted while half-open", and never recovered.
#[test]
fn no_probes_at_all_cannot_be_asked_for() {
    for (successes, of) in [(0, 0), (0, 1), (1, 0), (2, 1)] {
        assert!(Probes::try_new(successes, of).is_err(), "{successes} of {of}");
    }
}

/// One hung probe held the only permit of tower-resilience's half-open circuit: 60 open times later it still refused.
#[tokio::test(start_paused = true)]
async fn a_hung_probe_is_lost_and_the_circuit_tries_again() {
    let (service, handle) = guarded(three());
    trip(&service).await;
    time::advance(10 * SECOND).await;
    let mut hung = Box::pin(ask(&service, Script::Hang));
    assert!(poll_once(&mut hung).await.is_none());
    assert_eq!(handle.snapshot().probes.under_way, 1);
    assert!(refused(&ask(&service, Script::Ok).await));
    time::advance(30 * SECOND).await;
    assert!(refused(&ask(&service, Script::Ok).await), "the loss is noticed, and the circuit opens");
    assert_eq!(handle.snapshot().state, State::Open);
    time::advance(10 * SECOND).await;
    assert!(ask(&service, Script::Ok).await.is_ok());
    drop(hung);
    assert_eq!(handle.snapshot().state, State::Closed);
}

/// A call from before the outage ended while tower-resilience's circuit was half-open, and was taken for the probe.
#[tokio::test(start_paused = true)]
async fn a_call_from_before_the_trip_never_decides_a_probe() {
    for good in [true, false] {
        let (service, handle) = guarded(three());
        let (tell, answer) = oneshot::channel();
        let mut old = Box::pin(ask(&service, Script::Asked(answer)));
        assert!(poll_once(&mut old).await.is_none());
        trip(&service).await;
        time::advance(10 * SECOND).await;
        let (tell_probe, answer) = oneshot::channel();
        let mut probe = Box::pin(ask(&service, Script::Asked(answer)));
        assert!(poll_once(&mut probe).await.is_none());
        tell.send(good).expect("it listens");
        assert_eq!(old.await.is_ok(), good);
        assert_eq!(handle.snapshot().state, State::HalfOpen, "the old call said {good}");
        tell_probe.send(true).expect("it listens");
        assert!(probe.await.is_ok());
        assert_eq!(handle.snapshot().state, State::Closed);
    }
}

/// tower-resilience told 500 clones that they were ready, for one half-open permit, and then refused 499.
#[tokio::test(start_paused = true)]
async fn of_five_hundred_clones_one_is_the_probe() {
    let (service, _) = guarded(three());
    trip(&service).await;
    time::advance(10 * SECOND).await;
    let mut calls = Vec::new();
    for _ in 0..500 {
        let mut clone = service.clone();
        clone.ready().await.expect("always ready");
        calls.push(tokio::spawn(async move { clone.call(Script::Take(SECOND)).await }));
    }
    let (mut admitted, mut turned_away) = (0, 0);
    for call in calls {
        match call.await.expect("joined") {
            Ok(_) => admitted += 1,
            answer => turned_away += usize::from(refused(&answer)),
        }
    }
    assert_eq!((admitted, turned_away), (1, 499));
}

/// tower-resilience's breaker read the wall clock: an hour of virtual time did not half-open it.
#[tokio::test(start_paused = true)]
async fn an_hour_of_virtual_time_half_opens() {
    let (service, handle) = guarded(three());
    trip(&service).await;
    time::advance(3600 * SECOND).await;
    assert_eq!(handle.snapshot().half_opens_in, Some(Duration::ZERO));
    assert!(ask(&service, Script::Ok).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_probe_returns_its_place() {
    let (service, handle) = guarded(three());
    trip(&service).await;
    time::advance(10 * SECOND).await;
    {
        let mut probe = pin!(ask(&service, Script::Hang));
        assert!(poll_once(&mut probe).await.is_none());
        assert_eq!(handle.snapshot().probes.under_way, 1);
    }
    assert_eq!(handle.snapshot().probes.under_way, 0);
    assert!(ask(&service, Script::Ok).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_callees_hint_keeps_the_circuit_open_and_a_throttled_probe_fails() {
    let judge = |result: Result<&Duration, &Error<Infallible>>| match result {
        Ok(&wait) if !wait.is_zero() => Outcome::Failure(Failure::Throttled(Some(wait))),
        Ok(_) => Outcome::Success,
        Err(_) => Outcome::Ignored,
    };
    let breaker = CircuitBreaker::new(three());
    let handle = breaker.handle();
    let echo = service_fn(|wait: Duration| async move { Ok::<_, Infallible>(wait) });
    let service = Stack::new().classify(judge).circuit_breaker(breaker).service(echo);
    for _ in 0..3 {
        service.clone().oneshot(60 * SECOND).await.expect("answered");
    }
    assert!(handle.snapshot().half_opens_in >= Some(60 * SECOND));
    time::advance(70 * SECOND).await;
    service.clone().oneshot(MILLI).await.expect("the probe is answered");
    assert_eq!(handle.snapshot().state, State::Open);
}

/// A circuit that has recovered must not be told of the outage by calls that have hung since then.
#[tokio::test(start_paused = true)]
async fn what_was_admitted_before_the_outage_is_not_in_the_window_after_it() {
    let (service, handle) = guarded(three());
    let (answer, asked) = oneshot::channel();
    let mut late = Box::pin(ask(&service, Script::Asked(asked)));
    assert!(poll_once(&mut late).await.is_none());
    trip(&service).await;
    time::advance(10 * SECOND).await;
    assert!(ask(&service, Script::Ok).await.is_ok());
    assert_eq!(handle.snapshot().state, State::Closed);
    answer.send(false).expect("asked");
    assert!(late.await.is_err());
    let now = handle.snapshot();
    assert_eq!((now.counts.calls, now.failures_in_a_row), (0, 0));
}

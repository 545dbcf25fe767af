//! What opens the circuit, and what an open one does.

use std::{
    future::Future,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::Duration,
};

use plimsoll::{
    Error, Event, Ratio, Reason, Stack,
    circuit_breaker::{CircuitBreaker, OpenTime, Settings, State, Window},
};
use tokio::time;
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

use crate::{MILLI, SECOND, Script, ask, callee, guarded, refused, three, trip};

#[tokio::test(start_paused = true)]
async fn an_open_circuit_refuses_without_touching_the_callee_and_says_for_how_long() {
    let called = Arc::new(AtomicUsize::new(0));
    let count = called.clone();
    let inner = service_fn(move |()| {
        count.fetch_add(1, SeqCst);
        async { Err::<(), _>(io::Error::other("disk on fire")) }
    });
    let service = Stack::new().circuit_breaker(three().with_name("db")).service(inner);
    for _ in 0..3 {
        let _ = service.clone().oneshot(()).await;
    }
    let Err(Error::Rejected(rejection)) = service.clone().oneshot(()).await else { panic!("open") };
    assert_eq!((rejection.reason(), rejection.layer()), (Reason::CircuitOpen, "db"));
    assert!(!rejection.was_dispatched());
    let left = rejection.retry_after().expect("known");
    assert!((5 * SECOND..=10 * SECOND).contains(&left), "{left:?}");
    assert_eq!(called.load(SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn it_goes_round_and_announces_each_step() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let log = heard.clone();
    let stack = Stack::new().circuit_breaker(three().with_ramp(SECOND)).observe(move |event: &Event| {
        log.lock().expect("unpoisoned").push(match event {
            Event::CircuitOpened { trip, .. } => format!("opened by {trip:?}"),
            Event::CircuitHalfOpened { .. } => "half-opened".into(),
            Event::CircuitRamping { .. } => "ramping".into(),
            Event::CircuitClosed { .. } => "closed".into(),
            Event::Refused(rejection) => format!("refused: {:?}", rejection.reason()),
            other => format!("{other:?}"),
        });
    });
    let service = stack.service(service_fn(callee));
    trip(&service).await;
    assert!(refused(&ask(&service, Script::Ok).await));
    time::advance(10 * SECOND).await;
    assert!(ask(&service, Script::Ok).await.is_ok());
    time::advance(SECOND).await;
    assert!(ask(&service, Script::Ok).await.is_ok());
    let expected =
        ["opened by ConsecutiveFailures", "refused: CircuitOpen", "half-opened", "ramping", "closed"].map(String::from);
    assert_eq!(*heard.lock().expect("unpoisoned"), expected);
}

/// tower-resilience 0.13 counted up for ever: after 100,000 healthy calls, an outage needed 100,000 failures to open it.
#[tokio::test(start_paused = true)]
async fn a_long_healthy_past_does_not_delay_the_trip() {
    let (service, handle) = guarded(Settings::new().without_consecutive_failures());
    for _ in 0..100_000 {
        ask(&service, Script::Ok).await.expect("healthy");
    }
    for _ in 0..50 {
        assert_eq!(handle.snapshot().state, State::Closed);
        let _ = ask(&service, Script::Fail).await;
    }
    assert_eq!(handle.snapshot().state, State::Open);
}

/// 100 of 100 calls hung and were cut by a timeout around tower-resilience's breaker: it recorded none of them.
#[tokio::test(start_paused = true)]
async fn calls_that_hang_until_an_outer_timeout_trip_the_default_settings() {
    let breaker = CircuitBreaker::default();
    let handle = breaker.handle();
    let service = ServiceBuilder::new()
        .timeout(SECOND)
        .layer(Stack::new().circuit_breaker(breaker).wrapping())
        .service(service_fn(callee));
    let mut calls = 0;
    while handle.snapshot().state == State::Closed {
        service.clone().oneshot(Script::Hang).await.expect_err("timed out");
        calls += 1;
    }
    assert_eq!(calls, 10);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_that_hang_at_once_trip_the_default_settings() {
    let (service, handle) = guarded(Settings::new());
    let mut calls = Vec::new();
    for _ in 0..100 {
        let service = service.clone();
        calls.push(tokio::spawn(async move { time::timeout(5 * SECOND, ask(&service, Script::Hang)).await.is_err() }));
    }
    for call in calls {
        assert!(call.await.expect("joined"));
    }
    assert_eq!(handle.snapshot().state, State::Open);
}

#[tokio::test(start_paused = true)]
async fn callers_who_leave_early_say_nothing() {
    let (service, handle) = guarded(Settings::new());
    for _ in 0..100 {
        let hasty = time::timeout(100 * MILLI, ask(&service, Script::Hang));
        assert!(hasty.await.is_err());
    }
    let snapshot = handle.snapshot();
    assert_eq!((snapshot.state, snapshot.counts.calls), (State::Closed, 0));
}

/// 100 of 100 calls panicked: tower-resilience's breaker recorded none of them.
#[tokio::test(start_paused = true)]
async fn panics_trip() {
    let (service, handle) = guarded(three());
    for _ in 0..3 {
        let service = service.clone();
        let call = tokio::spawn(async move { ask(&service, Script::Panic).await.is_ok() });
        assert!(call.await.expect_err("panicked").is_panic());
    }
    assert_eq!(handle.snapshot().state, State::Open);
}

#[derive(Clone)]
struct Unreachable;

impl Service<()> for Unreachable {
    type Response = ();
    type Error = io::Error;
    type Future = std::future::Ready<Result<(), io::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        Poll::Ready(Err(io::ErrorKind::ConnectionRefused.into()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        unreachable!("it was never ready")
    }
}

/// 100 of 100 connections were refused in `poll_ready`: tower-resilience's breaker recorded none of them.
#[tokio::test(start_paused = true)]
async fn readiness_errors_trip() {
    let breaker = CircuitBreaker::new(three());
    let handle = breaker.handle();
    let service = Stack::new().circuit_breaker(breaker).service(Unreachable);
    for _ in 0..3 {
        assert!(matches!(service.clone().oneshot(()).await, Err(Error::Inner(_))));
    }
    assert_eq!(handle.snapshot().state, State::Open);
}

/// A call of ten virtual seconds was not slow to tower-resilience, whose threshold of two was of real ones.
#[tokio::test(start_paused = true)]
async fn slow_calls_are_slow_in_virtual_time() {
    let window = Window::try_calls(10, 5).expect("a window");
    let (service, handle) = guarded(three().with_slow_calls(2 * SECOND, Ratio::HALF).with_window(window));
    for script in [Script::Ok, Script::Take(SECOND), Script::Take(10 * SECOND), Script::Take(2 * SECOND)] {
        ask(&service, script).await.expect("slow, but right");
    }
    assert_eq!((handle.snapshot().counts.calls, handle.snapshot().counts.slow), (4, 2));
    ask(&service, Script::Take(3 * SECOND)).await.expect("slow, but right");
    assert_eq!(handle.snapshot().state, State::Open);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_further_in_says_nothing() {
    let breaker = CircuitBreaker::new(three());
    let (outer, inner) = (breaker.handle(), CircuitBreaker::new(three()));
    inner.handle().force_open();
    let service = Stack::new().circuit_breaker(breaker).circuit_breaker(inner).service(service_fn(callee));
    for _ in 0..100 {
        assert!(refused(&ask(&service, Script::Fail).await));
    }
    assert_eq!((outer.snapshot().state, outer.snapshot().counts.calls), (State::Closed, 0));
}

/// Nothing is lost between threads: the window's totals are what went in, and the circuit is still in one state.
#[test]
fn threads_agree() {
    let breaker = CircuitBreaker::new(Settings::new().without_consecutive_failures().without_failure_rate());
    let handle = breaker.handle();
    let bad = Arc::new(AtomicBool::new(false));
    let flag = bad.clone();
    let inner = service_fn(move |()| {
        let bad = flag.load(SeqCst);
        async move { if bad { Err(io::Error::other("disk on fire")) } else { Ok(()) } }
    });
    let service = Stack::new().circuit_breaker(breaker).service(inner);
    let hammer = || {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let mut service = service.clone();
                scope.spawn(move || {
                    for _ in 0..2_000 {
                        let mut call = Box::pin(service.call(()));
                        assert!(call.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop())).is_ready());
                    }
                });
            }
        });
        let counts = handle.snapshot().counts;
        (counts.calls, counts.failures)
    };
    assert_eq!(hammer(), (100, 0));
    bad.store(true, SeqCst);
    assert_eq!(hammer(), (100, 100));
    // For ever: the clock is the real one here, and a machine may stand still for as long as a circuit is open.
    handle.update(Settings::new().with_open_time(OpenTime::constant(Duration::MAX)));
    assert_eq!(hammer(), (0, 0), "it opened");
    assert_eq!(handle.snapshot().state, State::Open);
}

/// A caller who gave up on a slow call ended the row of failures, as if that call had succeeded: a callee that answers
/// with errors or not at all never failed often enough in a row.
#[tokio::test(start_paused = true)]
async fn a_slow_call_that_was_given_up_on_is_no_success() {
    let settings = three().with_slow_calls(SECOND, Ratio::ONE).with_hung_after(10 * SECOND);
    let (service, handle) = guarded(settings.with_window(Window::try_calls(10, 5).expect("a window")));
    let _ = ask(&service, Script::Fail).await;
    let _ = ask(&service, Script::Fail).await;
    assert!(time::timeout(2 * SECOND, ask(&service, Script::Hang)).await.is_err());
    assert_eq!((handle.snapshot().counts.slow, handle.snapshot().failures_in_a_row), (1, 2));
    let _ = ask(&service, Script::Fail).await;
    assert_eq!(handle.snapshot().state, State::Open);
}

//! The circuit breaker through the public door.

use std::{
    convert::Infallible,
    future::{Future, pending, poll_fn},
    io,
    num::NonZeroU32,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::Duration,
};

use plimsoll::{
    Error, Event, Outcome, Ratio, Reason, Stack,
    chance::Chance,
    circuit_breaker::{CircuitBreaker, CircuitBreakerLayer, Handle, OpenTime, Probes, Settings, State, Window},
    classify::Failure,
    event::Hold,
};
use tokio::{sync::oneshot, time};
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt, service_fn};

const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

type Answer = Result<u32, Error<io::Error>>;

/// What the callee does with a call.
enum Script {
    Ok,
    Fail,
    Hang,
    Panic,
    Take(Duration),
    /// Answers when, and as, the test says.
    Asked(oneshot::Receiver<bool>),
}

async fn callee(script: Script) -> Result<u32, io::Error> {
    match script {
        Script::Ok => Ok(7),
        Script::Fail => Err(io::Error::other("disk on fire")),
        Script::Hang => pending().await,
        Script::Panic => panic!("callee"),
        Script::Take(duration) => {
            time::sleep(duration).await;
            Ok(7)
        }
        Script::Asked(answer) => match answer.await {
            Ok(true) => Ok(7),
            _ => Err(io::Error::other("disk on fire")),
        },
    }
}

fn n(count: u32) -> NonZeroU32 {
    NonZeroU32::new(count).expect("not zero")
}

/// Opens after three failures in a row, for ten seconds at most; no ramp.
fn three() -> Settings {
    Settings::new()
        .with_consecutive_failures(n(3))
        .with_open_time(OpenTime::constant(10 * SECOND))
        .with_ramp(Duration::ZERO)
}

fn guarded(
    settings: Settings,
) -> (impl Service<Script, Response = u32, Error = Error<io::Error>, Future: Send> + Clone + Send + 'static, Handle) {
    let breaker = CircuitBreaker::new(settings).chance(Chance::seeded(7));
    let handle = breaker.handle();
    (Stack::new().circuit_breaker(breaker).service(service_fn(callee)), handle)
}

async fn ask(
    service: &(impl Service<Script, Response = u32, Error = Error<io::Error>> + Clone),
    script: Script,
) -> Answer {
    service.clone().oneshot(script).await
}

fn refused(answer: &Answer) -> bool {
    matches!(answer, Err(Error::Rejected(rejection)) if rejection.reason() == Reason::CircuitOpen)
}

async fn trip(service: &(impl Service<Script, Response = u32, Error = Error<io::Error>> + Clone)) {
    for _ in 0..3 {
        assert!(matches!(ask(service, Script::Fail).await, Err(Error::Inner(_))));
    }
}

/// Polls once, and lets it be.
async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    poll_fn(|cx| {
        Poll::Ready(match Pin::new(&mut *future).poll(cx) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}

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
    handle.update(Settings::new());
    assert_eq!(hammer(), (0, 0), "it opened");
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

#[tokio::test(start_paused = true)]
async fn an_update_of_how_long_calls_may_take_counts_at_once() {
    let (service, handle) = guarded(three().with_hung_after(10 * SECOND));
    handle.update(three().with_hung_after(SECOND));
    assert!(time::timeout(2 * SECOND, ask(&service, Script::Hang)).await.is_err());
    assert_eq!(handle.snapshot().failures_in_a_row, 1);
}

//! Stacks compose: over every kind of error, in every order, with other people's layers between, inside other people's
//! builders; errors keep their identity and state survives re-layering.
#![cfg(feature = "testing")]

use std::{
    convert::Infallible,
    future::Future,
    io,
    num::NonZeroU32,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use plimsoll::{
    BoxError, Error, Event, Outcome, Reason, Refusal, Rejection, Stack,
    bulkhead::{self, Bulkhead},
    circuit_breaker::{self, CircuitBreaker, State},
    classify::Failure,
    clock::{Instant, Moment},
    gate::{Admission, Ending, Gate, Never, PerKind},
    keyed::{self, Keyed},
    load_shed::{self, LoadShed},
    rate_limit::{Quota, RateLimit},
    retry,
    shuffle_shard::sharded_bulkhead::{Settings, ShardedBulkhead},
    surge_queue::{self, SurgeQueue},
    testing::{Mock, Reply},
    work_budget,
};
use tokio_test::{assert_pending, task};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

fn one() -> bulkhead::Settings {
    bulkhead::Settings::new(NonZeroU32::MIN)
}

/// Calls twice at once what lets one in: the refusal that comes of it.
async fn refusal<S, E>(service: S) -> E
where
    S: Service<(), Error = E> + Clone,
{
    let (mut first, mut second) = (service.clone(), service);
    let held = first.call(());
    let refused = second.call(()).await;
    drop(held);
    match refused {
        Ok(_) => panic!("two were let in"),
        Err(error) => error,
    }
}

fn is_full(rejection: &Rejection) -> bool {
    rejection.reason() == Reason::BulkheadFull && !rejection.was_dispatched()
}

#[tokio::test]
async fn service_goes_over_a_service_that_cannot_fail() {
    let (inner, _) = Mock::new(|_, (): &()| Reply::<(), Infallible>::hang());
    let error: Error<Infallible> = refusal(Stack::new().bulkhead(one()).service(inner)).await;
    assert!(matches!(error, Error::Rejected(rejection) if is_full(&rejection)));
}

#[tokio::test]
async fn service_goes_over_a_foreign_error() {
    let (inner, _) = Mock::new(|_, (): &()| Reply::<(), io::Error>::hang());
    let error: Error<io::Error> = refusal(Stack::new().bulkhead(one()).service(inner)).await;
    assert!(error.rejection().is_some_and(is_full));
}

#[tokio::test]
async fn wrap_keeps_a_boxed_error() {
    let (inner, _) = Mock::new(|_, (): &()| Reply::<(), BoxError>::hang());
    let error: BoxError = refusal(Stack::new().bulkhead(one()).wrap(inner)).await;
    assert!(error.downcast_ref().is_some_and(is_full));
}

#[derive(Debug, thiserror::Error)]
enum AppError {
    #[error(transparent)]
    Refused(#[from] Rejection),
    #[error("no such customer")]
    NotFound,
}

impl Refusal for AppError {
    fn rejection(&self) -> Option<&Rejection> {
        if let Self::Refused(rejection) = self { Some(rejection) } else { None }
    }
}

#[tokio::test]
async fn wrap_keeps_an_applications_error() {
    let (inner, _) = Mock::new(|call, (): &()| match call {
        0 => Reply::<(), AppError>::hang(),
        _ => Reply::err(AppError::NotFound),
    });
    let stack = Stack::new().timeout(Duration::from_secs(1)).bulkhead(one());
    let service = stack.wrap(inner);
    assert!(matches!(refusal(service.clone()).await, AppError::Refused(rejection) if is_full(&rejection)));
    assert!(matches!(service.oneshot(()).await, Err(AppError::NotFound)));
}

/// Rooms that only refuse ask no more of an error than that it can hold a refusal.
#[tokio::test]
async fn a_stack_that_judges_nothing_asks_only_for_from() {
    #[derive(Debug)]
    struct Plain(Rejection);

    impl From<Rejection> for Plain {
        fn from(rejection: Rejection) -> Self {
            Self(rejection)
        }
    }

    let (inner, _) = Mock::new(|_, (): &()| Reply::<(), Plain>::hang());
    let stack = Stack::new().timeout(Duration::from_secs(1)).bulkhead(one());
    assert!(is_full(&refusal(stack.wrap(inner)).await.0));
}

#[cfg(feature = "anyhow")]
#[tokio::test]
async fn wrap_keeps_anyhow() {
    let (inner, _) = Mock::new(|_, (): &()| Reply::<(), anyhow::Error>::hang());
    let error: anyhow::Error = refusal(Stack::new().bulkhead(one()).wrap(inner)).await;
    assert!(error.rejection().is_some_and(is_full));
}

#[tokio::test]
async fn a_foreign_layer_in_the_middle_may_box_errors() {
    let (inner, _) = Mock::new(|_, (): &()| Reply::<(), io::Error>::hang());
    let stack = Stack::new()
        .bulkhead(bulkhead::Settings::try_new(9).expect("valid").with_name("outer"))
        .layer(tower::timeout::TimeoutLayer::new(Duration::from_secs(1)))
        .bulkhead(one().with_name("inner"));
    let error: BoxError = refusal(stack.service(inner)).await;
    let rejection = error.rejection().expect("found through the box");
    assert_eq!((rejection.layer(), rejection.reason()), ("inner", Reason::BulkheadFull));
}

#[tokio::test]
async fn a_stack_is_a_layer_for_tower_and_inside_of_tower() {
    let hang = || Mock::new(|_, (): &()| Reply::<(), io::Error>::hang()).0;
    let stack = Stack::new().bulkhead(one());
    let built = ServiceBuilder::new()
        .layer(stack.clone().wrapping())
        .concurrency_limit(5)
        .service(hang().map_err(io::Error::from));
    assert!(refusal(built).await.rejection().is_some_and(is_full));
    let boxed =
        ServiceBuilder::new().layer(Stack::new().bulkhead(one())).timeout(Duration::from_secs(1)).service(hang());
    assert!(refusal(boxed).await.rejection().is_some_and(is_full));
}

/// A peer keeps its state in the service: every `Layer::layer` made a new limit, and on axum, which layers each route
/// and clones for each request, nothing was limited at all.
#[tokio::test]
async fn state_is_shared_however_often_a_stack_is_layered_or_cloned() {
    let (inner, _) = Mock::new(|_, (): &()| Reply::<(), io::Error>::hang());
    let stack = Stack::new().bulkhead(one());
    let mut first = stack.service(inner.clone());
    let mut others = [stack.service(inner.clone()), stack.clone().service(inner.clone()), first.clone()];
    let mut more = stack.clone().wrapping().layer(inner);
    let held = first.call(());
    for other in &mut others {
        assert!(other.call(()).await.expect_err("full").rejection().is_some_and(is_full));
    }
    assert!(more.call(()).await.expect_err("full").rejection().is_some_and(is_full));
    drop(held);
}

#[tokio::test]
async fn fresh_shares_settings_and_not_state() {
    let (inner, handle) = Mock::new(|_, (): &()| Reply::<(), io::Error>::hang());
    let bulkhead = Bulkhead::new(one());
    let mut first = Stack::new().bulkhead(bulkhead.clone()).service(inner.clone());
    let mut second = Stack::new().bulkhead(bulkhead.fresh()).service(inner);
    let _held = (first.call(()), second.call(()));
    assert_eq!(handle.in_flight(), 2);
}

#[cfg(feature = "http")]
#[tokio::test(start_paused = true)]
async fn routes_of_an_axum_router_meet_one_limit_and_callers_get_an_answer() {
    use axum::{Router, body::Body, routing::get};
    use http::{Request, StatusCode};
    use plimsoll::http::RespondRejections;

    let slow = || async { tokio::time::sleep(Duration::from_secs(1)).await };
    let stack = Stack::new().timeout(Duration::from_secs(5)).bulkhead(one());
    let app = Router::new()
        .route("/a", get(slow))
        .route("/b", get(slow))
        .route("/never", get(std::future::pending::<()>))
        .layer(ServiceBuilder::new().layer(RespondRejections::new()).layer(stack.wrapping()));
    let ask = |path: &str| {
        let request = Request::builder().uri(path).body(Body::empty()).expect("a request");
        let app = app.clone();
        async move { app.oneshot(request).await.expect("infallible").status() }
    };
    let (a, b) = tokio::join!(ask("/a"), ask("/b"));
    assert_eq!((a, b), (StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!(ask("/b").await, StatusCode::OK, "the permit came back");
    assert_eq!(ask("/never").await, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(ask("/a").await, StatusCode::OK, "and so did this one");
}

/// The order of a client: the whole call, attempts, places, health, one attempt.
macro_rules! client {
    ($breaker:expr) => {
        Stack::new()
            .metered("callers")
            .timeout(Duration::from_secs(30))
            .retry(retry::Settings::new())
            .bulkhead(one())
            .circuit_breaker($breaker)
            .rate_limit(Quota::per_second(NonZeroU32::MAX))
            .keyed(Keyed::new(keyed::Settings::new(), |(): &()| 7, |_: &u8| Bulkhead::new(one())))
            .timeout(Duration::from_secs(1))
            .metered("callee")
    };
}

/// Five layers over every kind of error: those that `service` takes, and those that `wrap` keeps.
#[tokio::test]
async fn the_whole_stack_goes_over_every_kind_of_error() {
    fn hang<E: Send + 'static>() -> Mock<(), (), E> {
        Mock::new(|_, (): &()| Reply::hang()).0
    }
    let stack = client!(circuit_breaker::Settings::new());
    assert!(refusal(stack.service(hang::<Infallible>())).await.rejection().is_some_and(is_full));
    assert!(refusal(stack.service(hang::<io::Error>())).await.rejection().is_some_and(is_full));
    assert!(refusal(stack.wrap(hang::<BoxError>())).await.rejection().is_some_and(is_full));
    assert!(refusal(stack.wrap(hang::<AppError>())).await.rejection().is_some_and(is_full));
    #[cfg(feature = "anyhow")]
    assert!(refusal(stack.wrap(hang::<anyhow::Error>())).await.rejection().is_some_and(is_full));
    let foreign = stack.layer(tower::timeout::TimeoutLayer::new(Duration::from_secs(9))).bulkhead(one());
    assert!(refusal(foreign.service(hang::<io::Error>())).await.rejection().is_some_and(is_full));
}

/// Room for more than the bulkheads further in have, and fuel.
fn seats() -> work_budget::Settings {
    work_budget::Settings::try_new(9).and_then(|settings| settings.try_with_fuel(9)).expect("valid")
}

/// The order of a server: the deadline, who waits and how many are under way, what one may do, and places further in.
macro_rules! server {
    ($queue:expr, $shed:expr) => {{
        let often = Quota::per_second(NonZeroU32::MAX);
        let stack = Stack::new().metered("callers").timeout(Duration::from_secs(2)).overload_control($queue, $shed);
        stack
            .keyed(Keyed::new(keyed::Settings::new(), |(): &()| 7, move |_: &u8| RateLimit::new(often)))
            .work_budget(seats())
            .metered("within")
            .bulkhead(one())
    }};
}

#[tokio::test]
async fn a_server_goes_over_every_kind_of_error() {
    fn hang<E: Send + 'static>() -> Mock<(), (), E> {
        Mock::new(|_, (): &()| Reply::hang()).0
    }
    let stack = server!(surge_queue::Settings::new(), load_shed::Settings::new());
    assert!(refusal(stack.service(hang::<Infallible>())).await.rejection().is_some_and(is_full));
    assert!(refusal(stack.service(hang::<io::Error>())).await.rejection().is_some_and(is_full));
    assert!(refusal(stack.wrap(hang::<BoxError>())).await.rejection().is_some_and(is_full));
    assert!(refusal(stack.wrap(hang::<AppError>())).await.rejection().is_some_and(is_full));
}

/// What overload control is made of may be looked at, and shares its state however often it is layered.
#[tokio::test(start_paused = true)]
async fn both_parts_of_overload_control_are_heard_and_shared() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (inner, _) = Mock::new(|_, (): &()| Reply::<(), io::Error>::hang());
    let shed = LoadShed::with_rule(load_shed::Settings::new(), load_shed::Fixed::new);
    let handle = shed.handle();
    let queue = SurgeQueue::new(surge_queue::Settings::new().try_with_max_waiting(1).expect("valid"));
    let log = heard.clone();
    let stack = Stack::new()
        .overload_control(queue, shed)
        .observe(move |event: &Event| log.lock().expect("unpoisoned").push(event.layer()));
    let mut services = [stack.service(inner.clone()), stack.clone().service(inner)];
    handle.update(load_shed::Settings::new().try_with_limits(1, 1).expect("valid"));
    let held: Vec<_> = services.iter_mut().map(|service| service.call(())).collect();
    assert_eq!(handle.snapshot().in_use, 1, "the other one waits");
    assert!(services[0].call(()).await.is_err());
    assert_eq!(*heard.lock().expect("unpoisoned"), ["load_shed", "surge_queue"]);
    drop(held);
    assert_eq!(handle.snapshot().in_use, 0);
}

/// A refusal of a bulkhead further in says nothing about the callee; a timeout that it ran into does.
#[tokio::test(start_paused = true)]
async fn a_load_shedder_hears_of_timeouts_below_it_and_not_of_those_above() {
    for (above, below) in [(1, 60), (60, 1)] {
        let (inner, _) = Mock::new(|_, (): &()| Reply::<(), io::Error>::hang());
        let shed = LoadShed::new(load_shed::Settings::new().try_with_limits(9, 9).expect("valid"));
        let handle = shed.handle();
        let stack = Stack::new().timeout(Duration::from_secs(above)).load_shed(shed);
        let service = stack.timeout(Duration::from_secs(below)).service(inner);
        for _ in 0..5 {
            assert!(service.clone().oneshot(()).await.is_err());
        }
        assert_eq!(handle.snapshot().limit < 9, below < above, "{:?}", handle.snapshot());
        assert_eq!(handle.snapshot().in_use, 0);
    }
}

/// One error type for a stack, whatever is in it: what a compiler message says of it stays short. A peer's five layers
/// had an error of five names, one in another, and changing their order changed it.
#[test]
fn the_error_of_a_deep_stack_is_one_error() {
    fn error_of<S: Service<()>>(_: &S) -> &'static str {
        std::any::type_name::<S::Error>()
    }
    let inner = service_fn(|(): ()| async { Ok::<_, io::Error>(()) });
    let deep = client!(circuit_breaker::Settings::new()).service(inner);
    assert_eq!(error_of(&deep), "plimsoll::error::Error<std::io::error::Error>");
    let shuffled = Stack::new().circuit_breaker(circuit_breaker::Settings::new()).retry(retry::Settings::new());
    assert_eq!(error_of(&shuffled.service(inner)), error_of(&deep));
}

/// A callee that hangs is seen by a breaker above the timeout of each attempt: our own timeout after dispatch is a
/// failure of the callee. A deadline that the caller brought is not.
#[tokio::test(start_paused = true)]
async fn a_breaker_above_the_attempts_timeout_trips_on_a_callee_that_hangs() {
    use plimsoll::{clock, timeout::TimeoutLayer};

    for (callers_deadline, state) in [(false, State::Open), (true, State::Closed)] {
        let breaker = CircuitBreaker::new(circuit_breaker::Settings::new());
        let handle = breaker.handle();
        let (inner, mock) = Mock::new(|_, (): &()| Reply::<(), io::Error>::hang());
        let attempt = TimeoutLayer::new(Duration::from_secs(1))
            .deadline_by(move |(): &()| callers_deadline.then(|| clock::now().after(Duration::from_millis(500))));
        let service = Stack::new().circuit_breaker(breaker).timeout(attempt).service(inner);
        for _ in 0..30 {
            assert!(service.clone().oneshot(()).await.is_err());
        }
        assert_eq!(handle.snapshot().state, state);
        assert_eq!(mock.calls(), if callers_deadline { 30 } else { 10 });
    }
}

/// A peer retried what its own open breaker refused: five tries and 750 ms of sleep for nothing.
#[tokio::test(start_paused = true)]
async fn an_open_circuit_ends_the_tries_at_once() {
    let breaker = CircuitBreaker::new(circuit_breaker::Settings::new());
    breaker.handle().force_open();
    let (inner, mock) = Mock::answering(|(): &()| Ok::<(), io::Error>(()));
    let start = plimsoll::clock::now();
    let error = client!(breaker).service(inner).oneshot(()).await.expect_err("open");
    assert!(matches!(error, Error::Rejected(rejection) if rejection.reason() == Reason::CircuitOpen));
    assert_eq!((mock.calls(), plimsoll::clock::now().since(start)), (0, Duration::ZERO));
}

/// While a retry sleeps, it holds no place and no reservation of what is further in.
#[tokio::test(start_paused = true)]
async fn a_retry_holds_no_permit_while_it_sleeps() {
    let bulkhead = Bulkhead::new(one());
    let handle = bulkhead.handle();
    let (inner, mock) = Mock::answering(|(): &()| Err::<(), _>(io::Error::other("down")));
    let service = Stack::new().retry(retry::Settings::new()).bulkhead(bulkhead).service(inner);
    let mut call = tokio_test::task::spawn(service.oneshot(()));
    assert!(call.poll().is_pending());
    assert_eq!((mock.calls(), handle.snapshot().in_use), (1, 0));
}

#[tokio::test]
async fn a_room_may_be_left_out() {
    let inner = || Mock::new(|_, (): &()| Reply::<(), io::Error>::hang()).0;
    let stack = |bulkhead: Option<Bulkhead>| Stack::new().gate(bulkhead);
    let open = stack(None).service(inner());
    let _both = (open.clone().call(()), open.clone().call(()));
    let closed = stack(Some(Bulkhead::new(one()))).service(inner());
    assert!(refusal(closed).await.rejection().is_some_and(is_full));
}

#[tokio::test(start_paused = true)]
async fn a_room_that_is_no_gate_may_be_left_out_too() {
    use plimsoll::timeout::TimeoutLayer;
    use tower::util::option_layer;

    for limit in [None, Some(Duration::from_secs(1))] {
        let (slow, _) = Mock::new(|_, (): &()| Reply::<(), io::Error>::ok(()).after(Duration::from_secs(2)));
        let stack = Stack::new().layer(option_layer(limit.map(TimeoutLayer::new))).bulkhead(one());
        let answer = stack.service(slow).oneshot(()).await;
        assert_eq!(answer.is_ok(), limit.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn one_observer_hears_all_rooms_before_and_after_it() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (inner, _) = Mock::new(|_, (): &()| Reply::<(), io::Error>::hang());
    let log = heard.clone();
    let stack = Stack::new()
        .timeout(Duration::from_secs(1))
        .observe(move |event: &Event| log.lock().expect("unpoisoned").push((event.layer(), *event)))
        .bulkhead(one());
    let service = stack.service(inner);
    refusal(service.clone()).await;
    assert!(service.oneshot(()).await.is_err());
    let heard: Vec<_> = heard.lock().expect("unpoisoned").iter().map(|(layer, _)| *layer).collect();
    assert_eq!(heard, ["bulkhead", "timeout"]);
}

/// A gate that keeps what it is told.
#[derive(Clone, Default)]
struct Verdicts(Arc<Mutex<Vec<Ending>>>);

impl Gate<()> for Verdicts {
    type Permit = ();
    type Wait = Never;

    fn admit(&self, (): &(), _: &Moment) -> Admission<(), Never> {
        Admission::Admitted(())
    }

    fn settle(&self, (): (), ending: Ending, _: &Moment) {
        self.0.lock().expect("unpoisoned").push(ending);
    }
}

/// The observer given to a room heard all of it but the refusals, which the layer around it announced to nobody. Where
/// the layer was given one of its own, that one hears of them.
#[tokio::test]
async fn a_room_alone_tells_its_own_observer_of_refusals_unless_its_layer_has_one() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = |who: &'static str| {
        let log = heard.clone();
        move |event: &Event| log.lock().expect("unpoisoned").push((who, event.layer()))
    };
    let layer = || bulkhead::BulkheadLayer::new(Bulkhead::new(one()).observe(hears("room")));
    let inner = || Mock::new(|_, (): &()| Reply::<(), Error<io::Error>>::hang()).0;
    refusal(layer().layer(inner())).await;
    refusal(layer().observe(hears("layer")).layer(inner())).await;
    assert_eq!(*heard.lock().expect("unpoisoned"), [("room", "bulkhead"), ("layer", "bulkhead")]);
}

#[tokio::test]
async fn the_judge_of_a_stack_is_heeded_by_the_rooms_after_it() {
    let (before, after) = (Verdicts::default(), Verdicts::default());
    let stack = Stack::new()
        .gate(before.clone())
        .classify(|result: Result<&u16, &Error<io::Error>>| match result {
            Ok(500..) => Outcome::Failure(Failure::Overload),
            _ => Outcome::Success,
        })
        .gate(after.clone());
    let (inner, _) = Mock::answering(|(): &()| Ok::<u16, io::Error>(503));
    stack.service(inner).oneshot(()).await.expect("an answer");
    assert_eq!(*before.0.lock().expect("unpoisoned"), [Ending::Finished(Outcome::Success)]);
    assert_eq!(*after.0.lock().expect("unpoisoned"), [Ending::Finished(Outcome::Failure(Failure::Overload))]);
}

/// A client that keeps its service in a struct wants `#[derive(Debug)]` there, and closures are not `Debug`.
#[test]
fn a_stack_with_hooks_and_its_service_can_be_printed() {
    let bulkhead = Bulkhead::new(bulkhead::Settings::try_new(7).expect("seven"));
    let stack = Stack::new()
        .classify(|_: Result<&u32, &BoxError>| Outcome::Success)
        .timeout(
            plimsoll::timeout::TimeoutLayer::new(Duration::from_secs(9))
                .deadline_by(|_: &u32| None::<plimsoll::clock::Instant>),
        )
        .retry(retry::RetryLayer::new(retry::Settings::new()).replay(|req: &u32, _: u32| Some(*req)))
        .bulkhead(bulkhead.weight_by(|weight: &u32| *weight))
        .sharded_bulkhead(ShardedBulkhead::new(Settings::new(NonZeroU32::MIN).with_seed(99), |whose: &u32| {
            u64::from(*whose)
        }));
    let service = stack.wrap(());
    for printed in [format!("{stack:?}"), format!("{service:?}")] {
        for part in ["limit: 9s", "attempts: 3", "limit: 7", "sharded_bulkhead", "seed: secret"] {
            assert!(printed.contains(part), "{part} is not in {printed}");
        }
    }
}

/// A gate that is never done waiting, and wants to be asked again at once.
struct Restless(Arc<AtomicU32>);

impl Gate<()> for Restless {
    type Permit = ();
    type Wait = ();

    fn admit(&self, (): &(), _: &Moment) -> Admission<(), ()> {
        Admission::Waiting(())
    }

    fn poll_wait(&self, (): &mut (), (): &(), _: &Moment, _: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
        assert!(self.0.fetch_add(1, Relaxed) < 10, "asked on and on");
        Poll::Pending
    }

    fn wait_until(&self, (): &()) -> Instant {
        Instant::from_nanos(0)
    }

    fn settle(&self, (): (), _: Ending, _: &Moment) {}
}

#[tokio::test]
async fn a_gate_is_asked_once_for_each_time_that_it_names() {
    let asked = Arc::new(AtomicU32::new(0));
    let (inner, _) = Mock::answering(|(): &()| Ok::<(), io::Error>(()));
    let mut waiting = task::spawn(Stack::new().gate(Restless(asked.clone())).service(inner).oneshot(()));
    for _ in 0..3 {
        assert_pending!(waiting.poll());
    }
    assert_eq!(asked.load(Relaxed), 4, "at each poll, and when the time was up");
}

/// A gate that panics when it is asked.
struct Panicking;

impl Gate<()> for Panicking {
    type Permit = ();
    type Wait = ();

    fn admit(&self, (): &(), _: &Moment) -> Admission<(), ()> {
        panic!("scripted")
    }

    fn settle(&self, (): (), _: Ending, _: &Moment) {}
}

/// It was pending for ever, where its page says that it panics.
#[test]
fn a_call_that_panicked_between_two_gates_panics_when_it_is_polled_again() {
    let bulkhead = Bulkhead::new(one().with_wait(1, Duration::MAX));
    let handle = bulkhead.handle();
    let (inner, _) = Mock::answering(|(): &()| Ok::<(), io::Error>(()));
    let mut service = Stack::new().bulkhead(bulkhead.clone()).gate(Panicking).service(inner.clone());
    let held = Stack::new().bulkhead(bulkhead).service(inner).call(());
    let mut waiting = Box::pin(service.call(()));
    let mut poll = || catch_unwind(AssertUnwindSafe(|| waiting.as_mut().poll(&mut Context::from_waker(Waker::noop()))));
    assert!(poll().is_ok_and(|polled| polled.is_pending()));
    drop(held);
    assert!(poll().is_err());
    assert_eq!(handle.snapshot().in_use, 0);
    assert!(poll().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_gate_learns_that_a_wait_further_in_ended_in_a_refusal() {
    let verdicts = Verdicts::default();
    let bulkhead = Bulkhead::new(one().with_wait(1, Duration::from_secs(1)));
    let (inner, _) = Mock::new(|_, (): &()| Reply::<(), io::Error>::hang());
    let held = Stack::new().bulkhead(bulkhead.clone()).service(inner.clone()).call(());
    let service = Stack::new().gate(verdicts.clone()).bulkhead(bulkhead).service(inner);
    let refused = service.oneshot(()).await.expect_err("the wait is over");
    assert!(refused.rejection().is_some_and(|rejection| rejection.reason() == Reason::WaitTimeout));
    assert_eq!(*verdicts.0.lock().expect("unpoisoned"), [Ending::Undispatched]);
    drop(held);
}

/// What a gate that goes along with calls was asked, in order; shared by all of its sort.
type Diary = Arc<Mutex<Vec<String>>>;

/// A gate that goes along with the calls it admits, and ends them after so many polls.
#[derive(Clone)]
struct Escort {
    name: &'static str,
    diary: Diary,
    polls: Arc<AtomicU32>,
    most: u32,
}

impl Escort {
    fn new(name: &'static str, diary: &Diary, most: u32) -> Self {
        Self { name, diary: diary.clone(), polls: Arc::default(), most }
    }

    fn write(&self, what: &str) {
        self.diary.lock().expect("unpoisoned").push(format!("{} {what}", self.name));
    }
}

impl Gate<u32> for Escort {
    type Permit = u32;
    type Wait = Never;

    fn admit(&self, req: &u32, _: &Moment) -> Admission<u32, Never> {
        Admission::Admitted(*req)
    }

    fn dispatch<T>(&self, permit: u32, req: u32, call: impl FnOnce(u32) -> T) -> T {
        assert_eq!(permit, 1, "what it was when it was admitted");
        self.around::<T>(permit, || call(req * 10))
    }

    fn around<T>(&self, _: u32, step: impl FnOnce() -> T) -> T {
        self.write("in");
        self.polls.fetch_add(1, Relaxed);
        let output = step();
        self.write("out");
        output
    }

    fn bound(&self, _: u32) -> Option<Rejection> {
        let over = self.polls.load(Relaxed) > self.most;
        over.then(|| Rejection::new(Reason::Custom, self.name).dispatched())
    }

    fn settle(&self, _: u32, ending: Ending, _: &Moment) {
        self.write(&format!("{ending:?}"));
    }
}

/// It gives the request something along, is around each step, the later within the earlier, and ends the call: the inner
/// future is gone by then, and everybody is told.
#[tokio::test]
async fn a_gate_may_go_along_with_a_call_and_end_it() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (diary, log) = (Diary::default(), heard.clone());
    let (inner, mock) = Mock::new(|_, req: &u32| {
        assert_eq!(*req, 100, "both have given it something along");
        Reply::<(), io::Error>::hang()
    });
    let stack = Stack::new()
        .observe(move |event: &Event| log.lock().expect("unpoisoned").push(*event))
        .gate(Escort::new("outer", &diary, 9))
        .gate(Some(Escort::new("inner", &diary, 2)));
    let mut call = task::spawn(stack.service(inner).oneshot(1));
    assert_pending!(call.poll());
    let rejection = Rejection::new(Reason::Custom, "inner").dispatched();
    assert!(matches!(call.poll(), Poll::Ready(Err(Error::Rejected(told))) if told == rejection));
    assert_eq!((mock.in_flight(), mock.abandoned()), (0, 1));
    assert_eq!(*heard.lock().expect("unpoisoned"), [Event::Refused(rejection)]);
    let step = ["outer in", "inner in", "inner out", "outer out"];
    let failed = Ending::Finished(Outcome::of_rejection(&rejection));
    let ends = [format!("inner {failed:?}"), format!("outer {failed:?}")];
    let expected: Vec<_> = step.iter().cycle().take(12).map(ToString::to_string).chain(ends).collect();
    assert_eq!(*diary.lock().expect("unpoisoned"), expected);
}

#[tokio::test]
async fn a_gate_of_a_kind_goes_along_with_its_own_calls() {
    let diary = Diary::default();
    let kinds = [Escort::new("even", &diary, 9), Escort::new("odd", &diary, 9)];
    let kinds = PerKind::try_new(kinds, |req: &u32| *req as usize % 2).expect("two");
    let (inner, _) = Mock::answering(|req: &u32| Ok::<u32, io::Error>(*req));
    let answer = Stack::new().per_kind(kinds).service(inner).oneshot(1).await;
    assert_eq!(answer.expect("answered"), 10, "the kind is that of the request as it came");
    let log = diary.lock().expect("unpoisoned");
    assert!(log.len() == 5 && log.iter().all(|line| line.starts_with("odd")), "{log:?}");
}

/// After a panic its permit has gone back, and what that stood for may be another call's by now: whoever polls the dead
/// future again does so without the gate.
#[tokio::test]
async fn a_gate_does_not_go_along_with_a_call_that_has_panicked() {
    let diary = Diary::default();
    let (inner, _) = Mock::new(|_, _: &u32| Reply::<(), io::Error>::panic());
    let mut call = Box::pin(Stack::new().gate(Escort::new("gate", &diary, 9)).service(inner).oneshot(1));
    let mut poll = || catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(&mut Context::from_waker(Waker::noop()))));
    assert!(poll().is_err() && poll().is_err());
    let log = diary.lock().expect("unpoisoned");
    assert_eq!(*log, ["gate in", "gate out", "gate in", "gate Panicked"], "called, polled, and no more");
}

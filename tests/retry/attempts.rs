//! How a request is sent again, and what the inner service sees of it.

use std::{
    collections::HashSet,
    num::NonZeroU32,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    task::Poll,
};

use plimsoll::{
    Error, Event, Outcome, Stack,
    chance::Chance,
    classify::Failure,
    clock::Instant,
    event::Stop,
    request::{Carried, Carry, current},
    retry::{Backoff, Budget, BudgetSettings, Jitter, Retry, RetryLayer, Settings},
};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

use crate::mock::{Boom, Heard, MS, Mock, boom, poll, timed};

#[tokio::test(start_paused = true)]
async fn what_failed_is_sent_again_and_the_answer_returned() {
    let mock = Mock::failing(2);
    let mut service = Stack::new().retry(Settings::new()).wrap(mock.clone());
    assert_eq!(timed(&mut service, 7).await.0, Ok(3));
    assert_eq!(mock.calls(), 3);
}

/// A callee that fails at once, tried again at once without end and without a budget: between any two attempts the
/// others get their turn, and a timeout its chance.
#[tokio::test]
async fn a_retry_without_a_delay_gives_way_to_others() {
    let settings = Settings::new().with_attempts(NonZeroU32::MAX).with_backoff(Backoff::IMMEDIATE);
    let mock = Mock::failing(u32::MAX);
    let mut service = RetryLayer::new(settings).without_budget().layer(mock.clone());
    let mut call = tokio_test::task::spawn(service.ready().await.expect("ready").call(7));
    for attempt in 1..10 {
        assert!(call.poll().is_pending() && call.is_woken());
        assert_eq!(mock.calls(), attempt);
    }
}

#[tokio::test(start_paused = true)]
async fn it_stands_in_any_stack_over_any_error() {
    let failing = || service_fn(|n: u32| async move { Err::<u32, _>(std::io::Error::other(n.to_string())) });
    let in_stack = Stack::new().retry(RetryLayer::new(Settings::new()).replay(|req: &u32, _: u32| Some(req + 1)));
    let error = in_stack.service(failing()).oneshot(1).await.expect_err("it fails");
    assert_eq!(error.into_inner().expect("an inner error").to_string(), "3");
    let mock = Mock::failing(1);
    let alone = ServiceBuilder::new().layer(RetryLayer::new(Settings::new())).service(mock);
    assert_eq!(alone.oneshot(1).await, Ok(2));
    let judge = |result: Result<&u32, &std::io::Error>| match result {
        Ok(_) => Outcome::Success,
        Err(_) => Outcome::Failure(Failure::Timeout),
    };
    let foreign = RetryLayer::new(Settings::new()).classify(judge);
    foreign.layer(failing()).oneshot(1).await.expect_err("an error type that knows nothing of refusals");
}

#[tokio::test(start_paused = true)]
async fn the_last_error_comes_back_and_the_events_say_what_was_tried() {
    let heard = Heard::default();
    let settings = Settings::new().with_name("db").with_backoff(Backoff::new().with_jitter(Jitter::None));
    let mut service = Stack::new().observe(heard.observer()).retry(settings).wrap(Mock::failing(9));
    let (result, took) = timed(&mut service, 7).await;
    assert_eq!(result, boom(3));
    let retrying = |attempt, delay| Event::Retrying { layer: "db", attempt, delay, failure: Failure::Transient };
    let stopped = Event::RetryStopped { layer: "db", attempts: 3, stop: Stop::Attempts };
    assert_eq!(heard.all(), [retrying(2, 50 * MS), retrying(3, 100 * MS), stopped]);
    assert!((150 * MS..=155 * MS).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_response_may_be_a_failure_and_the_last_one_is_returned() {
    let judge = |result: Result<&u32, &Error<Boom>>| match result {
        Ok(..500) => Outcome::Success,
        _ => Outcome::Failure(Failure::Overload),
    };
    let mock = Mock::new(|n, _| Ok(500 + n));
    let mut service = Stack::new().classify(judge).retry(Settings::new()).wrap(mock);
    assert_eq!(timed(&mut service, 7).await.0, Ok(503));
}

/// In tower 0.5 every request of a process drew the same delays, since the generator was cloned with its policy: all
/// came back together. And another library's ready-made retries had no jitter at all.
#[tokio::test(start_paused = true)]
async fn a_thousand_callers_wait_for_a_thousand_different_times() {
    let heard = Heard::default();
    let layer = RetryLayer::new(Settings::new()).without_budget().observe(heard.observer());
    let mut waiting = Vec::new();
    for _ in 0..1000 {
        let mut service = layer.clone().layer(Mock::failing(9)).clone();
        let _ = poll(&mut Box::pin(service.ready()));
        let mut future = Box::pin(service.call(7));
        assert!(poll(&mut future).is_pending());
        waiting.push(future);
    }
    let distinct: HashSet<_> = heard.delays().into_iter().collect();
    assert!(distinct.len() > 990, "{}", distinct.len());
}

#[tokio::test(start_paused = true)]
async fn a_seed_repeats_the_delays() {
    let delays = |seed| async move {
        let heard = Heard::default();
        let layer = RetryLayer::new(Settings::new()).chance(Chance::seeded(seed)).observe(heard.observer());
        let _ = timed(&mut layer.layer(Mock::failing(9)), 7).await;
        heard.delays()
    };
    assert_eq!(delays(1).await, delays(1).await);
    assert_ne!(delays(1).await, delays(5).await);
}

#[tokio::test(start_paused = true)]
async fn a_decorrelated_delay_grows_from_the_one_before() {
    let heard = Heard::default();
    let settings = Settings::new().with_backoff(Backoff::new().with_jitter(Jitter::Decorrelated));
    let layer = RetryLayer::new(settings).without_budget().chance(Chance::seeded(1)).observe(heard.observer());
    for _ in 0..100 {
        let _ = timed(&mut layer.layer(Mock::failing(9)), 7).await;
    }
    let longest = |from: usize| heard.delays().into_iter().skip(from).step_by(2).max();
    assert!(longest(0) <= Some(150 * MS));
    assert!(longest(1) > Some(250 * MS));
}

/// Three attempts in each of two layers were nine calls of the callee, and 243 in five.
#[tokio::test(start_paused = true)]
async fn nested_retries_do_not_multiply() {
    let (heard, mock, budget) = (Heard::default(), Mock::failing(99), Budget::default());
    let inner = RetryLayer::new(Settings::new().with_name("inner")).budget(budget.clone());
    let stack = Stack::new().observe(heard.observer()).retry(Settings::new()).retry(inner);
    let mut service = stack.wrap(mock.clone());
    assert_eq!(timed(&mut service, 7).await.0, boom(3));
    assert_eq!(mock.calls(), 3);
    assert_eq!(budget.balance(), 100.0);
    let nested = (1, Stop::Nested);
    assert_eq!(heard.stops(), [nested, nested, nested, (3, Stop::Attempts)]);
}

/// A request of a user's own that has room for what layers say.
#[derive(Clone, Debug, PartialEq)]
struct Job {
    id: u32,
    carried: Option<Carried>,
}

const JOB: Job = Job { id: 7, carried: None };

#[derive(Clone, Copy)]
struct OnJob;

impl Carry<Job> for OnJob {
    fn get(&self, job: &Job) -> Option<Carried> {
        job.carried
    }

    fn insert(&self, job: &mut Job, carried: Carried) {
        job.carried = Some(carried);
    }
}

#[tokio::test(start_paused = true)]
async fn the_inner_service_sees_which_attempt_it_is() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let saw = seen.clone();
    let mock = Mock::new(move |n, job: &Job| {
        saw.lock().expect("unpoisoned").push((current(), job.carried));
        boom(n)
    });
    let layer = RetryLayer::new(Settings::new()).carry(OnJob);
    let mut service = layer.layer(mock);
    assert_eq!(timed(&mut service, JOB).await.0, boom(3));
    assert_eq!(current(), Carried::NONE);
    for (n, (scoped, carried)) in (1..).zip(seen.lock().expect("unpoisoned").iter()) {
        assert_eq!((scoped.attempt, scoped.retrying), (n, true));
        assert_eq!(*carried, Some(*scoped));
    }
    assert_eq!(seen.lock().expect("unpoisoned").len(), 3);
}

/// Across a buffer or a spawn only the request itself can say that retries are at work.
#[tokio::test(start_paused = true)]
async fn nested_retries_do_not_multiply_across_a_spawn_either() {
    let (mock, heard) = (Mock::new(|n, _: &Job| boom(n)), Heard::default());
    let layer = RetryLayer::new(Settings::new()).carry(OnJob);
    let inner = RetryLayer::new(Settings::new()).carry(OnJob).observe(heard.observer()).layer(mock.clone());
    let spawned = service_fn(move |job: Job| {
        let inner = inner.clone();
        async move { tokio::spawn(inner.oneshot(job)).await.expect("no panic") }
    });
    assert_eq!(timed(&mut layer.layer(spawned), JOB).await.0, boom(3));
    assert_eq!(mock.calls(), 3);
    assert_eq!(heard.stops(), [(1, Stop::Nested); 3]);
}

#[tokio::test(start_paused = true)]
async fn the_carried_deadline_is_handed_on() {
    let mock = Mock::new(|_, job: &Job| {
        assert_eq!(job.carried.map(|carried| carried.deadline), Some(Instant::from_nanos(u64::MAX - 1)));
        Ok(1)
    });
    let deadline = Instant::from_nanos(u64::MAX - 1);
    let mut carried = Carried::NONE;
    carried.deadline = deadline;
    let job = Job { carried: Some(carried), ..JOB };
    assert_eq!(timed(&mut RetryLayer::new(Settings::new()).carry(OnJob).layer(mock), job).await.0, Ok(1));
}

/// It cannot be cloned.
struct Upload(Vec<u8>);

#[tokio::test(start_paused = true)]
async fn what_is_not_clone_is_sent_again_through_a_hook() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let asked_for = asked.clone();
    let replay = move |upload: &Upload, attempt: u32| {
        asked_for.lock().expect("unpoisoned").push(attempt);
        Some(Upload(upload.0.clone()))
    };
    let mock = Mock::new(|n, upload: &Upload| if n < 3 { boom(n) } else { Ok(u32::from(upload.0[0])) });
    let mut service = Stack::new().retry(RetryLayer::new(Settings::new()).replay(replay)).wrap(mock);
    assert_eq!(timed(&mut service, Upload(vec![9])).await.0, Ok(9));
    assert_eq!(*asked.lock().expect("unpoisoned"), [2, 3], "none for a fourth attempt, which there will not be");
}

#[tokio::test(start_paused = true)]
async fn no_copy_is_made_where_none_could_be_sent() {
    let copies = Arc::new(AtomicU32::new(0));
    let counter = copies.clone();
    let once = Settings::new().try_with_attempts(1).expect("attempts");
    let layer = RetryLayer::new(once).replay(move |req: &u32, _: u32| {
        counter.fetch_add(1, Relaxed);
        Some(*req)
    });
    assert_eq!(timed(&mut layer.layer(Mock::failing(9)), 7).await.0, boom(1));
    assert_eq!(copies.load(Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_is_dropped_before_the_delay_not_after() {
    let mock = Mock::failing(9);
    let mut service = RetryLayer::new(Settings::new()).layer(mock.clone());
    assert!(poll(&mut Box::pin(service.ready())).is_ready());
    let mut future = Box::pin(service.call(7));
    assert_eq!(mock.alive(), 1);
    assert!(poll(&mut future).is_pending());
    assert_eq!(mock.alive(), 0, "it would hold permits through the delay");
}

#[tokio::test(start_paused = true)]
async fn an_inner_service_that_is_not_ready_is_waited_for() {
    let ready = Arc::new(AtomicU32::new(0));
    let is_ready = ready.clone();
    let mock = Mock::failing(1)
        .ready(move |calls| if calls == 0 || is_ready.load(Relaxed) > 0 { Poll::Ready(Ok(())) } else { Poll::Pending });
    let settings = Settings::new().with_backoff(Backoff::IMMEDIATE);
    let mut service = RetryLayer::new(settings).layer(mock.clone());
    assert!(poll(&mut Box::pin(service.ready())).is_ready());
    let mut future = Box::pin(service.call(7));
    assert!(poll(&mut future).is_pending());
    assert_eq!(mock.calls(), 1);
    ready.store(1, Relaxed);
    assert_eq!(poll(&mut future), Poll::Ready(Ok(2)));
}

#[tokio::test(start_paused = true)]
async fn settings_change_while_it_works() {
    let budget = Budget::new(BudgetSettings::new().with_refill(0));
    let layer = RetryLayer::new(Settings::new()).budget(budget);
    let (handle, mock) = (layer.handle(), Mock::failing(99));
    let mut service = layer.layer(mock.clone());
    handle.update(Settings::new().try_with_attempts(1).expect("attempts"));
    let _ = timed(&mut service, 7).await;
    assert_eq!(mock.calls(), 1);
    handle.update(Settings::new());
    let _ = timed(&mut service, 7).await;
    assert_eq!(mock.calls(), 4);
    let snapshot = handle.snapshot();
    assert_eq!((snapshot.settings, snapshot.retries, snapshot.stopped), (Settings::new(), 2, 2));
    assert_eq!(snapshot.balance, Some(98.0));
}

#[tokio::test(start_paused = true)]
async fn a_request_keeps_the_number_of_attempts_that_it_began_with() {
    let layer = RetryLayer::new(Settings::new());
    let (handle, mock) = (layer.handle(), Mock::failing(9));
    let mut service = layer.layer(mock.clone());
    assert!(poll(&mut Box::pin(service.ready())).is_ready());
    let future = service.call(7);
    handle.update(Settings::new().try_with_attempts(1).expect("attempts"));
    assert_eq!(future.await, boom(3));
}

#[test]
fn services_and_futures_go_where_their_parts_go() {
    fn travels<T: Send + Sync>(_: &T) {}
    let mut service =
        RetryLayer::new(Settings::new()).layer(service_fn(|n: u32| async move { Ok::<_, Error<Boom>>(n) }));
    travels(&service);
    fn is_send<T: Send>(_: &T) {}
    is_send(&service.call(1));
}

#[test]
#[should_panic(expected = "polled after it was ready")]
fn polling_after_the_end_panics() {
    let mut service: Retry<_, _, _, _, _> = RetryLayer::new(Settings::new()).layer(Mock::failing(0));
    assert!(poll(&mut Box::pin(service.ready())).is_ready());
    let mut future = Box::pin(service.call(7));
    assert_eq!(poll(&mut future), Poll::Ready(Ok(1)));
    let _ = poll(&mut future);
}

//! The timeout through the public door, in paused time.
#![cfg(feature = "testing")]

use std::{io, time::Duration};

use plimsoll::{
    Error, Reason, Rejection, Stack, bulkhead, clock,
    clock::Instant,
    request::{Carried, Carry, current},
    testing::{Mock, Reply},
    timeout::{Settings, TimeoutLayer},
};
use tower::{Service, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

#[derive(Clone, Copy)]
struct Req {
    deadline: Option<Instant>,
    carried: Option<Carried>,
}

const PLAIN: Req = Req { deadline: None, carried: None };

fn callee(takes: Duration) -> (Mock<Req, (), io::Error>, plimsoll::testing::Handle) {
    Mock::new(move |_, _: &Req| Reply::ok(()).after(takes))
}

fn rejection<T: std::fmt::Debug>(result: Result<T, Error<io::Error>>) -> Rejection {
    match result {
        Err(Error::Rejected(rejection)) => rejection,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_at_its_limit_and_its_inner_future_is_gone_by_then() {
    let (inner, handle) = callee(2 * SECOND);
    let mut service = Stack::new().timeout(SECOND).service(inner);
    let start = clock::now();
    let mut call = std::pin::pin!(service.call(PLAIN));
    let refused = rejection(call.as_mut().await);
    assert_eq!((refused.reason(), refused.was_dispatched()), (Reason::Timeout, true));
    assert_eq!(clock::now().since(start), SECOND);
    assert_eq!((handle.in_flight(), handle.abandoned()), (0, 1), "while the finished future is still alive");
}

#[tokio::test(start_paused = true)]
async fn what_is_done_by_the_limit_is_answered() {
    let (inner, _) = callee(SECOND);
    let service = Stack::new().timeout(SECOND).service(inner);
    service.oneshot(PLAIN).await.expect("the inner future is polled before the timer");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_is_past_is_refused_before_dispatch() {
    let (inner, handle) = callee(SECOND);
    let layer = TimeoutLayer::new(Duration::MAX).deadline_by(|req: &Req| req.deadline);
    let service = Stack::new().timeout(layer).service(inner);
    let refused = rejection(service.oneshot(Req { deadline: Some(clock::now()), ..PLAIN }).await);
    assert_eq!((refused.reason(), refused.was_dispatched()), (Reason::DeadlineExceeded, false));
    assert_eq!(handle.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_earlier_of_limit_and_deadline_ends_the_call_and_is_named() {
    for (limit, deadline, reason) in [(1, 2, Reason::Timeout), (2, 1, Reason::DeadlineExceeded)] {
        let (inner, _) = callee(9 * SECOND);
        let layer = TimeoutLayer::new(limit * SECOND).deadline_by(|req: &Req| req.deadline);
        let start = clock::now();
        let req = Req { deadline: Some(start.after(deadline * SECOND)), ..PLAIN };
        let refused = rejection(Stack::new().timeout(layer).service(inner).oneshot(req).await);
        assert_eq!((refused.reason(), refused.was_dispatched()), (reason, true));
        assert_eq!(clock::now().since(start), SECOND);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_may_have_a_limit_of_its_own() {
    let (inner, _) = callee(5 * SECOND);
    let layer = TimeoutLayer::new(SECOND).timeout_by(|req: &Req| req.deadline.map(|_| Duration::MAX));
    let service = Stack::new().timeout(layer).service(inner);
    service.clone().oneshot(Req { deadline: Some(Instant::FAR), ..PLAIN }).await.expect("no limit");
    assert_eq!(rejection(service.oneshot(PLAIN).await).reason(), Reason::Timeout);
}

#[tokio::test(start_paused = true)]
async fn what_is_further_in_knows_how_long_it_has() {
    let inner = service_fn(|_: Req| async {
        tokio::task::yield_now().await;
        Ok::<_, io::Error>(current().deadline.since(clock::now()))
    });
    let service = Stack::new().timeout(3 * SECOND).timeout(5 * SECOND).service(inner);
    assert_eq!(service.oneshot(PLAIN).await.expect("answered"), 3 * SECOND);
    assert_eq!(current().deadline, Instant::FAR, "and nobody else does");
}

#[derive(Clone, Copy)]
struct InRequest;

impl Carry<Req> for InRequest {
    fn get(&self, req: &Req) -> Option<Carried> {
        req.carried
    }

    fn insert(&self, req: &mut Req, carried: Carried) {
        req.carried = Some(carried);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_carries_its_deadline_where_the_task_ends() {
    let inner = service_fn(|req: Req| async move { Ok::<_, io::Error>(req.carried.expect("carried").deadline) });
    let layer = |limit| TimeoutLayer::new(limit).carry(InRequest);
    let service = Stack::new().timeout(layer(SECOND)).timeout(layer(5 * SECOND)).service(inner);
    let start = clock::now();
    assert_eq!(service.oneshot(PLAIN).await.expect("answered"), start.after(SECOND));
}

#[tokio::test(start_paused = true)]
async fn no_time_at_all_is_for_what_is_answered_at_once() {
    let (inner, _) = Mock::new(|call, _: &Req| match call {
        0 => Reply::<_, io::Error>::ok(()),
        _ => Reply::ok(()).after_yields(1),
    });
    let service = Stack::new().timeout(Duration::ZERO).service(inner);
    service.clone().oneshot(PLAIN).await.expect("answered at once");
    assert_eq!(rejection(service.oneshot(PLAIN).await).reason(), Reason::Timeout);
    assert!(Settings::try_new(Duration::ZERO).is_err());
}

#[tokio::test(start_paused = true)]
async fn for_ever_is_for_ever() {
    let (inner, _) = callee(Duration::from_secs(3600 * 24 * 365));
    let layer = TimeoutLayer::new(Duration::MAX).deadline_by(|_: &Req| Some(Instant::FAR));
    Stack::new()
        .timeout(layer)
        .timeout(Duration::MAX - SECOND)
        .service(inner)
        .oneshot(PLAIN)
        .await
        .expect("a year later");
}

#[test]
fn an_attempt_is_shorter_than_the_whole() {
    assert!(Settings::try_total_and_attempt(2 * SECOND, SECOND).is_ok());
    for (total, attempt) in [(SECOND, SECOND), (SECOND, 2 * SECOND), (SECOND, Duration::ZERO), (Duration::ZERO, SECOND)]
    {
        let error = Settings::try_total_and_attempt(total, attempt).expect_err("nonsense");
        assert!(error.setting().starts_with("timeout."), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_limit_can_be_changed_while_calls_are_made() {
    let (inner, _) = callee(5 * SECOND);
    let layer = TimeoutLayer::new(Settings::new(SECOND).with_name("patience"));
    let handle = layer.handle();
    let service = Stack::new().timeout(layer).service(inner);
    assert_eq!(rejection(service.clone().oneshot(PLAIN).await).reason(), Reason::Timeout);
    handle.update(9 * SECOND);
    assert_eq!(handle.snapshot().settings, Settings::new(9 * SECOND).with_name("patience"));
    service.oneshot(PLAIN).await.expect("in time now");
}

/// tower's timeout does not cover the time that the inner service takes to become ready; under a gate, which drives
/// that in the future, it does.
#[tokio::test(start_paused = true)]
async fn the_readiness_of_what_is_behind_a_gate_counts() {
    let (inner, handle) = callee(SECOND);
    let never = inner.with_readiness(|_| plimsoll::testing::Readiness::Wake);
    let gate = bulkhead::Settings::try_new(1).expect("valid");
    let service = Stack::new().timeout(SECOND).bulkhead(gate).service(never);
    for _ in 0..2 {
        assert_eq!(rejection(service.clone().oneshot(PLAIN).await).reason(), Reason::Timeout);
    }
    assert_eq!(handle.calls(), 0);
}

/// What a task further out wrote into the request bounds the call here, where nothing else tells of it.
#[tokio::test(start_paused = true)]
async fn a_deadline_that_a_request_carries_ends_the_call() {
    let (inner, _) = callee(9 * SECOND);
    let service = Stack::new().timeout(TimeoutLayer::new(5 * SECOND).carry(InRequest)).service(inner);
    let start = clock::now();
    let mut carried = Carried::NONE;
    carried.deadline = start.after(SECOND);
    let refused = rejection(service.oneshot(Req { carried: Some(carried), ..PLAIN }).await);
    assert_eq!((refused.reason(), clock::now().since(start)), (Reason::DeadlineExceeded, SECOND));
}

#[tokio::test(start_paused = true)]
async fn a_request_carries_the_end_that_a_layer_further_out_set() {
    let end = clock::now().after(SECOND);
    let service = Stack::new().timeout(SECOND).timeout(TimeoutLayer::new(5 * SECOND).carry(InRequest));
    let service = service
        .service(service_fn(|req: Req| async move { Ok::<_, io::Error>(req.carried.map(|carried| carried.deadline)) }));
    assert_eq!(service.oneshot(PLAIN).await.expect("answered"), Some(end));
}

/// A peer ran the inner call in a task of its own, and took the silence of one that had panicked for a timeout, after
/// 269 µs of a minute.
#[tokio::test(start_paused = true)]
async fn a_panic_of_the_inner_service_is_no_timeout() {
    let (inner, _) = Mock::new(|_, _: &Req| Reply::<(), io::Error>::panic().after_yields(1));
    let service = Stack::new().timeout(60 * SECOND).service(inner);
    let task = tokio::spawn(service.oneshot(PLAIN));
    assert!(task.await.expect_err("it panicked").is_panic());
}

/// A peer let timed-out calls run on in tasks of their own: behind a bulkhead of five, two hundred ran at once.
#[tokio::test(start_paused = true)]
async fn what_is_over_time_runs_no_longer() {
    let (inner, handle) = Mock::new(|_, _: &Req| Reply::<(), io::Error>::hang());
    let stack = Stack::new().bulkhead(bulkhead::Settings::try_new(5).expect("valid")).timeout(SECOND);
    let service = stack.service(inner);
    for _ in 0..40 {
        let calls = (0..5).map(|_| service.clone().oneshot(PLAIN));
        for result in futures_util::future::join_all(calls).await {
            assert_eq!(rejection(result).reason(), Reason::Timeout);
        }
    }
    assert_eq!((handle.calls(), handle.peak(), handle.in_flight()), (200, 5, 0));
}

//! The ready-made client over mocks, in virtual time.

use std::{io, time::Duration};

use plimsoll::{
    Error, Outcome, Reason, bulkhead,
    circuit_breaker::{self, State},
    classify::Failure,
    clock,
    lint::Rule,
    ready::{Around, ClientStack},
    retry::{self, Budget},
    testing::{Handle, Mock, Reply},
    timeout,
};
use proptest::prelude::*;
use tower::{Service, ServiceExt};

const SECOND: Duration = Duration::from_secs(1);

type Failed = Error<io::Error>;

fn reason<T>(result: Result<T, Failed>) -> Option<Reason> {
    match result {
        Err(Error::Rejected(rejection)) => Some(rejection.reason()),
        _ => None,
    }
}

/// A callee that answers with what it is asked for: a status.
fn callee() -> (Mock<u16, u16, io::Error>, Handle) {
    Mock::new(|_, status| match status {
        0 => Reply::hang(),
        1 => Reply::err(io::Error::other("reset")),
        status => Reply::ok(*status),
    })
}

fn by_status(result: Result<&u16, &Failed>) -> Outcome {
    match result {
        Ok(429 | 503) => Outcome::Failure(Failure::Overload),
        Ok(500..) => Outcome::Failure(Failure::Transient),
        Ok(_) => Outcome::Success,
        Err(Error::Rejected(rejection)) => Outcome::of_rejection(rejection),
        Err(Error::Inner(_)) => Outcome::Failure(Failure::Transient),
    }
}

fn breaker_of<L, G, C>(stack: &plimsoll::Stack<L, G, C>) -> circuit_breaker::Handle {
    stack.control().handle::<circuit_breaker::Handle>("circuit_breaker").expect("there").clone()
}

#[test]
fn the_defaults_fit_together() {
    assert_eq!(plimsoll::client().warnings(), []);
    assert!(plimsoll::client().with_name("db").try_stack().is_ok());
}

#[test]
fn its_layers_are_in_the_recommended_order_and_only_those_that_are_there() {
    let labels = |registry: plimsoll::control::Registry| registry.labels().map(str::to_owned).collect::<Vec<_>>();
    let all = ["timeout.total", "retry", "bulkhead", "circuit_breaker", "timeout.attempt"];
    assert_eq!(labels(plimsoll::client().stack().control()), all);
    let named = plimsoll::client().with_name("db").with_attempt_timeout(SECOND).with_total_timeout(9 * SECOND);
    assert_eq!(labels(named.stack().control()), ["timeout.total", "db", "db#2", "db#3", "timeout.attempt"]);
    let own = plimsoll::client().with_total_timeout(timeout::Settings::new(9 * SECOND).with_name("whole"));
    assert_eq!(labels(own.stack().control())[0], "whole");
    let none = plimsoll::client().without_total_timeout().without_retry().without_bulkhead();
    assert_eq!(labels(none.without_circuit_breaker().without_attempt_timeout().stack().control()), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_by_chance_is_hidden() {
    let (mock, handle) = Mock::new(|call, req: &u16| match call {
        0 | 1 => Reply::err(io::Error::other("reset")),
        _ => Reply::ok(*req),
    });
    let mut client = plimsoll::client().stack().service(mock);
    assert_eq!(client.call(200).await.expect("the third time"), 200);
    assert_eq!(handle.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_callee_that_hangs_is_given_up_on_three_times_and_then_opens_the_circuit() {
    let (mock, handle) = callee();
    let stack = plimsoll::client().with_seed(7).stack();
    let breaker = breaker_of(&stack);
    let mut client = stack.service(mock);
    let began = clock::now();
    assert_eq!(reason(client.call(0).await), Some(Reason::Timeout));
    let took = clock::now().since(began);
    assert!((9 * SECOND..10 * SECOND).contains(&took), "three attempts of 3 s, and their pauses: {took:?}");
    assert_eq!((handle.calls(), handle.abandoned()), (3, 3));
    while breaker.snapshot().state == State::Closed {
        assert!(reason(client.call(0).await).is_some());
    }
    assert_eq!(handle.calls(), 10, "ten in a row");
    let began = clock::now();
    assert_eq!(reason(client.call(200).await), Some(Reason::CircuitOpen));
    assert_eq!((handle.calls(), clock::now().since(began)), (10, Duration::ZERO), "at once, and without a retry");
}

#[tokio::test(start_paused = true)]
async fn a_callee_that_sheds_is_tried_again_and_opens_no_circuit() {
    let (mock, handle) = callee();
    let stack = plimsoll::client().classify(by_status).with_seed(7).stack();
    let breaker = breaker_of(&stack);
    let mut client = stack.service(mock);
    for _ in 0..40 {
        assert_eq!(client.call(503).await.expect("an answer"), 503);
    }
    assert!(handle.calls() > 60, "{} calls: it is tried again, within the budget", handle.calls());
    assert_eq!(breaker.snapshot().state, State::Closed);

    for _ in 0..4 {
        drop(client.call(500).await);
    }
    assert_eq!(breaker.snapshot().state, State::Open, "one that fails is another thing");

    let (mock, _) = callee();
    let stack = plimsoll::client().classify(by_status).with_shedding_as_failure().stack();
    let breaker = breaker_of(&stack);
    let mut client = stack.service(mock);
    for _ in 0..10 {
        drop(client.call(503).await);
    }
    assert_eq!(breaker.snapshot().state, State::Open, "if it is said to be a failure");
}

#[tokio::test(start_paused = true)]
async fn no_more_than_a_hundred_are_under_way_and_a_pause_holds_no_place() {
    let (mock, handle) = callee();
    let stack = plimsoll::client().stack();
    let bulkhead = stack.control().handle::<bulkhead::Handle>("bulkhead").expect("there").clone();
    let client = stack.service(mock);
    let mut held: Vec<_> = (0..100).map(|_| client.clone().call(0)).collect();
    assert_eq!(handle.in_flight(), 100);
    assert_eq!(reason(client.clone().oneshot(200).await), Some(Reason::BulkheadFull));
    held.clear();
    let mut pausing = tokio_test::task::spawn(client.clone().oneshot(1));
    assert!(pausing.poll().is_pending());
    assert_eq!((handle.calls(), bulkhead.snapshot().in_use), (101, 0));
}

#[tokio::test(start_paused = true)]
async fn a_callers_deadline_bounds_all_attempts() {
    let (mock, handle) = callee();
    let client = plimsoll::client().deadline_by(|_: &u16| Some(clock::now().after(SECOND))).stack();
    let began = clock::now();
    assert_eq!(reason(client.service(mock).oneshot(0).await), Some(Reason::DeadlineExceeded));
    assert_eq!((clock::now().since(began), handle.calls()), (SECOND, 1));
}

/// What cannot be copied goes through a client that does not retry.
#[tokio::test(start_paused = true)]
async fn without_retry_requests_need_not_be_clone() {
    struct Once(u16);
    let (mock, handle) = Mock::new(|_, _: &Once| Reply::<u16, _>::err(io::Error::other("reset")));
    let mut client = plimsoll::client().without_retry().stack().service(mock);
    let once = Once(1);
    assert_eq!(once.0, 1);
    assert!(matches!(client.call(once).await, Err(Error::Inner(_))));
    assert_eq!(handle.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_must_not_be_sent_twice_is_not() {
    let (mock, handle) = callee();
    let client = plimsoll::client().replay(|req: &u16, _: u32| (*req != 1).then_some(*req)).stack();
    assert!(client.service(mock).oneshot(1).await.is_err());
    assert_eq!(handle.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_budget_may_be_shared_and_is_otherwise_each_stacks_own() {
    let calls = |client: plimsoll::ready::Client| async move {
        let (mock, handle) = callee();
        let settings = circuit_breaker::Settings::new().without_consecutive_failures().without_failure_rate();
        let client = client.with_circuit_breaker(settings);
        for stack in [client.stack(), client.stack()] {
            let mut service = stack.service(mock.clone());
            for _ in 0..60 {
                drop(service.call(1).await);
            }
        }
        handle.calls()
    };
    let own = calls(plimsoll::client().with_seed(1)).await;
    let shared = calls(plimsoll::client().with_seed(1).with_budget(Budget::default())).await;
    assert!(own > 300 && shared < 260, "{own} calls with budgets of their own, {shared} with one: 120 and the retries");
}

#[test]
fn what_hurts_is_warned_of_and_built() {
    let rules = |client: &plimsoll::ready::Client| client.warnings().iter().map(|w| w.rule()).collect::<Vec<_>>();
    assert_eq!(rules(&plimsoll::client().without_budget()), [Rule::RetryWithoutBudget]);
    assert_eq!(rules(&plimsoll::client().with_total_timeout(9 * SECOND)), [Rule::AttemptsDoNotFit]);
    assert_eq!(rules(&plimsoll::client().without_total_timeout()), [Rule::RetryUnbounded]);
    let window = circuit_breaker::Window::try_time(5 * SECOND, 20).expect("long enough");
    let brief = plimsoll::client().with_circuit_breaker(circuit_breaker::Settings::new().with_window(window));
    assert_eq!(rules(&brief), [Rule::WindowTooShort]);
    assert!(brief.try_stack().is_ok());
    let waits = bulkhead::Settings::try_new(9).expect("not zero").with_wait(9, 10 * SECOND);
    assert_eq!(rules(&plimsoll::client().with_bulkhead(waits)), [Rule::WaitTooLong]);
    let few = retry::Settings::new().try_with_attempts(2).expect("not zero");
    assert_eq!(rules(&plimsoll::client().with_retry(few).with_total_timeout(7 * SECOND)), []);
}

#[test]
fn an_attempt_as_long_as_the_whole_is_refused() {
    let misfit = plimsoll::client().with_attempt_timeout(10 * SECOND).try_stack().expect_err("it never ends anything");
    assert_eq!(misfit.errors()[0].rule(), Rule::TimeoutNeverActs);
    let wide = plimsoll::client().with_pool(99).try_stack().expect_err("99 for 100");
    assert_eq!(wide.errors()[0].rule(), Rule::LimitAbovePool);
    assert!(plimsoll::client().with_pool(100).try_stack().is_ok());
}

/// A type that can be written down, and is the same whatever is left out at run time.
struct Api {
    callee: Around<ClientStack, Mock<u16, u16, io::Error>>,
}

#[tokio::test]
async fn it_goes_into_a_field_whatever_is_left_out() {
    let (mock, handle) = callee();
    let bare = plimsoll::client().without_bulkhead().without_circuit_breaker().without_attempt_timeout();
    for client in [plimsoll::client(), bare.without_total_timeout()] {
        let api = Api { callee: client.stack().service(mock.clone()) };
        assert_eq!(api.callee.oneshot(200).await.expect("an answer"), 200);
    }
    assert_eq!(handle.calls(), 2);
}

fn time() -> impl Strategy<Value = Duration> {
    prop_oneof![
        Just(Duration::ZERO),
        Just(Duration::MAX),
        (1..20_000u64).prop_map(Duration::from_millis),
        any::<u64>().prop_map(Duration::from_nanos),
    ]
}

proptest! {
    /// Whatever a configuration file says: it is refused for a reason that is one, or the stack serves.
    #[test]
    fn whatever_the_numbers_are_a_stack_is_refused_or_serves(
        total in time(), attempt in time(), wait in time(), attempts in 1..=u32::MAX, limit in 1..=u32::MAX, pool: u32,
    ) {
        let bulkhead = bulkhead::Settings::try_new(limit).expect("not zero").with_wait(limit, wait);
        let client = plimsoll::client()
            .with_total_timeout(total)
            .with_attempt_timeout(attempt)
            .with_retry(retry::Settings::new().try_with_attempts(attempts).expect("not zero"))
            .with_bulkhead(bulkhead)
            .with_pool(pool);
        // A time of centuries is none: it is more nanoseconds than there are numbers for.
        let never = |time: Duration| time >= Duration::from_nanos(u64::MAX);
        let useless = !never(attempt) && !never(total) && attempt >= total;
        let wrong = total.is_zero() || attempt.is_zero() || useless || limit > pool;
        match client.try_stack() {
            Err(misfit) => {
                prop_assert!(wrong, "{misfit}");
                prop_assert!(misfit.errors().iter().all(|error| error.rule().is_error()));
            }
            Ok(stack) => {
                prop_assert!(!wrong);
                let (mock, _) = callee();
                prop_assert_eq!(tokio_test::block_on(stack.service(mock).oneshot(200)).ok(), Some(200));
            }
        }
    }
}

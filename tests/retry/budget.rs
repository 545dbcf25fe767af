//! What retries may cost, through a service.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    task::Poll,
};

use plimsoll::{
    Error, Stack,
    classify::Failure,
    clock,
    event::Stop,
    retry::{Backoff, Budget, BudgetSettings, RetryLayer, Settings, Throttle, ThrottleSettings},
};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::mock::{Boom, Heard, MS, Mock, boom, poll, timed};

fn strict(cap: u32) -> Budget {
    Budget::new(BudgetSettings::new().with_refill(0).try_with_cap(cap).expect("a cap"))
}

/// In another library the success of a retry paid for the whole retry, so that a callee which failed every other time
/// was sent twice its load for ever.
#[tokio::test(start_paused = true)]
async fn a_callee_that_fails_every_other_time_gets_a_tenth_more_not_twice_as_much() {
    let mock = Mock::new(|n, _: &u32| if n % 2 == 1 { boom(n) } else { Ok(n) });
    let settings = Settings::new().with_backoff(Backoff::IMMEDIATE);
    let mut service = RetryLayer::new(settings).budget(strict(100)).layer(mock.clone());
    for _ in 0..10_000 {
        let _ = timed(&mut service, 7).await;
    }
    assert!((10_100..=11_100).contains(&mock.calls()), "{} attempts of 10000 requests", mock.calls());
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_sent_the_cap_and_no_more() {
    let (mock, heard) = (Mock::failing(u32::MAX), Heard::default());
    let layer = RetryLayer::new(Settings::new()).budget(strict(10)).observe(heard.observer());
    for _ in 0..1000 {
        let (result, _) = timed(&mut layer.layer(mock.clone()), 7).await;
        assert!(result.is_err());
    }
    assert_eq!(mock.calls(), 1010, "every service of the layer draws on the one budget");
    let (_, took) = timed(&mut layer.layer(mock), 7).await;
    assert!(took.is_zero(), "it does not sleep first, to be told after");
    assert_eq!(heard.stops().last(), Some(&(1, Stop::Budget)));
}

#[tokio::test(start_paused = true)]
async fn an_idle_client_has_a_retry_each_second() {
    let mock = Mock::new(|n, _: &u32| if n % 2 == 1 { boom(n) } else { Ok(n) });
    let budget = Budget::new(BudgetSettings::new().with_refill(1).try_with_cap(1).expect("a cap"));
    let mut service = RetryLayer::new(Settings::new()).budget(budget).layer(mock);
    for _ in 0..10 {
        assert!(timed(&mut service, 7).await.0.is_ok());
        tokio::time::advance(1000 * MS).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_leaves_during_the_delay_gets_back_what_it_took_once() {
    let (budget, mock) = (strict(10), Mock::failing(9));
    let mut service = RetryLayer::new(Settings::new()).budget(budget.clone()).layer(mock.clone());
    let other = budget.withdraw(Failure::Transient, clock::now()).expect("full");
    other.spend();
    assert!(poll(&mut Box::pin(service.ready())).is_ready());
    let mut future = Box::pin(service.call(7));
    assert_eq!(budget.balance(), 9.0, "nothing is taken before something failed");
    assert!(poll(&mut future).is_pending());
    assert_eq!(budget.balance(), 8.0, "taken before the delay");
    drop(future);
    assert_eq!((budget.balance(), mock.calls()), (9.0, 1));
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_is_paid_for_even_if_the_caller_leaves_then() {
    let (budget, calls) = (strict(10), Arc::new(AtomicU32::new(0)));
    let hangs_at_the_second = service_fn(move |_: u32| {
        let n = calls.fetch_add(1, Relaxed) + 1;
        async move {
            if n == 2 {
                std::future::pending::<()>().await;
            }
            boom(n)
        }
    });
    let settings = Settings::new().with_backoff(Backoff::IMMEDIATE);
    let mut service = RetryLayer::new(settings).budget(budget.clone()).layer(hangs_at_the_second);
    let mut future = Box::pin(service.call(7));
    assert!(poll(&mut future).is_pending(), "between the attempts");
    assert!(poll(&mut future).is_pending(), "the second is on its way");
    drop(future);
    assert_eq!(budget.balance(), 9.0);
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_leaves_before_the_inner_service_is_ready_again_pays_nothing() {
    let budget = strict(10);
    let mock = Mock::failing(9).ready(|calls| if calls == 0 { Poll::Ready(Ok(())) } else { Poll::Pending });
    let settings = Settings::new().with_backoff(Backoff::IMMEDIATE);
    let mut service = RetryLayer::new(settings).budget(budget.clone()).layer(mock);
    assert!(poll(&mut Box::pin(service.ready())).is_ready());
    let mut future = Box::pin(service.call(7));
    assert!(poll(&mut future).is_pending());
    assert_eq!(budget.balance(), 9.0);
    drop(future);
    assert_eq!(budget.balance(), 10.0);
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_is_not_sent_for_lack_of_readiness_costs_nothing() {
    let (budget, heard) = (strict(10), Heard::default());
    let broken = || Poll::Ready(Err(Error::Inner(Boom(99))));
    let mock = Mock::failing(9).ready(move |calls| if calls == 0 { Poll::Ready(Ok(())) } else { broken() });
    let layer = RetryLayer::new(Settings::new()).budget(budget.clone()).observe(heard.observer());
    assert_eq!(timed(&mut layer.layer(mock), 7).await.0, boom(1), "the result there was, not the readiness error");
    assert_eq!(heard.stops(), [(1, Stop::NotReady)]);
    assert_eq!(budget.balance(), 10.0);
}

#[tokio::test(start_paused = true)]
async fn without_a_budget_nothing_but_the_attempts_bound_it() {
    let mock = Mock::failing(u32::MAX);
    let layer = RetryLayer::new(Settings::new()).without_budget();
    assert_eq!(layer.handle().snapshot().balance, None);
    for _ in 0..1000 {
        let _ = timed(&mut layer.layer(mock.clone()), 7).await;
    }
    assert_eq!(mock.calls(), 3000);
}

#[tokio::test(start_paused = true)]
async fn fresh_retries_have_a_budget_of_their_own() {
    let layer = RetryLayer::new(Settings::new()).budget(strict(1));
    let _ = timed(&mut layer.layer(Mock::failing(9)), 7).await;
    assert_eq!(layer.handle().snapshot().balance, Some(0.0));
    let fresh = layer.fresh().handle().snapshot();
    assert_eq!((fresh.balance, fresh.retries), (Some(1.0), 0));
}

/// A success that two layers pay in for would be worth two retries' tenths.
#[tokio::test(start_paused = true)]
async fn a_success_is_paid_in_once_by_the_outermost_layer() {
    let emptied = || {
        let budget = strict(1);
        budget.withdraw(Failure::Transient, clock::now()).expect("full").spend();
        budget
    };
    let (outer, inner) = (emptied(), emptied());
    let layer = |budget: &Budget| RetryLayer::new(Settings::new()).budget(budget.clone());
    let mut service = Stack::new().retry(layer(&outer)).retry(layer(&inner)).wrap(Mock::failing(0));
    assert_eq!(timed(&mut service, 7).await.0, Ok(1));
    assert_eq!((outer.balance(), inner.balance()), (0.1, 0.0));
}

/// gRPC's throttle, as its proposal A6 has it: failures count whether they are tried again or not, so of a callee that is
/// down nothing is tried again from the fifth failure on, and nothing until it answers.
#[tokio::test(start_paused = true)]
async fn a_throttle_stops_all_retries_while_most_calls_fail() {
    let (mock, heard) = (Mock::failing(1000), Heard::default());
    let settings = Settings::new().with_backoff(Backoff::IMMEDIATE);
    let layer = RetryLayer::new(settings).throttle(Throttle::default()).observe(heard.observer());
    let handle = layer.handle();
    for _ in 0..100 {
        assert!(timed(&mut layer.layer(mock.clone()), 7).await.0.is_err());
    }
    // Three attempts, then two, then one each: 9, 8, 7 of 10 tokens; 6, 5; and so on.
    assert_eq!(mock.calls(), 103);
    assert_eq!(heard.stops()[..3], [(3, Stop::Attempts), (2, Stop::Budget), (1, Stop::Budget)]);
    assert_eq!((handle.snapshot().balance, handle.budget().is_some()), (Some(0.0), false));

    // It answers again: ten successes a token, so it takes 51 before one failure is tried again.
    let mock = Mock::new(|n, _: &u32| if n == 61 { boom(n) } else { Ok(n) });
    let mut service = layer.layer(mock.clone());
    for _ in 0..60 {
        assert!(timed(&mut service, 7).await.0.is_ok());
    }
    assert_eq!(handle.throttle().map(Throttle::balance), Some(6.0));
    assert!(timed(&mut service, 7).await.0.is_err(), "6 less 1 is half");
}

/// What is permanent says nothing about how much the callee can bear: A6 does not count it.
#[tokio::test(start_paused = true)]
async fn a_throttle_counts_no_failure_that_nobody_would_try_again() {
    use plimsoll::Outcome;
    let judge = |failure| move |_: Result<&u32, &Error<Boom>>| Outcome::Failure(failure);
    let left = async |failure| {
        let layer = RetryLayer::new(Settings::new()).throttle(Throttle::default()).classify(judge(failure));
        let handle = layer.handle();
        let _ = timed(&mut layer.layer(Mock::failing(9)), 7).await;
        handle.snapshot().balance
    };
    assert_eq!(left(Failure::Permanent).await, Some(10.0));
    assert_eq!(left(Failure::PushedBack).await, Some(9.0));
    assert_eq!(left(Failure::Transient).await, Some(7.0));
}

#[tokio::test(start_paused = true)]
async fn a_fresh_layer_has_a_throttle_of_its_own() {
    let settings = ThrottleSettings::try_new(4, 0.5).expect("in range");
    let layer = RetryLayer::new(Settings::new()).throttle(Throttle::new(settings));
    let fresh = layer.fresh();
    let _ = timed(&mut layer.layer(Mock::failing(9)), 7).await;
    assert_eq!((layer.handle().snapshot().balance, fresh.handle().snapshot().balance), (Some(2.0), Some(4.0)));
    assert_eq!(fresh.handle().throttle().map(|throttle| throttle.snapshot().settings), Some(settings));
}

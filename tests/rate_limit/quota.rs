//! Quotas: how many pass, when who is refused may come back, and what costs nothing.

use std::time::Duration;

use plimsoll::{
    Gate, Reason, Stack,
    clock::{self, Moment},
    gate::Admission,
    rate_limit::{Quota, RateLimit, Settings},
};
use tokio_test::{assert_ready, task};
use tower::{Service, ServiceExt};

use crate::{SECOND, callee, cost, per_second, quota, refused_for, waiting};

/// Where it meant a period of so many seconds, a limit of ten a second let one through in ten.
#[tokio::test(start_paused = true)]
async fn ten_per_second_are_ten_per_second() {
    let mut service = Stack::new().rate_limit(per_second(10)).service(callee());
    let mut passed = 0;
    for _ in 0..30_000 {
        passed += u32::from(service.call(1).await.is_ok());
        tokio::time::advance(Duration::from_millis(1)).await;
    }
    assert_eq!(passed, 10 + 300 - 1, "a burst, and thirty seconds");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_says_when_to_come_back_and_costs_nothing() {
    let limit = RateLimit::new(quota(4, 2)).cost_by(cost);
    let mut service = Stack::new().rate_limit(limit).service(callee());
    assert!(service.call(2).await.is_ok());
    for _ in 0..100 {
        assert_eq!(refused_for(service.call(1).await), (Reason::RateLimited, Some(SECOND / 4)));
    }
    assert_eq!(refused_for(service.call(2).await).1, Some(SECOND / 2));
    tokio::time::advance(SECOND / 2 - Duration::from_nanos(1)).await;
    assert_eq!(refused_for(service.call(2).await).1, Some(Duration::from_nanos(1)), "never zero");
    tokio::time::advance(Duration::from_nanos(1)).await;
    assert!(service.call(2).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_costs_more_than_a_burst_is_told_that_it_never_passes() {
    let settings = Settings::try_new(&[per_second(9), quota(100, 3)]).expect("two");
    for settings in [Settings::new(per_second(3)), settings, waiting(per_second(3))] {
        let limit = RateLimit::new(settings).cost_by(cost);
        let mut service = Stack::new().rate_limit(limit).service(callee());
        for cost in [4, u32::MAX] {
            assert_eq!(refused_for(service.call(cost).await), (Reason::TooExpensive, None));
        }
        assert!(!Reason::TooExpensive.is_retryable());
        assert!(service.call(3).await.is_ok(), "and has cost nothing");
    }
}

#[tokio::test(start_paused = true)]
async fn what_costs_nothing_and_who_is_exempt_pass_at_any_time() {
    for settings in [Settings::new(per_second(1)), waiting(per_second(1))] {
        let limit = RateLimit::new(settings).cost_by(cost).exempt_by(|cost: &u32| *cost == 77);
        let handle = limit.handle();
        let mut service = Stack::new().rate_limit(limit).service(callee());
        assert!(service.call(1).await.is_ok());
        let _waits = service.call(1);
        for _ in 0..10 {
            assert!(service.call(0).await.is_ok() && service.call(77).await.is_ok());
        }
        assert_eq!(handle.remaining().remaining, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn several_quotas_bound_together_and_a_refusal_by_one_costs_none() {
    let settings = Settings::try_new(&[per_second(2), Quota::try_per_hour(5).expect("valid")]).expect("two");
    let limit = RateLimit::new(settings);
    let handle = limit.handle();
    let mut service = Stack::new().rate_limit(limit).service(callee());
    let mut passed = Vec::new();
    for second in 0..10 {
        for _ in 0..9 {
            passed.extend(service.call(1).await.is_ok().then_some(second));
        }
        tokio::time::advance(SECOND).await;
    }
    assert_eq!(passed, [0, 0, 1, 1, 2]);
    assert_eq!(refused_for(service.call(1).await), (Reason::RateLimited, Some(Duration::from_secs(720 - 10))));
    let left = handle.snapshot().remaining.map(|left| left.map(|left| left.remaining));
    assert_eq!(left, [Some(2), Some(0), None, None]);
    assert_eq!(handle.remaining().quota, Quota::try_per_hour(5).expect("valid"), "the tightest");
}

#[tokio::test(start_paused = true)]
async fn clones_and_layers_share_what_is_used_and_a_fresh_one_does_not() {
    let limit = RateLimit::new(per_second(2));
    let fresh = limit.fresh();
    let stack = Stack::new().rate_limit(limit);
    let (first, second) = (stack.service(callee()), stack.clone().service(callee()));
    assert!(first.clone().oneshot(1).await.is_ok() && second.oneshot(1).await.is_ok());
    assert!(first.oneshot(1).await.is_err());
    assert!(Stack::new().rate_limit(fresh).service(callee()).oneshot(1).await.is_ok());
}

#[test]
fn no_runtime_is_needed_where_nobody_waits() {
    let mut service = Stack::new().rate_limit(Quota::try_per_day(1).expect("valid")).service(callee());
    assert!(assert_ready!(task::spawn(service.call(1)).poll()).is_ok());
    assert!(assert_ready!(task::spawn(service.call(1)).poll()).is_err());
}

/// The number that is kept counts from an origin, which has to be put forward once in nine years.
#[test]
fn years_go_by() {
    let year = 365 * 24 * 3600 * SECOND;
    let slow = Quota::try_new(1, 30 * year).and_then(|quota| quota.try_with_burst(3)).expect("valid");
    for settings in [Settings::new(per_second(3)), Settings::new(slow), waiting(slow)] {
        let limit = RateLimit::new(settings);
        let start = clock::now();
        let mut passed = Vec::new();
        for years in [0, 1, 10, 11, 29, 30, 60, 90] {
            let now = Moment::at(start.after(years * year));
            let admitted = (0..9).filter(|_| matches!(limit.admit(&7, &now), Admission::Admitted(_))).count();
            passed.push(admitted);
        }
        let expected = if settings.quotas()[0] == slow { [3, 0, 0, 0, 0, 1, 1, 1] } else { [3; 8] };
        assert_eq!(passed, expected);
    }
}

//! By hand: other quotas, what is left, holds, what is announced, and when it may be forgotten.

use std::time::Duration;

use futures_util::future::join_all;
use plimsoll::{
    Event, Gate, Reason, Stack,
    classify::Unjudged,
    clock::{self, Moment},
    rate_limit::{Quota, RateLimit, Settings},
};
use tokio_test::{assert_pending, assert_ready, task};
use tower::Service;

use crate::{SECOND, callee, cost, heard, millis, per_second, quota, refused_for, rejection, waiting};

#[tokio::test(start_paused = true)]
async fn a_change_of_quota_is_no_refill() {
    let limit = RateLimit::new(per_second(10));
    let handle = limit.handle();
    let mut service = Stack::new().rate_limit(limit).service(callee());
    for _ in 0..8 {
        assert!(service.call(1).await.is_ok());
    }
    for _ in 0..100 {
        handle.update(per_second(20));
        handle.update(per_second(10));
    }
    assert_eq!(handle.remaining().remaining, 2);
    handle.update(per_second(5).with_burst(std::num::NonZeroU32::MIN));
    assert_eq!(refused_for(service.call(1).await).1, Some(SECOND / 5));
    assert_eq!(handle.snapshot().settings.name(), "rate_limit");
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_have_their_turn_when_the_new_quota_says() {
    let limit = RateLimit::new(waiting(quota(1, 1)));
    let handle = limit.handle();
    let mut service = Stack::new().rate_limit(limit).service(callee());
    let start = clock::now();
    assert!(service.call(1).await.is_ok());
    let calls: Vec<_> = (0..5).map(|_| tokio::spawn(service.call(1))).collect();
    tokio::time::sleep(SECOND / 2).await;
    // Half a cell has come back. The next one is there in 50 ms, and one each 100 ms from then on.
    handle.update(quota(10, 1));
    tokio::time::sleep(SECOND / 5).await;
    assert_eq!(handle.snapshot().waiting, 3);
    // And back: half a second for half a cell. Two of them would be there after 2.2 and 3.2 seconds.
    handle.update(waiting(quota(1, 1)));
    let calls = join_all(calls).await.into_iter().map(|call| call.expect("no panic"));
    assert_eq!(millis(start, calls), [550, 650, 1200, 2200, 3200]);
}

#[tokio::test(start_paused = true)]
async fn who_cannot_have_its_turn_in_time_any_more_is_told_at_once() {
    let limit = RateLimit::new(waiting(quota(10, 2)).with_wait(8, SECOND)).cost_by(cost);
    let handle = limit.handle();
    let mut service = Stack::new().rate_limit(limit).service(callee());
    let start = clock::now();
    assert!(service.call(2).await.is_ok());
    let mut calls: Vec<_> = [2, 1, 1].map(|cost| task::spawn(service.call(cost))).into();
    calls.iter_mut().for_each(|call| assert_pending!(call.poll()));
    handle.update(Settings::new(quota(1, 1)));
    assert_eq!(refused_for(assert_ready!(calls[0].poll())), (Reason::TooExpensive, None), "two are never there");
    assert_eq!(refused_for(assert_ready!(calls[2].poll())), (Reason::RateLimited, Some(2 * SECOND)));
    assert_pending!(calls[1].poll());
    let answer = calls.swap_remove(1).into_inner().await;
    assert_eq!(millis(start, [answer]), [1000]);
}

#[tokio::test(start_paused = true)]
async fn what_is_used_up_comes_back_as_ever() {
    let limit = RateLimit::new(per_second(10));
    let handle = limit.handle();
    let mut service = Stack::new().rate_limit(limit).service(callee());
    handle.use_up();
    handle.use_up();
    assert_eq!(refused_for(service.call(1).await).1, Some(SECOND / 10));
    tokio::time::advance(SECOND).await;
    assert_eq!(handle.remaining().remaining, 10);
}

#[tokio::test(start_paused = true)]
async fn what_is_left_is_told_in_the_terms_of_the_header_fields() {
    let limit = RateLimit::new(Quota::try_per_minute(100).expect("valid")).cost_by(cost);
    let handle = limit.handle();
    let mut service = Stack::new().rate_limit(limit).service(callee());
    let full = handle.remaining();
    assert_eq!((full.limit, full.window, full.remaining, full.reset), (100, 60 * SECOND, 100, Duration::ZERO));
    assert!(service.call(50).await.is_ok());
    tokio::time::advance(SECOND).await;
    // A cell each 0.6 seconds: of the 50 that were used, one and two thirds are back.
    let left = handle.remaining();
    assert_eq!((left.remaining, left.reset), (51, 29 * SECOND));
    assert_eq!(handle.remaining(), left, "to look takes nothing");
}

/// Who is told of the other comes back in a second, to be refused for an hour.
#[tokio::test(start_paused = true)]
async fn of_quotas_that_are_used_up_the_one_is_told_that_takes_the_longest() {
    let (second, hour) = (per_second(2), Quota::try_per_hour(2).expect("valid"));
    for quotas in [[second, hour], [hour, second]] {
        let limit = RateLimit::new(Settings::try_new(&quotas).expect("some"));
        let handle = limit.handle();
        let mut service = Stack::new().rate_limit(limit).service(callee());
        assert!(service.call(1).await.is_ok() && service.call(1).await.is_ok());
        let left = handle.remaining();
        assert_eq!((left.quota, left.remaining, left.reset), (hour, 0, 3600 * SECOND));
    }
}

#[tokio::test(start_paused = true)]
async fn only_observing_it_counts_and_announces_and_refuses_nobody() {
    let limit = RateLimit::new(per_second(2)).cost_by(cost);
    let handle = limit.handle();
    handle.observe_only();
    let (heard, ear) = heard();
    let mut service = Stack::new().rate_limit(limit).observe(ear).service(callee());
    for cost in [1, 1, 1, 1, 3] {
        assert!(service.call(cost).await.is_ok());
    }
    let told: Vec<_> = heard
        .lock()
        .expect("unpoisoned")
        .iter()
        .map(|event| match event {
            Event::WouldRefuse(no) => (no.reason(), no.retry_after()),
            other => panic!("{other:?}"),
        })
        .collect();
    let limited = (Reason::RateLimited, Some(SECOND / 2));
    assert_eq!(told, [limited, limited, (Reason::TooExpensive, None)]);
    handle.automatic();
    assert_eq!(refused_for(service.call(1).await), limited, "who would have been refused was not charged");
}

#[tokio::test(start_paused = true)]
async fn only_observing_it_lets_all_go_on_who_wait_and_charges_them() {
    let limit = RateLimit::new(Settings::new(quota(10, 1)).with_wait(3, SECOND));
    let handle = limit.handle();
    let (heard, ear) = heard();
    let mut service = Stack::new().rate_limit(limit).observe(ear).service(callee());
    let start = clock::now();
    let calls: Vec<_> = (0..3).map(|_| service.call(1)).collect();
    handle.observe_only();
    assert_eq!(millis(start, join_all(calls).await), [0, 0, 0]);
    // Two owe what they would have waited for, and one more would find a place, but not another one.
    assert!(service.call(1).await.is_ok() && heard.lock().expect("unpoisoned").is_empty());
    assert!(service.call(1).await.is_ok() && heard.lock().expect("unpoisoned").len() == 1);
    handle.automatic();
    let answer = service.call(1).await;
    assert_eq!(millis(start, [answer]), [400], "a debt is paid back");
}

#[tokio::test(start_paused = true)]
async fn what_happens_is_announced() {
    let limit = RateLimit::new(Settings::new(per_second(1)).with_name("api"));
    let handle = limit.handle();
    let (heard, ear) = heard();
    let mut service = Stack::new().rate_limit(limit).observe(ear).service(callee());
    assert!(service.call(1).await.is_ok());
    let refused = rejection(service.call(1).await);
    assert_eq!(refused.layer(), "api");
    handle.update(per_second(2));
    handle.update(Settings::new(per_second(2)).with_wait(1, SECOND));
    let heard = heard.lock().expect("unpoisoned").clone();
    assert_eq!(heard, [Event::Refused(refused), Event::QuotaChanged { layer: "api" }]);
}

#[tokio::test(start_paused = true)]
async fn it_may_be_forgotten_when_it_is_as_full_as_a_new_one() {
    let settings = waiting(quota(10, 2)).with_max_hint(SECOND);
    let limit = RateLimit::new(settings);
    let handle = limit.handle();
    let neutral = || Gate::<u32>::is_neutral(&limit, &Moment::new());
    let mut service = Stack::new().classify(Unjudged).rate_limit(limit.clone()).service(callee());
    assert!(neutral());
    let calls: Vec<_> = (0..3).map(|_| service.call(1)).collect();
    assert!(!neutral());
    tokio::time::advance(SECOND).await;
    assert!(!neutral(), "somebody waited, and has just been served");
    drop(calls);
    tokio::time::advance(SECOND / 5).await;
    assert!(neutral());
    handle.observe_only();
    assert!(!neutral());
}

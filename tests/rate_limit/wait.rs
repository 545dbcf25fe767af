//! Waiting: in order, each at its time, and not for too long.

use std::time::Duration;

use futures_util::future::join_all;
use plimsoll::{
    Reason, Stack, clock,
    rate_limit::{RateLimit, Settings},
};
use tokio_test::{assert_pending, assert_ready, task};
use tower::Service;

use crate::{SECOND, callee, cost, millis, quota, refused_for, waiting};

#[tokio::test(start_paused = true)]
async fn those_who_wait_go_in_order_each_at_its_time() {
    let limit = RateLimit::new(waiting(quota(10, 2))).cost_by(cost);
    let mut service = Stack::new().rate_limit(limit).service(callee());
    let start = clock::now();
    let calls: Vec<_> = [1, 1, 2, 1, 1, 2].map(|cost| service.call(cost)).into();
    assert_eq!(millis(start, join_all(calls).await), [0, 0, 200, 300, 400, 600]);
}

/// Timers tick in milliseconds. Where each turn was counted from when the one before it was taken, every one lost up to two
/// of them, and half of the rate with it.
#[tokio::test(start_paused = true)]
async fn a_rate_is_kept_though_timers_tick() {
    for rate in [3, 7, 700, 1000] {
        let settings = Settings::new(quota(rate, 1)).with_wait(10_000, Duration::MAX);
        let mut service = Stack::new().rate_limit(settings).service(callee());
        let start = clock::now();
        let calls: Vec<_> = (0..=3 * rate).map(|_| service.call(1)).collect();
        let last = millis(start, join_all(calls).await).last().copied();
        assert_eq!(last, Some(3000), "{rate} a second");
    }
}

#[tokio::test(start_paused = true)]
async fn who_would_wait_too_long_is_refused_at_once() {
    let settings = Settings::new(quota(10, 1)).with_wait(100, SECOND / 2);
    let mut service = Stack::new().rate_limit(settings).service(callee());
    let start = clock::now();
    let mut calls: Vec<_> = (0..6).map(|_| service.call(1)).collect();
    // Five wait, the last for half a second. The next one's turn is a tenth later.
    let refused = assert_ready!(task::spawn(service.call(1)).poll());
    assert_eq!(refused_for(refused), (Reason::RateLimited, Some(SECOND * 6 / 10)));
    // When one leaves, there is room for another.
    drop(calls.remove(2));
    calls.push(service.call(1));
    assert_eq!(millis(start, join_all(calls).await), [0, 100, 200, 300, 400, 500]);
}

#[tokio::test(start_paused = true)]
async fn no_more_may_wait_than_there_are_places() {
    let settings = Settings::new(quota(10, 1)).with_wait(2, 100 * SECOND);
    let limit = RateLimit::new(settings);
    let handle = limit.handle();
    let mut service = Stack::new().rate_limit(limit).service(callee());
    let calls: Vec<_> = (0..3).map(|_| service.call(1)).collect();
    assert_eq!(refused_for(service.call(1).await), (Reason::RateLimited, Some(SECOND * 3 / 10)));
    assert_eq!((handle.snapshot().waiting, handle.remaining().remaining), (2, 0));
    assert_eq!(handle.remaining().reset, SECOND * 3 / 10, "those who wait will have theirs");
    drop(calls);
    assert_eq!(handle.snapshot().waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_does_not_overtake_and_the_wide_are_not_starved() {
    let limit = RateLimit::new(waiting(quota(10, 5))).cost_by(cost);
    let mut service = Stack::new().rate_limit(limit).service(callee());
    let start = clock::now();
    assert!(service.call(5).await.is_ok());
    let wide = tokio::spawn(service.call(5));
    let mut narrow = Vec::new();
    for _ in 0..4 {
        tokio::time::sleep(SECOND / 10).await;
        // There is a cell for it.
        narrow.push(tokio::spawn(service.call(1)));
    }
    assert_eq!(millis(start, [wide.await.expect("no panic")]), [500]);
    let narrow = join_all(narrow).await.into_iter().map(|call| call.expect("no panic"));
    assert_eq!(millis(start, narrow), [600, 700, 800, 900]);
}

#[tokio::test(start_paused = true)]
async fn when_one_leaves_those_behind_move_up_and_it_has_cost_nothing() {
    let limit = RateLimit::new(waiting(quota(10, 4))).cost_by(cost);
    let mut service = Stack::new().rate_limit(limit).service(callee());
    let start = clock::now();
    assert!(service.call(4).await.is_ok());
    let wide = service.call(4);
    let behind: Vec<_> = (0..3).map(|_| tokio::spawn(service.call(1))).collect();
    tokio::time::sleep(SECOND / 20).await;
    drop(wide);
    let behind = join_all(behind).await.into_iter().map(|call| call.expect("no panic"));
    assert_eq!(millis(start, behind), [100, 200, 300], "and no burst");
}

/// Its turn has come, and it has been charged, when it leaves.
#[tokio::test(start_paused = true)]
async fn who_leaves_with_its_turn_in_hand_passes_it_on() {
    for settings in [waiting(quota(10, 1)), waiting(quota(10, 1)).without_refunds()] {
        let limit = RateLimit::new(settings);
        let handle = limit.handle();
        let mut service = Stack::new().rate_limit(limit).service(callee());
        assert!(service.call(1).await.is_ok());
        let (mut first, mut second) = (task::spawn(service.call(1)), task::spawn(service.call(1)));
        assert_pending!(first.poll());
        assert_pending!(second.poll());
        tokio::time::advance(SECOND / 10).await;
        assert_eq!(handle.snapshot().waiting, 1, "whoever looks serves those whose turn has come");
        assert!(first.is_woken());
        drop(first);
        assert!(second.is_woken());
        assert!(assert_ready!(second.poll()).is_ok());
        assert_eq!(handle.snapshot().waiting, 0);
    }
}

/// Nobody looks when its turn comes, so it is served late, and not as if it had been on time.
#[tokio::test(start_paused = true)]
async fn one_that_nobody_polls_does_not_hold_up_those_behind_it_for_more_than_its_turn() {
    let mut service = Stack::new().rate_limit(waiting(quota(10, 1))).service(callee());
    let start = clock::now();
    let _served = service.call(1);
    let forgotten = service.call(1);
    let behind = [service.call(1), service.call(1)];
    assert_eq!(millis(start, join_all(behind).await), [298, 398]);
    assert_eq!(millis(start, [forgotten.await]), [398], "and it still has its turn");
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_beyond_a_deadline() {
    let start = clock::now();
    let limit = RateLimit::new(waiting(quota(10, 1)));
    let own = limit.clone().deadline_by(move |millis: &u32| Some(start.after(Duration::from_millis((*millis).into()))));
    let mut service = Stack::new().rate_limit(own).service(callee());
    assert!(service.call(0).await.is_ok());
    let refused = assert_ready!(task::spawn(service.call(99)).poll());
    assert_eq!(refused_for(refused), (Reason::DeadlineUnreachable, Some(SECOND / 10)));
    let waits = service.call(100);
    let mut hurried = Stack::new().timeout(SECOND / 10).rate_limit(limit).service(callee());
    let refused = assert_ready!(task::spawn(hurried.call(0)).poll());
    assert_eq!(refused_for(refused), (Reason::DeadlineUnreachable, Some(SECOND / 5)));
    assert_eq!(millis(start, [waits.await]), [100]);
}

/// Where nobody waits, nobody is asked for a deadline; once an update lets requests wait, they are.
#[tokio::test(start_paused = true)]
async fn a_deadline_counts_as_soon_as_requests_may_wait() {
    let start = clock::now();
    let deadline = move |millis: &u32| Some(start.after(Duration::from_millis((*millis).into())));
    let limit = RateLimit::new(quota(10, 1)).deadline_by(deadline);
    let handle = limit.handle();
    let mut service = Stack::new().rate_limit(limit).service(callee());
    assert!(service.call(0).await.is_ok());
    handle.update(waiting(quota(10, 1)));
    let refused = assert_ready!(task::spawn(service.call(99)).poll());
    assert_eq!(refused_for(refused), (Reason::DeadlineUnreachable, Some(SECOND / 10)));
}

/// Both would have had their turn in time, had anybody looked. Late, the first takes the cell that there is.
#[tokio::test(start_paused = true)]
async fn a_turn_that_nobody_looked_for_may_be_too_late() {
    let settings = Settings::new(quota(10, 1)).with_wait(8, SECOND / 4);
    let mut service = Stack::new().rate_limit(settings).service(callee());
    let _served = service.call(1);
    let (mut first, mut second) = (task::spawn(service.call(1)), task::spawn(service.call(1)));
    tokio::time::advance(SECOND).await;
    let late = refused_for(assert_ready!(second.poll()));
    assert_eq!(late, (Reason::RateLimited, Some(Duration::from_millis(98))));
    assert!(assert_ready!(first.poll()).is_ok());
}

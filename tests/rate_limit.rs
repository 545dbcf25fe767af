//! The rate limit through the public door, in paused time.
#![cfg(feature = "testing")]

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::future::join_all;
use plimsoll::{
    Classify, Error, Event, Gate, Outcome, Reason, Rejection, Stack, bulkhead,
    classify::{Failure, Unjudged},
    clock::{self, Instant, Moment},
    gate::Admission,
    rate_limit::{Quota, RateLimit, RateLimitLayer, Settings},
    testing::{Mock, Reply},
};
use tokio_test::{assert_pending, assert_ready, task};
use tower::{Service, ServiceBuilder, ServiceExt};

const SECOND: Duration = Duration::from_secs(1);

type Answer = Result<Instant, Error<io::Error>>;
type Callee = Mock<u32, Instant, io::Error>;

/// Answers at once, by when it was called. A request is what it costs.
fn callee() -> Callee {
    Mock::answering(|_: &u32| Ok(clock::now())).0
}

fn per_second(cells: u32) -> Quota {
    Quota::try_per_second(cells).expect("valid")
}

/// `cells` a second, `burst` at once.
fn quota(cells: u32, burst: u32) -> Quota {
    per_second(cells).try_with_burst(burst).expect("valid")
}

/// Lets eight wait, for ten seconds.
fn waiting(quota: Quota) -> Settings {
    Settings::new(quota).with_wait(8, 10 * SECOND)
}

fn cost(cells: &u32) -> u32 {
    *cells
}

fn rejection(result: Answer) -> Rejection {
    match result {
        Err(Error::Rejected(rejection)) => rejection,
        other => panic!("not refused: {other:?}"),
    }
}

fn refused_for(result: Answer) -> (Reason, Option<Duration>) {
    let rejection = rejection(result);
    assert!(!rejection.was_dispatched());
    (rejection.reason(), rejection.retry_after())
}

/// How long after `start` the calls went through, in milliseconds.
fn millis(start: Instant, answers: impl IntoIterator<Item = Answer>) -> Vec<u128> {
    answers.into_iter().map(|answer| answer.expect("let in").since(start).as_millis()).collect()
}

/// What is announced.
fn heard() -> (Arc<Mutex<Vec<Event>>>, impl Fn(&Event) + Send + Sync + 'static) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ear = Arc::clone(&heard);
    (heard, move |event: &Event| ear.lock().expect("unpoisoned").push(*event))
}

// Refusing.

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

// What is put back.

/// Admitted by the rate limit, and refused by what comes after it.
#[tokio::test(start_paused = true)]
async fn what_was_never_sent_is_put_back() {
    let full = bulkhead::Settings::try_new(1).expect("valid");
    for (settings, left) in [(Settings::new(per_second(9)), 5), (Settings::new(per_second(9)).without_refunds(), 1)] {
        let limit = RateLimit::new(settings).cost_by(cost);
        let handle = limit.handle();
        let (inner, _) = Mock::<u32, (), io::Error>::new(|_, _| Reply::hang());
        let mut service = Stack::new().rate_limit(limit).bulkhead(full).service(inner);
        let held = service.call(4);
        assert_eq!(handle.remaining().remaining, 5);
        assert!(matches!(service.call(4).await, Err(Error::Rejected(no)) if no.reason() == Reason::BulkheadFull));
        assert_eq!(handle.remaining().remaining, left);
        drop(held);
        assert_eq!(handle.remaining().remaining, left, "what was sent is not put back, answered or not");
    }
}

#[tokio::test(start_paused = true)]
async fn who_leaves_before_being_sent_is_given_back_what_it_took() {
    let limit = RateLimit::new(per_second(3));
    let handle = limit.handle();
    let waits = bulkhead::Settings::try_new(1).expect("valid").with_wait(9, 100 * SECOND);
    let (inner, _) = Mock::<u32, (), io::Error>::new(|_, _| Reply::hang());
    let mut service = Stack::new().rate_limit(limit).bulkhead(waits).service(inner);
    let _held = service.call(1);
    let waiting = [service.call(1), service.call(1)];
    assert_eq!(handle.remaining().remaining, 0);
    drop(waiting);
    assert_eq!(handle.remaining().remaining, 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_put_back_never_makes_more_than_there_is_nor_what_another_quota_took() {
    let limit = RateLimit::new(per_second(4));
    let handle = limit.handle();
    let waits = bulkhead::Settings::try_new(1).expect("valid").with_wait(9, 100 * SECOND);
    let (inner, _) = Mock::<u32, (), io::Error>::new(|_, _| Reply::hang());
    let mut service = Stack::new().rate_limit(limit).bulkhead(waits).service(inner);
    let _held = service.call(1);
    let (first, second) = (service.call(1), service.call(1));
    tokio::time::advance(SECOND).await;
    drop(first);
    assert_eq!(handle.remaining().remaining, 4, "it is full already");
    // The hour's quota is new. What the second took, it did not take from that.
    let hour = Quota::try_per_hour(4).expect("valid");
    handle.update(Settings::try_new(&[per_second(4), hour]).expect("two"));
    let third = service.call(1);
    drop(second);
    let left = || handle.snapshot().remaining.map(|left| left.map(|left| left.remaining));
    assert_eq!(left(), [Some(4), Some(3), None, None]);
    drop(third);
    assert_eq!(left(), [Some(4), Some(4), None, None]);
}

// Waiting.

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

#[tokio::test(start_paused = true)]
async fn what_is_put_back_goes_to_those_who_wait() {
    let waits = bulkhead::Settings::try_new(1).expect("valid").with_wait(9, 100 * SECOND);
    let (inner, _) = Mock::<u32, Instant, io::Error>::new(|_, _| Reply::hang());
    let limit = RateLimit::new(waiting(quota(1, 2)));
    let handle = limit.handle();
    let mut service = Stack::new().rate_limit(limit).bulkhead(waits).service(inner);
    let _held = service.call(1);
    let in_the_bulkhead = service.call(1);
    let (mut first, mut second) = (task::spawn(service.call(1)), task::spawn(service.call(1)));
    assert_pending!(first.poll());
    assert_pending!(second.poll());
    drop(in_the_bulkhead);
    assert!(first.is_woken() && second.is_woken(), "the turn of one has come, and that of the other is sooner");
    assert_pending!(first.poll());
    assert_pending!(second.poll());
    assert_eq!(handle.snapshot().waiting, 1, "the first waits in the bulkhead now");
    drop(first);
    assert_eq!((handle.snapshot().waiting, second.is_woken()), (0, true));
}

// Changes.

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
async fn what_is_drained_comes_back_as_ever() {
    let limit = RateLimit::new(per_second(10));
    let handle = limit.handle();
    let mut service = Stack::new().rate_limit(limit).service(callee());
    handle.drain();
    handle.drain();
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

// What the callee asks for.

/// Takes the number of an answer for the seconds that the callee asks for.
fn hints(result: Result<&u32, &Error<io::Error>>) -> Outcome {
    match result {
        Ok(0) => Outcome::Success,
        Ok(99) => Outcome::Failure(Failure::Throttled(None)),
        Ok(seconds) => Outcome::Failure(Failure::Throttled(Some(Duration::from_secs((*seconds).into())))),
        Err(_) => Outcome::Ignored,
    }
}

fn hinting() -> Mock<u32, u32, io::Error> {
    Mock::answering(|hint: &u32| Ok(*hint)).0
}

#[tokio::test(start_paused = true)]
async fn a_callee_that_asks_to_be_left_alone_is() {
    let settings = Settings::new(per_second(100)).with_throttle_hints(10 * SECOND);
    let limit = RateLimit::new(settings);
    let handle = limit.handle();
    let (heard, ear) = heard();
    let stack = Stack::new().observe(ear).classify(hints).rate_limit(limit);
    let mut service = stack.service(hinting());
    let retry_after = |refused: Result<u32, Error<io::Error>>| match refused {
        Err(Error::Rejected(no)) => no.retry_after(),
        other => panic!("not refused: {other:?}"),
    };
    assert!(service.call(0).await.is_ok() && service.call(99).await.is_ok());
    assert!(service.call(5).await.is_ok(), "the one that says so is answered");
    assert_eq!(retry_after(service.call(0).await), Some(5 * SECOND));
    let left = handle.remaining();
    assert_eq!((left.remaining, left.reset, handle.snapshot().pause), (0, 5 * SECOND, 5 * SECOND));
    tokio::time::advance(5 * SECOND).await;
    assert!(service.call(3600).await.is_ok());
    assert_eq!(retry_after(service.call(0).await), Some(10 * SECOND), "no longer than is allowed");
    let pauses = [5, 10].map(|seconds| Event::Throttled { layer: "rate_limit", pause: seconds * SECOND });
    let announced = heard.lock().expect("unpoisoned").clone();
    let announced: Vec<_> = announced.into_iter().filter(|event| matches!(event, Event::Throttled { .. })).collect();
    assert_eq!(announced, pauses);
    tokio::time::advance(10 * SECOND).await;
    assert_eq!(handle.remaining().remaining, 100, "a pause uses nothing up");
}

/// Whoever learnt that the callee does not mean what it says could not take its word back: the pause went on for as long as the
/// settings had allowed that were.
#[tokio::test(start_paused = true)]
async fn a_pause_is_over_once_the_settings_do_not_allow_it() {
    let settings = waiting(per_second(100)).with_throttle_hints(3600 * SECOND);
    let limit = RateLimit::new(settings.with_wait(8, Duration::MAX));
    let handle = limit.handle();
    let mut service = Stack::new().classify(hints).rate_limit(limit).service(hinting());
    assert!(service.call(3600).await.is_ok());
    let mut waits = task::spawn(service.call(0));
    assert_pending!(waits.poll());
    handle.update(settings.with_throttle_hints(SECOND));
    assert_eq!(handle.snapshot().pause, SECOND);
    handle.update(waiting(per_second(100)));
    assert_eq!(handle.snapshot().pause, Duration::ZERO);
    assert!(waits.is_woken() && assert_ready!(waits.poll()).is_ok());
    assert!(service.call(0).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn unasked_it_does_not_listen_to_the_callee() {
    let stack = Stack::new().classify(hints).rate_limit(per_second(100));
    let mut service = stack.service(hinting());
    assert!(service.call(5).await.is_ok() && service.call(0).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_wait_for_the_end_of_a_pause() {
    let settings = waiting(quota(10, 1)).with_throttle_hints(5 * SECOND);
    let hints = |result: Result<&Instant, &Error<io::Error>>| match result {
        Ok(_) => Outcome::Failure(Failure::Throttled(Some(2 * SECOND))),
        Err(_) => Outcome::Ignored,
    };
    let limit = RateLimit::new(settings);
    let handle = limit.handle();
    let layer = RateLimitLayer::<_, _, _, _>::with_judge(limit, hints);
    let mut service = ServiceBuilder::new().layer(layer).map_err(|error: Error<_>| error).service(Lifted(callee()));
    let start = clock::now();
    let calls: Vec<_> = (0..3).map(|_| service.call(1)).collect();
    let answers = join_all(calls).await;
    // Each that is answered asks for two seconds more.
    assert_eq!(millis(start, answers), [0, 2000, 4000]);
    assert_eq!(handle.snapshot().pause, 2 * SECOND);
}

/// A callee whose error can hold a refusal.
#[derive(Clone)]
struct Lifted(Callee);

impl Service<u32> for Lifted {
    type Response = Instant;
    type Error = Error<io::Error>;
    type Future = futures_util::future::MapErr<<Callee as Service<u32>>::Future, fn(io::Error) -> Error<io::Error>>;

    fn poll_ready(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx).map_err(Error::Inner)
    }

    fn call(&mut self, cost: u32) -> Self::Future {
        futures_util::TryFutureExt::map_err(self.0.call(cost), Error::Inner)
    }
}

// Being forgotten.

#[tokio::test(start_paused = true)]
async fn it_may_be_forgotten_when_it_is_as_full_as_a_new_one() {
    let settings = waiting(quota(10, 2)).with_throttle_hints(SECOND);
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

#[test]
fn a_judge_that_finds_no_hints_is_enough() {
    fn judged<C: Classify<(), ()>>(_: C) {}
    judged(Unjudged);
}

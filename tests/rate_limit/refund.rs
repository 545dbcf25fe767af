//! What is put back.

use std::io;

use plimsoll::{
    Error, Reason, Stack, bulkhead,
    clock::Instant,
    rate_limit::{Quota, RateLimit, Settings},
    testing::{Mock, Reply},
};
use tokio_test::{assert_pending, task};
use tower::Service;

use crate::{SECOND, cost, per_second, quota, waiting};

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

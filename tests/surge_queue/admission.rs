//! Who may wait: the wait that is foretold, the deadline, displacement, and what is asked of a request.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
    task::Poll,
};

use plimsoll::{
    Reason, Rejection, Stack,
    chance::Chance,
    clock,
    request::Priority::{Background, Critical, Normal, Sheddable},
    surge_queue::SurgeQueue,
    testing::{Mock, Reply},
};
use tokio_test::{assert_pending, task};
use tower::Service;

use crate::{Answer, Ask, MILLI, SECOND, ask, callee, fixed, pending, poll_woken, refusal, refused, settings, waiting};

/// Behind it, one call at a time takes 10 ms; so much was seen of it.
macro_rules! measured {
    () => {
        measured!(asking!(settings(), 1))
    };
    ($queue:expr) => {{
        let queue = $queue;
        let handle = queue.handle();
        let (inner, callee) = Mock::new(|_, ask: &Ask| Reply::ok(ask.id).after(10 * MILLI));
        let mut service = Stack::new().surge_queue(queue).service(inner);
        for _ in 0..10 {
            let calls: Vec<_> = (0..5).map(|id| service.call(ask(id))).collect();
            for answer in futures_util::future::join_all(calls).await {
                answer.expect("served");
            }
        }
        (service, callee, handle)
    }};
}

#[tokio::test(start_paused = true)]
async fn is_told_at_once_when_the_wait_would_be_too_long() {
    let (mut service, _, handle) = measured!();
    let rate = handle.snapshot().drain_rate.expect("measured");
    assert!((90.0..110.0).contains(&rate), "{rate} a second");
    let mut calls: Vec<_> = (0..40).map(|id| task::spawn(service.call(ask(id)))).collect();
    let refusals: Vec<_> = calls
        .iter_mut()
        .filter_map(|call| match call.poll() {
            Poll::Ready(end) => Some(refusal(end)),
            Poll::Pending => None,
        })
        .collect();
    // One is under way, and ten are served within a burst of 100 ms.
    assert!((27..=31).contains(&refusals.len()), "{} were refused", refusals.len());
    for refusal in &refusals {
        assert_eq!((refusal.reason(), refusal.layer()), (Reason::WaitTooLong, "surge_queue"));
        let after = refusal.retry_after().expect("told");
        assert!(after >= 100 * MILLI && after < 200 * MILLI, "{after:?}");
    }
    let mut told: Vec<_> = refusals.iter().map(Rejection::retry_after).collect();
    told.sort();
    told.dedup();
    assert!(told.len() > 20, "they come back together: {told:?}");
    let wait = handle.snapshot().foretold_wait[1].expect("measured");
    assert!(wait > 18 * MILLI && wait < 23 * MILLI, "{wait:?}, for a tenant who has nobody here and is second");
    // It is not shut for longer than that.
    drop(calls);
    let (mut first, mut second) = (task::spawn(service.call(ask(0))), task::spawn(service.call(ask(1))));
    assert_pending!(first.poll());
    assert_pending!(second.poll());
}

/// Most of a flood is refused without a look at who waits; but not once that cannot be right any more.
#[tokio::test(start_paused = true)]
async fn is_told_without_a_look_only_as_long_as_that_is_right() {
    let (mut service, _, handle) = measured!(SurgeQueue::new(settings()).in_front_of(fixed(1)));
    let wait = handle.snapshot().foretold_wait[1].expect("measured");
    assert!(wait > 9 * MILLI && wait < 11 * MILLI, "{wait:?}");
    let held = pending(&mut service, [ask(0)]);
    let calls: Vec<_> = (0..40).map(|id| service.call(ask(id))).collect();
    let wait = handle.snapshot().foretold_wait[1].expect("measured");
    assert!(wait > 90 * MILLI && wait < 120 * MILLI, "without tenants it is behind all: {wait:?}");
    let full = waiting(&handle);
    assert_eq!(refused(&mut service, ask(41)).reason(), Reason::WaitTooLong);
    // All leave but the one under way, in no time.
    drop(calls);
    assert!(full >= 8 && waiting(&handle) == 0);
    let again = pending(&mut service, [ask(42)]);
    assert_eq!(waiting(&handle), 1);
    drop((again, held));
}

#[tokio::test(start_paused = true)]
async fn is_who_is_more_important_though_others_are_refused() {
    let (mut service, _, _) = measured!();
    let calls: Vec<_> = (0..40).map(|id| service.call(ask(id))).collect();
    let mut critical = task::spawn(service.call(Ask { priority: Critical, ..ask(40) }));
    assert_pending!(critical.poll());
    assert_eq!(refused(&mut service, ask(41)).reason(), Reason::WaitTooLong);
    assert_eq!(refused(&mut service, Ask { priority: Sheddable, ..ask(42) }).reason(), Reason::WaitTooLong);
    drop(calls);
}

#[tokio::test(start_paused = true)]
async fn is_who_is_one_of_few_of_its_tenant() {
    let (mut service, _, _) = measured!();
    let flood: Vec<_> = (0..40).map(|id| service.call(ask(id))).collect();
    let mut quiet = task::spawn(service.call(Ask { tenant: 9, ..ask(40) }));
    assert_pending!(quiet.poll());
    assert_eq!(refused(&mut service, ask(41)).reason(), Reason::WaitTooLong);
    drop(flood);
}

#[tokio::test(start_paused = true)]
async fn is_not_who_would_miss_a_deadline_by_waiting() {
    let (mut service, _, _) = measured!();
    let calls: Vec<_> = (0..6).map(|id| service.call(ask(id))).collect();
    // Fifty milliseconds are in front of it, and no more is what it has.
    let short = Ask { left: Some(50 * MILLI), ..ask(9) };
    let refusal = refused(&mut service, short);
    assert_eq!((refusal.reason(), refusal.retry_after()), (Reason::DeadlineUnreachable, None));
    assert_pending!(task::spawn(service.call(Ask { left: Some(SECOND), ..short })).poll());
    drop(calls);
}

/// A server with a timeout of 300 ms, which every request has for a deadline, told its callers of every second
/// refusal that their time was up: a 504, from which their circuits opened.
#[tokio::test(start_paused = true)]
async fn is_not_who_would_wait_for_much_of_its_time_and_may_come_back() {
    let (mut service, _, _) = measured!();
    let calls: Vec<_> = (0..6).map(|id| service.call(ask(id))).collect();
    // Fifty milliseconds are in front of it, and more than 15 % of what it has.
    let refusal = refused(&mut service, Ask { left: Some(200 * MILLI), ..ask(9) });
    assert_eq!(refusal.reason(), Reason::WaitTooLong);
    assert!(refusal.retry_after().is_some_and(|after| after >= 50 * MILLI), "{refusal:?}");
    drop(calls);
}

#[tokio::test(start_paused = true)]
async fn is_one_more_where_a_less_important_one_can_go() {
    let (mut service, _, handle) = behind!(asking!(settings().try_with_max_waiting(3).expect("valid"), 1));
    let _held = pending(&mut service, [ask(0)]);
    let class = |id, priority, tenant| Ask { priority, tenant, ..ask(id) };
    let asks = [class(1, Background, 1), class(2, Background, 2), class(3, Background, 2)];
    let mut calls = pending(&mut service, asks);
    assert_eq!(refused(&mut service, class(4, Background, 3)).reason(), Reason::QueueFull);
    let critical = pending(&mut service, [class(5, Critical, 1)]);
    let displaced = poll_woken(&mut calls);
    assert_eq!(calls.len(), 2);
    let [displaced] = <[Answer; 1]>::try_from(displaced).expect("one");
    assert_eq!(refusal(displaced).reason(), Reason::Displaced);
    assert_eq!(handle.snapshot().waiting, [1, 0, 0, 2]);
    assert_eq!(handle.snapshot().tenants, [1, 0, 0, 2], "the newest of the longest");
    drop(critical);
}

#[tokio::test(start_paused = true)]
async fn is_a_bounded_number_by_default_whatever_comes() {
    let (mut service, _, handle) = behind!(asking!(settings(), 1));
    let calls: Vec<_> = (0..10_000).map(|id| service.call(Ask { tenant: id.into(), ..ask(id) })).collect();
    assert_eq!(waiting(&handle), 64);
    drop(calls);
    assert_eq!((waiting(&handle), handle.limit().in_use()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_question_that_panics_loses_nothing() {
    let queue = SurgeQueue::new(settings())
        .tenant_by(|ask: &Ask| if ask.id == 13 { panic!("no tenant") } else { ask.tenant })
        .in_front_of(fixed(1));
    let (mut service, _, handle) = behind!(queue);
    let held = pending(&mut service, [ask(0)]);
    assert!(catch_unwind(AssertUnwindSafe(|| drop(service.call(ask(13))))).is_err());
    let calls = pending(&mut service, [ask(1)]);
    drop(held);
    assert!(calls[0].is_woken());
    drop(calls);
    assert_eq!((handle.limit().in_use(), waiting(&handle)), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn questions_are_asked_only_when_there_is_no_place() {
    let asked = Arc::new(Mutex::new(0));
    let counter = asked.clone();
    let queue = SurgeQueue::new(settings()).in_front_of(fixed(1)).priority_by(move |_: &Ask| {
        *counter.lock().expect("unpoisoned") += 1;
        Normal
    });
    let (mut service, _, _) = behind!(queue);
    let calls = pending(&mut service, [ask(0)]);
    assert_eq!(*asked.lock().expect("unpoisoned"), 0);
    let _waits = pending(&mut service, [ask(1)]);
    assert_eq!(*asked.lock().expect("unpoisoned"), 1);
    drop(calls);
}

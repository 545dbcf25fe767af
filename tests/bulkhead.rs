//! The bulkhead through the public door, in paused time.
#![cfg(feature = "testing")]

use std::{
    future::Future,
    io,
    sync::{Arc, Mutex, mpsc},
    task::{Context, Wake, Waker},
    time::Duration,
};

use plimsoll::{
    Error, Event, Reason, Stack,
    bulkhead::{self, Bulkhead, Order, Settings},
    clock,
    testing::{Mock, Reply},
};
use tokio_test::{assert_pending, assert_ready, task};
use tower::{Service, limit::GlobalConcurrencyLimitLayer};

const SECOND: Duration = Duration::from_secs(1);

fn settings(limit: u32) -> Settings {
    Settings::try_new(limit).expect("valid")
}

type Hang = Mock<u32, (), io::Error>;

/// A callee that answers when it is told to.
fn callee() -> (Hang, plimsoll::testing::Handle) {
    Mock::new(|_, _: &u32| Reply::ok(()).after_wakes(1))
}

fn reason(result: Result<(), Error<io::Error>>) -> Reason {
    match result {
        Err(Error::Rejected(rejection)) => rejection.reason(),
        other => panic!("not refused: {other:?}"),
    }
}

/// A peer waited for a timer tick (a millisecond) before it said that it was full, and then called it a timeout.
#[tokio::test]
async fn a_full_bulkhead_says_so_at_the_first_poll_and_by_its_name() {
    let (inner, _) = callee();
    let mut service = Stack::new().bulkhead(settings(1)).service(inner);
    let _held = service.call(1);
    let mut second = task::spawn(service.call(1));
    assert_eq!(reason(assert_ready!(second.poll())), Reason::BulkheadFull);
}

/// By default a peer queues whatever comes, without end.
#[tokio::test]
async fn a_hundred_thousand_requests_do_not_queue_unasked() {
    let (inner, handle) = callee();
    let mut service = Stack::new().bulkhead(settings(1)).service(inner);
    let futures: Vec<_> = (0..100_000).map(|_| service.call(1)).collect();
    assert_eq!((handle.in_flight(), futures.len()), (1, 100_000));
}

#[tokio::test]
async fn waiters_go_in_order_and_each_is_woken_once() {
    let (inner, handle) = callee();
    let mut service = Stack::new().bulkhead(settings(1).with_wait(2, SECOND)).service(inner);
    let mut first = task::spawn(service.call(1));
    let (mut second, mut third) = (task::spawn(service.call(1)), task::spawn(service.call(1)));
    assert_pending!(first.poll());
    assert_pending!(second.poll());
    assert_pending!(third.poll());
    assert_eq!(reason(service.call(1).await), Reason::BulkheadFull, "the queue is full too");

    assert!(handle.wake_one());
    assert_ready!(first.poll()).expect("answered");
    assert!(second.is_woken() && !third.is_woken());
    assert_pending!(second.poll());
    assert!(handle.wake_one());
    assert_ready!(second.poll()).expect("answered");
    assert!(third.is_woken());
}

#[tokio::test]
async fn newest_first_serves_who_came_last() {
    let (inner, _) = callee();
    let waiting = settings(1).with_wait(9, SECOND).with_order(Order::NewestFirst);
    let mut service = Stack::new().bulkhead(waiting).service(inner);
    let held = service.call(1);
    let (mut old, mut new) = (task::spawn(service.call(1)), task::spawn(service.call(1)));
    assert_pending!(old.poll());
    assert_pending!(new.poll());
    drop(held);
    assert!(new.is_woken() && !old.is_woken());
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_in_time() {
    let (inner, _) = callee();
    let mut service = Stack::new().bulkhead(settings(1).with_wait(9, SECOND)).service(inner);
    let _held = service.call(1);
    let start = clock::now();
    assert_eq!(reason(service.call(1).await), Reason::WaitTimeout);
    assert_eq!(clock::now().since(start), SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_with_the_requests_deadline() {
    let (inner, _) = callee();
    let bulkhead = Bulkhead::new(settings(1).with_wait(9, Duration::MAX));
    let deadline = clock::now().after(2 * SECOND);
    let mut service = Stack::new().bulkhead(bulkhead.deadline_by(move |_: &u32| Some(deadline))).service(inner);
    let _held = service.call(1);
    assert_eq!(reason(service.call(1).await), Reason::DeadlineExceeded);
    assert_eq!(clock::now(), deadline);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_further_out_bounds_the_wait() {
    let (inner, _) = callee();
    let bulkhead = Bulkhead::new(settings(1).with_wait(9, Duration::MAX));
    let handle = bulkhead.handle();
    let mut service = Stack::new().timeout(SECOND).bulkhead(bulkhead).service(inner);
    let mut held = task::spawn(service.call(1));
    assert_pending!(held.poll());
    let start = clock::now();
    assert!(matches!(reason(service.call(1).await), Reason::DeadlineExceeded | Reason::Timeout));
    assert_eq!((clock::now().since(start), handle.snapshot().waiting), (SECOND, 0));
}

/// The permit may come in the very tick in which the wait is over; then it is used, not wasted.
#[tokio::test(start_paused = true)]
async fn a_permit_that_comes_as_the_wait_ends_is_taken() {
    let (inner, _) = callee();
    let bulkhead = Bulkhead::new(settings(1).with_wait(9, SECOND));
    let handle = bulkhead.handle();
    let mut service = Stack::new().bulkhead(bulkhead).service(inner);
    let held = service.call(1);
    let mut waiter = task::spawn(service.call(1));
    assert_pending!(waiter.poll());
    tokio::time::advance(SECOND).await;
    drop(held);
    assert_pending!(waiter.poll(), "it is in the inner service");
    assert_eq!((handle.snapshot().in_use, handle.snapshot().waiting), (1, 0));
}

#[tokio::test]
async fn a_granted_waiter_that_leaves_passes_its_turn_on() {
    let (inner, _) = callee();
    let mut service = Stack::new().bulkhead(settings(1).with_wait(9, SECOND)).service(inner);
    let held = service.call(1);
    let (mut second, mut third) = (task::spawn(service.call(1)), task::spawn(service.call(1)));
    assert_pending!(second.poll());
    assert_pending!(third.poll());
    drop(held);
    assert!(second.is_woken());
    drop(second);
    assert!(third.is_woken());
}

#[tokio::test]
async fn nobody_narrow_passes_one_who_is_wide_and_whoever_is_behind_goes_when_the_wide_one_leaves() {
    let (inner, handle) = callee();
    let bulkhead = Bulkhead::new(settings(3).with_wait(9, SECOND)).weight_by(|weight: &u32| *weight);
    let mut service = Stack::new().bulkhead(bulkhead).service(inner);
    let _held = service.call(2);
    let (mut wide, mut narrow) = (task::spawn(service.call(3)), task::spawn(service.call(1)));
    assert_pending!(wide.poll());
    assert_pending!(narrow.poll());
    assert_eq!(handle.in_flight(), 1, "one permit is free, but it is being saved for the wide one");
    drop(wide);
    assert!(narrow.is_woken());
    assert_pending!(narrow.poll());
    assert_eq!(handle.in_flight(), 2);
}

#[tokio::test]
async fn a_waiting_compartment_does_not_hold_up_another() {
    let (inner, handle) = callee();
    let guaranteed = settings(2).try_with_compartments(&[1, 1]).expect("valid").with_wait(9, SECOND);
    let bulkhead = Bulkhead::new(guaranteed).compartment_by(|kind: &u32| *kind as usize);
    let mut service = Stack::new().bulkhead(bulkhead).service(inner);
    let first = service.call(0);
    let mut waiting = task::spawn(service.call(0));
    assert_pending!(waiting.poll());
    let _other = service.call(1);
    assert_eq!(handle.in_flight(), 2);
    drop(first);
    assert!(waiting.is_woken());
}

#[tokio::test]
async fn shrinking_lets_what_is_in_flight_finish_and_growing_wakes_who_waits() {
    let (inner, mock) = callee();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let log = heard.clone();
    let bulkhead = Bulkhead::new(settings(2).with_wait(9, SECOND))
        .observe(move |event: &Event| log.lock().expect("unpoisoned").push(*event));
    let handle = bulkhead.handle();
    let mut service = Stack::new().bulkhead(bulkhead).service(inner);
    let (first, _second) = (service.call(1), service.call(1));
    handle.update(settings(1).with_wait(9, SECOND));
    let mut waiting = task::spawn(service.call(1));
    assert_pending!(waiting.poll());
    drop(first);
    assert!(!waiting.is_woken(), "that permit is gone");
    handle.update(settings(2).with_wait(9, SECOND));
    assert!(waiting.is_woken());
    assert_pending!(waiting.poll());
    assert_eq!((mock.in_flight(), handle.snapshot().in_use), (2, 2));
    let resized = |from, to| Event::BulkheadResized { layer: "bulkhead", from, to };
    assert_eq!(*heard.lock().expect("unpoisoned"), [resized(2, 1), resized(1, 2)]);
}

#[tokio::test]
async fn observing_counts_and_announces_and_refuses_nobody() {
    let (inner, mock) = callee();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let log = heard.clone();
    let bulkhead =
        Bulkhead::new(settings(1)).observe(move |event: &Event| log.lock().expect("unpoisoned").push(*event));
    let handle = bulkhead.handle();
    handle.observe_only();
    let mut service = Stack::new().bulkhead(bulkhead).service(inner);
    let held = [service.call(1), service.call(1), service.call(1)];
    assert_eq!((mock.in_flight(), handle.snapshot().in_use), (3, 3));
    assert!(matches!(heard.lock().expect("unpoisoned")[..], [Event::WouldRefuse(_), Event::WouldRefuse(_)]));
    handle.automatic();
    assert_eq!(reason(service.call(1).await), Reason::BulkheadFull);
    drop(held);
    assert_eq!(handle.snapshot().in_use, 0);
}

/// A peer reserves the inner service first and queues after: those who queue at one bulkhead hold permits of a pool
/// that another could use. Two tenants over a pool of ten: with ten of the first one's requests queued behind its
/// single permit, the second waited 450 ms for one of nine idle places.
#[tokio::test]
async fn who_waits_at_a_bulkhead_holds_nothing_of_the_pool_behind_it() {
    let pool = GlobalConcurrencyLimitLayer::new(10);
    let (inner, handle) = callee();
    let tenant = |limit| Stack::new().bulkhead(settings(limit).with_wait(99, SECOND)).layer(pool.clone());
    let mut first = tenant(1).service(inner.clone());
    let mut second = tenant(9).service(inner);
    let mut queued: Vec<_> = (0..10).map(|_| task::spawn(first.call(1))).collect();
    for future in &mut queued {
        assert_pending!(future.poll());
    }
    let others: Vec<_> = (0..9).map(|_| second.call(1)).collect();
    assert_eq!((handle.in_flight(), others.len()), (10, 9), "the pool's other nine places are free for the second");
}

/// `usize::MAX` permits were accepted by a peer's builder, and panicked in its `layer()`.
#[tokio::test]
async fn the_largest_numbers_are_as_good_as_any() {
    let (inner, mock) = callee();
    let largest = settings(u32::MAX)
        .try_with_compartments(&[u32::MAX - 1, 1])
        .expect("they add up to the limit")
        .with_wait(u32::MAX, Duration::MAX);
    let bulkhead = Bulkhead::new(largest).weight_by(|_: &u32| u32::MAX).compartment_by(|_: &u32| usize::MAX);
    let handle = bulkhead.handle();
    let mut service = Stack::new().bulkhead(bulkhead).service(inner);
    assert_eq!(reason(service.call(1).await), Reason::BulkheadFull, "all is guaranteed to others");
    handle.update(settings(u32::MAX));
    let _held = service.call(1);
    assert_eq!(mock.in_flight(), 1);
    assert_eq!(handle.snapshot().in_use, u32::MAX);
    assert!(Settings::try_new(0).is_err());
    assert!(settings(3).try_with_compartments(&[u32::MAX, u32::MAX]).is_err());
    assert!(settings(9).try_with_compartments(&[1; 9]).is_err());
}

/// Over tower's own limit under load shedding, an idle clone can hold the only permit for ever: with nothing in
/// flight, a thousand of a thousand fresh clones are shed. A gate reserves nothing before it is called.
#[tokio::test]
async fn idle_clones_hold_nothing() {
    let (inner, handle) = callee();
    let service = Stack::new().bulkhead(settings(1)).service(inner);
    let mut idle: Vec<_> = (0..1000).map(|_| service.clone()).collect();
    for clone in &mut idle {
        std::future::poll_fn(|cx| clone.poll_ready(cx)).await.expect("always ready");
    }
    let _held = service.clone().call(1);
    assert_eq!(handle.in_flight(), 1);
}

/// A waker was dropped under the lock when its waiter left. It may be the last that holds on to a task, and with the
/// task go the calls that this was making: one that waited at the same bulkhead locked the thread out for ever.
#[test]
fn a_waker_may_look_at_the_bulkhead_while_it_is_dropped() {
    struct Curious(bulkhead::Handle);

    impl Wake for Curious {
        fn wake(self: Arc<Self>) {}
    }

    impl Drop for Curious {
        fn drop(&mut self) {
            self.0.snapshot();
        }
    }

    let (done, is_done) = mpsc::channel();
    std::thread::spawn(move || {
        let bulkhead = Bulkhead::new(settings(1).with_wait(9, Duration::MAX));
        let handle = bulkhead.handle();
        let mut service = Stack::new().bulkhead(bulkhead).service(callee().0);
        let _held = service.call(1);
        for polls in 1..3 {
            let mut waiting = Box::pin(service.call(1));
            for _ in 0..polls {
                let waker = Waker::from(Arc::new(Curious(handle.clone())));
                assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            }
            drop(waiting);
        }
        done.send(handle.snapshot().waiting).expect("heard");
    });
    assert_eq!(is_done.recv_timeout(10 * SECOND), Ok(0));
}

/// One who waits for its own compartment, too wide for the common permits, keeps nobody from them. It did when it had
/// the last place of the queue: then nobody else got as far as looking for a permit.
#[tokio::test]
async fn a_full_queue_refuses_nobody_for_whom_there_is_a_permit() {
    let compartments = settings(8).with_wait(1, SECOND).try_with_compartments(&[5]).expect("five of eight");
    let bulkhead = Bulkhead::new(compartments)
        .compartment_by(|ask: &u32| if *ask > 3 { 0 } else { usize::MAX })
        .weight_by(|ask: &u32| *ask);
    let handle = bulkhead.handle();
    let mut service = Stack::new().bulkhead(bulkhead).service(callee().0);
    let _own = service.call(4);
    let wide = service.call(5);
    assert_eq!(handle.snapshot().waiting, 1);
    let _common = service.call(3);
    assert_eq!((handle.snapshot().waiting, handle.snapshot().common.in_use), (1, 3));
    assert_eq!(reason(service.call(1).await), Reason::BulkheadFull, "now there is none");
    drop(wide);
}

/// Those who waited when the bulkhead was told only to observe went on waiting, behind all who came later and were let
/// through, until they were refused.
#[tokio::test(start_paused = true)]
async fn those_who_wait_go_on_when_it_only_observes() {
    let events = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&events);
    let bulkhead = Bulkhead::new(settings(1).with_wait(9, SECOND));
    let handle = bulkhead.handle();
    let stack = Stack::new().bulkhead(bulkhead).observe(move |event: &Event| {
        heard.lock().expect("unpoisoned").push(*event);
    });
    let (inner, mock) = callee();
    let mut service = stack.service(inner);
    let mut held = task::spawn(service.call(1));
    let mut waiting: Vec<_> = (0..3).map(|_| task::spawn(service.call(1))).collect();
    assert_pending!(held.poll());
    waiting.iter_mut().for_each(|waiting| assert_pending!(waiting.poll()));

    handle.observe_only();
    assert_eq!((handle.snapshot().waiting, handle.snapshot().in_use), (0, 4));
    for waiting in &mut waiting {
        assert!(waiting.is_woken());
        assert_pending!(waiting.poll());
    }
    assert_eq!(mock.in_flight(), 4);
    let would_refuse = events.lock().expect("unpoisoned").iter().filter(|e| matches!(e, Event::WouldRefuse(_))).count();
    assert_eq!(would_refuse, 3);

    handle.automatic();
    drop(waiting);
    assert_eq!((reason(service.call(1).await), handle.snapshot().in_use), (Reason::WaitTimeout, 1));
}

#[tokio::test]
async fn nobody_narrow_passes_one_who_is_wide_in_its_own_compartment() {
    let compartments = settings(2).with_wait(9, SECOND).try_with_compartments(&[2]).expect("both");
    let bulkhead = Bulkhead::new(compartments).compartment_by(|_: &u32| 0).weight_by(|ask: &u32| *ask);
    let handle = bulkhead.handle();
    let mut service = Stack::new().bulkhead(bulkhead).service(callee().0);
    let _held = service.call(1);
    let (_wide, _narrow) = (service.call(2), service.call(1));
    assert_eq!((handle.snapshot().in_use, handle.snapshot().waiting), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_does_not_come_first_is_not_the_reason() {
    let deadline = clock::now().after(SECOND);
    let bulkhead = Bulkhead::new(settings(1).with_wait(9, SECOND)).deadline_by(move |_: &u32| Some(deadline));
    let mut service = Stack::new().bulkhead(bulkhead).service(callee().0);
    let _held = service.call(1);
    assert_eq!(reason(service.call(1).await), Reason::WaitTimeout);
}

/// The first waker panicked in the middle of handing over: the permits that were free as well were given to nobody.
#[test]
fn a_waker_that_panics_harms_nobody_else() {
    struct Panicking;

    impl Wake for Panicking {
        fn wake(self: Arc<Self>) {
            panic!("woken");
        }
    }

    let bulkhead = Bulkhead::new(settings(1).with_wait(9, Duration::MAX));
    let handle = bulkhead.handle();
    let mut service = Stack::new().bulkhead(bulkhead).service(callee().0);
    let _held = service.call(1);
    let (mut first, mut second) = (Box::pin(service.call(1)), task::spawn(service.call(1)));
    let waker = Waker::from(Arc::new(Panicking));
    assert!(first.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    assert_pending!(second.poll());
    handle.update(settings(3).with_wait(9, Duration::MAX));
    assert!(second.is_woken());
    assert_eq!((handle.snapshot().in_use, handle.snapshot().waiting), (3, 0));
}

/// A fresh breaker and a fresh retry announce where the old ones do; a fresh bulkhead had forgotten its observer.
#[test]
fn a_fresh_bulkhead_announces_where_the_old_one_does() {
    let resizes = Arc::new(Mutex::new(0));
    let heard = Arc::clone(&resizes);
    let bulkhead = Bulkhead::new(settings(1)).observe(move |_: &Event| *heard.lock().expect("unpoisoned") += 1);
    bulkhead.fresh().handle().update(settings(2));
    assert_eq!((*resizes.lock().expect("unpoisoned"), bulkhead.handle().snapshot().common.capacity), (1, 1));
}

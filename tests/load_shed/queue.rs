//! A surge queue in front of it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
        mpsc,
    },
    time::Duration,
};

use plimsoll::{
    Event, Stack,
    surge_queue::{self, SurgeQueue},
};
use tokio::time::advance;
use tokio_test::{assert_pending, assert_ready_ok, task::Spawn};
use tower::Service;

use crate::{Ask, Hang, SECOND, Script, Takes, call, callee, fixed, held, limits, look};

fn patient() -> surge_queue::Settings {
    surge_queue::Settings::new().try_with_burst(Duration::MAX).expect("valid")
}

/// Nobody is told under the lock of the queue: whoever looks at the queue when the limit moves once waited for ever.
#[tokio::test(start_paused = true)]
async fn may_be_looked_at_by_who_hears_that_the_limit_moved() {
    let script = Script::of(1);
    let (asks, asked) = mpsc::channel::<mpsc::Sender<()>>();
    // A panic in an observer is caught, so it is counted who came through.
    let through = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&through);
    let shed = script.shed(limits(1, 50)).observe(move |event: &Event| {
        if matches!(event, Event::LimitChanged { .. }) {
            let (answer, answered) = mpsc::channel();
            asks.send(answer).expect("the looker is there");
            answered.recv_timeout(Duration::from_secs(10)).expect("the queue is locked");
            counter.fetch_add(1, SeqCst);
        }
    });
    let queue = SurgeQueue::new(patient()).in_front_of(shed);
    let handle = queue.handle();
    // Another thread, so that a lock that is held is found, and not waited for.
    std::thread::spawn(move || {
        while let Ok(answer) = asked.recv() {
            let _ = handle.snapshot();
            let _ = answer.send(());
        }
    });
    let mut service = Stack::new().surge_queue(queue).service(callee());
    let _held = held(&mut service, 2);
    script.limit.store(3, SeqCst);
    advance(SECOND).await;
    let _more = held(&mut service, 1);
    assert_eq!(through.load(SeqCst), 1, "it was looked at, on arrival");
}

/// Nothing ends, and so nobody would look.
#[tokio::test(start_paused = true)]
async fn goes_on_when_the_limit_grows_while_nothing_ends() {
    let script = Script::of(1);
    let queue = SurgeQueue::new(patient()).in_front_of(script.shed(limits(1, 50)));
    let handle = queue.handle();
    let mut service = Stack::new().surge_queue(queue).service(callee());
    let mut calls = held(&mut service, 4);
    assert_eq!(handle.snapshot().waiting, [0, 3, 0, 0]);
    script.limit.store(4, SeqCst);
    advance(SECOND).await;
    let last = held(&mut service, 1);
    assert_eq!(handle.snapshot().waiting, [0, 1, 0, 0], "who came last waits");
    assert!(calls[1..].iter().all(Spawn::is_woken));
    calls.iter_mut().for_each(|call| assert_pending!(call.poll()));
    assert_eq!(handle.limit().handle().snapshot().in_use, 4);
    drop((calls, last));
    let end = handle.limit().handle().snapshot();
    assert_eq!((end.in_use, end.parked, handle.snapshot().waiting), (0, 0, [0; 4]));
}

#[tokio::test(start_paused = true)]
async fn goes_on_when_a_call_that_ends_shows_that_there_is_more_room() {
    let script = Script::of(1);
    let queue = SurgeQueue::new(patient()).in_front_of(script.shed(limits(1, 50)));
    let mut service = Stack::new().surge_queue(queue).service(callee());
    look(&mut service).await;
    let mut calls = held(&mut service, 5);
    script.limit.store(3, SeqCst);
    advance(SECOND).await;
    drop(calls.remove(0));
    assert_eq!(calls.iter().filter(|call| call.is_woken()).count(), 3);
}

/// A queue by itself: its exempt requests neither wait nor count.
#[tokio::test(start_paused = true)]
async fn lets_the_exempt_pass() {
    let queue = SurgeQueue::new(patient()).exempt_by(|ask: &Ask| *ask == Takes(0)).in_front_of(fixed(1));
    let handle = queue.handle();
    let mut service = Stack::new().surge_queue(queue).service(callee());
    let _held = held(&mut service, 2);
    assert_eq!(handle.snapshot().waiting, [0, 1, 0, 0]);
    assert_ready_ok!(call(&mut service, Takes(0)).poll());
    assert_eq!(handle.limit().handle().snapshot().in_use, 1);
    handle.close();
    assert_ready_ok!(call(&mut service, Takes(0)).poll());
}

#[tokio::test(start_paused = true)]
async fn holds_ten_thousand_in_four_megabytes() {
    let wide = patient().try_with_max_waiting(20_000).expect("valid");
    let queue = SurgeQueue::new(wide).in_front_of(fixed(1));
    let handle = queue.handle();
    let mut service = Stack::new().surge_queue(queue).service(callee());
    let _held = held(&mut service, 1);
    let mut calls = Vec::with_capacity(10_000);
    let measured = allocation_counter::measure(|| {
        for _ in 0..10_000 {
            let mut call = Box::pin(service.call(Hang));
            let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(call.as_mut().poll(&mut cx).is_pending());
            calls.push(call);
        }
    });
    assert_eq!(handle.snapshot().waiting, [0, 10_000, 0, 0]);
    let beside = measured.bytes_current - (calls.len() * size_of_val(&*calls[0])) as i64;
    assert!(beside <= 4 << 20, "{beside} bytes beside the futures");
    calls.clear();
    assert_eq!(handle.snapshot().waiting, [0; 4]);
}

//! Tasks and wakers: who is woken, and what is needed of a runtime.

use std::{
    future::Future,
    task::{Context, Poll},
    time::Duration,
};

use plimsoll::{
    Error, Reason, Refusal, Stack,
    testing::{Mock, Readiness, Reply},
};
use tower::Service;

use crate::{
    poll,
    support::{
        clock::Clock,
        flag::Flag,
        kit::{Boom, LIMIT, WAIT, settings},
    },
};

#[test]
fn the_latest_waker_of_a_waiter_is_woken_and_no_other() {
    let (mock, inner) = Mock::<(), u32, Boom>::new(|_, ()| Reply::ok(7).after_wakes(1));
    let mut service = Stack::new().bulkhead(settings(1).with_wait(1, Duration::MAX)).service(mock);
    let (mut first, mut second) = (Box::pin(service.call(())), Box::pin(service.call(())));
    assert!(poll(first.as_mut()).is_pending());
    let flags = [Flag::new(), Flag::new(), Flag::new()];
    for flag in &flags {
        // Polled for nothing, and from another task each time.
        assert!(second.as_mut().poll(&mut Context::from_waker(&flag.waker())).is_pending());
    }
    assert!(inner.wake_one());
    assert!(poll(first.as_mut()).is_ready());
    assert_eq!(flags.map(|flag| flag.wakes()), [0, 0, 1]);
}

#[test]
fn the_latest_waker_hears_that_the_time_is_up() {
    let clock = Clock::new();
    let _entered = clock.enter();
    let full = Stack::new().bulkhead(settings(1).with_wait(1, WAIT));
    let (mock, _) = Mock::<(), u32, Boom>::new(|_, ()| Reply::hang());
    let mut waiting = full.service(mock.clone());
    let _first = waiting.call(());
    let mut hung = Stack::new().timeout(WAIT).service(mock);
    let (mut waits, mut hangs) = (Box::pin(waiting.call(())), Box::pin(hung.call(())));
    let (old, new) = (Flag::new(), Flag::new());
    for flag in [&old, &new] {
        let waker = flag.waker();
        assert!(waits.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        assert!(hangs.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    clock.advance(2 * WAIT);
    assert_eq!((old.wakes(), new.wakes()), (0, 2));
    let reason = |polled: Poll<Result<u32, Error<Boom>>>| match polled {
        Poll::Ready(Err(error)) => error.rejection().map(|rejection| rejection.reason()),
        other => panic!("{other:?}"),
    };
    assert_eq!(reason(poll(waits.as_mut())), Some(Reason::WaitTimeout));
    assert_eq!(reason(poll(hangs.as_mut())), Some(Reason::Timeout));
}

#[test]
fn a_spurious_poll_of_whoever_waits_for_readiness_reaches_the_inner_service() {
    let (mock, inner) = Mock::<(), u32, Boom>::new(|_, ()| Reply::ok(7));
    let mock = mock.with_readiness(|asked| if asked < 4 { Readiness::Wake } else { Readiness::Ready });
    let mut service = Stack::new().bulkhead(settings(1)).service(mock);
    let mut future = Box::pin(service.call(()));
    let flags = [Flag::new(), Flag::new(), Flag::new()];
    for flag in &flags {
        assert!(future.as_mut().poll(&mut Context::from_waker(&flag.waker())).is_pending());
    }
    while inner.wake_one() {}
    assert!(flags.iter().all(|flag| flag.wakes() == 1));
    assert_eq!(poll(future.as_mut()), Poll::Ready(Ok(7)));
}

#[test]
fn no_runtime_is_needed_where_no_timer_is_set() {
    let stack = Stack::new().timeout(Duration::MAX).bulkhead(settings(1).with_wait(1, Duration::MAX)).timeout(LIMIT);
    let (mock, _) = Mock::<(), u32, Boom>::new(|_, ()| Reply::ok(7));
    let mut service = stack.service(mock);
    let (first, mut second) = (service.call(()), Box::pin(service.call(())));
    assert!(poll(second.as_mut()).is_pending());
    assert_eq!(poll(Box::pin(first).as_mut()), Poll::Ready(Ok(7)));
    assert_eq!(poll(second.as_mut()), Poll::Ready(Ok(7)));
}

#[tokio::test(start_paused = true)]
async fn no_task_is_spawned() {
    let stack = Stack::new().timeout(LIMIT).bulkhead(settings(1).with_wait(1, WAIT)).timeout(WAIT);
    let (mock, _) = Mock::<(), u32, Boom>::new(|_, ()| Reply::ok(7).after(Duration::from_secs(1)));
    let mut service = stack.service(mock);
    let (first, second) = (service.call(()), service.call(()));
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let watched = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        tasks()
    };
    let (first, second, meanwhile) = tokio::join!(first, second, watched);
    assert_eq!((first, second, meanwhile, tasks()), (Ok(7), Ok(7), 0, 0));
}

//! Gates of a user's making: one that waits, one that panics, one that listens.

use std::{
    future::Future,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use plimsoll::{
    Reason, Refusal, Rejection, Stack,
    bulkhead::Bulkhead,
    clock::{Instant, Moment},
    gate::{Admission, Ending, Gate},
    testing::{Mock, Reply},
};
use tokio_test::{assert_pending, task};
use tower::{Service, ServiceExt};

use crate::{Verdicts, one};

/// A gate that is never done waiting, and wants to be asked again at once.
struct Restless(Arc<AtomicU32>);

impl Gate<()> for Restless {
    type Permit = ();
    type Wait = ();

    fn admit(&self, (): &(), _: &Moment) -> Admission<(), ()> {
        Admission::Waiting(())
    }

    fn poll_wait(&self, (): &mut (), (): &(), _: &Moment, _: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
        assert!(self.0.fetch_add(1, Relaxed) < 10, "asked on and on");
        Poll::Pending
    }

    fn wait_until(&self, (): &()) -> Instant {
        Instant::from_nanos(0)
    }

    fn settle(&self, (): (), _: Ending, _: &Moment) {}
}

#[tokio::test]
async fn a_gate_is_asked_once_for_each_time_that_it_names() {
    let asked = Arc::new(AtomicU32::new(0));
    let (inner, _) = Mock::answering(|(): &()| Ok::<(), io::Error>(()));
    let mut waiting = task::spawn(Stack::new().gate(Restless(asked.clone())).service(inner).oneshot(()));
    for _ in 0..3 {
        assert_pending!(waiting.poll());
    }
    assert_eq!(asked.load(Relaxed), 4, "at each poll, and when the time was up");
}

/// A gate that panics when it is asked.
struct Panicking;

impl Gate<()> for Panicking {
    type Permit = ();
    type Wait = ();

    fn admit(&self, (): &(), _: &Moment) -> Admission<(), ()> {
        panic!("scripted")
    }

    fn settle(&self, (): (), _: Ending, _: &Moment) {}
}

/// It was pending for ever, where its page says that it panics.
#[test]
fn a_call_that_panicked_between_two_gates_panics_when_it_is_polled_again() {
    let bulkhead = Bulkhead::new(one().with_wait(1, Duration::MAX));
    let handle = bulkhead.handle();
    let (inner, _) = Mock::answering(|(): &()| Ok::<(), io::Error>(()));
    let mut service = Stack::new().bulkhead(bulkhead.clone()).gate(Panicking).service(inner.clone());
    let held = Stack::new().bulkhead(bulkhead).service(inner).call(());
    let mut waiting = Box::pin(service.call(()));
    let mut poll = || catch_unwind(AssertUnwindSafe(|| waiting.as_mut().poll(&mut Context::from_waker(Waker::noop()))));
    assert!(poll().is_ok_and(|polled| polled.is_pending()));
    drop(held);
    assert!(poll().is_err());
    assert_eq!(handle.snapshot().in_use, 0);
    assert!(poll().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_gate_learns_that_a_wait_further_in_ended_in_a_refusal() {
    let verdicts = Verdicts::default();
    let bulkhead = Bulkhead::new(one().with_wait(1, Duration::from_secs(1)));
    let (inner, _) = Mock::new(|_, (): &()| Reply::<(), io::Error>::hang());
    let held = Stack::new().bulkhead(bulkhead.clone()).service(inner.clone()).call(());
    let service = Stack::new().gate(verdicts.clone()).bulkhead(bulkhead).service(inner);
    let refused = service.oneshot(()).await.expect_err("the wait is over");
    assert!(refused.rejection().is_some_and(|rejection| rejection.reason() == Reason::WaitTimeout));
    assert_eq!(*verdicts.0.lock().expect("unpoisoned"), [Ending::Undispatched]);
    drop(held);
}

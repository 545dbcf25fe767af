//! Inner services that are late, or never there.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

use plimsoll::{
    Error, Reason, Refusal, Stack,
    bulkhead::Bulkhead,
    testing::{Mock, Readiness},
};
use tower::Service;

use crate::{
    Scripted, poll,
    support::kit::{Boom, LIMIT, settings},
};

fn service(readiness: impl Fn(usize) -> Readiness<Boom> + Send + Sync + 'static) -> Scripted {
    Mock::answering(|(): &()| Ok(7)).0.with_readiness(readiness)
}

#[test]
fn a_gate_over_a_service_that_is_never_ready_is_ready_and_gives_its_permit_back() {
    let bulkhead = Bulkhead::new(settings(1));
    let handle = bulkhead.handle();
    let mut gated = Stack::new().bulkhead(bulkhead).service(service(|_| Readiness::Wake));
    assert!(matches!(
        Service::<()>::poll_ready(&mut gated, &mut Context::from_waker(Waker::noop())),
        Poll::Ready(Ok(()))
    ));
    let mut future = Box::pin(gated.call(()));
    for _ in 0..5 {
        assert!(poll(future.as_mut()).is_pending());
        assert_eq!(handle.snapshot().in_use, 1);
    }
    drop(future);
    assert_eq!(handle.snapshot().in_use, 0);
}

#[test]
fn a_timeout_over_a_service_that_is_never_ready_is_not_ready() {
    let mut timeout = Stack::new().timeout(LIMIT).service(service(|_| Readiness::Wake));
    let mut cx = Context::from_waker(Waker::noop());
    assert!((0..5).all(|_| Service::<()>::poll_ready(&mut timeout, &mut cx).is_pending()));
}

#[tokio::test(start_paused = true)]
async fn a_timeout_over_a_gate_bounds_the_wait_for_readiness() {
    let stack = Stack::new().timeout(LIMIT).bulkhead(settings(1));
    let mut hung = stack.service(service(|_| Readiness::Wake));
    let error = hung.call(()).await.expect_err("never ready");
    assert_eq!(error.rejection().map(|rejection| rejection.reason()), Some(Reason::Timeout));
}

#[test]
fn a_service_that_is_ready_after_many_polls_is_called_then() {
    let mut gated = Stack::new().bulkhead(settings(1)).service(service(|asked| match asked {
        0..10 => Readiness::Yield,
        _ => Readiness::Ready,
    }));
    let mut future = Box::pin(gated.call(()));
    let pending = std::iter::repeat_with(|| poll(future.as_mut())).take_while(Poll::is_pending).count();
    assert_eq!(pending, 9, "the first question was asked in `call`");
}

#[test]
fn a_service_that_failed_to_become_ready_is_discarded_and_the_next_call_succeeds() {
    let bulkhead = Bulkhead::new(settings(1));
    let handle = bulkhead.handle();
    let once = service(|asked| if asked == 0 { Readiness::Fail(Boom) } else { Readiness::Ready });
    let mut gated = Stack::new().bulkhead(bulkhead).service(once);
    assert_eq!(poll(pin!(gated.call(()))), Poll::Ready(Err(Error::Inner(Boom))));
    assert_eq!(handle.snapshot().in_use, 0);
    assert_eq!(poll(pin!(gated.call(()))), Poll::Ready(Ok(7)));
}

/// Tower's limit keeps its permit when what is below it fails to become ready. A gate that kept that instance kept
/// the permit, idle, and every other clone waited for it for ever.
#[test]
fn a_gate_keeps_no_reservation_of_a_service_that_failed() {
    let limit = tower::limit::GlobalConcurrencyLimitLayer::new(1);
    let once = service(|asked| if asked == 0 { Readiness::Fail(Boom) } else { Readiness::Ready });
    let mut failed = Stack::new().bulkhead(settings(2)).layer(limit).service(once);
    let mut other = failed.clone();
    assert_eq!(poll(pin!(failed.call(()))), Poll::Ready(Err(Error::Inner(Boom))));
    assert_eq!(poll(pin!(other.call(()))), Poll::Ready(Ok(7)));
}

#[test]
fn a_timeout_passes_a_failure_of_readiness_through_and_is_ready_once_its_service_is() {
    let once = service(|asked| if asked == 0 { Readiness::Fail(Boom) } else { Readiness::Ready });
    let mut timeout = Stack::new().timeout(LIMIT).service(once);
    let mut cx = Context::from_waker(Waker::noop());
    assert_eq!(Service::<()>::poll_ready(&mut timeout, &mut cx), Poll::Ready(Err(Error::Inner(Boom))));
    assert_eq!(Service::<()>::poll_ready(&mut timeout, &mut cx), Poll::Ready(Ok(())));
    assert_eq!(poll(pin!(timeout.call(()))), Poll::Ready(Ok(7)));
}

/// A task that is out of tokio's budget is told that a resource is not ready, though it is. Tower's load shedder sheds
/// then; a gate asks again.
#[tokio::test]
async fn a_service_that_is_pending_for_want_of_budget_is_not_refused() {
    #[derive(Clone)]
    struct Budgeted;

    impl Service<()> for Budgeted {
        type Response = u32;
        type Error = Boom;
        type Future = std::future::Ready<Result<u32, Boom>>;

        fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Boom>> {
            pin!(tokio::task::consume_budget()).poll(cx).map(Ok)
        }

        fn call(&mut self, (): ()) -> Self::Future {
            std::future::ready(Ok(7))
        }
    }

    let mut gated = Stack::new().bulkhead(settings(1)).service(Budgeted);
    let mut shedding = tower::load_shed::LoadShed::new(Budgeted);
    let answers = tokio::spawn(async move {
        while poll(pin!(tokio::task::consume_budget())).is_ready() {}
        assert!(Service::<()>::poll_ready(&mut shedding, &mut Context::from_waker(Waker::noop())).is_ready());
        let shed = shedding.call(());
        let answered = gated.call(()).await;
        (shed.await.is_err(), answered)
    });
    assert_eq!(answers.await.expect("no panic"), (true, Ok(7)));
}

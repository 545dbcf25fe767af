//! What is a sample of how the callee does, and what is none.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
};

use plimsoll::{
    Error, Outcome, Stack,
    classify::Failure,
    clock,
    load_shed::{Bottleneck, Handle},
};
use tokio::time::advance;
use tower::Service;

use crate::{Ask, Fail, Hang, MILLI, Panic, SECOND, Script, Seen, Takes, call, callee, held, limits, look};

/// A service whose mean is known to be 100 ms, and its script.
async fn known() -> (impl Service<Ask, Response = (), Error = Error<io::Error>>, Script, Handle) {
    let script = Script::of(50);
    let (mut service, handle) = behind!(script.shed(limits(50, 50)));
    for _ in 0..5 {
        service.call(Takes(100)).await.expect("answered");
    }
    look(&mut service).await;
    let seen = script.seen();
    assert!(seen.calls >= 4, "all but what ended before the first window: {seen:?}");
    assert!(handle.snapshot().latency.is_some());
    (service, script, handle)
}

#[tokio::test(start_paused = true)]
async fn is_a_call_given_up_on_after_the_mean_and_not_one_before() {
    let (mut service, script, _) = known().await;
    let early = held(&mut service, 3);
    advance(60 * MILLI).await;
    drop(early);
    look(&mut service).await;
    assert_eq!(script.seen().calls, 0);
    let late = held(&mut service, 3);
    advance(150 * MILLI).await;
    drop(late);
    look(&mut service).await;
    assert_eq!(script.seen().calls, 3);
}

#[tokio::test(start_paused = true)]
async fn is_no_call_given_up_on_while_nothing_is_known() {
    let script = Script::of(5);
    let (mut service, _) = behind!(script.shed(limits(5, 50)));
    look(&mut service).await;
    let calls = held(&mut service, 3);
    advance(100 * SECOND).await;
    drop(calls);
    look(&mut service).await;
    assert_eq!(script.seen(), Seen::default());
}

#[tokio::test(start_paused = true)]
async fn is_no_failure_and_no_panic() {
    let (mut service, script, handle) = known().await;
    for _ in 0..5 {
        assert!(service.call(Fail).await.is_err());
        let mut panics = call(&mut service, Panic);
        assert!(catch_unwind(AssertUnwindSafe(|| panics.poll())).is_err());
    }
    look(&mut service).await;
    assert_eq!((script.seen(), handle.snapshot().in_use), (Seen::default(), 0));
}

#[tokio::test(start_paused = true)]
async fn is_no_overload_further_in_which_is_counted_by_itself() {
    for failure in [Failure::Overload, Failure::Throttled(Some(SECOND)), Failure::Timeout, Failure::Transient] {
        let script = Script::of(5);
        let judge = move |result: Result<&(), &Error<io::Error>>| match result {
            Ok(()) => Outcome::Success,
            Err(_) => Outcome::Failure(failure),
        };
        let shed = script.shed(limits(5, 50));
        let mut service = Stack::new().classify(judge).load_shed(shed).service(callee());
        look(&mut service).await;
        let seen = script.seen();
        let counted = failure != Failure::Transient;
        assert_eq!((seen.calls, seen.overloads > 0), (0, counted), "{failure:?}: {seen:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn is_no_timeout_further_in_which_is_an_overload() {
    let script = Script::of(5);
    let shed = script.shed(limits(5, 50));
    let mut service = Stack::new().load_shed(shed).timeout(SECOND).service(callee());
    look(&mut service).await;
    assert!(service.call(Hang).await.is_err());
    look(&mut service).await;
    assert_eq!(script.seen(), Seen { calls: 0, overloads: 1, patience: None });
}

#[tokio::test(start_paused = true)]
async fn knows_how_long_callers_wait_where_the_bottleneck_is_private() {
    let private = limits(5, 50).with_bottleneck(Bottleneck::Private);
    for (settings, patience) in [(private, Some(3 * SECOND)), (limits(5, 50), None)] {
        let script = Script::of(5);
        let shed = script.shed(settings);
        let handle = shed.handle();
        let mut service = Stack::new().timeout(3 * SECOND).load_shed(shed).service(callee());
        look(&mut service).await;
        assert_eq!(script.seen().patience, patience);
        handle.update(limits(5, 50));
        look(&mut service).await;
        assert_eq!(script.seen().patience, None, "once it is private no more, that is forgotten");
    }
    let script = Script::of(5);
    let shed = script.shed(private).deadline_by(|_: &Ask| Some(clock::now().after(7 * SECOND)));
    let mut service = Stack::new().load_shed(shed).service(callee());
    look(&mut service).await;
    assert_eq!(script.seen().patience, Some(7 * SECOND), "and by requests' deadlines");
}

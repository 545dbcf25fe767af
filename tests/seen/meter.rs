use std::{
    io,
    sync::{Arc, Mutex},
    task::{Context, Waker},
    time::Duration,
};

use futures_util::FutureExt;
use plimsoll::{
    Error, Event, Outcome, Stack, bulkhead,
    classify::Failure,
    event::Ended,
    meter::{Meter, MeterLayer, Settings},
    testing::{Mock, Reply},
};
use tower::{Layer, Service, ServiceExt};

use crate::{Ask, MS, hanging, obedient, one};

#[tokio::test(start_paused = true)]
async fn every_way_to_end_is_counted_once() {
    let meter = Meter::new("m");
    let handle = meter.handle();
    let stack = Stack::new().metered(meter).bulkhead(one());
    let service = stack.service(obedient());
    let call = |ask| service.clone().oneshot(ask);
    assert!(call(Ask::Answer(3 * MS)).await.is_ok());
    assert!(call(Ask::Answer(40 * MS)).await.is_ok());
    assert!(call(Ask::Fail(6 * MS)).await.is_err());
    assert!(tokio::spawn(call(Ask::Panic)).await.is_err_and(|error| error.is_panic()));
    let mut held = Box::pin(call(Ask::Hang));
    assert!(held.as_mut().poll_unpin(&mut Context::from_waker(Waker::noop())).is_pending());
    assert!(call(Ask::Hang).await.is_err(), "the bulkhead right behind refuses");
    assert_eq!((handle.snapshot().active, handle.snapshot().calls()), (1, 5));
    drop(held);

    let counted = handle.snapshot();
    let ended = [
        (Ended::Succeeded, 2),
        (Ended::Failed(Failure::Transient), 1),
        (Ended::Failed(Failure::Timeout), 0),
        (Ended::Ignored, 0),
        (Ended::Panicked, 1),
        (Ended::Cancelled, 1),
        (Ended::Undispatched, 1),
    ];
    for (ended, count) in ended {
        assert_eq!(counted.ended(ended), count, "{ended:?}");
    }
    assert_eq!((counted.active, counted.calls()), (0, 6));
    assert_eq!((counted.successes.count(), counted.successes.sum()), (2, 43 * MS));
    assert_eq!((counted.failures.count(), counted.failures.sum()), (1, 6 * MS));
}

/// What a judge says counts, by its kind.
#[tokio::test(start_paused = true)]
async fn failures_are_told_apart_by_their_kind() {
    let meter = Meter::new("m");
    let handle = meter.handle();
    let stack = Stack::new()
        .classify(|result: Result<&u16, &Error<io::Error>>| match result {
            Ok(429) => Outcome::Failure(Failure::Throttled(Some(MS))),
            Ok(503) => Outcome::Failure(Failure::Overload),
            Ok(504) => Outcome::Failure(Failure::Timeout),
            Ok(100) => Outcome::Ignored,
            _ => Outcome::Success,
        })
        .metered(meter);
    let service = stack.service(Mock::answering(|status: &u16| Ok::<_, io::Error>(*status)).0);
    for status in [429, 429, 503, 504, 100, 200] {
        assert!(service.clone().oneshot(status).await.is_ok());
    }
    let counted = handle.snapshot();
    let throttled = [None, Some(MS)].map(|after| counted.ended(Ended::Failed(Failure::Throttled(after))));
    assert_eq!(throttled, [2, 2], "whatever was asked for");
    assert_eq!(counted.ended(Ended::Failed(Failure::Overload)), 1);
    assert_eq!((counted.ended(Ended::Ignored), counted.ended(Ended::Succeeded), counted.failures.count()), (1, 1, 4));
}

/// It stands in front of a queue: the wait is what callers wait.
#[tokio::test(start_paused = true)]
async fn waiting_behind_a_meter_is_timed_too() {
    let meter = Meter::new("m");
    let handle = meter.handle();
    let waiting = bulkhead::Settings::try_new(1).expect("not zero").with_wait(9, Duration::MAX);
    let service = Stack::new().metered(meter).bulkhead(waiting).service(obedient());
    let call = || service.clone().oneshot(Ask::Answer(10 * MS));
    let (first, second) = tokio::join!(call(), call());
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(handle.snapshot().successes.sum(), 30 * MS);
}

#[tokio::test(start_paused = true)]
async fn a_meter_changes_while_calls_are_under_way_and_keeps_what_it_has() {
    let meter = Meter::new("m");
    let handle = meter.handle();
    let service = Stack::new().metered(meter.clone()).service(obedient());
    let call = |after| service.clone().oneshot(Ask::Answer(after));
    let mut timed = Box::pin(call(5 * MS));
    assert!(timed.as_mut().poll_unpin(&mut Context::from_waker(Waker::noop())).is_pending());
    handle.update(Settings::from("renamed").without_times());
    assert!(timed.await.is_ok());
    let mut untimed = Box::pin(call(5 * MS));
    assert!(untimed.as_mut().poll_unpin(&mut Context::from_waker(Waker::noop())).is_pending());
    handle.update(Settings::new());
    assert!(untimed.await.is_ok());
    let counted = handle.snapshot();
    assert_eq!((counted.ended(Ended::Succeeded), counted.successes.count()), (2, 1));
    assert_eq!(counted.settings, Settings::new().with_name("m"), "the name stays");
    assert_eq!(meter.fresh().handle().snapshot().calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn each_call_is_announced_if_that_is_asked_for() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&heard);
    let meter = Meter::new(Settings::from("m").with_events());
    let handle = meter.handle();
    let stack = Stack::new().metered(meter).observe(move |event: &Event| log.lock().expect("unpoisoned").push(*event));
    let service = stack.service(obedient());
    assert!(service.clone().oneshot(Ask::Answer(7 * MS)).await.is_ok());
    assert!(service.clone().oneshot(Ask::Fail(MS)).await.is_err());
    handle.update(Settings::new());
    assert!(service.oneshot(Ask::Answer(MS)).await.is_ok());
    let layer = "m";
    let expected = [
        Event::Admitted { layer },
        Event::Settled { layer, ended: Ended::Succeeded, after: 7 * MS },
        Event::Admitted { layer },
        Event::Settled { layer, ended: Ended::Failed(Failure::Transient), after: MS },
    ];
    assert_eq!(*heard.lock().expect("unpoisoned"), expected);
}

#[tokio::test(start_paused = true)]
async fn a_meter_alone_is_a_layer() {
    let meter = Meter::new("m");
    let handle = meter.handle();
    let (inner, _) = Mock::new(|_, (): &()| Reply::<(), Error<io::Error>>::ok(()));
    MeterLayer::new(meter).layer(inner).call(()).await.expect("an answer");
    assert_eq!(handle.snapshot().calls(), 1);
    let _never_polled = Stack::new().metered("other").service(hanging()).call(());
}

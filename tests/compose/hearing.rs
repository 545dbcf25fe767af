//! Who hears what: observers, and the judge of a stack.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use plimsoll::{
    Error, Event, Outcome, Stack,
    bulkhead::{self, Bulkhead},
    classify::Failure,
    gate::Ending,
    load_shed::{self, LoadShed},
    surge_queue::{self, SurgeQueue},
    testing::{Mock, Reply},
};
use tower::{Layer, Service, ServiceExt};

use crate::{Verdicts, one, refusal};

/// What overload control is made of may be looked at, and shares its state however often it is layered.
#[tokio::test(start_paused = true)]
async fn both_parts_of_overload_control_are_heard_and_shared() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (inner, _) = Mock::new(|_, (): &()| Reply::<(), io::Error>::hang());
    let shed = LoadShed::with_rule(load_shed::Settings::new(), load_shed::Fixed::new);
    let handle = shed.handle();
    let queue = SurgeQueue::new(surge_queue::Settings::new().try_with_max_waiting(1).expect("valid"));
    let log = heard.clone();
    let stack = Stack::new()
        .overload_control(queue, shed)
        .observe(move |event: &Event| log.lock().expect("unpoisoned").push(event.layer()));
    let mut services = [stack.service(inner.clone()), stack.clone().service(inner)];
    handle.update(load_shed::Settings::new().try_with_limits(1, 1).expect("valid"));
    let held: Vec<_> = services.iter_mut().map(|service| service.call(())).collect();
    assert_eq!(handle.snapshot().in_use, 1, "the other one waits");
    assert!(services[0].call(()).await.is_err());
    assert_eq!(*heard.lock().expect("unpoisoned"), ["load_shed", "surge_queue"]);
    drop(held);
    assert_eq!(handle.snapshot().in_use, 0);
}

#[tokio::test(start_paused = true)]
async fn one_observer_hears_all_rooms_before_and_after_it() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (inner, _) = Mock::new(|_, (): &()| Reply::<(), io::Error>::hang());
    let log = heard.clone();
    let stack = Stack::new()
        .timeout(Duration::from_secs(1))
        .observe(move |event: &Event| log.lock().expect("unpoisoned").push((event.layer(), *event)))
        .bulkhead(one());
    let service = stack.service(inner);
    refusal(service.clone()).await;
    assert!(service.oneshot(()).await.is_err());
    let heard: Vec<_> = heard.lock().expect("unpoisoned").iter().map(|(layer, _)| *layer).collect();
    assert_eq!(heard, ["bulkhead", "timeout"]);
}

/// The observer given to a room heard all of it but the refusals, which the layer around it announced to nobody. Where
/// the layer was given one of its own, that one hears of them.
#[tokio::test]
async fn a_room_alone_tells_its_own_observer_of_refusals_unless_its_layer_has_one() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = |who: &'static str| {
        let log = heard.clone();
        move |event: &Event| log.lock().expect("unpoisoned").push((who, event.layer()))
    };
    let layer = || bulkhead::BulkheadLayer::new(Bulkhead::new(one()).observe(hears("room")));
    let inner = || Mock::new(|_, (): &()| Reply::<(), Error<io::Error>>::hang()).0;
    refusal(layer().layer(inner())).await;
    refusal(layer().observe(hears("layer")).layer(inner())).await;
    assert_eq!(*heard.lock().expect("unpoisoned"), [("room", "bulkhead"), ("layer", "bulkhead")]);
}

#[tokio::test]
async fn the_judge_of_a_stack_is_heeded_by_the_rooms_after_it() {
    let (before, after) = (Verdicts::default(), Verdicts::default());
    let stack = Stack::new()
        .gate(before.clone())
        .classify(|result: Result<&u16, &Error<io::Error>>| match result {
            Ok(500..) => Outcome::Failure(Failure::Overload),
            _ => Outcome::Success,
        })
        .gate(after.clone());
    let (inner, _) = Mock::answering(|(): &()| Ok::<u16, io::Error>(503));
    stack.service(inner).oneshot(()).await.expect("an answer");
    assert_eq!(*before.0.lock().expect("unpoisoned"), [Ending::Finished(Outcome::Success)]);
    assert_eq!(*after.0.lock().expect("unpoisoned"), [Ending::Finished(Outcome::Failure(Failure::Overload))]);
}

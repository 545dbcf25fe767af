use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
};

use plimsoll::{
    Event, Observer, Reason, Stack,
    bulkhead::Bulkhead,
    circuit_breaker::{self, CircuitBreaker},
    control::Snapshot,
    retry,
    telemetry::{Counters, Metric, Number},
    testing::{Mock, Reply},
};
use tower::{Service, ServiceExt};

use crate::{MS, hanging, one};

fn count(snapshot: &Snapshot, label: &str, metric: Metric, value: &str) -> u64 {
    match snapshot.layer(label).and_then(|layer| layer.number(metric, value)) {
        Some(Number::Counter(count)) => *count,
        _ => 0,
    }
}

#[tokio::test(start_paused = true)]
async fn a_counted_stack_tells_refusals_trips_and_retries_of_each_layer_once() {
    let stack = Stack::new()
        .timeout(MS)
        .counted()
        .retry(retry::Settings::new().with_name("again"))
        .circuit_breaker(circuit_breaker::Settings::new());
    let (mock, _) = Mock::new(
        |call, (): &()| if call < 40 { Reply::<(), _>::err(io::Error::other("down")) } else { Reply::hang() },
    );
    let service = stack.service(mock);
    for _ in 0..12 {
        assert!(service.clone().oneshot(()).await.is_err());
    }
    let snapshot = stack.control().snapshot();
    let count = |label, metric, value| count(&snapshot, label, metric, value);
    // After one failure of each, the retry would wait for longer than the call may take, until the circuit opens.
    assert_eq!(count("circuit_breaker", Metric::CircuitChanges, "consecutive_failures"), 1);
    assert_eq!(count("circuit_breaker", Metric::Refusals, "circuit_open"), 2);
    let stops =
        ["attempts", "budget", "deadline", "not_retryable"].map(|stop| count("again", Metric::RetryStops, stop));
    assert_eq!(stops.iter().sum::<u64>() + count("timeout", Metric::Refusals, "timeout"), 10, "{stops:?}");
}

/// Who counts is nobody's observer: both a room's own and the stack's hear what they heard before.
#[tokio::test(start_paused = true)]
async fn counting_takes_no_observers_place() {
    let heard = [0; 2].map(|_: u32| Arc::new(AtomicU32::new(0)));
    let [own, stacks] = heard.each_ref().map(|heard| {
        let heard = Arc::clone(heard);
        move |_: &Event| {
            heard.fetch_add(1, SeqCst);
        }
    });
    let held = CircuitBreaker::new(circuit_breaker::Settings::new()).observe(own);
    let handle = held.handle();
    let stack = Stack::new().circuit_breaker(held).bulkhead(one()).observe(stacks).counted();
    handle.force_closed();
    let mut service = stack.service(hanging());
    let _held = service.call(());
    assert!(service.call(()).await.is_err());
    assert_eq!(heard.each_ref().map(|heard| heard.load(SeqCst)), [1, 1]);
    let snapshot = stack.control().snapshot();
    assert_eq!(count(&snapshot, "circuit_breaker", Metric::Holds, "closed"), 1, "of a room with its own observer too");
    assert_eq!(count(&snapshot, "bulkhead", Metric::Refusals, "bulkhead_full"), 1);
}

/// A bulkhead alone in its group, with its own observer, in a stack that nobody observes: the observer went without what
/// the counters were told.
#[tokio::test(start_paused = true)]
async fn a_gate_alone_tells_its_observer_and_the_counters() {
    let heard = Arc::new(AtomicU32::new(0));
    let hears = Arc::clone(&heard);
    let bulkhead = Bulkhead::new(one()).observe(move |_: &Event| {
        hears.fetch_add(1, SeqCst);
    });
    let layer = plimsoll::bulkhead::BulkheadLayer::new(bulkhead.clone());
    let stack = Stack::new().counted().bulkhead(bulkhead);
    let mut service = stack.service(hanging());
    let _held = service.call(());
    assert!(service.call(()).await.is_err());
    assert_eq!(count(&stack.control().snapshot(), "bulkhead", Metric::Refusals, "bulkhead_full"), 1);
    assert_eq!(heard.load(SeqCst), 0, "a group in a stack announces to the stack");
    let mut alone =
        tower::Layer::layer(&layer, Mock::new(|_, (): &()| Reply::<(), plimsoll::Error<io::Error>>::hang()).0);
    assert!(alone.call(()).await.is_err());
    assert_eq!(heard.load(SeqCst), 1);
}

/// A clone that counts from later on counts what the other counts.
#[tokio::test(start_paused = true)]
async fn clones_count_together_whoever_asked_first() {
    let stack = Stack::new().bulkhead(one());
    let (first, second) = (stack.clone().counted(), stack.timeout(MS).counted());
    let mut service = first.service(hanging());
    let _held = service.call(());
    assert!(service.call(()).await.is_err());
    for stack in [first.control(), second.control(), second.counted().control()] {
        assert_eq!(count(&stack.snapshot(), "bulkhead", Metric::Refusals, "bulkhead_full"), 1);
    }
}

/// A gate of a user's own that refuses under a name which no layer has.
#[tokio::test(start_paused = true)]
async fn refusals_of_strangers_are_counted_as_others() {
    let stack = Stack::new().gate(Shut).counted();
    for _ in 0..3 {
        assert!(stack.service(hanging()).oneshot(()).await.is_err());
    }
    let snapshot = stack.control().snapshot();
    assert_eq!(count(&snapshot, "other", Metric::Refusals, "custom"), 3);
    assert_eq!(snapshot.layers.len(), 2, "nothing is told of others where there was nothing");
    assert_eq!(Stack::new().gate(Shut).counted().control().snapshot().layers.len(), 1);
}

struct Shut;

impl plimsoll::Gate<()> for Shut {
    type Permit = ();
    type Wait = plimsoll::gate::Never;

    fn admit(&self, (): &(), _: &plimsoll::clock::Moment) -> plimsoll::gate::Admission<(), Self::Wait> {
        plimsoll::gate::Admission::Refused(plimsoll::Rejection::new(Reason::Custom, "nobody knows me"))
    }

    fn settle(&self, (): (), _: plimsoll::gate::Ending, _: &plimsoll::clock::Moment) {}
}

/// Of two stacks that were shown together only what the outer one counted was told: an inner one of a route of its own had a
/// limit, and no refusals.
#[tokio::test(start_paused = true)]
async fn stacks_that_are_shown_together_are_told_each_with_its_own_counts() {
    let stack = || Stack::new().bulkhead(one()).gate(Shut).counted();
    let (outer, inner, third) = (Stack::new().bulkhead(one()).counted(), stack(), stack());
    for (service, refusals) in [(inner.service(hanging()), 2), (third.service(hanging()), 3)] {
        for _ in 0..refusals {
            assert!(service.clone().oneshot(()).await.is_err());
        }
    }
    let mut full = outer.service(hanging());
    let _held = full.call(());
    assert!(full.call(()).await.is_err());
    let pair = inner.control().and(&third.control());
    for registry in [outer.control().and(&pair), outer.control().and(&pair).and(&inner.control()).and(&outer.control())]
    {
        let snapshot = registry.snapshot();
        let refused = |label, reason| count(&snapshot, label, Metric::Refusals, reason);
        assert_eq!((refused("bulkhead", "bulkhead_full"), refused("bulkhead#2", "bulkhead_full")), (1, 0));
        assert_eq!((refused("other", "custom"), refused("other#2", "custom")), (2, 3));
        let mut labels: Vec<_> = snapshot.layers.iter().map(|layer| layer.label.clone()).collect();
        labels.sort();
        labels.dedup();
        assert_eq!(labels.len(), snapshot.layers.len(), "each by a label of its own");
    }
    let uncounted = outer.control().and(&Stack::new().bulkhead(one().with_name("plain")).control()).snapshot();
    assert_eq!(count(&uncounted, "bulkhead", Metric::Refusals, "bulkhead_full"), 1);
    let alone = Stack::new().metered("m").control().and(&pair).snapshot();
    assert_eq!(count(&alone, "other#2", Metric::Refusals, "custom"), 3);
}

/// Layers of the same name in two stacks: each has the refusals of its own.
#[tokio::test(start_paused = true)]
async fn of_two_stacks_shown_together_each_layer_has_its_own_refusals() {
    let stacks = [(); 2].map(|()| Stack::new().bulkhead(one()).counted());
    for (stack, refusals) in stacks.iter().zip([1, 2]) {
        let mut service = stack.service(hanging());
        let _held = service.call(());
        for _ in 0..refusals {
            assert!(service.call(()).await.is_err());
        }
    }
    let snapshot = stacks[0].control().and(&stacks[1].control()).snapshot();
    let refused = |label| count(&snapshot, label, Metric::Refusals, "bulkhead_full");
    assert_eq!((refused("bulkhead"), refused("bulkhead#2"), snapshot.layers.len()), (1, 2, 2));
}

#[tokio::test(start_paused = true)]
async fn one_set_of_counters_may_count_for_several() {
    let counters = Counters::for_layers(["a", "b"]);
    let heard = Arc::new(AtomicU32::new(0));
    for name in ["a", "b", "b"] {
        let hears = Arc::clone(&heard);
        let observer = counters.clone().and(move |_: &Event| {
            hears.fetch_add(1, SeqCst);
        });
        let mut service = Stack::new().bulkhead(one().with_name(name)).observe(observer).service(hanging());
        let _held = service.call(());
        assert!(service.call(()).await.is_err());
    }
    let refused = |layer| counters.refusals(layer, Reason::BulkheadFull);
    assert_eq!((refused("a"), refused("b"), refused("c"), heard.load(SeqCst)), (1, 2, 0, 3));
    assert_eq!(format!("{counters:?}"), "Counters [\"a\", \"b\", \"other\"]");
}

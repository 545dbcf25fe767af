//! Overload control, its two halves, and one for each kind.

use std::{
    convert::Infallible,
    future::Future,
    pin::pin,
    task::{Context, Waker},
    time::Duration,
};

use plimsoll::{
    Stack,
    gate::PerKind,
    limit::FixedLimit,
    load_shed::{self, LoadShed},
    surge_queue::{self, Surge, SurgeQueue},
};
use tower::Service;

use crate::{Inner, allocations};

#[test]
fn a_surge_queue_allocates_nothing() {
    let limit = || FixedLimit::try_new(9).expect("valid");
    let queue = SurgeQueue::new(surge_queue::Settings::new()).in_front_of(limit());
    assert_eq!(allocations(Stack::new().surge_queue(queue).service(Inner), true), 0);
    let lane = Surge::try_new(3).expect("valid");
    let queue = SurgeQueue::new(surge_queue::Settings::new().with_surge(lane)).in_front_of(limit());
    let queue = queue.tenant_by(|req: &u64| *req).dead_letters(|_: plimsoll::dead_letter::DeadLetter<u64>| ());
    assert_eq!(allocations(Stack::new().surge_queue(queue).service(Inner), true), 0);
}

#[test]
fn a_full_surge_queue_allocates_nothing() {
    let settings = surge_queue::Settings::new().try_with_max_waiting(1).expect("valid");
    let queue =
        SurgeQueue::new(settings).tenant_by(|req: &u64| *req).in_front_of(FixedLimit::try_new(1).expect("valid"));
    let mut service = Stack::new().surge_queue(queue).service(Inner);
    let _held = (service.call(0), service.call(1));
    assert_eq!(allocations(service, false), 0);
}

/// One that knows how fast it drains: most are refused without a look at who waits.
#[tokio::test(start_paused = true)]
async fn a_surge_queue_that_foretells_a_wait_allocates_nothing() {
    let queue = SurgeQueue::new(surge_queue::Settings::new()).in_front_of(FixedLimit::try_new(1).expect("valid"));
    let mut service = Stack::new().surge_queue(queue).service(tower::service_fn(|req: u64| async move {
        tokio::time::sleep(Duration::from_millis(10)).await;
        Ok::<_, Infallible>(req)
    }));
    for _ in 0..10 {
        let calls: Vec<_> = (0..5).map(|req| service.call(req)).collect();
        futures_util::future::join_all(calls).await;
    }
    let held: Vec<_> = (0..40).map(|req| service.call(req)).collect();
    assert_eq!(allocations(service, false), 0);
    drop(held);
}

/// A load shedder of one place, for ever.
fn one_place() -> LoadShed {
    LoadShed::with_rule(load_shed::Settings::new().try_with_limits(1, 1).expect("valid"), load_shed::Fixed::new)
}

#[test]
fn a_load_shedder_allocates_nothing() {
    assert_eq!(allocations(Stack::new().load_shed(load_shed::Settings::new()).service(Inner), true), 0);
    let private = load_shed::Settings::new().with_bottleneck(load_shed::Bottleneck::Private);
    let asked = LoadShed::new(private)
        .exempt_by(|req: &u64| req.is_multiple_of(7))
        .deadline_by(|_: &u64| Some(plimsoll::clock::now().after(Duration::from_secs(1))));
    assert_eq!(allocations(Stack::new().load_shed(asked).service(Inner), true), 0);
}

#[test]
fn a_load_shedder_that_is_full_allocates_nothing() {
    let mut service = Stack::new().load_shed(one_place()).service(Inner);
    let _held = service.call(0);
    assert_eq!(allocations(service, false), 0);
}

/// One that knows how long a call takes, and says when to come back; and that looks at a window now and then.
#[tokio::test(start_paused = true)]
async fn a_load_shedder_that_has_learned_something_allocates_nothing() {
    let shed = LoadShed::new(load_shed::Settings::new().try_with_limits(1, 1).expect("valid"));
    let handle = shed.handle();
    let mut service = Stack::new().load_shed(shed).service(tower::service_fn(|req: u64| async move {
        if req > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok::<_, Infallible>(req)
    }));
    for _ in 0..200 {
        service.call(1).await.expect("answered");
    }
    assert!(handle.snapshot().latency.is_some());
    let mut at_once = || {
        tokio_test::assert_ready_ok!(pin!(service.call(0)).poll(&mut Context::from_waker(Waker::noop())));
    };
    assert_eq!(allocation_counter::measure(|| (0..1000).for_each(|_| at_once())).count_total, 0);
    let _held = service.call(1);
    assert_eq!(allocations(service.clone(), false), 0);
}

#[test]
fn overload_control_allocates_nothing() {
    let control = || Stack::new().overload_control(surge_queue::Settings::new(), load_shed::Settings::new());
    assert_eq!(allocations(control().service(Inner), true), 0);
    let narrow = surge_queue::Settings::new().try_with_max_waiting(1).expect("valid");
    let mut full = Stack::new().overload_control(narrow, one_place()).service(Inner);
    let _held = (full.call(0), full.call(1));
    assert_eq!(allocations(full, false), 0);
}

#[test]
fn a_gate_for_each_kind_allocates_nothing() {
    let sheds = [one_place(), one_place()];
    let kinds = PerKind::try_new(sheds, |req: &u64| *req as usize % 3).expect("two");
    let mut service = Stack::new().per_kind(kinds).service(Inner);
    assert_eq!(allocations(service.clone(), true), 0);
    let _held = (service.call(0), service.call(1));
    assert_eq!(allocations(service, false), 0);
}

//! The limit: what moves it, who is told, and who shares it.

use std::{
    io,
    sync::{Mutex, atomic::Ordering::SeqCst},
};

use plimsoll::{
    Error, Event, Reason, Stack,
    load_shed::{LoadShed, LoadShedLayer, Settings},
};
use tokio::time::advance;
use tokio_test::{assert_pending, assert_ready_ok};
use tower::ServiceBuilder;

use crate::{
    Ask, Hang, MILLI, SECOND, Script, Takes, call, callee, fixed, heard, held, limits, load, look, refusal, taken,
};

#[tokio::test(start_paused = true)]
async fn grows_under_load_and_only_while_it_is_reached() {
    let (service, handle) = behind!(LoadShed::new(Settings::new()));
    load(&service, 3, Takes(10), 5 * SECOND).await;
    assert_eq!(handle.snapshot().limit, 4, "three are below it");
    load(&service, 40, Takes(10), 5 * SECOND).await;
    let grown = handle.snapshot();
    assert!(grown.limit >= 32, "{grown:?}");
    assert!(grown.limit < 200, "forty reach no more: {grown:?}");
    assert_eq!(grown.in_use, 0);
    assert!(grown.baseline.is_some_and(|baseline| (8 * MILLI..=13 * MILLI).contains(&baseline)), "{grown:?}");
    load(&service, 3, Takes(10), 5 * SECOND).await;
    assert!(handle.snapshot().limit >= 32, "it is not forgotten for want of callers");
}

#[tokio::test(start_paused = true)]
async fn is_cut_by_timeouts_further_in() {
    let shed = LoadShed::new(limits(64, 64));
    let handle = shed.handle();
    let service = Stack::new().load_shed(shed).timeout(100 * MILLI).service(callee());
    let answered = load(&service, 100, Hang, 3 * SECOND).await;
    assert_eq!(answered, 0);
    assert!(handle.snapshot().limit < 64, "{:?}", handle.snapshot());
}

#[tokio::test(start_paused = true)]
async fn may_be_set_below_what_is_under_way() {
    let (mut service, handle) = behind!(fixed(4));
    let mut calls = held(&mut service, 4);
    handle.update(limits(1, 2));
    assert_eq!((handle.snapshot().limit, handle.snapshot().in_use), (2, 4));
    drop(calls.split_off(2));
    assert_eq!(refusal(&mut service).reason(), Reason::LimitReached);
    drop(calls.pop());
    assert_pending!(call(&mut service, Hang).poll());
    handle.update(limits(1, 1000));
    assert_eq!(handle.snapshot().limit, 4, "and be set free again");
    drop(calls);
    assert_eq!(handle.snapshot().in_use, 0);
}

#[tokio::test(start_paused = true)]
async fn is_announced_when_it_moves_and_not_otherwise() {
    let (heard, observer) = heard();
    let script = Script::of(5);
    let (mut service, handle) = behind!(script.shed(limits(5, 50).with_name("mine")).observe(observer));
    let moves = |heard: &Mutex<Vec<Event>>| {
        taken(heard).into_iter().filter(|event| matches!(event, Event::LimitChanged { .. })).collect::<Vec<_>>()
    };
    look(&mut service).await;
    assert_eq!(moves(&heard), []);
    script.limit.store(8, SeqCst);
    look(&mut service).await;
    assert_eq!(moves(&heard), [Event::LimitChanged { layer: "mine", from: 5, to: 8 }]);
    handle.update(limits(1, 6).with_name("not this"));
    assert_eq!(moves(&heard), [Event::LimitChanged { layer: "mine", from: 8, to: 6 }]);
    assert_eq!(handle.snapshot().settings.name(), "mine");
}

#[tokio::test(start_paused = true)]
async fn is_shared_by_clones_and_layers_and_not_by_a_fresh_one() {
    let shed = fixed(1);
    let fresh = shed.fresh();
    let stack = Stack::new().load_shed(shed.clone());
    let (mut one, mut other) = (stack.service(callee()), stack.clone().service(callee()));
    let mut clone = one.clone();
    let mut alone = ServiceBuilder::new()
        .layer(LoadShedLayer::<_, _>::new(shed))
        .service(tower::service_fn(|_: Ask| async { Ok::<_, Error<io::Error>>(()) }));
    let _held = held(&mut one, 1);
    for service in [&mut other, &mut clone] {
        assert_eq!(refusal(service).reason(), Reason::LimitReached);
    }
    assert_eq!(refusal(&mut alone).reason(), Reason::LimitReached);
    let (mut service, handle) = behind!(fresh);
    assert_eq!((handle.snapshot().in_use, handle.snapshot().limit), (0, 1));
    assert_pending!(call(&mut service, Hang).poll());
}

#[tokio::test(start_paused = true)]
async fn only_observes_and_refuses_again() {
    let (heard, observer) = heard();
    let (mut service, handle) = behind!(fixed(1).observe(observer));
    handle.observe_only();
    let calls = held(&mut service, 3);
    let would: Vec<_> = taken(&heard);
    assert!(
        matches!(would[..], [Event::WouldRefuse(one), Event::WouldRefuse(_)] if one.reason() == Reason::LimitReached),
        "{would:?}"
    );
    let snapshot = handle.snapshot();
    assert_eq!((snapshot.in_use, snapshot.limit, snapshot.observe_only), (3, 1, true));
    handle.automatic();
    assert_eq!(refusal(&mut service).reason(), Reason::LimitReached);
    drop(calls);
    assert_eq!((handle.snapshot().in_use, handle.snapshot().observe_only), (0, false));
}

#[tokio::test(start_paused = true)]
async fn stays_what_it_is_while_the_clock_stands_still_and_moves_when_it_leaps() {
    let (mut service, handle) = behind!(LoadShed::new(Settings::new()));
    for _ in 0..10_000 {
        assert_ready_ok!(call(&mut service, Takes(0)).poll());
    }
    let frozen = handle.snapshot();
    assert_eq!((frozen.limit, frozen.in_use), (4, 0));
    for _ in 0..5 {
        advance(365 * 24 * 3600 * SECOND).await;
        let calls = held(&mut service, 4);
        assert_eq!(refusal(&mut service).reason(), Reason::LimitReached);
        drop(calls);
        for _ in 0..100 {
            assert_ready_ok!(call(&mut service, Takes(0)).poll());
        }
    }
    assert!(handle.snapshot().limit >= 1);
    assert!(load(&service, 20, Takes(10), 20 * SECOND).await > 2000, "{:?}", handle.snapshot());
}

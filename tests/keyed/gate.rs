//! A gate for each key is a gate: what keys share, and how it is in a stack.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use plimsoll::{
    Error, Event, Gate, Reason, Stack,
    bulkhead::Bulkhead,
    circuit_breaker::{self, CircuitBreaker},
    clock::Moment,
    gate::Admission,
    keyed::{Keyed, KeyedLayer, Overflow, Settings},
    rate_limit::{Quota, RateLimit},
    testing::{Mock, Reply},
};
use tower::{Layer, Service, ServiceExt};

use crate::{Ask, SECOND, ask, end, of_one, pass, places, settings, whose};

#[test]
fn each_key_has_a_limit_of_its_own() {
    let keyed = of_one(Settings::new());
    let (one, two) = (ask(&keyed, 1).expect("free"), ask(&keyed, 2).expect("free"));
    assert_eq!([pass(&keyed, 1), pass(&keyed, 2)], [Err(Reason::BulkheadFull); 2]);
    end(&keyed, one);
    assert_eq!([pass(&keyed, 1), pass(&keyed, 2)], [Ok(()), Err(Reason::BulkheadFull)]);
    end(&keyed, two);
    assert_eq!(keyed.handle().len(), 2);
}

#[test]
fn clones_share_the_keys_and_a_fresh_one_does_not() {
    let keyed = of_one(Settings::new());
    let _held = ask(&keyed.clone(), 1).expect("free");
    assert_eq!(pass(&keyed, 1), Err(Reason::BulkheadFull));
    assert_eq!((pass(&keyed.fresh(), 1), keyed.fresh().handle().is_empty()), (Ok(()), true));
}

#[test]
fn a_prototype_makes_the_gates_and_its_handle_those_to_come() {
    let prototype = Bulkhead::new(places(1));
    let handle = prototype.handle();
    let keyed = Keyed::new(Settings::new(), whose, move |_: &u64| prototype.fresh());
    let _held = ask(&keyed, 1).expect("free");
    assert_eq!((pass(&keyed, 1), pass(&keyed, 2)), (Err(Reason::BulkheadFull), Ok(())));
    handle.update(places(2));
    let _both = (ask(&keyed, 3).expect("free"), ask(&keyed, 3).expect("a second place"));
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_ends_in_a_refusal_holds_nothing() {
    let keyed = Keyed::new(settings(1), whose, |_: &u64| Bulkhead::new(places(1).with_wait(1, SECOND)));
    let (inner, _) = Mock::new(|_, _: &Ask| Reply::<(), io::Error>::hang());
    let service = Stack::new().keyed(keyed.clone()).service(inner);
    let held = service.clone().call(1);
    let refused = service.oneshot(1).await.expect_err("it waited too long");
    assert!(matches!(refused, Error::Rejected(rejection) if rejection.reason() == Reason::WaitTimeout));
    drop(held);
    assert!(keyed.handle().forget(&1));
}

#[tokio::test]
async fn a_breaker_for_each_endpoint_is_one_line_and_heard_through_the_stack() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&heard);
    let breakers = Keyed::new(Settings::new(), whose, |_: &u64| CircuitBreaker::default());
    let handle = breakers.handle();
    let (inner, mock) = Mock::new(|_, ask: &Ask| match ask {
        1 => Reply::err(io::Error::other("down")),
        _ => Reply::ok(()),
    });
    let stack = Stack::new().keyed(breakers).observe(move |event: &Event| {
        log.lock().expect("unpoisoned").push(*event);
    });
    let service = stack.service(inner);
    for _ in 0..20 {
        let _ = service.clone().oneshot(1).await;
        assert!(service.clone().oneshot(2).await.is_ok());
    }
    assert_eq!(mock.calls(), 30);
    let state = |key| handle.get(&key).expect("there").handle().snapshot().state;
    assert_eq!([state(1), state(2)], [circuit_breaker::State::Open, circuit_breaker::State::Closed]);
    let heard = heard.lock().expect("unpoisoned");
    assert!(matches!(heard[0], Event::CircuitOpened { .. }), "{heard:?}");
    assert_eq!(heard.iter().filter(|event| matches!(event, Event::Refused(_))).count(), 10);
}

#[tokio::test]
async fn it_works_alone_in_a_service_builder() {
    let layer = KeyedLayer::<_, _, _, _>::new(of_one(Settings::new()));
    let (inner, _) = Mock::new(|_, _: &Ask| Reply::<(), Error<io::Error>>::hang());
    let mut service = layer.layer(inner);
    let _held = service.call(1);
    assert!(matches!(service.call(1).await, Err(Error::Rejected(_))));
}

/// Of each region a limit for each tenant: a gate for each key is a gate, and so it may be one for each of other keys.
#[test]
fn it_may_be_the_gate_of_another() {
    let of_tenants = |_: &u64| Keyed::new(settings(4), |ask: &Ask| ask % 10, |_: &u64| Bulkhead::new(places(1)));
    let regions = Keyed::new(settings(2).with_overflow(Overflow::Refuse), |ask: &Ask| ask / 10, of_tenants);
    let held = ask(&regions, 11).expect("free");
    assert_eq!(
        [pass(&regions, 11), pass(&regions, 12), pass(&regions, 21)],
        [Err(Reason::BulkheadFull), Ok(()), Ok(())]
    );
    assert_eq!(pass(&regions, 31), Ok(()), "the second region had nothing to remember");
    end(&regions, held);
    assert_eq!([pass(&regions, 41), pass(&regions, 51), pass(&regions, 61)], [Ok(()); 3]);
    assert_eq!(regions.handle().len(), 2);
}

/// It may be forgotten as a whole where it is the gate of another. The shared gate is one of its gates, and whoever is inside
/// of one has not been settled, even if nothing speaks against the next.
#[tokio::test(start_paused = true)]
async fn a_gate_for_each_key_remembers_what_any_of_its_gates_does_and_who_is_inside() {
    let hours = |hours: u32| RateLimit::new(Quota::try_new(1, hours * 3600 * SECOND).expect("valid"));
    let settings = settings(1).try_with_idle(Duration::MAX).expect("not zero").with_overflow(Overflow::Share);
    let keyed = Keyed::new(settings, whose, move |key: &u64| hours(if *key == 1 { 1 } else { 3 }));
    let is_neutral = || Gate::<Ask>::is_neutral(&keyed, &Moment::new());
    assert!(is_neutral(), "a new one");
    let inside = ask(&keyed, 1).expect("a cell");
    tokio::time::advance(3600 * SECOND).await;
    assert!(!is_neutral(), "the cell is back, and who took it is still there");
    end(&keyed, inside);
    assert!(is_neutral());
    assert_eq!([pass(&keyed, 1), pass(&keyed, 2)], [Ok(()); 2], "one each, and the second has found no place");
    assert_eq!(keyed.handle().snapshot().overflowed, 1);
    assert!(!is_neutral());
    tokio::time::advance(3600 * SECOND).await;
    assert!(!is_neutral(), "the shared gate lets nobody in for two hours more");
    tokio::time::advance(7200 * SECOND).await;
    assert!(is_neutral());
}

#[test]
fn neither_keys_nor_closures_are_printed() {
    let keyed = Keyed::new(settings(5), |ask: &&'static str| *ask, |_: &&'static str| Bulkhead::new(places(3)));
    let Admission::Admitted(_permit) = keyed.admit(&"secret", &Moment::new()) else { panic!("it is free") };
    let kept = keyed.handle().get(&"secret").expect("there");
    for printed in [format!("{keyed:?}"), format!("{:?}", keyed.handle()), format!("{kept:?}")] {
        assert!(!printed.contains("secret") && (printed.contains("keys: 1") || printed.contains("in_use: 1")));
    }
    assert_eq!(*kept.key(), "secret");
}

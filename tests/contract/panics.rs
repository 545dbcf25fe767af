//! Users' code that panics.

use std::{task::Poll, time::Duration};

use plimsoll::{
    Error, Event, Gate, Outcome, Stack,
    bulkhead::Bulkhead,
    clock::Instant,
    gate::Ending,
    keyed::{self, Keyed},
    rate_limit::{Quota, RateLimit},
    testing::{Mock, Reply},
    timeout::TimeoutLayer,
};
use tower::Service;

use crate::{
    assert_nothing_held, poll,
    support::{
        client::{Client, End, Stage},
        clock::Clock,
        doors::Turnstile,
        finding::Kind,
        kit::{Ask, Boom, Kit, LIMIT, WAIT, settings},
        quiet::catch,
        scripts::Ready,
    },
};

fn panics<T>() -> T {
    panic!("scripted")
}

/// One more panicking closure, one more line: the stack asks it of each request, or result.
macro_rules! harmless {
    ($($name:ident: $bulkhead:ident => $stack:expr;)*) => {
        mod a_panicking_closure_leaks_nothing {
            use super::*;

            $(#[test]
            fn $name() {
                let clock = Clock::new();
                let _entered = clock.enter();
                let (mock, inner) = Mock::<u32, u32, Boom>::new(|_, _| Reply::ok(7).after_yields(1));
                let $bulkhead = Bulkhead::new(settings(2).with_wait(2, WAIT));
                let handle = $bulkhead.handle();
                let mut service = $stack.service(mock);
                // Request 0 is there already, request 1 is the one that panics, and request 2 comes after it.
                let _first = service.call(0);
                let mut future = None;
                let outcome = catch(|| {
                    let future = future.insert(Box::pin(service.call(1)));
                    while poll(future.as_mut()).is_pending() {}
                });
                assert_eq!(outcome, Err("scripted".to_owned()));
                // Its future is there still, if it got that far.
                assert_eq!(handle.snapshot().in_use, 1);
                drop(future);
                assert_eq!((handle.snapshot().in_use, handle.snapshot().waiting, inner.in_flight()), (1, 0, 1));
                let mut third = Box::pin(service.call(2));
                assert!(poll(third.as_mut()).is_pending());
                assert_eq!((poll(third.as_mut()), handle.snapshot().in_use), (Poll::Ready(Ok(7)), 1));
            })*
        }
    };
}

harmless! {
    weight: bulkhead => Stack::new().bulkhead(bulkhead.weight_by(|id: &u32| if *id == 1 { panics() } else { 1 }));
    compartment: bulkhead => {
        Stack::new().bulkhead(bulkhead.compartment_by(|id: &u32| if *id == 1 { panics() } else { 0 }))
    };
    deadline_of_a_waiter: bulkhead => {
        let deadline = |id: &u32| if *id == 1 { panics() } else { None };
        // Request 1 is too wide for what is free, and only who waits is asked for a deadline.
        let heavy = |id: &u32| if *id == 1 { 2 } else { 1 };
        Stack::new().bulkhead(bulkhead.weight_by(heavy).deadline_by(deadline))
    };
    key: bulkhead => {
        let key = |id: &u32| if *id == 1 { panics() } else { 0 };
        Stack::new().keyed(Keyed::new(keyed::Settings::new(), key, move |_: &u32| bulkhead.clone()))
    };
    factory: bulkhead => {
        let make = move |id: &u32| if *id == 1 { panics() } else { bulkhead.clone() };
        Stack::new().keyed(Keyed::new(keyed::Settings::new(), |id: &u32| *id, make))
    };
    deadline_of_a_call: bulkhead => {
        let timeout = TimeoutLayer::new(LIMIT).deadline_by(|id: &u32| if *id == 1 { panics() } else { None::<Instant> });
        Stack::new().bulkhead(bulkhead).timeout(timeout)
    };
    cost: bulkhead => {
        let cost = |id: &u32| if *id == 1 { panics() } else { 1 };
        Stack::new().bulkhead(bulkhead).rate_limit(RateLimit::new(Quota::per_second(std::num::NonZeroU32::MAX)).cost_by(cost))
    };
    exemption: bulkhead => {
        let exempt = |id: &u32| if *id == 1 { panics() } else { false };
        Stack::new().rate_limit(RateLimit::new(Quota::per_second(std::num::NonZeroU32::MAX)).exempt_by(exempt)).bulkhead(bulkhead)
    };
    time_limit: bulkhead => {
        let timeout = TimeoutLayer::new(LIMIT).timeout_by(|id: &u32| if *id == 1 { panics() } else { None });
        Stack::new().bulkhead(bulkhead).timeout(timeout)
    };
}

/// Judges after the inner service has answered: the permit is still out then, and the future is not dropped by the
/// panic but by whoever catches it, perhaps much later.
#[test]
fn a_judge_that_panics_is_the_end_of_the_permit() {
    let kit = Kit::new();
    let judge = |result: Result<&u32, &Error<Boom>>| if result.is_ok() { panics() } else { Outcome::Ignored };
    let stack = Stack::new().classify(judge).gate(kit.on_inner(())).bulkhead(kit.bulkhead(1));
    let mut client = Client::new(stack.service(kit.mock()), Ask::light(0));
    client.settle_down();
    assert_eq!(kit.loads()[0].in_use, 1);
    assert!(kit.inner.wake_one());
    client.settle_down();
    assert_eq!(client.stage, Stage::Ended(End::Panicked("scripted".into())));
    assert_eq!(kit.loads()[0].in_use, 0, "held by a future that is as good as dead");
    assert!(kit.ledger.audit(client.ask, &client.stage, true).is_empty());
    drop(client);
    assert!(kit.remains(Kind::Leak, "dropped").is_empty());
}

/// Its permit went back when it panicked. One that is polled all the same used to be dispatched without.
#[test]
fn a_call_that_panicked_becoming_ready_is_never_dispatched() {
    let kit = Kit::new();
    kit.plan_readiness(&[Ready::Yield, Ready::Panic]);
    let mut client = Client::new(Stack::new().bulkhead(kit.bulkhead(1)).service(kit.mock()), Ask::light(0));
    kit.scripted(|| client.settle_down());
    assert!(matches!(client.stage, Stage::Ended(End::Panicked(_))), "{:?}", client.stage);
    client.step();
    assert!(matches!(client.stage, Stage::Ended(End::Panicked(_))), "{:?}", client.stage);
    assert!(!kit.reached(0));
}

#[test]
fn an_observer_that_panics_harms_neither_call_nor_permits() {
    let kit = Kit::new();
    let stack = Stack::new().observe(|_: &Event| panics()).bulkhead(kit.waiting(1, Duration::ZERO));
    let service = stack.service(kit.mock());
    let mut clients = [0, 1].map(|id| Client::new(service.clone(), Ask::light(id)));
    clients.iter_mut().for_each(Client::settle_down);
    assert!(matches!(clients[1].stage, Stage::Ended(End::Refused(_))), "{:?}", clients[1].stage);
    assert!(catch(|| kit.handles()[0].update(settings(2))).is_ok());
    drop(clients);
    assert_nothing_held(&kit);
}

/// A gate that panics on the way in, behind one that has let the request through.
#[test]
fn a_gate_that_panics_leaks_no_permit_of_the_gates_before_it() {
    struct Trap;

    impl Gate<Ask> for Trap {
        type Permit = ();
        type Wait = plimsoll::gate::Never;

        fn admit(&self, _: &Ask, _: &plimsoll::clock::Moment) -> plimsoll::gate::Admission<(), Self::Wait> {
            panics()
        }

        fn settle(&self, (): (), _: Ending, _: &plimsoll::clock::Moment) {}
    }

    for waits in [false, true] {
        let kit = Kit::new();
        let first = kit.on_inner(kit.bulkhead(1));
        let turnstile = waits.then(|| kit.inside(Turnstile));
        let stack = Stack::new().gate(first).gate(turnstile).gate(Trap);
        let mut client = Client::new(stack.service(kit.mock()), Ask::light(0));
        client.settle_down();
        assert_eq!(client.stage, Stage::Ended(End::Panicked("scripted".into())));
        assert_eq!(kit.loads()[0].in_use, 0);
        drop(client);
        assert_nothing_held(&kit);
    }
}

//! A gate for each key: nothing for who is known, and memory that stays flat.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

use plimsoll::{
    Stack,
    bulkhead::Bulkhead,
    circuit_breaker::CircuitBreaker,
    keyed::{self, Keyed, Overflow},
};
use tower::Service;

use crate::{Inner, allocations, limit};

/// A request is its own key.
type Itself = fn(&u64) -> u64;

/// A bulkhead of so many places for each number.
fn keyed(capacity: u32, overflow: Overflow, places: u32) -> Keyed<u64, Bulkhead, Itself, impl Fn(&u64) -> Bulkhead> {
    let settings = keyed::Settings::new().try_with_capacity(capacity).expect("not zero").with_overflow(overflow);
    Keyed::new(settings, (|req| *req) as Itself, move |_: &u64| Bulkhead::new(limit(places)))
}

#[test]
fn a_gate_for_each_key_allocates_nothing_for_a_key_that_is_known() {
    let mut service = Stack::new().keyed(keyed(2000, Overflow::Share, 1)).service(Inner);
    assert!(allocations(service.clone(), true) > 0, "they are made");
    assert_eq!(allocations(service.clone(), true), 0, "a thousand and one are known");
    let _held: Vec<_> = (0..=1000).map(|req| service.call(req)).collect();
    assert_eq!(allocations(service, false), 0);
    let breakers = Keyed::new(keyed::Settings::new(), |_: &u64| "callee", |_: &&str| CircuitBreaker::default());
    assert_eq!(allocations(Stack::new().keyed(breakers).service(Inner), true), 0);
}

#[test]
fn a_key_without_a_place_allocates_nothing() {
    for (overflow, answered) in [(Overflow::Share, true), (Overflow::Refuse, false), (Overflow::Admit, true)] {
        let mut service = Stack::new().keyed(keyed(1, overflow, 1)).service(Inner);
        let _held = service.call(7777);
        assert_eq!(allocations(service, answered), 0, "{overflow:?}");
    }
}

/// What comes of two hundred thousand keys that come once: the entries of a thousand, and no more memory, give or
/// take a hash table, than those had after the first twenty thousand. The key whose limit is reached is refused throughout.
#[test]
fn hostile_keys_leave_memory_flat_and_do_not_reset_a_limit() {
    for overflow in [Overflow::Share, Overflow::Refuse, Overflow::Admit] {
        let keyed = keyed(1024, overflow, 1);
        let handle = keyed.handle();
        let mut service = Stack::new().keyed(keyed).service(Inner);
        let (_held, full) = (service.call(u64::MAX), service.clone());
        let flood = |keys: std::ops::Range<u64>| {
            let mut service = full.clone();
            allocation_counter::measure(|| {
                let mut cx = Context::from_waker(Waker::noop());
                for key in keys {
                    assert!(matches!(pin!(service.call(key)).poll(&mut cx), Poll::Ready(Ok(_))));
                    assert!(matches!(pin!(service.call(u64::MAX)).poll(&mut cx), Poll::Ready(Err(_))), "at {key}");
                }
            })
        };
        let first = flood(0..20_000);
        let rest = flood(20_000..200_000);
        println!("{overflow:?}: {first:?}, then {rest:?}");
        assert_eq!(handle.len(), 1024);
        // A table that much is put into and taken out of doubles once, and then has room enough to tidy up in place.
        assert!(first.bytes_max < 1024 * 1024 && rest.bytes_max < 64 * 1024, "{first:?}, then {rest:?}");
    }
}

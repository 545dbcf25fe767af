//! What the types are, how large a future is, and how deep a stack of them goes.

use std::{mem::size_of_val, pin::pin, task::Poll};

use plimsoll::{
    Error, Stack,
    bulkhead::Bulkhead,
    gate::{GateLayer, Gated, PerKind},
    keyed::{self, Keyed},
    surge_queue,
    testing::{Mock, Reply},
    timeout::{Timeout, TimeoutLayer},
};
use tower::{Layer, Service, service_fn};

use crate::{
    Scripted, poll,
    support::{
        clock::Clock,
        kit::{Boom, LIMIT, WAIT, settings, slow},
    },
};

#[test]
fn services_and_futures_are_send_and_sync_where_their_parts_are() {
    fn shared<T: Send + Sync + Clone>(_: &T) {}
    fn sent<T: Send>(_: &T) {}
    let (mock, _) = Mock::<(), u32, Boom>::new(|_, ()| Reply::ok(7));
    let kinds = PerKind::try_new([(), ()], |(): &()| 1).expect("two");
    let stack = Stack::new()
        .timeout(LIMIT)
        .overload_control(surge_queue::Settings::new(), plimsoll::load_shed::Settings::new())
        .rate_limit(slow())
        .bulkhead(settings(1).with_wait(1, WAIT))
        .gate(())
        .per_kind(kinds)
        .keyed(Keyed::new(keyed::Settings::new(), |(): &()| String::new(), |_: &String| Bulkhead::new(settings(1))))
        .timeout(LIMIT);
    let mut service = stack.service(mock);
    shared(&stack);
    shared(&service);
    sent(&service.call(()));
    fn named<S: Send + Sync + Clone, G: Send + Sync>() {
        fn shared<T: Send + Sync + Clone>() {}
        shared::<Gated<S, G>>();
        shared::<Timeout<S>>();
        shared::<GateLayer<G>>();
    }
    named::<Scripted, Bulkhead>();
}

#[test]
fn a_service_may_borrow() {
    let text = String::from("borrowed");
    let borrowing = service_fn(|(): ()| std::future::ready(Ok::<&str, Boom>(&text)));
    let mut service = Stack::new().timeout(LIMIT).bulkhead(settings(1)).service(borrowing);
    assert_eq!(poll(pin!(service.call(()))), Poll::Ready(Ok("borrowed")));
}

/// Upper bounds, in bytes: what was measured (16, 48, 8 and 160 on a 64-bit machine), and a little room in the last
/// for another tokio's timer.
#[test]
fn a_layer_adds_no_more_to_a_future_than_was_measured() {
    let inner = || service_fn(|(): ()| std::future::ready(Ok::<u64, Boom>(7)));
    let bare = size_of_val(&Stack::new().service(inner()).call(()));
    let one = size_of_val(&Stack::new().bulkhead(settings(1)).service(inner()).call(()));
    let four = Stack::new().bulkhead(settings(1)).bulkhead(settings(1)).bulkhead(settings(1)).bulkhead(settings(1));
    let four = size_of_val(&four.service(inner()).call(()));
    let timeout = size_of_val(&Stack::new().timeout(LIMIT).service(inner()).call(()));
    println!("bare {bare}, one gate {one}, four fused {four}, timeout {timeout}");
    assert!(bare <= 16, "{bare}");
    assert!(one - bare <= 48, "a gate adds {}", one - bare);
    assert!(four - one <= 3 * 8, "three more gates add {}", four - one);
    assert!(timeout - bare <= 192, "a timeout adds {}", timeout - bare);
}

/// Puts a layer around a service as often as there are letters.
macro_rules! nest {
    ($layer:expr, $inner:expr;) => { $inner };
    ($layer:expr, $inner:expr; $letter:tt $($letters:tt)*) => { $layer.layer(nest!($layer, $inner; $($letters)*)) };
}

/// In KiB. Nested gates were measured to need more than 48 and at most 64 (optimised) and more than 192 and at most 256
/// (not), nested timeouts at most 16 and 384, fused gates 16 and 48. An overflow aborts the process, so there is some
/// room in each.
const SMALL_STACK: usize = if cfg!(debug_assertions) { 512 } else { 96 };

/// Runs a call through `service` on a thread with a small stack, pending once.
fn run_on_a_small_stack<S>(service: S)
where
    S: Service<(), Response = u32, Error = Error<Boom>> + Send + 'static,
{
    let run = move || {
        let mut service = service;
        let clock = Clock::new();
        let _entered = clock.enter();
        let mut future = Box::pin(service.call(()));
        assert!(poll(future.as_mut()).is_pending());
        assert_eq!(poll(future.as_mut()), Poll::Ready(Ok(7)));
    };
    let thread = std::thread::Builder::new().stack_size(SMALL_STACK * 1024).spawn(run).expect("a thread");
    thread.join().expect("no panic");
}

#[test]
fn thirty_two_gates_nested_run_on_a_small_stack() {
    let (mock, _) = Mock::<(), u32, Boom>::new(|_, ()| Reply::ok(7).after_yields(1));
    let inner = Stack::new().service(mock);
    let gate = || GateLayer::<Bulkhead, plimsoll::classify::Unjudged>::new(settings(1));
    run_on_a_small_stack(nest!(gate(), inner; a b c d e f g h a b c d e f g h a b c d e f g h a b c d e f g h));
}

#[test]
fn thirty_two_timeouts_nested_run_on_a_small_stack() {
    let (mock, _) = Mock::<(), u32, Boom>::new(|_, ()| Reply::ok(7).after_yields(1));
    let inner = Stack::new().service(mock);
    let limit = TimeoutLayer::new(LIMIT);
    run_on_a_small_stack(nest!(limit, inner; a b c d e f g h a b c d e f g h a b c d e f g h a b c d e f g h));
}

#[test]
fn thirty_two_gates_fused_run_on_a_small_stack() {
    macro_rules! fuse {
        ($stack:expr;) => { $stack };
        ($stack:expr; $letter:tt $($letters:tt)*) => { fuse!($stack.bulkhead(settings(1)); $($letters)*) };
    }
    let (mock, _) = Mock::<(), u32, Boom>::new(|_, ()| Reply::ok(7).after_yields(1));
    let stack = fuse!(Stack::new(); a b c d e f g h a b c d e f g h a b c d e f g h a b c d e f g h);
    run_on_a_small_stack(stack.service(mock));
}

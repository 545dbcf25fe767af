//! Whose turn it is: class before class, tenant after tenant, and the newest once the oldest is stale.

use std::num::NonZeroU32;

use plimsoll::{
    Stack,
    chance::Chance,
    clock,
    request::Priority::{Background, Critical, Normal, Sheddable},
    surge_queue::SurgeQueue,
};
use tokio::time::advance;
use tokio_test::assert_pending;
use tower::Service;

use crate::{Ask, MILLI, ask, callee, fixed, ids, pending, poll_woken, serve_all, settings, waiting};

#[tokio::test(start_paused = true)]
async fn is_that_of_who_came_first_and_only_they_are_woken() {
    let (mut service, reached, handle) = behind!(asking!(settings(), 1));
    let held = pending(&mut service, [ask(1)]);
    let calls = pending(&mut service, [ask(2), ask(3), ask(4)]);
    assert_eq!((ids(&reached), handle.snapshot().waiting), (vec![1], [0, 3, 0, 0]));
    serve_all(held, calls);
    assert_eq!((ids(&reached), waiting(&handle), handle.limit().in_use()), (vec![1, 2, 3, 4], 0, 0));
}

#[tokio::test(start_paused = true)]
async fn is_that_of_the_most_important_first() {
    let (mut service, reached, _) = behind!(asking!(settings(), 1));
    let held = pending(&mut service, [ask(0)]);
    let classes = [Background, Sheddable, Normal, Critical, Background, Critical];
    let asks = (1..).zip(classes).map(|(id, priority)| Ask { priority, ..ask(id) });
    let calls = pending(&mut service, asks);
    serve_all(held, calls);
    assert_eq!(ids(&reached), [0, 4, 6, 3, 2, 1, 5]);
}

/// Tenants are dealt with in turn, so that a flood is its own problem.
#[tokio::test(start_paused = true)]
async fn is_that_of_each_tenant_in_turn() {
    let (mut service, reached, handle) = behind!(asking!(settings(), 1));
    let held = pending(&mut service, [ask(0)]);
    let tenants = [7, 7, 7, 7, 8, u64::MAX];
    let asks = (1..).zip(tenants).map(|(id, tenant)| Ask { tenant, ..ask(id) });
    let calls = pending(&mut service, asks);
    assert_eq!(handle.snapshot().tenants, [0, 3, 0, 0]);
    serve_all(held, calls);
    assert_eq!(ids(&reached), [0, 1, 5, 6, 2, 3, 4]);
}

/// Not all can be served in time any more; so at least some are.
#[tokio::test(start_paused = true)]
async fn is_that_of_the_newest_once_the_oldest_is_stale() {
    let (mut service, reached, _) = behind!(asking!(settings(), 1));
    let held = pending(&mut service, [ask(0)]);
    let mut calls = pending(&mut service, [ask(1)]);
    advance(150 * MILLI).await;
    calls.extend(pending(&mut service, [ask(2), ask(3)]));
    serve_all(held, calls);
    assert_eq!(ids(&reached), [0, 3, 2, 1]);
}

#[tokio::test(start_paused = true)]
async fn passes_on_from_who_was_given_it_and_left() {
    let (mut service, reached, handle) = behind!(asking!(settings(), 1));
    let held = pending(&mut service, [ask(1)]);
    let never_polled = service.call(ask(2));
    let mut calls = pending(&mut service, [ask(3), ask(4)]);
    drop(held);
    assert!(!calls[0].is_woken(), "the first of them has it, though it was never polled");
    drop(never_polled);
    assert!(calls[0].is_woken() && !calls[1].is_woken());
    drop(calls.remove(0));
    assert!(calls[0].is_woken());
    assert_pending!(calls[0].poll());
    assert_eq!((ids(&reached), waiting(&handle)), (vec![1, 4], 0));
}

#[tokio::test(start_paused = true)]
async fn is_nobodys_who_comes_while_others_wait() {
    let (mut service, _, handle) = behind!(asking!(settings(), 1));
    let held = pending(&mut service, [ask(1)]);
    let never_polled = service.call(ask(2));
    drop(held);
    let late = pending(&mut service, [ask(3)]);
    assert!(!late[0].is_woken() && waiting(&handle) == 1);
    drop(never_polled);
    assert!(late[0].is_woken());
}

#[tokio::test(start_paused = true)]
async fn comes_to_as_many_as_a_grown_limit_has_room_for() {
    let (mut service, reached, handle) = behind!(asking!(settings(), 1));
    let mut held = pending(&mut service, [ask(1)]);
    let mut calls = pending(&mut service, (2..12).map(ask));
    handle.limit().resize(NonZeroU32::new(8).expect("not zero"));
    drop(held.pop());
    assert_eq!(calls.iter().filter(|call| call.is_woken()).count(), 8);
    poll_woken(&mut calls);
    assert_eq!((ids(&reached), waiting(&handle)), ((1..10).collect(), 2));
}

#[tokio::test(start_paused = true)]
async fn comes_only_when_a_shrunken_limit_is_worked_off() {
    let (mut service, _, handle) = behind!(asking!(settings(), 3));
    let mut held = pending(&mut service, (0..3).map(ask));
    let calls = pending(&mut service, [ask(4)]);
    handle.limit().resize(NonZeroU32::MIN);
    held.truncate(1);
    assert!(!calls[0].is_woken());
    drop(held);
    assert!(calls[0].is_woken());
}

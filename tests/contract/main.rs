//! The contract of tower's `Service`, held by every layer and every stack, over inner services of every kind.
#![cfg(feature = "testing")]

#[macro_use]
#[path = "../support/mod.rs"]
mod support;

use std::{
    future::Future,
    mem::size_of_val,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
    time::Duration,
};

use plimsoll::{
    Error, Event, Gate, Outcome, Ratio, Reason, Refusal, Stack,
    bulkhead::{Bulkhead, Order},
    circuit_breaker::{self, CircuitBreaker},
    clock::Instant,
    gate::{Ending, GateLayer, Gated, PerKind},
    keyed::{self, Keyed, Overflow},
    meter::{self, Contributors, Meter},
    rate_limit::{Quota, RateLimit},
    surge_queue,
    testing::{Mock, Readiness, Reply},
    timeout::{Timeout, TimeoutLayer},
    work_budget::{self, Demotion, OverCost},
};
use support::{
    client::{Client, End, Stage},
    clock::Clock,
    doors::{Hourglass, Shut, Turnstile},
    finding::Kind,
    flag::Flag,
    inners::{picky, unclone, unsend},
    kit::{Ask, Boom, Kit, LIMIT, WAIT, packed, patient, quick, seats, settings, slow, two_lanes},
    planted::{ClonesInCall, GoesOnWithAClone, RefusesReadiness},
    quiet::catch,
    scripts::{Body, Finish, Pause, Ready},
};
use tower::{Layer, Service, ServiceExt, buffer::Buffer, layer::layer_fn, service_fn};

/// One test for each subject: `check` is given its capacity and how it is built, over the inner service `bottom`.
macro_rules! each {
    ([$check:ident over $bottom:expr] $($name:ident: $capacity:expr, $stack:expr;)*) => {
        mod $check {
            use super::*;

            $(#[test]
            fn $name() {
                super::$check($capacity, |kit: &Kit| ($stack)(kit).service($bottom(kit)));
            })*
        }
    };
}

/// Drives a call until it has ended, by all means; whether it has.
fn drive<S>(clock: &Clock, kit: &Kit, client: &mut Client<S>) -> bool
where
    S: Service<Ask>,
    S::Error: Refusal,
{
    for _ in 0..50 {
        kit.scripted(|| client.settle_down());
        if client.has_ended() {
            return true;
        }
        if !kit.inner.wake_one() {
            clock.advance(Duration::from_secs(1));
        }
    }
    false
}

/// Where a call to a subject may end that lets so many in.
#[track_caller]
fn assert_ended_well(capacity: Option<usize>, stage: &Stage) {
    match stage {
        Stage::Ended(End::Answered) => assert_ne!(capacity, Some(0), "it lets nobody in"),
        Stage::Ended(End::Refused(rejection)) => {
            assert_eq!(capacity, Some(0), "refused with room: {rejection}");
            assert!(!rejection.was_dispatched());
        }
        other => panic!("it ended otherwise: {other:?}"),
    }
}

#[track_caller]
fn assert_nothing_held(kit: &Kit) {
    let remains = kit.remains(Kind::Leak, "after all");
    assert!(remains.is_empty(), "{remains:?}");
}

// Every subject.

every_subject!(each a_second_poll_after_the_end_panics_and_leaks_nothing over Kit::mock);

fn a_second_poll_after_the_end_panics_and_leaks_nothing<S>(capacity: Option<usize>, build: impl Fn(&Kit) -> S)
where
    S: Service<Ask> + Clone,
    S::Error: Refusal,
{
    let (clock, kit) = (Clock::new(), Kit::new());
    let _entered = clock.enter();
    let service = build(&kit);
    for body in [Body::ANSWER, Body(&[Pause::Yield], Finish::Answer), Body::ANSWER_WHEN_WOKEN] {
        kit.plan_body(0, body);
        let mut client = Client::new(service.clone(), Ask::light(0));
        assert!(drive(&clock, &kit, &mut client));
        assert_ended_well(capacity, &client.stage);
        client.step();
        let Stage::Ended(End::Panicked(message)) = &client.stage else {
            panic!("it did not panic: {:?}", client.stage)
        };
        assert!(message.contains("polled after it was ready"), "{message}");
        assert_nothing_held(&kit);
        drop(client);
        assert_nothing_held(&kit);
    }
}

every_subject!(each the_polled_instance_is_the_one_called over picky);

fn the_polled_instance_is_the_one_called<S>(capacity: Option<usize>, build: impl Fn(&Kit) -> S)
where
    S: Service<Ask> + Clone,
    S::Error: Refusal,
{
    let (clock, kit) = (Clock::new(), Kit::new());
    let _entered = clock.enter();
    let mut service = build(&kit);
    let ready: [&[Ready]; 4] = [&[], &[Ready::Yield], &[Ready::Wake, Ready::Wake], &[Ready::Yield, Ready::Wake]];
    for readiness in ready {
        kit.plan_readiness(readiness);
        kit.plan_body(0, Body::ANSWER);
        let mut client = Client::new(&mut service, Ask::light(0));
        assert!(drive(&clock, &kit, &mut client), "{readiness:?}: {:?}", client.stage);
        assert_ended_well(capacity, &client.stage);
        assert_eq!(kit.left_behind.get(), 0, "{readiness:?}: an instance was asked and left behind");
    }
}

#[test]
#[should_panic(expected = "called an instance that was not polled ready")]
fn a_service_that_clones_in_call_is_found() {
    the_polled_instance_is_the_one_called(None, |kit| ClonesInCall(Stack::new().service(picky(kit))));
}

#[test]
#[should_panic(expected = "an instance was asked and left behind")]
fn a_service_that_goes_on_with_a_clone_is_found() {
    the_polled_instance_is_the_one_called(None, |kit| GoesOnWithAClone(Stack::new().service(picky(kit))));
}

every_subject!(each no_refusal_comes_out_of_poll_ready over Kit::mock);

fn no_refusal_comes_out_of_poll_ready<S>(capacity: Option<usize>, build: impl Fn(&Kit) -> S)
where
    S: Service<Ask> + Clone,
    S::Error: Refusal,
{
    let (clock, kit) = (Clock::new(), Kit::new());
    let _entered = clock.enter();
    let service = build(&kit);
    let mut crowd = Vec::new();
    for id in 0..capacity.unwrap_or(4) + 9 {
        let mut client = Client::new(service.clone(), Ask::light(id));
        client.settle_down();
        assert!(client.was_called(), "refused before it was called: {:?}", client.stage);
        crowd.push(client);
    }
    if let Some(capacity) = capacity {
        assert_eq!(kit.inner.in_flight(), capacity);
    }
}

#[test]
#[should_panic(expected = "refused before it was called")]
fn a_service_that_refuses_readiness_is_found() {
    no_refusal_comes_out_of_poll_ready(None, |kit| RefusesReadiness(Stack::new().service(kit.mock())));
}

every_subject!(each readiness_of_one_clone_serves_another over Kit::mock);

/// And is asked for as often as anybody likes, and holds nothing.
fn readiness_of_one_clone_serves_another<S>(capacity: Option<usize>, build: impl Fn(&Kit) -> S)
where
    S: Service<Ask> + Clone,
    S::Error: Refusal,
{
    let (clock, kit) = (Clock::new(), Kit::new());
    let _entered = clock.enter();
    let (mut asked, mut called) = (build(&kit), None);
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..5 {
        assert!(matches!(asked.poll_ready(&mut cx), Poll::Ready(Ok(()))));
        assert_nothing_held(&kit);
    }
    kit.plan_body(0, Body::ANSWER);
    let mut future = pin!(called.insert(asked.clone()).call(Ask::light(0)));
    let mut result = future.as_mut().poll(&mut cx);
    for _ in 0..50 {
        if result.is_ready() {
            break;
        }
        clock.advance(Duration::from_secs(1));
        result = future.as_mut().poll(&mut cx);
    }
    let Poll::Ready(result) = result else { panic!("it never ended") };
    match result {
        Ok(_) => assert_ne!(capacity, Some(0)),
        Err(error) => assert!(capacity == Some(0) && error.rejection().is_some()),
    }
    assert_nothing_held(&kit);
}

every_subject!(each an_inner_service_need_not_be_send over unsend);

fn an_inner_service_need_not_be_send<S>(capacity: Option<usize>, build: impl Fn(&Kit) -> S)
where
    S: Service<Ask> + Clone,
    S::Error: Refusal,
{
    let (clock, kit) = (Clock::new(), Kit::new());
    let _entered = clock.enter();
    let mut client = Client::new(build(&kit), Ask::light(0));
    assert!(drive(&clock, &kit, &mut client));
    assert_ended_well(capacity, &client.stage);
}

/// One test for each subject, over an inner service of which there is only one, behind tower's `Buffer`.
macro_rules! each_over_buffer {
    ([] $($name:ident: $capacity:expr, $stack:expr;)*) => {
        mod an_inner_service_need_not_be_clone_behind_a_buffer {
            use super::*;

            $(#[tokio::test(start_paused = true)]
            async fn $name() {
                let kit = Kit::new();
                kit.plan_body(0, Body(&[Pause::Yield], Finish::Answer));
                let service = ($stack)(&kit).wrap(Buffer::new(unclone(&kit), 4));
                let result = service.oneshot(Ask::light(0)).await;
                match result {
                    Ok(response) => assert_eq!(response, 7),
                    Err(error) => assert!($capacity == Some(0) && error.rejection().is_some(), "{error:?}"),
                }
                let none: Option<usize> = $capacity;
                assert_eq!(kit.inner.calls(), usize::from(none != Some(0)));
                assert_nothing_held(&kit);
            })*
        }
    };
}

every_subject!(each_over_buffer);

// Inner services that are late, or never there.

type Scripted = Mock<(), u32, Boom>;

fn service(readiness: impl Fn(usize) -> Readiness<Boom> + Send + Sync + 'static) -> Scripted {
    Mock::answering(|(): &()| Ok(7)).0.with_readiness(readiness)
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_gate_over_a_service_that_is_never_ready_is_ready_and_gives_its_permit_back() {
    let bulkhead = Bulkhead::new(settings(1));
    let handle = bulkhead.handle();
    let mut gated = Stack::new().bulkhead(bulkhead).service(service(|_| Readiness::Wake));
    assert!(matches!(
        Service::<()>::poll_ready(&mut gated, &mut Context::from_waker(Waker::noop())),
        Poll::Ready(Ok(()))
    ));
    let mut future = Box::pin(gated.call(()));
    for _ in 0..5 {
        assert!(poll(future.as_mut()).is_pending());
        assert_eq!(handle.snapshot().in_use, 1);
    }
    drop(future);
    assert_eq!(handle.snapshot().in_use, 0);
}

#[test]
fn a_timeout_over_a_service_that_is_never_ready_is_not_ready() {
    let mut timeout = Stack::new().timeout(LIMIT).service(service(|_| Readiness::Wake));
    let mut cx = Context::from_waker(Waker::noop());
    assert!((0..5).all(|_| Service::<()>::poll_ready(&mut timeout, &mut cx).is_pending()));
}

#[tokio::test(start_paused = true)]
async fn a_timeout_over_a_gate_bounds_the_wait_for_readiness() {
    let stack = Stack::new().timeout(LIMIT).bulkhead(settings(1));
    let mut hung = stack.service(service(|_| Readiness::Wake));
    let error = hung.call(()).await.expect_err("never ready");
    assert_eq!(error.rejection().map(|rejection| rejection.reason()), Some(Reason::Timeout));
}

#[test]
fn a_service_that_is_ready_after_many_polls_is_called_then() {
    let mut gated = Stack::new().bulkhead(settings(1)).service(service(|asked| match asked {
        0..10 => Readiness::Yield,
        _ => Readiness::Ready,
    }));
    let mut future = Box::pin(gated.call(()));
    let pending = std::iter::repeat_with(|| poll(future.as_mut())).take_while(Poll::is_pending).count();
    assert_eq!(pending, 9, "the first question was asked in `call`");
}

#[test]
fn a_service_that_failed_to_become_ready_is_discarded_and_the_next_call_succeeds() {
    let bulkhead = Bulkhead::new(settings(1));
    let handle = bulkhead.handle();
    let once = service(|asked| if asked == 0 { Readiness::Fail(Boom) } else { Readiness::Ready });
    let mut gated = Stack::new().bulkhead(bulkhead).service(once);
    assert_eq!(poll(pin!(gated.call(()))), Poll::Ready(Err(Error::Inner(Boom))));
    assert_eq!(handle.snapshot().in_use, 0);
    assert_eq!(poll(pin!(gated.call(()))), Poll::Ready(Ok(7)));
}

/// Tower's limit keeps its permit when what is below it fails to become ready. A gate that kept that instance kept
/// the permit, idle, and every other clone waited for it for ever.
#[test]
fn a_gate_keeps_no_reservation_of_a_service_that_failed() {
    let limit = tower::limit::GlobalConcurrencyLimitLayer::new(1);
    let once = service(|asked| if asked == 0 { Readiness::Fail(Boom) } else { Readiness::Ready });
    let mut failed = Stack::new().bulkhead(settings(2)).layer(limit).service(once);
    let mut other = failed.clone();
    assert_eq!(poll(pin!(failed.call(()))), Poll::Ready(Err(Error::Inner(Boom))));
    assert_eq!(poll(pin!(other.call(()))), Poll::Ready(Ok(7)));
}

#[test]
fn a_timeout_passes_a_failure_of_readiness_through_and_is_ready_once_its_service_is() {
    let once = service(|asked| if asked == 0 { Readiness::Fail(Boom) } else { Readiness::Ready });
    let mut timeout = Stack::new().timeout(LIMIT).service(once);
    let mut cx = Context::from_waker(Waker::noop());
    assert_eq!(Service::<()>::poll_ready(&mut timeout, &mut cx), Poll::Ready(Err(Error::Inner(Boom))));
    assert_eq!(Service::<()>::poll_ready(&mut timeout, &mut cx), Poll::Ready(Ok(())));
    assert_eq!(poll(pin!(timeout.call(()))), Poll::Ready(Ok(7)));
}

/// A task that is out of tokio's budget is told that a resource is not ready, though it is. Tower's load shedder sheds
/// then; a gate asks again.
#[tokio::test]
async fn a_service_that_is_pending_for_want_of_budget_is_not_refused() {
    #[derive(Clone)]
    struct Budgeted;

    impl Service<()> for Budgeted {
        type Response = u32;
        type Error = Boom;
        type Future = std::future::Ready<Result<u32, Boom>>;

        fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Boom>> {
            pin!(tokio::task::consume_budget()).poll(cx).map(Ok)
        }

        fn call(&mut self, (): ()) -> Self::Future {
            std::future::ready(Ok(7))
        }
    }

    let mut gated = Stack::new().bulkhead(settings(1)).service(Budgeted);
    let mut shedding = tower::load_shed::LoadShed::new(Budgeted);
    let answers = tokio::spawn(async move {
        while poll(pin!(tokio::task::consume_budget())).is_ready() {}
        assert!(Service::<()>::poll_ready(&mut shedding, &mut Context::from_waker(Waker::noop())).is_ready());
        let shed = shedding.call(());
        let answered = gated.call(()).await;
        (shed.await.is_err(), answered)
    });
    assert_eq!(answers.await.expect("no panic"), (true, Ok(7)));
}

// Tasks and wakers.

#[test]
fn the_latest_waker_of_a_waiter_is_woken_and_no_other() {
    let (mock, inner) = Mock::<(), u32, Boom>::new(|_, ()| Reply::ok(7).after_wakes(1));
    let mut service = Stack::new().bulkhead(settings(1).with_wait(1, Duration::MAX)).service(mock);
    let (mut first, mut second) = (Box::pin(service.call(())), Box::pin(service.call(())));
    assert!(poll(first.as_mut()).is_pending());
    let flags = [Flag::new(), Flag::new(), Flag::new()];
    for flag in &flags {
        // Polled for nothing, and from another task each time.
        assert!(second.as_mut().poll(&mut Context::from_waker(&flag.waker())).is_pending());
    }
    assert!(inner.wake_one());
    assert!(poll(first.as_mut()).is_ready());
    assert_eq!(flags.map(|flag| flag.wakes()), [0, 0, 1]);
}

#[test]
fn the_latest_waker_hears_that_the_time_is_up() {
    let clock = Clock::new();
    let _entered = clock.enter();
    let full = Stack::new().bulkhead(settings(1).with_wait(1, WAIT));
    let (mock, _) = Mock::<(), u32, Boom>::new(|_, ()| Reply::hang());
    let mut waiting = full.service(mock.clone());
    let _first = waiting.call(());
    let mut hung = Stack::new().timeout(WAIT).service(mock);
    let (mut waits, mut hangs) = (Box::pin(waiting.call(())), Box::pin(hung.call(())));
    let (old, new) = (Flag::new(), Flag::new());
    for flag in [&old, &new] {
        let waker = flag.waker();
        assert!(waits.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        assert!(hangs.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    clock.advance(2 * WAIT);
    assert_eq!((old.wakes(), new.wakes()), (0, 2));
    let reason = |polled: Poll<Result<u32, Error<Boom>>>| match polled {
        Poll::Ready(Err(error)) => error.rejection().map(|rejection| rejection.reason()),
        other => panic!("{other:?}"),
    };
    assert_eq!(reason(poll(waits.as_mut())), Some(Reason::WaitTimeout));
    assert_eq!(reason(poll(hangs.as_mut())), Some(Reason::Timeout));
}

#[test]
fn a_spurious_poll_of_whoever_waits_for_readiness_reaches_the_inner_service() {
    let (mock, inner) = Mock::<(), u32, Boom>::new(|_, ()| Reply::ok(7));
    let mock = mock.with_readiness(|asked| if asked < 4 { Readiness::Wake } else { Readiness::Ready });
    let mut service = Stack::new().bulkhead(settings(1)).service(mock);
    let mut future = Box::pin(service.call(()));
    let flags = [Flag::new(), Flag::new(), Flag::new()];
    for flag in &flags {
        assert!(future.as_mut().poll(&mut Context::from_waker(&flag.waker())).is_pending());
    }
    while inner.wake_one() {}
    assert!(flags.iter().all(|flag| flag.wakes() == 1));
    assert_eq!(poll(future.as_mut()), Poll::Ready(Ok(7)));
}

#[test]
fn no_runtime_is_needed_where_no_timer_is_set() {
    let stack = Stack::new().timeout(Duration::MAX).bulkhead(settings(1).with_wait(1, Duration::MAX)).timeout(LIMIT);
    let (mock, _) = Mock::<(), u32, Boom>::new(|_, ()| Reply::ok(7));
    let mut service = stack.service(mock);
    let (first, mut second) = (service.call(()), Box::pin(service.call(())));
    assert!(poll(second.as_mut()).is_pending());
    assert_eq!(poll(Box::pin(first).as_mut()), Poll::Ready(Ok(7)));
    assert_eq!(poll(second.as_mut()), Poll::Ready(Ok(7)));
}

#[tokio::test(start_paused = true)]
async fn no_task_is_spawned() {
    let stack = Stack::new().timeout(LIMIT).bulkhead(settings(1).with_wait(1, WAIT)).timeout(WAIT);
    let (mock, _) = Mock::<(), u32, Boom>::new(|_, ()| Reply::ok(7).after(Duration::from_secs(1)));
    let mut service = stack.service(mock);
    let (first, second) = (service.call(()), service.call(()));
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let watched = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        tasks()
    };
    let (first, second, meanwhile) = tokio::join!(first, second, watched);
    assert_eq!((first, second, meanwhile, tasks()), (Ok(7), Ok(7), 0, 0));
}

// Users' code that panics.

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

// What the types are.

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

// Depth and size.

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

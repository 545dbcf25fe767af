//! What every layer and every stack keeps to.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use plimsoll::{
    Ratio, Refusal, Stack,
    bulkhead::{Bulkhead, Order},
    circuit_breaker::{self, CircuitBreaker},
    gate::PerKind,
    keyed::{self, Keyed, Overflow},
    meter::{self, Contributors, Meter},
    rate_limit::{Quota, RateLimit},
    surge_queue,
    work_budget::{self, Demotion, OverCost},
};
use tower::{Service, ServiceExt, buffer::Buffer, layer::layer_fn};

use crate::{
    assert_nothing_held,
    support::{
        client::{Client, End, Stage},
        clock::Clock,
        doors::{Hourglass, Shut, Turnstile},
        inners::{picky, unclone, unsend},
        kit::{Ask, Kit, LIMIT, WAIT, packed, patient, quick, seats, settings, slow, two_lanes},
        planted::{ClonesInCall, GoesOnWithAClone, RefusesReadiness},
        scripts::{Body, Finish, Pause, Ready},
        subjects::Subject,
    },
};

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

every_subject!(each a_second_poll_after_the_end_panics_and_leaks_nothing over Kit::mock);

fn a_second_poll_after_the_end_panics_and_leaks_nothing<S: Subject>(
    capacity: Option<usize>,
    build: impl Fn(&Kit) -> S,
) {
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

fn the_polled_instance_is_the_one_called<S: Subject>(capacity: Option<usize>, build: impl Fn(&Kit) -> S) {
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

fn no_refusal_comes_out_of_poll_ready<S: Subject>(capacity: Option<usize>, build: impl Fn(&Kit) -> S) {
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
fn readiness_of_one_clone_serves_another<S: Subject>(capacity: Option<usize>, build: impl Fn(&Kit) -> S) {
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

fn an_inner_service_need_not_be_send<S: Subject>(capacity: Option<usize>, build: impl Fn(&Kit) -> S) {
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

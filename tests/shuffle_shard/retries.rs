//! A retry goes to another member of the hand.

use plimsoll::{
    Error, Outcome, Reason, Refusal, Rejection, Stack,
    classify::Failure,
    request::{Carried, Carry, Tried, current},
    retry::{self, Backoff, RetryLayer},
    shuffle_shard::{HandSize, Node, Rendezvous, Settings, ShuffleShard},
};
use tower::{Service, ServiceExt, service_fn};

use crate::world::{Boom, Mode, Req, SECOND, World, names, nodes, of};

fn settings(attempts: u32) -> retry::Settings {
    retry::Settings::new().with_backoff(Backoff::IMMEDIATE).try_with_attempts(attempts).expect("not zero")
}

fn calls(world: &World, count: usize) -> Vec<usize> {
    names(count).iter().map(|name| world.calls(name)).collect()
}

#[tokio::test(start_paused = true)]
async fn what_failed_at_one_member_is_sent_to_another() {
    let world = World::default();
    let router = world.router(2, Settings::new());
    let service = Stack::new().retry(RetryLayer::new(settings(2)).without_budget()).wrap(router);
    world.set("node-0", Mode::Fail);
    for _ in 0..100 {
        assert_eq!(service.clone().oneshot(of(1)).await, Ok("node-1".into()));
    }
}

/// Though the other has more to do, even counting the failure.
#[tokio::test(start_paused = true)]
async fn a_loaded_member_is_tried_before_one_that_was_tried() {
    let world = World::default();
    let mut router = world.router(2, Settings::new());
    let handle = router.handle();
    handle.eject("node-0");
    world.set("node-1", Mode::Slow);
    let _under_way: Vec<_> = (0..5).map(|_| router.call(of(1))).collect();
    handle.restore("node-0");
    world.set("node-0", Mode::Fail);
    world.set("node-1", Mode::Answer);
    let service = Stack::new().retry(settings(2)).wrap_router(router);
    assert_eq!(service.oneshot(of(1)).await, Ok("node-1".into()));
    assert_eq!(world.calls("node-0"), 1);
}

#[tokio::test(start_paused = true)]
async fn each_attempt_goes_to_a_member_that_was_not_tried() {
    for size in 1..=6 {
        let world = World::default();
        let router = world.router(6, Settings::new()).assign_by(Rendezvous::new(HandSize::new(size)));
        let attempts = size.min(Tried::MOST) as u32;
        let service = Stack::new().retry(RetryLayer::new(settings(attempts)).without_budget()).wrap(router);
        world.set_all(Mode::Fail);
        assert_eq!(service.oneshot(of(1)).await, Err(Error::Inner(Boom)));
        let mut calls = calls(&world, 6);
        calls.sort_unstable_by(|one, other| other.cmp(one));
        let wanted: Vec<_> = (0..6).map(|n| usize::from(n < attempts as usize)).collect();
        assert_eq!(calls, wanted, "a hand of {size}");
    }
}

#[tokio::test(start_paused = true)]
async fn when_all_were_tried_it_is_the_turn_of_the_one_of_longest_ago() {
    let world = World::default();
    let router = world.router(3, Settings::new()).assign_by(Rendezvous::new(HandSize::new(3)));
    let service = Stack::new().retry(RetryLayer::new(settings(6)).without_budget()).wrap(router);
    world.set_all(Mode::Fail);
    assert_eq!(service.oneshot(of(1)).await, Err(Error::Inner(Boom)));
    assert_eq!(calls(&world, 3), [2, 2, 2]);
}

#[tokio::test(start_paused = true)]
async fn requests_of_nobody_are_sent_to_another_too() {
    let world = World::default();
    let router = ShuffleShard::new(nodes(names(3)), world.factory());
    let service = Stack::new().retry(RetryLayer::new(settings(3)).without_budget()).wrap(router);
    world.set_all(Mode::Fail);
    assert_eq!(service.oneshot(of(1)).await, Err(Error::Inner(Boom)));
    assert_eq!(calls(&world, 3), [1, 1, 1]);
}

/// An attempt that its own timeout ended was tried too.
#[tokio::test(start_paused = true)]
async fn what_hung_at_one_member_is_sent_to_another() {
    let world = World::default();
    let member = world.factory();
    let router = ShuffleShard::new(nodes(names(2)), move |node: &Node| Stack::new().timeout(SECOND).wrap(member(node)))
        .tenant_by(|req: &Req| req.tenant);
    let service = Stack::new().timeout(5 * SECOND).retry(settings(2)).wrap_router(router);
    world.set("node-0", Mode::Hang);
    for _ in 0..4 {
        assert_eq!(service.clone().oneshot(of(1)).await, Ok("node-1".into()));
    }
}

/// Also where the timeout of an attempt is around the router, and where the member was not ready at first.
#[tokio::test(start_paused = true)]
async fn what_was_tried_is_known_wherever_the_attempt_ended() {
    let world = World::default();
    let router = world.router(2, Settings::new());
    let service = Stack::new().retry(settings(2)).timeout(SECOND).wrap_router(router);
    world.set("node-0", Mode::Hang);
    for _ in 0..4 {
        assert_eq!(service.clone().oneshot(of(1)).await, Ok("node-1".into()));
    }
    world.set("node-0", Mode::ReadyFails);
    world.set("node-1", Mode::ReadyFails);
    assert_eq!(service.oneshot(of(1)).await, Err(Error::Inner(Boom)));
}

/// What one request tried says nothing to the next. And of clones that make one call each, two for each call, not always
/// the same member is first: it once was.
#[tokio::test(start_paused = true)]
async fn another_request_knows_nothing_of_it() {
    let world = World::default();
    let router = world.router(2, Settings::new());
    let service = Stack::new().retry(settings(2)).wrap_router(router.clone());
    world.set("node-0", Mode::Fail);
    service.clone().oneshot(of(1)).await.expect("answered");
    assert_eq!(current(), Carried::NONE);
    world.set("node-0", Mode::Answer);
    router.handle().restore("node-0");
    let before = world.calls("node-0");
    for _ in 0..100 {
        service.clone().oneshot(of(1)).await.expect("answered");
    }
    let calls = world.calls("node-0") - before;
    assert!((45..=55).contains(&calls), "in turn again: {calls}");
}

/// A request that has been somewhere and comes back by other ways than a retry of ours.
#[tokio::test(start_paused = true)]
async fn a_request_may_carry_where_it_was() {
    #[derive(Clone, Copy)]
    struct Been(Tried);

    struct Carries;

    impl Carry<Been> for Carries {
        fn get(&self, req: &Been) -> Option<Carried> {
            let mut carried = Carried::NONE;
            carried.tried = req.0;
            Some(carried)
        }

        fn insert(&self, req: &mut Been, carried: Carried) {
            req.0 = carried.tried;
        }
    }

    impl Clone for Carries {
        fn clone(&self) -> Self {
            Self
        }
    }

    let fleet = nodes(["a", "b"]);
    let ids: Vec<_> = fleet.iter().map(Node::id).collect();
    let router = ShuffleShard::new(fleet, |node: &Node| {
        let id = node.id();
        Stack::new().service(service_fn(move |_: Been| std::future::ready(Ok::<_, std::io::Error>(id))))
    })
    .tenant_by(|_: &Been| 1)
    .carry(Carries);
    for _ in 0..10 {
        let mut tried = Tried::NONE;
        tried.add(ids[0]);
        assert_eq!(router.clone().oneshot(Been(tried)).await.expect("answered"), ids[1]);
    }
    // And the inner service is told by the retry where the attempts before went.
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let sees = std::sync::Arc::clone(&seen);
    let fleet = nodes(["a", "b"]);
    let router = ShuffleShard::new(fleet, move |_: &Node| {
        let sees = std::sync::Arc::clone(&sees);
        Stack::new().service(service_fn(move |been: Been| {
            sees.lock().expect("unpoisoned").push((been.0.len(), current().tried.len()));
            std::future::ready(Err::<(), _>(std::io::Error::other("down")))
        }))
    })
    .tenant_by(|_: &Been| 1);
    let retry = RetryLayer::new(settings(3)).carry(Carries).without_budget();
    let _ = Stack::new().retry(retry).wrap_router(router).oneshot(Been(Tried::NONE)).await;
    assert_eq!(*seen.lock().expect("unpoisoned"), [(0, 1), (1, 2), (2, 2)]);
}

/// A nested retry leaves it at one attempt, and what that tried reaches the one that tries again.
#[tokio::test(start_paused = true)]
async fn what_was_tried_gets_through_a_nested_retry() {
    let world = World::default();
    let router = world.router(2, Settings::new());
    let nested = Stack::new().retry(settings(2)).retry(settings(2)).wrap_router(router);
    world.set_all(Mode::Fail);
    assert_eq!(nested.oneshot(of(1)).await, Err(Error::Inner(Boom)));
    assert_eq!(calls(&world, 2), [1, 1]);
}

/// By the standard judge an open circuit is asked once and that is the answer. Where there is another member to ask, a judge
/// of the retry's own may say otherwise, where the router is not told how to send a request again.
#[tokio::test(start_paused = true)]
async fn a_refusal_that_no_member_has_seen_is_sent_to_another_if_the_judge_says_so() {
    let judge = |result: Result<&String, &Error<Boom>>| match result {
        Ok(_) => Outcome::Success,
        Err(error) => match error.rejection() {
            Some(refused) if refused.was_dispatched() => Outcome::of_rejection(refused),
            _ => Outcome::Failure(Failure::Transient),
        },
    };
    let refused = async |retry: bool| {
        let world = World::default();
        let router = world.router(2, Settings::new());
        let open = Rejection::new(Reason::CircuitOpen, "member").with_retry_after(SECOND);
        world.set("node-0", Mode::Refuse(open));
        let mut refused = 0;
        for _ in 0..10 {
            let answer = match retry {
                true => {
                    let layer = RetryLayer::new(settings(2)).classify(judge);
                    Stack::new().retry(layer).wrap_router(router.clone()).oneshot(of(1)).await
                }
                false => Stack::new().retry(settings(2)).wrap_router(router.clone()).oneshot(of(1)).await,
            };
            refused += usize::from(answer.is_err());
        }
        (refused, world.calls("node-0"))
    };
    assert_eq!(refused(false).await, (1, 1));
    assert_eq!(refused(true).await, (0, 1));
}

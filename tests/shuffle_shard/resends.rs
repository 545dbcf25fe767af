//! A refusal that no member has seen goes to another of the hand, where the router was told how to copy a request.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::Poll,
};

use plimsoll::{
    Error, Reason, Rejection, Stack,
    chance::Chance,
    request::{Carried, Carry, CloneRequest, Replay, Tried},
    retry::{self, Backoff, RetryLayer},
    shuffle_shard::{HandSize, MemberSnapshot, Node, Rendezvous, Settings, ShuffleShard},
};
use tokio_test::task::spawn;
use tower::{Service, ServiceExt, service_fn};

use crate::world::{Boom, Heard, Mode, Req, SECOND, World, call, names, nodes, of, poll, rejection};

fn refusal(reason: Reason) -> Mode {
    Mode::Refuse(Rejection::new(reason, "member").with_retry_after(SECOND))
}

fn calls(world: &World, count: usize) -> Vec<usize> {
    names(count).iter().map(|name| world.calls(name)).collect()
}

#[tokio::test(start_paused = true)]
async fn what_a_member_refuses_goes_to_another_at_once() {
    for reason in [Reason::CircuitOpen, Reason::BulkheadFull] {
        let (world, heard) = (World::default(), Heard::default());
        let router = world.router(2, Settings::new()).observe(heard.observer()).resend(CloneRequest);
        world.set("node-0", refusal(reason));
        let start = plimsoll::clock::now();
        for _ in 0..10 {
            assert_eq!(call(&router, of(1)).await, Ok("node-1".into()));
        }
        assert_eq!((world.calls("node-0"), router.snapshot().resent, router.snapshot().refused), (1, 1, 0));
        assert_eq!(plimsoll::clock::now(), start, "nobody sleeps");
        assert!(heard.take().is_empty());
        assert!(router.snapshot().members.iter().all(|member| member.in_flight == 0));
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_member_may_have_seen_and_what_another_try_cannot_help_goes_to_nobody_else() {
    let seen = Rejection::new(Reason::Timeout, "member").dispatched();
    for mode in [Mode::Refuse(seen), refusal(Reason::TooExpensive), refusal(Reason::DeadlineExceeded), Mode::Fail] {
        let world = World::default();
        let router = world.router(2, Settings::new()).resend(CloneRequest);
        world.set_all(mode);
        call(&router, of(1)).await.expect_err("that is the answer");
        assert_eq!((calls(&world, 2).iter().sum::<usize>(), router.snapshot().resent), (1, 0), "{mode:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_member_of_the_hand_gets_it_once_and_the_last_refusal_is_the_answer() {
    for size in 1..=5 {
        let world = World::default();
        let router = world.router(6, Settings::new()).assign_by(Rendezvous::new(HandSize::new(size)));
        let router = router.resend(CloneRequest);
        world.set_all(refusal(Reason::BulkheadFull));
        assert_eq!(rejection(call(&router, of(1)).await).reason(), Reason::BulkheadFull);
        let mut calls = calls(&world, 6);
        calls.sort_unstable_by(|one, other| other.cmp(one));
        assert_eq!(calls, (0..6).map(|n| usize::from(n < size)).collect::<Vec<_>>(), "a hand of {size}");
        assert_eq!(router.snapshot().resent, size as u64 - 1);
    }
}

/// Those are dealt two.
#[tokio::test(start_paused = true)]
async fn requests_of_nobody_go_to_one_other() {
    let world = World::default();
    let router = ShuffleShard::new(nodes(names(6)), world.factory()).resend(CloneRequest);
    world.set_all(refusal(Reason::BulkheadFull));
    assert_eq!(rejection(call(&router, of(1)).await).reason(), Reason::BulkheadFull);
    assert_eq!(calls(&world, 6).iter().sum::<usize>(), 2);
    assert!(calls(&world, 6).iter().all(|calls| *calls <= 1));
}

#[tokio::test(start_paused = true)]
async fn where_the_other_is_not_ready_it_waits_for_that_and_not_for_who_refused() {
    let world = World::default();
    let mut router = world.router(2, Settings::new()).resend(CloneRequest);
    let handle = router.handle();
    world.set("node-0", refusal(Reason::BulkheadFull));
    world.set("node-1", Mode::Unready);
    let mut waiting = spawn(router.call(of(1)));
    assert!(waiting.poll().is_pending());
    world.set("node-0", Mode::Answer);
    // Whatever is decided meanwhile.
    handle.eject("node-0");
    handle.restore("node-0");
    handle.insert(Node::new("far")).expect("valid");
    handle.remove("far");
    assert!(waiting.is_woken() && waiting.poll().is_pending());
    assert_eq!(calls(&world, 2), [1, 0]);
    world.set("node-1", Mode::Answer);
    while world.member("node-1").wake_one() {}
    assert!(waiting.is_woken());
    assert_eq!(waiting.poll(), Poll::Ready(Ok("node-1".to_owned())));
    drop(waiting);
    assert!(handle.snapshot().members.iter().all(|member| member.in_flight == 0));
}

/// Nobody who returns gets it: it was dealt two. All that waited so were woken whenever a member came back, in vain.
#[tokio::test(start_paused = true)]
async fn requests_of_nobody_that_wait_for_the_other_are_not_woken_by_who_returns() {
    let world = World::default();
    let mut router = ShuffleShard::new(nodes(names(3)), world.factory()).chance(Chance::seeded(7)).resend(CloneRequest);
    let handle = router.handle();
    world.set_all(Mode::Unready);
    world.set("node-0", refusal(Reason::BulkheadFull));
    let mut waiting = loop {
        let mut call = spawn(router.call(of(1)));
        assert!(call.poll().is_pending());
        if world.calls("node-0") == 1 {
            break call;
        }
    };
    let members = handle.snapshot().members;
    let is_third = |member: &&MemberSnapshot| member.node.name() != "node-0" && member.in_flight == 0;
    let third = members.iter().find(is_third).expect("it waits for one").node.name();
    handle.eject(third);
    handle.restore(third);
    assert!(!waiting.is_woken());
    world.set("far", Mode::Unready);
    handle.insert(Node::new("far")).expect("valid");
    assert!(waiting.is_woken() && waiting.poll().is_pending(), "by another fleet it is");
}

/// What it was refused with was forgotten as soon as it waited, and the caller told that there is no shard.
#[tokio::test(start_paused = true)]
async fn where_the_other_is_put_out_while_it_waits_the_last_refusal_is_the_answer() {
    let world = World::default();
    let mut router = world.router(2, Settings::new()).resend(CloneRequest);
    let handle = router.handle();
    world.set("node-0", refusal(Reason::BulkheadFull));
    world.set("node-1", Mode::Unready);
    let mut waiting = spawn(router.call(of(1)));
    assert!(waiting.poll().is_pending());
    // That something is decided does not make it forget either.
    handle.insert(Node::new("far")).expect("valid");
    handle.remove("far");
    assert!(waiting.is_woken() && waiting.poll().is_pending());
    handle.eject("node-1");
    let Poll::Ready(answer) = waiting.poll() else { panic!("nobody else takes it") };
    assert_eq!(rejection(answer).reason(), Reason::BulkheadFull);
    assert_eq!((calls(&world, 2), handle.snapshot().refused), (vec![1, 0], 0));
}

#[tokio::test(start_paused = true)]
async fn a_copy_is_made_where_somebody_else_may_get_it_and_for_nobody_else() {
    let copies = async |size, refusing: bool| {
        let world = World::default();
        let made = Arc::new(AtomicUsize::new(0));
        let makes = Arc::clone(&made);
        let replay = move |req: &Req, attempt: u32| {
            assert_eq!(attempt, 1, "what was refused was no attempt");
            makes.fetch_add(1, Relaxed);
            Some(*req)
        };
        let router = world.router(4, Settings::new()).assign_by(Rendezvous::new(HandSize::new(size))).resend(replay);
        if refusing {
            world.set_all(refusal(Reason::BulkheadFull));
        }
        let _ = call(&router, of(1)).await;
        made.load(Relaxed)
    };
    assert_eq!([copies(1, false).await, copies(2, false).await, copies(4, false).await], [0, 1, 1]);
    assert_eq!([copies(1, true).await, copies(2, true).await, copies(4, true).await], [0, 1, 3]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_had_again_is_sent_once() {
    #[derive(Clone)]
    struct Broken;

    impl Replay<Req> for Broken {
        fn replay(&self, req: &Req, _: u32) -> Option<Req> {
            Some(*req)
        }

        fn is_whole(&self, _: &Req) -> bool {
            false
        }
    }

    let world = World::default();
    let router = world.router(2, Settings::new());
    world.set_all(refusal(Reason::BulkheadFull));
    let refused = call(&router.clone().resend(Broken), of(1)).await;
    assert_eq!(rejection(refused).reason(), Reason::BulkheadFull);
    let refused = call(&router.clone().resend(|_: &Req, _: u32| None), of(1)).await;
    assert_eq!(rejection(refused).reason(), Reason::BulkheadFull);
    assert_eq!((calls(&world, 2).iter().sum::<usize>(), router.snapshot().resent), (2, 0));
}

/// Both who refused it and who failed.
#[tokio::test(start_paused = true)]
async fn a_retry_further_out_knows_where_it_was_and_spends_nothing_on_refusals() {
    let world = World::default();
    let router = world.router(3, Settings::new()).assign_by(Rendezvous::new(HandSize::new(3))).resend(CloneRequest);
    let settings = retry::Settings::new().with_backoff(Backoff::IMMEDIATE).try_with_attempts(2).expect("not zero");
    let layer = RetryLayer::new(settings);
    let handle = layer.handle();
    let service = Stack::new().retry(layer).wrap(router.clone());
    world.set("node-0", refusal(Reason::BulkheadFull));
    world.set("node-1", Mode::Fail);
    for _ in 0..30 {
        assert_eq!(service.clone().oneshot(of(1)).await, Ok("node-2".into()));
        // As if nothing had been heard of any.
        tokio::time::advance(60 * SECOND).await;
    }
    assert!(router.snapshot().resent > 0);
    assert_eq!(handle.snapshot().retries as usize, world.calls("node-1"), "one for each failure, and for no refusal");
}

#[tokio::test(start_paused = true)]
async fn the_copy_carries_where_the_request_was() {
    #[derive(Clone, Copy)]
    struct Been(Tried);

    #[derive(Clone)]
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

    let fleet = nodes(["a", "b", "c"]);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sees = Arc::clone(&seen);
    let router = ShuffleShard::new(fleet, move |node: &Node| {
        let (id, sees) = (node.id(), Arc::clone(&sees));
        service_fn(move |been: Been| {
            sees.lock().expect("unpoisoned").push((id, been.0));
            let full = Rejection::new(Reason::BulkheadFull, "member");
            std::future::ready(Err::<(), Error<Boom>>(full.into()))
        })
    });
    let router = router.assign_by(Rendezvous::new(HandSize::new(3))).tenant_by(|_: &Been| 1).carry(Carries);
    router.resend(CloneRequest).oneshot(Been(Tried::NONE)).await.expect_err("all are full");
    let seen = seen.lock().expect("unpoisoned");
    assert_eq!(seen.len(), 3);
    let mut tried = Tried::NONE;
    for (id, been) in seen.iter() {
        assert_eq!(*been, tried);
        tried.add(*id);
    }
}

/// The copy said that it was a first attempt where only the retry further out knew that it was not.
#[tokio::test(start_paused = true)]
async fn a_copy_of_a_later_attempt_says_which_attempt_it_is() {
    #[derive(Clone)]
    struct Noted(Option<Carried>);

    #[derive(Clone)]
    struct Notes;

    impl Carry<Noted> for Notes {
        fn get(&self, req: &Noted) -> Option<Carried> {
            req.0
        }

        fn insert(&self, req: &mut Noted, carried: Carried) {
            req.0 = Some(carried);
        }
    }

    let seen = Arc::new(Mutex::new(Vec::new()));
    let sees = Arc::clone(&seen);
    let router = ShuffleShard::new(nodes(["a", "b"]), move |_: &Node| {
        let sees = Arc::clone(&sees);
        service_fn(move |req: Noted| {
            let mut seen = sees.lock().expect("unpoisoned");
            seen.push(req.0.map(|carried| carried.attempt));
            let answer = match seen.len() {
                1 => Err(Error::Inner(Boom)),
                2 => Err(Error::Rejected(Rejection::new(Reason::BulkheadFull, "member"))),
                _ => Ok(()),
            };
            async move { answer }
        })
    });
    let router = router.tenant_by(|_: &Noted| 1).carry(Notes).resend(CloneRequest);
    let mut stack = Stack::new().retry(retry::Settings::new());
    stack.wrap_router(router).oneshot(Noted(None)).await.expect("the third is answered");
    assert_eq!(*seen.lock().expect("unpoisoned"), [None, None, Some(2)]);
}

/// At any poll, whatever the other does.
#[tokio::test(start_paused = true)]
async fn a_call_that_is_sent_again_and_cut_is_counted_by_nobody() {
    let modes =
        [Mode::Answer, Mode::Slow, Mode::Hang, Mode::Unready, Mode::Fail, Mode::ReadyFails, Mode::Takes(SECOND)];
    for mode in modes {
        for polls in 0..5 {
            let world = World::default();
            let mut router = world.router(2, Settings::new()).resend(CloneRequest);
            world.set("node-0", refusal(Reason::CircuitOpen));
            world.set("node-1", mode);
            let mut call = Box::pin(router.call(of(1)));
            for _ in 0..polls {
                if poll(&mut call).is_ready() {
                    break;
                }
                tokio::time::advance(SECOND / 2).await;
                world.member("node-1").wake_one();
            }
            drop(call);
            assert!(router.snapshot().members.iter().all(|member| member.in_flight == 0), "{mode:?}, {polls} polls");
            assert_eq!(world.in_flight(), 0, "{mode:?}, {polls} polls");
        }
    }
}

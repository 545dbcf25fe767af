//! Members come and go while the router serves.

use std::{collections::BTreeSet, future::Future, task::Poll};

use plimsoll::{
    Error, Reason,
    shuffle_shard::{Handle, Health, Node, Nodes, Settings},
    testing,
};
use tokio_test::task::Spawn;
use tower::Service;

use crate::world::{Answer, Boom, Mode, Req, SECOND, World, call, names, nodes, of, poll, rejection, state};

#[tokio::test(start_paused = true)]
async fn a_node_that_comes_is_used_and_one_that_goes_is_not() {
    let world = World::default();
    let router = world.router(2, Settings::new());
    let handle = router.handle();
    assert_eq!(handle.insert(Node::new("node-2")), Ok(true));
    assert_eq!(handle.insert(Node::new("node-2")), Ok(false));
    let mut served = BTreeSet::new();
    for tenant in 0..40 {
        served.insert(call(&router, of(tenant)).await.expect("answered"));
    }
    assert!(served.contains("node-2"));
    assert!(handle.remove("node-2") && !handle.remove("node-2"));
    let before = world.calls("node-2");
    for tenant in 0..40 {
        call(&router, of(tenant)).await.expect("answered");
    }
    assert_eq!(world.calls("node-2"), before);
    assert_eq!(world.made().len(), 3, "each once");
}

#[tokio::test(start_paused = true)]
async fn one_member_of_a_hand_at_most_changes_with_a_node() {
    let world = World::default();
    let router = world.router(20, Settings::new());
    let handle = router.handle();
    let hands = || {
        let hand =
            |tenant| handle.explain(tenant).members.iter().map(|member| member.node.id()).collect::<BTreeSet<_>>();
        (0..300).map(hand).collect::<Vec<_>>()
    };
    let mut before = hands();
    let mut moved = 0;
    for change in 0..4 {
        match change % 2 {
            0 => assert_eq!(handle.insert(Node::new(format!("new-{change}"))), Ok(true)),
            _ => assert!(handle.remove(&format!("node-{change}"))),
        }
        let after = hands();
        for (before, after) in before.iter().zip(&after) {
            let gone = before.difference(after).count();
            assert!(gone <= 1);
            moved += gone;
        }
        before = after;
    }
    // A tenth each time: k of n.
    assert!((60..=180).contains(&moved), "{moved}");
}

#[tokio::test(start_paused = true)]
async fn a_call_to_a_node_that_goes_goes_on_to_its_end() {
    let world = World::default();
    let mut router = world.router(2, Settings::new());
    world.set_all(Mode::Slow);
    let mut calls: Vec<_> = (0..4).map(|_| tokio_test::task::spawn(router.call(of(1)))).collect();
    assert!(calls.iter_mut().all(|call| call.poll().is_pending()));
    let handle = router.handle();
    handle.set(Nodes::default());
    for name in names(2) {
        while world.member(&name).wake_one() {}
    }
    assert!(calls.iter_mut().all(|call| matches!(call.poll(), Poll::Ready(Ok(_)))));
    assert_eq!(rejection(call(&router, of(1)).await).reason(), Reason::NoShard);
}

/// A fleet is announced anew every few seconds, mostly as it was.
#[tokio::test(start_paused = true)]
async fn the_same_nodes_again_change_nothing_of_those_who_stay() {
    let world = World::default();
    let mut router = world.router(4, Settings::new());
    let handle = router.handle();
    handle.eject("node-0");
    world.set("node-1", Mode::Slow);
    world.set("node-2", Mode::Slow);
    world.set("node-3", Mode::Slow);
    let _under_way: Vec<_> = (0..8).map(|tenant| router.call(of(tenant))).collect();
    let before = handle.snapshot();
    let mut reversed = names(4);
    reversed.reverse();
    handle.set(nodes(reversed));
    assert_eq!(handle.snapshot(), before);
    handle.set(nodes(names(5)));
    for member in before.members {
        assert_eq!(state(&handle.snapshot(), member.node.name()), member);
    }
    let mut made = world.made();
    made.sort_unstable();
    assert_eq!(made, names(5), "each once");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_left_and_came_back_is_a_new_one() {
    let world = World::default();
    let router = world.router(2, Settings::new());
    let handle = router.handle();
    handle.eject("node-0");
    handle.remove("node-0");
    handle.insert(Node::new("node-0")).expect("valid");
    assert_eq!(state(&handle.snapshot(), "node-0").health, Health::Serving);
    assert_eq!((world.made().len(), world.made().pop()), (3, Some("node-0".to_owned())));
}

/// A node that was broken is taken away, repaired and put back; calls to the broken one, given up meanwhile, put the new one
/// out.
#[tokio::test(start_paused = true)]
async fn calls_to_a_node_that_left_are_not_held_against_the_one_that_came_back() {
    let world = World::default();
    let mut router = world.router(3, Settings::new());
    let handle = router.handle();
    world.set("node-0", Mode::Hang);
    for other in ["node-1", "node-2"] {
        handle.eject(other);
    }
    let mut hang: Vec<_> = (0..40).map(|tenant| Box::pin(router.call(of(tenant)))).collect();
    hang.retain_mut(|call| poll(call).is_pending());
    assert!(hang.len() >= 5, "failures enough");
    for other in ["node-1", "node-2"] {
        handle.restore(other);
    }
    handle.remove("node-0");
    handle.insert(Node::new("node-0")).expect("valid");
    tokio::time::advance(2 * SECOND).await;
    drop(hang);
    let new = state(&handle.snapshot(), "node-0");
    assert_eq!((new.health, new.failures_in_a_row, new.in_flight), (Health::Serving, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_moves_to_another_zone_keeps_its_service() {
    let world = World::default();
    let router = world.router(2, Settings::new());
    let handle = router.handle();
    assert_eq!(handle.insert(Node::new("node-0").in_zone("a")), Ok(false));
    assert_eq!(state(&handle.snapshot(), "node-0").node.zone(), Some("a"));
    assert_eq!(world.made().len(), 2);
}

/// A call that waits for one of two members, neither of which is ready.
fn waiting(world: &World) -> (Handle, Spawn<impl Future<Output = Answer> + use<>>) {
    let mut router = world.router(2, Settings::new());
    world.set_all(Mode::Unready);
    let mut waiting = tokio_test::task::spawn(router.call(of(1)));
    assert!(waiting.poll().is_pending());
    (router.handle(), waiting)
}

/// It waits for a member that will never be ready, and that is taken away: it must not wait on.
#[tokio::test(start_paused = true)]
async fn who_waits_for_a_member_that_goes_is_sent_to_another() {
    let world = World::default();
    let (handle, mut waiting) = waiting(&world);
    handle.insert(Node::new("fresh")).expect("valid");
    assert!(waiting.is_woken());
    let polled = waiting.poll();
    handle.remove("node-0");
    handle.remove("node-1");
    let answer = match polled {
        Poll::Pending => waiting.poll(),
        answered => answered,
    };
    assert_eq!(answer, Poll::Ready(Ok("fresh".to_owned())));
    drop(waiting);
    assert!(handle.snapshot().members.iter().all(|member| member.in_flight == 0));
}

#[tokio::test(start_paused = true)]
async fn who_waits_and_loses_all_members_is_refused() {
    let (handle, mut waiting) = waiting(&World::default());
    handle.set(Nodes::default());
    assert!(waiting.is_woken());
    let Poll::Ready(answer) = waiting.poll() else { panic!("it waits for nobody") };
    assert_eq!(rejection(answer).reason(), Reason::NoShard);
}

/// Whoever is still a member keeps the place that the request has at its door: readiness may be a place in a queue.
#[tokio::test(start_paused = true)]
async fn who_waits_keeps_its_place_at_those_who_stay() {
    let world = World::default();
    let (handle, mut waiting) = waiting(&world);
    for round in 0..20 {
        handle.insert(Node::new(format!("far-{round}"))).expect("valid");
        handle.remove(&format!("far-{round}"));
        assert!(waiting.is_woken());
        assert!(waiting.poll().is_pending());
    }
    let counted: u32 = handle.snapshot().members.iter().map(|member| member.in_flight).sum();
    assert_eq!(counted, 2);
    drop(waiting);
    assert!(handle.snapshot().members.iter().all(|member| member.in_flight == 0));
}

/// A change may deal another hand though everybody is still there. Who waited on at the old doors could be served by somebody
/// who is not of its tenant's hand.
#[tokio::test(start_paused = true)]
async fn who_waits_leaves_those_who_are_of_its_hand_no_more() {
    let world = World::default();
    let mut router = world.router(2, Settings::new());
    let fresh: Vec<_> = (0..10).map(|number| format!("fresh-{number}")).collect();
    fresh.iter().for_each(|name| world.set(name, Mode::Unready));
    world.set_all(Mode::Unready);
    let mut waiting = tokio_test::task::spawn(router.call(of(1)));
    assert!(waiting.poll().is_pending());
    let handle = router.handle();
    handle.set(nodes(names(2).into_iter().chain(fresh)));
    assert!(waiting.poll().is_pending());
    let members = handle.snapshot().members;
    let at =
        |old: bool| members.iter().filter(|it| it.node.name().starts_with("node-") == old && it.in_flight == 1).count();
    assert!(at(false) > 0, "the hand is another: {members:?}");
    assert_eq!(at(true) + at(false), 2, "it waits for its hand: {members:?}");
}

/// The node that comes back by the name of one that went is another, and so is its door.
#[tokio::test(start_paused = true)]
async fn who_waits_for_a_member_that_was_replaced_waits_for_the_new_one() {
    let world = World::default();
    let mut router = world.router(1, Settings::new());
    world.set_all(Mode::Unready);
    let mut waiting = tokio_test::task::spawn(router.call(of(1)));
    assert!(waiting.poll().is_pending());
    let handle = router.handle();
    assert!(handle.remove("node-0"));
    handle.insert(Node::new("node-0")).expect("valid");
    assert!(waiting.poll().is_pending());
    assert_eq!((world.made().len(), handle.snapshot().members[0].in_flight), (2, 1));
}

/// Requests of nobody are dealt two at random, anew with each change. They kept all whom they had been dealt, and in the end
/// waited for the whole fleet, each of whom counted them.
#[tokio::test(start_paused = true)]
async fn a_request_of_nobody_waits_for_a_few_however_often_the_fleet_changes() {
    let world = World::default();
    for round in 0..20 {
        world.set(&format!("far-{round}"), Mode::Unready);
    }
    let mut router = plimsoll::shuffle_shard::ShuffleShard::new(nodes(names(2)), world.factory())
        .chance(plimsoll::chance::Chance::seeded(3));
    world.set_all(Mode::Unready);
    let handle = router.handle();
    let counted = || handle.snapshot().members.iter().map(|member| member.in_flight).sum::<u32>();
    let mut waiting = tokio_test::task::spawn(router.call(of(1)));
    for round in 0..20 {
        assert!(waiting.poll().is_pending());
        assert_eq!(counted(), 2);
        handle.insert(Node::new(format!("far-{round}"))).expect("valid");
    }
    // One of those that it waits for is gone: it is dealt others.
    handle.remove("node-0");
    assert!(waiting.poll().is_pending());
    assert_eq!(counted(), 3);
    world.set_all(Mode::Answer);
    assert!(matches!(waiting.poll(), Poll::Ready(Ok(_))));
    drop(waiting);
    assert_eq!(counted(), 0);
}

/// An instance that is ready once it was asked often enough: were it given up at each change, it would never be.
#[tokio::test(start_paused = true)]
async fn who_waits_goes_on_with_the_instance_that_it_has() {
    struct Slow(u32);

    impl Clone for Slow {
        fn clone(&self) -> Self {
            Self(0)
        }
    }

    impl Service<Req> for Slow {
        type Response = ();
        type Error = Error<Boom>;
        type Future = std::future::Ready<Result<(), Error<Boom>>>;

        fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> Poll<Result<(), Error<Boom>>> {
            self.0 += 1;
            if self.0 > 6 { Poll::Ready(Ok(())) } else { Poll::Pending }
        }

        fn call(&mut self, _: Req) -> Self::Future {
            std::future::ready(Ok(()))
        }
    }

    let nobodys = plimsoll::shuffle_shard::ShuffleShard::new(nodes(names(2)), |_: &Node| Slow(0));
    let tenants = nobodys.clone().tenant_by(|req: &Req| req.tenant);
    let handle = nobodys.handle();
    let mut waiting =
        [tokio_test::task::spawn(nobodys.clone().call(of(1))), tokio_test::task::spawn(nobodys.clone().call(of(1)))];
    let mut tenants_waits = tokio_test::task::spawn(tenants.clone().call(of(1)));
    // Asked once in the call, and with each poll.
    for change in 0..5 {
        assert!(waiting.iter_mut().all(|call| call.poll().is_pending()) && tenants_waits.poll().is_pending());
        handle.insert(Node::new(format!("far-{change}"))).expect("valid");
        handle.remove(&format!("far-{change}"));
    }
    assert!(waiting.iter_mut().all(|call| call.poll().is_ready()) && tenants_waits.poll().is_ready());
}

/// The wake-up of a change must reach each of many, and those who left must not be in the way.
#[tokio::test(start_paused = true)]
async fn a_change_wakes_all_who_wait_and_none_who_left() {
    let world = World::default();
    let mut router = world.router(1, Settings::new());
    world.set_all(Mode::Unready);
    let mut waiting: Vec<_> = (0..10).map(|tenant| tokio_test::task::spawn(router.call(of(tenant)))).collect();
    assert!(waiting.iter_mut().all(|call| call.poll().is_pending()));
    drop(waiting.remove(3));
    drop(waiting.remove(0));
    router.handle().set(nodes(["other"]));
    assert!(waiting.iter_mut().all(|call| call.is_woken()));
    assert!(waiting.iter_mut().all(|call| matches!(call.poll(), Poll::Ready(Ok(_)))));
}

#[tokio::test(start_paused = true)]
async fn a_clone_that_slept_through_changes_sees_them_when_it_is_called() {
    let world = World::default();
    let mut router = world.router(2, Settings::new());
    let mut asleep = router.clone();
    let handle = router.handle();
    handle.set(nodes(["other"]));
    assert_eq!(router.call(of(1)).await, Ok("other".to_owned()));
    assert_eq!(asleep.call(of(1)).await, Ok("other".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn nodes_with_names_of_any_length_are_nodes() {
    let world = World::default();
    let long = "x".repeat(10 << 20);
    let router = world.router(0, Settings::new());
    let handle = router.handle();
    for name in [long.as_str(), "", "\u{1F6A2}\n"] {
        assert_eq!(handle.insert(Node::new(name)), Ok(true));
        assert_eq!(call(&router, of(1)).await, Ok(name.to_owned()));
        assert!(handle.remove(name));
    }
}

/// While nodes come and go at random and calls are under way: every call is answered by somebody, and in the end nothing
/// is under way anywhere.
#[tokio::test(start_paused = true)]
async fn no_call_is_lost_while_nodes_come_and_go() {
    let world = World::default();
    let mut router = world.router(8, Settings::new());
    let handle = router.handle();
    let chance = plimsoll::chance::Chance::seeded(11);
    let mut under_way = Vec::new();
    let mut answered = 0;
    for step in 0..2000_u64 {
        let draw = chance.draw();
        let name = format!("node-{}", draw >> 8 & 15);
        match draw & 7 {
            0 => drop(handle.insert(Node::new(name.as_str()))),
            1 if handle.snapshot().members.len() > 2 => drop(handle.remove(&name)),
            2 => world.set(&name, Mode::Takes(SECOND)),
            3 => world.set(&name, Mode::Answer),
            4 => {
                tokio::time::advance(SECOND / 2).await;
            }
            _ => {}
        }
        under_way.push(Box::pin(router.call(of(step))));
        under_way.retain_mut(|call| match poll(call) {
            Poll::Ready(answer) => {
                answer.expect("answered");
                answered += 1;
                false
            }
            Poll::Pending => true,
        });
    }
    tokio::time::advance(2 * SECOND).await;
    for call in under_way {
        call.await.expect("answered");
        answered += 1;
    }
    assert_eq!((answered, world.in_flight()), (2000, 0));
    assert!(handle.snapshot().members.iter().all(|member| member.in_flight == 0));
}

/// A call that is dropped after any of its polls, whatever its members do, is counted by nobody any more.
#[tokio::test(start_paused = true)]
async fn a_call_cut_after_any_poll_is_counted_by_nobody() {
    let modes =
        [Mode::Answer, Mode::Slow, Mode::Hang, Mode::Unready, Mode::Fail, Mode::ReadyFails, Mode::Takes(SECOND)];
    for first in modes {
        for second in modes {
            for polls in 0..5 {
                for change in [false, true] {
                    cut(first, second, polls, change).await;
                }
            }
        }
    }
}

async fn cut(first: Mode, second: Mode, polls: usize, change: bool) {
    let world = World::default();
    let mut router = world.router(2, Settings::new());
    let handle = router.handle();
    world.set("node-0", first);
    world.set("node-1", second);
    let mut call = Box::pin(router.call(of(1)));
    for step in 0..polls {
        if poll(&mut call).is_ready() {
            break;
        }
        tokio::time::advance(SECOND / 2).await;
        names(2).iter().for_each(|name| {
            world.member(name).wake_one();
        });
        if change && step == 1 {
            handle.insert(Node::new("node-2")).expect("valid");
            handle.remove("node-0");
        }
    }
    drop(call);
    let at = format!("{first:?}, {second:?}, {polls} polls, {change}");
    assert!(handle.snapshot().members.iter().all(|member| member.in_flight == 0), "{at}");
    assert_eq!(world.in_flight(), 0, "{at}");
}

/// A service that goes with its node is dropped when the last clone that saw it looks again.
#[tokio::test(start_paused = true)]
async fn a_service_that_goes_is_dropped_when_nobody_needs_it_any_more() {
    use std::sync::{Arc, Weak};

    let (kept, made) = (Arc::new(()), std::sync::Mutex::new(Vec::<Weak<()>>::new()));
    let made = Arc::new(made);
    drop(kept);
    let makes = Arc::clone(&made);
    let router = plimsoll::shuffle_shard::ShuffleShard::new(nodes(names(2)), move |_: &Node| {
        let held = Arc::new(());
        makes.lock().expect("unpoisoned").push(Arc::downgrade(&held));
        let (mock, _) = testing::Mock::new(move |_, _: &Req| {
            let _held = &held;
            testing::Reply::<String, Error<Boom>>::ok(String::new())
        });
        mock
    });
    let alive = || made.lock().expect("unpoisoned").iter().filter(|held| held.upgrade().is_some()).count();
    let mut asleep = router.clone();
    router.handle().set(nodes(["node-0"]));
    assert_eq!(alive(), 2, "clones have not looked yet");
    drop(router);
    asleep.call(of(1)).await.expect("answered");
    assert_eq!(alive(), 1);
}

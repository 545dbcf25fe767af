//! Who gets a call.

use std::collections::{BTreeMap, BTreeSet};

use plimsoll::{
    Error, Reason, Stack,
    retry::RetryLayer,
    shuffle_shard::{Assign, Hand, HandSize, Nodes, Rendezvous, Settings, ShuffleShard},
};
use tower::{Service, ServiceExt};

use crate::world::{Heard, Mode, SECOND, World, call, names, nodes, of, poll, rejection, state};

#[tokio::test(start_paused = true)]
async fn a_tenant_is_served_by_its_hand_and_by_all_of_it() {
    let world = World::default();
    let router = world.router(8, Settings::new());
    let handle = router.handle();
    for tenant in 0..200 {
        let mut served = BTreeSet::new();
        for _ in 0..10 {
            served.insert(call(&router, of(tenant)).await.expect("answered"));
        }
        let hand: BTreeSet<_> =
            handle.explain(tenant).members.iter().map(|member| member.node.name().to_owned()).collect();
        assert_eq!(served, hand);
        assert_eq!(hand.len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn the_less_loaded_of_the_hand_gets_the_call() {
    let world = World::default();
    let mut router = world.router(2, Settings::new());
    world.set("node-0", Mode::Slow);
    world.set("node-1", Mode::Slow);
    let mut calls: Vec<_> = (0..7).map(|_| Box::pin(router.call(of(1)))).collect();
    let in_flight = || names(2).iter().map(|name| world.member(name).in_flight()).collect::<Vec<_>>();
    assert_eq!(in_flight().iter().sum::<usize>(), 7);
    assert!(in_flight().iter().all(|calls| *calls >= 3), "{:?}", in_flight());
    world.set("node-0", Mode::Answer);
    world.set("node-1", Mode::Answer);
    // Whoever has fewer under way gets the next.
    let fewer = usize::from(in_flight()[1] < in_flight()[0]);
    assert_eq!(call(&router, of(1)).await, Ok(names(2).swap_remove(fewer)));
    calls.iter_mut().for_each(|call| assert!(poll(call).is_pending()));
    drop(calls);
    assert!(router.snapshot().members.iter().all(|member| member.in_flight == 0));
}

#[tokio::test(start_paused = true)]
async fn requests_of_nobody_are_spread_over_the_fleet() {
    let world = World::default();
    let router = ShuffleShard::new(nodes(names(10)), world.factory()).chance(plimsoll::chance::Chance::seeded(3));
    for _ in 0..1000 {
        call(&router, of(1)).await.expect("answered");
    }
    for name in names(10) {
        assert!((60..140).contains(&world.calls(&name)), "{name}: {}", world.calls(&name));
    }
}

/// Of two at random the less loaded: the most loaded of all gets nothing.
#[tokio::test(start_paused = true)]
async fn requests_of_nobody_go_to_the_less_loaded_of_two() {
    let world = World::default();
    let mut router = ShuffleShard::new(nodes(names(5)), world.factory()).chance(plimsoll::chance::Chance::seeded(3));
    world.set_all(Mode::Slow);
    let mut calls: Vec<_> = (0..200).map(|_| Box::pin(router.call(of(1)))).collect();
    calls.iter_mut().for_each(|call| assert!(poll(call).is_pending()));
    let loads: Vec<_> = names(5).iter().map(|name| world.member(name).in_flight()).collect();
    assert!(loads.iter().all(|load| (36..=44).contains(load)), "{loads:?}");
}

/// A tenant whose requests kill whoever handles them takes its hand with it, and nobody else. Whoever has the very same hand
/// is lost; whoever shares a member does not notice, as their second try goes to the other.
#[tokio::test(start_paused = true)]
async fn a_poisonous_tenant_takes_down_its_hand_and_nobody_elses() {
    let world = World::default();
    let router = world.router(8, Settings::new());
    let handle = router.handle();
    let hand_of = |tenant| {
        let members = handle.explain(tenant).members;
        members.iter().map(|member| member.node.name().to_owned()).collect::<BTreeSet<_>>()
    };
    let service = Stack::new().retry(RetryLayer::new(plimsoll::retry::Settings::new()).without_budget()).wrap(router);
    let poison = crate::world::Req { poison: true, ..of(0) };
    for _ in 0..4 {
        assert!(service.clone().oneshot(poison).await.is_err());
    }
    let (mut hurt, mut shared) = (0, 0);
    for tenant in 1..=280 {
        let answers = [service.clone().oneshot(of(tenant)).await, service.clone().oneshot(of(tenant)).await];
        let lost = answers.iter().any(Result::is_err);
        assert_eq!(lost, hand_of(tenant) == hand_of(0), "tenant {tenant}: {answers:?}");
        hurt += usize::from(lost);
        shared += usize::from(!lost && !hand_of(tenant).is_disjoint(&hand_of(0)));
    }
    // A 28th of them, and twelve 28ths.
    assert!((4..=18).contains(&hurt) && (90..=150).contains(&shared), "{hurt} hurt, {shared} shared");
    assert_eq!(world.in_flight(), 0);
}

/// One tenant's hand was out in each of two fleets, and its requests were refused there. That was taken for the word of the
/// fleets about themselves, and nobody was served.
#[tokio::test(start_paused = true)]
async fn a_hand_that_is_out_in_fleets_further_in_keeps_nobody_else_from_them() {
    let worlds = [World::default(), World::default()];
    let cells = worlds.each_ref().map(|world| world.router(8, Settings::new()));
    let handles = cells.each_ref().map(ShuffleShard::handle);
    let hand_of = |tenant| {
        let members = handles[0].explain(tenant).members;
        members.iter().map(|member| member.node.name().to_owned()).collect::<BTreeSet<_>>()
    };
    for (cell, name) in handles.iter().flat_map(|cell| hand_of(0).into_iter().map(move |name| (cell, name))) {
        assert!(cell.eject(&name));
    }
    let router = ShuffleShard::new(nodes(["0", "1"]), |node: &plimsoll::shuffle_shard::Node| {
        cells[usize::from(node.name() == "1")].clone()
    })
    .tenant_by(|req: &crate::world::Req| req.tenant);
    for _ in 0..4 {
        assert_eq!(rejection(call(&router, of(0)).await).reason(), Reason::NoShard);
    }
    for tenant in 1..=40 {
        assert_eq!(call(&router, of(tenant)).await.is_err(), hand_of(tenant) == hand_of(0), "tenant {tenant}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_fleet_of_nobody_refuses_and_does_not_know_until_when() {
    let world = World::default();
    let router = world.router(0, Settings::new().with_name("fleet"));
    let refused = rejection(call(&router, of(1)).await);
    assert_eq!((refused.reason(), refused.layer(), refused.retry_after()), (Reason::NoShard, "fleet", None));
    assert!(!refused.was_dispatched());
    let of_nobody = ShuffleShard::new(nodes(names(0)), world.factory());
    assert_eq!(rejection(call(&of_nobody, of(1)).await).reason(), Reason::NoShard);
    assert_eq!(router.snapshot().refused, 1);
}

#[tokio::test(start_paused = true)]
async fn hands_may_be_of_one_and_of_more_than_there_are() {
    for size in [1, 16] {
        let world = World::default();
        let router = world.router(3, Settings::new()).assign_by(Rendezvous::new(HandSize::new(size)));
        let mut served = BTreeSet::new();
        for _ in 0..20 {
            served.insert(call(&router, of(5)).await.expect("answered"));
        }
        assert_eq!(served.len(), size.min(3));
    }
}

/// An assignment of the user's own may answer with anything.
#[tokio::test(start_paused = true)]
async fn positions_that_are_none_are_left_out() {
    struct Absurd;

    impl Assign for Absurd {
        fn hand(&self, tenant: u64, _: &Nodes) -> Hand {
            if tenant == 0 { Hand::EMPTY } else { [u32::MAX, 7, 1].into_iter().collect() }
        }
    }

    let world = World::default();
    let router = world.router(2, Settings::new()).assign_by(Absurd);
    let expected = router.handle().snapshot().members[1].node.name().to_owned();
    assert_eq!(call(&router, of(1)).await, Ok(expected));
    assert_eq!(rejection(call(&router, of(0)).await).reason(), Reason::NoShard);
    assert_eq!(router.handle().explain(1).members.len(), 1);
}

/// It is made of the stack's `service`, and so the errors of both are one.
#[tokio::test(start_paused = true)]
async fn a_member_has_a_stack_of_its_own_and_nothing_nests() {
    let fleet = nodes(["a", "b"]);
    let router = ShuffleShard::new(fleet, |node: &plimsoll::shuffle_shard::Node| {
        let name = node.name().to_owned();
        Stack::new().circuit_breaker(plimsoll::circuit_breaker::Settings::new()).timeout(SECOND).service(
            tower::service_fn(move |_: ()| std::future::ready(Err::<(), _>(std::io::Error::other(name.clone())))),
        )
    });
    let service = Stack::new().timeout(2 * SECOND).retry(plimsoll::retry::Settings::new()).wrap_router(router);
    let error: Error<std::io::Error> = service.oneshot(()).await.expect_err("it fails");
    assert!(matches!(error, Error::Inner(_)));
}

#[tokio::test(start_paused = true)]
async fn the_route_of_a_tenant_can_be_read() {
    let world = World::default();
    let router = world.router(3, Settings::new());
    let handle = router.handle();
    let first = handle.explain(9).members[0].node.name().to_owned();
    handle.eject(&first);
    let route = handle.explain(9);
    let page = route.to_string();
    assert!(page.starts_with("tenant 9 has 2 of 3 nodes, by rendezvous\n1. "), "{page}");
    assert!(page.contains(&format!("now: {first}, held out by hand, 0 in flight")), "{page}");
    assert_eq!(route.members[1].health.to_string(), "serving");
}

#[tokio::test(start_paused = true)]
async fn a_fresh_router_has_the_same_nodes_and_other_services() {
    let world = World::default();
    let router = world.router(3, Settings::new());
    let fresh = router.fresh();
    assert_eq!(world.made().len(), 6);
    let mut held = router.clone();
    world.set_all(Mode::Slow);
    let _under_way = held.call(of(1));
    let in_flight = |snapshot: &plimsoll::shuffle_shard::Snapshot| {
        let by_name: BTreeMap<_, _> =
            names(3).into_iter().map(|name| (name.clone(), state(snapshot, &name).in_flight)).collect();
        by_name.values().sum::<u32>()
    };
    assert_eq!((in_flight(&router.snapshot()), in_flight(&fresh.snapshot())), (1, 0));
}

#[test]
fn a_router_and_its_future_go_from_thread_to_thread() {
    fn is_send_and_sync<T: Send + Sync>(_: &T) {}
    fn is_send<T: Send>(_: &T) {}
    let world = World::default();
    let mut router = world.router(3, Settings::new());
    is_send_and_sync(&router);
    is_send_and_sync(&router.handle());
    is_send(&router.call(of(1)));
    assert!(format!("{router:?}").contains("node-1"));
}

#[tokio::test(start_paused = true)]
async fn the_stacks_observer_hears_the_router() {
    let (heard, world) = (Heard::default(), World::default());
    let router = world.router(2, Settings::new());
    let handle = router.handle();
    let mut stack = Stack::new().timeout(SECOND).observe(heard.observer());
    let service = stack.wrap_router(router);
    handle.eject("node-0");
    assert_eq!(heard.take().len(), 1);
    // However often it is cloned, and though it is layered by hand: one fleet.
    let other = stack.wrap(world.router(2, Settings::new()));
    assert_eq!(service.clone().oneshot(of(1)).await, Ok("node-1".into()));
    assert!(other.oneshot(of(1)).await.is_ok() && heard.take().is_empty());
}

/// Members whose errors are boxed, as under many foreign layers: the router's refusal is found in one.
#[tokio::test(start_paused = true)]
async fn members_may_have_boxed_errors() {
    let member = |_: &plimsoll::shuffle_shard::Node| {
        tower::service_fn(|_: ()| std::future::ready(Err::<(), _>(plimsoll::BoxError::from("down"))))
    };
    let router = ShuffleShard::new(nodes(["a"]), member);
    let handle = router.handle();
    assert_eq!(router.clone().oneshot(()).await.expect_err("it fails").to_string(), "down");
    handle.eject("a");
    let error = router.oneshot(()).await.expect_err("nobody is there");
    assert_eq!(plimsoll::Refusal::rejection(&error).map(plimsoll::Rejection::reason), Some(Reason::NoShard));
}

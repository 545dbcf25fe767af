//! Hands and the router.

use std::time::Duration;

use plimsoll::{
    Stack,
    lift::Lift,
    retry,
    shuffle_shard::{Assign, BoundedOverlap, Dealt, HandSize, Node, Nodes, Pinned, Rendezvous, ShuffleShard},
};

use crate::{Inner, allocations};

#[test]
fn a_hand_is_dealt_without_allocating() {
    let zone = |n: usize| if n.is_multiple_of(2) { "even" } else { "odd" };
    let nodes = Nodes::try_new((0..100).map(|n| Node::new(n.to_string()).in_zone(zone(n)))).expect("a fleet");
    let rendezvous = Rendezvous::new(HandSize::new(5));
    let bounded = BoundedOverlap::try_new(5, 2).expect("valid");
    bounded.try_assign(1, &nodes).expect("a hand");
    let pinned = Pinned::new(rendezvous);
    pinned.pins().pin(1, ["1", "2"]).expect("room");
    pinned.pins().quarantine(2).expect("room");
    pinned.pins().set_apart(["3", "4"]).expect("room");
    let dealt = Dealt::try_new(100, 5).expect("a deck");
    let all: [&dyn Assign; 4] = [&rendezvous, &bounded, &pinned, &dealt];
    for assignment in all {
        let deal = || (0..10).for_each(|tenant| assert!(!assignment.hand(tenant, &nodes).is_empty()));
        // The first call divides the nodes.
        deal();
        assert_eq!(allocation_counter::measure(deal).count_total, 0);
    }
}

#[allow(clippy::type_complexity, reason = "said once")]
fn router(nodes: usize) -> ShuffleShard<Lift<Inner>, fn(&Node) -> Lift<Inner>> {
    let nodes = Nodes::try_new((0..nodes).map(|n| Node::new(format!("node-{n}")))).expect("different names");
    ShuffleShard::new(nodes, |_| Stack::new().service(Inner))
}

#[test]
fn a_router_allocates_nothing() {
    assert_eq!(allocations(router(8).tenant_by(|req: &u64| *req), true), 0);
    assert_eq!(allocations(router(8), true), 0, "for requests of nobody");
    assert_eq!(allocations(router(0), false), 0, "for a refusal");
    let exhausted = router(2).tenant_by(|req: &u64| *req);
    assert!(["node-0", "node-1"].iter().all(|name| exhausted.handle().eject(name)));
    assert_eq!(allocations(exhausted, false), 0, "where all are out");
    let again = router(8).tenant_by(|req: &u64| *req).resend(retry::CloneRequest);
    assert_eq!(allocations(again, true), 1000, "one for each call that may be sent again");
}

#[test]
fn a_retry_over_a_router_allocates_nothing() {
    let mut stack = Stack::new().timeout(Duration::from_secs(1)).retry(retry::Settings::new());
    assert_eq!(allocations(stack.wrap_router(router(8).tenant_by(|req: &u64| *req)), true), 0);
}

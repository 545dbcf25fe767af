//! What it costs to know which nodes serve a tenant: another tenant each time, as a router sees them.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use plimsoll::shuffle_shard::{
    Assign, BoundedOverlap, Dealt, HandSize, Node, Nodes, Pinned, Rendezvous, probability, tenant_id,
};

fn fleet(nodes: usize, zones: usize) -> Nodes {
    let zone = |n: usize| format!("zone-{}", n % zones);
    let node = |n: usize| Node::new(format!("10.0.{}.{}:8080", n / 256, n % 256)).in_zone(zone(n));
    Nodes::try_new((0..nodes).map(node)).expect("different names")
}

fn measure(criterion: &mut Criterion, name: &str, assignment: &impl Assign, nodes: &Nodes) {
    let mut tenant = 0;
    criterion.bench_function(name, |bencher| {
        bencher.iter(|| {
            tenant += 1;
            assignment.hand(black_box(tenant), black_box(nodes))
        });
    });
}

fn assignment(criterion: &mut Criterion) {
    for (nodes, hand) in [(8, 2), (64, 4), (100, 5), (2048, 4)] {
        let rendezvous = Rendezvous::new(HandSize::new(hand));
        measure(criterion, &format!("rendezvous, {hand} of {nodes}"), &rendezvous, &fleet(nodes, 1));
        measure(criterion, &format!("rendezvous, {hand} of {nodes} in 3 zones"), &rendezvous, &fleet(nodes, 3));
        let dealt = Dealt::try_new(nodes as u32, hand).expect("a deck");
        measure(criterion, &format!("dealt, {hand} of {nodes}"), &dealt, &fleet(nodes, 1));
    }
    let nodes = fleet(100, 1);
    let pinned = Pinned::new(Rendezvous::new(HandSize::new(5)));
    measure(criterion, "pinned, nobody is, 5 of 100", &pinned, &nodes);
    pinned.pins().set_apart(["10.0.0.1:8080"]).expect("room");
    measure(criterion, "pinned, one node set apart, 5 of 100", &pinned, &nodes);

    let bounded = BoundedOverlap::try_new(5, 2).expect("valid");
    for tenant in 0..1000 {
        bounded.try_assign(tenant, &nodes).expect("a hand");
    }
    let mut tenant = 0;
    criterion.bench_function("bounded overlap, looked up, 5 of 100", |bencher| {
        bencher.iter(|| {
            tenant = (tenant + 1) % 1000;
            bounded.hand(black_box(tenant), &nodes)
        });
    });
    criterion.bench_function("bounded overlap, assigned beside 1000, 5 of 100", |bencher| {
        bencher.iter(|| {
            let hand = bounded.try_assign(black_box(5000), &nodes);
            bounded.forget(5000);
            hand
        });
    });
    criterion.bench_function("a tenant's number, 16 bytes", |bencher| {
        bencher.iter(|| tenant_id(black_box("customer-0000042")));
    });
    criterion.bench_function("cover, 12 of 32, 16 others", |bencher| {
        bencher.iter(|| probability::cover(black_box(32), HandSize::new(12), 16));
    });
}

criterion_group!(benches, assignment);
criterion_main!(benches);

//! Who is dealt which nodes: the same for ever, as likely as chance would have it, and the same after all that may go wrong
//! with a fleet.

use std::{collections::BTreeMap, fmt::Write};

use plimsoll::shuffle_shard::{
    Assign, BoundedOverlap, Dealt, Hand, HandSize, MAX_HAND, Node, Nodes, Pinned, Rendezvous, Unassignable,
    probability, tenant_id,
};

fn fleet(nodes: usize, zones: usize) -> Nodes {
    let node = |n: usize| match zones {
        0 => Node::new(format!("node-{n}")),
        // Some zones are larger than others.
        _ => Node::new(format!("node-{n}")).in_zone(format!("zone-{}", (n * n) % zones)),
    };
    Nodes::try_new((0..nodes).map(node)).expect("different names")
}

fn rendezvous(hand: usize, seed: u128) -> Rendezvous {
    Rendezvous::new(HandSize::try_new(hand).expect("a hand")).with_seed(seed)
}

fn names<'a>(hand: &Hand, nodes: &'a Nodes) -> Vec<&'a str> {
    hand.iter().filter_map(|position| nodes.get(*position as usize)).map(Node::name).collect()
}

/// What the file `golden/hands.txt` has to say.
fn hands() -> String {
    let tenants = ["", "acme", "globex", "tenant-1", "tenant-2", "Überseehafen ⚓"];
    let mut text = String::from("# What every version of this library must deal. See tests/assignment.rs.\n");
    let mut line = |line: &str| writeln!(text, "{line}").expect("a string");
    for name in tenants {
        line(&format!("tenant {name:?} = {:016x}", tenant_id(name)));
    }
    for name in ["", "node-0", "node-1", "10.0.0.7:80", "Schiff ⛵"] {
        line(&format!("node {name:?} = {:016x}", Node::new(name).id()));
    }
    for (nodes, hand, zones) in [(1, 1, 0), (5, 16, 0), (8, 2, 0), (8, 2, 3), (100, 5, 0), (100, 6, 5), (2048, 4, 0)] {
        let fleet = fleet(nodes, zones);
        for seed in [0, 1, u128::MAX / 3] {
            for name in tenants {
                let dealt = rendezvous(hand, seed).hand(tenant_id(name), &fleet);
                let dealt = names(&dealt, &fleet).join(" ");
                line(&format!("rendezvous {nodes}/{hand} zones {zones} seed {seed:x} {name:?}: {dealt}"));
            }
        }
    }
    for (deck, hand) in [(8, 2), (64, 4), (1024, 6), (32, 12)] {
        for seed in [0, 1] {
            for name in tenants {
                let dealt = Dealt::try_new(deck, hand).expect("a deck").with_seed(seed).deal_to(tenant_id(name));
                line(&format!("dealt {deck}/{hand} seed {seed:x} {name:?}: {dealt:?}"));
            }
        }
    }
    let (fleet, hands) = (fleet(8, 0), BoundedOverlap::try_new(3, 1).expect("valid"));
    for name in tenants {
        let dealt = hands.try_assign(tenant_id(name), &fleet).map(|hand| names(&hand, &fleet).join(" "));
        line(&format!("bounded overlap 8/3/1 {name:?}: {dealt:?}"));
    }
    text
}

/// Hands are in the users' data: in caches, on disks, in the heads of those who are on call.
#[test]
fn hands_are_what_they_were() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/hands.txt");
    let (is, was) = (hands(), std::fs::read_to_string(path).unwrap_or_default());
    if std::env::var_os("WRITE_GOLDEN").is_some() {
        std::fs::write(path, &is).expect("written");
        return;
    }
    let changed = is.lines().zip(was.lines()).find(|(is, was)| is != was);
    assert!(
        is == was,
        "Tenants are dealt other nodes than in the last version: {changed:?}.\n\
         If that was not meant, something that feeds the hash has changed. If it was, it is a breaking change that moves \
         everybody's tenants: count up `Rendezvous::VERSION`, say so in the changelog and the release, and run this test \
         with WRITE_GOLDEN=1. What is only new goes to the end of the file.",
    );
}

#[test]
fn hands_depend_on_neither_the_order_of_the_nodes_nor_the_process() {
    let forth = fleet(50, 4);
    let back = Nodes::try_new(forth.iter().cloned().collect::<Vec<_>>().into_iter().rev()).expect("a fleet");
    let other = std::thread::spawn(|| (0..100).map(|tenant| rendezvous(4, 7).hand(tenant, &fleet(50, 4))).collect());
    let other: Vec<Hand> = other.join().expect("no panic");
    for tenant in 0..100 {
        let hand = rendezvous(4, 7).hand(tenant, &forth);
        assert_eq!((hand, hand), (rendezvous(4, 7).hand(tenant, &back), other[tenant as usize]));
    }
}

/// χ² of counts against what is expected of them. Classes of which fewer than five are expected are put together.
fn chi_square(found: &[f64], expected: &[f64]) -> f64 {
    let (mut sum, mut rest) = (0.0, (0.0, 0.0));
    for (found, expected) in found.iter().zip(expected) {
        if *expected < 5.0 {
            rest = (rest.0 + found, rest.1 + expected);
        } else {
            sum += (found - expected).powi(2) / expected;
        }
    }
    if rest.1 > 0.0 { sum + (rest.0 - rest.1).powi(2) / rest.1 } else { sum }
}

/// How much two hands have in common, fifty thousand times, beside the hypergeometric distribution.
fn overlap(nodes: u64, hand: usize, dealt: impl Fn(u64) -> Hand) -> f64 {
    const PAIRS: usize = 50_000;
    let mut found = vec![0.0; hand + 1];
    for pair in 0..PAIRS as u64 {
        found[dealt(2 * pair).overlap(&dealt(2 * pair + 1))] += 1.0;
    }
    let size = HandSize::new(hand);
    let expected: Vec<_> = (0..=hand).map(|shared| PAIRS as f64 * probability::overlap(nodes, size, shared)).collect();
    chi_square(&found, &expected)
}

/// The number beside each is what χ² of so many degrees of freedom exceeds once in a thousand times. Tenants that count up
/// are the worst that a hash can be given, and the usual.
#[test]
fn hands_overlap_as_chance_would_have_it() {
    for (nodes, hand, exceeded) in [(8, 2, 13.8), (20, 2, 13.8), (100, 5, 16.3)] {
        let fleet = fleet(nodes, 0);
        for seed in [0, 1] {
            let of = |tenant| rendezvous(hand, seed).hand(tenant, &fleet);
            let counted = overlap(nodes as u64, hand, of);
            let named = overlap(nodes as u64, hand, |n| of(tenant_id(format!("tenant-{n}"))));
            println!("rendezvous {nodes}/{hand}: {counted:.2} {named:.2}");
            assert!(counted < exceeded && named < exceeded, "{nodes}/{hand} seed {seed}: {counted} {named}");
        }
        let dealt = Dealt::try_new(nodes as u32, hand).expect("a deck");
        let dealt = overlap(nodes as u64, hand, |tenant| dealt.deal_to(tenant));
        println!("dealt {nodes}/{hand}: {dealt:.2}");
        assert!(dealt < exceeded, "{nodes}/{hand}: {dealt}");
    }
}

#[test]
fn every_hand_is_as_likely_as_any_other() {
    let fleet = fleet(8, 0);
    let mut pairs = BTreeMap::new();
    for tenant in 0..28_000 {
        let hand = rendezvous(2, 0).hand(tenant, &fleet);
        *pairs.entry((hand[0], hand[1])).or_insert(0.0) += 1.0;
    }
    let found: Vec<f64> = pairs.into_values().collect();
    assert_eq!(found.len(), 56, "in either order");
    let chi_square = chi_square(&found, &[500.0; 56]);
    println!("{chi_square:.2} of 55 degrees of freedom");
    assert!(chi_square < 93.2, "{chi_square}");
}

#[test]
fn of_many_nodes_one_more_or_less_moves_as_few_tenants_as_can_be() {
    const TENANTS: u64 = 20_000;
    for (nodes, hand) in [(8, 2), (100, 5)] {
        let (before, after) = (fleet(nodes, 0), fleet(nodes + 1, 0));
        let moved = (0..TENANTS).filter(|tenant| {
            let dealt = rendezvous(hand, 0);
            let (had, has) = (dealt.hand(*tenant, &before), dealt.hand(*tenant, &after));
            let (had, has) = (names(&had, &before), names(&has, &after));
            let kept = had.iter().filter(|name| has.contains(name)).count();
            assert!(kept + 1 >= hand, "two members at once");
            kept < hand
        });
        let (moved, expected) = (moved.count() as f64 / TENANTS as f64, hand as f64 / (nodes + 1) as f64);
        assert!((moved / expected - 1.0).abs() < 0.1, "{moved} of {expected}");
    }
}

/// The dealer of a hash is not stable, and does not say that it is.
#[test]
fn a_dealt_hand_changes_with_the_deck() {
    let (before, after) = (fleet(128, 0), fleet(129, 0));
    let dealt = Dealt::try_new(128, 6).expect("a deck");
    let kept: usize = (0..1000)
        .map(|tenant| {
            let (had, has) = (dealt.hand(tenant, &before), dealt.hand(tenant, &after));
            names(&had, &before).iter().filter(|name| names(&has, &after).contains(name)).count()
        })
        .sum();
    assert!(kept < 600, "of 6000 members {kept} stayed");
}

/// An attacker who may choose the number of a tenant, and knows the nodes but not the seed, tries to get another's hand.
#[test]
fn hands_that_were_made_alike_without_the_seed_are_not_alike_with_it() {
    let fleet = fleet(100, 0);
    let victim = rendezvous(3, 0).hand(1, &fleet);
    let alike = |tenant: &u64| rendezvous(3, 0).hand(*tenant, &fleet).overlap(&victim) == 3;
    let chosen: Vec<_> = (2..).filter(alike).take(5).collect();
    let secret = |tenant| rendezvous(3, 0x5ec4e7).hand(tenant, &fleet);
    assert!(chosen.iter().all(|tenant| secret(*tenant).overlap(&secret(1)) < 2), "{chosen:?}");
}

#[test]
fn every_assignment_is_defined_for_every_fleet() {
    let bounded = BoundedOverlap::try_new(4, 2).expect("valid");
    let pinned = Pinned::new(rendezvous(4, 0));
    pinned.pins().pin(0, ["node-0"]).expect("room");
    pinned.pins().quarantine(1).expect("room");
    pinned.pins().set_apart(["node-1"]).expect("room");
    let all: [(&str, usize, Box<dyn Assign>); 5] = [
        ("rendezvous", 4, Box::new(rendezvous(4, 0))),
        ("widest", MAX_HAND, Box::new(rendezvous(MAX_HAND, 0))),
        ("dealt", 4, Box::new(Dealt::try_new(8, 4).expect("a deck"))),
        ("bounded", 4, Box::new(bounded.clone())),
        ("pinned", 4, Box::new(pinned)),
    ];
    for (name, size, assignment) in &all {
        for nodes in [0, 1, 2, 3, 4, 5, 17, 100] {
            for zones in [0, 1, 2, 50] {
                let fleet = fleet(nodes, zones);
                for tenant in [0, 1, 2, u64::MAX] {
                    let hand = assignment.hand(tenant, &fleet);
                    assert_eq!(hand.is_empty(), nodes == 0, "{name} of {nodes}");
                    assert!(hand.len() <= *size && names(&hand, &fleet).len() == hand.len(), "{name} of {nodes}");
                    assert_eq!(hand.iter().copied().collect::<Hand>(), hand, "no node twice");
                    let told = assignment.explain(tenant, &fleet);
                    let told: Vec<_> = told.hand().iter().map(|row| row.position).collect();
                    assert_eq!(told, *hand, "{name} of {nodes} explains another hand");
                }
            }
        }
    }
    assert_eq!(bounded.try_assign(1, &fleet(0, 0)), Err(Unassignable::NoNodes));
}

/// A thousand tenants of a small service, and no two of them with more than two of five nodes in common.
#[test]
fn bounded_hands_overlap_no_more_than_they_may() {
    let (fleet, hands) = (fleet(100, 3), BoundedOverlap::try_new(5, 2).expect("valid"));
    let given: Vec<_> = (0..1000).map(|tenant| hands.try_assign(tenant, &fleet).expect("a hand")).collect();
    for (number, one) in given.iter().enumerate() {
        assert!(given[..number].iter().all(|other| one.overlap(other) <= 2));
    }
    let mut at_random = 0;
    let dealt: Vec<_> = (0..1000).map(|tenant| rendezvous(5, 0).hand(tenant, &fleet)).collect();
    for (number, one) in dealt.iter().enumerate() {
        at_random += dealt[..number].iter().filter(|other| one.overlap(other) > 2).count();
    }
    assert!(at_random > 100, "chance alone would not have done: {at_random}");
}

//! Hands, cells and the fleet, while all of them change.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    task::{Context, Poll},
    thread,
    time::Duration,
};

use plimsoll::{
    Error, Reason, Stack,
    shuffle_shard::{
        self, Assign, BoundedOverlap, HandSize, Node, Nodes, Outliers, Pinned, Rendezvous, ShuffleShard,
        sharded_bulkhead::{self, ShardedBulkhead},
    },
};
use tower::{Service, service_fn};

use crate::{
    Ask, THREADS, breathe,
    crowd::{Breath, crowd, drive},
    patience,
    rng::Rng,
};

/// Tenants who share cells come, are refused, give up and are answered, while the cells get more permits and fewer, and now
/// and then it only observes. No cell ever has more in it than the largest number there was; in the end all are empty.
#[test]
fn a_sharded_bulkhead_fills_no_cell_beyond_its_permits_and_empties_all() {
    let settings = |permits| {
        let settings = sharded_bulkhead::Settings::try_new(permits).and_then(|settings| settings.try_with_cells(4, 2));
        settings.expect("valid").with_seed(3)
    };
    for observed in [false, true] {
        let bulkhead = ShardedBulkhead::new(settings(1), |ask: &Ask| ask.compartment as u64);
        let handle = bulkhead.handle();
        let service = Stack::new().sharded_bulkhead(bulkhead).service(service_fn(breathe));
        let mut changes = Rng::new(100);
        crowd(
            THREADS,
            |thread| {
                let (mut service, mut rng) = (service.clone(), Rng::new(thread + 1));
                for _ in 0..5000 {
                    let mut ask = || service.call(Ask { weight: 1, compartment: rng.below(5) });
                    let calls = [ask(), ask()];
                    let patience = patience(&mut rng, 3);
                    for call in calls {
                        let _ = drive(call, patience);
                    }
                }
            },
            || {
                handle.update(settings(1 + changes.below(2) as u32));
                if observed && changes.below(8) == 0 {
                    handle.observe_only()
                } else {
                    handle.automatic()
                }
                let most = if observed { 2 * THREADS as u32 } else { 2 };
                let cells = handle.snapshot().cells;
                assert!(cells.iter().all(|in_use| *in_use <= most), "{cells:?}");
            },
        );
        assert_eq!(handle.snapshot().in_use(), 0);
        let mut service = service;
        assert!(drive(service.call(Ask { weight: 1, compartment: 0 }), u32::MAX).expect("answered").is_ok());
    }
}

/// Tenants are assigned, forgotten, pinned and let go while others look them up. No two hands ever overlap more than they
/// may, and whoever is looked up has a hand.
#[test]
fn hands_are_assigned_and_looked_up_at_once() {
    let nodes = Nodes::try_new((0..30).map(|n| Node::new(n.to_string()))).expect("a fleet");
    let bounded = BoundedOverlap::try_new(3, 1).expect("valid");
    let pinned = Pinned::new(bounded.clone());
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (nodes, bounded, pinned, mut rng) = (&nodes, &bounded, &pinned, Rng::new(thread + 1));
            scope.spawn(move || {
                let pins = pinned.pins();
                for _ in 0..500 {
                    let tenant = rng.below(40) as u64;
                    match rng.below(8) {
                        0 => drop(bounded.forget(tenant)),
                        1 => pins.pin(tenant, ["1", "2", "3"]).expect("room"),
                        2 => drop(pins.unpin(tenant)),
                        3 => pins.set_apart([rng.below(30).to_string()]).expect("room"),
                        4 => pins.quarantine(tenant).expect("room"),
                        _ => drop(bounded.try_assign(tenant, nodes)),
                    }
                    assert!(!pinned.hand(tenant, nodes).is_empty());
                }
            });
        }
    });
    let hands = bounded.assignments();
    for (number, (_, one)) in hands.iter().enumerate() {
        let shared = |other: &[u64]| one.iter().filter(|node| other.contains(node)).count();
        assert!(hands[..number].iter().all(|(_, other)| shared(other) <= 1));
    }
    // What was forgotten is free: with nobody left, as many fit as into a new one.
    hands.iter().for_each(|(tenant, _)| assert!(bounded.forget(*tenant)));
    let (anew, rendezvous) = (BoundedOverlap::try_new(3, 1).expect("valid"), Rendezvous::new(HandSize::new(3)));
    assert_eq!(bounded.try_assign(1, &nodes), anew.try_assign(1, &nodes));
    assert_eq!(anew.hand(1, &nodes), rendezvous.hand(1, &nodes));
}

/// Calls of all clones meet one fleet, while nodes come and go, are taken out and put back, fail and are ejected: every call
/// ends, and in the end none is counted as under way.
#[test]
fn a_fleet_counts_no_call_twice_and_forgets_none() {
    let nodes =
        |names: std::ops::Range<u64>| Nodes::try_new(names.map(|n| Node::new(n.to_string()))).expect("different");
    let outliers = Outliers::new().try_with_interval(Duration::from_millis(100)).expect("valid");
    let outliers = outliers.try_with_ejection_time(Duration::from_millis(1), Duration::from_millis(9)).expect("valid");
    let asked = Arc::new(AtomicU64::new(0));
    let counts = Arc::clone(&asked);
    let router = ShuffleShard::new(nodes(0..4), move |_: &Node| {
        let counts = Arc::clone(&counts);
        Stack::new().service(service_fn(move |fails: u64| {
            counts.fetch_add(1, SeqCst);
            async move {
                Breath::default().await;
                if fails.is_multiple_of(3) { Err(io::Error::other("down")) } else { Ok(()) }
            }
        }))
    })
    .settings(shuffle_shard::Settings::new().with_outliers(outliers))
    .tenant_by(|req: &u64| *req);
    let (handle, ended, dropped) = (router.handle(), AtomicU64::new(1), AtomicU64::new(0));
    assert!(
        drive(router.clone().call(1), u32::MAX).expect("answered").is_ok(),
        "whatever the threads meet, one is counted"
    );
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (mut router, mut rng, ended, dropped) = (router.clone(), Rng::new(thread + 1), &ended, &dropped);
            scope.spawn(move || {
                for _ in 0..3000 {
                    let call = router.call(rng.below(50) as u64);
                    match drive(call, 1 + rng.below(3) as u32) {
                        Some(Err(Error::Rejected(rejection))) => assert_eq!(rejection.reason(), Reason::NoShard),
                        Some(_) => drop(ended.fetch_add(1, SeqCst)),
                        None => drop(dropped.fetch_add(1, SeqCst)),
                    }
                }
            });
        }
        let mut rng = Rng::new(99);
        for _ in 0..300 {
            let name = rng.below(6).to_string();
            match rng.below(6) {
                0 => drop(handle.insert(Node::new(name.as_str())).expect("valid")),
                1 => drop(handle.remove(&name)),
                2 => drop(handle.eject(&name)),
                3 => drop(handle.restore(&name)),
                4 => handle.set(nodes(0..4)),
                _ => drop(handle.snapshot()),
            }
            thread::yield_now();
        }
    });
    handle.set(nodes(0..6));
    let left: Vec<_> = handle.snapshot().members.iter().map(|member| member.in_flight).collect();
    assert_eq!(left, [0; 6]);
    assert_eq!(ended.load(SeqCst) + dropped.load(SeqCst), asked.load(SeqCst));
}

/// A member that is ready or never is.
#[derive(Clone)]
struct Door(bool);

impl Service<()> for Door {
    type Response = ();
    type Error = Error<io::Error>;
    type Future = std::future::Ready<Result<(), Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if self.0 { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn call(&mut self, (): ()) -> Self::Future {
        std::future::ready(Ok(()))
    }
}

/// Whoever waits for a member that is never ready is woken when the fleet becomes another, at whatever moment that comes.
#[test]
fn nobody_waits_on_for_a_member_that_is_gone() {
    let only = |name: &str| Nodes::try_new([Node::new(name)]).expect("one");
    let router = ShuffleShard::new(only("shut"), |node: &Node| Door(node.name() == "open"));
    let handle = router.handle();
    crowd(
        THREADS,
        |_| {
            let mut router = router.clone();
            for _ in 0..500 {
                let answer = drive(router.call(()), u32::MAX).expect("it ends");
                assert!(answer.is_ok());
            }
        },
        || {
            handle.set(only("open"));
            thread::yield_now();
            handle.set(only("shut"));
        },
    );
    assert!(handle.snapshot().members.iter().all(|member| member.in_flight == 0));
}

/// Whoever waits for a member that is never ready is woken when another is back in service, at whatever moment that comes.
#[test]
fn nobody_waits_on_while_another_member_is_back() {
    let both = Nodes::try_new(["shut", "open"].map(Node::new)).expect("two");
    let router = ShuffleShard::new(both, |node: &Node| Door(node.name() == "open")).tenant_by(|(): &()| 1_u64);
    let handle = router.handle();
    crowd(
        THREADS,
        |_| {
            let mut router = router.clone();
            for _ in 0..500 {
                let answer = drive(router.call(()), u32::MAX).expect("it ends");
                assert!(answer.is_ok());
            }
        },
        || {
            handle.eject("open");
            thread::yield_now();
            handle.restore("open");
        },
    );
    assert!(handle.snapshot().members.iter().all(|member| member.in_flight == 0));
}

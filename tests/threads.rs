//! Many threads at once, for a moment: nothing is lost, nobody is forgotten, and no circuit gets stuck.

#[allow(dead_code, reason = "other tests use the rest")]
#[path = "support/rng.rs"]
mod rng;

use std::{
    future::Future,
    hint, io,
    num::NonZeroU32,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::Duration,
};

use plimsoll::{
    Error, Event, Ratio, Reason, Stack,
    bulkhead::{self, Bulkhead, Order, Usage},
    circuit_breaker::{self, CircuitBreaker, OpenTime, Probes, State, Window},
    classify::Failure,
    clock::{self, Instant, Moment},
    event::Hold,
    gate::{Admission, Ending, Gate, PerKind},
    keyed::{self, Keyed, Overflow},
    limit::{Fixed, Limit},
    load_shed::{self, LoadShed, Rule, Step},
    rate_limit::{Quota, RateLimit, Settings},
    request::Priority,
    retry::{Budget, BudgetSettings},
    shuffle_shard::{
        self, Assign, BoundedOverlap, HandSize, Node, Nodes, Outliers, Pinned, Rendezvous, ShuffleShard,
        sharded_bulkhead::{self, ShardedBulkhead},
    },
    surge_queue::{self, Surge, SurgeQueue},
    work::{self, Work},
    work_budget::{self, Cost, Demotion, OverCost, WorkBudget},
};
use rng::Rng;
use tower::{Service, service_fn};

const THREADS: u64 = 4;
/// Nobody is left asleep for so long unless they were forgotten.
const FORGOTTEN: Duration = Duration::from_secs(10);

struct Unpark(Thread, AtomicBool);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.1.store(true, SeqCst);
        self.0.unpark();
    }
}

/// Polls up to `polls` times, sleeping between as a task would, and gives up then.
fn drive<T>(future: impl Future<Output = T>, polls: u32) -> Option<T> {
    let mut future = pin!(future);
    let unpark = Arc::new(Unpark(thread::current(), AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&unpark));
    for left in (0..polls).rev() {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(output);
        }
        while left > 0 && !unpark.1.swap(false, SeqCst) {
            let asleep = std::time::Instant::now();
            thread::park_timeout(FORGOTTEN);
            assert!(unpark.1.load(SeqCst) || asleep.elapsed() < FORGOTTEN, "nobody woke it");
        }
    }
    None
}

/// Is pending once, and lets another thread run.
#[derive(Default)]
struct Breath(bool);

impl Future for Breath {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0 {
            return Poll::Ready(());
        }
        self.0 = true;
        cx.waker().wake_by_ref();
        thread::yield_now();
        Poll::Pending
    }
}

/// Awake, as long as there is a core for it: threads that sleep rarely meet.
fn spin_while(condition: impl Fn() -> bool) {
    let mut spins = 0_u32;
    while condition() {
        spins += 1;
        if spins.is_multiple_of(128) { thread::yield_now() } else { hint::spin_loop() }
    }
}

#[derive(Clone, Copy)]
struct Ask {
    weight: u32,
    compartment: usize,
}

fn room(limit: u32, guarantees: &[u32], order: Order) -> bulkhead::Settings {
    bulkhead::Settings::try_new(limit)
        .and_then(|settings| settings.try_with_compartments(guarantees))
        .expect("valid")
        .with_wait(THREADS as u32, Duration::MAX)
        .with_order(order)
}

/// Requests of all widths and compartments wait without end, are given up on, and are answered, while the bulkhead is
/// resized below them, to where some fit nowhere too, and now and then only observes. A permit that nobody hands over
/// leaves somebody asleep; one that is handed over twice, or lost, is missing in the end.
#[test]
fn a_bulkhead_gives_every_permit_back_and_forgets_nobody() {
    let sizes = [
        room(4, &[1, 2], Order::OldestFirst),
        room(1, &[], Order::OldestFirst),
        room(8, &[3], Order::NewestFirst),
        room(3, &[2, 1], Order::OldestFirst),
        room(6, &[0, 0, 5], Order::NewestFirst),
    ];
    for seed in 0..4 {
        let bulkhead = Bulkhead::new(sizes[0]);
        let handle = bulkhead.handle();
        let stack = Stack::new()
            .bulkhead(bulkhead.weight_by(|ask: &Ask| ask.weight).compartment_by(|ask: &Ask| ask.compartment));
        let service = stack.service(service_fn(|_: Ask| async {
            Breath::default().await;
            Ok::<_, io::Error>(())
        }));
        let at_work = AtomicU32::new(THREADS as u32);
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let (mut service, mut rng) = (service.clone(), Rng::new(seed * THREADS + thread + 1));
                let at_work = &at_work;
                scope.spawn(move || {
                    for _ in 0..1000 {
                        let ask = Ask { weight: rng.below(6) as u32, compartment: rng.below(4) };
                        let patience = if rng.below(2) == 0 { u32::MAX } else { rng.below(4) as u32 };
                        let _ = drive(service.call(ask), patience);
                    }
                    at_work.fetch_sub(1, SeqCst);
                });
            }
            let mut rng = Rng::new(seed + 100);
            while at_work.load(SeqCst) > 0 {
                handle.update(sizes[rng.below(sizes.len())]);
                if rng.below(8) == 0 {
                    handle.observe_only()
                } else {
                    handle.automatic()
                }
                thread::yield_now();
                // Whoever fits nowhere waits for the next size; there always is one.
            }
        });
        handle.automatic();
        handle.update(sizes[0]);
        let end = handle.snapshot();
        assert_eq!((end.in_use, end.waiting), (0, 0), "seed {seed}: {end:?}");
        let usage = |usage: &Usage| (usage.capacity, usage.in_use, usage.waiting);
        assert_eq!((usage(&end.common), usage(&end.compartments[0])), ((1, 0, 0), (1, 0, 0)));
        assert!(end.compartments[1..].iter().all(|usage| (usage.in_use, usage.waiting) == (0, 0)));
        // One that weighs all that is common still gets it.
        let mut service = service;
        assert!(drive(service.call(Ask { weight: 1, compartment: 9 }), u32::MAX).expect("answered").is_ok());
    }
}

/// Requests of all classes and many tenants wait without end in two lanes, are displaced, are given up on, and are
/// answered, while the limit changes below them, and now and then the queue only observes, or is closed for a moment. A
/// place that nobody hands over leaves somebody asleep; one that is handed over twice, or lost, is missing in the end.
#[test]
fn a_surge_queue_gives_every_place_back_and_forgets_nobody() {
    let settings = |places| {
        let settings = surge_queue::Settings::new().try_with_max_waiting(places);
        settings.and_then(|settings| settings.try_with_burst(Duration::MAX)).expect("valid")
    };
    let lane = Surge::try_new(1).and_then(|lane| lane.try_with_ttl(Duration::MAX)).expect("valid");
    let sets = [
        settings(8),
        settings(2),
        settings(1).with_surge(lane),
        settings(8).with_surge(lane.with_demotion_after(Duration::ZERO).with_lending(Ratio::ONE)),
        settings(3).with_surge(lane.try_with_max_waiting(1).expect("valid")),
    ];
    for seed in 0..4 {
        let queue = SurgeQueue::new(sets[seed as usize])
            .priority_by(|ask: &Ask| Priority::from_level(ask.compartment as u32))
            .tenant_by(|ask: &Ask| ask.weight.into())
            .in_front_of(Fixed::try_new(2).expect("valid"));
        let handle = queue.handle();
        let service = Stack::new().surge_queue(queue).service(service_fn(|_: Ask| async {
            Breath::default().await;
            Ok::<_, io::Error>(())
        }));
        let at_work = AtomicU32::new(THREADS as u32);
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let (mut service, mut rng) = (service.clone(), Rng::new(seed * THREADS + thread + 1));
                let at_work = &at_work;
                scope.spawn(move || {
                    for _ in 0..1000 {
                        let ask = Ask { weight: rng.below(6) as u32, compartment: rng.below(4) };
                        let patience = if rng.below(2) == 0 { u32::MAX } else { rng.below(4) as u32 };
                        let _ = drive(service.call(ask), patience);
                    }
                    at_work.fetch_sub(1, SeqCst);
                });
            }
            let mut rng = Rng::new(seed + 100);
            while at_work.load(SeqCst) > 0 {
                handle.limit().resize((1 + rng.below(4) as u32).try_into().expect("not zero"));
                match rng.below(16) {
                    0 => handle.observe_only(),
                    1 => handle.close(),
                    2..=4 => handle.update(sets[rng.below(sets.len())]),
                    _ => {
                        handle.automatic();
                        handle.open();
                    }
                }
                thread::yield_now();
            }
        });
        handle.automatic();
        handle.open();
        let end = handle.snapshot();
        assert_eq!((end.waiting, handle.limit().in_use()), ([0; 4], 0), "seed {seed}: {end:?}");
        assert!(end.surge.is_none_or(|lane| (lane.waiting, lane.in_use, lane.lent) == ([0; 4], 0, 0)), "{end:?}");
        let mut service = service;
        assert!(drive(service.call(Ask { weight: 1, compartment: 1 }), u32::MAX).expect("answered").is_ok());
    }
}

/// Requests of all widths wait without end, are given up on, are answered and spend, in parts, on other threads too and
/// later than they should, while the seats change below them. What is lost is missing in the end; what is there twice is
/// spent by somebody.
#[test]
fn a_work_budget_gives_every_seat_back_and_spends_nothing_twice() {
    let settings = |seats: u32| {
        let settings = work_budget::Settings::try_new(seats).and_then(|settings| settings.try_with_fuel(40));
        settings.expect("valid").with_width(Ratio::ONE).with_wait(THREADS as u32, Duration::MAX).without_correction()
    };
    let demoting = OverCost::Demote(Demotion::try_new(1).expect("one"));
    let sets = [settings(4), settings(1).with_over_cost(OverCost::Clamp), settings(3).with_over_cost(demoting)];
    for seed in 0..4 {
        let (outer, inner) = (WorkBudget::new(sets[0]), WorkBudget::new(settings(9)));
        let handles = [outer.handle(), inner.handle()];
        let late: Mutex<Vec<Work>> = Mutex::default();
        let cost = |ask: &Ask| Cost::fuel(10).with_seats(ask.weight);
        let stack = Stack::new().work_budget(outer.cost_by(cost)).work_budget(inner);
        let service = stack.service(service_fn(|ask: Ask| {
            let late = &late;
            async move {
                let work = work::current().expect("there is fuel");
                let others = std::mem::take(&mut *late.lock().expect("unpoisoned"));
                for other in &others {
                    let _ = other.try_take(3);
                }
                let mut spent = 0;
                let child = work.child(ask.weight.into());
                spent += child.try_take(4);
                Breath::default().await;
                if work.spend(u64::from(ask.weight) * 3).is_ok() {
                    spent += u64::from(ask.weight) * 3;
                }
                spent -= work.refund(2);
                drop(child);
                let left = work.remaining();
                assert!(spent + left <= work.granted().unwrap_or(0), "{spent} spent, {left} left of {work:?}");
                late.lock().expect("unpoisoned").extend([work.child(1), work]);
                Ok::<_, io::Error>(())
            }
        }));
        let at_work = AtomicU32::new(THREADS as u32);
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let (mut service, mut rng) = (service.clone(), Rng::new(seed * THREADS + thread + 1));
                let at_work = &at_work;
                scope.spawn(move || {
                    for _ in 0..1000 {
                        let ask = Ask { weight: 1 + rng.below(5) as u32, compartment: 0 };
                        let patience = if rng.below(2) == 0 { u32::MAX } else { rng.below(4) as u32 };
                        let _ = drive(service.call(ask), patience);
                    }
                    at_work.fetch_sub(1, SeqCst);
                });
            }
            let mut rng = Rng::new(seed + 100);
            while at_work.load(SeqCst) > 0 {
                handles[0].update(sets[rng.below(sets.len())]);
                thread::yield_now();
            }
        });
        for handle in &handles {
            let end = handle.snapshot();
            let held = [end.seats, end.demoted].map(|usage| (usage.in_use, usage.waiting));
            assert_eq!(held, [(0, 0); 2], "seed {seed}: {end:?}");
            assert!(end.spent <= end.granted, "seed {seed}: {end:?}");
        }
        handles[0].update(sets[0]);
        let mut service = service.clone();
        assert!(drive(service.call(Ask { weight: 4, compartment: 0 }), u32::MAX).expect("answered").is_ok());
    }
}

/// Without resizing, what is in use never exceeds the limit, and nobody is refused whom there is room for to wait.
#[test]
fn a_surge_queue_never_lets_more_in_than_its_limit() {
    let (in_use, most) = (AtomicU32::new(0), AtomicU32::new(0));
    let settings = surge_queue::Settings::new().try_with_burst(Duration::MAX).expect("valid");
    let queue = SurgeQueue::new(settings)
        .priority_by(|ask: &Ask| Priority::from_level(ask.compartment as u32))
        .in_front_of(Fixed::try_new(2).expect("valid"));
    let handle = queue.handle();
    let service = Stack::new().surge_queue(queue).service(service_fn(|_: Ask| {
        let (in_use, most) = (&in_use, &most);
        async move {
            most.fetch_max(in_use.fetch_add(1, SeqCst) + 1, SeqCst);
            Breath::default().await;
            in_use.fetch_sub(1, SeqCst);
            Ok::<_, io::Error>(())
        }
    }));
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (mut service, mut rng) = (service.clone(), Rng::new(thread + 1));
            scope.spawn(move || {
                for _ in 0..20_000 {
                    let ask = Ask { weight: 1, compartment: rng.below(4) };
                    assert!(drive(service.call(ask), u32::MAX).expect("answered").is_ok(), "all may wait");
                }
            });
        }
    });
    assert!(most.load(SeqCst) <= 2, "{most:?}");
    assert_eq!((handle.snapshot().waiting, handle.limit().in_use()), ([0; 4], 0));
}

/// At one and the same moment, so that nothing comes back: exactly as many cells as there are, whoever asks for them at
/// once, and of all quotas or of none.
#[test]
fn a_rate_limit_gives_every_cell_once() {
    let quota = |cells| Quota::try_per_hour(cells).expect("valid");
    for settings in [Settings::new(quota(5_000)), Settings::try_new(&[quota(9_000), quota(5_000)]).expect("two")] {
        let limit = RateLimit::new(settings).cost_by(|cost: &u32| *cost);
        let (now, taken) = (clock::now(), AtomicU32::new(0));
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let (limit, taken, mut rng) = (limit.clone(), &taken, Rng::new(thread + 1));
                scope.spawn(move || {
                    for _ in 0..10_000 {
                        let cost = 1 + rng.below(3) as u32;
                        let moment = Moment::at(now);
                        if let Admission::Admitted(permit) = limit.admit(&cost, &moment) {
                            taken.fetch_add(cost, SeqCst);
                            // A gate further in refuses some.
                            if rng.below(4) == 0 {
                                taken.fetch_sub(cost, SeqCst);
                                Gate::<u32>::settle(&limit, permit, Ending::Undispatched, &moment);
                            }
                        }
                    }
                });
            }
        });
        while let Admission::Admitted(_) = limit.admit(&1, &Moment::at(now)) {
            taken.fetch_add(1, SeqCst);
        }
        assert_eq!(taken.into_inner(), 5_000);
    }
}

/// The same while the quotas are changed, for others with as many cells: whoever decided by two sets of rules at once would
/// take too much, or what nobody gets any more.
#[test]
fn a_rate_limit_that_is_changed_gives_every_cell_once() {
    let year = Duration::from_secs(365 * 24 * 3600);
    let quota =
        |years, burst| Quota::try_new(1, years * year).and_then(|quota| quota.try_with_burst(burst)).expect("valid");
    let sets = [Settings::new(quota(1, 20_000)), Settings::new(quota(50, 20_000)), Settings::new(quota(7, 20_000))];
    for two in [false, true] {
        let limit = RateLimit::new(sets[0]);
        let (handle, taken) = (limit.handle(), AtomicU32::new(0));
        let at_work = AtomicU32::new(THREADS as u32);
        thread::scope(|scope| {
            for _ in 0..THREADS {
                let (limit, taken, at_work) = (limit.clone(), &taken, &at_work);
                scope.spawn(move || {
                    while let Admission::Admitted(_) = limit.admit(&(), &Moment::new()) {
                        taken.fetch_add(1, SeqCst);
                    }
                    at_work.fetch_sub(1, SeqCst);
                });
            }
            let mut rng = Rng::new(7);
            while at_work.load(SeqCst) > 0 {
                let settings = sets[rng.below(sets.len())];
                let more = quota(3, 30_000);
                handle.update(if two { settings.try_with_quota(more).expect("two") } else { settings });
            }
        });
        // A change rounds up what is used, by less than a billionth: the last cell may be short of so much.
        assert!((19_999..=20_000).contains(&taken.load(SeqCst)), "{taken:?}");
    }
}

/// Requests of all costs wait without end, are given up on, are put back, and go through, while the quotas change and now and
/// then it only observes. One who is forgotten would be waited for in vain; one who left and is still in the line is seen in
/// the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rate_limit_forgets_nobody_who_waits() {
    let often = Quota::try_per_second(200_000).and_then(|quota| quota.try_with_burst(5)).expect("valid");
    let set = |quotas: &[Quota]| Settings::try_new(quotas).expect("some").with_wait(100, Duration::MAX);
    let more = Quota::try_per_second(100_000).and_then(|quota| quota.try_with_burst(9)).expect("valid");
    let sets = [set(&[often]), set(&[often, more]), set(&[more]).without_refunds()];
    let limit = RateLimit::new(sets[0]).cost_by(|cost: &u32| *cost);
    let handle = limit.handle();
    let service = Stack::new().rate_limit(limit).bulkhead(bulkhead::Settings::try_new(3).expect("valid")).service(
        service_fn(|_: u32| async {
            Breath::default().await;
            Ok::<_, io::Error>(())
        }),
    );
    let callers: Vec<_> = (0..8)
        .map(|caller| {
            let (mut service, mut rng) = (service.clone(), Rng::new(caller + 1));
            tokio::spawn(async move {
                for _ in 0..200 {
                    let call = service.call(1 + rng.below(4) as u32);
                    match rng.below(4) {
                        0 => drop(call),
                        1 => drop(tokio::time::timeout(Duration::from_millis(1), call).await),
                        _ => drop(call.await),
                    }
                }
            })
        })
        .collect();
    let mut rng = Rng::new(99);
    while !callers.iter().all(|caller| caller.is_finished()) {
        handle.update(sets[rng.below(sets.len())]);
        if rng.below(8) == 0 {
            handle.observe_only()
        } else {
            handle.automatic()
        }
        tokio::task::yield_now().await;
    }
    for caller in callers {
        caller.await.expect("no panic");
    }
    assert_eq!(handle.snapshot().waiting, 0);
}

/// Without resizing, what is in use never exceeds the limit.
#[test]
fn a_bulkhead_never_lets_more_in_than_its_limit() {
    let (in_use, most) = (AtomicU32::new(0), AtomicU32::new(0));
    let bulkhead = Bulkhead::new(room(5, &[2, 1], Order::OldestFirst));
    let handle = bulkhead.handle();
    let service = Stack::new()
        .bulkhead(bulkhead.weight_by(|ask: &Ask| ask.weight).compartment_by(|ask: &Ask| ask.compartment))
        .service(service_fn(|ask: Ask| {
            let (in_use, most) = (&in_use, &most);
            async move {
                most.fetch_max(in_use.fetch_add(ask.weight, SeqCst) + ask.weight, SeqCst);
                Breath::default().await;
                in_use.fetch_sub(ask.weight, SeqCst);
                Ok::<_, io::Error>(())
            }
        }));
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (mut service, mut rng) = (service.clone(), Rng::new(thread + 1));
            scope.spawn(move || {
                for _ in 0..20_000 {
                    let ask = Ask { weight: 1 + rng.below(2) as u32, compartment: rng.below(4) };
                    assert!(drive(service.call(ask), u32::MAX).expect("answered").is_ok(), "all may wait");
                }
            });
        }
    });
    assert!(most.load(SeqCst) <= 5, "{most:?}");
    assert_eq!((handle.snapshot().in_use, handle.snapshot().waiting), (0, 0));
}

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
        let service = Stack::new().sharded_bulkhead(bulkhead).service(service_fn(|_: Ask| async {
            Breath::default().await;
            Ok::<_, io::Error>(())
        }));
        let at_work = AtomicU32::new(THREADS as u32);
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let (mut service, mut rng, at_work) = (service.clone(), Rng::new(thread + 1), &at_work);
                scope.spawn(move || {
                    for _ in 0..5000 {
                        let mut ask = || service.call(Ask { weight: 1, compartment: rng.below(5) });
                        let calls = [ask(), ask()];
                        let patience = if rng.below(2) == 0 { u32::MAX } else { rng.below(3) as u32 };
                        for call in calls {
                            let _ = drive(call, patience);
                        }
                    }
                    at_work.fetch_sub(1, SeqCst);
                });
            }
            let mut rng = Rng::new(100);
            while at_work.load(SeqCst) > 0 {
                handle.update(settings(1 + rng.below(2) as u32));
                if observed && rng.below(8) == 0 {
                    handle.observe_only()
                } else {
                    handle.automatic()
                }
                let most = if observed { 2 * THREADS as u32 } else { 2 };
                let cells = handle.snapshot().cells;
                assert!(cells.iter().all(|in_use| *in_use <= most), "{cells:?}");
                thread::yield_now();
            }
        });
        assert_eq!(handle.snapshot().in_use(), 0);
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

/// Two threads and one permit, which is put back just when the other looks for it. Nobody comes later to wake whoever
/// was forgotten.
#[test]
fn whoever_waits_is_seen_by_whoever_gives_back() {
    let service = Stack::new()
        .bulkhead(room(1, &[], Order::OldestFirst))
        .service(service_fn(|(): ()| async { Ok::<_, io::Error>(()) }));
    thread::scope(|scope| {
        for _ in 0..2 {
            let mut service = service.clone();
            scope.spawn(move || {
                for _ in 0..400_000 {
                    assert!(drive(service.call(()), u32::MAX).expect("answered").is_ok());
                }
            });
        }
    });
}

/// Two threads and one place, which is put back just when the other looks for it. Each calls once a round, so that nobody
/// comes later and finds whoever was forgotten.
#[test]
fn whoever_waits_in_a_surge_queue_is_seen_by_whoever_gives_back() {
    meet_in_a_queue_before(Fixed::try_new(1).expect("valid"), 100_000);
}

/// The same with a limit that may fall and grow just then, and have become larger in a look of the other's.
#[test]
fn whoever_waits_before_a_load_shedder_is_seen_by_whoever_gives_back() {
    let rule = Restless { most: 2, ..Restless::new(1) };
    meet_in_a_queue_before(rule.shed(), 50_000);
}

fn meet_in_a_queue_before<L: Limit<Permit: Send> + Send + Sync + 'static>(limit: L, rounds: u32) {
    let settings = surge_queue::Settings::new().try_with_burst(Duration::MAX).expect("valid");
    let queue = SurgeQueue::new(settings).in_front_of(limit);
    let service = Stack::new().surge_queue(queue).service(service_fn(|spins: usize| async move {
        (0..spins).for_each(|_| hint::spin_loop());
        Ok::<_, io::Error>(())
    }));
    let round = AtomicU32::new(0);
    thread::scope(|scope| {
        for thread in 0..2 {
            let (mut service, mut rng, round) = (service.clone(), Rng::new(thread + 1), &round);
            scope.spawn(move || {
                for number in 1..=rounds {
                    round.fetch_add(1, SeqCst);
                    spin_while(|| round.load(SeqCst) < 2 * number);
                    assert!(drive(service.call(rng.below(64)), u32::MAX).expect("answered").is_ok());
                }
            });
        }
    });
}

/// A rule that wants another limit every time it looks, and adds up what it saw.
#[derive(Clone, Debug)]
struct Restless {
    rng: Arc<AtomicU64>,
    least: u32,
    most: u32,
    calls: Arc<AtomicU64>,
}

impl Restless {
    fn new(least: u32) -> Self {
        Self { rng: Arc::default(), least, most: least + 3, calls: Arc::default() }
    }

    fn shed(&self) -> LoadShed {
        let rule = self.clone();
        let settings = load_shed::Settings::new().try_with_limits(self.least, self.most).expect("valid");
        LoadShed::with_rule(settings, move |_| rule.clone())
    }
}

impl Rule for Restless {
    fn limit(&self) -> f64 {
        f64::from(self.least) + (self.rng.fetch_add(1, SeqCst) * 7 % 4) as f64
    }

    fn look(&mut self, window: &load_shed::Window<'_>) -> Step {
        self.calls.fetch_add(window.calls().into(), SeqCst);
        Step::CLOSE
    }
}

/// Calls are answered, fail, are refused and given up on, some of them so slow that they are parked, while the limit moves
/// with every look at the window, and now and then it only observes. In the end every place is free.
#[test]
fn a_load_shedder_gives_every_place_back() {
    for seed in 0..4 {
        let shed = Restless::new(6).shed();
        let handle = shed.handle();
        let mut service = Stack::new().load_shed(shed).service(service_fn(|breaths: usize| async move {
            for _ in 0..breaths {
                Breath::default().await;
            }
            if breaths == 2 { Err(io::Error::other("down")) } else { Ok(()) }
        }));
        // The first one is let in, whatever the threads do to those that they begin.
        let first_stream = service.call(usize::MAX);
        let at_work = AtomicU32::new(THREADS as u32);
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let (mut service, mut rng) = (service.clone(), Rng::new(seed * THREADS + thread + 1));
                let at_work = &at_work;
                scope.spawn(move || {
                    let mut stream = None;
                    for number in 0..5000 {
                        let patience = if rng.below(2) == 0 { u32::MAX } else { rng.below(3) as u32 };
                        let _ = drive(service.call(rng.below(4)), patience);
                        // Held while many others come and go.
                        if number % 1000 == 100 {
                            stream = Some(service.call(usize::MAX));
                        }
                    }
                    at_work.fetch_sub(1, SeqCst);
                    drop(stream);
                });
            }
            let mut rng = Rng::new(seed + 100);
            while at_work.load(SeqCst) > 0 {
                match rng.below(8) {
                    0 => handle.observe_only(),
                    _ => handle.automatic(),
                }
                let few = rng.below(2) == 0;
                let most = 1 + rng.below(if few { 9 } else { 90 }) as u32;
                handle.update(load_shed::Settings::new().try_with_limits(1, most).expect("valid"));
                thread::yield_now();
            }
        });
        // Whether the threads overtook it often enough is up to the machine; these calls do, and then it is parked.
        handle.automatic();
        handle.update(load_shed::Settings::new().try_with_limits(1, 90).expect("valid"));
        for _ in 0..5000 {
            let _ = drive(service.call(0), u32::MAX);
        }
        let overtaken = handle.snapshot();
        assert_eq!((overtaken.in_use, overtaken.parked), (0, 1), "seed {seed}: {overtaken:?}");
        drop(first_stream);
        let end = handle.snapshot();
        assert_eq!((end.in_use, end.parked), (0, 0), "seed {seed}: {end:?}");
        assert!(drive(service.call(0), u32::MAX).expect("answered").is_ok());
    }
}

/// Every answer is in exactly one window, however many threads end calls while one looks.
#[test]
fn a_load_shedder_counts_every_answer_once() {
    let rule = Restless::new(1000);
    let mut service = Stack::new().load_shed(rule.shed()).service(service_fn(|fails: bool| async move {
        Breath::default().await;
        if fails { Err(io::Error::other("down")) } else { Ok(()) }
    }));
    // The first call that ends begins the first window; a failure is in none.
    assert!(drive(service.call(true), u32::MAX).expect("an end").is_err());
    let answered = AtomicU64::new(0);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (mut service, mut rng, answered) = (service.clone(), Rng::new(thread + 1), &answered);
            scope.spawn(move || {
                for _ in 0..3000 {
                    let end = drive(service.call(rng.below(5) == 0), u32::MAX).expect("an end");
                    answered.fetch_add(end.is_ok().into(), SeqCst);
                }
            });
        }
    });
    for _ in 0..2 {
        // Longer than a window is left alone.
        thread::sleep(Duration::from_millis(5));
        assert!(drive(service.call(true), u32::MAX).expect("an end").is_err());
    }
    assert_eq!(rule.calls.load(SeqCst), answered.load(SeqCst));
}

/// A queue in front of a limit that moves by itself, for each of two kinds: whoever waits is served in the end, or leaves.
#[test]
fn a_queue_in_front_of_a_load_shedder_forgets_nobody() {
    let settings = surge_queue::Settings::new().try_with_burst(Duration::MAX).expect("valid");
    for seed in 0..4 {
        let queues = [1, 2].map(|least| {
            SurgeQueue::new(settings)
                .priority_by(|ask: &Ask| Priority::from_level(ask.compartment as u32))
                .exempt_by(|ask: &Ask| ask.weight == 5)
                .in_front_of(Restless::new(least).shed())
        });
        let handles = queues.each_ref().map(SurgeQueue::handle);
        let kinds = PerKind::try_new(queues, |ask: &Ask| ask.weight as usize % 2).expect("two");
        let service = Stack::new().per_kind(kinds).service(service_fn(|_: Ask| async {
            Breath::default().await;
            Ok::<_, io::Error>(())
        }));
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let (mut service, mut rng) = (service.clone(), Rng::new(seed * THREADS + thread + 1));
                scope.spawn(move || {
                    for _ in 0..2000 {
                        let ask = Ask { weight: rng.below(6) as u32, compartment: rng.below(4) };
                        let patience = if rng.below(2) == 0 { u32::MAX } else { rng.below(4) as u32 };
                        if let Some(end) = drive(service.call(ask), patience) {
                            assert!(end.is_ok(), "there is room to wait for four");
                        }
                    }
                });
            }
        });
        for handle in handles {
            let (end, shed) = (handle.snapshot(), handle.limit().handle().snapshot());
            assert_eq!((end.waiting, shed.in_use, shed.parked), ([0; 4], 0, 0), "seed {seed}: {end:?} {shed:?}");
        }
    }
}

/// Many threads ask for few keys, of which fewer have a place than there are, wait, give up, and are answered, while keys
/// are forgotten, looked up and swept below them, and the places become more and fewer. Whatever is forgotten and made
/// anew, of no key are more inside at once than its limit; and in the end nobody holds any.
#[test]
fn a_gate_for_each_key_never_lets_more_in_than_the_limit_of_each_and_gives_every_key_back() {
    const KEYS: usize = 5;
    const LIMIT: u32 = 2;
    let room = |places| keyed::Settings::new().try_with_capacity(places).expect("not zero");
    for seed in 0..4 {
        let waits = bulkhead::Settings::try_new(LIMIT).expect("not zero").with_wait(THREADS as u32, Duration::MAX);
        let refuse = room(2).with_overflow(Overflow::Refuse).try_with_idle(Duration::from_nanos(1)).expect("not zero");
        let keyed = Keyed::new(refuse, |key: &usize| *key, move |_: &usize| Bulkhead::new(waits));
        let handle = keyed.handle();
        let inside: [AtomicU32; KEYS] = Default::default();
        let service = Stack::new().keyed(keyed).service(service_fn(|key: usize| {
            let inside = &inside[key];
            async move {
                let _inside = Inside::enter(inside, LIMIT);
                Breath::default().await;
                Ok::<_, io::Error>(())
            }
        }));
        let (at_work, served) = (AtomicU32::new(THREADS as u32), AtomicU32::new(0));
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let (mut service, mut rng) = (service.clone(), Rng::new(seed * THREADS + thread + 1));
                let (at_work, served) = (&at_work, &served);
                scope.spawn(move || {
                    for _ in 0..2000 {
                        let patience = if rng.below(2) == 0 { u32::MAX } else { rng.below(4) as u32 };
                        if let Some(Ok(())) = drive(service.call(rng.below(KEYS)), patience) {
                            served.fetch_add(1, SeqCst);
                        }
                    }
                    at_work.fetch_sub(1, SeqCst);
                });
            }
            let mut rng = Rng::new(seed + 100);
            while at_work.load(SeqCst) > 0 {
                let key = rng.below(KEYS);
                match rng.below(5) {
                    0 => drop(handle.forget(&key)),
                    1 => drop(handle.get(&key).map(|kept| kept.handle().snapshot())),
                    2 => drop(handle.sweep()),
                    3 => handle.update_gates(move |_, bulkhead| bulkhead.handle().update(waits)),
                    _ => handle.update(refuse.with_capacity(NonZeroU32::MIN.saturating_add(rng.below(4) as u32))),
                }
                assert!(handle.len() <= KEYS);
                thread::yield_now();
            }
        });
        assert!(served.load(SeqCst) > 0, "seed {seed}");
        for key in 0..KEYS {
            assert!(handle.get(&key).is_none() || handle.forget(&key), "seed {seed}: somebody holds {key}");
        }
        assert_eq!(handle.len(), 0);
    }
}

/// One who is inside, until it is dropped.
struct Inside<'a>(&'a AtomicU32);

impl<'a> Inside<'a> {
    fn enter(inside: &'a AtomicU32, limit: u32) -> Self {
        assert!(inside.fetch_add(1, SeqCst) < limit, "one too many");
        Self(inside)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

/// A snapshot in the middle of a resize saw the new capacity and the old count of what was free.
#[test]
fn a_bulkhead_that_nobody_uses_is_not_in_use_while_it_is_resized() {
    let (small, large) = (room(4, &[1], Order::OldestFirst), room(400, &[100], Order::OldestFirst));
    let handle = Bulkhead::new(small).handle();
    let end = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !end.load(SeqCst) {
                handle.update(large);
                handle.update(small);
            }
        });
        let most = (0..300_000).map(|_| handle.snapshot().in_use).max();
        end.store(true, SeqCst);
        assert_eq!(most, Some(0));
    });
}

/// A callee that comes and goes, callers that give up, and somebody who plays with settings and holds: each transition
/// is announced once, and once the callee is well the circuit closes.
#[test]
fn a_circuit_announces_each_transition_once_and_closes_in_the_end() {
    let open = OpenTime::constant(Duration::from_micros(50));
    let settings = circuit_breaker::Settings::new()
        .with_open_time(open)
        .with_calm(Duration::ZERO)
        .with_ramp(Duration::ZERO)
        .with_probe_lease(Duration::from_millis(5))
        .with_probes(Probes::try_new(2, 3).expect("two of three"));
    let windows = [Window::try_calls(10, 5), Window::try_calls(300, 3), Window::try_time(Duration::from_secs(1), 5)];
    let windows = windows.map(|window| settings.with_window(window.expect("valid")));
    let (moves, holds) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let (moved, held) = (Arc::clone(&moves), Arc::clone(&holds));
    let breaker = CircuitBreaker::new(settings).observe(move |event: &Event| match event {
        Event::CircuitHeld { hold, .. } => {
            held.fetch_add(u32::from(*hold != Hold::Automatic), SeqCst);
        }
        Event::WouldRefuse(_) => {}
        _ => {
            moved.fetch_add(1, SeqCst);
        }
    });
    let handle = breaker.handle();
    let service = Stack::new().circuit_breaker(breaker).service(service_fn(|ok: bool| async move {
        Breath::default().await;
        if ok { Ok(()) } else { Err(io::Error::other("down")) }
    }));
    let at_work = AtomicU32::new(THREADS as u32);
    let mut held_by_us = 0;
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (mut service, mut rng, at_work) = (service.clone(), Rng::new(thread + 1), &at_work);
            scope.spawn(move || {
                for round in 0..4000 {
                    let ok = (round / 100) % 2 == 0;
                    let _ = drive(service.call(ok), rng.below(10) as u32);
                }
                at_work.fetch_sub(1, SeqCst);
            });
        }
        let mut rng = Rng::new(9);
        while at_work.load(SeqCst) > 0 {
            match rng.below(8) {
                0 => handle.force_open(),
                1 => handle.force_closed(),
                2 => handle.observe_only(),
                _ => handle.update(windows[rng.below(3)]),
            }
            held_by_us += u32::from(handle.snapshot().hold != Hold::Automatic);
            handle.automatic();
            thread::yield_now();
        }
    });
    assert_eq!(holds.load(SeqCst), held_by_us);
    assert_eq!(handle.snapshot().generation - 1, moves.load(SeqCst), "{:?}", handle.snapshot());
    let mut service = service;
    let end = std::time::Instant::now() + FORGOTTEN;
    while handle.snapshot().state != State::Closed {
        let _ = drive(service.call(true), u32::MAX);
        assert!(std::time::Instant::now() < end, "stuck: {:?}", handle.snapshot());
    }
    assert!(matches!(drive(service.call(true), u32::MAX), Some(Ok(()))));
    assert!(matches!(drive(service.call(false), u32::MAX), Some(Err(Error::Inner(_)))));
}

/// Deposits, refills, retries that are sent and retries that are given up: what was spent is at most what came in, and
/// what is left over is what was not spent.
#[test]
fn a_budget_neither_makes_nor_loses_tokens() {
    let settings = BudgetSettings::new().with_ratio(Ratio::HALF).with_refill(1000).try_with_cap(1 << 20);
    let budget = Budget::new(settings.expect("a cap"));
    let start = clock::now();
    drop(budget.withdraw(Failure::Transient, start));
    let (now, spent) = (AtomicU64::new(start.as_nanos()), AtomicU64::new(0));
    // Far from full, so that nothing is cut off.
    for _ in 0..1 << 19 {
        budget.withdraw(Failure::Transient, start).expect("enough").spend();
    }
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (budget, now, spent, mut rng) = (budget.clone(), &now, &spent, Rng::new(thread + 1));
            scope.spawn(move || {
                for _ in 0..5000 {
                    budget.deposit();
                    let now = Instant::from_nanos(now.fetch_add(1_000_000, SeqCst) + 1_000_000);
                    let withdrawal = budget.withdraw(Failure::Timeout, now).expect("half full");
                    if rng.below(2) == 0 {
                        spent.fetch_add(1, SeqCst);
                        withdrawal.spend();
                    }
                }
            });
        }
    });
    let calls = 5000 * THREADS;
    drop(budget.withdraw(Failure::Transient, Instant::from_nanos(now.load(SeqCst))));
    let expected = f64::from(1 << 19) + calls as f64 * 0.5 + calls as f64 - spent.load(SeqCst) as f64;
    assert_eq!(budget.balance(), expected, "one token a millisecond, and half of one for each success");
}

/// Who paid in while the cap was lowered paid up to the cap that it had seen before, and there it stayed.
#[test]
fn a_budget_is_not_above_its_cap_whoever_pays_in() {
    let large = BudgetSettings::new().with_ratio(Ratio::ONE).with_refill(0).try_with_cap(100).expect("a cap");
    let small = large.try_with_cap(1).expect("a cap");
    let budget = Budget::new(small);
    // Even: pay in. Odd: pause, and say so.
    let (round, pausing, end) = (AtomicU32::new(0), AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !end.load(SeqCst) {
                let now = round.load(SeqCst);
                if now % 2 == 0 {
                    budget.deposit();
                    continue;
                }
                pausing.store(true, SeqCst);
                spin_while(|| round.load(SeqCst) == now);
            }
        });
        let mut highest = 0.0_f64;
        for _ in 0..5000 {
            budget.update(large);
            budget.update(small);
            pausing.store(false, SeqCst);
            round.fetch_add(1, SeqCst);
            spin_while(|| !pausing.load(SeqCst));
            highest = budget.balance().max(highest);
            round.fetch_add(1, SeqCst);
        }
        end.store(true, SeqCst);
        assert!(highest <= 1.0, "{highest}");
    });
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
    let (handle, ended, dropped) = (router.handle(), AtomicU64::new(0), AtomicU64::new(0));
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
    let under_way = AtomicU64::new(THREADS);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            let (mut router, under_way) = (router.clone(), &under_way);
            scope.spawn(move || {
                for _ in 0..500 {
                    let answer = drive(router.call(()), u32::MAX).expect("it ends");
                    assert!(answer.is_ok());
                }
                under_way.fetch_sub(1, SeqCst);
            });
        }
        while under_way.load(SeqCst) > 0 {
            handle.set(only("open"));
            thread::yield_now();
            handle.set(only("shut"));
            thread::yield_now();
        }
    });
    assert!(handle.snapshot().members.iter().all(|member| member.in_flight == 0));
}

/// Whoever waits for a member that is never ready is woken when another is back in service, at whatever moment that comes.
#[test]
fn nobody_waits_on_while_another_member_is_back() {
    let both = Nodes::try_new(["shut", "open"].map(Node::new)).expect("two");
    let router = ShuffleShard::new(both, |node: &Node| Door(node.name() == "open")).tenant_by(|(): &()| 1_u64);
    let handle = router.handle();
    let under_way = AtomicU64::new(THREADS);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            let (mut router, under_way) = (router.clone(), &under_way);
            scope.spawn(move || {
                for _ in 0..500 {
                    let answer = drive(router.call(()), u32::MAX).expect("it ends");
                    assert!(answer.is_ok());
                }
                under_way.fetch_sub(1, SeqCst);
            });
        }
        while under_way.load(SeqCst) > 0 {
            handle.eject("open");
            thread::yield_now();
            handle.restore("open");
            thread::yield_now();
        }
    });
    assert!(handle.snapshot().members.iter().all(|member| member.in_flight == 0));
}

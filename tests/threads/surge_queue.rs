//! A line that threads come to, leave and are served from at once.

use std::{
    hint, io,
    sync::atomic::{AtomicU32, Ordering::SeqCst},
    thread,
    time::Duration,
};

use plimsoll::{
    Ratio, Stack,
    limit::{FixedLimit, Limit},
    request::Priority,
    surge_queue::{self, Surge, SurgeQueue},
};
use tower::{Service, service_fn};

use crate::{
    Ask, THREADS, ask_on_and_on, breathe,
    crowd::{Breath, crowd, drive, spin_while},
    rng::Rng,
};

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
            .in_front_of(FixedLimit::try_new(2).expect("valid"));
        let handle = queue.handle();
        let service = Stack::new().surge_queue(queue).service(service_fn(breathe));
        let mut changes = Rng::new(seed + 100);
        crowd(
            THREADS,
            |thread| ask_on_and_on(service.clone(), Rng::new(seed * THREADS + thread + 1)),
            || {
                handle.limit().resize((1 + changes.below(4) as u32).try_into().expect("not zero"));
                match changes.below(16) {
                    0 => handle.observe_only(),
                    1 => handle.close(),
                    2..=4 => handle.update(sets[changes.below(sets.len())]),
                    _ => {
                        handle.automatic();
                        handle.open();
                    }
                }
            },
        );
        handle.automatic();
        handle.open();
        let end = handle.snapshot();
        assert_eq!((end.waiting, handle.limit().in_use()), ([0; 4], 0), "seed {seed}: {end:?}");
        assert!(end.surge.is_none_or(|lane| (lane.waiting, lane.in_use, lane.lent) == ([0; 4], 0, 0)), "{end:?}");
        let mut service = service;
        assert!(drive(service.call(Ask { weight: 1, compartment: 1 }), u32::MAX).expect("answered").is_ok());
    }
}

/// Without resizing, what is in use never exceeds the limit, and nobody is refused whom there is room for to wait.
#[test]
fn a_surge_queue_never_lets_more_in_than_its_limit() {
    let (in_use, most) = (AtomicU32::new(0), AtomicU32::new(0));
    let settings = surge_queue::Settings::new().try_with_burst(Duration::MAX).expect("valid");
    let queue = SurgeQueue::new(settings)
        .priority_by(|ask: &Ask| Priority::from_level(ask.compartment as u32))
        .in_front_of(FixedLimit::try_new(2).expect("valid"));
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

/// Two threads and one place, which is put back just when the other looks for it. Each calls once a round, so that nobody
/// comes later and finds whoever was forgotten.
#[test]
fn whoever_waits_in_a_surge_queue_is_seen_by_whoever_gives_back() {
    meet_in_a_queue_before(FixedLimit::try_new(1).expect("valid"), 100_000);
}

pub(crate) fn meet_in_a_queue_before<L: Limit<Permit: Send> + Send + Sync + 'static>(limit: L, rounds: u32) {
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

//! Permits that threads fight over.

use std::{
    io,
    sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    thread,
    time::Duration,
};

use plimsoll::{
    Stack,
    bulkhead::{self, Bulkhead, Order, Usage},
};
use tower::{Service, service_fn};

use crate::{
    Ask, THREADS, ask_on_and_on, breathe,
    crowd::{Breath, crowd, drive},
    rng::Rng,
};

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
        let service = stack.service(service_fn(breathe));
        let mut changes = Rng::new(seed + 100);
        crowd(
            THREADS,
            |thread| ask_on_and_on(service.clone(), Rng::new(seed * THREADS + thread + 1)),
            || {
                handle.update(sizes[changes.below(sizes.len())]);
                if changes.below(8) == 0 { handle.observe_only() } else { handle.automatic() }
                // Whoever fits nowhere waits for the next size; there always is one.
            },
        );
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

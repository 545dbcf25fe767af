//! A circuit, callers who give up, and somebody who plays with it.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use plimsoll::{
    Error, Event, Stack,
    circuit_breaker::{self, CircuitBreaker, OpenTime, Probes, State, Window},
    event::Hold,
};
use tower::{Service, service_fn};

use crate::{
    THREADS,
    crowd::{Breath, FORGOTTEN, crowd, drive},
    rng::Rng,
};

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
    let mut changes = Rng::new(9);
    let mut held_by_us = 0;
    crowd(
        THREADS,
        |thread| {
            let (mut service, mut rng) = (service.clone(), Rng::new(thread + 1));
            for round in 0..4000 {
                let ok = (round / 100) % 2 == 0;
                let _ = drive(service.call(ok), rng.below(10) as u32);
            }
        },
        || {
            match changes.below(8) {
                0 => handle.force_open(),
                1 => handle.force_closed(),
                2 => handle.observe_only(),
                _ => handle.update(windows[changes.below(3)]),
            }
            held_by_us += u32::from(handle.snapshot().hold != Hold::Automatic);
            handle.automatic();
        },
    );
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

//! Numbers of a meter.

use std::{
    io,
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    thread,
};

use plimsoll::{
    Stack,
    classify::Failure,
    event::Ended,
    meter::{self, Meter},
};
use tower::{Service, service_fn};

use crate::{
    THREADS,
    crowd::{Breath, crowd, drive},
    patience,
    rng::Rng,
};

/// Calls that are answered, fail or are given up on, each counted once and in its own way, by more threads than have numbers of
/// their own, while the meter is told to time, to announce, and not to; and no count ever goes back.
#[test]
fn a_meter_counts_every_call_once_and_never_back() {
    let all = THREADS + 2 * thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    let sets = [meter::Settings::new(), meter::Settings::new().without_times(), meter::Settings::new().with_events()];
    let meter = Meter::new(sets[0]);
    let handle = meter.handle();
    let service = Stack::new().metered(meter).service(service_fn(|ok: bool| async move {
        Breath::default().await;
        if ok { Ok(()) } else { Err(io::Error::other("down")) }
    }));
    let ends = [Ended::Succeeded, Ended::Failed(Failure::Transient), Ended::Cancelled];
    let ended = [const { AtomicU64::new(0) }; 3];
    let (mut changes, mut before) = (Rng::new(100), 0);
    crowd(
        all,
        |thread| {
            let (mut service, mut rng) = (service.clone(), Rng::new(thread + 1));
            for _ in 0..2000 {
                let patience = patience(&mut rng, 3);
                let end = match drive(service.call(rng.below(2) == 0), patience) {
                    Some(Ok(())) => 0,
                    Some(Err(_)) => 1,
                    None => 2,
                };
                ended[end].fetch_add(1, SeqCst);
            }
        },
        || {
            handle.update(sets[changes.below(sets.len())]);
            let now = handle.snapshot();
            assert!((before..=2000 * all).contains(&now.calls()), "{before} before, and {} now", now.calls());
            before = now.calls();
        },
    );
    let end = handle.snapshot();
    let counted = ends.map(|how| end.ended(how));
    assert_eq!((counted, end.active), (ended.map(AtomicU64::into_inner), 0));
    assert_eq!(end.calls(), 2000 * all);
}

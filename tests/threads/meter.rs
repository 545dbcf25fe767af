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
    crowd::{Breath, drive},
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
    let (ended, at_work) = ([const { AtomicU64::new(0) }; 3], AtomicU64::new(all));
    thread::scope(|scope| {
        for thread in 0..all {
            let (mut service, mut rng) = (service.clone(), Rng::new(thread + 1));
            let (ended, at_work) = (&ended, &at_work);
            scope.spawn(move || {
                for _ in 0..2000 {
                    let patience = if rng.below(2) == 0 { u32::MAX } else { rng.below(3) as u32 };
                    let end = match drive(service.call(rng.below(2) == 0), patience) {
                        Some(Ok(())) => 0,
                        Some(Err(_)) => 1,
                        None => 2,
                    };
                    ended[end].fetch_add(1, SeqCst);
                }
                at_work.fetch_sub(1, SeqCst);
            });
        }
        let (mut rng, mut before) = (Rng::new(100), 0);
        while at_work.load(SeqCst) > 0 {
            handle.update(sets[rng.below(sets.len())]);
            let now = handle.snapshot();
            assert!((before..=2000 * all).contains(&now.calls()), "{before} before, and {} now", now.calls());
            before = now.calls();
            thread::yield_now();
        }
    });
    let end = handle.snapshot();
    let counted = ends.map(|how| end.ended(how));
    assert_eq!((counted, end.active), (ended.map(AtomicU64::into_inner), 0));
    assert_eq!(end.calls(), 2000 * all);
}

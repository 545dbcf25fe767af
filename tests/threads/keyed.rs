//! Keys that are forgotten while threads ask for them.

use std::{
    io,
    num::NonZeroU32,
    sync::atomic::{AtomicU32, Ordering::SeqCst},
    time::Duration,
};

use plimsoll::{
    Stack,
    bulkhead::{self, Bulkhead},
    keyed::{self, Keyed, Overflow},
};
use tower::{Service, service_fn};

use crate::{
    THREADS,
    crowd::{Breath, crowd, drive},
    patience,
    rng::Rng,
};

/// Many threads ask for few keys, of which fewer have a place than there are, wait, give up, and are answered, while keys
/// are forgotten, looked up and swept below them, and the places become more and fewer. Whatever is forgotten and made
/// anew, of no key are more inside at once than its limit; and in the end nobody holds any.
#[test]
fn a_gate_for_each_key_never_lets_more_in_than_the_limit_of_each_and_gives_every_key_back() {
    const KEYS: usize = 5;
    const LIMIT: u32 = 2;
    const MOST: usize = 4;
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
        let mut changes = Rng::new(seed + 100);
        crowd(
            THREADS,
            |thread| {
                let (mut service, mut rng) = (service.clone(), Rng::new(seed * THREADS + thread + 1));
                for _ in 0..2000 {
                    let patience = patience(&mut rng, 4);
                    let _ = drive(service.call(rng.below(KEYS)), patience);
                }
            },
            || {
                let key = changes.below(KEYS);
                match changes.below(5) {
                    0 => drop(handle.forget(&key)),
                    1 => drop(handle.get(&key).map(|kept| kept.handle().snapshot())),
                    2 => drop(handle.sweep()),
                    3 => handle.update_gates(move |_, bulkhead| bulkhead.handle().update(waits)),
                    _ => {
                        handle.update(refuse.with_capacity(NonZeroU32::MIN.saturating_add(changes.below(MOST) as u32)))
                    }
                }
                assert!(handle.len() <= MOST, "no more than there ever were places");
            },
        );
        // Nobody is there any more, and whoever comes now finds a place.
        let mut service = service;
        assert!(drive(service.call(0), u32::MAX).expect("answered").is_ok(), "seed {seed}");
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

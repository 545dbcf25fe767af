//! A limit that moves while threads come and go, alone and with a queue in front.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use plimsoll::{
    Stack,
    gate::PerKind,
    load_shed::{self, LoadShed, Rule, Step},
    request::Priority,
    surge_queue::{self, SurgeQueue},
};
use tower::{Service, service_fn};

use crate::{
    Ask, THREADS, breathe,
    crowd::{Breath, crowd, drive},
    patience,
    rng::Rng,
    surge_queue::meet_in_a_queue_before,
};

/// The same with a limit that may fall and grow just then, and have become larger in a look of the other's.
#[test]
fn whoever_waits_before_a_load_shedder_is_seen_by_whoever_gives_back() {
    let rule = Restless { most: 2, ..Restless::new(1) };
    meet_in_a_queue_before(rule.shed(), 50_000);
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
        let mut changes = Rng::new(seed + 100);
        crowd(
            THREADS,
            |thread| {
                let (mut service, mut rng) = (service.clone(), Rng::new(seed * THREADS + thread + 1));
                let mut stream = None;
                for number in 0..5000 {
                    let patience = patience(&mut rng, 3);
                    let _ = drive(service.call(rng.below(4)), patience);
                    // Held while many others come and go.
                    if number % 1000 == 100 {
                        stream = Some(service.call(usize::MAX));
                    }
                }
                drop(stream);
            },
            || {
                match changes.below(8) {
                    0 => handle.observe_only(),
                    _ => handle.automatic(),
                }
                let few = changes.below(2) == 0;
                let most = 1 + changes.below(if few { 9 } else { 90 }) as u32;
                handle.update(load_shed::Settings::new().try_with_limits(1, most).expect("valid"));
            },
        );
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
        let service = Stack::new().per_kind(kinds).service(service_fn(breathe));
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let (mut service, mut rng) = (service.clone(), Rng::new(seed * THREADS + thread + 1));
                scope.spawn(move || {
                    for _ in 0..2000 {
                        let ask = Ask { weight: rng.below(6) as u32, compartment: rng.below(4) };
                        let patience = patience(&mut rng, 4);
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

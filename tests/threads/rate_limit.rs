//! Cells that threads fight over.

use std::{
    sync::atomic::{AtomicU32, Ordering::SeqCst},
    thread,
    time::Duration,
};

use plimsoll::{
    Stack, bulkhead,
    clock::{self, Moment},
    gate::{Admission, Ending, Gate},
    rate_limit::{Quota, RateLimit, Settings},
};
use tower::{Service, service_fn};

use crate::{
    THREADS, breathe,
    crowd::{FORGOTTEN, crowd},
    rng::Rng,
};

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
        let mut changes = Rng::new(7);
        crowd(
            THREADS,
            |_| {
                let (limit, taken) = (limit.clone(), &taken);
                while let Admission::Admitted(_) = limit.admit(&(), &Moment::new()) {
                    taken.fetch_add(1, SeqCst);
                }
            },
            || {
                let settings = sets[changes.below(sets.len())];
                let more = quota(3, 30_000);
                handle.update(if two { settings.try_with_quota(more).expect("two") } else { settings });
            },
        );
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
    let service = Stack::new()
        .rate_limit(limit)
        .bulkhead(bulkhead::Settings::try_new(3).expect("valid"))
        .service(service_fn(breathe));
    let callers: Vec<_> = (0..8)
        .map(|caller| {
            let (mut service, mut rng) = (service.clone(), Rng::new(caller + 1));
            tokio::spawn(async move {
                for _ in 0..200 {
                    let call = service.call(1 + rng.below(4) as u32);
                    match rng.below(4) {
                        0 => drop(call),
                        1 => drop(tokio::time::timeout(Duration::from_millis(1), call).await),
                        _ => drop(tokio::time::timeout(FORGOTTEN, call).await.expect("nobody woke it")),
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
    handle.automatic();
    let mut service = service;
    assert!(service.call(1).await.is_ok());
}

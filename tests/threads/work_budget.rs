//! Seats and fuel that threads fight over.

use std::{io, sync::Mutex, time::Duration};

use plimsoll::{
    Ratio, Stack,
    work::{self, Work},
    work_budget::{self, Cost, Demotion, OverCost, WorkBudget},
};
use tower::{Service, service_fn};

use crate::{
    Ask, THREADS,
    crowd::{Breath, crowd, drive},
    patience,
    rng::Rng,
};

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
        let mut changes = Rng::new(seed + 100);
        crowd(
            THREADS,
            |thread| {
                let (mut service, mut rng) = (service.clone(), Rng::new(seed * THREADS + thread + 1));
                for _ in 0..1000 {
                    let ask = Ask { weight: 1 + rng.below(5) as u32, compartment: 0 };
                    let patience = patience(&mut rng, 4);
                    let _ = drive(service.call(ask), patience);
                }
            },
            || {
                handles[0].update(sets[changes.below(sets.len())]);
            },
        );
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

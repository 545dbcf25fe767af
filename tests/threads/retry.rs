//! The budget of a retry.

use std::{
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst},
    thread,
};

use plimsoll::{
    Ratio,
    classify::Failure,
    clock::{self, Instant},
    retry::{Budget, BudgetSettings},
};

use crate::{THREADS, crowd::spin_while, rng::Rng};

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

//! The laws of a quota: against exact arithmetic, against governor, and against itself with and without a lock.

use std::{num::NonZeroU32, time::Duration};

use governor::{RateLimiter, clock::FakeRelativeClock};
use proptest::prelude::*;

use super::{
    gcra::Gcra,
    meter::{Meter, Taken},
    permit::Permit,
    quota::Quota,
};
use crate::clock::Instant;

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const START: Instant = Instant::from_nanos(1 << 62);

pub(super) fn quota(cells: u32, per: Duration, burst: u32) -> Quota {
    Quota::try_new(cells, per).and_then(|quota| quota.try_with_burst(burst)).expect("valid")
}

/// All of it is there, and ticks are counted from near `now`.
fn full(quota: Quota, now: Instant) -> Gcra {
    Gcra::new(quota, 0).changed(quota, now)
}

/// Takes cells if they are there.
fn take(gcra: &mut Gcra, cells: u32, now: Instant) -> Result<(), Option<Instant>> {
    match gcra.after(cells, now) {
        Some(arrival) => {
            gcra.set_arrival(arrival);
            Ok(())
        }
        None => Err(gcra.due(cells)),
    }
}

/// What can be asked for: cells each period, and a burst; slow ones, fast ones, odd ones.
fn any_quota() -> impl Strategy<Value = Quota> {
    let cells = prop_oneof![1..20u32, 1..2_000_000_000u32];
    let per = prop_oneof![
        Just(SECOND),
        Just(60 * SECOND),
        Just(3600 * SECOND),
        (1..10_000_000_000u64).prop_map(Duration::from_nanos)
    ];
    (cells, per, prop_oneof![1..10u32, 1..2_000_000u32]).prop_filter_map("too fast", |(cells, per, burst)| {
        Quota::try_new(cells, per).and_then(|quota| quota.try_with_burst(burst)).ok()
    })
}

/// Steps in parts of the time between two cells, and the costs asked for after each.
fn any_calls() -> impl Strategy<Value = Vec<(f64, u32)>> {
    let step = prop_oneof![Just(0.0), Just(1.0), 0.0..0.1, 0.0..5.0];
    proptest::collection::vec((step, prop_oneof![Just(1u32), 1..6u32]), 1..120)
}

fn interval(quota: &Quota) -> f64 {
    quota.per().as_nanos() as f64 / f64::from(quota.cells().get())
}

#[test]
fn three_a_second_are_three_a_second_for_ever() {
    for (cells, per) in [(3, SECOND), (7, 60 * SECOND), (13, SECOND), (1_000_000_007, SECOND), (u32::MAX, SECOND)] {
        // All that there is, again and again, as soon as it is there; and half of it.
        for (all, part) in [(1, 1), (2, 1), (1_000_000, 1_000_000), (1_000_000, 500_000)] {
            let mut gcra = full(quota(cells, per, all), START);
            gcra.take(all, START);
            for round in 1..=50_000u128 {
                let due = gcra.due(part).expect("not more than all");
                gcra.take(part, due);
                if gcra.is_old(due) {
                    break;
                }
                let exact = (round * u128::from(part) * per.as_nanos()).div_ceil(u128::from(cells));
                let late = i128::from(due.as_nanos() - START.as_nanos()) - i128::try_from(exact).expect("some years");
                assert!((-1..=0).contains(&late), "{part} of {cells} per {per:?}: {late} ns after {round} rounds");
            }
        }
    }
}

#[test]
fn a_cell_is_there_when_it_is_due_and_not_a_nanosecond_before() {
    let mut gcra = full(quota(10, SECOND, 1), START);
    assert!(take(&mut gcra, 1, START).is_ok());
    let due = START.after(SECOND / 10);
    assert_eq!(take(&mut gcra, 1, due.before(Duration::from_nanos(1))), Err(Some(due)));
    assert!(take(&mut gcra, 1, due).is_ok());
    assert_eq!(take(&mut gcra, 2, due), Err(None), "more than all there are");
}

#[test]
fn what_was_used_stays_used_under_another_quota() {
    let mut gcra = full(quota(100, SECOND, 100), START);
    gcra.take(60, START);
    let changed = |cells, per, burst| gcra.changed(quota(cells, per, burst), START);
    assert_eq!(changed(10, SECOND, 100).remaining(START), 40, "as many are left, whatever the rate");
    assert_eq!(changed(1_000_000_007, SECOND, 200).remaining(START), 140);
    assert_eq!(changed(1, 3600 * SECOND, 60).remaining(START), 0);
    let smaller = changed(10, SECOND, 20);
    assert_eq!((smaller.remaining(START), smaller.due(1)), (0, Some(START.after(SECOND / 10))), "no debt");
    let there_and_back = changed(7, 60 * SECOND, 100).changed(quota(100, SECOND, 100), START);
    assert_eq!(there_and_back.remaining(START), 40, "and no change is a refill");
}

#[test]
fn a_quota_that_came_later_gives_nothing_back_that_it_did_not_take() {
    let mut gcra = Gcra::new(quota(10, SECOND, 10), 5).changed(quota(10, SECOND, 10), START);
    gcra.take(4, START);
    gcra.put_back(Permit::new(3, 4));
    assert_eq!(gcra.remaining(START), 6);
    gcra.put_back(Permit::new(3, 5));
    assert_eq!(gcra.remaining(START), 9);
    gcra.put_back(Permit::new(3, u32::MAX));
    assert_eq!(gcra.remaining(START), 9, "versions go round");
}

#[test]
fn times_from_all_over_the_scale_are_no_trouble() {
    let mut gcra = Gcra::new(quota(3, SECOND, 5), 0);
    for now in [0, 1, u64::MAX, 0, 1 << 62, 5, u64::MAX - 1].map(Instant::from_nanos) {
        if gcra.is_old(now) {
            gcra = gcra.changed(*gcra.quota(), now);
        }
        let _ = take(&mut gcra, 3, now);
        assert!(gcra.remaining(now) <= 5);
        gcra.use_up(now);
        gcra.put_back(Permit::new(u32::MAX, 0));
        gcra.forgive(now);
        assert!(gcra.remaining(now) <= 5);
    }
}

proptest! {
    /// In any window: never more than the burst and what comes back in it, by exact arithmetic; and whoever is told when
    /// to come back passes then, and a nanosecond earlier does not.
    #[test]
    fn no_window_holds_more_than_its_quota(quota in any_quota(), calls in any_calls()) {
        let (cells, per, burst) = (u128::from(quota.cells().get()), quota.per().as_nanos(), quota.burst().get());
        let mut gcra = full(quota, START);
        let (mut now, mut taken) = (START, Vec::new());
        for (step, cost) in calls {
            now = now.after(Duration::from_nanos((step * interval(&quota)) as u64));
            let peeked = gcra.remaining(now);
            match take(&mut gcra, cost, now) {
                Ok(()) => {
                    prop_assert!(peeked >= cost);
                    taken.push((now.as_nanos(), u128::from(cost)));
                }
                Err(None) => prop_assert!(cost > burst),
                Err(Some(due)) => {
                    prop_assert!(peeked < cost && due > now);
                    prop_assert!(take(&mut gcra.clone(), cost, due).is_ok());
                    prop_assert!(take(&mut gcra.clone(), cost, due.before(Duration::from_nanos(1))).is_err());
                }
            }
        }
        for (first, (from, _)) in taken.iter().enumerate() {
            let mut sum = 0;
            for (to, cost) in &taken[first..] {
                sum += cost;
                // A nanosecond more, since that is what a clock can tell.
                prop_assert!(sum * per <= u128::from(burst) * per + cells * u128::from(to - from + 1));
            }
        }
    }

    /// As governor decides, where the time between two cells is a whole number of nanoseconds: of others it takes the whole
    /// part.
    #[test]
    fn it_decides_as_governor_does(
        rate in proptest::sample::select(vec![1u32, 2, 5, 8, 10, 50, 100, 625, 1000, 1_000_000, 1_000_000_000]),
        burst in 1..30u32,
        calls in any_calls(),
    ) {
        let clock = FakeRelativeClock::default();
        let theirs = governor::Quota::per_second(NonZeroU32::new(rate).expect("not zero"))
            .allow_burst(NonZeroU32::new(burst).expect("not zero"));
        let theirs = RateLimiter::direct_with_clock(theirs, clock.clone());
        let mut ours = full(quota(rate, SECOND, burst), START);
        let mut now = START;
        for (step, cost) in calls {
            let step = Duration::from_nanos((step * interval(ours.quota())) as u64);
            clock.advance(step);
            now = now.after(step);
            let ours = take(&mut ours, cost, now);
            match theirs.check_n(NonZeroU32::new(cost).expect("not zero")) {
                Err(_) => prop_assert_eq!(ours, Err(None)),
                Ok(Ok(())) => prop_assert_eq!(ours, Ok(())),
                Ok(Err(not_until)) => {
                    use governor::clock::Clock;
                    prop_assert_eq!(ours, Err(Some(now.after(not_until.wait_time_from(clock.now())))));
                }
            }
        }
    }

    /// The way without a lock decides as the way with one, to the tick.
    #[test]
    fn both_ways_decide_alike(quota in any_quota(), calls in any_calls()) {
        let (mut gcra, meter) = (full(quota, START), Meter::new());
        meter.set(7, &gcra, false);
        meter.open(gcra.arrival());
        let mut now = START;
        for (step, cost) in calls {
            now = now.after(Duration::from_nanos((step * interval(&quota)) as u64));
            let expected = match take(&mut gcra, cost, now) {
                Ok(()) => Taken::Took(7),
                Err(None) => Taken::Never,
                Err(Some(due)) => Taken::Short(due),
            };
            prop_assert_eq!(meter.take(cost, now), expected);
        }
        prop_assert_eq!(meter.shut(), Some(gcra.arrival()));
        prop_assert_eq!((meter.shut(), meter.take(1, now)), (None, Taken::Ask));
    }

    /// What is put back is there again: all that was taken, and never more than all that there is; whatever happens between,
    /// other quotas included.
    #[test]
    fn what_is_put_back_is_there_again(
        quota in any_quota(),
        other in any_quota(),
        before in 0..10u32,
        cost in 1..6u32,
        pass in 0.0..3.0,
        change: bool,
    ) {
        let mut gcra = full(quota, START);
        gcra.take(before.min(quota.burst().get()), START);
        let untouched = gcra;
        if take(&mut gcra, cost, START).is_ok() {
            gcra.put_back(Permit::new(cost, 0));
            prop_assert_eq!(gcra.remaining(START), untouched.remaining(START), "at once: as if it had not been taken");
            gcra.take(cost, START);
        }
        let now = START.after(Duration::from_nanos((pass * interval(&quota)) as u64));
        if change {
            gcra = gcra.changed(other, now);
        }
        let there = gcra.remaining(now);
        gcra.put_back(Permit::new(cost, 0));
        let burst = gcra.quota().burst().get();
        prop_assert_eq!(gcra.remaining(now), there.saturating_add(cost).min(burst));
        gcra.use_up(now);
        prop_assert_eq!(gcra.remaining(now), 0);
        prop_assert!(!gcra.is_full(now) && gcra.is_full(gcra.full_at()));
    }

    /// A change of quota neither adds cells nor takes any: what was used is used.
    #[test]
    fn a_change_is_no_refill(first in any_quota(), second in any_quota(), used in 0..10u32, pass in 0.0..3.0) {
        let mut gcra = full(first, START);
        gcra.take(used, START);
        let now = START.after(Duration::from_nanos((pass * interval(&first)) as u64));
        let used = first.burst().get() - gcra.remaining(now);
        let left = second.burst().get().saturating_sub(used);
        // A part of a cell may have come back: it counts as used in either.
        prop_assert_eq!(gcra.changed(second, now).remaining(now), left);
    }
}

//! Who passes, who waits, and until when, where there is a desk.

use std::{collections::VecDeque, time::Duration};

use proptest::prelude::*;

use super::{
    super::{
        permit::Permit,
        quota::Quota,
        settings::Settings,
        tests::{SECOND, START, quota},
    },
    Arrival, Desk, LATE,
};
use crate::{clock::Instant, rejection::Reason};

fn desk(quotas: &[Quota], wait: Duration) -> Desk {
    let mut desk = Desk::new(Settings::try_new(quotas).expect("some").with_wait(8, wait));
    desk.keep_young(START);
    desk
}

fn arrive(desk: &mut Desk, cells: u32, now: Instant) -> Arrival {
    desk.arrive(cells, now, Instant::FAR, &mut Vec::new())
}

#[test]
fn every_quota_is_asked_before_any_is_charged() {
    let mut desk = desk(&[quota(10, SECOND, 10), quota(100, 3600 * SECOND, 3)], Duration::ZERO);
    for _ in 0..3 {
        assert!(matches!(arrive(&mut desk, 1, START), Arrival::Admitted(_)));
    }
    for _ in 0..100 {
        let Arrival::Refused(rejection) = arrive(&mut desk, 1, START) else { panic!("the second has none left") };
        assert_eq!(rejection.retry_after(), Some(36 * SECOND));
    }
    let (tightest, each) = desk.remaining(START, &mut Vec::new());
    assert_eq!(each.map(|left| left.map(|left| left.remaining)), [Some(7), Some(0), None, None]);
    assert_eq!((tightest.quota.cells().get(), tightest.reset), (100, 108 * SECOND));
}

#[test]
fn a_change_takes_over_by_period_and_then_by_order() {
    let used = |from: &[Quota], to: &[Quota]| {
        let mut desk = desk(from, Duration::ZERO);
        assert!(matches!(arrive(&mut desk, 3, START), Arrival::Admitted(_)));
        desk.update(Settings::try_new(to).expect("some"), START, &mut Vec::new());
        desk.remaining(START, &mut Vec::new()).1.map(|left| left.map(|left| left.limit - left.remaining))
    };
    let (second, minute, hour) = (quota(10, SECOND, 10), quota(20, 60 * SECOND, 20), quota(30, 3600 * SECOND, 30));
    assert_eq!(used(&[second, hour], &[hour]), [Some(3), None, None, None]);
    assert_eq!(used(&[second], &[hour, second]), [Some(0), Some(3), None, None], "an hour's quota is new");
    assert_eq!(used(&[second], &[minute]), [Some(3), None, None, None], "in place of the only one");
    assert_eq!(used(&[second, hour], &[minute, hour, second, second]), [Some(0), Some(3), Some(3), Some(0)]);
}

/// Whoever waits for two quotas, of which now one and now the other is the tighter, is told their turn exactly: the very
/// moment at which they are let in.
#[test]
fn a_turn_is_foretold_exactly() {
    proptest!(|(
        first in (1..20u32, 1..6u32),
        second in (1..20u32, 1..9u32),
        costs in proptest::collection::vec((1..5u32, 0..300u64), 1..8),
    )| {
        let quotas = [quota(first.0, SECOND, first.1), quota(second.0, 2 * SECOND, second.1)];
        let (mut desk, mut now, mut turns) = (desk(&quotas, Duration::MAX), START, VecDeque::new());
        // At its alarm, everybody looks.
        let look = |desk: &mut Desk, turns: &mut VecDeque<(Instant, u64)>, now| {
            while let Some((due, ticket)) = turns.pop_front_if(|turn| turn.0 <= now) {
                desk.serve(due.before(Duration::from_nanos(1)), &mut Vec::new());
                let early = desk.line.is_over(ticket);
                desk.serve(due, &mut Vec::new());
                assert!(!early && desk.line.is_over(ticket), "at {due:?}, not before and not after");
            }
        };
        for (cost, pass) in costs {
            now = now.after(Duration::from_millis(pass));
            look(&mut desk, &mut turns, now);
            match arrive(&mut desk, cost, now) {
                Arrival::Waiting(place) => turns.push_back((place.alarm, place.ticket)),
                Arrival::Admitted(_) => prop_assert!(desk.line.is_empty()),
                Arrival::Refused(no) => prop_assert_eq!(no.reason(), Reason::TooExpensive),
                Arrival::Observed(no) => panic!("{no}"),
            }
        }
        prop_assert!(turns.iter().is_sorted());
        look(&mut desk, &mut turns, Instant::FAR.before(SECOND));
        prop_assert!(desk.line.is_empty());
    });
}

#[test]
fn what_was_taken_by_rules_that_are_no_more_is_taken_back_unless_others_came() {
    for (came, left) in [(0, 9), (1, 0)] {
        let mut desk = desk(&[quota(10, SECOND, 10)], Duration::ZERO);
        assert!(matches!(arrive(&mut desk, 1, START), Arrival::Admitted(_)));
        let before = desk.quotas.first().arrival();
        let after = before + (1 << 50);
        desk.take_over(after + came);
        desk.set_right(before, after, START);
        assert_eq!(desk.quotas.first().remaining(START), left);
    }
}

/// A callee that is asked a thousand things at once says a thousand times that it wants to be left alone. Each time, all who
/// waited were woken to hear that their turn is later still.
#[test]
fn nobody_is_woken_to_hear_that_its_turn_is_later() {
    let mut desk = desk(&[quota(10, SECOND, 1)], 10 * SECOND);
    for _ in 0..4 {
        let _ = arrive(&mut desk, 1, START);
    }
    let mut woken = Vec::new();
    assert!(desk.pause(START.after(5 * SECOND), START, &mut woken));
    desk.use_up(START, &mut woken);
    assert_eq!((woken.len(), desk.line.len()), (0, 3));
    let first = desk.line.first().map(|(_, first)| first.alarm);
    assert_eq!(first, Some(START.after(5 * SECOND)), "and it is noted for when it looks");
    desk.pause(START.after(20 * SECOND), START, &mut woken);
    assert_eq!((woken.len(), desk.line.len()), (3, 0), "it is too late for them, and they are told");
}

/// With several quotas, what a wait was planned to take is not given back by subtraction, but planned anew. Else a client
/// that has given up would count against those who come later.
#[test]
fn who_has_left_is_not_waited_for_where_there_are_several_quotas() {
    let mut desk = desk(&[quota(10, SECOND, 1), quota(1000, 60 * SECOND, 9)], SECOND / 4);
    assert!(matches!(arrive(&mut desk, 1, START), Arrival::Admitted(_)));
    let Arrival::Waiting(first) = arrive(&mut desk, 1, START) else { panic!("it waits") };
    let Arrival::Waiting(second) = arrive(&mut desk, 1, START) else { panic!("so does this") };
    assert_eq!(second.alarm, START.after(SECOND / 5));
    assert!(matches!(arrive(&mut desk, 1, START), Arrival::Refused(_)), "it would take longer than one may wait");
    assert!(desk.forget(first.ticket).is_some());
    let Arrival::Waiting(third) = arrive(&mut desk, 1, START) else { panic!("there is a turn in time") };
    assert_eq!(third.alarm, START.after(SECOND / 5), "the second has that of the first");
}

/// What was taken for nothing is there for somebody again, and that is so for those who come after them, too.
#[test]
fn what_is_put_back_brings_forward_the_turns_of_those_who_come_later() {
    let mut desk = desk(&[quota(10, SECOND, 1)], SECOND / 4);
    let Arrival::Admitted(permit) = arrive(&mut desk, 1, START) else { panic!("there is a cell") };
    for tenths in [1, 2] {
        let Arrival::Waiting(place) = arrive(&mut desk, 1, START) else { panic!("it waits") };
        assert_eq!(place.alarm, START.after(tenths * SECOND / 10));
    }
    assert!(matches!(arrive(&mut desk, 1, START), Arrival::Refused(_)), "it would take longer than one may wait");
    desk.put_back(permit);
    desk.serve(START, &mut Vec::new());
    assert_eq!(desk.line.len(), 1, "one goes in its place");
    let Arrival::Waiting(place) = arrive(&mut desk, 1, START) else { panic!("there is a turn in time") };
    assert_eq!(place.alarm, START.after(SECOND / 5));
}

/// Nobody looked for a second. What was foretold until then is over, and not what those who come now are told.
#[test]
fn who_is_served_late_puts_off_those_who_come_later() {
    let mut desk = desk(&[quota(10, SECOND, 1)], 9 * SECOND);
    assert!(matches!(arrive(&mut desk, 1, START), Arrival::Admitted(_)));
    for _ in 0..2 {
        assert!(matches!(arrive(&mut desk, 1, START), Arrival::Waiting(_)));
    }
    let now = START.after(SECOND);
    let Arrival::Waiting(place) = arrive(&mut desk, 1, now) else { panic!("it waits") };
    assert_eq!((desk.line.len(), place.alarm), (2, now.before(LATE).after(SECOND / 5)));
}

/// What happens at a desk.
#[derive(Clone, Debug)]
enum Step {
    Arrives(u32),
    /// One of those who wait leaves.
    Leaves(usize),
    /// One that was let in was never sent.
    IsPutBack(usize),
    /// Time goes by, and those whose alarm has come look, or nobody does.
    TimePasses(u64, bool),
}

fn any_steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (1..5u32).prop_map(Step::Arrives),
        1 => any::<usize>().prop_map(Step::Leaves),
        1 => any::<usize>().prop_map(Step::IsPutBack),
        3 => (0..400u64, any::<bool>()).prop_map(|(millis, look)| Step::TimePasses(millis, look)),
    ];
    proptest::collection::vec(step, 1..80)
}

proptest! {
    /// However they come, wait, leave, are served late, and are put back: nobody overtakes, nobody passes before their turn,
    /// and in no window do more pass than the quotas have.
    #[test]
    fn a_line_keeps_its_order_and_its_quotas(
        quotas in proptest::collection::vec((1..30u32, 1..4u64, 4..9u32), 1..4),
        steps in any_steps(),
    ) {
        let quotas: Vec<_> = quotas.into_iter().map(|(cells, secs, burst)| quota(cells, secs as u32 * SECOND, burst)).collect();
        let (mut desk, mut now) = (desk(&quotas, Duration::MAX), START);
        let (mut waiting, mut inside): (Vec<(u64, Instant)>, Vec<Permit>) = Default::default();
        // When so many cells were taken, or given back.
        let mut book: Vec<(Instant, i128)> = Vec::new();
        for step in steps {
            match step {
                Step::Arrives(cost) => match desk.arrive(cost, now, Instant::FAR, &mut Vec::new()) {
                    Arrival::Admitted(permit) => {
                        prop_assert!(desk.line.is_empty(), "it overtook");
                        inside.push(permit);
                        book.push((now, cost.into()));
                    }
                    Arrival::Waiting(place) => waiting.push((place.ticket, place.alarm)),
                    Arrival::Refused(no) => {
                        prop_assert_eq!((no.reason(), desk.line.len()), (Reason::RateLimited, 8));
                        prop_assert!(no.retry_after().is_some_and(|after| !after.is_zero()));
                    }
                    Arrival::Observed(no) => panic!("{no}"),
                },
                Step::Leaves(which) if !waiting.is_empty() => {
                    let (ticket, _) = waiting.remove(which % waiting.len());
                    prop_assert!(desk.forget(ticket).is_some());
                    desk.serve(now, &mut Vec::new());
                }
                Step::IsPutBack(which) if !inside.is_empty() => {
                    let permit = inside.swap_remove(which % inside.len());
                    desk.put_back(permit);
                    book.push((now, -i128::from(permit.cells())));
                    desk.serve(now, &mut Vec::new());
                }
                Step::TimePasses(millis, look) => {
                    now = now.after(Duration::from_millis(millis));
                    if look {
                        desk.serve(now, &mut Vec::new());
                    }
                }
                _ => {}
            }
            // Whoever was served was the first of those who waited.
            while let Some((ticket, _)) = waiting.first().copied().filter(|first| desk.line.is_over(first.0)) {
                waiting.remove(0);
                let Ok(Ok(permit)) = desk.line.leave(ticket) else { panic!("nobody is refused") };
                inside.push(permit);
                book.push((now, permit.cells().into()));
            }
            prop_assert!(waiting.iter().all(|other| !desk.line.is_over(other.0)), "somebody was served out of turn");
        }
        for quota in &quotas {
            let (cells, per, burst) = (i128::from(quota.cells().get()), quota.per().as_nanos() as i128, i128::from(quota.burst().get()));
            for first in 0..book.len() {
                let mut sum = 0;
                for (to, cost) in &book[first..] {
                    sum += cost;
                    // Who is served late, by at most two milliseconds, counts as on time.
                    let window = i128::try_from(to.since(book[first].0).as_nanos()).expect("short") + 2_000_002;
                    prop_assert!(sum * per <= burst * per + cells * window);
                }
            }
        }
    }
}

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::settings::Ratio;

const SECOND: Duration = Duration::from_secs(1);
const START: Instant = Instant::from_nanos(1 << 62);

fn fleet(members: u64, hand: usize) -> Outlier {
    let mut fleet = Outlier::new(Outliers::new());
    assert!(fleet.set(0..members, hand).is_empty());
    fleet.began = START;
    fleet
}

/// One more failure than it takes.
fn fail(fleet: &mut Outlier, id: u64, now: Instant) -> Transitions {
    let epoch = fleet.members[id as usize].epoch;
    fleet.failed(id, epoch, 5, now, 0)
}

fn out(fleet: &Outlier) -> Vec<u64> {
    fleet.members.iter().filter(|member| member.place != Place::In).map(|member| member.id).collect()
}

/// Ends the interval after so many failures of a thousand calls of each member.
fn conclude(fleet: &mut Outlier, failures: &[u32], now: Instant) -> Transitions {
    for (position, failures) in failures.iter().enumerate() {
        fleet.count(position, Tally { calls: 1000, failures: *failures });
    }
    fleet.conclude(now, || 0)
}

#[test]
fn a_row_of_failures_puts_a_member_out_and_its_time_brings_it_back() {
    let mut fleet = fleet(8, 2);
    let epoch = fleet.members[3].epoch;
    assert!(fleet.failed(3, epoch, 4, START, 0).is_empty());
    let until = START.after(30 * SECOND);
    let cause = Ejection::ConsecutiveFailures;
    assert_eq!(fleet.failed(3, epoch, 5, START, 0), [Transition::Ejected { id: 3, cause, until }]);
    assert_eq!(fleet.due(), START.after(10 * SECOND), "the interval ends before");
    assert!(fleet.pass_time(until.before(Duration::from_nanos(1))).is_empty());
    assert_eq!(fleet.pass_time(until), [Transition::Returned { id: 3 }]);
    assert!(out(&fleet).is_empty());
    assert!(fleet.pass_time(Instant::FAR).is_empty(), "once");
}

#[test]
fn who_returned_is_one_strike_away_from_being_put_out_for_longer() {
    let mut fleet = fleet(8, 2);
    fail(&mut fleet, 3, START);
    let back = START.after(30 * SECOND);
    fleet.pass_time(back);
    let Record { strikes, epoch, streak, .. } = fleet.members[3];
    assert_eq!((strikes, streak), (4, 1));
    let until = back.after(60 * SECOND);
    let cause = Ejection::ConsecutiveFailures;
    assert_eq!(fleet.failed(3, epoch, strikes + 1, back, 0), [Transition::Ejected { id: 3, cause, until }]);
}

#[test]
fn the_streak_shrinks_with_each_interval_in_service() {
    let mut fleet = fleet(8, 2);
    let mut now = START;
    for streak in 1..=3 {
        fail(&mut fleet, 3, now);
        assert_eq!(fleet.members[3].streak, streak);
        now = now.after(300 * SECOND);
        fleet.pass_time(now);
    }
    fleet.began = now;
    fleet.conclude(now.after(10 * SECOND), || 0);
    assert_eq!(fleet.members[3].streak, 2);
    fleet.conclude(now.after(3600 * SECOND), || 0);
    assert_eq!(fleet.members[3].streak, 0, "an hour without a call is many intervals");
}

#[test]
fn no_interval_out_of_service_shrinks_the_streak() {
    let mut fleet = fleet(8, 2);
    fail(&mut fleet, 3, START);
    fleet.conclude(START.after(20 * SECOND), || 0);
    assert_eq!(fleet.members[3].streak, 1);
}

/// A call that began before its member was put out, and failed after that was back.
#[test]
fn calls_of_an_older_epoch_say_nothing() {
    let mut fleet = fleet(8, 2);
    let before = fleet.members[3].epoch;
    fail(&mut fleet, 3, START);
    assert!(fleet.failed(3, before, 9, START, 0).is_empty());
    fleet.pass_time(START.after(30 * SECOND));
    assert!(fleet.failed(3, before, 9, START.after(30 * SECOND), 0).is_empty());
}

#[test]
fn a_whole_hand_may_be_out_and_not_one_more() {
    let mut fleet = fleet(8, 2);
    for id in [6, 1, 3, 0] {
        fail(&mut fleet, id, START);
    }
    assert_eq!(out(&fleet), [1, 6]);
    fleet.pass_time(START.after(30 * SECOND));
    fail(&mut fleet, 3, START.after(30 * SECOND));
    assert_eq!(out(&fleet), [3], "there is room again");
}

#[test]
fn the_only_member_is_never_put_out() {
    let mut fleet = fleet(1, 1);
    assert!(fail(&mut fleet, 0, START).is_empty());
    let mut pair = super::tests::fleet(2, 2);
    fail(&mut pair, 0, START);
    assert!(fail(&mut pair, 1, START).is_empty());
    assert_eq!(out(&pair), [0]);
}

#[test]
fn a_share_of_successes_far_below_the_others_puts_a_member_out() {
    let mut fleet = fleet(8, 2);
    let now = START.after(10 * SECOND);
    assert!(fleet.is_over(now) && !fleet.is_over(START));
    let happened = conclude(&mut fleet, &[0, 0, 0, 400, 0, 0, 0, 0], now);
    let until = now.after(30 * SECOND);
    assert_eq!(happened, [Transition::Ejected { id: 3, cause: Ejection::SuccessRate, until }]);
    assert!(fleet.members.iter().all(|member| member.tally == Tally::default()));
}

/// A fleet behind a database that is down: all fail alike, and each is exactly as bad as the threshold.
#[test]
fn where_all_do_equally_badly_nobody_is_put_out() {
    for failures in [100, 500, 1000] {
        let mut fleet = fleet(8, 2);
        assert!(conclude(&mut fleet, &[failures; 8], START.after(10 * SECOND)).is_empty(), "{failures}");
    }
}

#[test]
fn where_not_all_outliers_may_be_out_it_is_the_worst() {
    let mut fleet = fleet(40, 1);
    let mut failures = [0; 40];
    (failures[3], failures[9], failures[20], failures[33], failures[39]) = (800, 500, 600, 900, 850);
    let rules = Outliers::new().with_max_ejected(Ratio::percent(5));
    assert!(fleet.update(rules).is_empty());
    conclude(&mut fleet, &failures, START.after(10 * SECOND));
    assert_eq!(out(&fleet), [33, 39]);
}

/// Two bad ones, of whom the better is no outlier as long as the worse is compared.
#[test]
fn who_is_hidden_by_a_worse_one_is_seen_in_the_next_interval() {
    let mut fleet = fleet(8, 2);
    let failures = [0, 900, 0, 0, 500, 0, 0, 0];
    conclude(&mut fleet, &failures, START.after(10 * SECOND));
    assert_eq!(out(&fleet), [1]);
    conclude(&mut fleet, &failures, START.after(20 * SECOND));
    assert_eq!(out(&fleet), [1, 4]);
}

#[test]
fn who_is_out_is_not_compared() {
    // With hands of two, another one may be out: it is the comparison that spares it.
    let mut fleet = fleet(5, 2);
    fail(&mut fleet, 0, START);
    assert!(conclude(&mut fleet, &[0, 900, 0, 0, 0], START.after(10 * SECOND)).is_empty(), "four are too few");
}

#[test]
fn too_few_left_is_a_panic_and_ends_when_they_return() {
    let mut fleet = fleet(5, 3);
    fail(&mut fleet, 0, START);
    fail(&mut fleet, 1, START);
    assert!(!fleet.is_panic(), "three of five");
    let happened = fail(&mut fleet, 2, START);
    assert_eq!(happened[1..], [Transition::PanicBegan { left: 2, of: 5 }]);
    let happened = fleet.pass_time(START.after(30 * SECOND));
    assert_eq!(happened.last(), Some(&Transition::PanicEnded));
}

/// Who shrinks the fleet by its healthy members brings about a panic too.
#[test]
fn a_fleet_that_loses_its_healthy_members_panics() {
    let mut fleet = fleet(8, 3);
    (0..3).for_each(|id| drop(fail(&mut fleet, id, START)));
    assert!(!fleet.is_panic());
    assert_eq!(fleet.set(0..5, 3), [Transition::PanicBegan { left: 2, of: 5 }]);
    assert_eq!(out(&fleet), [0, 1, 2], "who stays keeps its state");
    assert_eq!(fleet.set(3..9, 3), [Transition::PanicEnded]);
    assert!(fleet.set(0..9, 3).is_empty());
    assert!(out(&fleet).is_empty(), "who left and came back is new");
}

#[test]
fn who_is_held_is_out_until_it_is_restored_and_counts_for_nothing() {
    let mut fleet = fleet(4, 1);
    for id in 0..3 {
        let happened = fleet.hold(id).expect("a member");
        assert_eq!(happened, [Transition::Ejected { id, cause: Ejection::ByHand, until: Instant::FAR }]);
    }
    assert_eq!(fleet.hold(0), Some(Transitions::new()), "again");
    assert!(!fleet.is_panic() && fleet.pass_time(Instant::FAR).is_empty());
    assert!(fail(&mut fleet, 3, START).is_empty(), "the last one in service");
    assert_eq!(fleet.restore(1), Some(vec![Transition::Returned { id: 1 }]));
    assert_eq!(fleet.restore(1), Some(Transitions::new()));
    assert_eq!((fleet.hold(77), fleet.restore(77)), (None, None));
}

#[test]
fn who_is_restored_by_hand_has_nothing_held_against_it() {
    let mut fleet = fleet(8, 2);
    fail(&mut fleet, 3, START);
    assert_eq!(fleet.restore(3), Some(vec![Transition::Returned { id: 3 }]));
    assert_eq!((fleet.members[3].strikes, fleet.members[3].streak), (0, 0));
}

#[test]
fn an_empty_fleet_is_no_panic() {
    let mut fleet = fleet(0, 2);
    assert!(fleet.conclude(Instant::FAR, || 0).is_empty() && fleet.pass_time(Instant::FAR).is_empty());
    assert!(!fleet.is_panic());
    assert!(fleet.failed(0, 0, u32::MAX, START, 0).is_empty());
}

#[derive(Clone, Debug)]
enum Op {
    Fail(u64, u32),
    Pass(u64),
    Conclude(Vec<(u32, u32)>),
    Hold(u64),
    Restore(u64),
    Set(Vec<u64>, usize),
    Update(Outliers),
}

fn op() -> impl Strategy<Value = Op> {
    let member = 0..12_u64;
    prop_oneof![
        4 => (member.clone(), any::<u32>()).prop_map(|(id, row)| Op::Fail(id, row)),
        2 => (0..400_000_000_000_u64).prop_map(Op::Pass),
        2 => prop::collection::vec((any::<u32>(), any::<u32>()), 0..12).prop_map(Op::Conclude),
        1 => member.clone().prop_map(Op::Hold),
        1 => member.clone().prop_map(Op::Restore),
        1 => (prop::collection::btree_set(member, 0..12), 0..16_usize)
            .prop_map(|(ids, hand)| Op::Set(ids.into_iter().collect(), hand)),
        1 => (0..=1_000_000_u32, 0..=1_000_000_u32, 1..9_u32).prop_map(|(ejected, panic, row)| {
            let rules = Outliers::new().with_max_ejected(Ratio::millionths(ejected));
            let rules = rules.with_success_rate(SuccessRate::new().with_min_calls(std::num::NonZeroU32::MIN));
            Op::Update(rules.with_panic_below(Ratio::millionths(panic)).try_with_consecutive_failures(row).expect("above 0"))
        }),
    ]
}

proptest! {
    /// Whatever happens: nobody is put out beyond the limit, panic is what the numbers say and announced at its edges,
    /// what is announced is what changed, and time brings everybody back who is not held.
    #[test]
    fn no_history_leaves_anybody_out_for_good(ops in prop::collection::vec(op(), 0..60)) {
        let (mut fleet, mut now, mut panic) = (fleet(8, 2), START, false);
        for op in ops {
            let before = out(&fleet);
            let epochs: Vec<_> = fleet.members.iter().map(|member| (member.id, member.epoch)).collect();
            let judged = matches!(op, Op::Fail(..) | Op::Conclude(_));
            let same_members = !matches!(op, Op::Set(..));
            let happened = match op {
                Op::Fail(id, row) => {
                    let epoch = fleet.find(id).map_or(0, |at| fleet.members[at].epoch);
                    fleet.failed(id, epoch, row, now, row.into())
                }
                Op::Pass(nanos) => {
                    now = now.after(Duration::from_nanos(nanos));
                    fleet.pass_time(now)
                }
                Op::Conclude(tallies) => {
                    for (position, (calls, failures)) in tallies.into_iter().enumerate() {
                        fleet.count(position, Tally { calls, failures });
                    }
                    fleet.conclude(now, || 7)
                }
                Op::Hold(id) => fleet.hold(id).unwrap_or_default(),
                Op::Restore(id) => fleet.restore(id).unwrap_or_default(),
                Op::Set(ids, hand) => fleet.set(ids.into_iter(), hand),
                Op::Update(rules) => fleet.update(rules),
            };
            let (left, of) = fleet.left();
            let ejections = happened.iter().filter(|what| matches!(what, Transition::Ejected { .. })).count();
            if judged && ejections > 0 {
                prop_assert!(of - left <= fleet.rules.most_ejected(of, fleet.hand));
                prop_assert!(left > 0);
            }
            for what in &happened {
                match *what {
                    Transition::Ejected { id, until, .. } => {
                        prop_assert!(until > now && out(&fleet).contains(&id));
                        prop_assert!(until == Instant::FAR || until <= now.after(fleet.rules.max_ejection_time()));
                    }
                    Transition::Returned { id } => prop_assert!(!out(&fleet).contains(&id)),
                    Transition::PanicBegan { .. } => prop_assert!(!std::mem::replace(&mut panic, true)),
                    Transition::PanicEnded => prop_assert!(std::mem::replace(&mut panic, false)),
                }
            }
            prop_assert_eq!(panic, fleet.is_panic());
            prop_assert_eq!(panic, fleet.rules.is_panic(left, of));
            if same_members {
                for (member, (id, epoch)) in fleet.members.iter().zip(epochs) {
                    prop_assert_eq!(member.id, id);
                    let moved = before.contains(&id) != out(&fleet).contains(&id);
                    prop_assert!(!moved || member.epoch != epoch, "a new place is a new epoch");
                }
            }
        }
        fleet.pass_time(Instant::FAR);
        let still_out = fleet.members.iter().any(|member| matches!(member.place, Place::Out { .. }));
        prop_assert!(!still_out);
        prop_assert!(!fleet.is_panic());
    }
}

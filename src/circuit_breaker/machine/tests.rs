use proptest::prelude::*;

use super::*;
use crate::{
    circuit_breaker::{OpenTime, Probes, Window},
    settings::Ratio,
};

const SECOND: Duration = Duration::from_secs(1);
const START: Instant = Instant::from_nanos(1 << 62);
const NOTHING: Counts = Counts { calls: 0, failures: 0, slow: 0 };

/// The longest open time, and the last calls of a ramp to be let through.
fn at(now: Instant) -> Now {
    Now { at: now, random: u64::MAX, hint: None }
}

fn settings() -> Settings {
    Settings::new().with_open_time(OpenTime::try_new(4 * SECOND, 60 * SECOND).expect("an open time"))
}

fn tripped(settings: Settings) -> (Machine, Instant) {
    let mut machine = Machine::new(settings);
    let opened = machine.judge(1, 10, NOTHING, at(START));
    assert!(matches!(opened, Some(Transition::Opened { trip: Trip::ConsecutiveFailures, .. })), "{opened:?}");
    let until = machine.open_until();
    (machine, until)
}

/// With one probe under way.
fn half_open(settings: Settings) -> (Machine, Instant, NonZeroU32) {
    let (mut machine, until) = tripped(settings);
    let (answer, transition) = machine.admit(at(until));
    assert_eq!(transition, Some(Transition::HalfOpened));
    let Answer::Probe(probe) = answer else { panic!("{answer:?}") };
    (machine, until, probe)
}

fn ramping() -> (Machine, Instant) {
    let (mut machine, now, probe) = half_open(settings());
    let generation = machine.generation;
    assert_eq!(machine.hear(generation, probe, Word::Good, at(now)), Some(Transition::Ramping));
    (machine, now)
}

#[test]
fn closed_lets_every_call_through() {
    let mut machine = Machine::new(settings());
    assert_eq!(machine.admit(at(START)), (Answer::Call, None));
}

#[test]
fn closed_opens_when_a_rule_trips_and_stays_when_none_does() {
    let mut machine = Machine::new(settings());
    assert_eq!(machine.judge(1, 9, Counts { calls: 19, failures: 19, slow: 0 }, at(START)), None);
    let opened = machine.judge(1, 1, Counts { calls: 20, failures: 10, slow: 0 }, at(START));
    assert_eq!(opened, Some(Transition::Opened { trip: Trip::FailureRate, open_for: 4 * SECOND }));
}

#[test]
fn open_refuses_and_says_for_how_long() {
    let (mut machine, until) = tripped(settings());
    assert_eq!(machine.admit(at(START.after(SECOND))), (Answer::Refused(Some(3 * SECOND)), None));
    assert_eq!(machine.judge(machine.generation, 99, NOTHING, at(START)), None, "nothing opens it twice");
    assert_eq!(machine.admit(at(until)).1, Some(Transition::HalfOpened));
}

#[test]
fn half_open_refuses_while_its_probes_are_out() {
    let (mut machine, now, _) = half_open(settings());
    assert_eq!(machine.admit(at(now)), (Answer::Refused(Some(4 * SECOND)), None));
    let almost = now.after(29 * SECOND);
    assert_eq!(machine.admit(at(almost)), (Answer::Refused(Some(SECOND)), None));
}

#[test]
fn a_good_probe_starts_the_ramp() {
    let (machine, _) = ramping();
    assert!(matches!(machine.phase, Phase::Ramping { .. }));
}

#[test]
fn a_good_probe_closes_where_there_is_no_ramp() {
    let (mut machine, now, probe) = half_open(settings().with_ramp(Duration::ZERO));
    assert_eq!(machine.hear(machine.generation, probe, Word::Good, at(now)), Some(Transition::Closed));
}

#[test]
fn a_bad_probe_reopens_for_twice_as_long() {
    let (mut machine, now, probe) = half_open(settings());
    let opened = machine.hear(machine.generation, probe, Word::Bad, at(now));
    assert_eq!(opened, Some(Transition::Opened { trip: Trip::ProbeFailed, open_for: 8 * SECOND }));
}

#[test]
fn a_dropped_probe_makes_room_for_another() {
    let (mut machine, now, probe) = half_open(settings());
    assert_eq!(machine.hear(machine.generation, probe, Word::Nothing, at(now)), None);
    assert!(matches!(machine.admit(at(now)).0, Answer::Probe(_)));
}

#[test]
fn a_lost_probe_reopens_the_circuit() {
    let (mut machine, now, probe) = half_open(settings());
    let (answer, transition) = machine.admit(at(now.after(30 * SECOND)));
    assert_eq!(transition, Some(Transition::Opened { trip: Trip::ProbeLost, open_for: 8 * SECOND }));
    assert_eq!(answer, Answer::Refused(Some(8 * SECOND)));
    assert_eq!(machine.hear(machine.generation, probe, Word::Good, at(now)), None, "too late");
}

#[test]
fn two_of_three_probes_decide_as_soon_as_they_can() {
    let three = settings().with_probes(Probes::try_new(2, 3).expect("two of three"));
    for (words, expected) in [([Word::Good, Word::Good], "Ramping"), ([Word::Bad, Word::Bad], "Opened")] {
        let (mut machine, now, first) = half_open(three);
        let Answer::Probe(second) = machine.admit(at(now)).0 else { panic!("a second probe may go") };
        assert_eq!(machine.hear(machine.generation, first, words[0], at(now)), None);
        let decided = machine.hear(machine.generation, second, words[1], at(now)).expect("decided");
        assert!(format!("{decided:?}").starts_with(expected), "{decided:?}");
    }
}

#[test]
fn a_word_of_an_older_generation_decides_nothing() {
    let (mut machine, now, probe) = half_open(settings());
    let older = machine.generation - 1;
    assert_eq!(machine.hear(older, probe, Word::Good, at(now)), None);
    assert_eq!(machine.hear(older, probe, Word::Bad, at(now)), None);
    assert_eq!(machine.judge(older, 99, NOTHING, at(now)), None);
    assert!(matches!(machine.phase, Phase::HalfOpen { .. }));
}

#[test]
fn the_ramp_admits_a_growing_share_and_ends() {
    let (mut machine, now) = ramping();
    for (elapsed, least, most) in [(0, 80, 120), (5, 520, 580), (9, 880, 940)] {
        let mut admitted = 0;
        for n in 0..1000 {
            let now = Now { random: u64::MAX / 1000 * n, ..at(now.after(elapsed * SECOND)) };
            match machine.admit(now) {
                (Answer::Call, None) => admitted += 1,
                (Answer::Refused(Some(SECOND)), None) => {}
                other => panic!("{other:?}"),
            }
        }
        assert!((least..=most).contains(&admitted), "{admitted} of 1000 after {elapsed} s");
    }
    assert_eq!(machine.admit(at(now.after(10 * SECOND))), (Answer::Call, Some(Transition::Closed)));
}

#[test]
fn the_ramp_reopens_when_a_rule_trips() {
    let (mut machine, now) = ramping();
    let opened = machine.judge(machine.generation, 10, NOTHING, at(now));
    assert_eq!(opened, Some(Transition::Opened { trip: Trip::ConsecutiveFailures, open_for: 8 * SECOND }));
}

#[test]
fn only_calm_makes_the_next_open_time_short_again() {
    for (calm, expected) in [(59, 8), (60, 4)] {
        let (mut machine, now, probe) = half_open(settings().with_ramp(Duration::ZERO));
        machine.hear(machine.generation, probe, Word::Good, at(now));
        let opened = machine.judge(machine.generation, 10, NOTHING, at(now.after(calm * SECOND)));
        let open_for = expected * SECOND;
        assert_eq!(opened, Some(Transition::Opened { trip: Trip::ConsecutiveFailures, open_for }), "{calm} s");
    }
}

#[test]
fn a_hold_overrules_and_leaves_the_phase_alone() {
    let (mut machine, now) = tripped(settings());
    assert!(machine.hold(Hold::Closed));
    assert!(!machine.hold(Hold::Closed));
    assert_eq!((machine.admit(at(now)).0, machine.mode().tag()), (Answer::Untracked, Tag::HeldClosed));
    machine.hold(Hold::Open);
    assert_eq!((machine.admit(at(now)).0, machine.mode().tag()), (Answer::Refused(None), Tag::HeldOpen));
    machine.hold(Hold::ObserveOnly);
    assert_eq!(machine.admit(at(START)).0, Answer::WouldRefuse(Some(4 * SECOND)));
    machine.hold(Hold::Automatic);
    assert_eq!(machine.mode().tag(), Tag::Open);
    assert_eq!(machine.admit(at(now)).1, Some(Transition::HalfOpened));
}

#[test]
fn a_held_circuit_does_not_trip_and_takes_probes_back_unheard() {
    let mut machine = Machine::new(settings());
    machine.hold(Hold::Closed);
    assert_eq!(machine.judge(1, 99, NOTHING, at(START)), None);
    let (mut machine, now, probe) = half_open(settings());
    machine.hold(Hold::Open);
    assert_eq!(machine.hear(machine.generation, probe, Word::Bad, at(now)), None);
    machine.hold(Hold::Automatic);
    assert!(matches!(machine.admit(at(now)).0, Answer::Probe(_)));
}

#[test]
fn a_reset_closes_and_forgets() {
    let (mut machine, now) = tripped(settings());
    let generation = machine.generation;
    assert_eq!(machine.reset(now), Some(Transition::Closed));
    assert_eq!((machine.streak, machine.admit(at(now)).0), (0, Answer::Call));
    assert_ne!(machine.generation, generation);
    assert_eq!(machine.reset(now), None);
}

#[test]
fn an_update_keeps_the_evidence_unless_the_window_changes_shape() {
    let mut machine = Machine::new(settings());
    let (generation, epoch) = (machine.generation, machine.epoch);
    machine.update(settings().with_window(Window::try_calls(100, 50).expect("a window")), at(START));
    assert_eq!((machine.generation, machine.epoch), (generation, epoch));
    machine.update(settings().with_window(Window::try_calls(50, 20).expect("a window")), at(START));
    assert_eq!(machine.generation, generation, "what is in flight still counts");
    assert_ne!(machine.epoch, epoch);
}

/// All three probes had spoken, and none was left to notice that two would have been enough.
#[test]
fn an_update_that_asks_for_fewer_probes_decides_at_once() {
    let all = settings().with_probes(Probes::try_new(3, 3).expect("three"));
    let (mut machine, now, probe) = half_open(all);
    machine.hear(machine.generation, probe, Word::Good, at(now));
    let one = settings().with_probes(Probes::try_new(1, 1).expect("one"));
    assert_eq!(machine.update(one, at(now)), Some(Transition::Ramping));
}

#[derive(Clone, Debug)]
enum Step {
    Pass(Duration),
    Ask(u64),
    /// The call asked for longest ago is over: how, and what the evidence is.
    End(u8, u32, Counts),
    /// It never ends.
    Forget,
    Reset,
    Update(Settings),
}

pub(in crate::circuit_breaker) fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        Just(Duration::ZERO),
        Just(Duration::from_nanos(1)),
        (0..20_000_u64).prop_map(Duration::from_millis),
        any::<u64>().prop_map(Duration::from_nanos),
        Just(Duration::MAX),
    ]
}

/// Durations after which something can still be expected to happen.
fn patience() -> impl Strategy<Value = Duration> {
    prop_oneof![Just(Duration::ZERO), Just(Duration::from_nanos(1)), (0..200_000_u64).prop_map(Duration::from_millis)]
}

prop_compose! {
    pub(in crate::circuit_breaker) fn any_settings(length: BoxedStrategy<Duration>)(
        rules in (prop::option::of(any::<u32>()), prop::option::of(0..=100_u8), prop::option::of((duration(), 0..=100_u8))),
        hung in prop::option::of(duration()),
        calls in prop::option::of((1..=1024_u32, any::<u32>())),
        open in (length.clone(), length.clone()),
        probes in (1..=100_u32, any::<u32>()),
        times in (length.clone(), length.clone(), length.clone(), length),
    ) -> Settings {
        let window = match calls {
            Some((size, minimum)) => Window::try_calls(size, minimum % size + 1),
            None => Window::try_time(times.0.max(SECOND), 3),
        };
        let mut settings = Settings::new()
            .with_window(window.expect("a window"))
            .with_open_time(OpenTime::try_new(open.0.min(open.1), open.0.max(open.1)).expect("an open time"))
            .with_probes(Probes::try_new(probes.1 % probes.0 + 1, probes.0).expect("probes"))
            .with_calm(times.0).with_probe_lease(times.1).with_ramp(times.2).with_max_hint(times.3);
        settings = match rules.0.and_then(NonZeroU32::new) {
            Some(failures) => settings.with_consecutive_failures(failures),
            None => settings.without_consecutive_failures(),
        };
        settings = match rules.1 {
            Some(share) => settings.with_failure_rate(Ratio::percent(share)),
            None => settings.without_failure_rate(),
        };
        settings = match rules.2 {
            Some((threshold, share)) => settings.with_slow_calls(threshold, Ratio::percent(share)),
            None => settings.without_slow_calls(),
        };
        match hung {
            Some(hung) => settings.with_hung_after(hung),
            None => settings.without_hung_after(),
        }
    }
}

fn step(length: BoxedStrategy<Duration>) -> impl Strategy<Value = Step> {
    let counts = (any::<[u32; 3]>()).prop_map(|[calls, failures, slow]| Counts { calls, failures, slow });
    prop_oneof![
        6 => duration().prop_map(Step::Pass),
        6 => any::<u64>().prop_map(Step::Ask),
        6 => (any::<u8>(), any::<u32>(), counts).prop_map(|(how, row, counts)| Step::End(how, row, counts)),
        1 => Just(Step::Forget),
        1 => Just(Step::Reset),
        1 => any_settings(length).prop_map(Step::Update),
    ]
}

/// Sends any traffic through the machine, whatever its settings.
fn drive(machine: &mut Machine, now: &mut Instant, steps: Vec<Step>) {
    let mut under_way = Vec::new();
    for step in steps {
        match step {
            Step::Pass(duration) => *now = now.after(duration),
            Step::Ask(random) => match machine.admit(Now { at: *now, random, hint: None }).0 {
                Answer::Call => under_way.push((machine.generation, None)),
                Answer::Probe(probe) => under_way.push((machine.generation, Some(probe))),
                Answer::Untracked | Answer::Refused(_) | Answer::WouldRefuse(_) => {}
            },
            Step::End(how, row, counts) => {
                let now = Now { at: *now, random: u64::from(how) << 56, hint: Some(Duration::from_secs(how.into())) };
                match under_way.pop() {
                    Some((generation, Some(probe))) => {
                        let word = [Word::Good, Word::Bad, Word::Nothing][usize::from(how % 3)];
                        machine.hear(generation, probe, word, now);
                    }
                    Some((generation, None)) => drop(machine.judge(generation, row, counts, now)),
                    None => {}
                }
            }
            Step::Forget => drop(under_way.pop()),
            Step::Reset => drop(machine.reset(*now)),
            Step::Update(settings) => drop(machine.update(settings, Now { at: *now, random: 0, hint: None })),
        }
        if let Phase::HalfOpen { round } = &machine.phase {
            assert!(round.under_way() <= 100, "more probes than there may ever be");
        }
    }
}

proptest! {
    #[test]
    fn no_settings_and_no_traffic_panic(
        settings in any_settings(duration().boxed()),
        steps in prop::collection::vec(step(duration().boxed()), 0..60),
    ) {
        drive(&mut Machine::new(settings), &mut START.clone(), steps);
    }

    /// Whatever happened, and however many probes were forgotten: once the callee is well, the circuit closes.
    #[test]
    fn never_stuck(
        settings in any_settings(patience().boxed()),
        steps in prop::collection::vec(step(patience().boxed()), 0..60),
        random in any::<u64>(),
    ) {
        let (mut machine, mut now) = (Machine::new(settings), START);
        // Time enough is left on the scale.
        let steps = steps.into_iter().filter(|step| !matches!(step, Step::Pass(time) if *time > 1_000_000 * SECOND));
        drive(&mut machine, &mut now, steps.collect());
        for _ in 0..1_000 {
            let (answer, _) = machine.admit(Now { at: now, random, hint: None });
            match answer {
                Answer::Call => {}
                Answer::Probe(probe) => {
                    machine.hear(machine.generation, probe, Word::Good, Now { at: now, random, hint: None });
                }
                // Half-open it may be asked again sooner than a forgotten probe's lease ends.
                Answer::Refused(left) => {
                    now = match &machine.phase {
                        Phase::HalfOpen { round } => round.next_end(),
                        _ => now.after(left.expect("ends some day")),
                    };
                }
                Answer::Untracked | Answer::WouldRefuse(_) => unreachable!("nobody holds it"),
            }
            if matches!(machine.phase, Phase::Closed { .. }) {
                return Ok(());
            }
            if let Phase::Ramping { .. } = machine.phase {
                now = now.after(machine.settings.ramp);
            }
        }
        prop_assert!(false, "stuck in {:?}", machine.phase);
    }
}

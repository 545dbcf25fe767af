//! The machine against the plainest model of it: every job's remaining work, counted down one by one.

use proptest::prelude::*;

use super::*;
use crate::testing::{curve::Curve, server::law::Law, world::NOBODY};

const MS: u64 = 1_000_000;

/// Events are at whole nanoseconds, and each that is put off by a part of one puts off the next a little more.
const EXACT: f64 = 1e-5;

/// A job of the plain model.
struct Plain {
    ticket: Ticket,
    left: f64,
    /// When it was done, in seconds.
    done: Option<f64>,
    collected: bool,
    gone: bool,
}

/// All jobs in the order in which they came; the first `places` that are left go on.
fn go(jobs: &mut [Plain], law: Law, speed: f64, mut from: f64, to: f64) {
    while from < to {
        let running: Vec<_> =
            jobs.iter_mut().filter(|job| job.done.is_none() && !job.gone).take(law.places()).collect();
        let each = law.each(running.len()) * speed;
        let least = running.iter().map(|job| job.left).fold(f64::INFINITY, f64::min);
        let stop = (from + least / each).min(to);
        for job in running {
            job.left -= (stop - from) * each;
            if job.left <= 1e-11 {
                job.done = Some(stop);
            }
        }
        from = stop;
    }
}

#[derive(Clone, Debug)]
enum Step {
    Arrive(u64),
    Pass(u64),
    Leave(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1..30 * MS).prop_map(Step::Arrive),
        3 => (1..20 * MS).prop_map(Step::Pass),
        1 => (0_usize..20).prop_map(Step::Leave),
    ]
}

fn laws() -> impl Strategy<Value = Law> {
    prop::sample::select(vec![
        Law::Cores { cores: 2, knee: 2, linear: 0.1, square: 0.05 },
        Law::Usl { sigma: 0.1, kappa: 0.01 },
        Law::Pool { workers: 2 },
        Law::Cliff { cores: 2, jobs: 3, left: 0.2 },
    ])
}

fn model(law: Law) -> Model {
    let mut model = Model::cores(1).speed(Curve::constant(0.5)).cancels();
    model.law = law;
    model
}

/// Lets time go by as an engine does, from event to event, and says who was answered when.
fn play(machine: &mut Machine, to: u64, answers: &mut Vec<(usize, u64)>) {
    while let Some(next) = machine.next().filter(|next| *next <= to) {
        machine.pass(next);
        answers.extend(machine.finished().map(|job| (job, next)));
    }
    machine.pass(to);
    answers.extend(machine.finished().map(|job| (job, to)));
}

proptest! {
    #[test]
    fn jobs_are_done_when_counting_down_each_of_them_says(law in laws(), steps in prop::collection::vec(step(), 1..60)) {
        let mut machine = Machine::new(model(law));
        let (mut jobs, mut now) = (Vec::<Plain>::new(), 0);
        let mut answers = Vec::new();
        for step in steps.into_iter().chain([Step::Pass(100_000 * MS)]) {
            match step {
                Step::Arrive(work) => {
                    let work = work as f64 / 1e9;
                    let ticket = machine.arrive(now, NOBODY, Task { work, ..Task::default() });
                    jobs.push(Plain { ticket, left: work, done: None, collected: false, gone: false });
                }
                Step::Pass(time) => {
                    go(&mut jobs, law, 0.5, now as f64 / 1e9, (now + time) as f64 / 1e9);
                    now += time;
                    // What is due at this very moment may fall on either side of it.
                    let at = now as f64 / 1e9;
                    prop_assume!(jobs.iter().all(|job| match job.done {
                        Some(done) => done < at - EXACT || job.collected,
                        None => job.left > EXACT || job.gone,
                    }));
                    play(&mut machine, now, &mut answers);
                    for (job, at) in answers.drain(..) {
                        // Places are used again once their answer was collected: the last who had it is meant.
                        let plain = jobs.iter_mut().rev().find(|plain| plain.ticket.job == job).expect("a job");
                        let (is, should) = (at as f64 / 1e9, plain.done.expect("done"));
                        prop_assert!((is - should).abs() < EXACT, "{} should be {}", is, should);
                        plain.collected = true;
                        prop_assert_eq!(machine.collect(plain.ticket), Answer::Good);
                    }
                }
                Step::Leave(nth) => {
                    let under_way = jobs.iter_mut().filter(|job| job.done.is_none() && !job.gone).nth(nth);
                    if let Some(job) = under_way {
                        job.gone = true;
                        machine.abandon(now, job.ticket);
                    }
                }
            }
            let under_way = jobs.iter().filter(|job| job.done.is_none() && !job.gone).count();
            prop_assert_eq!(machine.in_flight(), under_way);
        }
        prop_assert_eq!(machine.in_flight(), 0);
    }
}

#[test]
fn what_was_done_for_those_who_left_is_told() {
    let mut machine = Machine::new(model(Law::Cores { cores: 1, knee: 1, linear: 0.0, square: 0.0 }));
    let ticket = machine.arrive(0, 7, Task { work: 0.010, ..Task::default() });
    machine.abandon(8 * MS, ticket);
    let spent: Vec<_> = machine.spent().collect();
    assert_eq!((spent.len(), spent[0].tag), (1, 7));
    assert!((spent[0].secs - 0.004).abs() < 1e-12, "at half speed: {spent:?}");
    assert_eq!((machine.in_flight(), machine.next()), (0, None));
}

#[test]
fn a_ticket_of_the_last_run_opens_nothing_in_the_next() {
    let mut machine = Machine::new(model(Law::Pool { workers: 1 }));
    let old = machine.arrive(0, NOBODY, Task { work: 0.010, ..Task::default() });
    let mut machine = machine.anew();
    let new = machine.arrive(0, NOBODY, Task { work: 0.010, ..Task::default() });
    assert_eq!(old.job, new.job);
    machine.abandon(1, old);
    assert_eq!((machine.in_flight(), machine.collect(old), machine.collect(new)), (1, Answer::Bad, Answer::NotYet));
}

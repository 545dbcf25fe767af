//! From what happened to what it means.

use std::time::Duration;

use serde::Serialize;

use crate::load::Ending;
use crate::plan::Plan;
use crate::run::Log;
use crate::success::Success;
use crate::tally::Deeds;

/// The numbers of one run, as they stand in `report.json`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Run {
    pub(crate) name: &'static str,
    pub(crate) load: f64,
    pub(crate) protected: bool,
    /// Requests answered in time over the most that capacity and offered load allow: see [`possible`].
    pub(crate) goodput: f64,
    /// From the moment a request was due to its answer, retries included; of the answered ones.
    pub(crate) p50_ms: Option<f64>,
    pub(crate) p99_ms: Option<f64>,
    /// Requests whose last word was a refusal.
    pub(crate) refused: usize,
    /// Requests whose last word was a timeout.
    pub(crate) timed_out: usize,
    /// The share of the server's finished work whose client had left.
    pub(crate) wasted_work: f64,
    /// Seconds from the end of the spike until goodput was back at 0.95 of the offered load for good.
    pub(crate) recovery_s: Option<f64>,
    /// Who was answered, of those that came early enough for it.
    pub(crate) success: Success,
    #[serde(skip)]
    pub(crate) aside: Aside,
}

/// What the report needs beside the numbers.
#[derive(Debug, Clone)]
pub(crate) struct Aside {
    /// How late the load generator was, at worst and in the 99th percentile.
    pub(crate) lag_max: Duration,
    pub(crate) lag_p99: Duration,
    /// Attempts over the wire for each request.
    pub(crate) attempts_each: f64,
    /// What the layers say that they did, from the start of the run.
    pub(crate) deeds: Option<Deeds>,
    /// Jobs that the server finished per second, for anybody or nobody.
    pub(crate) jobs_rps: f64,
    /// Requests that ended in another way: should be none.
    pub(crate) broken: usize,
    /// Answers per second around the middle of each slice of the run: (seconds, rate).
    pub(crate) timeline: Vec<(f64, f64)>,
}

/// Width of a slice in the timeline.
const SLICE: Duration = Duration::from_millis(200);

/// Measures a run from the end of its warm-up to its end.
pub(crate) fn measure(plan: &Plan, protected: bool, capacity: f64, patience: Duration, log: &Log) -> Run {
    let (from, to) = (plan.warm_up, plan.lasts());
    let inside = |at: Duration| from <= at && at < to;
    let ended = |ending| {
        let records = log.records.iter().filter(move |r| inside(r.ended));
        records.filter(move |r| r.ending == ending)
    };

    let arrivals = arrivals(log);
    let possible = possible(&arrivals, capacity, patience, from, to);
    let latencies = sorted(ended(Ending::Answered).map(|r| r.ended - r.due));
    let lags = sorted(log.records.iter().map(|r| r.started.saturating_sub(r.due)));
    let jobs: Vec<bool> = log.jobs.iter().filter(|j| inside(j.0)).map(|j| j.1).collect();
    let wasted = jobs.iter().filter(|wasted| **wasted).count();
    let ms = |d: Duration| round(d.as_secs_f64() * 1e3, 2);

    Run {
        name: plan.name,
        load: plan.load,
        protected,
        goodput: round(latencies.len() as f64 / possible.max(1) as f64, 4),
        p50_ms: percentile(&latencies, 0.50).map(ms),
        p99_ms: percentile(&latencies, 0.99).map(ms),
        refused: ended(Ending::Refused).count(),
        timed_out: ended(Ending::TimedOut).count(),
        wasted_work: round(wasted as f64 / jobs.len().max(1) as f64, 4),
        recovery_s: plan.spike_ends().and_then(|end| recovery(end, to, log)),
        success: Success::of(log, plan.noise.is_some(), from, to - patience),
        aside: Aside {
            lag_max: lags.last().copied().unwrap_or_default(),
            lag_p99: percentile(&lags, 0.99).unwrap_or_default(),
            attempts_each: log.attempts as f64 / arrivals.len().max(1) as f64,
            deeds: log.deeds,
            jobs_rps: jobs.len() as f64 / (to - from).as_secs_f64(),
            broken: ended(Ending::Broken).count(),
            timeline: timeline(to, log),
        },
    }
}

/// How many answers a perfect server of this capacity would give in `from..to`: whenever it has room, it takes the
/// newest request, and it knows that nobody waits for longer than `patience`.
fn possible(arrivals: &[Duration], capacity: f64, patience: Duration, from: Duration, to: Duration) -> usize {
    let mut waiting = Vec::new();
    let mut arrivals = arrivals.iter().copied().peekable();
    let mut answers = 0;
    for turn in 0..(to.as_secs_f64() * capacity) as u32 {
        let now = Duration::from_secs_f64(f64::from(turn) / capacity);
        while let Some(arrival) = arrivals.next_if(|at| *at <= now) {
            waiting.push(arrival);
        }
        match waiting.pop() {
            Some(newest) if newest + patience < now => waiting.clear(),
            Some(_) if from <= now => answers += 1,
            _ => {}
        }
    }
    answers
}

/// Time from `end` (of the spike) to the first of the windows that are all good until the run is over. A window
/// is good when as many requests were answered in it as 0.95 of those that came. It is half a second long, or
/// longer if fewer than 250 requests come in that time, since below that chance alone would spoil windows.
fn recovery(end: Duration, over: Duration, log: &Log) -> Option<f64> {
    const STEP: Duration = Duration::from_millis(50);
    let arrivals = arrivals(log);
    let after = over - end;
    let rate = count(&arrivals, end, over) as f64 / after.as_secs_f64();
    let window = Duration::from_secs_f64((250.0 / rate.max(1.0)).max(0.5)).min(after / 3);
    let answers = answers(log);
    let mut back = None;
    let mut at = end;
    while at + window <= over {
        let came = count(&arrivals, at, at + window) as f64;
        let good = count(&answers, at, at + window) as f64;
        if good < 0.95 * came {
            back = None;
        } else if back.is_none() {
            back = Some(round((at - end).as_secs_f64(), 2));
        }
        at += STEP;
    }
    back
}

fn timeline(over: Duration, log: &Log) -> Vec<(f64, f64)> {
    let answers = answers(log);
    let slices = over.as_millis() / SLICE.as_millis();
    (0..slices as u32)
        .map(|slice| {
            let start = SLICE * slice;
            let good = count(&answers, start, start + SLICE) as f64;
            ((start + SLICE / 2).as_secs_f64(), good / SLICE.as_secs_f64())
        })
        .collect()
}

/// When requests were due, in order.
fn arrivals(log: &Log) -> Vec<Duration> {
    log.arrivals.iter().map(|arrival| arrival.due).collect()
}

/// When requests were answered in time, in order.
fn answers(log: &Log) -> Vec<Duration> {
    let answered = log.records.iter().filter(|r| r.ending == Ending::Answered);
    sorted(answered.map(|r| r.ended))
}

/// How many of the sorted moments lie in `from..to`.
fn count(sorted: &[Duration], from: Duration, to: Duration) -> usize {
    sorted.partition_point(|at| *at < to) - sorted.partition_point(|at| *at < from)
}

fn sorted(moments: impl Iterator<Item = Duration>) -> Vec<Duration> {
    let mut moments: Vec<_> = moments.collect();
    moments.sort_unstable();
    moments
}

fn percentile(sorted: &[Duration], p: f64) -> Option<Duration> {
    let rank = (p * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

fn round(x: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (x * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use plimsoll::request::Priority;

    use super::*;
    use crate::{callers::Caller, load::Record, plan::Arrival};

    const MS: Duration = Duration::from_millis(1);

    /// A moment each `gap` from `from` on.
    fn every(gap: Duration, from: Duration, to: Duration) -> Vec<Duration> {
        std::iter::successors(Some(from), |at| Some(*at + gap)).take_while(|at| *at < to).collect()
    }

    /// What a perfect server of 100 a second makes of `arrivals` within a second, with clients that wait for 100 ms.
    fn possible_in_a_second(arrivals: &[Duration]) -> usize {
        possible(arrivals, 100.0, 100 * MS, Duration::ZERO, 1000 * MS)
    }

    #[test]
    fn all_that_fits_is_possible_and_no_more() {
        assert_eq!(possible_in_a_second(&[]), 0);
        assert_eq!(possible_in_a_second(&every(20 * MS, Duration::ZERO, 1000 * MS)), 50);
        assert_eq!(possible_in_a_second(&every(2 * MS, Duration::ZERO, 1000 * MS)), 100);
    }

    #[test]
    fn what_is_answered_before_the_warm_up_ends_does_not_count() {
        let arrivals = every(2 * MS, Duration::ZERO, 1000 * MS);
        assert_eq!(possible(&arrivals, 100.0, 100 * MS, 700 * MS, 1000 * MS), 30);
    }

    #[test]
    fn of_a_crowd_so_many_are_answered_as_the_patience_allows() {
        let crowd = vec![Duration::ZERO; 50];
        // One at once, and one each 10 ms until 100 ms have passed.
        assert_eq!(possible_in_a_second(&crowd), 11);
    }

    #[test]
    fn who_has_left_keeps_nobody_waiting() {
        let mut arrivals = vec![Duration::ZERO; 50];
        arrivals.extend(every(10 * MS, 50 * MS, 1000 * MS));
        // A place each 10 ms, for the newest. By 150 ms the last of the crowd has left, and no place stays empty.
        assert_eq!(possible_in_a_second(&arrivals), 100);
        let late = [vec![Duration::ZERO; 50], every(10 * MS, 500 * MS, 1000 * MS)].concat();
        assert_eq!(possible_in_a_second(&late), 11 + 50);
    }

    const END: Duration = Duration::from_millis(4000);
    const OVER: Duration = Duration::from_millis(10_000);

    /// A run with a request each millisecond, answered in no time, but for those that came in `outages`.
    fn run(outages: &[(u64, u64)]) -> Log {
        let caller = Caller { class: Priority::Normal, tenant: 0 };
        let arrivals = every(MS, Duration::ZERO, OVER).into_iter().map(|due| Arrival { due, caller }).collect();
        let out = |at: Duration| outages.iter().any(|(from, to)| (*from..*to).contains(&(at.as_millis() as u64)));
        let ending = |at| if out(at) { Ending::Refused } else { Ending::Answered };
        let record = |at| Record { due: at, started: at, ended: at, caller, ending: ending(at) };
        let records = every(MS, Duration::ZERO, OVER).into_iter().map(record).collect();
        Log { arrivals, records, jobs: Vec::new(), attempts: 0, deeds: None }
    }

    #[test]
    fn recovery_counts_from_the_end_of_the_spike() {
        assert_eq!(recovery(END, OVER, &run(&[])), Some(0.0));
        assert_eq!(recovery(END, OVER, &run(&[(1000, 4000)])), Some(0.0));
        assert_eq!(recovery(END, OVER, &run(&[(1000, 5000)])), Some(1.0));
    }

    #[test]
    fn who_falls_again_had_not_recovered() {
        assert_eq!(recovery(END, OVER, &run(&[(1000, 5000), (6000, 6200)])), Some(2.2));
        assert_eq!(recovery(END, OVER, &run(&[(9500, 10_000)])), None);
        assert_eq!(recovery(END, OVER, &run(&[(0, 10_000)])), None);
    }

    #[test]
    fn one_in_twenty_may_be_missing_and_no_more() {
        // 25 of the 500 that come in half a second, and then 30.
        assert_eq!(recovery(END, OVER, &run(&[(4100, 4125)])), Some(0.0));
        assert_eq!(recovery(END, OVER, &run(&[(4100, 4130)])), Some(0.15));
    }

    #[test]
    fn a_percentile_is_one_of_the_measurements() {
        let all = every(MS, MS, 101 * MS);
        assert_eq!(percentile(&all, 0.50), Some(50 * MS));
        assert_eq!(percentile(&all, 0.99), Some(99 * MS));
        assert_eq!(percentile(&all[..1], 0.99), Some(MS));
        assert_eq!(percentile(&[], 0.99), None);
    }
}

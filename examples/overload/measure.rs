//! From what happened to what it means.

use std::time::Duration;

use serde::Serialize;

use crate::load::Ending;
use crate::plan::Plan;
use crate::run::Log;

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

    let possible = possible(&log.arrivals, capacity, patience, from, to);
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
        aside: Aside {
            lag_max: lags.last().copied().unwrap_or_default(),
            lag_p99: percentile(&lags, 0.99).unwrap_or_default(),
            attempts_each: log.attempts as f64 / log.arrivals.len().max(1) as f64,
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
    let after = over - end;
    let rate = count(&log.arrivals, end, over) as f64 / after.as_secs_f64();
    let window = Duration::from_secs_f64((250.0 / rate.max(1.0)).max(0.5)).min(after / 3);
    let answers = answers(log);
    let mut back = None;
    let mut at = end;
    while at + window <= over {
        let came = count(&log.arrivals, at, at + window) as f64;
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

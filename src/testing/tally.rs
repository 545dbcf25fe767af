//! What happened, counted.

use std::ops::Range;

use super::client::{Arrival, Verdict};
use crate::rejection::Reason;

/// A request under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub(super) caller: usize,
    pub(super) arrival: Arrival,
    pub(super) came: u64,
}

/// How wide the bins are in which arrivals are remembered, in nanoseconds: 10 ms.
pub(super) const ARRIVAL_BIN: u64 = 10_000_000;

/// How wide the bins of answers are, in nanoseconds: 100 ms.
pub(super) const ANSWER_BIN: u64 = 100_000_000;

/// The counts of one load, or of several together.
///
/// Requests count by when they came, attempts and the work for them by when they began, answers by when they were given,
/// each if that lies in the window. The bins are of the whole run.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tally {
    pub(super) window: Range<u64>,
    pub(super) requests: u64,
    pub(super) successes: u64,
    /// Successes that were answered in the window.
    pub(super) answers: u64,
    pub(super) attempts: u64,
    pub(super) answered: u64,
    /// In the order of [`Reason::ALL`].
    pub(super) refused: Vec<u64>,
    pub(super) failed: u64,
    pub(super) timed_out: u64,
    /// Nanoseconds of each attempt that succeeded, and of each that was refused; sorted once the run is over.
    pub(super) latencies: Vec<u64>,
    pub(super) refusals: Vec<u64>,
    /// Who came and who succeeded, by class and by tenant.
    pub(super) classes: Vec<(u64, u64)>,
    pub(super) tenants: Vec<(u64, u64)>,
    pub(super) arrival_bins: Vec<(u32, u32)>,
    pub(super) answer_bins: Vec<u32>,
    /// When each request came, and its class: for the best that was possible.
    pub(super) came: Vec<(u64, u8)>,
    /// Seconds.
    pub(super) useful: f64,
    pub(super) wasted: f64,
}

impl Tally {
    pub(super) fn new(window: Range<u64>) -> Self {
        Self { window, refused: vec![0; Reason::ALL.len()], ..Self::default() }
    }

    pub(super) fn come(&mut self, request: &Request) {
        self.came.push((request.came, request.arrival.class));
        at(&mut self.arrival_bins, request.came / ARRIVAL_BIN).0 += 1;
        if self.window.contains(&request.came) {
            self.requests += 1;
            at(&mut self.classes, request.arrival.class.into()).0 += 1;
            at(&mut self.tenants, request.arrival.tenant).0 += 1;
        }
    }

    pub(super) fn begin(&mut self, now: u64) {
        self.attempts += u64::from(self.window.contains(&now));
    }

    pub(super) fn timed_out(&mut self, began: u64) {
        self.timed_out += u64::from(self.window.contains(&began));
    }

    /// An attempt was answered in time, whatever the answer.
    pub(super) fn done(&mut self, now: u64, began: u64, verdict: Verdict) {
        if !self.window.contains(&began) {
            return;
        }
        match verdict {
            Verdict::Success => {
                self.answered += 1;
                self.latencies.push(now - began);
            }
            Verdict::Refused(reason) => {
                let reason = Reason::ALL.iter().position(|known| *known == reason).unwrap_or_default();
                *at(&mut self.refused, reason as u64) += 1;
                self.refusals.push(now - began);
            }
            Verdict::Failed => self.failed += 1,
        }
    }

    /// A request is over.
    pub(super) fn end(&mut self, now: u64, request: &Request, succeeded: bool) {
        if !succeeded {
            return;
        }
        at(&mut self.arrival_bins, request.came / ARRIVAL_BIN).1 += 1;
        *at(&mut self.answer_bins, now / ANSWER_BIN) += 1;
        self.answers += u64::from(self.window.contains(&now));
        if self.window.contains(&request.came) {
            self.successes += 1;
            at(&mut self.classes, request.arrival.class.into()).1 += 1;
            at(&mut self.tenants, request.arrival.tenant).1 += 1;
        }
    }

    /// Servers have spent so many seconds on an attempt.
    pub(super) fn spent(&mut self, began: u64, secs: f64, usefully: bool) {
        if self.window.contains(&began) {
            *(if usefully { &mut self.useful } else { &mut self.wasted }) += secs;
        }
    }

    /// Both together.
    pub(super) fn add(&mut self, other: &Self) {
        let counts = [
            (&mut self.requests, other.requests),
            (&mut self.successes, other.successes),
            (&mut self.answers, other.answers),
            (&mut self.attempts, other.attempts),
            (&mut self.answered, other.answered),
            (&mut self.failed, other.failed),
            (&mut self.timed_out, other.timed_out),
        ];
        counts.into_iter().for_each(|(sum, more)| *sum += more);
        self.useful += other.useful;
        self.wasted += other.wasted;
        self.latencies.extend(&other.latencies);
        self.refusals.extend(&other.refusals);
        merge(&mut self.refused, &other.refused, |sum, more| *sum += more);
        merge(&mut self.answer_bins, &other.answer_bins, |sum, more| *sum += more);
        merge(&mut self.arrival_bins, &other.arrival_bins, |sum, more| *sum = (sum.0 + more.0, sum.1 + more.1));
        merge(&mut self.classes, &other.classes, |sum, more| *sum = (sum.0 + more.0, sum.1 + more.1));
        merge(&mut self.tenants, &other.tenants, |sum, more| *sum = (sum.0 + more.0, sum.1 + more.1));
    }

    /// The run is over.
    pub(super) fn close(&mut self) {
        self.latencies.sort_unstable();
        self.refusals.sort_unstable();
        self.came = Vec::new();
    }
}

/// The place of `index`, which is made if it is not there.
fn at<T: Clone + Default>(list: &mut Vec<T>, index: u64) -> &mut T {
    let index = index as usize;
    if list.len() <= index {
        list.resize(index + 1, T::default());
    }
    &mut list[index]
}

fn merge<T: Clone + Default>(sums: &mut Vec<T>, more: &[T], add: impl Fn(&mut T, T)) {
    more.iter().enumerate().for_each(|(index, more)| add(at(sums, index as u64), more.clone()));
}

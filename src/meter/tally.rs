//! What is counted of calls.

use std::time::Duration;

use crate::{
    classify::{Failure, Outcome},
    clock::nanos,
    event::Ended,
    gate::Ending,
    stats::{BUCKETS, Histogram, bucket},
    sync::{
        Striped,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    telemetry::Attributes,
};

/// How many ways there are for a call to end.
const ENDS: usize = 11;

/// The numbers of one thread.
#[derive(Debug)]
pub(super) struct Numbers {
    admitted: AtomicU64,
    /// Of successes, those that were not timed; of the others, all.
    ends: [AtomicU64; ENDS],
    answers: Times,
    failures: Times,
}

/// How long calls took, and with what.
#[derive(Debug)]
struct Times {
    buckets: [AtomicU64; BUCKETS],
    nanos: AtomicU64,
}

/// All that a meter has counted, at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) admitted: u64,
    pub(super) ends: [u64; ENDS],
    pub(super) answers: Histogram,
    pub(super) failures: Histogram,
}

impl Default for Numbers {
    fn default() -> Self {
        Self {
            admitted: AtomicU64::new(0),
            ends: [const { AtomicU64::new(0) }; ENDS],
            answers: Times::default(),
            failures: Times::default(),
        }
    }
}

impl Default for Times {
    fn default() -> Self {
        Self { buckets: [const { AtomicU64::new(0) }; BUCKETS], nanos: AtomicU64::new(0) }
    }
}

/// The place of an end among the others.
pub(super) const fn place(ended: Ended) -> usize {
    match ended {
        Ended::Succeeded => 0,
        Ended::Failed(Failure::Overload) => 1,
        Ended::Failed(Failure::Permanent) => 2,
        Ended::Failed(Failure::PushedBack) => 3,
        Ended::Failed(Failure::Throttled(_)) => 4,
        Ended::Failed(Failure::Timeout) => 5,
        Ended::Failed(Failure::Transient) => 6,
        Ended::Ignored => 7,
        Ended::Cancelled => 8,
        Ended::Panicked => 9,
        Ended::Undispatched => 10,
    }
}

/// How a call ended, in the words of whoever counts.
pub(super) const fn ended(ending: Ending) -> Ended {
    match ending {
        Ending::Finished(Outcome::Success) => Ended::Succeeded,
        Ending::Finished(Outcome::Failure(failure)) => Ended::Failed(failure),
        Ending::Finished(Outcome::Ignored) => Ended::Ignored,
        Ending::Cancelled => Ended::Cancelled,
        Ending::Panicked => Ended::Panicked,
        Ending::Undispatched => Ended::Undispatched,
    }
}

#[inline]
pub(super) fn count_admitted(numbers: &Striped<Numbers>) {
    let mine = numbers.mine();
    mine.add(&mine.admitted, 1);
}

/// Counts the end of a call that took so many nanoseconds, if that is known. Where a success was timed, the time is the
/// count: two additions.
#[inline]
pub(super) fn count_end(numbers: &Striped<Numbers>, ended: Ended, took: Option<Duration>) {
    let mine = numbers.mine();
    let times = match (took, ended) {
        (Some(_), Ended::Succeeded) => &mine.answers,
        (Some(_), Ended::Failed(_)) => &mine.failures,
        _ => return mine.add(&mine.ends[place(ended)], 1),
    };
    let nanos = took.map_or(0, nanos);
    mine.add(&times.buckets[bucket(nanos)], 1);
    mine.add(&times.nanos, nanos);
    if ended != Ended::Succeeded {
        mine.add(&mine.ends[place(ended)], 1);
    }
}

/// All threads' numbers together. Ends are read before beginnings, so that no more have ended than have begun.
pub(super) fn sum(numbers: &Striped<Numbers>) -> Counted {
    let mut counted = Counted { admitted: 0, ends: [0; ENDS], answers: Histogram::EMPTY, failures: Histogram::EMPTY };
    for mine in numbers.all() {
        for (sum, end) in counted.ends.iter_mut().zip(&mine.ends) {
            *sum = sum.wrapping_add(end.load(Relaxed));
        }
        counted.answers = counted.answers.and(&mine.answers.read());
        counted.failures = counted.failures.and(&mine.failures.read());
    }
    for mine in numbers.all() {
        counted.admitted = counted.admitted.wrapping_add(mine.admitted.load(Relaxed));
    }
    counted
}

impl Times {
    fn read(&self) -> Histogram {
        let counts = std::array::from_fn(|bucket| self.buckets[bucket].load(Relaxed));
        Histogram { counts, nanos: self.nanos.load(Relaxed) }
    }
}

/// Whether it is of interest how long such a call took. Of one that was given up on it is not known.
#[inline]
pub(super) const fn is_timed(ended: Ended) -> bool {
    matches!(ended, Ended::Succeeded | Ended::Failed(_))
}

/// Every way for a call to end, and how it is labelled.
pub(crate) const ENDED: [(Ended, Attributes); ENDS] = [
    (Ended::Succeeded, &[("plimsoll.outcome", "success")]),
    (Ended::Failed(Failure::Overload), &[("plimsoll.outcome", "failure"), ("error.type", "overload")]),
    (Ended::Failed(Failure::Permanent), &[("plimsoll.outcome", "failure"), ("error.type", "permanent")]),
    (Ended::Failed(Failure::PushedBack), &[("plimsoll.outcome", "failure"), ("error.type", "pushed_back")]),
    (Ended::Failed(Failure::Throttled(None)), &[("plimsoll.outcome", "failure"), ("error.type", "throttled")]),
    (Ended::Failed(Failure::Timeout), &[("plimsoll.outcome", "failure"), ("error.type", "timeout")]),
    (Ended::Failed(Failure::Transient), &[("plimsoll.outcome", "failure"), ("error.type", "transient")]),
    (Ended::Ignored, &[("plimsoll.outcome", "ignored")]),
    (Ended::Cancelled, &[("plimsoll.outcome", "cancelled")]),
    (Ended::Panicked, &[("plimsoll.outcome", "panicked")]),
    (Ended::Undispatched, &[("plimsoll.outcome", "undispatched")]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_end_has_a_place_and_a_label_of_its_own() {
        for (number, (ended, attributes)) in ENDED.into_iter().enumerate() {
            assert_eq!(place(ended), number, "{ended:?}");
            assert!(ENDED[..number].iter().all(|(_, others)| *others != attributes), "{ended:?}");
        }
    }

    /// A success that was timed is in its bucket and nowhere else; a failure is counted by its kind as well.
    #[test]
    fn what_is_timed_is_in_a_bucket() {
        let numbers = Striped::new();
        let ms = Some(Duration::from_millis(1));
        count_end(&numbers, Ended::Succeeded, ms);
        count_end(&numbers, Ended::Succeeded, None);
        count_end(&numbers, Ended::Failed(Failure::Timeout), ms);
        count_end(&numbers, Ended::Cancelled, ms);
        let counted = sum(&numbers);
        assert_eq!((counted.answers.count(), counted.failures.count()), (1, 1));
        let ends = [Ended::Succeeded, Ended::Failed(Failure::Timeout), Ended::Cancelled];
        assert_eq!(ends.map(|ended| counted.ends[place(ended)]), [1, 1, 1]);
        assert_eq!(counted.ends.iter().sum::<u64>(), 3);
    }
}

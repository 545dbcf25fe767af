//! What the values of our enums are called where numbers are labelled: one word each, for ever.

use crate::{
    classify::Failure,
    event::{Ejection, Hold, Stop, Trip},
    rejection::Reason,
};

/// Attributes of a number: names and values.
pub type Attributes = &'static [(&'static str, &'static str)];

macro_rules! attributes {
    ([$($more:tt)*] $key:literal, $name:literal) => {
        &[$($more)* ($key, $name)]
    };
}

/// Writes a table: of each variant the attributes it stands for, at the variant's place. A variant that is new has to
/// get a row, or this does not compile.
macro_rules! table {
    ($list:ident, $find:ident($enum:ty), $more:tt $key:literal; $($variant:pat => $name:literal,)*) => {
        pub(crate) const $list: &[Attributes] = &[$(attributes!($more $key, $name)),*];

        pub(super) fn $find(value: $enum) -> usize {
            let name = match value { $($variant => $name,)* };
            $list.iter().position(|attributes| attributes.last().is_some_and(|(_, other)| *other == name)).unwrap_or(0)
        }
    };
}

table! {
    REASONS, reason(Reason), [] "plimsoll.reason";
    Reason::BulkheadFull => "bulkhead_full",
    Reason::CircuitOpen => "circuit_open",
    Reason::Custom => "custom",
    Reason::DeadlineExceeded => "deadline_exceeded",
    Reason::DeadlineUnreachable => "deadline_unreachable",
    Reason::Displaced => "displaced",
    Reason::KeysFull => "keys_full",
    Reason::LimitReached => "limit_reached",
    Reason::NoShard => "no_shard",
    Reason::QueueFull => "queue_full",
    Reason::RateLimited => "rate_limited",
    Reason::Timeout => "timeout",
    Reason::TooExpensive => "too_expensive",
    Reason::WaitTimeout => "wait_timeout",
    Reason::WaitTooLong => "wait_too_long",
    Reason::WorkExhausted => "work_exhausted",
}

table! {
    FAILURES, failure(Failure), [] "error.type";
    Failure::Overload => "overload",
    Failure::Permanent => "permanent",
    Failure::PushedBack => "pushed_back",
    Failure::Throttled(_) => "throttled",
    Failure::Timeout => "timeout",
    Failure::Transient => "transient",
}

table! {
    TRIPS, trip(Trip), [("plimsoll.state", "open"),] "plimsoll.trip";
    Trip::ConsecutiveFailures => "consecutive_failures",
    Trip::FailureRate => "failure_rate",
    Trip::ProbeFailed => "probe_failed",
    Trip::ProbeLost => "probe_lost",
    Trip::SlowCallRate => "slow_call_rate",
}

table! {
    EJECTIONS, ejection(Ejection), [] "plimsoll.cause";
    Ejection::ByHand => "by_hand",
    Ejection::ConsecutiveFailures => "consecutive_failures",
    Ejection::SuccessRate => "success_rate",
}

table! {
    HOLDS, hold(Hold), [] "plimsoll.hold";
    Hold::Automatic => "automatic",
    Hold::Closed => "closed",
    Hold::ObserveOnly => "observe_only",
    Hold::Open => "open",
}

table! {
    STOPS, stop(Stop), [] "plimsoll.stop";
    Stop::Attempts => "attempts",
    Stop::Budget => "budget",
    Stop::Deadline => "deadline",
    Stop::Hint => "hint",
    Stop::Nested => "nested",
    Stop::NotReady => "not_ready",
    Stop::NotReplayable => "not_replayable",
    Stop::NotRetryable => "not_retryable",
    Stop::WorkExhausted => "work_exhausted",
}

pub(super) const STATES: &[Attributes] =
    &[&[("plimsoll.state", "closed")], &[("plimsoll.state", "half_open")], &[("plimsoll.state", "ramping")]];
pub(super) const DIRECTIONS: &[Attributes] = &[&[("plimsoll.direction", "down")], &[("plimsoll.direction", "up")]];
pub(super) const QUEUES: &[Attributes] = &[&[("plimsoll.state", "drained")], &[("plimsoll.state", "standing")]];
pub(super) const KEYS: &[Attributes] = &[&[("plimsoll.state", "fit")], &[("plimsoll.state", "full")]];
/// Of what goes on for a while.
pub(super) const SPELLS: &[Attributes] = &[&[("plimsoll.state", "began")], &[("plimsoll.state", "ended")]];
pub(super) const NONE: &[Attributes] = &[&[]];

/// How a hold is called.
pub(super) fn of_hold(held: Hold) -> Attributes {
    HOLDS.get(hold(held)).copied().unwrap_or_default()
}

/// How a hold is called, in a word.
#[cfg(feature = "serde")]
pub(crate) fn hold_name(held: Hold) -> &'static str {
    of_hold(held).last().map_or("", |(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_name() {
        let places: Vec<_> = Reason::ALL.iter().map(|known| reason(*known)).collect();
        assert_eq!(places, (0..REASONS.len()).collect::<Vec<_>>(), "in the order of the enum");
    }

    #[test]
    fn attributes_of_a_hold_are_found() {
        assert_eq!(of_hold(Hold::ObserveOnly), [("plimsoll.hold", "observe_only")]);
        assert_eq!(trip(Trip::ProbeLost), 3);
    }
}

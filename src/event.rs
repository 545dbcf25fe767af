//! What the rooms announce, and who listens.

mod listen;

use std::time::Duration;

pub use self::listen::{Both, Events, Observer};
use crate::{classify::Failure, rejection::Rejection};

/// Something that happened in a room, or to a call.
///
/// Events hold numbers, and names given when the stack was built, never anything from a request. Each room's page says
/// when it announces which.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the fields are named after what they hold; `layer` is always the room's name")]
pub enum Event {
    /// A meter that announces each call let one through.
    Admitted { layer: &'static str },
    /// A bulkhead's limit was changed.
    BulkheadResized { layer: &'static str, from: u32, to: u32 },
    /// A work budget's number of seats was changed.
    BudgetResized { layer: &'static str, from: u32, to: u32 },
    /// The circuit closed: the callee is healthy.
    CircuitClosed { layer: &'static str },
    /// The circuit is held by hand, or handed back to its own judgement.
    CircuitHeld { layer: &'static str, hold: Hold },
    /// The circuit lets probes through.
    CircuitHalfOpened { layer: &'static str },
    /// The circuit opened: calls are refused for `open_for`.
    CircuitOpened { layer: &'static str, trip: Trip, open_for: Duration },
    /// The probes went well: the circuit lets a growing share of the calls through.
    CircuitRamping { layer: &'static str },
    /// New keys find places for their gates again.
    KeysFit { layer: &'static str },
    /// A new key found no place for its gate: all are taken by keys that must be remembered.
    KeysFull { layer: &'static str },
    /// A load shedder lets more requests through at once, or fewer.
    LimitChanged { layer: &'static str, from: u32, to: u32 },
    /// A request cannot be served in time, or costs too much, and goes to the second lane of its room.
    Demoted { layer: &'static str },
    /// A rate limit's quotas were changed.
    QuotaChanged { layer: &'static str },
    /// A poll of a request kept its thread for as long as the work budget announces, or longer.
    LongPoll { layer: &'static str, took: Duration },
    /// Enough members of a fleet are in service again: ejections hold.
    PanicEnded { layer: &'static str },
    /// So few members of a fleet are left in service, `left` of `of`, that ejections are ignored.
    PanicBegan { layer: &'static str, left: u32, of: u32 },
    /// A queue that was standing is empty again.
    QueueDrained { layer: &'static str },
    /// A queue has not been empty for a while: what arrives is no burst, but more than can be served.
    QueueStanding { layer: &'static str },
    /// A request was refused, or given up on.
    Refused(Rejection),
    /// A request failed; the `attempt`th will be sent after `delay`.
    Retrying { layer: &'static str, attempt: u32, delay: Duration, failure: Failure },
    /// A request failed `attempts` times, and was not tried again.
    RetryStopped { layer: &'static str, attempts: u32, stop: Stop },
    /// A call ended that a meter had announced: how, and after how long; zero if it was not timed.
    Settled { layer: &'static str, ended: Ended, after: Duration },
    /// The callee asked a rate limit to leave it alone: nothing is let in for `pause`.
    Throttled { layer: &'static str, pause: Duration },
    /// A request that has ended wanted more fuel than it was `granted`.
    WorkExhausted { layer: &'static str, granted: u64 },
    /// A member of a fleet is ejected for `eject_for`; by hand, until it is put back.
    ShardEjected { layer: &'static str, node: u64, cause: Ejection, eject_for: Duration },
    /// A member of a fleet is back in service.
    ShardReturned { layer: &'static str, node: u64 },
    /// No member of a tenant's hand could be called, and requests go to other members of the fleet.
    SpillBegan { layer: &'static str },
    /// No request has gone to a member outside its tenant's hand for a while.
    SpillEnded { layer: &'static str },
    /// A request would have been refused, had the room not been only observing.
    WouldRefuse(Rejection),
}

impl Event {
    /// The layer that announces this.
    pub const fn layer(&self) -> &'static str {
        match self {
            Self::Admitted { layer }
            | Self::BudgetResized { layer, .. }
            | Self::BulkheadResized { layer, .. }
            | Self::CircuitClosed { layer }
            | Self::CircuitHeld { layer, .. }
            | Self::CircuitHalfOpened { layer }
            | Self::CircuitOpened { layer, .. }
            | Self::CircuitRamping { layer }
            | Self::KeysFit { layer }
            | Self::KeysFull { layer }
            | Self::LimitChanged { layer, .. }
            | Self::Demoted { layer }
            | Self::QuotaChanged { layer }
            | Self::LongPoll { layer, .. }
            | Self::PanicBegan { layer, .. }
            | Self::PanicEnded { layer }
            | Self::QueueDrained { layer }
            | Self::QueueStanding { layer }
            | Self::Retrying { layer, .. }
            | Self::RetryStopped { layer, .. }
            | Self::Settled { layer, .. }
            | Self::Throttled { layer, .. }
            | Self::WorkExhausted { layer, .. }
            | Self::ShardEjected { layer, .. }
            | Self::ShardReturned { layer, .. }
            | Self::SpillBegan { layer }
            | Self::SpillEnded { layer } => layer,
            Self::Refused(rejection) | Self::WouldRefuse(rejection) => rejection.layer(),
        }
    }
}

/// How a call ended, for counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ended {
    /// The caller dropped the future of a dispatched request before it was done.
    Cancelled,
    /// The callee failed, by the judge's word.
    Failed(Failure),
    /// The result says nothing about the callee, by the judge's word: a refusal from further in, say.
    Ignored,
    /// The inner service panicked, or the judge of its result did.
    Panicked,
    /// The callee did its work, by the judge's word.
    Succeeded,
    /// The request never reached the inner service: a gate right behind the meter refused it, or its caller left before
    /// that.
    Undispatched,
}

/// Why a circuit opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Trip {
    /// So many calls in a row failed.
    ConsecutiveFailures,
    /// Too large a share of the calls in the window failed.
    FailureRate,
    /// Too many probes failed for the rest to reach the successes that close the circuit.
    ProbeFailed,
    /// A probe was not heard from within its lease.
    ProbeLost,
    /// Too large a share of the calls in the window were slow.
    SlowCallRate,
}

/// Why a member of a fleet was ejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ejection {
    /// By hand.
    ByHand,
    /// So many of its calls in a row failed.
    ConsecutiveFailures,
    /// Its share of successes was far below the others'.
    SuccessRate,
}

/// Whether a circuit judges by itself, or is held by hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Hold {
    /// The circuit judges by itself.
    #[default]
    Automatic,
    /// Held closed: every call is let through, results are not looked at.
    Closed,
    /// The circuit judges by itself, and announces what it would have refused, but lets every call through.
    ObserveOnly,
    /// Held open: every call is refused.
    Open,
}

/// Why a failed request was not tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stop {
    /// All attempts were made.
    Attempts,
    /// The budget for retries was spent, or too many calls fail.
    Budget,
    /// The next attempt would have come after the deadline.
    Deadline,
    /// The callee asked to be left alone for longer than this retry is willing to wait, or not to be sent the request
    /// again.
    Hint,
    /// The inner service failed to become ready for another attempt.
    NotReady,
    /// There was no copy of the request to send.
    NotReplayable,
    /// The failure is not one that another attempt helps.
    NotRetryable,
    /// A retry layer further out tries again already.
    Nested,
    /// The request's work is used up: another attempt could not do anything.
    WorkExhausted,
}

//! One request in a server, from its coming to its answer.

use super::{lane::Lane, model::Task};

/// Work that was done for an attempt: for its answer, or in vain.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::testing) struct Spent {
    pub(in crate::testing) tag: u64,
    /// When the request came.
    pub(in crate::testing) came: u64,
    pub(in crate::testing) secs: f64,
}

/// What the future of a request holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket {
    pub(super) job: usize,
    pub(super) number: u64,
}

/// A request in the server.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) number: u64,
    pub(super) tag: u64,
    pub(super) came: u64,
    pub(super) task: Task,
    pub(super) at: Stage,
    /// Whether nobody waits for the answer.
    pub(super) abandoned: bool,
}

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Stage {
    /// In its first delay, before the work.
    Early,
    Queued,
    /// Where on the clock of the lane its work ends.
    Working(f64),
    Late,
    Holding,
    Answered,
}

impl Job {
    /// The work that was done so far.
    pub(super) fn spent(&self, lane: &Lane) -> Spent {
        let secs = match self.at {
            Stage::Working(end) => (self.task.work - lane.left(end)).max(0.0),
            Stage::Late | Stage::Answered => self.task.work,
            Stage::Early | Stage::Queued | Stage::Holding => 0.0,
        };
        Spent { tag: self.tag, came: self.came, secs }
    }
}

/// What became of a job whose future asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    NotYet,
    Good,
    Bad,
}

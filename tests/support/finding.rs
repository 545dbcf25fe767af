//! What a harness has to tell.

use std::{collections::BTreeMap, fmt};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A permit is in use, and nobody is there who uses it.
    Leak,
    /// A call that ended (answered, failed, refused or panicked) holds a permit until its future is dropped.
    HeldAfterTheEnd,
    /// The inner service still has a call that nobody waits for.
    StillInside,
    /// Somebody is said to wait, and nobody does.
    StillWaiting,
    /// There is room, and a fresh client does not get in.
    NotLetIn,
    /// More got in than there is room for.
    OverAdmission,
    /// Somebody waits, and there is room.
    IdleCapacity,
    /// Nobody will ever poll this caller again.
    LostWakeup,
    /// A waiter was woken more than once for one turn, or without a turn.
    NeedlessWake,
    /// A permit was never settled.
    Unsettled,
    /// A permit was settled more than once.
    SettledTwice,
    /// A permit was settled with another ending than the call had.
    WrongEnding,
    /// A wait neither ended nor was abandoned.
    WaitNotEnded,
    /// A wait ended more than once.
    WaitEndedTwice,
    /// A panic that is in no script.
    ForeignPanic,
}

#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) kind: Kind,
    pub(crate) at: String,
}

/// What a harness went through and found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Cuts made, or seeds run.
    pub(crate) runs: usize,
    pub(crate) findings: Vec<Finding>,
}

impl Report {
    pub(crate) fn found(&self, kind: Kind) -> bool {
        self.findings.iter().any(|finding| finding.kind == kind)
    }

    /// Fails the test if there is anything to tell, or if nothing was run.
    #[track_caller]
    pub(crate) fn expect_clean(&self, subject: &str) {
        assert!(self.runs > 0, "{subject}: nothing was run");
        assert!(self.findings.is_empty(), "{subject}, of {} runs:\n{self}", self.runs);
    }
}

impl fmt::Display for Report {
    /// How many of each kind, and the first of each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut kinds = BTreeMap::<Kind, (usize, &str)>::new();
        for Finding { kind, at } in &self.findings {
            kinds.entry(*kind).or_insert((0, at)).0 += 1;
        }
        kinds.iter().try_for_each(|(kind, (count, at))| writeln!(f, "  {kind:?} x{count}, first at {at}"))
    }
}

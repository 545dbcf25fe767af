//! What a [`Work`] points to.

use std::sync::Arc;

use super::{Work, ledger::Ledger};
use crate::{
    clock::Instant,
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
};

/// What a request is to be granted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim {
    pub(crate) fuel: u64,
    /// What it was thought to need; 0 where nobody said.
    pub(crate) estimate: u64,
    pub(crate) kind: u32,
    /// By when the caller wants the answer, as far as the layer was told.
    pub(crate) deadline: Instant,
}

/// What is granted to a request, and under whose name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grant {
    pub(crate) claim: Claim,
    /// As claimed, or what was there; without end while the layer only observes.
    pub(crate) fuel: u64,
    pub(crate) layer: &'static str,
    pub(crate) max_page: u32,
}

/// What became of what was granted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    pub(crate) grant: Grant,
    /// What was spent; what children still had counts as spent.
    pub(crate) spent: u64,
    /// Whether more was wanted than there was.
    pub(crate) fell_short: bool,
    /// Whether it was [spared](Account::spare).
    pub(crate) spared: bool,
}

/// The books of one request, or of one part of it.
#[derive(Debug)]
pub(crate) struct Account {
    pub(super) ledger: Ledger,
    pub(super) grant: Grant,
    /// Of a part: whom it borrowed from, and the whole request.
    pub(super) kin: Option<Kin>,
    /// How long its polls took together, in nanoseconds.
    busy: AtomicU64,
    spared: AtomicBool,
    /// Checkpoints passed since it last gave way.
    pub(super) passed: AtomicU32,
}

#[derive(Debug)]
pub(super) struct Kin {
    pub(super) parent: Work,
    /// When this is closed, the request is over, and so is its every part.
    pub(super) whole: Work,
}

impl Account {
    pub(super) fn new(grant: Grant, kin: Option<Kin>) -> Self {
        let (busy, spared, passed) = (AtomicU64::new(0), AtomicBool::new(false), AtomicU32::new(0));
        Self { ledger: Ledger::new(grant.fuel), grant, kin, busy, spared, passed }
    }

    /// Whether the request is still under way.
    pub(super) fn is_open(&self) -> bool {
        let whole = self.kin.as_ref().map_or(&self.ledger, |kin| &kin.whole.0.ledger);
        whole.left().is_some() && self.ledger.left().is_some()
    }

    /// A step of the request begins: it may go on for a while before it gives way.
    pub(super) fn begin_step(&self) {
        self.passed.store(0, Relaxed);
    }

    /// A step took so long. All its steps together are the answer.
    pub(super) fn end_step(&self, nanos: u64) -> u64 {
        // Steps of one future follow one another; nobody else writes this.
        let busy = self.busy.load(Relaxed).saturating_add(nanos);
        self.busy.store(busy, Relaxed);
        busy
    }

    pub(super) fn busy(&self) -> u64 {
        self.busy.load(Relaxed)
    }

    /// It would be ended now, were this not only observed. Whether that is so for the first time.
    pub(super) fn spare(&self) -> bool {
        !self.spared.swap(true, Relaxed)
    }

    /// Nobody spends any more. What became of what was granted, and what was left of it.
    pub(super) fn close(&self) -> (Usage, u64) {
        let left = self.ledger.close();
        let (spent, fell_short) = (self.ledger.granted() - left, self.ledger.fell_short());
        (Usage { grant: self.grant, spent, fell_short, spared: self.spared.load(Relaxed) }, left)
    }
}

impl Drop for Account {
    /// What a part did not spend goes back to whom it borrowed from. If that was kept by this part alone, it is its
    /// turn: here and not in its own drop, as a long line of parts of parts would take more stack than there is.
    fn drop(&mut self) {
        let mut kin = self.kin.take();
        let mut left = if kin.is_some() { self.ledger.close() } else { 0 };
        while let Some(Kin { parent, .. }) = kin {
            parent.0.ledger.take_back(left);
            let Some(mut account) = Arc::into_inner(parent.0) else { return };
            kin = account.kin.take();
            left = account.ledger.close();
        }
    }
}

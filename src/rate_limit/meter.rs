//! The way without a lock: one quota, nobody waiting, nothing special. One load and one compare-and-swap of the
//! theoretical arrival time.
//!
//! In every other case the word is [`SHUT`], and who comes asks at the desk, under its lock. Only whoever has that lock shuts
//! and opens.
//!
//! # Why nobody is let in by two sets of rules
//! The rules are read before the word is swapped, and may change in between. They change only while the word is shut, and
//! every change counts the version up, which never comes back. So whoever reads the same version before and after the rules
//! and the word has read all of one version; who does not asks at the desk. What may change after that is the word, and then
//! the swap fails; unless, after a change, the very number is there again that was there before, as it may be of a quota that
//! nobody uses. So a swap counts only if the version is still the same after it. If it is not, the number that was swapped in
//! is at least as large as the one that was there, so nobody is let in too many by it, and who finds this out has it set
//! right at the desk: the swap is taken back, if nobody came after. At worst, the request is charged twice.

use super::{gcra::Gcra, scale::Scale};
use crate::{
    clock::Instant,
    sync::atomic::{
        AtomicU64,
        Ordering::{AcqRel, Acquire, Relaxed, Release},
    },
};

/// Said of the word: ask at the desk.
const SHUT: u64 = u64::MAX;

/// Of the shape: who finds no cell may be let wait.
const WAITS: u64 = 1 << 40;

#[derive(Debug)]
pub(super) struct Meter {
    /// The theoretical arrival time in ticks, or [`SHUT`].
    word: AtomicU64,
    version: AtomicU64,
    origin: AtomicU64,
    /// Both halves of a [`Scale`], and [`WAITS`].
    speed: AtomicU64,
    shape: AtomicU64,
}

/// What became of a request for cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It has them, by the rules of this version.
    Took(u32),
    /// They will be there then, and nobody may wait for them.
    Short(Instant),
    /// There are never so many.
    Never,
    /// This cannot be told without the lock.
    Ask,
    /// The rules changed meanwhile: nothing is known, and what is used has to be set right.
    Torn { before: u64, after: u64 },
}

impl Meter {
    /// Shut.
    pub(super) fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Self { word: AtomicU64::new(SHUT), version: zero(), origin: zero(), speed: zero(), shape: zero() }
    }

    /// Takes cells, if they are there.
    #[inline(always)]
    pub(super) fn take(&self, cells: u32, now: Instant) -> Taken {
        let version = self.version.load(Acquire);
        let mut seen = self.word.load(Acquire);
        let origin = self.origin.load(Acquire);
        let shape = self.shape.load(Acquire);
        let scale = Scale::unpacked(self.speed.load(Acquire), shape);
        let passed = now.as_nanos().saturating_sub(origin);
        if seen == SHUT || passed > Scale::LONGEST {
            return Taken::Ask;
        }
        if !scale.holds(cells) {
            return self.if_still(version, Taken::Never);
        }
        let ticks = scale.ticks(passed);
        loop {
            // What was read is of one version, and so is the number: whoever was long on the way finds another number there,
            // and must not charge it by rules that are no more.
            if self.version.load(Acquire) != version {
                return Taken::Ask;
            }
            match scale.charge(seen, ticks, cells) {
                Ok(next) => match self.word.compare_exchange_weak(seen, next, AcqRel, Acquire) {
                    Ok(_) if self.version.load(Relaxed) == version => return Taken::Took(version as u32),
                    Ok(_) => return Taken::Torn { before: seen, after: next },
                    Err(SHUT) => return Taken::Ask,
                    Err(now) => seen = now,
                },
                Err(_) if shape & WAITS != 0 => return Taken::Ask,
                Err(ticks) => return self.short(version, origin, scale, ticks),
            }
        }
    }

    /// Nobody gets past the desk from now on. What was used, if it was open.
    pub(super) fn shut(&self) -> Option<u64> {
        if self.word.load(Relaxed) == SHUT {
            return None;
        }
        let used = self.word.swap(SHUT, AcqRel);
        (used != SHUT).then_some(used)
    }

    /// So much is used, and the desk need not be asked. Only if it is shut.
    pub(super) fn open(&self, arrival: u64) {
        self.word.store(arrival, Release);
    }

    /// Other rules. Only while it is shut.
    pub(super) fn set(&self, version: u32, gcra: &Gcra, waits: bool) {
        let (speed, shape) = gcra.scale().packed();
        // Before the rules: who sees one of them sees this too.
        self.version.store(u64::from(version), Release);
        self.origin.store(gcra.origin().as_nanos(), Release);
        self.speed.store(speed, Release);
        self.shape.store(if waits { shape | WAITS } else { shape }, Release);
    }

    /// The version by which it goes, once it was set.
    pub(super) fn version(&self) -> Option<u32> {
        let set = self.speed.load(Relaxed) != 0;
        set.then(|| self.version.load(Relaxed) as u32)
    }

    /// A refusal has to be by one set of rules too.
    fn short(&self, version: u64, origin: u64, scale: Scale, ticks: u64) -> Taken {
        let due = Instant::from_nanos(origin.saturating_add(scale.nanos(ticks)));
        self.if_still(version, Taken::Short(due))
    }

    fn if_still(&self, version: u64, answer: Taken) -> Taken {
        if self.version.load(Acquire) == version { answer } else { Taken::Ask }
    }
}

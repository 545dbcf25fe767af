//! What a run tells the servers in it: the time, and whose attempt is being polled.

use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// All of it changes on one thread; the atomics are there so that services can be `Send`.
#[derive(Debug)]
pub(super) struct World {
    /// Nanoseconds since the start of the run.
    now: AtomicU64,
    tag: AtomicU64,
    luck: AtomicU64,
    running: AtomicBool,
}

/// From one piece of luck to the next: any large odd number does.
const LUCK: u64 = 0xD1B5_4A32_D192_ED03;

/// The tag of nobody's attempt.
pub(super) const NOBODY: u64 = u64::MAX;

impl World {
    pub(super) const fn new() -> Self {
        Self {
            now: AtomicU64::new(0),
            tag: AtomicU64::new(NOBODY),
            luck: AtomicU64::new(0),
            running: AtomicBool::new(false),
        }
    }

    /// A run begins. Whether it may: there is no other.
    pub(super) fn begin(&self) -> bool {
        self.set_now(0);
        !self.running.swap(true, Relaxed)
    }

    pub(super) fn end(&self) {
        self.leave();
        self.running.store(false, Relaxed);
    }

    pub(super) fn set_now(&self, now: u64) {
        self.now.store(now, Relaxed);
    }

    /// Somebody's attempt is polled.
    pub(super) fn enter(&self, tag: u64, luck: u64) {
        self.luck.store(luck, Relaxed);
        self.tag.store(tag, Relaxed);
    }

    /// And no longer. What is left of its luck is the answer.
    pub(super) fn leave(&self) -> u64 {
        self.tag.store(NOBODY, Relaxed);
        self.luck.load(Relaxed)
    }

    /// A seed for what a server has to draw for the attempt that is being polled: another one each time, and the same ones
    /// in every run. `None` where it is nobody's.
    pub(super) fn luck(&self) -> Option<u64> {
        (self.tag() != NOBODY).then(|| self.luck.fetch_add(LUCK, Relaxed))
    }

    pub(super) fn now(&self) -> u64 {
        self.now.load(Relaxed)
    }

    /// The time, if there is a run.
    pub(super) fn moment(&self) -> Option<u64> {
        self.running.load(Relaxed).then(|| self.now())
    }

    /// Whose attempt is being polled.
    pub(super) fn tag(&self) -> u64 {
        self.tag.load(Relaxed)
    }
}

/// An attempt's tag: its slot, the slot's turn, the number of its load, and the class of the request. Both of the first
/// fit as long as a run has no more than [`MOST_ATTEMPTS`].
pub(super) const fn tag(slot: usize, turn: u32, load: u8, class: u8) -> u64 {
    ((slot as u64) << 40) | ((turn as u64 & 0xFF_FFFF) << 16) | (load as u64) << 8 | class as u64
}

/// No run has more attempts than this.
pub(super) const MOST_ATTEMPTS: u64 = 16_000_000;

/// The class in a tag.
pub(super) const fn class_of(tag: u64) -> u8 {
    if tag == NOBODY { 0 } else { tag as u8 }
}

/// The load in a tag.
pub(super) const fn load_of(tag: u64) -> usize {
    (tag >> 8) as u8 as usize
}

/// The slot in a tag.
pub(super) const fn slot_of(tag: u64) -> usize {
    (tag >> 40) as usize
}

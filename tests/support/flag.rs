//! A waker that counts and flags.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::{Wake, Waker},
};

#[derive(Debug, Default)]
pub(crate) struct Flag {
    up: AtomicBool,
    wakes: AtomicUsize,
}

impl Flag {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn waker(self: &Arc<Self>) -> Waker {
        Waker::from(Arc::clone(self))
    }

    /// Whether it was woken since it was last lowered.
    pub(crate) fn is_up(&self) -> bool {
        self.up.load(SeqCst)
    }

    pub(crate) fn lower(&self) {
        self.up.store(false, SeqCst);
    }

    /// How often it was woken in all.
    pub(crate) fn wakes(&self) -> usize {
        self.wakes.load(SeqCst)
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.wakes.fetch_add(1, SeqCst);
        self.up.store(true, SeqCst);
    }
}

//! The home of locks, wakers and the switch for atomics.

/// The atomics of everything that several threads share: one import, so that a model checker's can take their place.
pub(crate) mod atomic {
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, AtomicUsize, Ordering};
}

mod lock;
mod waiters;

pub(crate) use self::{
    lock::Lock,
    waiters::{Ticket, Waiters, Wakeup},
};

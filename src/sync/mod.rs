//! The home of locks, and of the switch between real atomics and a model checker's.

mod lock;

pub(crate) use self::lock::Lock;

/// The atomics of every pure room, imported from here alone: to check them with a model checker, switch this line.
pub(crate) mod atomic {
    pub(crate) use std::sync::atomic::*;
}

//! The home of locks, wakers and the switch for atomics.

/// The atomics of everything that several threads share, imported from here alone: to check them with a model checker,
/// switch this line.
pub(crate) mod atomic {
    pub(crate) use std::sync::atomic::*;
}

use std::task::{Context, Waker};

/// For a first look by who leaves it to somebody else to look again, with the true waker.
#[inline]
pub(crate) fn nobody() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

mod lock;
mod slots;
mod striped;
#[cfg(test)]
mod tests;
mod turn;
mod waiters;

pub(crate) use self::{
    lock::{Guard, Lock},
    slots::Slots,
    striped::Striped,
    turn::{Turn, Wakeup},
    waiters::{Ticket, Waiters},
};

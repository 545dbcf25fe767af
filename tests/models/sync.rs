//! The switch: the checker's atomics, where the library has the standard library's.

pub(crate) mod atomic {
    pub(crate) use loom::sync::atomic::*;
}

#[path = "../../src/sync/slots.rs"]
pub(crate) mod slots;

//! What the suites share. A file is one idea:
//!
//! | file | what |
//! |---|---|
//! | `flag` | a waker that counts and flags |
//! | `client` | one caller of a service, driven step by step |
//! | `clock` | tokio's paused clock without an async test |
//! | `kit` | the scripted world below a stack, and the gauges of what is held |
//! | `scripts` | what the inner service does, readiness and body |
//! | `ledger` | every permit and every wait, and how each ended |
//! | `doors` | gates of a user's making |
//! | `subjects` | **the table: every layer and every stack, a line each** |
//! | `cuts` | drops a call after every step |
//! | `mix` | many callers in a random order, from a seed |
//! | `finding` | what a harness has to tell |
//! | `inners` | inner services that are hard to please |
//! | `planted` | faults that the harnesses must find |
//! | `crowd` | threads that meet as they like; the suites that have them include it by itself |
#![allow(dead_code, unused_imports, unused_macros, reason = "each suite uses its own part of it")]

pub(crate) mod client;
pub(crate) mod clock;
pub(crate) mod cuts;
pub(crate) mod doors;
pub(crate) mod finding;
pub(crate) mod flag;
pub(crate) mod inners;
pub(crate) mod kit;
pub(crate) mod ledger;
pub(crate) mod mix;
pub(crate) mod planted;
pub(crate) mod quiet;
pub(crate) mod rng;
pub(crate) mod scripts;
#[macro_use]
pub(crate) mod subjects;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Scripted panics poison nothing: what is guarded here is valid between any two statements.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Ready-made stacks through the public door, and the rules for what does not fit together.
//!
//! | file | what |
//! |---|---|
//! | `lint` | every rule finds what it is for, and nothing in what is right |
//! | `server`, `client` | whole stacks over mocks, in virtual time |
//! | `wire` | both over a real socket |
#![cfg(feature = "testing")]

mod client;
mod lint;
mod server;
#[cfg(feature = "http")]
mod wire;

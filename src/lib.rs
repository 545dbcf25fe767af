//! Composable tower layers.
#![forbid(unsafe_code)]

mod builder;
pub mod chance;
pub mod circuit_breaker;
pub mod classify;
pub mod clock;
mod error;
pub mod event;
pub mod gate;
pub mod lift;
mod rejection;
pub mod request;
pub mod settings;
mod stats;
mod sync;

pub use self::{
    builder::{Close, Stack, Wrapping},
    classify::{Classify, Outcome},
    error::{BoxError, Error, Refusal},
    event::{Event, Events, Observer},
    gate::Gate,
    rejection::{Fault, Reason, Rejection},
    settings::{InvalidSetting, Ratio},
};

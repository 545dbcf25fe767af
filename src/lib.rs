//! Composable tower layers.
#![forbid(unsafe_code)]

mod builder;
pub mod bulkhead;
pub mod chance;
pub mod circuit_breaker;
pub mod classify;
pub mod clock;
mod error;
pub mod event;
pub mod gate;
#[cfg(feature = "http")]
pub mod http;
pub mod lift;
mod rejection;
pub mod request;
pub mod retry;
pub mod settings;
mod stats;
mod sync;
pub mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
pub mod timeout;

pub use self::{
    builder::{Close, Stack, Within, Wrapping},
    classify::{Classify, Outcome},
    error::{BoxError, Error, Refusal},
    event::{Event, Events, Observer},
    gate::Gate,
    rejection::{Fault, Reason, Rejection},
    settings::{InvalidSetting, Ratio},
};

//! Try again what failed.
mod backoff;
mod budget;
mod budget_settings;
mod dead_letter;
mod future;
mod layer;
mod policy;
mod replay;
mod service;
mod settings;
mod state;
mod tries;

pub use self::{
    backoff::{Backoff, Jitter},
    budget::{Budget, Withdrawal},
    budget_settings::BudgetSettings,
    dead_letter::{DeadLetter, DeadLetters, Discard},
    future::ResponseFuture,
    layer::{OrStacks, RetryLayer},
    replay::{CloneRequest, Replay},
    service::Retry,
    settings::Settings,
    state::{RetryHandle, Snapshot},
};

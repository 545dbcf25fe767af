//! Take on what you can serve well, and refuse the rest at once.

mod gate;
mod handle;
mod limiter;
mod parking;
mod rule;
mod rules;
mod samples;
mod settings;
mod window;

pub use self::{
    gate::LoadShed,
    handle::{Handle, Snapshot},
    limiter::Permit,
    rule::{Rule, Step},
    rules::{Aimd, Fixed, Gradient, Vegas, VerifiedGradient},
    settings::{Bottleneck, Settings},
    window::Window,
};

//! Let a burst wait its turn, and tell at once who cannot be served in time.

mod chain;
mod drain;
mod forecast;
mod gate;
mod hall;
mod handle;
mod lane;
mod lines;
mod permit;
mod ramp;
mod room;
mod settings;
mod state;
#[cfg(test)]
mod tests;

pub use self::{
    gate::{Nothing, Place, SurgeQueue, Wait},
    handle::{Handle, Lane, Snapshot},
    permit::Permit,
    ramp::Ramp,
    settings::{Settings, Surge},
};
use crate::{classify::Standard, dead_letter::Discard, gate::GateLayer, request::Unasked};

/// A queue alone, as a layer for `tower::ServiceBuilder`: `SurgeQueueLayer::new(queue)`.
pub type SurgeQueueLayer<L, P = Unasked, T = Unasked, D = Unasked, S = Discard> =
    GateLayer<SurgeQueue<L, P, T, D, S>, Standard>;

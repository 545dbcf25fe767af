//! Let a burst wait its turn, and tell at once who cannot be served in time.

mod chain;
mod drain;
mod gate;
mod handle;
mod lines;
mod room;
mod settings;
mod state;

pub use self::{
    gate::{Nothing, Place, SurgeQueue, Wait},
    handle::{Handle, Snapshot},
    settings::Settings,
};
use crate::{classify::Standard, gate::GateLayer, request::Unasked};

/// A queue alone, as a layer for `tower::ServiceBuilder`: `SurgeQueueLayer::new(queue)`.
pub type SurgeQueueLayer<L, P = Unasked, T = Unasked, D = Unasked> = GateLayer<SurgeQueue<L, P, T, D>, Standard>;

//! To each key its own gate.
mod entry;
mod gate;
mod handle;
mod newcomer;
mod place;
mod pressure;
mod settings;
mod shard;
mod state;

pub use self::{
    entry::Kept,
    gate::Keyed,
    handle::{Handle, Snapshot},
    place::{Permit, Wait},
    settings::{Overflow, Settings},
};
use crate::{classify::Standard, gate::GateLayer};

/// A gate for each key alone, as a layer for `tower::ServiceBuilder`: `KeyedLayer::new(keyed)`.
pub type KeyedLayer<K, G, Q, M, S = std::hash::RandomState, C = Standard> = GateLayer<Keyed<K, G, Q, M, S>, C>;

//! Stop calling what keeps failing.

mod circuit;
mod evidence;
mod gate;
mod handle;
mod machine;
mod mode;
mod probes;
mod settings;

pub use self::{
    gate::{CircuitBreaker, Permit},
    handle::{Handle, ProbeCounts, Snapshot, State},
    settings::{OpenTime, Probes, Settings, Window},
};
pub use crate::stats::Counts;
use crate::{classify::Standard, gate::GateLayer};

/// A circuit breaker as a layer of its own, for use in a `tower::ServiceBuilder`.
pub type CircuitBreakerLayer<C = Standard> = GateLayer<CircuitBreaker, C>;

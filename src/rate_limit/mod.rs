//! Not more often than was agreed.

mod desk;
mod gate;
mod gcra;
mod handle;
mod line;
mod meter;
mod permit;
mod quota;
mod quotas;
mod remaining;
mod scale;
mod settings;
mod state;
#[cfg(test)]
mod tests;

pub use self::{
    gate::{RateLimit, Wait},
    handle::{Handle, Snapshot},
    permit::Permit,
    quota::Quota,
    remaining::Remaining,
    settings::{MAX_QUOTAS, Settings},
};
use crate::{classify::Unjudged, gate::GateLayer, request::Unasked};

/// A rate limit alone, as a layer for `tower::ServiceBuilder`: `RateLimitLayer::new(settings)`, or of a [`RateLimit`].
/// To heed what a callee asks for, [`with_judge`](GateLayer::with_judge) one that finds it.
pub type RateLimitLayer<C = Unasked, X = Unasked, D = Unasked, J = Unjudged> = GateLayer<RateLimit<C, X, D>, J>;

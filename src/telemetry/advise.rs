use std::fmt::Display;

/// Writes a line for whoever runs this, with `tracing` where that is there, at the level `warn`. When something is
/// built: never in the way of a call.
#[cfg(feature = "tracing")]
pub(crate) fn advise(advice: &dyn Display) {
    ::tracing::warn!(target: "plimsoll", "{advice}");
}

#[cfg(not(feature = "tracing"))]
pub(crate) fn advise(_: &dyn Display) {}

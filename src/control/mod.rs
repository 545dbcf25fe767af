//! Look at a whole stack at once, and change its layers by name while it serves.
//!
//! Every room has a handle, which knows all there is to know about the room, and changes its settings without losing
//! what is in flight. A [`Stack`](crate::Stack) collects the handles of its layers as it is built:
//!
//! | call | gives |
//! |---|---|
//! | [`Stack::describe`](crate::Stack::describe) | the layers in order with their settings, to be printed at the start |
//! | [`Stack::control`](crate::Stack::control) | a [`Registry`]: the handles by name |
//! | [`Registry::snapshot`] | how all layers are set, how they stand, and what was counted |
//! | [`Registry::handle`] | one layer's own handle, with its `update(settings)` |
//! | [`Registry::hold`] | a circuit held open or closed; any layer set to observe only, or to be automatic again |
//!
//! With feature `serde`, descriptions and snapshots are `Serialize`.
//!
//! Control is apart from the layers: no call passes through here, and a stack's types are the same with it and without.
//! It takes a layer's lock for a moment, as each handle says, or none.
//!
//! ```
//! use std::time::Duration;
//! use plimsoll::{Stack, bulkhead, circuit_breaker, event::Hold, telemetry::{Metric, Number}, timeout};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let stack = Stack::new()
//!     .timeout(Duration::from_secs(5))
//!     .bulkhead(bulkhead::Settings::try_new(64)?.with_name("db"))
//!     .circuit_breaker(circuit_breaker::Settings::new().with_name("db"))
//!     .timeout(Duration::from_secs(1))
//!     .counted();
//! println!("{}", stack.describe());
//!
//! let registry = stack.control();
//! assert_eq!(registry.labels().collect::<Vec<_>>(), ["timeout", "db", "db#2", "timeout#2"]);
//!
//! // An operator at night: half the places, the inner timeout shorter, and calls let through whatever the breaker thinks.
//! registry.handle::<bulkhead::Handle>("db")?.update(bulkhead::Settings::try_new(32)?);
//! registry.handle::<timeout::Handle>("timeout#2")?.update(Duration::from_millis(300));
//! registry.hold("db", Hold::Closed)?;
//!
//! let snapshot = registry.snapshot();
//! let db = snapshot.layer("db").expect("it is there");
//! assert_eq!(db.number(Metric::Limit, ""), Some(&Number::Gauge(32.0)));
//! assert_eq!(snapshot.layer("db#2").and_then(|breaker| breaker.hold), Some(Hold::Closed));
//! # Ok(())
//! # }
//! ```

mod opaque;
mod registry;
mod rooms;
#[cfg(feature = "serde")]
mod serial;
mod snapshot;

use std::any::Any;

pub(crate) use self::opaque::Opaque;
pub use self::{
    registry::{NoSuchLayer, Registry},
    snapshot::{Description, Layer, Snapshot},
};
use crate::{event::Hold, telemetry::Page};

/// What can be looked at and changed by name while it serves. Every room's handle is a `Control`, and a handle on a
/// gate of your own can be: [`Stack::with_handle`](crate::Stack::with_handle) takes it.
///
/// ```
/// use std::sync::{Arc, atomic::{AtomicU32, Ordering::Relaxed}};
/// use plimsoll::{Stack, control::Control, telemetry::{Metric, Page}};
///
/// /// Of a gate that lets so many pass and no more.
/// #[derive(Clone)]
/// struct Tickets(Arc<AtomicU32>);
///
/// impl Control for Tickets {
///     fn room(&self) -> &'static str {
///         "tickets"
///     }
///
///     fn name(&self) -> &'static str {
///         "tickets"
///     }
///
///     fn tell(&self, page: &mut Page) {
///         page.set("on sale", true).gauge(Metric::Limit, &[], self.0.load(Relaxed));
///     }
/// }
///
/// let tickets = Tickets(Arc::new(AtomicU32::new(100)));
/// let stack = Stack::new().with_handle(tickets.clone());
/// let registry = stack.control();
/// registry.handle::<Tickets>("tickets")?.0.store(50, Relaxed);
/// assert_eq!(tickets.0.load(Relaxed), 50);
/// # Ok::<_, plimsoll::control::NoSuchLayer>(())
/// ```
pub trait Control: Any + Send + Sync {
    /// What kind of layer it is: the name of the room.
    fn room(&self) -> &'static str;

    /// The name of this layer, which its refusals and events carry.
    fn name(&self) -> &'static str;

    /// Writes down how the layer is set and how it stands, as of one moment.
    fn tell(&self, page: &mut Page);

    /// Holds the layer by hand, or hands it back. `false` if it cannot be held so; then nothing has changed.
    fn hold(&self, hold: Hold) -> bool {
        let _ = hold;
        false
    }
}

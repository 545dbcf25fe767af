use tracing::{debug, info, trace, warn};

use crate::event::{Event, Observer};

/// Writes events with `tracing`, under the target `plimsoll`: what opens or stops at `warn`, what closes or is changed
/// at `info`, single requests and the steps of a limit at `debug`. Never anything of a request.
///
/// ```
/// use plimsoll::{Stack, telemetry::Tracing};
///
/// let stack = Stack::new().observe(Tracing);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Tracing;

impl Observer for Tracing {
    fn observe(&self, event: &Event) {
        let layer = event.layer();
        match *event {
            Event::Admitted { .. } => trace!(target: "plimsoll", layer, "admitted"),
            Event::Settled { ended, after, .. } => trace!(target: "plimsoll", layer, ?ended, ?after, "settled"),
            Event::BulkheadResized { from, to, .. } => {
                info!(target: "plimsoll", layer, from, to, "bulkhead resized");
            }
            Event::CircuitClosed { .. } => info!(target: "plimsoll", layer, "circuit closed"),
            Event::CircuitHalfOpened { .. } => info!(target: "plimsoll", layer, "circuit half-open"),
            Event::CircuitHeld { hold, .. } => warn!(target: "plimsoll", layer, ?hold, "circuit held"),
            Event::CircuitOpened { trip, open_for, .. } => {
                warn!(target: "plimsoll", layer, ?trip, ?open_for, "circuit opened");
            }
            Event::CircuitRamping { .. } => info!(target: "plimsoll", layer, "circuit ramping"),
            Event::LimitChanged { from, to, .. } => debug!(target: "plimsoll", layer, from, to, "limit changed"),
            Event::Demoted { .. } => debug!(target: "plimsoll", layer, "demoted"),
            Event::QueueDrained { .. } => info!(target: "plimsoll", layer, "queue drained"),
            Event::QueueStanding { .. } => warn!(target: "plimsoll", layer, "queue standing"),
            Event::Refused(rejection) => {
                debug!(target: "plimsoll", layer, reason = ?rejection.reason(), "refused");
            }
            Event::Retrying { attempt, delay, failure, .. } => {
                debug!(target: "plimsoll", layer, attempt, ?delay, ?failure, "retrying");
            }
            Event::RetryStopped { attempts, stop, .. } => {
                debug!(target: "plimsoll", layer, attempts, ?stop, "retry stopped");
            }
            Event::WouldRefuse(rejection) => {
                debug!(target: "plimsoll", layer, reason = ?rejection.reason(), "would refuse");
            }
        }
    }
}

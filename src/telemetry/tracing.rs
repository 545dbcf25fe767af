use tracing::{debug, info, warn};

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
            Event::BudgetResized { from, to, .. } => {
                info!(target: "plimsoll", layer, from, to, "budget resized");
            }
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
            Event::KeysFit { .. } => info!(target: "plimsoll", layer, "keys fit"),
            Event::KeysFull { .. } => warn!(target: "plimsoll", layer, "keys full"),
            Event::LimitChanged { from, to, .. } => debug!(target: "plimsoll", layer, from, to, "limit changed"),
            Event::Demoted { .. } => debug!(target: "plimsoll", layer, "demoted"),
            Event::QuotaChanged { .. } => info!(target: "plimsoll", layer, "quota changed"),
            Event::LongPoll { took, .. } => warn!(target: "plimsoll", layer, ?took, "long poll"),
            Event::PanicBegan { left, of, .. } => warn!(target: "plimsoll", layer, left, of, "panic began"),
            Event::PanicEnded { .. } => info!(target: "plimsoll", layer, "panic ended"),
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
            Event::Throttled { pause, .. } => warn!(target: "plimsoll", layer, ?pause, "throttled by the callee"),
            Event::WorkExhausted { granted, .. } => {
                debug!(target: "plimsoll", layer, granted, "work exhausted");
            }
            Event::ShardEjected { node, cause, eject_for, .. } => {
                warn!(target: "plimsoll", layer, node, ?cause, ?eject_for, "shard ejected");
            }
            Event::ShardReturned { node, .. } => info!(target: "plimsoll", layer, node, "shard returned"),
            Event::SpillBegan { .. } => warn!(target: "plimsoll", layer, "spill began"),
            Event::SpillEnded { .. } => info!(target: "plimsoll", layer, "spill ended"),
            Event::WouldRefuse(rejection) => {
                debug!(target: "plimsoll", layer, reason = ?rejection.reason(), "would refuse");
            }
        }
    }
}

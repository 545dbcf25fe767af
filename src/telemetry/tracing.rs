use tracing::{Span, debug, enabled, info, trace, warn};

use super::sieve::Sieve;
use crate::{
    clock,
    event::{Event, Hold, Observer},
    rejection::Reason,
};

/// Writes events with `tracing`, under the target `plimsoll`:
///
/// | level | what |
/// |---|---|
/// | `warn` | circuits that open, queues that stand, keys that are full, what is held by hand; a callee that throttles; polls that keep their thread |
/// | `info` | what closes, drains, is handed back, or changed by hand |
/// | `debug` | single requests (refused, demoted, tried again, given up on), and the steps of a limit |
/// | `trace` | each call, of a meter that [announces](crate::meter::Settings::with_events) them |
///
/// Of events about single requests it writes the first ten a second of each kind, and of refusals, of each reason; the
/// next line says in the field `left_out` how many were left out: a service that refuses a hundred thousand requests a
/// second has better things to do than to write about each. Seconds are those of tokio's clock.
///
/// If the current span has a field `attempts`, a retry records in it how often the request has been sent, or is going
/// to be:
///
/// ```
/// use plimsoll::{Stack, retry, telemetry::Tracing};
///
/// let stack = Stack::new().retry(retry::Settings::new()).observe(Tracing::new());
/// # let _ = stack;
/// let span = tracing::info_span!("inventory", attempts = tracing::field::Empty);
/// ```
///
/// It never writes anything from a request. Where nobody listens at a level, an event of that level costs a look at
/// whether somebody does.
#[derive(Debug)]
pub struct Tracing {
    most: u64,
    refused: [Sieve; Reason::ALL.len()],
    would_refuse: [Sieve; Reason::ALL.len()],
    demoted: Sieve,
    exhausted: Sieve,
    long_poll: Sieve,
    retrying: Sieve,
    stopped: Sieve,
}

impl Tracing {
    /// Writes ten lines a second of each kind about single requests.
    pub fn new() -> Self {
        Self {
            most: 10,
            refused: Default::default(),
            would_refuse: Default::default(),
            demoted: Sieve::default(),
            exhausted: Sieve::default(),
            long_poll: Sieve::default(),
            retrying: Sieve::default(),
            stopped: Sieve::default(),
        }
    }

    /// Writes so many lines a second of each kind about single requests: none with zero, all with `u64::MAX`.
    #[must_use]
    pub const fn with_most_a_second(mut self, most: u64) -> Self {
        self.most = most;
        self
    }

    /// A line about a single request, if there have not been too many.
    fn sift(&self, sieve: &Sieve, write: impl FnOnce(u64)) {
        // Reading the clock, too, is for lines that somebody reads.
        if enabled!(target: "plimsoll", tracing::Level::DEBUG)
            && let Some(left_out) = sieve.pass(self.most, clock::now())
        {
            write(left_out);
        }
    }
}

impl Default for Tracing {
    fn default() -> Self {
        Self::new()
    }
}

impl Observer for Tracing {
    fn observe(&self, event: &Event) {
        let layer = event.layer();
        match *event {
            Event::Admitted { .. } => trace!(target: "plimsoll", layer, "admitted"),
            Event::Settled { ended, after, .. } => trace!(target: "plimsoll", layer, ?ended, ?after, "settled"),
            Event::BudgetResized { from, to, .. } => {
                info!(target: "plimsoll", layer, from, to, "budget resized");
            }
            Event::BulkheadResized { from, to, .. } => {
                info!(target: "plimsoll", layer, from, to, "bulkhead resized");
            }
            Event::CircuitClosed { .. } => info!(target: "plimsoll", layer, "circuit closed"),
            Event::CircuitHalfOpened { .. } => info!(target: "plimsoll", layer, "circuit half-open"),
            Event::CircuitHeld { hold: Hold::Automatic, .. } => {
                info!(target: "plimsoll", layer, "circuit automatic again")
            }
            Event::CircuitHeld { hold, .. } => warn!(target: "plimsoll", layer, ?hold, "circuit held"),
            Event::CircuitOpened { trip, open_for, .. } => {
                warn!(target: "plimsoll", layer, ?trip, ?open_for, "circuit opened");
            }
            Event::CircuitRamping { .. } => info!(target: "plimsoll", layer, "circuit ramping"),
            Event::KeysFit { .. } => info!(target: "plimsoll", layer, "keys fit"),
            Event::KeysFull { .. } => warn!(target: "plimsoll", layer, "keys full"),
            Event::LimitChanged { from, to, .. } => debug!(target: "plimsoll", layer, from, to, "limit changed"),
            Event::Demoted { .. } => {
                self.sift(&self.demoted, |left_out| debug!(target: "plimsoll", layer, left_out, "demoted"));
            }
            Event::QuotaChanged { .. } => info!(target: "plimsoll", layer, "quota changed"),
            Event::LongPoll { took, .. } => {
                if let Some(left_out) = self.long_poll.pass(self.most, clock::now()) {
                    warn!(target: "plimsoll", layer, ?took, left_out, "long poll");
                }
            }
            Event::PanicBegan { left, of, .. } => warn!(target: "plimsoll", layer, left, of, "panic began"),
            Event::PanicEnded { .. } => info!(target: "plimsoll", layer, "panic ended"),
            Event::QueueDrained { .. } => info!(target: "plimsoll", layer, "queue drained"),
            Event::QueueStanding { .. } => warn!(target: "plimsoll", layer, "queue standing"),
            Event::Refused(rejection) => {
                let reason = rejection.reason();
                self.sift(&self.refused[reason as usize], |left_out| {
                    debug!(target: "plimsoll", layer, ?reason, left_out, "refused");
                });
            }
            Event::Retrying { attempt, delay, failure, .. } => {
                Span::current().record("attempts", attempt);
                self.sift(&self.retrying, |left_out| {
                    debug!(target: "plimsoll", layer, attempt, ?delay, ?failure, left_out, "retrying");
                });
            }
            Event::RetryStopped { attempts, stop, .. } => {
                Span::current().record("attempts", attempts);
                self.sift(&self.stopped, |left_out| {
                    debug!(target: "plimsoll", layer, attempts, ?stop, left_out, "retry stopped");
                });
            }
            Event::Throttled { pause, .. } => warn!(target: "plimsoll", layer, ?pause, "throttled by the callee"),
            Event::WorkExhausted { granted, .. } => self.sift(&self.exhausted, |left_out| {
                debug!(target: "plimsoll", layer, granted, left_out, "work exhausted");
            }),
            Event::ShardEjected { node, cause, eject_for, .. } => {
                warn!(target: "plimsoll", layer, node, ?cause, ?eject_for, "shard ejected");
            }
            Event::ShardReturned { node, .. } => info!(target: "plimsoll", layer, node, "shard returned"),
            Event::SpillBegan { .. } => warn!(target: "plimsoll", layer, "spill began"),
            Event::SpillEnded { .. } => info!(target: "plimsoll", layer, "spill ended"),
            Event::WouldRefuse(rejection) => {
                let reason = rejection.reason();
                self.sift(&self.would_refuse[reason as usize], |left_out| {
                    debug!(target: "plimsoll", layer, ?reason, left_out, "would refuse");
                });
            }
        }
    }
}

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use super::{
    metric::Metric,
    names::{self, Attributes},
    sample::{Number, Sample},
};
use crate::{
    event::{Event, Observer},
    rejection::Reason,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// What is counted of each layer, and by what.
const ROWS: [(Metric, &[Attributes]); 18] = [
    (Metric::Refusals, names::REASONS),
    (Metric::WouldRefuse, names::REASONS),
    (Metric::LimitChanges, names::DIRECTIONS),
    (Metric::QueueChanges, names::QUEUES),
    (Metric::Demotions, names::NONE),
    (Metric::CircuitChanges, names::STATES),
    (Metric::CircuitChanges, names::TRIPS),
    (Metric::Holds, names::HOLDS),
    (Metric::RetryCauses, names::FAILURES),
    (Metric::RetryStops, names::STOPS),
    (Metric::KeysChanges, names::KEYS),
    (Metric::QuotaChanges, names::NONE),
    (Metric::Pauses, names::NONE),
    (Metric::LongPolls, names::NONE),
    (Metric::ShardEjections, names::EJECTIONS),
    (Metric::ShardReturns, names::NONE),
    (Metric::ShardPanics, names::SPELLS),
    (Metric::Spills, names::SPELLS),
];

const REFUSALS: usize = 0;
const WOULD_REFUSE: usize = 1;
const LIMIT_CHANGES: usize = 2;
const QUEUE_CHANGES: usize = 3;
const DEMOTIONS: usize = 4;
const STATES: usize = 5;
const TRIPS: usize = 6;
const HOLDS: usize = 7;
const CAUSES: usize = 8;
const STOPS: usize = 9;
const KEYS: usize = 10;
const QUOTAS: usize = 11;
const PAUSES: usize = 12;
const LONG_POLLS: usize = 13;
const EJECTIONS: usize = 14;
const RETURNS: usize = 15;
const PANICS: usize = 16;
const SPILLS: usize = 17;

/// The row of an event, and its place in the row.
fn place(event: &Event) -> Option<(usize, usize)> {
    Some(match *event {
        // The reasons' row is in the order of the enum: nothing to search.
        Event::Refused(rejection) => (REFUSALS, rejection.reason() as usize),
        Event::WouldRefuse(rejection) => (WOULD_REFUSE, rejection.reason() as usize),
        Event::BulkheadResized { from, to, .. }
        | Event::BudgetResized { from, to, .. }
        | Event::LimitChanged { from, to, .. } => (LIMIT_CHANGES, usize::from(to > from)),
        Event::QueueDrained { .. } => (QUEUE_CHANGES, 0),
        Event::QueueStanding { .. } => (QUEUE_CHANGES, 1),
        Event::Demoted { .. } => (DEMOTIONS, 0),
        Event::CircuitClosed { .. } => (STATES, 0),
        Event::CircuitHalfOpened { .. } => (STATES, 1),
        Event::CircuitRamping { .. } => (STATES, 2),
        Event::CircuitOpened { trip, .. } => (TRIPS, names::trip(trip)),
        Event::CircuitHeld { hold, .. } => (HOLDS, names::hold(hold)),
        Event::Retrying { failure, .. } => (CAUSES, names::failure(failure)),
        Event::RetryStopped { stop, .. } => (STOPS, names::stop(stop)),
        Event::KeysFit { .. } => (KEYS, 0),
        Event::KeysFull { .. } => (KEYS, 1),
        Event::QuotaChanged { .. } => (QUOTAS, 0),
        Event::Throttled { .. } => (PAUSES, 0),
        Event::LongPoll { .. } => (LONG_POLLS, 0),
        Event::ShardEjected { cause, .. } => (EJECTIONS, names::ejection(cause)),
        Event::ShardReturned { .. } => (RETURNS, 0),
        Event::PanicBegan { .. } => (PANICS, 0),
        Event::PanicEnded { .. } => (PANICS, 1),
        Event::SpillBegan { .. } => (SPILLS, 0),
        Event::SpillEnded { .. } => (SPILLS, 1),
        // Their rooms count them: a meter, and a work budget.
        Event::Admitted { .. } | Event::Settled { .. } | Event::WorkExhausted { .. } => return None,
    })
}

/// An observer that counts: refusals by reason, changes of circuits, queues and limits, retries and why they stopped.
///
/// [`Stack::counted`](crate::Stack::counted) makes one for a stack. Make one by hand for layers that stand alone, or
/// for several stacks together:
///
/// ```
/// use plimsoll::{Observer, Reason, bulkhead::{Bulkhead, Settings}, telemetry::Counters};
///
/// let counters = Counters::for_layers(["db", "cache"]);
/// let db = Bulkhead::new(Settings::try_new(64)?.with_name("db")).observe(counters.clone());
/// assert_eq!(counters.refusals("db", Reason::BulkheadFull), 0);
/// # Ok::<_, plimsoll::InvalidSetting>(())
/// ```
///
/// What is counted is fixed when it is made: [`LAYERS`](Self::LAYERS) layers at most, by their names; events of other
/// layers are counted together, as those of a layer `other`. An event costs one search among the names, by address
/// first, and one addition. Nothing is allocated or locked. Clones count together.
#[derive(Clone)]
pub struct Counters(Arc<Slots>);

struct Slots {
    layers: [OnceLock<Slot>; Counters::LAYERS],
    other: Slot,
}

struct Slot {
    layer: &'static str,
    /// A row after the other.
    counts: Box<[AtomicU64]>,
}

impl Counters {
    /// How many layers can be counted separately.
    pub const LAYERS: usize = 32;

    /// Counts of these layers, all zero.
    pub fn for_layers(layers: impl IntoIterator<Item = &'static str>) -> Self {
        let counters =
            Self(Arc::new(Slots { layers: [const { OnceLock::new() }; Self::LAYERS], other: Slot::new("other") }));
        layers.into_iter().for_each(|layer| counters.add(layer));
        counters
    }

    /// Counts this layer too, separately if there is room for it: O(layers).
    pub(crate) fn add(&self, layer: &'static str) {
        for slot in &self.0.layers {
            if slot.get_or_init(|| Slot::new(layer)).layer == layer {
                return;
            }
        }
    }

    /// How many requests this layer has refused for this reason.
    pub fn refusals(&self, layer: &str, reason: Reason) -> u64 {
        let count = |slot: &Slot| slot.count(REFUSALS, names::reason(reason)).map(|count| count.load(Relaxed));
        self.slots().find(|slot| slot.layer == layer).and_then(count).unwrap_or(0)
    }

    /// What has been counted of this layer. What never happened is left out.
    pub fn samples(&self, layer: &str) -> Vec<Sample> {
        self.slots().find(|slot| slot.layer == layer).map(Slot::samples).unwrap_or_default()
    }

    /// The names of the layers that are counted separately, and `other`.
    pub fn layers(&self) -> impl Iterator<Item = &'static str> {
        self.slots().map(|slot| slot.layer)
    }

    /// Whether these are the very same counts.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.0.layers.iter().map_while(OnceLock::get).chain([&self.0.other])
    }

    /// Names are given once and passed on: the same one is mostly at the same address.
    fn find(&self, layer: &'static str) -> &Slot {
        let same = |slot: &&Slot| std::ptr::eq(slot.layer, layer);
        let equal = |slot: &&Slot| slot.layer == layer;
        self.slots().find(same).or_else(|| self.slots().find(equal)).unwrap_or(&self.0.other)
    }
}

impl Observer for Counters {
    fn observe(&self, event: &Event) {
        if let Some((row, column)) = place(event)
            && let Some(count) = self.find(event.layer()).count(row, column)
        {
            count.fetch_add(1, Relaxed);
        }
    }
}

/// The layers that are counted.
impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Counters ")?;
        f.debug_list().entries(self.layers()).finish()
    }
}

impl Slot {
    fn new(layer: &'static str) -> Self {
        let places = ROWS.iter().map(|(_, row)| row.len()).sum();
        Self { layer, counts: (0..places).map(|_| AtomicU64::new(0)).collect() }
    }

    fn count(&self, row: usize, column: usize) -> Option<&AtomicU64> {
        let before: usize = ROWS.iter().take(row).map(|(_, row)| row.len()).sum();
        self.counts.get(before + column)
    }

    fn samples(&self) -> Vec<Sample> {
        let places = ROWS.iter().flat_map(|(metric, row)| row.iter().map(|attributes| (*metric, *attributes)));
        let counted =
            places.zip(&self.counts).map(|((metric, attributes), count)| (metric, attributes, count.load(Relaxed)));
        let happened = counted.filter(|(_, _, count)| *count > 0);
        happened
            .map(|(metric, attributes, count)| Sample { metric, attributes, number: Number::Counter(count) })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        classify::Failure,
        event::{Ejection, Hold, Stop, Trip},
        rejection::Rejection,
    };

    fn told(counters: &Counters, layer: &str) -> Vec<(&'static str, Vec<&'static str>, u64)> {
        let plain = |sample: Sample| {
            let Number::Counter(count) = sample.number else { panic!("no counter") };
            (sample.metric.name(), sample.attributes.iter().map(|(_, value)| *value).collect(), count)
        };
        counters.samples(layer).into_iter().map(plain).collect()
    }

    #[test]
    fn each_event_is_counted_of_its_layer_by_what_it_says() {
        let counters = Counters::for_layers(["db", "db", "cache"]);
        assert_eq!(counters.layers().collect::<Vec<_>>(), ["db", "cache", "other"]);
        let refused = Event::Refused(Rejection::new(Reason::WorkExhausted, "db"));
        for event in [
            refused,
            refused,
            Event::WouldRefuse(Rejection::new(Reason::BulkheadFull, "db")),
            Event::CircuitOpened { layer: "db", trip: Trip::SlowCallRate, open_for: Duration::ZERO },
            Event::CircuitHeld { layer: "db", hold: Hold::Open },
            Event::CircuitRamping { layer: "db" },
            Event::LimitChanged { layer: "db", from: 2, to: 1 },
            Event::BulkheadResized { layer: "db", from: 1, to: 2 },
            Event::Retrying { layer: "cache", attempt: 2, delay: Duration::ZERO, failure: Failure::Throttled(None) },
            Event::RetryStopped { layer: "cache", attempts: 3, stop: Stop::Budget },
            Event::Admitted { layer: "db" },
        ] {
            counters.observe(&event);
        }
        let expected = [
            ("plimsoll.refusals", vec!["work_exhausted"], 2),
            ("plimsoll.refusals.observed", vec!["bulkhead_full"], 1),
            ("plimsoll.limit.changes", vec!["down"], 1),
            ("plimsoll.limit.changes", vec!["up"], 1),
            ("plimsoll.circuit.changes", vec!["ramping"], 1),
            ("plimsoll.circuit.changes", vec!["open", "slow_call_rate"], 1),
            ("plimsoll.holds", vec!["open"], 1),
        ];
        assert_eq!(told(&counters, "db"), expected);
        let expected = [("plimsoll.retry.causes", vec!["throttled"], 1), ("plimsoll.retry.stops", vec!["budget"], 1)];
        assert_eq!(told(&counters, "cache"), expected);
        assert_eq!((counters.refusals("db", Reason::WorkExhausted), counters.refusals("db", Reason::Custom)), (2, 0));
    }

    /// What begins and what ends are neighbours in a row: taken for one another, an alarm would stay on after its cause
    /// had gone.
    #[test]
    fn an_end_is_not_taken_for_a_beginning_nor_one_cause_for_another() {
        let layer = "db";
        let ejected = |cause| Event::ShardEjected { layer, node: 7, cause, eject_for: Duration::ZERO };
        for (event, metric, value) in [
            (Event::QueueDrained { layer }, Metric::QueueChanges, "drained"),
            (Event::QueueStanding { layer }, Metric::QueueChanges, "standing"),
            (Event::CircuitClosed { layer }, Metric::CircuitChanges, "closed"),
            (Event::CircuitHalfOpened { layer }, Metric::CircuitChanges, "half_open"),
            (Event::CircuitRamping { layer }, Metric::CircuitChanges, "ramping"),
            (Event::KeysFit { layer }, Metric::KeysChanges, "fit"),
            (Event::KeysFull { layer }, Metric::KeysChanges, "full"),
            (ejected(Ejection::ByHand), Metric::ShardEjections, "by_hand"),
            (ejected(Ejection::ConsecutiveFailures), Metric::ShardEjections, "consecutive_failures"),
            (ejected(Ejection::SuccessRate), Metric::ShardEjections, "success_rate"),
            (Event::PanicBegan { layer, left: 1, of: 3 }, Metric::ShardPanics, "began"),
            (Event::PanicEnded { layer }, Metric::ShardPanics, "ended"),
            (Event::SpillBegan { layer }, Metric::Spills, "began"),
            (Event::SpillEnded { layer }, Metric::Spills, "ended"),
        ] {
            let counters = Counters::for_layers([layer]);
            counters.observe(&event);
            assert_eq!(told(&counters, layer), [(metric.name(), vec![value], 1)], "{event:?}");
        }
    }

    #[test]
    fn whoever_is_not_known_is_counted_with_the_others_and_more_layers_than_there_is_room_for_too() {
        let names: Vec<&'static str> = (0..40).map(|n| &*String::leak(format!("layer {n}"))).collect();
        let counters = Counters::for_layers(names.iter().copied());
        for layer in names.iter().chain(&["stranger"]) {
            counters.observe(&Event::Demoted { layer });
        }
        assert_eq!(counters.layers().count(), Counters::LAYERS + 1);
        assert_eq!(told(&counters, "layer 31"), [("plimsoll.queue.demotions", vec![], 1)]);
        assert_eq!(told(&counters, "other"), [("plimsoll.queue.demotions", vec![], 9)]);
        assert_eq!(told(&counters, "nobody"), []);
    }

    /// The same name from elsewhere has an address of its own.
    #[test]
    fn a_name_is_found_wherever_it_is_written() {
        let counters = Counters::for_layers(["db"]);
        counters.observe(&Event::Demoted { layer: String::leak("db".to_owned()) });
        assert_eq!(told(&counters, "db"), [("plimsoll.queue.demotions", vec![], 1)]);
    }
}

use std::fmt;

/// Writes the one table of metrics: a variant, its name, what kind it is, its unit, and what it says.
macro_rules! metrics {
    ($($metric:ident: $name:literal, $kind:ident, $unit:literal, $by:literal, $says:literal;)*) => {
        /// What can be measured. Names are in the style of OpenTelemetry, and so are units (UCUM).
        ///
        /// Every number has the attribute `plimsoll.layer`, the name of the layer; the column says which others. Their
        /// values are fixed in the library, so a row never has more series than layers times its values.
        ///
        /// | name | kind | unit | by | says |
        /// |---|---|---|---|---|
        $(#[doc = concat!("| `", $name, "` | ", stringify!($kind), " | `", $unit, "` | ", $by, " | ", $says, " |")])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Metric {
            $(#[doc = $says] $metric,)*
        }

        impl Metric {
            /// Every metric, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$metric),*];

            /// Its name, such as `plimsoll.refusals`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$metric => $name,)* }
            }

            /// Whether it only grows, comes and goes, or is spread over buckets.
            pub const fn kind(self) -> Kind {
                match self { $(Self::$metric => Kind::$kind,)* }
            }

            /// Its unit, as UCUM writes it: `s`, or in braces what is counted.
            pub const fn unit(self) -> &'static str {
                match self { $(Self::$metric => $unit,)* }
            }

            /// What it says, in a sentence.
            pub const fn description(self) -> &'static str {
                match self { $(Self::$metric => $says,)* }
            }
        }
    };
}

metrics! {
    CallsActive: "plimsoll.calls.active", Gauge, "{call}", "", "Calls past a meter that have not ended";
    Calls: "plimsoll.calls", Counter, "{call}", "`plimsoll.outcome`, `error.type`", "Calls past a meter that ended";
    CallDuration: "plimsoll.call.duration", Histogram, "s", "`plimsoll.outcome`", "How long answered calls past a meter took";
    Refusals: "plimsoll.refusals", Counter, "{request}", "`plimsoll.reason`", "Requests that were refused or given up on";
    WouldRefuse: "plimsoll.refusals.observed", Counter, "{request}", "`plimsoll.reason`", "Requests that a layer would have refused, had it not only observed";
    Limit: "plimsoll.limit", Gauge, "{permit}", "`plimsoll.lane`", "How many may be under way";
    LimitChanges: "plimsoll.limit.changes", Counter, "{change}", "`plimsoll.direction`", "How often a limit moved, by itself or by hand";
    InUse: "plimsoll.in_use", Gauge, "{permit}", "`plimsoll.lane`", "Permits or places in use";
    Parked: "plimsoll.parked", Gauge, "{call}", "", "Calls under way that do not count against the limit, as they are streams";
    Waiting: "plimsoll.queue.depth", Gauge, "{request}", "`plimsoll.class` or `plimsoll.lane`", "Requests that wait";
    OldestWait: "plimsoll.queue.age", Gauge, "s", "", "How long the oldest waiting request has waited";
    ForetoldWait: "plimsoll.queue.foretold_wait", Gauge, "s", "`plimsoll.class`", "How long a request that came now would wait";
    QueueChanges: "plimsoll.queue.changes", Counter, "{change}", "`plimsoll.state`", "How often a queue was found standing, and drained after that";
    Standing: "plimsoll.queue.standing", Gauge, "1", "", "1 while a queue has not been empty for a while";
    Demotions: "plimsoll.queue.demotions", Counter, "{request}", "", "Requests that went to the second lane of their room";
    DeadLetters: "plimsoll.dead_letters", Counter, "{request}", "", "Requests that were handed to a dead-letter sink";
    CallTime: "plimsoll.call.time", Gauge, "s", "`plimsoll.estimate`", "A load shedder's estimates of how long a call takes: the latest mean, and without a queue";
    CircuitState: "plimsoll.circuit.state", Gauge, "1", "`plimsoll.state`", "1 for the state that the circuit is in";
    CircuitWindow: "plimsoll.circuit.window", Gauge, "{call}", "`plimsoll.outcome`", "What the circuit's window holds";
    CircuitChanges: "plimsoll.circuit.changes", Counter, "{change}", "`plimsoll.state`, `plimsoll.trip`", "How often the circuit came into a state";
    Held: "plimsoll.held", Gauge, "1", "`plimsoll.hold`", "1 while a layer is held by hand, or only observes";
    Holds: "plimsoll.holds", Counter, "{change}", "`plimsoll.hold`", "How often a circuit was held or handed back by hand";
    RetriesSent: "plimsoll.retries", Counter, "{attempt}", "", "Attempts after the first that were sent";
    RetryCauses: "plimsoll.retry.causes", Counter, "{attempt}", "`error.type`", "Attempts that failed and were to be followed by another";
    RetriesStopped: "plimsoll.retries.stopped", Counter, "{request}", "", "Requests that failed and were not tried again";
    RetryStops: "plimsoll.retry.stops", Counter, "{request}", "`plimsoll.stop`", "Why requests that failed were not tried again";
    Quota: "plimsoll.quota", Gauge, "{cell}", "`plimsoll.quota`", "The most cells that a quota can have";
    QuotaRemaining: "plimsoll.quota.remaining", Gauge, "{cell}", "`plimsoll.quota`", "Cells of a quota that a request could have";
    QuotaChanges: "plimsoll.quota.changes", Counter, "{change}", "", "How often the quotas of a rate limit were changed";
    Pause: "plimsoll.pause", Gauge, "s", "", "For how long nobody is let in, because the callee asked for it";
    Pauses: "plimsoll.pauses", Counter, "{pause}", "", "How often the callee asked to be left alone";
    Keys: "plimsoll.keys", Gauge, "{key}", "", "Keys that have a gate of their own";
    KeysLimit: "plimsoll.keys.limit", Gauge, "{key}", "", "Keys that can have one";
    KeysForgotten: "plimsoll.keys.forgotten", Counter, "{key}", "`plimsoll.why`", "Keys that were forgotten, to make room or because nobody asked for them";
    KeysOverflowed: "plimsoll.keys.overflowed", Counter, "{request}", "", "Requests that found no place for their key";
    KeysChanges: "plimsoll.keys.changes", Counter, "{change}", "`plimsoll.state`", "How often there was no place for a new key, and how often there was again";
    CellsFull: "plimsoll.cells.full", Gauge, "{cell}", "", "Cells of a sharded bulkhead that take no more";
    WorkGranted: "plimsoll.work.granted", Counter, "{fuel}", "", "Fuel that was granted to requests that have ended";
    WorkSpent: "plimsoll.work.spent", Counter, "{fuel}", "", "Fuel that was spent by requests that have ended";
    WorkExhausted: "plimsoll.work.exhausted", Counter, "{request}", "", "Requests that wanted more than they were granted";
    WorkSpread: "plimsoll.work.spread", Gauge, "{fuel}", "`plimsoll.quantile`", "How much work requests spend, by quantile";
    LongPolls: "plimsoll.long_polls", Counter, "{poll}", "", "Polls that kept their thread for too long";
    Shards: "plimsoll.shards", Gauge, "{shard}", "`plimsoll.state`", "Members of a fleet, by state";
    ShardEjections: "plimsoll.shards.ejections", Counter, "{shard}", "`plimsoll.cause`", "How often a member was ejected";
    ShardReturns: "plimsoll.shards.returns", Counter, "{shard}", "", "How often a member came back into service";
    ShardPanic: "plimsoll.shards.panic", Gauge, "1", "", "1 while so few members are left that ejections are ignored";
    ShardPanics: "plimsoll.shards.panics", Counter, "{change}", "`plimsoll.state`", "How often such a panic began, and ended";
    Resent: "plimsoll.resent", Counter, "{request}", "", "Requests that went to another member of a fleet because one had refused them";
    Spilled: "plimsoll.spilled", Counter, "{request}", "", "Requests that went to a member outside their tenant's hand";
    Spills: "plimsoll.spills", Counter, "{change}", "`plimsoll.state`", "How often requests began to go to members outside their tenant's hand, and ceased to";
    Budget: "plimsoll.budget", Gauge, "{token}", "", "What is left of a budget";
}

/// What kind of number a [`Metric`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// Only grows, from when its layer was made.
    Counter,
    /// Comes and goes.
    Gauge,
    /// Spread over buckets, each of which only grows.
    Histogram,
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_in_one_style() {
        for (place, metric) in Metric::ALL.iter().enumerate() {
            assert_eq!(*metric as usize, place);
            assert!(metric.name().starts_with("plimsoll."), "{metric}");
            assert!(
                metric.name().chars().all(|letter| letter.is_ascii_lowercase() || "._".contains(letter)),
                "{metric}"
            );
            assert!(Metric::ALL[..place].iter().all(|other| other.name() != metric.name()), "{metric} is there twice");
            assert!(!metric.description().ends_with('.'), "exporters end the sentence");
        }
    }
}

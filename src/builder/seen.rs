//! What a stack says about itself.

use std::sync::Arc;

use super::Stack;
use crate::{
    control::{Control, Description, Registry},
    event::{Events, Observer},
    lint::Warning,
    shuffle_shard,
    telemetry::Counters,
};

/// What is known of the layers of a stack, and what is counted of them once somebody asks.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    registry: Registry,
    counters: Counters,
}

impl Seen {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        Self { registry: Registry::new(), counters: Counters::for_layers([]) }
    }

    /// Another layer, further in than all before.
    pub(super) fn add(&mut self, handle: impl Control) {
        self.registry.add(Arc::new(handle));
    }

    /// Another router, unless it is known: each service around it comes by here, one for each connection perhaps.
    pub(super) fn add_router(&mut self, handle: shuffle_shard::Handle) {
        if !self.registry.handles().any(|known: &shuffle_shard::Handle| known.is(&handle)) {
            self.add(handle);
        }
    }
}

impl<L, G, C> Stack<L, G, C> {
    /// Lets `observer` hear what happens in every room of this stack, whether added before or after this call. A stack
    /// has one observer; a second is not heard, unless [`Observer::and`] makes the two one.
    pub fn observe(self, observer: impl Observer + 'static) -> Self {
        self.events.observe(observer);
        self
    }

    /// Counts what happens in every room of this stack, whether added before or after this call: refusals by layer and
    /// reason, changes of circuits, queues and limits, retries and why they stopped. [`control`](Self::control) shows
    /// the counts. Counting takes no observer's place, and includes rooms that have an observer of their own. See
    /// [`telemetry`](crate::telemetry#choose-what-it-costs) for what that costs.
    pub fn counted(mut self) -> Self {
        let Seen { registry, counters } = &mut self.seen;
        self.events.count(Arc::new(counters.clone()));
        registry.count_by(counters.clone());
        self
    }

    /// Tells this stack of a layer that it does not know itself, as if that stood here. `handle` is that of a room in a
    /// [`PerKind`](crate::gate::PerKind) or in a stack of its own, or one of [your own](Control).
    pub fn with_handle(mut self, handle: impl Control) -> Self {
        self.seen.add(handle);
        self
    }

    /// The layers of this stack with their settings, in order:
    ///
    /// ```
    /// use std::time::Duration;
    /// use plimsoll::{Stack, bulkhead};
    ///
    /// let stack = Stack::new()
    ///     .timeout(Duration::from_secs(5))
    ///     .bulkhead(bulkhead::Settings::try_new(64)?.with_name("db"));
    /// assert_eq!(
    ///     stack.describe().to_string(),
    ///     "1. timeout: limit 5s\n\
    ///      2. bulkhead \"db\": limit 64, max_waiting 0, max_wait 0ns, order OldestFirst, compartments none",
    /// );
    /// # Ok::<_, plimsoll::InvalidSetting>(())
    /// ```
    pub fn describe(&self) -> Description {
        self.seen.registry.describe()
    }

    /// What does not fit together in this stack, as it is set at this moment: timeouts that never act, retries without
    /// a budget, layers in an order that hurts. See [`lint`](crate::lint) for the rules.
    ///
    /// ```
    /// use std::time::Duration;
    /// use plimsoll::{Stack, retry};
    ///
    /// let stack = Stack::new().timeout(Duration::from_secs(1)).retry(retry::Settings::new()).timeout(Duration::from_secs(2));
    /// assert_eq!(
    ///     stack.warnings()[0].to_string(),
    ///     "timeout#2 (limit 2s) is not shorter than the one outside of it, timeout (limit 1s): it never ends anything. \
    ///      Shorten it, or lengthen the outer one",
    /// );
    /// ```
    pub fn warnings(&self) -> Vec<Warning> {
        self.describe().warnings()
    }

    /// The handles of all layers by their names, to look at all of them at once, and to change each while it serves.
    /// See [`control`](crate::control).
    pub fn control(&self) -> Registry {
        self.seen.registry.clone()
    }

    /// Where this stack announces what happens: for a gate of your own that has something to announce.
    pub fn events(&self) -> Events {
        self.events.clone()
    }
}

use std::sync::Arc;

use tower_layer::Layer;

use super::service::{Gated, Group};
use crate::{
    classify::Standard,
    event::{Events, Observer},
};

/// Puts a gate in front of services. Every service that it layers, and every clone of one, meets the same gate.
///
/// Each room's own layer is one of these, for use alone in a `tower::ServiceBuilder`. Inside a [`Stack`](crate::Stack)
/// it is made for you, one for all neighbouring gates.
#[derive(Debug)]
#[must_use]
pub struct GateLayer<G, C = Standard> {
    group: Arc<Group<G, C>>,
}

impl<G, C> GateLayer<G, C> {
    /// A layer around a room's gate or settings, which judges results as that room does by default.
    pub fn new(gate: impl Into<G>) -> Self
    where
        C: Default,
    {
        Self::with_judge(gate, C::default())
    }

    /// A layer around `gate`, which judges results by `judge`.
    pub fn with_judge(gate: impl Into<G>, judge: C) -> Self {
        Self::in_stack(gate.into(), judge, Events::default())
    }

    /// Lets `observer` hear of refusals, in place of the room's own observer, which goes on hearing everything else.
    pub fn observe(self, observer: impl Observer + 'static) -> Self {
        self.group.events.observe(observer);
        self
    }

    pub(crate) fn in_stack(gate: G, judge: C, events: Events) -> Self {
        Self { group: Arc::new(Group { gate, judge, events }) }
    }
}

impl<G, C> Clone for GateLayer<G, C> {
    fn clone(&self) -> Self {
        Self { group: Arc::clone(&self.group) }
    }
}

impl<G, C, S> Layer<S> for GateLayer<G, C> {
    type Service = Gated<S, G, C>;

    fn layer(&self, inner: S) -> Self::Service {
        Gated::new(inner, Arc::clone(&self.group))
    }
}

use std::sync::Arc;

use crate::event::{Event, Observer};

/// An observer that all stacks share which are made of the same settings.
#[derive(Clone)]
pub(super) struct Shared(Arc<dyn Observer>);

impl Shared {
    pub(super) fn new(observer: impl Observer + 'static) -> Self {
        Self(Arc::new(observer))
    }
}

impl Observer for Shared {
    fn observe(&self, event: &Event) {
        self.0.observe(event);
    }
}

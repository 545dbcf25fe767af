use std::{fmt, sync::Arc, time::Duration};

use tower_layer::Layer;

use super::{handle::Handle, service::Timeout, settings::Settings};
use crate::{
    clock::nanos,
    event::{Events, Observer},
    request::{Scoped, Unasked},
    sync::atomic::AtomicU64,
};

/// Bounds the time of calls. See the [module](super).
#[derive(Clone)]
#[must_use]
pub struct TimeoutLayer<D = Unasked, T = Unasked, K = Scoped> {
    pub(super) shared: Arc<Shared>,
    pub(super) questions: Questions<D, T, K>,
}

/// What all services of a layer share: a time that can be changed, and where to tell of it.
#[derive(Debug)]
pub(super) struct Shared {
    /// In nanoseconds; `u64::MAX` is for ever.
    pub(super) limit: AtomicU64,
    pub(super) name: &'static str,
    pub(super) events: Events,
}

/// What is asked of a request.
#[derive(Clone, Copy)]
pub(super) struct Questions<D, T, K> {
    pub(super) deadline: D,
    pub(super) timeout: T,
    pub(super) carry: K,
}

impl Shared {
    fn new(settings: Settings, events: Events) -> Arc<Self> {
        Arc::new(Self { limit: AtomicU64::new(nanos(settings.limit())), name: settings.name(), events })
    }
}

impl TimeoutLayer {
    /// Bounds calls by `settings`; a [`Duration`] will do.
    pub fn new(settings: impl Into<Settings>) -> Self {
        let questions = Questions { deadline: Unasked, timeout: Unasked, carry: Scoped };
        Self { shared: Shared::new(settings.into(), Events::default()), questions }
    }
}

impl From<Settings> for TimeoutLayer {
    fn from(settings: Settings) -> Self {
        Self::new(settings)
    }
}

impl From<Duration> for TimeoutLayer {
    fn from(limit: Duration) -> Self {
        Self::new(limit)
    }
}

impl<D, T, K> TimeoutLayer<D, T, K> {
    /// Heeds a request's own deadline: `|r: &Req| r.deadline`, or if the request says how much time is left,
    /// `|r: &Req| r.left.map(|left| clock::now().after(left))`; see [`clock::Instant`](crate::clock::Instant). The call
    /// ends at the deadline or the limit, whichever is earlier. Clamp here a deadline that a stranger may set.
    pub fn deadline_by<F>(self, deadline: F) -> TimeoutLayer<F, T, K> {
        let Questions { timeout, carry, .. } = self.questions;
        TimeoutLayer { shared: self.shared, questions: Questions { deadline, timeout, carry } }
    }

    /// Gives some requests another limit than the layer's: `|r: &Req| r.is_export.then_some(MINUTE)`. `None` means the
    /// layer's, `Some(Duration::MAX)` none at all.
    pub fn timeout_by<F>(self, timeout: F) -> TimeoutLayer<D, F, K> {
        let Questions { deadline, carry, .. } = self.questions;
        TimeoutLayer { shared: self.shared, questions: Questions { deadline, timeout, carry } }
    }

    /// Lets requests carry their deadline to the inner service, and heeds a deadline that they carry already: see
    /// [`Carry`](crate::request::Carry).
    pub fn carry<F>(self, carry: F) -> TimeoutLayer<D, T, F> {
        let Questions { deadline, timeout, .. } = self.questions;
        TimeoutLayer { shared: self.shared, questions: Questions { deadline, timeout, carry } }
    }

    /// Tells `observer` what happens here. In a stack the stack's observer is told unless this was called. The first
    /// observer set is the one told.
    pub fn observe(self, observer: impl Observer + 'static) -> Self {
        self.shared.events.observe(observer);
        self
    }

    /// To look at it and change it while it serves. Take the handle before the layer goes into the stack.
    pub fn handle(&self) -> Handle {
        Handle::new(Arc::clone(&self.shared))
    }

    /// The same settings, closures and observer, with new state: its limit changes independently of this one's.
    pub fn fresh(&self) -> Self
    where
        D: Clone,
        T: Clone,
        K: Clone,
    {
        let shared = Shared::new(self.shared.settings(), self.shared.events.clone());
        Self { shared, questions: self.questions.clone() }
    }

    pub(crate) fn join(&self, events: &Events) {
        self.shared.events.join(events);
    }
}

/// Whatever the closures are: they need not be `Debug`.
impl<D, T, K> fmt::Debug for TimeoutLayer<D, T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimeoutLayer").field("settings", &self.shared.settings()).finish_non_exhaustive()
    }
}

impl<S, D: Clone, T: Clone, K: Clone> Layer<S> for TimeoutLayer<D, T, K> {
    type Service = Timeout<S, D, T, K>;

    fn layer(&self, inner: S) -> Self::Service {
        Timeout::new(inner, self.clone())
    }
}

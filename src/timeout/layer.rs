use std::{sync::Arc, time::Duration};

use tower_layer::Layer;

use super::service::Timeout;
use crate::{
    clock::nanos,
    event::{Events, Observer},
    request::{Scoped, Unasked},
    settings::InvalidSetting,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// Bounds the time of calls. See the [module](super).
#[derive(Clone, Debug)]
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
#[derive(Clone, Copy, Debug)]
pub(super) struct Questions<D, T, K> {
    pub(super) deadline: D,
    pub(super) timeout: T,
    pub(super) carry: K,
}

impl TimeoutLayer {
    /// Calls take at most `limit`. Zero lets through only what is answered at the first poll; [`Duration::MAX`] is no
    /// limit, and leaves the deadlines that requests bring.
    pub fn new(limit: Duration) -> Self {
        Self::named("timeout", limit)
    }

    /// As [`new`](Self::new), with the name under which it refuses.
    pub fn named(name: &'static str, limit: Duration) -> Self {
        let shared = Shared { limit: AtomicU64::new(nanos(limit)), name, events: Events::default() };
        let questions = Questions { deadline: Unasked, timeout: Unasked, carry: Scoped };
        Self { shared: Arc::new(shared), questions }
    }

    /// As [`new`](Self::new), for a number that may be anything.
    ///
    /// # Errors
    /// [`InvalidSetting`] if `limit` is zero.
    pub fn try_new(limit: Duration) -> Result<Self, InvalidSetting> {
        if limit.is_zero() {
            return Err(InvalidSetting::new("timeout.limit", limit, "longer than zero"));
        }
        Ok(Self::new(limit))
    }

    /// A timeout for a whole call, retries and pauses included, and one for each attempt: the first goes outside of
    /// retry, the second inside.
    ///
    /// # Errors
    /// [`InvalidSetting`] if either is zero, or `attempt` is not shorter than `total`: it would never end an attempt
    /// before the call is over.
    pub fn try_total_and_attempt(total: Duration, attempt: Duration) -> Result<(Self, Self), InvalidSetting> {
        if total.is_zero() {
            return Err(InvalidSetting::new("timeout.total", total, "longer than zero"));
        }
        if attempt.is_zero() || attempt >= total {
            return Err(InvalidSetting::new("timeout.attempt", attempt, "longer than zero and shorter than the total"));
        }
        Ok((Self::named("timeout.total", total), Self::named("timeout.attempt", attempt)))
    }
}

impl From<Duration> for TimeoutLayer {
    fn from(limit: Duration) -> Self {
        Self::new(limit)
    }
}

impl<D, T, K> TimeoutLayer<D, T, K> {
    /// Heeds the deadline that a request brings: `|r: &Req| r.deadline`. The earlier of it and the limit ends the
    /// call. A deadline that a stranger may set should be clamped there.
    pub fn deadline_by<F>(self, deadline: F) -> TimeoutLayer<F, T, K> {
        let Questions { timeout, carry, .. } = self.questions;
        TimeoutLayer { shared: self.shared, questions: Questions { deadline, timeout, carry } }
    }

    /// Gives some requests another limit than the layer's: `|r: &Req| r.is_export.then_some(MINUTE)`. `None` is the
    /// layer's, `Some(Duration::MAX)` none at all.
    pub fn timeout_by<F>(self, timeout: F) -> TimeoutLayer<D, F, K> {
        let Questions { deadline, carry, .. } = self.questions;
        TimeoutLayer { shared: self.shared, questions: Questions { deadline, timeout, carry } }
    }

    /// Lets requests carry their deadline to the inner service, and heeds the one that they carry: see
    /// [`Carry`](crate::request::Carry).
    pub fn carry<F>(self, carry: F) -> TimeoutLayer<D, T, F> {
        let Questions { deadline, timeout, .. } = self.questions;
        TimeoutLayer { shared: self.shared, questions: Questions { deadline, timeout, carry } }
    }

    /// Lets `observer` hear of refusals; in a stack, the stack's observer does unless this was called.
    pub fn observe(self, observer: impl Observer + 'static) -> Self {
        self.shared.events.observe(observer);
        self
    }

    /// Looks at the limit and changes it while calls are made.
    pub fn handle(&self) -> Handle {
        Handle(Arc::clone(&self.shared))
    }

    pub(crate) fn join(&self, events: &Events) {
        self.shared.events.join(events);
    }
}

impl<S, D: Clone, T: Clone, K: Clone> Layer<S> for TimeoutLayer<D, T, K> {
    type Service = Timeout<S, D, T, K>;

    fn layer(&self, inner: S) -> Self::Service {
        Timeout::new(inner, self.clone())
    }
}

/// Looks at a timeout and changes it while calls are made.
#[derive(Clone, Debug)]
pub struct Handle(Arc<Shared>);

impl Handle {
    /// How long a call may take.
    pub fn limit(&self) -> Duration {
        match self.0.limit.load(Relaxed) {
            u64::MAX => Duration::MAX,
            nanos => Duration::from_nanos(nanos),
        }
    }

    /// Changes how long a call may take, for calls made from now on.
    pub fn update(&self, limit: Duration) {
        self.0.limit.store(nanos(limit), Relaxed);
    }
}

use std::{fmt, sync::Arc};

use tower_layer::Layer;

use super::{
    Budget, CloneRequest, Handle, Retry, Settings, Throttle,
    state::{Bound, Plan, Shared},
};
use crate::{
    chance::Chance,
    classify::{Chosen, Standard},
    dead_letter::Discard,
    event::{Events, Observer},
    request::Scoped,
};

/// Retries around services: for use alone in a `tower::ServiceBuilder`, or in
/// [`Stack::retry`](crate::Stack::retry), which also takes bare [`Settings`].
///
/// All services it makes, and all clones of these and of itself, share the budget, the settings and the source of
/// chance. Its type parameters are closures: `R` copies requests, `C` judges results, `K` reads and writes what a
/// request carries, `D` takes dead letters.
#[derive(Clone)]
#[must_use]
pub struct RetryLayer<R = CloneRequest, C = Standard, K = Scoped, D = Discard> {
    plan: Plan<R, C, K, D>,
}

impl RetryLayer {
    /// Retries by `settings` within a [`Budget::default`] of its own. Requests are cloned, and results judged by
    /// [`Standard`], or by the stack's judge.
    pub fn new(settings: Settings) -> Self {
        let shared = Shared::new(settings, Bound::Budget(Budget::default()));
        let plan = Plan { shared, replay: CloneRequest, judge: Standard, carrier: Scoped, dead_letters: Discard };
        Self { plan }
    }
}

impl From<Settings> for RetryLayer {
    fn from(settings: Settings) -> Self {
        Self::new(settings)
    }
}

impl<R, C, K, D> RetryLayer<R, C, K, D> {
    /// Draws on `budget`, which others may draw on too.
    pub fn budget(mut self, budget: Budget) -> Self {
        self.plan.shared.bound = Bound::Budget(budget);
        self
    }

    /// Bounds retries by `throttle` instead of a budget, as gRPC clients do. Others may share it.
    pub fn throttle(mut self, throttle: Throttle) -> Self {
        self.plan.shared.bound = Bound::Throttle(throttle);
        self
    }

    /// Retries bounded by nothing but the number of attempts: a callee that is down gets its load times that number.
    /// Say why in a comment where you use this.
    pub fn without_budget(mut self) -> Self {
        self.plan.shared.bound = Bound::Nothing;
        self
    }

    /// Draws delays from `chance`; a seed makes them repeatable.
    pub fn chance(mut self, chance: Chance) -> Self {
        self.plan.shared.chance = Arc::new(chance);
        self
    }

    /// Copies requests by `replay`: a closure such as `|req: &Req, attempt: u32| -> Option<Req>` qualifies.
    pub fn replay<New>(self, replay: New) -> RetryLayer<New, C, K, D> {
        let Plan { shared, judge, carrier, dead_letters, .. } = self.plan;
        RetryLayer { plan: Plan { shared, replay, judge, carrier, dead_letters } }
    }

    /// Judges results by `judge`, whatever the stack's judge is. A closure over `Result<&Res, &E>` qualifies.
    pub fn classify<New>(self, judge: New) -> RetryLayer<R, Chosen<New>, K, D> {
        self.judged(|_| Chosen(judge))
    }

    /// Reads a request's deadline from it, and lets it carry the number of the attempt to the inner service.
    pub fn carry<New>(self, carrier: New) -> RetryLayer<R, C, New, D> {
        let Plan { shared, replay, judge, dead_letters, .. } = self.plan;
        RetryLayer { plan: Plan { shared, replay, judge, carrier, dead_letters } }
    }

    /// Hands requests that were given up on to `sink`: every request whose attempts ended in a failure, if there is a
    /// copy of it. Not one that cannot be replayed, nor one that a retry layer further out still tries. To have a copy
    /// after the last attempt too, one more copy of each request is made than without a sink. A closure over
    /// [`DeadLetter`](crate::dead_letter::DeadLetter) qualifies.
    pub fn dead_letter<New>(self, sink: New) -> RetryLayer<R, C, K, New> {
        let Plan { shared, replay, judge, carrier, .. } = self.plan;
        RetryLayer { plan: Plan { shared, replay, judge, carrier, dead_letters: sink } }
    }

    /// Tells `observer` what happens here. In a stack the stack's observer is told unless this was called. The first
    /// observer set is the one told.
    pub fn observe(self, observer: impl Observer + 'static) -> Self {
        self.plan.shared.events.observe(observer);
        self
    }

    /// To look at it and change it while it serves. Take the handle after the budget or throttle is given, and before
    /// the layer goes into the stack.
    pub fn handle(&self) -> Handle {
        Handle::new(&self.plan.shared)
    }

    /// The same settings, closures and observer, with new state: another budget, full, and other delays.
    pub fn fresh(&self) -> Self
    where
        R: Clone,
        C: Clone,
        K: Clone,
        D: Clone,
    {
        let Shared { state, bound, events, .. } = &self.plan.shared;
        let shared = Shared { events: events.clone(), ..Shared::new(state.settings(), bound.fresh()) };
        Self { plan: Plan { shared, ..self.plan.clone() } }
    }

    pub(crate) fn join(&self, events: &Events) {
        self.plan.shared.events.join(events);
    }

    pub(crate) fn judged<New>(self, judge: impl FnOnce(C) -> New) -> RetryLayer<R, New, K, D> {
        let Plan { shared, replay, judge: before, carrier, dead_letters } = self.plan;
        RetryLayer { plan: Plan { shared, replay, judge: judge(before), carrier, dead_letters } }
    }
}

/// Whatever the closures are: they need not be `Debug`.
impl<R, C, K, D> fmt::Debug for RetryLayer<R, C, K, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryLayer").field("snapshot", &self.handle().snapshot()).finish_non_exhaustive()
    }
}

impl<S, R, C, K, D> Layer<S> for RetryLayer<R, C, K, D>
where
    R: Clone,
    C: Clone,
    K: Clone,
    D: Clone,
{
    type Service = Retry<S, R, C, K, D>;

    fn layer(&self, inner: S) -> Self::Service {
        Retry::new(inner, Arc::new(self.plan.clone()))
    }
}

use std::{fmt, sync::Arc, time::Duration};

use super::{
    handle::Handle,
    limiter::{Limiter, Make, Permit},
    rule::Rule,
    settings::Settings,
};
use crate::{
    chance::{Chance, scaled},
    clock::{Moment, nanos},
    event::{Event, Events, Observer},
    gate::{Admission, Ending, Gate, Never},
    limit::Limit,
    rejection::{Reason, Rejection},
    request::{DeadlineOf, ExemptOf, Unasked},
};

/// The gate of this room; see the [module](super). Clones share their limit; [`fresh`](Self::fresh) does not.
///
/// It is a [`Limit`] too, for a queue to wait in front of.
#[derive(Clone)]
#[must_use]
pub struct LoadShed<D = Unasked, X = Unasked> {
    limiter: Arc<Limiter>,
    chance: Arc<Chance>,
    deadline: D,
    exempt: X,
}

impl LoadShed {
    /// A load shedder that has learned nothing yet, with the [default rule](super::VerifiedGradient).
    pub fn new(settings: Settings) -> Self {
        Self::make(settings, Make::default())
    }

    /// As [`new`](Self::new), with the rule that `make` makes from the settings.
    pub fn with_rule<R: Rule + 'static>(
        settings: Settings,
        make: impl Fn(&Settings) -> R + Send + Sync + 'static,
    ) -> Self {
        Self::make(settings, Make::new(make))
    }

    fn make(settings: Settings, make: Make) -> Self {
        let limiter = Arc::new(Limiter::new(settings, make, Events::default()));
        Self { limiter, chance: Arc::default(), deadline: Unasked, exempt: Unasked }
    }
}

impl Default for LoadShed {
    fn default() -> Self {
        Self::new(Settings::new())
    }
}

impl From<Settings> for LoadShed {
    fn from(settings: Settings) -> Self {
        Self::new(settings)
    }
}

impl<D, X> LoadShed<D, X> {
    /// Learns from the deadlines of requests how long callers wait, `|r: &Req| r.deadline`, if the
    /// [bottleneck](Settings::with_bottleneck) is private. A timeout further out in the same task is known without it.
    pub fn deadline_by<F>(self, deadline: F) -> LoadShed<F, X> {
        LoadShed { limiter: self.limiter, chance: self.chance, deadline, exempt: self.exempt }
    }

    /// Lets requests for which `exempt` returns true pass, `|r: &Req| r.path == "/health"`: they are neither refused
    /// nor counted.
    pub fn exempt_by<F>(self, exempt: F) -> LoadShed<D, F> {
        LoadShed { limiter: self.limiter, chance: self.chance, deadline: self.deadline, exempt }
    }

    /// The same settings, rule, closures and observer, with nothing learned yet: for another dependency.
    pub fn fresh(&self) -> Self
    where
        D: Clone,
        X: Clone,
    {
        Self {
            limiter: Arc::new(self.limiter.fresh()),
            chance: Arc::default(),
            deadline: self.deadline.clone(),
            exempt: self.exempt.clone(),
        }
    }

    /// To look at it and change it while it serves. Take the handle before the load shedder goes into the stack.
    pub fn handle(&self) -> Handle {
        Handle::new(Arc::clone(&self.limiter))
    }

    /// Draws the jitter of `retry_after` from `chance`; a seed makes it repeatable.
    pub fn chance(mut self, chance: Chance) -> Self {
        self.chance = Arc::new(chance);
        self
    }

    /// Tells `observer` what happens here. In a stack the stack's observer is told unless this was called, and of
    /// refusals in any case. The first observer set is the one told.
    pub fn observe(self, observer: impl Observer + 'static) -> Self {
        self.limiter.events.observe(observer);
        self
    }

    pub(crate) fn join(&self, events: &Events) {
        self.limiter.events.join(events);
    }

    #[cold]
    fn admit_after_a_look(&self, now: &Moment) -> Admission<Permit, Never> {
        if self.limiter.look_if_due(now)
            && let Some(permit) = self.limiter.take(now)
        {
            return Admission::Admitted(permit);
        }
        if self.limiter.is_observing() {
            self.limiter.events.emit(|| Event::WouldRefuse(self.refuse()));
            return Admission::Admitted(self.limiter.take_anyway(now));
        }
        Admission::Refused(self.refuse())
    }

    /// No place is free. Whoever comes back after about the time of a call finds others under way; that they do not all
    /// come back at once is what the jitter is for.
    #[cold]
    fn refuse(&self) -> Rejection {
        let rejection = Rejection::new(Reason::LimitReached, self.limiter.name);
        match self.limiter.latency() {
            None => rejection,
            Some(latency) => {
                let mean = nanos(latency.max(SOONEST));
                let after = (mean / 2).saturating_add(scaled(self.chance.draw(), mean));
                rejection.with_retry_after(Duration::from_nanos(after))
            }
        }
    }
}

/// Nobody is told to come back sooner than that, give or take the jitter.
const SOONEST: Duration = Duration::from_millis(50);

/// Whatever the closures are: they need not be `Debug`.
impl<D, X> fmt::Debug for LoadShed<D, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadShed").field("snapshot", &self.handle().snapshot()).finish_non_exhaustive()
    }
}

impl<Req, D, X> Gate<Req> for LoadShed<D, X>
where
    D: DeadlineOf<Req>,
    X: ExemptOf<Req>,
{
    type Permit = Permit;
    type Wait = Never;

    const GOES_ALONG: bool = false;

    #[inline]
    fn admit(&self, req: &Req, now: &Moment) -> Admission<Self::Permit, Never> {
        if self.exempt.exempt(req) {
            return Admission::Admitted(Permit::EXEMPT);
        }
        if let Some(deadline) = self.deadline.deadline(req) {
            self.limiter.heed_patience(deadline.since(now.now()));
        }
        match self.limiter.take(now) {
            Some(permit) => Admission::Admitted(permit),
            None => self.admit_after_a_look(now),
        }
    }

    #[inline]
    fn settle(&self, permit: Self::Permit, ending: Ending, now: &Moment) {
        if !permit.is_exempt() {
            self.limiter.put_back(permit, ending, now);
        }
    }

    fn events(&self) -> Option<&Events> {
        Some(&self.limiter.events)
    }
}

/// Only without closures: what there is to ask of a request, the queue in front asks.
impl Limit for LoadShed {
    type Permit = Permit;

    #[inline]
    fn take(&self, now: &Moment) -> Option<Permit> {
        self.limiter.take(now)
    }

    fn take_anyway(&self, now: &Moment) -> Permit {
        self.limiter.take_anyway(now)
    }

    #[inline]
    fn put_back(&self, permit: Permit, ending: Ending, now: &Moment) {
        self.limiter.put_back(permit, ending, now);
    }

    fn look(&self, now: &Moment) {
        self.limiter.look_if_due(now);
    }

    fn limit(&self) -> u32 {
        self.limiter.limit()
    }

    fn latency(&self) -> Option<Duration> {
        self.limiter.latency()
    }

    fn patience(&self, patience: Duration) {
        self.limiter.heed_patience(patience);
    }
}

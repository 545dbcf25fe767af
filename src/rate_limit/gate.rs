use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use super::{
    desk::Place, handle::Handle, meter::Taken, permit::Permit, quota::Quota, settings::Settings, state::State,
};
use crate::{
    classify::{Failure, Outcome},
    clock::{Instant, Moment},
    event::{Events, Observer},
    gate::{Admission, Ending, Gate},
    rejection::Rejection,
    request::{CostOf, DeadlineOf, ExemptOf, Unasked},
};

/// The gate of this room; see the [module](super). Clones share their quotas; [`fresh`](Self::fresh) does not.
#[derive(Clone)]
#[must_use]
pub struct RateLimit<C = Unasked, X = Unasked, D = Unasked> {
    state: Arc<State>,
    cost: C,
    exempt: X,
    deadline: D,
}

impl RateLimit {
    /// A rate limit with these settings, of which nothing is used yet.
    pub fn new(settings: impl Into<Settings>) -> Self {
        let state = State::new(settings.into(), Events::default());
        Self { state: Arc::new(state), cost: Unasked, exempt: Unasked, deadline: Unasked }
    }
}

impl From<Settings> for RateLimit {
    fn from(settings: Settings) -> Self {
        Self::new(settings)
    }
}

impl From<Quota> for RateLimit {
    fn from(quota: Quota) -> Self {
        Self::new(quota)
    }
}

impl<C, X, D> RateLimit<C, X, D> {
    /// Charges a request as many cells as `cost` says: `|r: &Req| r.rows`. Zero is free, and passes at any time; a
    /// request that costs more than a burst is [`TooExpensive`](crate::Reason::TooExpensive).
    pub fn cost_by<F>(self, cost: F) -> RateLimit<F, X, D> {
        RateLimit { state: self.state, cost, exempt: self.exempt, deadline: self.deadline }
    }

    /// Lets requests for which `exempt` returns true pass, `|r: &Req| r.path == "/health"`: they are neither refused
    /// nor charged.
    pub fn exempt_by<F>(self, exempt: F) -> RateLimit<C, F, D> {
        RateLimit { state: self.state, cost: self.cost, exempt, deadline: self.deadline }
    }

    /// Lets no request wait beyond its own deadline: `|r: &Req| r.deadline`. It is asked only about requests that have
    /// to wait. A timeout further out in the same task is known without it.
    pub fn deadline_by<F>(self, deadline: F) -> RateLimit<C, X, F> {
        RateLimit { state: self.state, cost: self.cost, exempt: self.exempt, deadline }
    }

    /// The same settings, closures and observer, with new state: for another tenant, or another callee.
    pub fn fresh(&self) -> Self
    where
        C: Clone,
        X: Clone,
        D: Clone,
    {
        Self {
            state: Arc::new(State::new(self.state.settings(), self.state.events.clone())),
            cost: self.cost.clone(),
            exempt: self.exempt.clone(),
            deadline: self.deadline.clone(),
        }
    }

    /// To look at it and change it while it serves. Take the handle before the rate limit goes into the stack.
    pub fn handle(&self) -> Handle {
        Handle::new(Arc::clone(&self.state))
    }

    /// Tells `observer` what happens here. In a stack the stack's observer is told unless this was called, and of
    /// refusals in any case. The first observer set is the one told.
    pub fn observe(self, observer: impl Observer + 'static) -> Self {
        self.state.events.observe(observer);
        self
    }

    pub(crate) fn join(&self, events: &Events) {
        self.state.events.join(events);
    }
}

/// Whatever the closures are: they need not be `Debug`.
impl<C, X, D> fmt::Debug for RateLimit<C, X, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimit").field("settings", &self.state.settings()).finish_non_exhaustive()
    }
}

/// A request's wait for its turn.
#[derive(Debug)]
pub struct Wait(pub(super) Place);

impl<Req, C, X, D> Gate<Req> for RateLimit<C, X, D>
where
    C: CostOf<Req>,
    X: ExemptOf<Req>,
    D: DeadlineOf<Req>,
{
    type Permit = Permit;
    type Wait = Wait;

    const GOES_ALONG: bool = false;

    #[inline(always)]
    fn admit(&self, req: &Req, now: &Moment) -> Admission<Permit, Wait> {
        if self.exempt.exempt(req) {
            return Admission::Admitted(Permit::FREE);
        }
        let cells = self.cost.cost(req);
        if cells == 0 {
            return Admission::Admitted(Permit::FREE);
        }
        match self.state.meter.take(cells, now.now()) {
            Taken::Took(version) => Admission::Admitted(Permit::new(cells, version)),
            taken => self.state.ask(taken, cells, now, || self.deadline.deadline(req)),
        }
    }

    fn poll_wait(
        &self,
        wait: &mut Wait,
        _: &Req,
        now: &Moment,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Permit, Rejection>> {
        self.state.poll(wait, now, cx)
    }

    fn wait_until(&self, wait: &Wait) -> Instant {
        wait.0.alarm
    }

    fn abandon(&self, wait: Wait) {
        self.state.abandon(wait.0.ticket, Moment::new().now());
    }

    /// Reads the clock only where there is something to put back, or a hint to follow.
    #[inline(always)]
    fn settle(&self, permit: Permit, ending: Ending, now: &Moment) {
        match ending {
            Ending::Undispatched if permit.cells() > 0 => self.state.put_back(permit, now.now()),
            Ending::Finished(Outcome::Failure(Failure::Throttled(Some(hint)))) => self.state.pause(hint, now.now()),
            _ => {}
        }
    }

    fn is_neutral(&self, now: &Moment) -> bool {
        let now = now.now();
        self.state.at_desk(now, |desk, _| desk.is_neutral(now))
    }

    fn events(&self) -> Option<&Events> {
        Some(&self.state.events)
    }
}

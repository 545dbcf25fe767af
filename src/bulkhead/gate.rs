use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use super::{
    handle::Handle,
    settings::{LANES, Settings},
};
use crate::{
    clock::{Instant, Moment},
    event::{Events, Observer},
    gate::{Admission, Ending, Gate},
    limit::{
        permits::{Permits, Wait},
        pools::{COMMON, Permit},
    },
    rejection::{Reason, Rejection},
    request::{CostOf, DeadlineOf, KeyOf, Unasked},
};

/// The gate of this room; see the [module](super). Clones share their permits; [`fresh`](Self::fresh) does not.
#[derive(Clone)]
#[must_use]
pub struct Bulkhead<W = Unasked, K = Unasked, D = Unasked> {
    permits: Arc<State>,
    weight: W,
    compartment: K,
    deadline: D,
}

/// What all clones of a bulkhead share.
pub(super) type State = Permits<Settings, LANES, true>;

fn state(settings: Settings, events: Events) -> Arc<State> {
    let full = Rejection::new(Reason::BulkheadFull, settings.name());
    Arc::new(State::new(settings, full, events))
}

impl Bulkhead {
    /// A bulkhead with these settings and all its permits free.
    pub fn new(settings: Settings) -> Self {
        Self { permits: state(settings, Events::default()), weight: Unasked, compartment: Unasked, deadline: Unasked }
    }
}

impl From<Settings> for Bulkhead {
    fn from(settings: Settings) -> Self {
        Self::new(settings)
    }
}

impl<W, K, D> Bulkhead<W, K, D> {
    /// Lets a request take as many permits as `weight` says: `|r: &Req| r.rows`. Zero counts as one, and a request
    /// wider than the whole bulkhead runs alone.
    pub fn weight_by<F>(self, weight: F) -> Bulkhead<F, K, D> {
        Bulkhead { permits: self.permits, weight, compartment: self.compartment, deadline: self.deadline }
    }

    /// Puts a request into the compartment that `compartment` says: `|r: &Req| r.kind as usize`. A number without a
    /// compartment means none: common permits only.
    pub fn compartment_by<F>(self, compartment: F) -> Bulkhead<W, F, D> {
        Bulkhead { permits: self.permits, weight: self.weight, compartment, deadline: self.deadline }
    }

    /// Lets no request wait beyond its own deadline: `|r: &Req| r.deadline`. A timeout further out in the same task is
    /// known without it.
    pub fn deadline_by<F>(self, deadline: F) -> Bulkhead<W, K, F> {
        Bulkhead { permits: self.permits, weight: self.weight, compartment: self.compartment, deadline }
    }

    /// The same settings, closures and observer, with new state: for another dependency.
    pub fn fresh(&self) -> Self
    where
        W: Clone,
        K: Clone,
        D: Clone,
    {
        Self {
            permits: state(self.permits.settings(), self.permits.events().clone()),
            weight: self.weight.clone(),
            compartment: self.compartment.clone(),
            deadline: self.deadline.clone(),
        }
    }

    /// To look at it and change it while it serves. Take the handle before the bulkhead goes into the stack.
    pub fn handle(&self) -> Handle {
        Handle::new(Arc::clone(&self.permits))
    }

    /// Tells `observer` what happens here. In a stack the stack's observer is told unless this was called, and of
    /// refusals in any case. The first observer set is the one told.
    pub fn observe(self, observer: impl Observer + 'static) -> Self {
        self.permits.events().observe(observer);
        self
    }

    pub(crate) fn join(&self, events: &Events) {
        self.permits.events().join(events);
    }
}

/// Whatever the closures are: they need not be `Debug`.
impl<W, K, D> fmt::Debug for Bulkhead<W, K, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bulkhead").field("snapshot", &self.handle().snapshot()).finish_non_exhaustive()
    }
}

impl<Req, W, K, D> Gate<Req> for Bulkhead<W, K, D>
where
    W: CostOf<Req>,
    K: KeyOf<Req, Key = usize>,
    D: DeadlineOf<Req>,
{
    type Permit = Permit;
    type Wait = Wait;

    const GOES_ALONG: bool = false;

    #[inline(always)]
    fn admit(&self, req: &Req, now: &Moment) -> Admission<Permit, Wait> {
        let lane = lane(self.compartment.key(req));
        self.permits.admit(lane, self.weight.cost(req), now, || self.deadline.deadline(req))
    }

    fn poll_wait(
        &self,
        wait: &mut Wait,
        _: &Req,
        now: &Moment,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Permit, Rejection>> {
        self.permits.poll_wait(wait, now, cx)
    }

    fn wait_until(&self, wait: &Wait) -> Instant {
        wait.until()
    }

    fn abandon(&self, wait: Wait) {
        self.permits.abandon(&wait);
    }

    #[inline(always)]
    fn settle(&self, permit: Permit, _: Ending, _: &Moment) {
        self.permits.put_back(permit);
    }

    /// Whether all permits are free, nobody waits, and it is not only observing.
    fn is_neutral(&self, _: &Moment) -> bool {
        self.permits.is_idle()
    }

    fn events(&self) -> Option<&Events> {
        Some(self.permits.events())
    }
}

/// The lane of a compartment: its own, or the common one where there is no such compartment.
#[inline(always)]
fn lane(compartment: usize) -> usize {
    match compartment.checked_add(1) {
        Some(lane) if lane < LANES => lane,
        _ => COMMON,
    }
}

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use super::{
    handle::Handle,
    lines::Ticket,
    permit::{Held, Permit},
    settings::Settings,
    state::State,
};
use crate::{
    chance::Chance,
    clock::{Instant, Moment},
    dead_letter::{self, Cause, DeadLetters, Discard},
    event::{Events, Observer},
    gate::{Admission, Ending, Gate},
    limit::Limit,
    rejection::{Reason, Rejection},
    request::{DeadlineOf, ExemptOf, PriorityOf, TenantOf, Unasked},
    sync::atomic::Ordering::Relaxed,
};

/// The gate of this room; see the [module](super). Clones share the limit and the line for it; [`fresh`](Self::fresh)
/// does not.
#[must_use]
pub struct SurgeQueue<L: Place, P = Unasked, T = Unasked, D = Unasked, S = Discard, X = Unasked> {
    state: Arc<State<L, L::Permit>>,
    priority: P,
    tenant: T,
    deadline: D,
    sink: S,
    exempt: X,
}

/// What a queue can be in front of: any [`Limit`], and [`Nothing`].
pub trait Place {
    /// What a request that got past it holds.
    type Permit: Copy;
}

impl<L: Limit> Place for L {
    type Permit = L::Permit;
}

/// Stands in for the limit until a queue is put [in front of](SurgeQueue::in_front_of) one. The queue is no gate till
/// then.
#[derive(Clone, Copy, Debug)]
pub struct Nothing;

impl Place for Nothing {
    type Permit = ();
}

impl SurgeQueue<Nothing> {
    /// A queue with these settings, to be put in front of a limit.
    pub fn new(settings: Settings) -> Self {
        let state = State::new(Nothing, settings, Events::default(), &Chance::default());
        Self {
            state: Arc::new(state),
            priority: Unasked,
            tenant: Unasked,
            deadline: Unasked,
            sink: Discard,
            exempt: Unasked,
        }
    }
}

impl From<Settings> for SurgeQueue<Nothing> {
    fn from(settings: Settings) -> Self {
        Self::new(settings)
    }
}

impl<P, T, D, S, X> SurgeQueue<Nothing, P, T, D, S, X> {
    /// Puts it in front of a limit: a [`FixedLimit`](crate::limit::FixedLimit), say, or an `Arc` of one. If others take
    /// places of the same limit, this queue is not told when they put them back: its waiting requests get those when
    /// the next call that came through here ends.
    pub fn in_front_of<L: Limit>(self, limit: L) -> SurgeQueue<L, P, T, D, S, X> {
        let Self { state, priority, tenant, deadline, sink, exempt } = self;
        let settings = state.room.lock().settings;
        let anew = State::new(limit, settings, state.events.clone(), &Chance::seeded(0));
        anew.salt.store(state.salt.load(Relaxed), Relaxed);
        SurgeQueue { state: Arc::new(anew), priority, tenant, deadline, sink, exempt }
    }
}

impl<L: Place, P, T, D, S, X> SurgeQueue<L, P, T, D, S, X> {
    /// Says how important a request is: `|r: &Req| r.priority`. It is asked only when no place is free at once. By
    /// default all are alike.
    pub fn priority_by<F>(self, priority: F) -> SurgeQueue<L, F, T, D, S, X> {
        let Self { state, tenant, deadline, sink, exempt, .. } = self;
        SurgeQueue { state, priority, tenant, deadline, sink, exempt }
    }

    /// Says whose a request is, as a `u64`: `|r: &Req| r.tenant`. It is asked only when no place is free at once. By
    /// default there are no tenants.
    pub fn tenant_by<F>(self, tenant: F) -> SurgeQueue<L, P, F, D, S, X> {
        let Self { state, priority, deadline, sink, exempt, .. } = self;
        SurgeQueue { state, priority, tenant, deadline, sink, exempt }
    }

    /// Says by when a request has to be answered: `|r: &Req| r.deadline`. It is asked only when no place is free at
    /// once. A timeout further out in the same task is known without it.
    pub fn deadline_by<F>(self, deadline: F) -> SurgeQueue<L, P, T, F, S, X> {
        let Self { state, priority, tenant, sink, exempt, .. } = self;
        SurgeQueue { state, priority, tenant, deadline, sink, exempt }
    }

    /// Hands `sink` the requests that waited here and were not served: because their time was up, or because a more
    /// important one took their place. Those refused on arrival are not among them: their callers know at once, and
    /// there may be many. A closure over [`DeadLetter`](crate::dead_letter::DeadLetter) qualifies; it gets the request
    /// itself, which was never sent.
    pub fn dead_letters<F>(self, sink: F) -> SurgeQueue<L, P, T, D, F, X> {
        let Self { state, priority, tenant, deadline, exempt, .. } = self;
        SurgeQueue { state, priority, tenant, deadline, sink, exempt }
    }

    /// Lets requests for which `exempt` returns true pass, `|r: &Req| r.path == "/health"`: they neither wait nor take
    /// a place, and are never refused. It is asked about every request. The limit's own exemptions do not apply here.
    pub fn exempt_by<F>(self, exempt: F) -> SurgeQueue<L, P, T, D, S, F> {
        let Self { state, priority, tenant, deadline, sink, .. } = self;
        SurgeQueue { state, priority, tenant, deadline, sink, exempt }
    }

    /// Draws the jitter of `retry_after` from `chance`; a seed makes it repeatable.
    #[allow(clippy::needless_pass_by_value, reason = "as in every other room")]
    pub fn chance(self, chance: Chance) -> Self {
        self.state.salt.store(chance.draw(), Relaxed);
        self
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

impl<L: Limit, P, T, D, S, X> SurgeQueue<L, P, T, D, S, X> {
    /// The same settings, closures and observer, in front of another limit, with new state.
    pub fn fresh(&self, limit: L) -> Self
    where
        P: Clone,
        T: Clone,
        D: Clone,
        S: Clone,
        X: Clone,
    {
        let settings = self.state.room.lock().settings;
        Self {
            state: Arc::new(State::new(limit, settings, self.state.events.clone(), &Chance::default())),
            priority: self.priority.clone(),
            tenant: self.tenant.clone(),
            deadline: self.deadline.clone(),
            sink: self.sink.clone(),
            exempt: self.exempt.clone(),
        }
    }

    /// To look at it and change it while it serves. Take the handle once the queue is in front of its limit, and before
    /// it goes into the stack.
    pub fn handle(&self) -> Handle<L> {
        Handle::new(Arc::clone(&self.state))
    }
}

/// Whatever the limit is: it is shared.
impl<L: Place, P: Clone, T: Clone, D: Clone, S: Clone, X: Clone> Clone for SurgeQueue<L, P, T, D, S, X> {
    fn clone(&self) -> Self {
        let Self { state, priority, tenant, deadline, sink, exempt } = self;
        Self {
            state: Arc::clone(state),
            priority: priority.clone(),
            tenant: tenant.clone(),
            deadline: deadline.clone(),
            sink: sink.clone(),
            exempt: exempt.clone(),
        }
    }
}

/// Whatever the closures are: they need not be `Debug`.
impl<L: Place, P, T, D, S, X> fmt::Debug for SurgeQueue<L, P, T, D, S, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SurgeQueue").field("settings", &self.state.room.lock().settings).finish_non_exhaustive()
    }
}

/// A request's wait for a place.
#[derive(Debug)]
pub struct Wait {
    pub(super) ticket: Ticket,
    pub(super) class: usize,
    pub(super) until: Instant,
}

impl<Req, L, P, T, D, S, X> Gate<Req> for SurgeQueue<L, P, T, D, S, X>
where
    L: Limit,
    P: PriorityOf<Req>,
    T: TenantOf<Req>,
    D: DeadlineOf<Req>,
    S: DeadLetters<Req>,
    X: ExemptOf<Req>,
{
    type Permit = Permit<L::Permit>;
    type Wait = Wait;

    const GOES_ALONG: bool = false;

    #[inline(always)]
    fn admit(&self, req: &Req, now: &Moment) -> Admission<Permit<L::Permit>, Wait> {
        if self.exempt.exempt(req) {
            return Admission::Admitted(Permit(Held::Exempt));
        }
        if self.state.is_empty()
            && let Some(permit) = self.state.limit.take(now)
        {
            return Admission::Admitted(Permit(Held::Warm(permit)));
        }
        let class = self.priority.priority(req).level();
        if let Some(rejection) = self.state.refuse_at_once(class, now) {
            return Admission::Refused(rejection);
        }
        match self.state.arrive(class, now, || (self.tenant.tenant(req), self.deadline.deadline(req))) {
            Admission::Admitted(held) => Admission::Admitted(Permit(held)),
            Admission::Waiting(wait) => Admission::Waiting(wait),
            Admission::Refused(rejection) => Admission::Refused(rejection),
        }
    }

    fn poll_wait(
        &self,
        wait: &mut Wait,
        _: &Req,
        now: &Moment,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Permit<L::Permit>, Rejection>> {
        self.state.poll(wait, now, cx).map_ok(Permit)
    }

    fn wait_until(&self, wait: &Wait) -> Instant {
        wait.until
    }

    fn abandon(&self, wait: Wait) {
        self.state.abandon(wait.ticket);
    }

    #[inline]
    fn refused(&self, req: Req, rejection: &Rejection) -> Option<Req> {
        // Nobody is given these reasons on arrival.
        let waited = matches!(rejection.reason(), Reason::WaitTimeout | Reason::Displaced | Reason::DeadlineExceeded);
        if !waited || rejection.layer() != self.state.name || !self.sink.wanted() {
            return Some(req);
        }
        let taken = dead_letter::hand_over(&self.sink, req, 0, Cause::Refused(*rejection));
        let State { letters, letters_lost, .. } = &*self.state;
        if taken { letters } else { letters_lost }.fetch_add(1, Relaxed);
        None
    }

    #[inline(always)]
    fn settle(&self, permit: Permit<L::Permit>, ending: Ending, now: &Moment) {
        self.state.put_back(permit.0, ending, now);
    }

    fn events(&self) -> Option<&Events> {
        Some(&self.state.events)
    }
}

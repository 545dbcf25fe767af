use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use super::{
    cost::CostModel,
    handle::Handle,
    settings::{DEMOTED, Settings},
    state::State,
};
use crate::{
    clock::{Instant, Moment},
    event::{Event, Events, Observer},
    gate::{Admission, Ending, Gate},
    limit::{permits, pools},
    rejection::Rejection,
    request::{DeadlineOf, KeyOf, Scoped, Unasked},
    work::{self, CarryWork, Grant},
};

/// The gate of this room; see the [module](super). Clones share their seats; [`fresh`](Self::fresh) does not.
#[derive(Clone)]
#[must_use]
pub struct WorkBudget<C = Unasked, K = Unasked, D = Unasked, W = Scoped> {
    state: Arc<State>,
    cost: C,
    kind: K,
    deadline: D,
    carry: W,
}

impl WorkBudget {
    /// A budget set like this, with all its seats free.
    pub fn new(settings: Settings) -> Self {
        let state = Arc::new(State::new(settings, Events::default()));
        Self { state, cost: Unasked, kind: Unasked, deadline: Unasked, carry: Scoped }
    }
}

impl From<Settings> for WorkBudget {
    fn from(settings: Settings) -> Self {
        Self::new(settings)
    }
}

impl<C, K, D, W> WorkBudget<C, K, D, W> {
    /// Lets a request cost what `cost` says: `|r: &Req| Cost::fuel(r.rows)`. Without it, each costs one seat.
    pub fn cost_by<F>(self, cost: F) -> WorkBudget<F, K, D, W> {
        let Self { state, kind, deadline, carry, .. } = self;
        WorkBudget { state, cost, kind, deadline, carry }
    }

    /// Corrects estimates for each kind of request apart: `|r: &Req| r.route as usize`, below
    /// [`MAX_KINDS`](super::MAX_KINDS); those above are of the last kind. Without it, all are of one kind.
    pub fn kind_by<F>(self, kind: F) -> WorkBudget<C, F, D, W> {
        let Self { state, cost, deadline, carry, .. } = self;
        WorkBudget { state, cost, kind, deadline, carry }
    }

    /// Lets a request wait no longer than until its own deadline: `|r: &Req| r.deadline`, and its
    /// [`Work`](crate::work::Work) know of it. A timeout further out in the same task is known without it.
    pub fn deadline_by<F>(self, deadline: F) -> WorkBudget<C, K, F, W> {
        let Self { state, cost, kind, carry, .. } = self;
        WorkBudget { state, cost, kind, deadline, carry }
    }

    /// Lets requests carry their [`Work`](crate::work::Work) to the inner service, and draws from the one that they carry:
    /// see [`CarryWork`].
    pub fn carry<F>(self, carry: F) -> WorkBudget<C, K, D, F> {
        let Self { state, cost, kind, deadline, .. } = self;
        WorkBudget { state, cost, kind, deadline, carry }
    }

    /// The same settings, questions and observer, with new state.
    pub fn fresh(&self) -> Self
    where
        C: Clone,
        K: Clone,
        D: Clone,
        W: Clone,
    {
        Self {
            state: Arc::new(State::new(self.state.permits.settings(), self.state.events().clone())),
            cost: self.cost.clone(),
            kind: self.kind.clone(),
            deadline: self.deadline.clone(),
            carry: self.carry.clone(),
        }
    }

    /// Looks at it and changes it while it serves. Take it before the budget goes into the stack.
    pub fn handle(&self) -> Handle {
        Handle::new(Arc::clone(&self.state))
    }

    /// Lets `observer` hear what happens here; in a stack, the stack's observer does unless this was called, and hears
    /// of refusals in any case. The first who asks is heard.
    pub fn observe(self, observer: impl Observer + 'static) -> Self {
        self.state.events().observe(observer);
        self
    }

    pub(crate) fn join(&self, events: &Events) {
        self.state.events().join(events);
    }
}

/// Whatever the questions are: closures are not `Debug`.
impl<C, K, D, W> fmt::Debug for WorkBudget<C, K, D, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkBudget").field("snapshot", &self.handle().snapshot()).finish_non_exhaustive()
    }
}

/// What a request holds: its seats, and where its books are kept.
#[derive(Clone, Copy, Debug)]
pub struct Permit {
    seats: pools::Permit,
    /// In a word, as the seats are: see there.
    account: u64,
}

/// Where there are no books.
const NONE: u64 = u64::MAX;

impl Permit {
    #[inline(always)]
    fn new(seats: pools::Permit, account: Option<u32>) -> Self {
        Self { seats, account: account.map_or(NONE, u64::from) }
    }

    #[inline(always)]
    fn account(self) -> Option<u32> {
        if self.account == NONE { None } else { Some(self.account as u32) }
    }
}

/// A request's wait for its seats.
#[derive(Debug)]
pub struct Wait {
    seats: permits::Wait,
    grant: Option<Grant>,
}

impl<Req, C, K, D, W> Gate<Req> for WorkBudget<C, K, D, W>
where
    C: CostModel<Req>,
    K: KeyOf<Req, Key = usize>,
    D: DeadlineOf<Req>,
    W: CarryWork<Req>,
{
    type Permit = Permit;
    type Wait = Wait;

    #[inline(always)]
    fn admit(&self, req: &Req, now: &Moment) -> Admission<Permit, Wait> {
        let state = &*self.state;
        let cost = self.cost.estimate(req);
        // What is the user's is asked before there are seats to lose, should it panic.
        let price = match state.tariff.price(cost, || state.corrections.of(self.kind.key(req))) {
            Ok(price) => price,
            Err(clamped) => match state.too_expensive() {
                Ok(()) => clamped,
                Err(rejection) => return Admission::Refused(rejection),
            },
        };
        let grant = if state.tariff.is_metered() {
            let outer = self.carry.get(req).or_else(work::current);
            let (kind, deadline) = (self.kind.key(req), self.deadline.deadline(req));
            match state.claim(price, cost.known_fuel(), kind, deadline, outer) {
                Ok(grant) => Some(grant),
                Err(rejection) => return Admission::Refused(rejection),
            }
        } else {
            None
        };
        if price.lane == DEMOTED {
            state.events().emit(|| Event::Demoted { layer: state.name });
        }
        match state.permits.admit(price.lane, price.seats, now, || self.deadline.deadline(req)) {
            Admission::Admitted(seats) => {
                Admission::Admitted(Permit::new(seats, grant.and_then(|grant| state.reserve(grant))))
            }
            Admission::Waiting(seats) => Admission::Waiting(Wait { seats, grant }),
            Admission::Refused(rejection) => Admission::Refused(rejection),
        }
    }

    fn poll_wait(
        &self,
        wait: &mut Wait,
        _: &Req,
        now: &Moment,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Permit, Rejection>> {
        let grant = wait.grant;
        let hold = |seats| Permit::new(seats, grant.and_then(|grant| self.state.reserve(grant)));
        self.state.permits.poll_wait(&mut wait.seats, now, cx).map_ok(hold)
    }

    fn wait_until(&self, wait: &Wait) -> Instant {
        wait.seats.until()
    }

    fn abandon(&self, wait: Wait) {
        self.state.permits.abandon(&wait.seats);
    }

    /// Opens its books only here, where what is further out in the same group has opened its own.
    #[inline(always)]
    fn dispatch<T>(&self, permit: Permit, mut req: Req, call: impl FnOnce(Req) -> T) -> T {
        let Some(account) = permit.account() else { return call(req) };
        let outer = self.carry.get(&req).or_else(work::current);
        let Some(work) = self.state.open(account, outer) else { return call(req) };
        if W::CARRIES {
            self.carry.insert(&mut req, work.clone());
        }
        self.state.step(work, || call(req))
    }

    #[inline(always)]
    fn around<T>(&self, permit: Permit, step: impl FnOnce() -> T) -> T {
        match permit.account().and_then(|account| self.state.work(account)) {
            Some(work) => self.state.step(work, step),
            None => step(),
        }
    }

    #[inline(always)]
    fn bound(&self, permit: Permit) -> Option<Rejection> {
        self.state.bound(permit.account()?)
    }

    #[inline(always)]
    fn settle(&self, permit: Permit, ending: Ending, _: &Moment) {
        if let Some(account) = permit.account() {
            self.state.close(account, ending);
        }
        self.state.permits.put_back(permit.seats);
    }

    fn is_neutral(&self, _: &Moment) -> bool {
        self.state.is_neutral()
    }

    fn events(&self) -> Option<&Events> {
        Some(self.state.events())
    }
}

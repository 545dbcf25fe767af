use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use super::{
    cost::{Cost, CostModel},
    handle::Handle,
    settings::{ORDINARY, Settings},
    state::State,
    tariff::Price,
};
use crate::{
    clock::{Instant, Moment},
    event::{Events, Observer},
    gate::{Admission, Ending, Gate},
    limit::{permits, pools},
    rejection::Rejection,
    request::{DeadlineOf, KeyOf, Scoped, Unasked},
    work::{self, CarryWork, Claim, Work},
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
    /// A budget with these settings and all its seats free.
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
    /// Makes a request cost what `cost` says: `|r: &Req| Cost::fuel(r.rows)`. Without it, each costs one seat.
    pub fn cost_by<F>(self, cost: F) -> WorkBudget<F, K, D, W> {
        let Self { state, kind, deadline, carry, .. } = self;
        WorkBudget { state, cost, kind, deadline, carry }
    }

    /// Corrects estimates for each kind of request separately: `|r: &Req| r.route as usize`, below
    /// [`MAX_KINDS`](super::MAX_KINDS); higher numbers count as the last kind. Without it, all are of one kind.
    pub fn kind_by<F>(self, kind: F) -> WorkBudget<C, F, D, W> {
        let Self { state, cost, deadline, carry, .. } = self;
        WorkBudget { state, cost, kind, deadline, carry }
    }

    /// Lets no request wait beyond its own deadline, `|r: &Req| r.deadline`, and tells its [`Work`](crate::work::Work)
    /// of it. A timeout further out in the same task is known without it.
    pub fn deadline_by<F>(self, deadline: F) -> WorkBudget<C, K, F, W> {
        let Self { state, cost, kind, carry, .. } = self;
        WorkBudget { state, cost, kind, deadline, carry }
    }

    /// Lets requests carry their [`Work`](crate::work::Work) to the inner service, and draws from one they carry
    /// already: see [`CarryWork`].
    pub fn carry<F>(self, carry: F) -> WorkBudget<C, K, D, F> {
        let Self { state, cost, kind, deadline, .. } = self;
        WorkBudget { state, cost, kind, deadline, carry }
    }

    /// The same settings, closures and observer, with new state.
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

    /// To look at it and change it while it serves. Take the handle before the budget goes into the stack.
    pub fn handle(&self) -> Handle {
        Handle::new(Arc::clone(&self.state))
    }

    /// Tells `observer` what happens here. In a stack the stack's observer is told unless this was called, and of
    /// refusals in any case. The first observer set is the one told.
    pub fn observe(self, observer: impl Observer + 'static) -> Self {
        self.state.events().observe(observer);
        self
    }

    pub(crate) fn join(&self, events: &Events) {
        self.state.events().join(events);
    }
}

/// Whatever the closures are: they need not be `Debug`.
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
    account: Option<u32>,
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
        let price = state.tariff.price(cost, || state.corrections.of(self.kind.key(req)));
        match price {
            // The lane is known here, and most of what would be looked up for it.
            Ok(Price { lane: ORDINARY, seats, .. }) if !state.tariff.is_metered() => {
                hold(state.permits.admit(ORDINARY, seats, now, || self.deadline.deadline(req)), || None)
            }
            price => self.admit_with_books(req, cost, price, now),
        }
    }

    fn poll_wait(
        &self,
        wait: &mut Wait,
        _: &Req,
        now: &Moment,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Permit, Rejection>> {
        let account = wait.account;
        self.state.permits.poll_wait(&mut wait.seats, now, cx).map(|answer| match answer {
            Ok(seats) => Ok(Permit::new(seats, account)),
            Err(rejection) => {
                self.state.give_up(account);
                Err(rejection)
            }
        })
    }

    fn wait_until(&self, wait: &Wait) -> Instant {
        wait.seats.until()
    }

    fn abandon(&self, wait: Wait) {
        self.state.give_up(wait.account);
        self.state.permits.abandon(&wait.seats);
    }

    #[inline(always)]
    fn dispatch<T>(&self, permit: Permit, mut req: Req, call: impl FnOnce(Req) -> T) -> T {
        match permit.account().and_then(|account| self.open(account, &mut req)) {
            Some(work) => self.state.step(work, || call(req)),
            None => call(req),
        }
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

/// What is out of the way of those that are only admitted.
impl<C, K, D, W> WorkBudget<C, K, D, W> {
    /// Admits a request that is granted fuel, that costs too much, or both.
    #[inline(never)]
    fn admit_with_books<Req>(
        &self,
        req: &Req,
        cost: Cost,
        price: Result<Price, Price>,
        now: &Moment,
    ) -> Admission<Permit, Wait>
    where
        K: KeyOf<Req, Key = usize>,
        D: DeadlineOf<Req>,
        W: CarryWork<Req>,
    {
        let state = &*self.state;
        // What is the user's is asked before there are seats to lose, should it panic.
        let (kind, deadline) = (self.kind.key(req), self.deadline.deadline(req));
        let price = match price {
            Ok(price) => price,
            Err(clamped) => match state.too_expensive() {
                Ok(()) => clamped,
                Err(rejection) => return Admission::Refused(rejection),
            },
        };
        if !state.tariff.is_metered() {
            return hold(state.take(price, now, deadline), || None);
        }
        let outer = self.carry.get(req).or_else(work::current);
        if let Err(rejection) = state.draws_from(outer) {
            return Admission::Refused(rejection);
        }
        let claim = Claim {
            fuel: price.fuel,
            estimate: cost.known_fuel().unwrap_or(0),
            kind: u32::try_from(kind).unwrap_or(u32::MAX),
            deadline: deadline.unwrap_or(Instant::FAR),
        };
        hold(state.take(price, now, deadline), || state.reserve(claim))
    }

    /// Opens the books of a request only when it is dispatched: what is further out in the same group has opened its own by
    /// then.
    #[inline(never)]
    fn open<Req>(&self, account: u32, req: &mut Req) -> Option<Work>
    where
        W: CarryWork<Req>,
    {
        let outer = self.carry.get(req).or_else(work::current);
        let work = self.state.open(account, outer)?;
        if W::CARRIES {
            self.carry.insert(req, work.clone());
        }
        Some(work)
    }
}

/// Seats, or a place to wait for them, and the books that go with either.
#[inline(always)]
fn hold(
    seats: Admission<pools::Permit, permits::Wait>,
    account: impl FnOnce() -> Option<u32>,
) -> Admission<Permit, Wait> {
    match seats {
        Admission::Admitted(seats) => Admission::Admitted(Permit::new(seats, account())),
        Admission::Waiting(seats) => Admission::Waiting(Wait { seats, account: account() }),
        Admission::Refused(rejection) => Admission::Refused(rejection),
    }
}

#[cfg(test)]
mod tests;

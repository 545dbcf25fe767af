use std::{fmt, sync::Arc};

use super::{
    super::{dealt::Dealt, hand::Hand},
    cells::Cells,
    handle::Handle,
    settings::Settings,
};
use crate::{
    chance::Chance,
    clock::Moment,
    event::{Event, Events, Observer},
    gate::{Admission, Ending, Gate, Never},
    rejection::{Reason, Rejection},
    request::TenantOf,
    sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
};

/// The gate of this room; see the [module](super). Clones share their cells; [`fresh`](Self::fresh) does not.
#[derive(Clone)]
#[must_use]
pub struct ShardedBulkhead<T> {
    state: Arc<State>,
    tenant: T,
}

/// What all clones share.
#[derive(Debug)]
pub(super) struct State {
    pub(super) cells: Cells,
    pub(super) permits: AtomicU32,
    pub(super) observing: AtomicBool,
    pub(super) dealt: Dealt,
    nobodys: Hand,
    /// As it was made: the permits may have changed.
    pub(super) settings: Settings,
    pub(super) events: Events,
}

/// The cell that a request is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permit {
    cell: u32,
}

impl<T> ShardedBulkhead<T> {
    /// A bulkhead with these settings, and all its cells empty. `tenant` says whose a request is: `|r: &Req| r.tenant`,
    /// a number or the [hash of a name](crate::shuffle_shard::tenant_id).
    pub fn new(settings: Settings, tenant: T) -> Self {
        Self { state: Arc::new(State::new(settings, Events::default())), tenant }
    }

    /// The same settings, closure and observer, with new state. Where no seed was given, tenants are dealt other hands.
    pub fn fresh(&self) -> Self
    where
        T: Clone,
    {
        let state = State::new(self.state.settings(), self.state.events.clone());
        Self { state: Arc::new(state), tenant: self.tenant.clone() }
    }

    /// To look at it and change it while it serves. Take the handle before the bulkhead goes into the stack.
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

/// Whatever the closure is: it need not be `Debug`.
impl<T> fmt::Debug for ShardedBulkhead<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShardedBulkhead").field("settings", &self.state.settings()).finish_non_exhaustive()
    }
}

impl<Req, T: TenantOf<Req>> Gate<Req> for ShardedBulkhead<T> {
    type Permit = Permit;
    type Wait = Never;

    const GOES_ALONG: bool = false;

    #[inline]
    fn admit(&self, req: &Req, _: &Moment) -> Admission<Permit, Never> {
        let state = &*self.state;
        let hand = self.tenant.tenant(req).map_or(state.nobodys, |tenant| state.dealt.deal_to(tenant));
        match state.cells.take(&hand, state.permits.load(Relaxed)) {
            Some(cell) => Admission::Admitted(Permit { cell }),
            None => state.full(&hand),
        }
    }

    #[inline]
    fn settle(&self, permit: Permit, _: Ending, _: &Moment) {
        self.state.cells.put_back(permit.cell);
    }

    /// Whether all cells are empty, and it is not only observing. O(n), unlike the rest.
    fn is_neutral(&self, _: &Moment) -> bool {
        !self.state.observing.load(Relaxed) && self.state.cells.in_use().all(|in_use| in_use == 0)
    }

    fn events(&self) -> Option<&Events> {
        Some(&self.state.events)
    }
}

impl State {
    fn new(settings: Settings, events: Events) -> Self {
        let dealt = settings.dealt(|| {
            let chance = Chance::from_entropy();
            u128::from(chance.draw()) << 64 | u128::from(chance.draw())
        });
        Self {
            cells: Cells::new(settings.cells()),
            permits: AtomicU32::new(settings.permits().get()),
            observing: AtomicBool::new(false),
            nobodys: dealt.deal_to_nobody(),
            dealt,
            settings,
            events,
        }
    }

    /// How it is set at this moment.
    pub(super) fn settings(&self) -> Settings {
        // Never zero: it comes from settings.
        let permits = self.permits.load(Relaxed).try_into();
        permits.map_or(self.settings, |permits| self.settings.with_permits(permits))
    }

    #[cold]
    fn full(&self, hand: &Hand) -> Admission<Permit, Never> {
        let rejection = Rejection::new(Reason::BulkheadFull, self.settings.name());
        let beyond = if self.observing.load(Relaxed) { self.cells.take(hand, u32::MAX) } else { None };
        match beyond {
            Some(cell) => {
                self.events.emit(|| Event::WouldRefuse(rejection));
                Admission::Admitted(Permit { cell })
            }
            None => Admission::Refused(rejection),
        }
    }
}

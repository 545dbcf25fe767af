//! What all clones of a work budget share, and what is done with a call's books.

use super::{
    corrections::Corrections,
    settings::{DEMOTED, LANES, Settings},
    spread::Spread,
    tariff::{Price, Tariff},
};
use crate::{
    classify::Outcome,
    clock::{self, Instant, Moment},
    event::{Event, Events},
    gate::{Admission, Ending},
    limit::{
        permits::{self, Permits},
        pools,
    },
    rejection::{Reason, Rejection},
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    work::{Accounts, Claim, Grant, MOST, Scope, Work},
};

#[derive(Debug)]
pub(super) struct State {
    pub(super) permits: Permits<Settings, LANES, false>,
    pub(super) tariff: Tariff,
    pub(super) corrections: Corrections,
    pub(super) spread: Spread,
    pub(super) granted: AtomicU64,
    pub(super) spent: AtomicU64,
    pub(super) exhausted: AtomicU64,
    /// Whether it was ever changed by hand: a new one would not decide the same.
    pub(super) changed: AtomicBool,
    pub(super) name: &'static str,
    accounts: Accounts,
}

impl State {
    pub(super) fn new(settings: Settings, events: Events) -> Self {
        let full = Rejection::new(Reason::LimitReached, settings.name());
        Self {
            permits: Permits::new(settings, full, events),
            tariff: Tariff::new(&settings),
            corrections: Corrections::new(),
            spread: Spread::new(),
            granted: AtomicU64::new(0),
            spent: AtomicU64::new(0),
            exhausted: AtomicU64::new(0),
            changed: AtomicBool::new(false),
            name: settings.name(),
            accounts: Accounts::new(),
        }
    }

    pub(super) fn events(&self) -> &Events {
        self.permits.events()
    }

    /// A request costs too much: it is refused, unless this only observes.
    #[cold]
    pub(super) fn too_expensive(&self) -> Result<(), Rejection> {
        self.refuse_unless_observing(Rejection::new(Reason::TooExpensive, self.name))
    }

    fn refuse_unless_observing(&self, rejection: Rejection) -> Result<(), Rejection> {
        if !self.permits.is_observing() {
            return Err(rejection);
        }
        self.events().emit(|| Event::WouldRefuse(rejection));
        Ok(())
    }

    /// Takes seats, or a place of those that cost too much.
    pub(super) fn take(
        &self,
        price: Price,
        now: &Moment,
        deadline: Option<Instant>,
    ) -> Admission<pools::Permit, permits::Wait> {
        if price.lane == DEMOTED {
            self.events().emit(|| Event::Demoted { layer: self.name });
        }
        self.permits.admit(price.lane, price.seats, now, || deadline)
    }

    /// Whether there is anything left of the work that a request draws from, as far as that is known. If not, it is refused,
    /// as it could not spend anything.
    #[inline]
    pub(super) fn draws_from(&self, outer: Option<Work>) -> Result<(), Rejection> {
        if outer.is_some_and(|outer| outer.remaining() == 0) {
            self.refuse_unless_observing(Rejection::new(Reason::WorkExhausted, self.name))?;
        }
        Ok(())
    }

    /// Reserves the books of a request that was admitted, or waits.
    #[inline]
    pub(super) fn reserve(&self, claim: Claim) -> Option<u32> {
        self.accounts.reserve(claim)
    }

    /// Closes the books of a request that waited in vain.
    pub(super) fn give_up(&self, account: Option<u32>) {
        if let Some(account) = account {
            self.accounts.close(account);
        }
    }

    /// Opens the books of a request that is dispatched, drawn from the work that is there already.
    #[inline]
    pub(super) fn open(&self, account: u32, outer: Option<Work>) -> Option<Work> {
        let observing = self.permits.is_observing();
        if observing && outer.is_some() {
            // The budget further out is in force, though this only observes: nothing comes between it and the request.
            return None;
        }
        let fuel = |claim: Claim| if observing { MOST } else { claim.fuel };
        let (layer, max_page) = (self.name, self.tariff.max_page());
        self.accounts.open(account, outer, |claim| Grant { claim, fuel: fuel(claim), layer, max_page })
    }

    pub(super) fn work(&self, account: u32) -> Option<Work> {
        self.accounts.work(account)
    }

    /// Runs a step of a call with its work at hand.
    #[inline(always)]
    pub(super) fn step<T>(&self, work: Work, step: impl FnOnce() -> T) -> T {
        work.begin_step();
        if self.tariff.watches_polls() {
            return self.time(work, step);
        }
        let _scope = Scope::enter(work);
        step()
    }

    /// Runs a step, and takes its time.
    #[inline(never)]
    fn time<T>(&self, work: Work, step: impl FnOnce() -> T) -> T {
        let scope = Scope::enter(work.clone());
        let begun = clock::now();
        let output = step();
        let took = clock::now().since(begun);
        drop(scope);
        let nanos = clock::nanos(took);
        work.end_step(nanos);
        if nanos >= self.tariff.long_poll() {
            self.events().emit(|| Event::LongPoll { layer: self.name, took });
        }
        output
    }

    /// Whether a call's steps have taken longer than they may. While this only observes it is announced, once, and just where
    /// the call would be ended: what is done at once is an answer, and no body is cut off.
    #[inline]
    pub(super) fn bound(&self, account: u32) -> Option<Rejection> {
        let most = self.tariff.max_busy()?;
        if self.accounts.busy(account) < most {
            return None;
        }
        let rejection = Rejection::new(Reason::WorkExhausted, self.name).dispatched();
        if !self.permits.is_observing() {
            return Some(rejection);
        }
        if self.accounts.spare(account) {
            self.events().emit(|| Event::WouldRefuse(rejection));
        }
        None
    }

    /// Closes the books of a call that has ended, and learns from them.
    pub(super) fn close(&self, account: u32, ending: Ending) {
        let Some(usage) = self.accounts.close(account) else { return };
        let Grant { claim, fuel, .. } = usage.grant;
        if ending == Ending::Undispatched {
            return;
        }
        // Without end, it is what was taken of it.
        add(&self.granted, if fuel < MOST { fuel } else { usage.spent });
        add(&self.spent, usage.spent);
        let is_whole = matches!(ending, Ending::Finished(Outcome::Success));
        // What was given up half-way would have spent more, and says nothing; unless it is because it spent too much.
        if usage.spent > 0 && (is_whole || usage.fell_short) {
            self.spread.count(usage.spent);
            self.corrections.learn(claim.kind as usize, claim.estimate, usage.spent);
        }
        if usage.fell_short {
            add(&self.exhausted, 1);
            self.events().emit(|| Event::WorkExhausted { layer: self.name, granted: fuel });
        }
        // Once for each call.
        if fuel > claim.fuel && usage.spent > claim.fuel && !usage.spared {
            let rejection = Rejection::new(Reason::WorkExhausted, self.name).dispatched();
            self.events().emit(|| Event::WouldRefuse(rejection));
        }
    }

    /// Whether nothing is lost to the others if a new one takes its place: what it has learned is, if it narrows what this one
    /// may have at once. That it may have more was learned for it alone, and it pays its estimates until it is learned anew.
    pub(super) fn is_neutral(&self) -> bool {
        let weighs = self.tariff.heeds_corrections() && !self.corrections.speak_against_nobody();
        self.permits.is_idle() && !weighs && !self.changed.load(Relaxed)
    }
}

/// Adds to a sum that never goes round.
fn add(sum: &AtomicU64, more: u64) {
    if more > 0 {
        let _ = sum.fetch_update(Relaxed, Relaxed, |sum| Some(sum.saturating_add(more)));
    }
}

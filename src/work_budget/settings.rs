use std::{
    num::{NonZeroU32, NonZeroU64},
    time::Duration,
};

use super::cost::OverCost;
use crate::{
    limit::queue::{Order, Rules},
    settings::{InvalidSetting, Ratio, at_least_one},
};

/// The lane of requests like all others, and the lane of those that were demoted.
pub(super) const LANES: usize = 2;
pub(super) const ORDINARY: usize = 0;
pub(super) const DEMOTED: usize = 1;

/// The settings of a [`WorkBudget`](super::WorkBudget): a plain value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Settings {
    name: &'static str,
    seats: NonZeroU32,
    width: Ratio,
    fuel_per_seat: NonZeroU64,
    fuel: Option<NonZeroU64>,
    headroom: NonZeroU32,
    over_cost: OverCost,
    max_waiting: u32,
    max_wait: Duration,
    correction: bool,
    max_page: NonZeroU32,
    max_busy: Duration,
    long_poll: Duration,
}

impl Settings {
    /// At most `seats` in use at once. Requests are admitted by their cost, and nothing else is done: no fuel is
    /// granted.
    pub const fn new(seats: NonZeroU32) -> Self {
        Self {
            name: "work_budget",
            seats,
            width: Ratio::percent(15),
            fuel_per_seat: NonZeroU64::MAX,
            fuel: None,
            headroom: NonZeroU32::MIN.saturating_add(3),
            over_cost: OverCost::Refuse,
            max_waiting: 0,
            max_wait: Duration::ZERO,
            correction: true,
            max_page: NonZeroU32::MIN.saturating_add(99),
            max_busy: Duration::MAX,
            long_poll: Duration::MAX,
        }
    }

    /// As [`new`](Self::new), from a plain number.
    ///
    /// # Errors
    /// [`InvalidSetting`] if `seats` is zero.
    pub fn try_new(seats: u32) -> Result<Self, InvalidSetting> {
        at_least_one("work_budget.seats", seats).map(Self::new)
    }

    /// The name in its refusals and events. By default `work_budget`.
    pub const fn with_name(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// The share of the seats that one request may take, rounded up, and at least one seat. By default 15 %.
    pub const fn with_width(mut self, width: Ratio) -> Self {
        self.width = width;
        self
    }

    /// A request takes one seat for each `fuel` that it is estimated to spend. Choose what your median request spends:
    /// half of all then take one seat. By default every request takes one.
    pub const fn with_fuel_per_seat(mut self, fuel: NonZeroU64) -> Self {
        self.fuel_per_seat = fuel;
        self
    }

    /// As [`with_fuel_per_seat`](Self::with_fuel_per_seat), from a plain number.
    ///
    /// # Errors
    /// [`InvalidSetting`] if it is zero.
    pub fn try_with_fuel_per_seat(self, fuel: u64) -> Result<Self, InvalidSetting> {
        not_zero("work_budget.fuel_per_seat", fuel).map(|fuel| self.with_fuel_per_seat(fuel))
    }

    /// Grants each request a [`Work`](crate::work::Work) of at most `fuel`. A request estimated to need more costs [too
    /// much](OverCost). `NonZeroU64::MAX` is as much as it takes. By default no fuel is granted, and none is measured.
    pub const fn with_fuel(mut self, fuel: NonZeroU64) -> Self {
        self.fuel = Some(fuel);
        self
    }

    /// As [`with_fuel`](Self::with_fuel), from a plain number.
    ///
    /// # Errors
    /// [`InvalidSetting`] if it is zero.
    pub fn try_with_fuel(self, fuel: u64) -> Result<Self, InvalidSetting> {
        not_zero("work_budget.fuel", fuel).map(|fuel| self.with_fuel(fuel))
    }

    /// A request is granted this many times what it is estimated to spend, but never more than
    /// [`fuel`](Self::with_fuel). By default 4 times, since estimates are never corrected further than that.
    /// `NonZeroU32::MAX` leaves `fuel` as the only bound.
    pub const fn with_headroom(mut self, times: NonZeroU32) -> Self {
        self.headroom = times;
        self
    }

    /// As [`with_headroom`](Self::with_headroom), from a plain number.
    ///
    /// # Errors
    /// [`InvalidSetting`] if it is zero.
    pub fn try_with_headroom(self, times: u32) -> Result<Self, InvalidSetting> {
        at_least_one("work_budget.headroom", times).map(|times| self.with_headroom(times))
    }

    /// What is done with a request that costs more than any may: by default it is refused. It costs too much when its
    /// estimated seats or fuel, before any correction, are more than [`width`](Self::with_width) and
    /// [`fuel`](Self::with_fuel) allow: so the same request gets the same answer, whatever has been learned meanwhile.
    pub const fn with_over_cost(mut self, over_cost: OverCost) -> Self {
        self.over_cost = over_cost;
        self
    }

    /// Lets up to `max_waiting` requests wait for their seats, each for at most `max_wait` and not beyond its deadline,
    /// in the order of their arrival; and as many demoted ones for theirs. If either is zero, nobody waits.
    pub const fn with_wait(mut self, max_waiting: u32, max_wait: Duration) -> Self {
        self.max_waiting = max_waiting;
        self.max_wait = max_wait;
        self
    }

    /// Takes estimates as they are, whatever requests of the same kind have spent. Corrections are still learned and
    /// shown.
    pub const fn without_correction(mut self) -> Self {
        self.correction = false;
        self
    }

    /// How many items [`Work::page`](crate::work::Work::page) gives at most. By default 100.
    pub const fn with_max_page(mut self, items: NonZeroU32) -> Self {
        self.max_page = items;
        self
    }

    /// As [`with_max_page`](Self::with_max_page), from a plain number.
    ///
    /// # Errors
    /// [`InvalidSetting`] if it is zero.
    pub fn try_with_max_page(self, items: u32) -> Result<Self, InvalidSetting> {
        at_least_one("work_budget.max_page", items).map(|items| self.with_max_page(items))
    }

    /// Ends a request with `WorkExhausted` once its polls have taken this long in all: the time in which it kept a
    /// thread from others; time spent waiting does not count. That is checked after each poll, so a poll that never
    /// returns is not ended; nor is the body of a response, though its polls count where the seats are held until it
    /// ends. Costs two clock readings a poll, shared with [`long polls`](Self::with_long_poll). By default busy time is
    /// not looked at.
    pub const fn with_max_busy(mut self, busy: Duration) -> Self {
        self.max_busy = busy;
        self
    }

    /// As [`with_max_busy`](Self::with_max_busy), checked.
    ///
    /// # Errors
    /// [`InvalidSetting`] if it is zero.
    pub fn try_with_max_busy(self, busy: Duration) -> Result<Self, InvalidSetting> {
        longer_than_zero("work_budget.max_busy", busy).map(|busy| self.with_max_busy(busy))
    }

    /// Announces polls that take this long or longer: [`LongPoll`](crate::Event::LongPoll). 10 ms is a good value: no
    /// task should keep a thread that long. By default polls are not timed.
    pub const fn with_long_poll(mut self, took: Duration) -> Self {
        self.long_poll = took;
        self
    }

    /// As [`with_long_poll`](Self::with_long_poll), checked.
    ///
    /// # Errors
    /// [`InvalidSetting`] if it is zero.
    pub fn try_with_long_poll(self, took: Duration) -> Result<Self, InvalidSetting> {
        longer_than_zero("work_budget.long_poll", took).map(|took| self.with_long_poll(took))
    }

    /// The name in its refusals and events.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// How many seats there are.
    pub const fn seats(&self) -> NonZeroU32 {
        self.seats
    }

    /// The share of the seats that one request may take.
    pub const fn width(&self) -> Ratio {
        self.width
    }

    /// How many seats that is: at least one.
    pub const fn widest(&self) -> u32 {
        let share = self.seats.get() as u64 * self.width.as_millionths() as u64;
        // A share is more than nothing and at most all.
        share.div_ceil(1_000_000) as u32
    }

    /// How much estimated fuel makes a seat.
    pub const fn fuel_per_seat(&self) -> NonZeroU64 {
        self.fuel_per_seat
    }

    /// The most that one request may spend; `None` where no fuel is granted.
    pub const fn fuel(&self) -> Option<NonZeroU64> {
        self.fuel
    }

    /// How many times its estimate a request is granted in fuel.
    pub const fn headroom(&self) -> NonZeroU32 {
        self.headroom
    }

    /// What is done with a request that costs more than any may.
    pub const fn over_cost(&self) -> OverCost {
        self.over_cost
    }

    /// How many requests may wait for their seats.
    pub const fn max_waiting(&self) -> u32 {
        self.max_waiting
    }

    /// How long each may wait.
    pub const fn max_wait(&self) -> Duration {
        self.max_wait
    }

    /// Whether estimates are corrected by what requests of the same kind have spent.
    pub const fn correction(&self) -> bool {
        self.correction
    }

    /// How many items a page has at most.
    pub const fn max_page(&self) -> NonZeroU32 {
        self.max_page
    }

    /// How long the polls of a request may take together; [`Duration::MAX`] is for ever.
    pub const fn max_busy(&self) -> Duration {
        self.max_busy
    }

    /// From what duration on a poll is announced as long; [`Duration::MAX`] is never.
    pub const fn long_poll(&self) -> Duration {
        self.long_poll
    }
}

impl Rules<LANES> for Settings {
    fn capacities(&self) -> [u32; LANES] {
        let demoted = match self.over_cost {
            OverCost::Demote(demotion) => demotion.places().get(),
            // Nobody is sent there. But whoever waits there since before a change must come to an end.
            _ => 1,
        };
        [self.seats.get(), demoted]
    }

    fn places(&self) -> u32 {
        if self.max_wait.is_zero() { 0 } else { self.max_waiting }
    }

    fn max_wait(&self) -> Duration {
        self.max_wait
    }

    fn order(&self) -> Order {
        Order::OldestFirst
    }
}

pub(super) fn not_zero(setting: &'static str, value: u64) -> Result<NonZeroU64, InvalidSetting> {
    NonZeroU64::new(value).ok_or_else(|| InvalidSetting::new(setting, value, "at least 1"))
}

fn longer_than_zero(setting: &'static str, time: Duration) -> Result<Duration, InvalidSetting> {
    if time.is_zero() { Err(InvalidSetting::new(setting, time, "above zero")) } else { Ok(time) }
}

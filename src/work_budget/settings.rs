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

/// How a [`WorkBudget`](super::WorkBudget) is set: a plain value.
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
    /// At most `seats` in use at once. Requests are admitted by their cost, and no more: no fuel is granted.
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

    /// As [`new`](Self::new), from a number that may be anything.
    ///
    /// # Errors
    /// [`InvalidSetting`] if `seats` is zero.
    pub fn try_new(seats: u32) -> Result<Self, InvalidSetting> {
        at_least_one("work_budget.seats", seats).map(Self::new)
    }

    /// The name under which it refuses and announces. By default `work_budget`.
    pub const fn with_name(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// The share of the seats that one request may take, rounded up, and at least one seat. By default 15 %.
    pub const fn with_width(mut self, width: Ratio) -> Self {
        self.width = width;
        self
    }

    /// A request takes a seat for each so much fuel that it is estimated to spend. Choose what your median request spends:
    /// half of all then take one seat. By default every request takes one.
    pub const fn with_fuel_per_seat(mut self, fuel: NonZeroU64) -> Self {
        self.fuel_per_seat = fuel;
        self
    }

    /// As [`with_fuel_per_seat`](Self::with_fuel_per_seat), from a number that may be anything.
    ///
    /// # Errors
    /// [`InvalidSetting`] if it is zero.
    pub fn try_with_fuel_per_seat(self, fuel: u64) -> Result<Self, InvalidSetting> {
        not_zero("work_budget.fuel_per_seat", fuel).map(|fuel| self.with_fuel_per_seat(fuel))
    }

    /// Grants each request a [`Work`](crate::work::Work), of `fuel` at most. What is estimated to need more costs
    /// [too much](OverCost). `NonZeroU64::MAX` is as much as it takes. By default none is granted, and nothing measured.
    pub const fn with_fuel(mut self, fuel: NonZeroU64) -> Self {
        self.fuel = Some(fuel);
        self
    }

    /// As [`with_fuel`](Self::with_fuel), from a number that may be anything.
    ///
    /// # Errors
    /// [`InvalidSetting`] if it is zero.
    pub fn try_with_fuel(self, fuel: u64) -> Result<Self, InvalidSetting> {
        not_zero("work_budget.fuel", fuel).map(|fuel| self.with_fuel(fuel))
    }

    /// A request is granted so many times what it is estimated to spend, and never more than [`fuel`](Self::with_fuel). By
    /// default 4 times, which is as far as estimates are ever corrected. `NonZeroU32::MAX` leaves `fuel` as the only bound.
    pub const fn with_headroom(mut self, times: NonZeroU32) -> Self {
        self.headroom = times;
        self
    }

    /// As [`with_headroom`](Self::with_headroom), from a number that may be anything.
    ///
    /// # Errors
    /// [`InvalidSetting`] if it is zero.
    pub fn try_with_headroom(self, times: u32) -> Result<Self, InvalidSetting> {
        at_least_one("work_budget.headroom", times).map(|times| self.with_headroom(times))
    }

    /// What is done with a request that costs more than one may: by default it is refused. It costs too much when the
    /// seats or the fuel that it is estimated to take, without any correction, are more than [`width`](Self::with_width)
    /// and [`fuel`](Self::with_fuel) allow: so the same request gets the same answer, whatever was learned meanwhile.
    pub const fn with_over_cost(mut self, over_cost: OverCost) -> Self {
        self.over_cost = over_cost;
        self
    }

    /// Lets up to `max_waiting` requests wait for their seats, each at most `max_wait`, and no longer than its deadline, in
    /// the order of their arrival; and as many demoted ones for theirs. If either is zero, nobody waits.
    pub const fn with_wait(mut self, max_waiting: u32, max_wait: Duration) -> Self {
        self.max_waiting = max_waiting;
        self.max_wait = max_wait;
        self
    }

    /// Takes estimates as they are, whatever requests of the same kind have spent. What would have been learned is still
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

    /// As [`with_max_page`](Self::with_max_page), from a number that may be anything.
    ///
    /// # Errors
    /// [`InvalidSetting`] if it is zero.
    pub fn try_with_max_page(self, items: u32) -> Result<Self, InvalidSetting> {
        at_least_one("work_budget.max_page", items).map(|items| self.with_max_page(items))
    }

    /// Ends a request once its polls have taken so long together: `WorkExhausted`. That is time in which it kept a thread
    /// from others; time in which it waited does not count. It is looked at after each poll, so a poll that never ends is
    /// not ended; nor is the body of an answer, where the seats are held until it ends. Two clock readings a poll, and so are those of [`long polls`](Self::with_long_poll). By default it is not
    /// looked at.
    pub const fn with_max_busy(mut self, busy: Duration) -> Self {
        self.max_busy = busy;
        self
    }

    /// As [`with_max_busy`](Self::with_max_busy), for a time that may be anything.
    ///
    /// # Errors
    /// [`InvalidSetting`] if it is zero.
    pub fn try_with_max_busy(self, busy: Duration) -> Result<Self, InvalidSetting> {
        longer_than_zero("work_budget.max_busy", busy).map(|busy| self.with_max_busy(busy))
    }

    /// Announces polls that take this long or longer: [`LongPoll`](crate::Event::LongPoll). 10 ms is a good value: no task
    /// should keep a thread so long. By default it is not looked at.
    pub const fn with_long_poll(mut self, took: Duration) -> Self {
        self.long_poll = took;
        self
    }

    /// As [`with_long_poll`](Self::with_long_poll), for a time that may be anything.
    ///
    /// # Errors
    /// [`InvalidSetting`] if it is zero.
    pub fn try_with_long_poll(self, took: Duration) -> Result<Self, InvalidSetting> {
        longer_than_zero("work_budget.long_poll", took).map(|took| self.with_long_poll(took))
    }

    /// The name under which it refuses and announces.
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

    /// How many times its estimate a request is granted.
    pub const fn headroom(&self) -> NonZeroU32 {
        self.headroom
    }

    /// What is done with a request that costs more than one may.
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

    /// From when on a poll is announced as long; [`Duration::MAX`] is never.
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

fn not_zero(setting: &'static str, value: u64) -> Result<NonZeroU64, InvalidSetting> {
    NonZeroU64::new(value).ok_or_else(|| InvalidSetting::new(setting, value, "at least 1"))
}

fn longer_than_zero(setting: &'static str, time: Duration) -> Result<Duration, InvalidSetting> {
    if time.is_zero() { Err(InvalidSetting::new(setting, time, "above zero")) } else { Ok(time) }
}

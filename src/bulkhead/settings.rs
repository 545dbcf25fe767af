use std::{num::NonZeroU32, time::Duration};

use crate::{
    limit::{
        pools::COMMON,
        queue::{Order, Rules},
    },
    settings::{InvalidSetting, at_least_one},
};

/// How many compartments a bulkhead can have.
pub const MAX_COMPARTMENTS: usize = 8;

/// A lane for requests of no compartment, and one for each compartment.
pub(super) const LANES: usize = MAX_COMPARTMENTS + 1;

/// The settings of a [`Bulkhead`](super::Bulkhead): a plain value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Settings {
    name: &'static str,
    limit: NonZeroU32,
    guarantees: [u32; MAX_COMPARTMENTS],
    max_waiting: u32,
    max_wait: Duration,
    order: Order,
}

impl Settings {
    /// At most `limit` permits in use, and nobody waits.
    pub const fn new(limit: NonZeroU32) -> Self {
        Self {
            name: "bulkhead",
            limit,
            guarantees: [0; MAX_COMPARTMENTS],
            max_waiting: 0,
            max_wait: Duration::ZERO,
            order: Order::OldestFirst,
        }
    }

    /// As [`new`](Self::new), from a plain number.
    ///
    /// # Errors
    /// [`InvalidSetting`] if `limit` is zero.
    pub fn try_new(limit: u32) -> Result<Self, InvalidSetting> {
        at_least_one("bulkhead.limit", limit).map(Self::new)
    }

    /// The name in its refusals and events. By default `bulkhead`.
    pub const fn with_name(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// Lets up to `max_waiting` requests wait for a permit, each for at most `max_wait`, and not beyond its deadline.
    /// If either is zero, nobody waits.
    pub const fn with_wait(mut self, max_waiting: u32, max_wait: Duration) -> Self {
        self.max_waiting = max_waiting;
        self.max_wait = max_wait;
        self
    }

    /// Which of the waiting requests gets the next free permit.
    pub const fn with_order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// Guarantees these numbers of permits to compartments 0, 1, 2, …: nobody else can use them. The rest of the limit
    /// is common, and any request may borrow from it when its own compartment is full.
    ///
    /// # Errors
    /// [`InvalidSetting`] for more than [`MAX_COMPARTMENTS`], or if the guarantees add up to more than the limit.
    pub fn try_with_compartments(mut self, guarantees: &[u32]) -> Result<Self, InvalidSetting> {
        let refuse = |allowed| Err(InvalidSetting::new("bulkhead.compartments", guarantees, allowed));
        if guarantees.len() > MAX_COMPARTMENTS {
            return refuse("at most 8 compartments");
        }
        let sum: u64 = guarantees.iter().copied().map(u64::from).sum();
        if sum > u64::from(self.limit.get()) {
            return refuse("guarantees that together are at most the limit");
        }
        self.guarantees = [0; MAX_COMPARTMENTS];
        self.guarantees[..guarantees.len()].copy_from_slice(guarantees);
        Ok(self)
    }

    /// The name in its refusals and events.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// How many permits there are.
    pub const fn limit(&self) -> NonZeroU32 {
        self.limit
    }

    /// How many requests may wait for a permit.
    pub const fn max_waiting(&self) -> u32 {
        self.max_waiting
    }

    /// How long each may wait.
    pub const fn max_wait(&self) -> Duration {
        self.max_wait
    }

    /// Who gets the next free permit.
    pub const fn order(&self) -> Order {
        self.order
    }

    /// How many permits each compartment is guaranteed; 0 where there is no such compartment.
    pub const fn compartments(&self) -> &[u32; MAX_COMPARTMENTS] {
        &self.guarantees
    }
}

impl Rules<LANES> for Settings {
    fn capacities(&self) -> [u32; LANES] {
        // The guarantees are at most the limit: `try_with_compartments` saw to it. What they leave is common.
        let mut capacities = [self.limit.get() - self.guarantees.iter().sum::<u32>(); LANES];
        capacities[COMMON + 1..].copy_from_slice(&self.guarantees);
        capacities
    }

    fn places(&self) -> u32 {
        if self.max_wait.is_zero() { 0 } else { self.max_waiting }
    }

    fn max_wait(&self) -> Duration {
        self.max_wait
    }

    fn order(&self) -> Order {
        self.order
    }
}

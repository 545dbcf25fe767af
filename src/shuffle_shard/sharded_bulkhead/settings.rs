use std::num::NonZeroU32;

use super::super::{dealt::Dealt, hand::HandSize};
use crate::settings::{InvalidSetting, at_least_one};

/// The settings of a [`ShardedBulkhead`](super::ShardedBulkhead): a plain value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Settings {
    name: &'static str,
    permits: NonZeroU32,
    dealt: Dealt,
    seeded: bool,
}

impl Settings {
    /// 64 cells with this many permits each; every tenant may use 4 of the cells.
    pub const fn new(permits: NonZeroU32) -> Self {
        Self { name: "sharded_bulkhead", permits, dealt: Dealt::FOUR_OF_64, seeded: false }
    }

    /// As [`new`](Self::new), from a plain number.
    ///
    /// # Errors
    /// [`InvalidSetting`] if `permits` is zero.
    pub fn try_new(permits: u32) -> Result<Self, InvalidSetting> {
        at_least_one("sharded_bulkhead.permits", permits).map(Self::new)
    }

    /// The name in its refusals and events. By default `sharded_bulkhead`.
    pub const fn with_name(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// How many permits each cell has.
    pub const fn with_permits(mut self, permits: NonZeroU32) -> Self {
        self.permits = permits;
        self
    }

    /// As [`with_permits`](Self::with_permits), from a plain number.
    ///
    /// # Errors
    /// [`InvalidSetting`] if `permits` is zero.
    pub fn try_with_permits(self, permits: u32) -> Result<Self, InvalidSetting> {
        at_least_one("sharded_bulkhead.permits", permits).map(|permits| self.with_permits(permits))
    }

    /// `cells` cells, of which every tenant may use `hand`. By default 64 and 4. A cell costs eight bytes.
    ///
    /// # Errors
    /// [`InvalidSetting`] for what cannot be [dealt](Dealt::try_new): no cells, more than 2<sup>26</sup>, a hand of
    /// none, of more than [`MAX_HAND`](crate::shuffle_shard::MAX_HAND) or more than all cells, or cells<sup>hand</sup>
    /// above 2<sup>60</sup>.
    pub fn try_with_cells(mut self, cells: u32, hand: usize) -> Result<Self, InvalidSetting> {
        self.dealt = self.dealt.try_with_deck("sharded_bulkhead.cells", cells, hand)?;
        Ok(self)
    }

    /// Deals every tenant the same hand in every process that has this seed: for tests. By default each bulkhead draws
    /// its own, so that nobody can foresee whose cells are whose, and a tenant that has the bad luck to share a hand
    /// with a flood in one process does not in the next.
    pub const fn with_seed(mut self, seed: u128) -> Self {
        self.dealt = self.dealt.with_seed(seed);
        self.seeded = true;
        self
    }

    /// The name in its refusals and events.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// How many permits each cell has.
    pub const fn permits(&self) -> NonZeroU32 {
        self.permits
    }

    /// How many cells there are.
    pub const fn cells(&self) -> u32 {
        self.dealt.deck()
    }

    /// How many of them a tenant may use.
    pub const fn hand_size(&self) -> HandSize {
        self.dealt.hand_size()
    }

    /// The most requests one tenant can have at once: hand times permits.
    pub const fn most_of_a_tenant(&self) -> u64 {
        self.hand_size().get() as u64 * self.permits.get() as u64
    }

    /// Who deals, with the seed that was given or else this one.
    pub(super) fn dealt(&self, drawn: impl FnOnce() -> u128) -> Dealt {
        if self.seeded { self.dealt } else { self.dealt.with_seed(drawn()) }
    }
}

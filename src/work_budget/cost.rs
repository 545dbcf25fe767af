//! What a request is thought to cost, and what is done when that is too much.

use std::num::{NonZeroU32, NonZeroU64};

use super::settings::not_zero;
use crate::{
    request::Unasked,
    settings::{InvalidSetting, at_least_one},
};

/// What a request is thought to cost: seats, which it holds while it is under way, and fuel, which it spends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cost {
    /// 0: as many as its fuel makes.
    seats: u32,
    fuel: Option<u64>,
}

impl Cost {
    /// One seat, and nothing known of its fuel: the cost of every request where no closure says otherwise.
    pub const ONE: Self = Self::seats(1);

    /// This many seats, and nothing known of its fuel: it may spend as much as any request may. Zero counts as one.
    pub const fn seats(seats: u32) -> Self {
        Self { seats: if seats == 0 { 1 } else { seats }, fuel: None }
    }

    /// About this much fuel: rows, bytes, calls, in a unit of your own. Its seats follow from it, one for each
    /// [`fuel_per_seat`](super::Settings::with_fuel_per_seat). Zero counts as one.
    pub const fn fuel(fuel: u64) -> Self {
        Self { seats: 0, fuel: Some(if fuel == 0 { 1 } else { fuel }) }
    }

    /// This many seats, whatever its fuel. Zero counts as one.
    #[must_use]
    pub const fn with_seats(self, seats: u32) -> Self {
        Self { fuel: self.fuel, ..Self::seats(seats) }
    }

    pub(super) const fn known_seats(self) -> Option<u32> {
        if self.seats == 0 { None } else { Some(self.seats) }
    }

    pub(super) const fn known_fuel(self) -> Option<u64> {
        self.fuel
    }
}

/// Says what a request is thought to cost. A closure such as `|r: &Req| Cost::fuel(r.rows)` qualifies.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say what requests `{Req}` cost",
    note = "a closure says the type of the request and answers with a `Cost`: `|req: &Request| Cost::fuel(req.rows)`"
)]
pub trait CostModel<Req> {
    /// The estimate for this request, asked once, before it is admitted; a panic in it loses nothing.
    fn estimate(&self, req: &Req) -> Cost;
}

impl<F: Fn(&Req) -> Cost, Req> CostModel<Req> for F {
    #[inline]
    fn estimate(&self, req: &Req) -> Cost {
        self(req)
    }
}

impl<Req> CostModel<Req> for Unasked {
    #[inline]
    fn estimate(&self, _: &Req) -> Cost {
        Cost::ONE
    }
}

/// What is done with a request that would cost more than any may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OverCost {
    /// It is refused: `TooExpensive`. The caller can ask for less, and is told so while that is still cheap.
    #[default]
    Refuse,
    /// It goes on with as many seats and as much fuel as one request may have: for estimates that cannot be trusted, or
    /// work that can be cut short.
    Clamp,
    /// It goes to a lane of its own.
    Demote(Demotion),
}

/// The lane for requests that cost too much: some places, each for one request however wide. They are not taken from
/// the seats, nor ever added to them: demoted requests wait, and are refused, behind their own kind alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Demotion {
    places: NonZeroU32,
    fuel: NonZeroU64,
}

impl Demotion {
    /// `places` requests at once, beside the seats of the others, each with its estimate times the
    /// [headroom](super::Settings::with_headroom) as fuel.
    pub const fn new(places: NonZeroU32) -> Self {
        Self { places, fuel: NonZeroU64::MAX }
    }

    /// As [`new`](Self::new), from a plain number.
    ///
    /// # Errors
    /// [`InvalidSetting`] if it is zero.
    pub fn try_new(places: u32) -> Result<Self, InvalidSetting> {
        at_least_one("work_budget.demotion", places).map(Self::new)
    }

    /// The most that one of them may spend. A request estimated to need more is refused as too expensive. By default
    /// there is no such bound.
    pub const fn with_fuel(mut self, fuel: NonZeroU64) -> Self {
        self.fuel = fuel;
        self
    }

    /// As [`with_fuel`](Self::with_fuel), from a plain number.
    ///
    /// # Errors
    /// [`InvalidSetting`] if it is zero.
    pub fn try_with_fuel(self, fuel: u64) -> Result<Self, InvalidSetting> {
        not_zero("work_budget.demotion.fuel", fuel).map(|fuel| self.with_fuel(fuel))
    }

    /// How many are under way at once.
    pub const fn places(&self) -> NonZeroU32 {
        self.places
    }

    /// The most that one of them may spend.
    pub const fn fuel(&self) -> NonZeroU64 {
        self.fuel
    }
}

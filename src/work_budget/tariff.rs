//! What a request of some cost takes, and whether it may: pure.

use super::{
    corrections::Correction,
    cost::{Cost, OverCost},
    settings::{DEMOTED, ORDINARY, Settings},
};
use crate::{
    clock::nanos,
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    work::MOST,
};

/// The settings as every request reads them, without a lock. One that comes while they change may see some of the old
/// and some of the new, each of them valid.
#[derive(Debug, Default)]
pub(super) struct Tariff {
    widest: AtomicU32,
    fuel_per_seat: AtomicU64,
    most: AtomicU64,
    headroom: AtomicU32,
    clamps: AtomicBool,
    /// What demoted requests may spend; 0 where none is demoted.
    most_demoted: AtomicU64,
    metered: AtomicBool,
    corrects: AtomicBool,
    max_page: AtomicU32,
    /// In nanoseconds; `u64::MAX` is for ever.
    max_busy: AtomicU64,
    long_poll: AtomicU64,
}

/// What a request takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Price {
    pub(super) lane: usize,
    pub(super) seats: u32,
    pub(super) fuel: u64,
}

impl Tariff {
    pub(super) fn new(settings: &Settings) -> Self {
        let tariff = Self::default();
        tariff.set(settings);
        tariff
    }

    pub(super) fn set(&self, settings: &Settings) {
        let most_demoted = match settings.over_cost() {
            OverCost::Demote(demotion) => demotion.fuel().get(),
            _ => 0,
        };
        self.widest.store(settings.widest(), Relaxed);
        self.fuel_per_seat.store(settings.fuel_per_seat().get(), Relaxed);
        self.most.store(settings.fuel().map_or(MOST, |fuel| fuel.get().min(MOST)), Relaxed);
        self.headroom.store(settings.headroom().get(), Relaxed);
        self.clamps.store(settings.over_cost() == OverCost::Clamp, Relaxed);
        self.most_demoted.store(most_demoted.min(MOST), Relaxed);
        self.corrects.store(settings.correction(), Relaxed);
        self.max_page.store(settings.max_page().get(), Relaxed);
        let (max_busy, long_poll) = (nanos(settings.max_busy()), nanos(settings.long_poll()));
        self.max_busy.store(max_busy, Relaxed);
        self.long_poll.store(long_poll, Relaxed);
        self.metered.store(settings.fuel().is_some() || max_busy.min(long_poll) < u64::MAX, Relaxed);
    }

    /// Whether requests have books: fuel, or the time of their polls.
    #[inline(always)]
    pub(super) fn is_metered(&self) -> bool {
        self.metered.load(Relaxed)
    }

    /// Whether corrections can change what anybody takes: not if all take one seat, or are taken at their word.
    pub(super) fn heeds_corrections(&self) -> bool {
        let seats_differ = self.widest.load(Relaxed) > 1 && self.fuel_per_seat.load(Relaxed) < u64::MAX;
        seats_differ && self.corrects.load(Relaxed)
    }

    pub(super) fn max_page(&self) -> u32 {
        self.max_page.load(Relaxed)
    }

    /// How long polls may take together, in nanoseconds; `None` where nobody looks.
    #[inline]
    pub(super) fn max_busy(&self) -> Option<u64> {
        Some(self.max_busy.load(Relaxed)).filter(|busy| *busy < u64::MAX)
    }

    /// From when on a poll is long, in nanoseconds.
    pub(super) fn long_poll(&self) -> u64 {
        self.long_poll.load(Relaxed)
    }

    /// Whether anybody wants to know how long polls take.
    #[inline]
    pub(super) fn watches_polls(&self) -> bool {
        self.max_busy.load(Relaxed).min(self.long_poll.load(Relaxed)) < u64::MAX
    }

    /// What a request of this cost takes, with its estimate corrected. One that costs too much takes as much as one may, and
    /// is an error, unless that is what is done with those.
    ///
    /// Whether it costs too much does not depend on the correction: a caller who asks for the same gets the same answer.
    #[inline(always)]
    pub(super) fn price(&self, cost: Cost, correction: impl FnOnce() -> Correction) -> Result<Price, Price> {
        let (widest, most) = (self.widest.load(Relaxed), self.most.load(Relaxed));
        match (cost.known_seats(), cost.known_fuel()) {
            (Some(seats), None) if seats <= widest => Ok(Price { lane: ORDINARY, seats, fuel: most }),
            (seats, fuel) => self.price_of(seats, fuel, widest, most, correction),
        }
    }

    fn price_of(
        &self,
        seats: Option<u32>,
        fuel: Option<u64>,
        widest: u32,
        most: u64,
        correction: impl FnOnce() -> Correction,
    ) -> Result<Price, Price> {
        let fuel = fuel.map(|fuel| fuel.min(MOST));
        let asked = seats.unwrap_or_else(|| self.seats_of(fuel.unwrap_or(0)));
        let granted = fuel.map_or(MOST, |fuel| fuel.saturating_mul(self.headroom.load(Relaxed).into()));
        let fuel_is_too_much = |most: u64| fuel.is_some_and(|fuel| fuel > most);
        if asked > widest || fuel_is_too_much(most) {
            let clamped = Price { lane: ORDINARY, seats: asked.min(widest), fuel: granted.min(most) };
            let most_demoted = self.most_demoted.load(Relaxed);
            if most_demoted > 0 && !fuel_is_too_much(most_demoted) {
                return Ok(Price { lane: DEMOTED, seats: 1, fuel: granted.min(most_demoted) });
            }
            return if self.clamps.load(Relaxed) { Ok(clamped) } else { Err(clamped) };
        }
        let seats = match (seats, fuel) {
            (None, Some(fuel)) if self.corrects.load(Relaxed) => match correction() {
                none if none == Correction::default() => asked,
                some => self.seats_of(some.of(fuel)).min(widest),
            },
            _ => asked,
        };
        Ok(Price { lane: ORDINARY, seats, fuel: granted.min(most) })
    }

    /// A seat for each so much fuel, and one at least.
    fn seats_of(&self, fuel: u64) -> u32 {
        let seats = fuel.div_ceil(self.fuel_per_seat.load(Relaxed).max(1));
        u32::try_from(seats).unwrap_or(u32::MAX).max(1)
    }
}

#[cfg(test)]
mod tests {
    use std::num::{NonZeroU32, NonZeroU64};

    use proptest::prelude::*;

    use super::{super::cost::Demotion, *};
    use crate::settings::Ratio;

    /// Of 20 seats one request takes at most 3, of 10 fuel each; and spends 100 at most.
    fn settings() -> Settings {
        let settings = Settings::try_new(20).and_then(|settings| settings.try_with_fuel_per_seat(10));
        settings.and_then(|settings| settings.try_with_fuel(100)).expect("valid")
    }

    fn price(settings: Settings, cost: Cost) -> Result<(usize, u32, u64), (usize, u32, u64)> {
        let of = |price: Price| (price.lane, price.seats, price.fuel);
        Tariff::new(&settings).price(cost, Correction::default).map(of).map_err(of)
    }

    #[test]
    fn seats_follow_from_fuel_and_fuel_has_headroom_up_to_the_most() {
        for (fuel, seats, granted) in [(0, 1, 4), (1, 1, 4), (10, 1, 40), (11, 2, 44), (20, 2, 80), (30, 3, 100)] {
            assert_eq!(price(settings(), Cost::fuel(fuel)), Ok((ORDINARY, seats, granted)), "{fuel}");
        }
        assert_eq!(price(settings(), Cost::ONE), Ok((ORDINARY, 1, 100)), "nothing is known of its fuel");
        assert_eq!(price(settings(), Cost::fuel(30).with_seats(1)), Ok((ORDINARY, 1, 100)));
        let exact = settings().with_headroom(NonZeroU32::MIN);
        assert_eq!(price(exact, Cost::fuel(11)), Ok((ORDINARY, 2, 11)));
    }

    #[test]
    fn what_costs_too_much_is_refused_clamped_or_demoted() {
        let demoting = |fuel| {
            let demotion = Demotion::try_new(2).expect("two").with_fuel(NonZeroU64::new(fuel).expect("some"));
            settings().with_over_cost(OverCost::Demote(demotion))
        };
        for (cost, seats, granted) in [
            (Cost::fuel(31), 3, 100),
            (Cost::fuel(u64::MAX), 3, 100),
            (Cost::seats(u32::MAX), 3, 100),
            (Cost::fuel(101).with_seats(1), 1, 100),
            (Cost::fuel(2).with_seats(4), 3, 8),
        ] {
            let clamped = (ORDINARY, seats, granted);
            assert_eq!(price(settings(), cost), Err(clamped), "{cost:?}");
            assert_eq!(price(settings().with_over_cost(OverCost::Clamp), cost), Ok(clamped), "{cost:?}");
            let demoted = price(demoting(u64::MAX), cost).expect("demoted");
            assert_eq!((demoted.0, demoted.1), (DEMOTED, 1), "one place, however wide: {cost:?}");
        }
        assert_eq!(price(demoting(500), Cost::fuel(150)), Ok((DEMOTED, 1, 500)));
        assert_eq!(price(demoting(500), Cost::fuel(501)), Err((ORDINARY, 3, 100)), "too much there, too");
        assert_eq!(price(demoting(500), Cost::fuel(30)), Ok((ORDINARY, 3, 100)));
    }

    #[test]
    fn a_correction_changes_the_seats_and_never_the_answer() {
        let tariff = Tariff::new(&settings());
        let price = |fuel, ratio| tariff.price(Cost::fuel(fuel), || Correction::try_of(ratio).expect("in range"));
        assert_eq!(price(10, 2.0).map(|price| price.seats), Ok(2));
        assert_eq!(price(30, 0.25).map(|price| price.seats), Ok(1));
        assert_eq!(price(30, 4.0).map(|price| price.seats), Ok(3), "no wider than one may be");
        assert!(price(31, 0.25).is_err());
        tariff.set(&settings().without_correction());
        assert_eq!(price(10, 2.0).map(|price| price.seats), Ok(1));
    }

    #[test]
    fn books_are_kept_where_there_is_fuel_or_polls_are_looked_at() {
        let plain = Settings::try_new(1).expect("one");
        let metered = |settings| Tariff::new(&settings).is_metered();
        assert!(!metered(plain) && metered(plain.with_fuel(NonZeroU64::MAX)));
        assert!(metered(plain.with_max_busy(std::time::Duration::ZERO)));
        assert!(metered(plain.with_long_poll(std::time::Duration::from_secs(1))));
        assert_eq!(plain.widest(), 1, "whatever the share");
        assert_eq!(Settings::new(NonZeroU32::MAX).with_width(Ratio::ONE).widest(), u32::MAX);
    }

    proptest! {
        #[test]
        fn whatever_the_cost_nobody_is_wider_than_one_may_be_nor_has_more_fuel(
            seats: NonZeroU32, width in 1..=100u8, per_seat: NonZeroU64, fuel: Option<NonZeroU64>, headroom: NonZeroU32,
            asked: u32, estimate: u64, ratio in 0.25..4.0f64, clamp: bool,
        ) {
            let mut settings = Settings::new(seats).with_width(Ratio::percent(width)).with_fuel_per_seat(per_seat);
            settings = settings.with_headroom(headroom);
            if let Some(fuel) = fuel {
                settings = settings.with_fuel(fuel);
            }
            if clamp {
                settings = settings.with_over_cost(OverCost::Clamp);
            }
            let tariff = Tariff::new(&settings);
            let most = fuel.map_or(MOST, |fuel| fuel.get().min(MOST));
            for cost in [Cost::seats(asked), Cost::fuel(estimate), Cost::fuel(estimate).with_seats(asked)] {
                let price = tariff.price(cost, || Correction::try_of(ratio).expect("in range"));
                prop_assert!(!clamp || price.is_ok());
                let (Ok(price) | Err(price)) = price;
                prop_assert!(price.lane == ORDINARY && (1..=settings.widest()).contains(&price.seats));
                prop_assert!(price.seats <= seats.get() && (1..=most).contains(&price.fuel));
            }
        }
    }
}

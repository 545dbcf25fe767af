//! Who waits for a permit, and who is next.

use std::time::Duration;

use super::pools::{COMMON, Permit, Pools};
use crate::sync::{Ticket, Waiters, Wakeup};

/// Who gets the next free permit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Order {
    /// The one that has waited longest. Fair, and the default.
    #[default]
    OldestFirst,
    /// The one that came last. Under a standing overload this answers some in time instead of all too late; those that
    /// came first run into the bound on the wait.
    NewestFirst,
}

/// What pools and queue want to know of a room's settings.
pub(crate) trait Rules<const LANES: usize>: Copy {
    /// The permits of each pool.
    fn capacities(&self) -> [u32; LANES];
    /// How many may wait, with the time to do so.
    fn places(&self) -> u32;
    /// How long each may.
    fn max_wait(&self) -> Duration;
    /// Who gets the next free permit, of those who wait.
    fn order(&self) -> Order;
}

/// Requests that wait for a permit, and the settings. Guarded by the room's lock, which only those take who found
/// no permit, or who put one back while somebody waits.
#[derive(Debug)]
pub(crate) struct Queue<S, const LANES: usize, const BORROW: bool> {
    pub(super) settings: S,
    pub(super) waiters: Waiters<Permit, LANES>,
}

/// What became of a request that found no permit at first sight.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// There was one after all.
    Admitted(Permit),
    /// It waits, at most for so long.
    Waiting(Ticket, Duration),
    /// There is no place to wait.
    Full,
}

impl<S: Rules<LANES>, const LANES: usize, const BORROW: bool> Queue<S, LANES, BORROW> {
    pub(crate) fn new(settings: S) -> Self {
        Self { settings, waiters: Waiters::new() }
    }

    /// A request that found no permit looks once more, and waits if it may.
    pub(crate) fn arrive(&mut self, permits: &Pools<LANES, BORROW>, lane: usize, weight: u32) -> Arrival {
        // Announced before looking again: see `Pools` for why.
        permits.enter(lane);
        let alone_in_lane = self.waiters.oldest(lane).is_none();
        let own = if alone_in_lane && lane != COMMON { permits.take_own(lane, weight) } else { None };
        let may_take_common = || permits.may_borrow(lane) && self.next_for_common(permits).is_none();
        let found = own.or_else(|| if may_take_common() { permits.take_common(lane, weight) } else { None });
        if let Some(permit) = found {
            permits.exit(lane);
            return Arrival::Admitted(permit);
        }
        if permits.is_overfull(lane) || !permits.has_any(lane) {
            permits.exit(lane);
            return Arrival::Full;
        }
        Arrival::Waiting(self.waiters.join(lane, weight), self.settings.max_wait())
    }

    /// Gives a free permit to the next who waits, if there are both. Whoever got it is to be woken once the lock is
    /// gone.
    pub(crate) fn grant_one(&mut self, permits: &Pools<LANES, BORROW>) -> Option<Wakeup> {
        let (lane, ticket, permit) = self.next_of_a_compartment(permits).or_else(|| self.next_of_all(permits))?;
        permits.exit(lane);
        Some(self.waiters.grant(ticket, permit))
    }

    /// Gives the next of any lane what it waits for, whether it is free or not.
    pub(crate) fn grant_anyway(&mut self, permits: &Pools<LANES, BORROW>) -> Option<Wakeup> {
        let (lane, ticket) = (COMMON..LANES).find_map(|lane| Some((lane, self.next(lane)?)))?;
        let (weight, _) = self.waiters.weight_and_arrival(ticket);
        permits.exit(lane);
        Some(self.waiters.grant(ticket, permits.take_anyway(lane, weight)))
    }

    /// Ends a wait. A permit that was granted meanwhile is returned; else what would have woken it, to be
    /// dropped once the lock is gone.
    pub(crate) fn leave(
        &mut self,
        permits: &Pools<LANES, BORROW>,
        lane: usize,
        ticket: Ticket,
    ) -> Result<Permit, Wakeup> {
        let granted = self.waiters.leave(ticket);
        if granted.is_err() {
            permits.exit(lane);
        }
        granted
    }

    /// The permits of a compartment are for whoever waits in it, whatever the others wait for.
    fn next_of_a_compartment(&self, permits: &Pools<LANES, BORROW>) -> Option<(usize, Ticket, Permit)> {
        (COMMON + 1..LANES).find_map(|lane| {
            let ticket = self.next(lane)?;
            let (weight, _) = self.waiters.weight_and_arrival(ticket);
            Some((lane, ticket, permits.take_own(lane, weight)?))
        })
    }

    /// Common permits are for whoever is next of all lanes.
    fn next_of_all(&self, permits: &Pools<LANES, BORROW>) -> Option<(usize, Ticket, Permit)> {
        let (lane, ticket) = self.next_for_common(permits)?;
        let (weight, _) = self.waiters.weight_and_arrival(ticket);
        Some((lane, ticket, permits.take_common(lane, weight)?))
    }

    /// Who is next of all lanes. Nobody narrower passes one who is too wide for what is free just now: it would wait
    /// for ever. But one who is wider than the whole common pool waits for its own compartment, and keeps only that
    /// from the others.
    fn next_for_common(&self, permits: &Pools<LANES, BORROW>) -> Option<(usize, Ticket)> {
        let weight_and_arrival = |ticket: Ticket| self.waiters.weight_and_arrival(ticket);
        let nexts = (COMMON..LANES)
            .filter_map(|lane| Some((lane, self.next(lane)?)))
            .filter(|&(lane, ticket)| permits.fits_common(lane, weight_and_arrival(ticket).0));
        let arrival = |&(_, ticket): &(usize, Ticket)| weight_and_arrival(ticket).1;
        match self.settings.order() {
            Order::OldestFirst => nexts.min_by_key(arrival),
            Order::NewestFirst => nexts.max_by_key(arrival),
        }
    }

    fn next(&self, lane: usize) -> Option<Ticket> {
        match self.settings.order() {
            Order::OldestFirst => self.waiters.oldest(lane),
            Order::NewestFirst => self.waiters.newest(lane),
        }
    }
}

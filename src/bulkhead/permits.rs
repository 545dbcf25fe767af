//! The permits: pools of them, taken and put back without a lock.
//!
//! With compartments there is a pool for each, and one in common. A request is charged to one pool whole: to its own
//! compartment's while that has room, else to the common one. So what is guaranteed is never lent, and the limit is
//! never exceeded: the pools' capacities add up to it.

use std::fmt;

use super::settings::{MAX_COMPARTMENTS, Settings};
use crate::sync::atomic::{
    AtomicI64, AtomicU32, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};

/// The common pool, and then one for each compartment. A request's *lane* is the index of its own pool; requests that
/// belong to no compartment have the common one for their own.
pub(super) const LANES: usize = MAX_COMPARTMENTS + 1;

/// The lane of those who belong to no compartment, and the pool from which all may borrow.
pub(super) const COMMON: usize = 0;

/// What a request holds: so many permits of one pool.
///
/// Pool and width share a word. A permit is moved into a future and out again; as two fields it would be written in two
/// parts and read as one, which stalls the processor for longer than taking the permit takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Permit(u64);

impl Permit {
    #[inline(always)]
    const fn new(pool: usize, width: u32) -> Self {
        Self((pool as u64) << 32 | width as u64)
    }

    #[inline(always)]
    const fn pool(self) -> usize {
        (self.0 >> 32) as usize
    }

    #[inline(always)]
    const fn width(self) -> u32 {
        self.0 as u32
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("pool", &self.pool()).field("width", &self.width()).finish()
    }
}

#[derive(Debug)]
struct Pool {
    /// Below zero after the limit shrank, or while nothing is refused: a debt, which what comes back repays.
    free: AtomicI64,
    capacity: AtomicU32,
    /// How many wait in this pool's lane. Who finds it above zero does not jump the queue.
    waiting: AtomicUsize,
}

/// All permits of a bulkhead, and how many wait for them.
///
/// # Why nobody sleeps on a free permit
/// Who wants to wait first says so (`enter`), and then looks for a permit once more. Who puts a permit back does that
/// first, and then looks for waiters. All four steps are sequentially consistent, so at least one sees the other.
#[derive(Debug)]
pub(super) struct Permits {
    pools: [Pool; LANES],
    /// How many wait in all lanes.
    waiting: AtomicUsize,
    /// How many may. Where there is no place left, nobody has to ask the queue.
    places: AtomicU32,
}

impl Permits {
    pub(super) fn new(settings: &Settings) -> Self {
        let pools = capacities(settings).map(|capacity| Pool {
            free: AtomicI64::new(i64::from(capacity)),
            capacity: AtomicU32::new(capacity),
            waiting: AtomicUsize::new(0),
        });
        Self { pools, waiting: AtomicUsize::new(0), places: AtomicU32::new(settings.places()) }
    }

    /// Takes permits without a lock, unless others wait for them.
    #[inline(always)]
    pub(super) fn take(&self, lane: usize, weight: u32) -> Option<Permit> {
        // Those of one compartment who wait must not hold up another compartment, whose permits are its own.
        if lane != COMMON
            && self.pools[lane].waiting.load(SeqCst) == 0
            && let Some(permit) = self.take_own(lane, weight)
        {
            return Some(permit);
        }
        if self.waiting.load(SeqCst) == 0 { self.take_common(lane, weight) } else { None }
    }

    /// Takes permits of the lane's own pool.
    #[inline(always)]
    pub(super) fn take_own(&self, lane: usize, weight: u32) -> Option<Permit> {
        self.take_from(lane, self.width(lane, weight)?)
    }

    /// Takes permits of the common pool.
    #[inline(always)]
    pub(super) fn take_common(&self, lane: usize, weight: u32) -> Option<Permit> {
        self.take_from(COMMON, self.width(lane, weight)?)
    }

    /// Whether so many permits of the common pool could ever be free at once. A resize may change the answer.
    pub(super) fn fits_common(&self, lane: usize, weight: u32) -> bool {
        let capacity = self.pools[COMMON].capacity.load(Relaxed);
        self.width(lane, weight).is_some_and(|width| width <= capacity)
    }

    /// Takes permits that are not there.
    pub(super) fn take_anyway(&self, lane: usize, weight: u32) -> Permit {
        let width = self.width(lane, weight).unwrap_or(1);
        self.pools[COMMON].free.fetch_sub(i64::from(width), SeqCst);
        Permit::new(COMMON, width)
    }

    /// Puts permits back. Whether somebody waits for them is the answer.
    #[inline(always)]
    #[must_use]
    pub(super) fn put_back(&self, permit: Permit) -> bool {
        self.pools[permit.pool()].free.fetch_add(i64::from(permit.width()), SeqCst);
        self.waiting.load(SeqCst) > 0
    }

    /// Somebody is about to wait.
    pub(super) fn enter(&self, lane: usize) {
        self.pools[lane].waiting.fetch_add(1, SeqCst);
        self.waiting.fetch_add(1, SeqCst);
    }

    /// Somebody waits no longer.
    pub(super) fn exit(&self, lane: usize) {
        self.waiting.fetch_sub(1, SeqCst);
        self.pools[lane].waiting.fetch_sub(1, SeqCst);
    }

    /// Changes the capacities. What is in use beyond them stays in use, and is not replaced when it comes back. The
    /// caller sees to it that nobody else does this at the same time.
    pub(super) fn resize(&self, settings: &Settings) {
        self.places.store(settings.places(), Relaxed);
        for (pool, capacity) in self.pools.iter().zip(capacities(settings)) {
            let before = pool.capacity.swap(capacity, SeqCst);
            pool.free.fetch_add(i64::from(capacity) - i64::from(before), SeqCst);
        }
    }

    /// A pool's capacity, permits in use, and requests waiting in its lane.
    pub(super) fn usage(&self, pool: usize) -> (u32, u32, usize) {
        let pool = &self.pools[pool];
        let capacity = pool.capacity.load(Relaxed);
        let in_use = i64::from(capacity) - pool.free.load(Relaxed);
        (capacity, u32::try_from(in_use.max(0)).unwrap_or(u32::MAX), pool.waiting.load(Relaxed))
    }

    /// Whether all permits are there, and nobody waits.
    pub(super) fn are_all_free(&self) -> bool {
        let is_free = |pool: &Pool| pool.free.load(SeqCst) == i64::from(pool.capacity.load(SeqCst));
        self.waiting() == 0 && self.pools.iter().all(is_free)
    }

    /// Whether a request of this lane could be admitted at all. Where everything is guaranteed to others, it would
    /// wait for ever.
    pub(super) fn has_any(&self, lane: usize) -> bool {
        self.width(lane, 1).is_some()
    }

    /// Whether there is no place left to wait.
    pub(super) fn is_packed(&self) -> bool {
        self.waiting.load(Relaxed) >= self.places.load(Relaxed) as usize
    }

    /// Whether enough is free for a request, be it that others wait for it. One too wide for what is free just now, or
    /// for the common pool altogether, can hold the last place in the queue while others need not wait.
    pub(super) fn has_room(&self, lane: usize, weight: u32) -> bool {
        let Some(width) = self.width(lane, weight) else { return false };
        [COMMON, lane].iter().any(|&pool| self.pools[pool].free.load(Relaxed) >= i64::from(width))
    }

    /// How many wait in all lanes.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(SeqCst)
    }

    /// How many permits a request of this weight takes: at least one, and at most as many as the larger of the two
    /// pools it may use has in all. So a request wider than that runs alone, instead of never. `None` if both pools
    /// are empty for good: there is nothing but what is guaranteed to others.
    #[inline(always)]
    fn width(&self, lane: usize, weight: u32) -> Option<u32> {
        let widest = |pool: usize| self.pools[pool].capacity.load(Relaxed);
        let most = if lane == COMMON { widest(COMMON) } else { widest(COMMON).max(widest(lane)) };
        if most == 0 { None } else { Some(weight.clamp(1, most)) }
    }

    #[inline(always)]
    fn take_from(&self, pool: usize, width: u32) -> Option<Permit> {
        let free = &self.pools[pool].free;
        let mut seen = free.load(SeqCst);
        while seen >= i64::from(width) {
            match free.compare_exchange_weak(seen, seen - i64::from(width), SeqCst, SeqCst) {
                Ok(_) => return Some(Permit::new(pool, width)),
                Err(now) => seen = now,
            }
        }
        None
    }
}

fn capacities(settings: &Settings) -> [u32; LANES] {
    let mut capacities = [settings.common(); LANES];
    capacities[COMMON + 1..].copy_from_slice(&settings.guarantees);
    capacities
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn permits(limit: u32, guarantees: &[u32]) -> Permits {
        let settings = Settings::try_new(limit).and_then(|s| s.try_with_compartments(guarantees));
        Permits::new(&settings.expect("valid"))
    }

    #[test]
    fn a_guarantee_is_never_lent_and_the_rest_is_borrowed() {
        let permits = permits(5, &[2, 1]);
        let first: Vec<_> = (0..9).filter_map(|_| permits.take(1, 1)).collect();
        assert_eq!(first.len(), 4, "its own two, and the common two");
        assert!(permits.take(2, 1).is_some(), "the other's one is its own");
        assert!(permits.take(2, 1).is_none());
        assert!(permits.take(COMMON, 1).is_none());
    }

    #[test]
    fn what_is_wider_than_everything_runs_alone() {
        let permits = permits(5, &[]);
        let wide = permits.take(COMMON, 100).expect("alone");
        assert!(permits.take(COMMON, 1).is_none());
        assert!(!permits.put_back(wide));
        assert!(permits.take(COMMON, 0).is_some(), "and what weighs nothing weighs one");
    }

    #[test]
    fn who_belongs_nowhere_gets_nothing_where_all_is_guaranteed() {
        assert!(permits(2, &[2]).take(COMMON, 1).is_none());
        assert!(permits(2, &[2]).take(2, 1).is_none());
    }

    #[test]
    fn a_shrunken_limit_is_a_debt_that_returns_repay() {
        let permits = permits(3, &[]);
        let held: Vec<_> = (0..3).filter_map(|_| permits.take(COMMON, 1)).collect();
        permits.resize(&Settings::try_new(1).expect("valid"));
        for permit in held {
            assert!(permits.take(COMMON, 1).is_none());
            assert!(!permits.put_back(permit));
        }
        assert!(permits.take(COMMON, 1).is_some());
        assert!(permits.take(COMMON, 1).is_none());
    }

    proptest! {
        /// However requests come and go: what is in use stays within the limit, a compartment always gets what it is
        /// guaranteed, and in the end everything is free again.
        #[test]
        fn pools_add_up(
            limit in 1..20u32,
            shares in proptest::collection::vec(0..6u32, 0..4),
            steps in proptest::collection::vec((0..5usize, 0..4u32, any::<bool>()), 0..200),
        ) {
            let shares: Vec<u32> = shares.into_iter()
                .scan(limit, |left, share| { let share = share.min(*left); *left -= share; Some(share) })
                .collect();
            let permits = permits(limit, &shares);
            let mut held: Vec<(usize, Permit)> = Vec::new();
            let used = |held: &[(usize, Permit)], lane: Option<usize>| -> u32 {
                held.iter().filter(|h| lane.is_none_or(|lane| h.0 == lane)).map(|h| h.1.width()).sum()
            };
            for (lane, weight, put_back) in steps {
                if put_back && !held.is_empty() {
                    let (_, permit) = held.swap_remove(lane % held.len());
                    prop_assert!(!permits.put_back(permit));
                    continue;
                }
                let guaranteed = lane.checked_sub(1).and_then(|i| shares.get(i)).copied().unwrap_or(0);
                match permits.take(lane, weight) {
                    Some(permit) => held.push((lane, permit)),
                    None => prop_assert!(
                        weight > 1 || used(&held, Some(lane)) >= guaranteed,
                        "refused below its guarantee"
                    ),
                }
                prop_assert!(used(&held, None) <= limit);
            }
            for (_, permit) in held.drain(..) {
                prop_assert!(!permits.put_back(permit));
            }
            for (pool, share) in std::iter::once(limit - shares.iter().sum::<u32>()).chain(shares).enumerate() {
                prop_assert_eq!(permits.usage(pool), (share, 0, 0));
            }
        }
    }
}

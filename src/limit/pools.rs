//! Permits in pools, taken and put back without a lock.
//!
//! There is a common pool, and there may be others. A request is charged to one pool whole: to its own while that has
//! room, else to the common one, where it may borrow. So what is one pool's is never lent, and no limit is exceeded.

use std::fmt;

use crate::sync::atomic::{
    AtomicI64, AtomicU32, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};

/// The lane of those who have no pool of their own, and the pool from which all may borrow, where they may.
pub(crate) const COMMON: usize = 0;

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
    pub(crate) const fn pool(self) -> usize {
        (self.0 >> 32) as usize
    }

    #[inline(always)]
    pub(crate) const fn width(self) -> u32 {
        self.0 as u32
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("pool", &self.pool()).field("width", &self.width()).finish()
    }
}

/// One pool of permits at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// The permits that it has.
    pub capacity: u32,
    /// Those in use. More than it has after it became smaller, or while its room only observes.
    pub in_use: u32,
    /// Requests that wait, of those that belong here.
    pub waiting: usize,
}

#[derive(Debug)]
struct Pool {
    /// Below zero after the limit shrank, or while nothing is refused: a debt, which what comes back repays.
    free: AtomicI64,
    capacity: AtomicU32,
    /// How many wait in this pool's lane. A request that finds it above zero does not jump the queue.
    waiting: AtomicUsize,
}

/// All permits of a room, and how many wait for them. A request's *lane* is the index of its own pool. If they are to
/// `BORROW`, the common pool is there for all lanes; else each lane has its own pool and nothing else, and no lane
/// waits for another.
///
/// # Why nobody sleeps on a free permit
/// A request that wants to wait says so first (`enter`), and then looks for a permit once more. A call that puts a
/// permit back does that first, and then looks for waiters. All four steps are sequentially consistent, so at least one
/// sees the other.
#[derive(Debug)]
pub(crate) struct Pools<const LANES: usize, const BORROW: bool> {
    pools: [Pool; LANES],
    /// How many wait in all lanes.
    waiting: AtomicUsize,
    /// How many may, in all lanes or, where none borrows, in each. Where there is no place left, nobody has to ask the
    /// queue.
    places: AtomicU32,
}

impl<const LANES: usize, const BORROW: bool> Pools<LANES, BORROW> {
    pub(crate) fn new(capacities: [u32; LANES], places: u32) -> Self {
        let pools = capacities.map(|capacity| Pool {
            free: AtomicI64::new(i64::from(capacity)),
            capacity: AtomicU32::new(capacity),
            waiting: AtomicUsize::new(0),
        });
        Self { pools, waiting: AtomicUsize::new(0), places: AtomicU32::new(places) }
    }

    /// Takes permits without a lock, unless others wait for them.
    #[inline(always)]
    pub(crate) fn take(&self, lane: usize, weight: u32) -> Option<Permit> {
        // Those of one compartment who wait must not hold up another compartment, whose permits are its own.
        if lane != COMMON
            && self.pools[lane].waiting.load(SeqCst) == 0
            && let Some(permit) = self.take_own(lane, weight)
        {
            return Some(permit);
        }
        if self.may_borrow(lane) && self.crowd(COMMON).load(SeqCst) == 0 {
            self.take_common(lane, weight)
        } else {
            None
        }
    }

    /// Whether a lane may take common permits.
    #[inline(always)]
    pub(crate) fn may_borrow(&self, lane: usize) -> bool {
        BORROW || lane == COMMON
    }

    /// Those who wait for the same as a lane does: where lanes borrow, all.
    #[inline(always)]
    fn crowd(&self, lane: usize) -> &AtomicUsize {
        if BORROW { &self.waiting } else { &self.pools[lane].waiting }
    }

    /// Takes permits of the lane's own pool.
    #[inline(always)]
    pub(crate) fn take_own(&self, lane: usize, weight: u32) -> Option<Permit> {
        self.take_from(lane, self.width(lane, weight)?)
    }

    /// Takes permits of the common pool.
    #[inline(always)]
    pub(crate) fn take_common(&self, lane: usize, weight: u32) -> Option<Permit> {
        self.take_from(COMMON, self.width(lane, weight)?)
    }

    /// Whether so many permits of the common pool could ever be free at once. A resize may change the answer.
    pub(crate) fn fits_common(&self, lane: usize, weight: u32) -> bool {
        let capacity = self.pools[COMMON].capacity.load(Relaxed);
        self.may_borrow(lane) && self.width(lane, weight).is_some_and(|width| width <= capacity)
    }

    /// Takes permits that are not there.
    pub(crate) fn take_anyway(&self, lane: usize, weight: u32) -> Permit {
        let width = self.width(lane, weight).unwrap_or(1);
        let pool = if BORROW { COMMON } else { lane };
        self.pools[pool].free.fetch_sub(i64::from(width), SeqCst);
        Permit::new(pool, width)
    }

    /// Puts permits back. Whether somebody waits for them is the answer.
    #[inline(always)]
    #[must_use]
    pub(crate) fn put_back(&self, permit: Permit) -> bool {
        self.pools[permit.pool()].free.fetch_add(i64::from(permit.width()), SeqCst);
        self.waiting.load(SeqCst) > 0
    }

    /// Somebody is about to wait.
    pub(crate) fn enter(&self, lane: usize) {
        self.pools[lane].waiting.fetch_add(1, SeqCst);
        self.waiting.fetch_add(1, SeqCst);
    }

    /// Somebody waits no longer.
    pub(crate) fn exit(&self, lane: usize) {
        self.waiting.fetch_sub(1, SeqCst);
        self.pools[lane].waiting.fetch_sub(1, SeqCst);
    }

    /// Changes the capacities. What is in use beyond them stays in use, and is not replaced when it comes back. The
    /// caller sees to it that nobody else does this at the same time.
    pub(crate) fn resize(&self, capacities: [u32; LANES], places: u32) {
        self.places.store(places, Relaxed);
        for (pool, capacity) in self.pools.iter().zip(capacities) {
            let before = pool.capacity.swap(capacity, SeqCst);
            pool.free.fetch_add(i64::from(capacity) - i64::from(before), SeqCst);
        }
    }

    /// What a pool has, what of that is in use, and who waits in its lane.
    pub(crate) fn usage(&self, pool: usize) -> Usage {
        let pool = &self.pools[pool];
        let capacity = pool.capacity.load(Relaxed);
        let in_use = i64::from(capacity) - pool.free.load(Relaxed);
        let in_use = u32::try_from(in_use.max(0)).unwrap_or(u32::MAX);
        Usage { capacity, in_use, waiting: pool.waiting.load(Relaxed) }
    }

    /// Whether a request of this lane could be admitted at all. Where everything is guaranteed to others, it would
    /// wait for ever.
    pub(crate) fn has_any(&self, lane: usize) -> bool {
        self.width(lane, 1).is_some()
    }

    /// Whether there is no place left to wait.
    pub(crate) fn is_packed(&self, lane: usize) -> bool {
        self.crowd(lane).load(Relaxed) >= self.places.load(Relaxed) as usize
    }

    /// Whether, after one more has come, more wait than may.
    pub(crate) fn is_overfull(&self, lane: usize) -> bool {
        self.crowd(lane).load(SeqCst) > self.places.load(Relaxed) as usize
    }

    /// Whether every permit is there, and nobody waits.
    pub(crate) fn is_idle(&self) -> bool {
        let whole = |pool: &Pool| pool.free.load(SeqCst) == i64::from(pool.capacity.load(SeqCst));
        self.waiting() == 0 && self.pools.iter().all(whole)
    }

    /// Whether enough is free for a request, be it that others wait for it. One too wide for what is free just now, or
    /// for the common pool altogether, can hold the last place in the queue while others need not wait.
    pub(crate) fn has_room(&self, lane: usize, weight: u32) -> bool {
        let Some(width) = self.width(lane, weight) else { return false };
        let pools = if BORROW { [COMMON, lane] } else { [lane; 2] };
        pools.iter().any(|&pool| self.pools[pool].free.load(Relaxed) >= i64::from(width))
    }

    /// How many wait in all lanes.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(SeqCst)
    }

    /// How many permits a request of this weight takes: at least one, and at most as many as the larger of the
    /// pools it may use has in all. So a request wider than that runs alone, instead of never. `None` if both pools
    /// are empty for good: there is nothing but what is guaranteed to others.
    #[inline(always)]
    fn width(&self, lane: usize, weight: u32) -> Option<u32> {
        let widest = |pool: usize| self.pools[pool].capacity.load(Relaxed);
        let most = if lane == COMMON || !BORROW { widest(lane) } else { widest(COMMON).max(widest(lane)) };
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn permits(limit: u32, guarantees: &[u32]) -> Pools<5, true> {
        Pools::new(capacities(limit, guarantees), 0)
    }

    fn capacities(limit: u32, guarantees: &[u32]) -> [u32; 5] {
        let mut capacities = [0; 5];
        capacities[COMMON] = limit - guarantees.iter().sum::<u32>();
        capacities[COMMON + 1..][..guarantees.len()].copy_from_slice(guarantees);
        capacities
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
    fn lanes_that_do_not_borrow_take_nothing_of_one_another_and_wait_for_nobody() {
        let pools = Pools::<2, false>::new([3, 1], 1);
        assert!(pools.take(1, 9).is_some(), "as wide as its own pool, and no wider");
        assert!(pools.take(1, 1).is_none(), "though three are free");
        assert!(!pools.has_room(1, 1) && pools.has_room(COMMON, 1));
        pools.enter(1);
        assert!(pools.is_packed(1) && !pools.is_packed(COMMON));
        assert!(pools.take(COMMON, 3).is_some(), "whoever waits elsewhere");
        assert_eq!((pools.take_anyway(1, 1).pool(), pools.take_anyway(COMMON, 1).pool()), (1, COMMON));
    }

    #[test]
    fn a_shrunken_limit_is_a_debt_that_returns_repay() {
        let permits = permits(3, &[]);
        let held: Vec<_> = (0..3).filter_map(|_| permits.take(COMMON, 1)).collect();
        permits.resize(capacities(1, &[]), 0);
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
            prop_assert!(permits.is_idle());
            for (pool, share) in std::iter::once(limit - shares.iter().sum::<u32>()).chain(shares).enumerate() {
                prop_assert_eq!(permits.usage(pool), Usage { capacity: share, ..Usage::default() });
            }
        }
    }
}

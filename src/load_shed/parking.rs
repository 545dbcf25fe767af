//! Places in use, and those of them that are parked.
//!
//! A stream or a long poll holds its place for seconds and uses little while it does. Counted like the others it would fill
//! the limit, and the limit would choke a service that is idle. What gives it away is that others overtake it: a call that
//! sixteen times as many answered calls as the limit have passed does not wait in the same queue as they. Such a place is
//! *parked*: it does not count against the limit any more, and how long it took in the end is not taken for a latency.

use crate::sync::atomic::{
    AtomicBool, AtomicI64, AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
};

/// After how many times the limit of calls that overtook it a place is parked.
const OVERTAKEN: u32 = 16;
/// A turn has at least so many calls: a few more or less are chance. And at most so many: numbers that wrap are told apart
/// by half of their range.
const LEAST: u32 = 4;
const MOST: u32 = 1 << 30;

const SLOTS: usize = OVERTAKEN as usize + 1;
/// Turns begin anew after so many: a multiple of the slots, or else the first would have the slot of the last.
const TURNS: u32 = u32::MAX - u32::MAX % SLOTS as u32;

/// A place in use: the number of the turn in which it was taken.
pub(super) type Turn = u32;

/// Counts the places in use, by the turn in which they were taken.
///
/// The calls that are answered are counted in turns: one is over when as many were as the limit is. A slot holds the places
/// that were taken in one turn and are still in use. When a turn begins whose slot is in use, what that one holds is parked.
#[derive(Debug)]
pub(super) struct Places {
    /// Below, places in use that are not parked; above, the calls that were answered, wrapping.
    in_use: AtomicU64,
    /// The number of the turn, wrapping.
    turn: AtomicU32,
    /// When, in calls that were answered, the turn is over.
    turn_over: AtomicU32,
    /// Each the number of a turn, and the places taken in it.
    slots: [AtomicU64; SLOTS],
    /// How many may be under way in all, the parked included: what is parked uses memory at least.
    most: AtomicU32,
    /// Below zero for a moment, when a place comes back just as it is parked.
    parked: AtomicI64,
    turning: AtomicBool,
}

/// What putting back a place showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Return {
    /// So many were in use, this one included.
    Of(u32),
    /// It had been parked.
    Parked,
}

impl Places {
    pub(super) fn new(limit: u32, most: u32) -> Self {
        // Slot n holds turn n, and turn 0 begins.
        let slots = std::array::from_fn(|slot| AtomicU64::new(slot_of(slot as u32, 0)));
        Self {
            in_use: AtomicU64::new(0),
            turn: AtomicU32::new(0),
            turn_over: AtomicU32::new(calls_of_a_turn(limit)),
            slots,
            most: AtomicU32::new(most),
            parked: AtomicI64::new(0),
            turning: AtomicBool::new(false),
        }
    }

    /// Takes a place if fewer than `limit` are in use, and not as many under way as may be in all.
    #[inline]
    pub(super) fn take(&self, limit: u32) -> Option<Turn> {
        let mut seen = self.in_use.load(SeqCst);
        // In this order: what is parked in between is counted twice, and not left out.
        while (seen as u32) < limit.min(self.not_parked()) {
            match self.in_use.compare_exchange_weak(seen, seen + 1, SeqCst, SeqCst) {
                Ok(_) => return Some(self.enter()),
                Err(now) => seen = now,
            }
        }
        None
    }

    /// Takes a place, however many are in use.
    pub(super) fn take_anyway(&self) -> Turn {
        self.in_use.fetch_add(1, SeqCst);
        self.enter()
    }

    /// Puts a place back. Only a call that was `answered` has overtaken others; whoever of those ends a turn begins the
    /// next.
    #[inline]
    pub(super) fn put_back(&self, turn: Turn, limit: u32, answered: bool) -> Return {
        let slot = &self.slots[turn as usize % SLOTS];
        let mut seen = slot.load(Relaxed);
        while (seen >> 32) as u32 == turn {
            match slot.compare_exchange_weak(seen, seen - 1, Relaxed, Relaxed) {
                Ok(_) => {
                    let passed = u32::from(answered);
                    let before = self.in_use.fetch_add((u64::from(passed) << 32).wrapping_sub(1), SeqCst);
                    let so_far = ((before >> 32) as u32).wrapping_add(passed);
                    if is_reached(so_far, self.turn_over.load(Relaxed)) {
                        self.begin_turn(so_far, limit);
                    }
                    return Return::Of(before as u32);
                }
                Err(now) => seen = now,
            }
        }
        self.parked.fetch_sub(1, Relaxed);
        Return::Parked
    }

    /// How many calls have been answered, wrapping.
    pub(super) fn answered(&self) -> u32 {
        (self.in_use.load(Relaxed) >> 32) as u32
    }

    /// Whether as many are under way as may be in all.
    pub(super) fn is_full(&self) -> bool {
        self.in_use() >= self.not_parked()
    }

    /// Ends the turn here, however many were answered in it.
    pub(super) fn end_turn(&self, limit: u32) {
        let answered = self.answered();
        self.turn_over.store(answered, Relaxed);
        self.begin_turn(answered, limit);
    }

    /// Lets so many be under way in all from now on, the parked included.
    pub(super) fn resize(&self, most: u32) {
        self.most.store(most, Relaxed);
    }

    /// Places in use that are not parked.
    pub(super) fn in_use(&self) -> u32 {
        self.in_use.load(SeqCst) as u32
    }

    /// Places that are parked.
    pub(super) fn parked(&self) -> u32 {
        self.parked.load(Relaxed).clamp(0, i64::from(u32::MAX)) as u32
    }

    /// How many that are not parked those that are leave room for.
    #[inline]
    fn not_parked(&self) -> u32 {
        self.most.load(Relaxed).saturating_sub(self.parked())
    }

    #[inline]
    fn enter(&self) -> Turn {
        loop {
            let turn = self.turn.load(Relaxed);
            let slot = &self.slots[turn as usize % SLOTS];
            let mut seen = slot.load(Relaxed);
            while (seen >> 32) as u32 == turn {
                match slot.compare_exchange_weak(seen, seen + 1, Relaxed, Relaxed) {
                    Ok(_) => return turn,
                    Err(now) => seen = now,
                }
            }
            std::hint::spin_loop();
        }
    }

    /// Begins the next turn, if nobody else is at it: who comes late will be told again by the next call that ends.
    #[cold]
    fn begin_turn(&self, answered: u32, limit: u32) {
        if self.turning.compare_exchange(false, true, Acquire, Relaxed).is_err() {
            return;
        }
        if is_reached(answered, self.turn_over.load(Relaxed)) {
            self.turn_over.store(answered.wrapping_add(calls_of_a_turn(limit)), Relaxed);
            self.park_oldest(limit.max(LEAST));
        }
        self.turning.store(false, Release);
    }

    /// Parks what is still in the oldest slot, and lets the next turn have that. While so much is parked already that there
    /// is no room for it, the turn goes on.
    fn park_oldest(&self, limit: u32) {
        let next = self.turn.load(Relaxed).wrapping_add(1) % TURNS;
        let slot = &self.slots[next as usize % SLOTS];
        let left = slot.load(Relaxed) as u32;
        if u64::from(self.parked()) + u64::from(left) > u64::from(self.most.load(Relaxed).saturating_sub(limit)) {
            return;
        }
        let left = slot.swap(slot_of(next, 0), Relaxed) as u32;
        if left > 0 {
            self.parked.fetch_add(i64::from(left), Relaxed);
            self.in_use.fetch_sub(u64::from(left), SeqCst);
        }
        self.turn.store(next, Relaxed);
    }
}

fn calls_of_a_turn(limit: u32) -> u32 {
    limit.clamp(LEAST, MOST)
}

const fn slot_of(turn: u32, places: u32) -> u64 {
    (turn as u64) << 32 | places as u64
}

/// Whether a wrapping count has come as far as `goal`.
const fn is_reached(count: u32, goal: u32) -> bool {
    count.wrapping_sub(goal) < 1 << 31
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    /// Calls that come and go at once, `calls` of them, past whatever is in use.
    fn pass(places: &Places, calls: u32, limit: u32) {
        for _ in 0..calls {
            let turn = places.take_anyway();
            assert!(matches!(places.put_back(turn, limit, true), Return::Of(_)));
        }
    }

    #[test]
    fn what_everybody_overtakes_is_parked_and_makes_room() {
        let places = Places::new(8, 100);
        let streams: Vec<_> = (0..8).map(|_| places.take(8).expect("room")).collect();
        assert_eq!(places.take(8), None);
        pass(&places, 8 * OVERTAKEN, 8);
        assert_eq!((places.in_use(), places.parked()), (8, 0), "not yet overtaken often enough");
        pass(&places, 8, 8);
        assert_eq!((places.in_use(), places.parked()), (0, 8));
        for stream in streams {
            assert_eq!(places.put_back(stream, 8, true), Return::Parked);
        }
        assert_eq!((places.in_use(), places.parked()), (0, 0));
    }

    /// A service that stands still lets nobody overtake: the queue in it is no stream.
    #[test]
    fn nothing_is_parked_while_nothing_ends() {
        let places = Places::new(4, 100);
        let stuck: Vec<_> = (0..4).map(|_| places.take(4).expect("room")).collect();
        assert!((0..100_000).all(|_| places.take(4).is_none()));
        assert!(stuck.into_iter().all(|turn| matches!(places.put_back(turn, 4, true), Return::Of(_))));
        assert_eq!(places.parked(), 0);
    }

    /// A bulkhead further in that refuses a flood once had every call parked that it served.
    #[test]
    fn what_was_not_answered_has_overtaken_nobody() {
        let places = Places::new(4, 100);
        let served: Vec<_> = (0..4).map(|_| places.take_anyway()).collect();
        for _ in 0..10_000 {
            let turn = places.take_anyway();
            assert_eq!(places.put_back(turn, 4, false), Return::Of(5));
        }
        assert_eq!((places.in_use(), places.parked()), (4, 0));
        for (turn, in_use) in served.into_iter().zip([4, 3, 2, 1]) {
            assert_eq!(places.put_back(turn, 4, true), Return::Of(in_use));
        }
    }

    /// The first turn had the slot of the last one, and parked what had just begun.
    #[test]
    fn turns_begin_anew_without_parking_anybody() {
        let places = Places::new(4, 100);
        let last = TURNS - 1;
        for (slot, held) in places.slots.iter().enumerate() {
            held.store(slot_of(last - (last - slot as u32) % SLOTS as u32, 0), Relaxed);
        }
        places.turn.store(last, Relaxed);
        let begun = places.take(4).expect("room");
        assert_eq!(begun, last);
        pass(&places, 4 * OVERTAKEN, 4);
        assert_eq!((places.in_use(), places.parked(), places.turn.load(Relaxed)), (1, 0, OVERTAKEN - 1));
        pass(&places, 4, 4);
        assert_eq!((places.in_use(), places.parked()), (0, 1));
        assert_eq!(places.put_back(begun, 4, true), Return::Parked);
    }

    #[test]
    fn no_more_is_under_way_than_may_be_in_all() {
        let places = Places::new(4, 36);
        let mut held = Vec::new();
        for _ in 0..100 {
            held.extend((0..4).filter_map(|_| places.take(4)));
            pass(&places, 4 * (OVERTAKEN + 2), 4);
            assert!(places.parked() <= 32);
        }
        assert_eq!((places.in_use(), places.parked()), (4, 32));
        for turn in held {
            places.put_back(turn, 4, true);
        }
        assert_eq!((places.in_use(), places.parked()), (0, 0));
    }

    /// Parked up to what was the limit then, and when that grew, as many again were let in.
    #[test]
    fn a_limit_that_grows_lets_in_no_more_than_may_be_in_all() {
        let places = Places::new(4, 36);
        let mut held = Vec::new();
        for _ in 0..20 {
            held.extend((0..4).filter_map(|_| places.take(4)));
            pass(&places, 4 * (OVERTAKEN + 2), 4);
        }
        held.extend((0..100).filter_map(|_| places.take(36)));
        assert_eq!(places.in_use() + places.parked(), 36);
        assert_eq!(places.take(u32::MAX), None);
        places.resize(37);
        assert!(places.take(36).is_some_and(|turn| places.put_back(turn, 36, true) == Return::Of(5)));
        for turn in held {
            places.put_back(turn, 36, true);
        }
        assert_eq!((places.in_use(), places.parked()), (0, 0));
    }

    /// A turn of so many calls was over as soon as it began, and with each call the oldest were parked.
    #[test]
    fn nothing_is_parked_under_a_limit_that_nobody_reaches() {
        let places = Places::new(3_000_000_000, u32::MAX);
        let slow = places.take(3_000_000_000).expect("room");
        pass(&places, 1000, 3_000_000_000);
        assert_eq!((places.in_use(), places.parked()), (1, 0));
        assert_eq!(places.put_back(slow, 3_000_000_000, true), Return::Of(1));
    }

    proptest! {
        /// Whatever comes and goes, and however the limit moves: every place is in use, parked, or free.
        #[test]
        fn places_add_up(steps in proptest::collection::vec((any::<bool>(), 0usize..64, 1u32..12), 0..2000)) {
            let places = Places::new(4, 100);
            let mut held = Vec::new();
            let mut taken_in = HashMap::<Turn, u32>::new();
            for (take, which, limit) in steps {
                if take {
                    match places.take(limit) {
                        Some(turn) => {
                            held.push(turn);
                            *taken_in.entry(turn).or_default() += 1;
                        }
                        None => prop_assert!(places.in_use() >= limit),
                    }
                } else if !held.is_empty() {
                    let turn = held.swap_remove(which % held.len());
                    let before = places.in_use() + places.parked();
                    let _ = places.put_back(turn, limit, which % 3 > 0);
                    prop_assert_eq!(places.in_use() + places.parked(), before - 1);
                }
                prop_assert_eq!((places.in_use() + places.parked()) as usize, held.len());
            }
            for turn in held {
                places.put_back(turn, 4, true);
            }
            prop_assert_eq!((places.in_use(), places.parked()), (0, 0));
        }
    }
}

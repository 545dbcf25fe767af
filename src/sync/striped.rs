use std::{ops::Deref, sync::OnceLock, thread::available_parallelism};

use super::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

/// A copy of `T` for each of the threads that run at once, on cache lines of its own, and one that all others share: for
/// what every call counts.
///
/// A thread that has a copy to itself adds to it without a locked instruction, which is a fifth of the price; and two
/// threads never write to the same line.
#[derive(Debug)]
pub(crate) struct Striped<T> {
    own: Box<[Line<T>]>,
    shared: Line<T>,
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct Line<T>(T);

/// The copy of the thread that asked, for as long as it does not wait.
#[derive(Debug)]
pub(crate) struct Stripe<'a, T> {
    copy: &'a T,
    alone: bool,
}

impl<T: Default> Striped<T> {
    pub(crate) fn new() -> Self {
        Self { own: (0..threads()).map(|_| Line::default()).collect(), shared: Line::default() }
    }
}

impl<T> Striped<T> {
    /// The copy of this thread.
    #[inline]
    pub(crate) fn mine(&self) -> Stripe<'_, T> {
        match lane().and_then(|lane| self.own.get(lane)) {
            Some(own) => Stripe { copy: &own.0, alone: true },
            None => Stripe { copy: &self.shared.0, alone: false },
        }
    }

    /// All copies.
    pub(crate) fn all(&self) -> impl Iterator<Item = &T> {
        self.own.iter().chain([&self.shared]).map(|line| &line.0)
    }
}

impl<T> Stripe<'_, T> {
    /// Adds to a number of this very copy, wrapping.
    #[inline]
    pub(crate) fn add(&self, number: &AtomicU64, more: u64) {
        if self.alone {
            number.store(number.load(Relaxed).wrapping_add(more), Relaxed);
        } else {
            number.fetch_add(more, Relaxed);
        }
    }
}

impl<T> Deref for Stripe<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.copy
    }
}

/// How many threads get a copy: twice as many as run at once, since a runtime's are not the only ones.
fn threads() -> usize {
    static THREADS: OnceLock<usize> = OnceLock::new();
    *THREADS.get_or_init(|| available_parallelism().map_or(2, |cores| cores.get().saturating_mul(2)).min(LANES))
}

/// How many threads have a number of their own.
const LANES: usize = 64;

/// The numbers that are taken, a bit each.
static TAKEN: AtomicU64 = AtomicU64::new(0);

/// The number that a thread has to itself until it ends.
struct Lane(Option<usize>);

thread_local! {
    static LANE: Lane = Lane::take();
}

/// This thread's number, the smallest that was free when it first asked; none if there was none, or the thread is ending.
#[inline]
fn lane() -> Option<usize> {
    LANE.try_with(|lane| lane.0).ok().flatten()
}

impl Lane {
    #[cold]
    fn take() -> Self {
        let free = |taken: u64| (taken != u64::MAX).then(|| taken | (taken + 1));
        // With the release below: who gets a number that was another thread's sees all that this one has added.
        Self(TAKEN.fetch_update(Acquire, Relaxed, free).ok().map(|taken| taken.trailing_ones() as usize))
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        if let Some(lane) = self.0 {
            TAKEN.fetch_and(!(1 << lane), Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Barrier, thread};

    use super::*;

    fn sum(striped: &Striped<AtomicU64>) -> u64 {
        striped.all().map(|number| number.load(Relaxed)).sum()
    }

    /// More threads than numbers, at once and one generation after the other: those without a number share.
    #[test]
    fn nothing_is_lost_however_many_threads_count() {
        let striped = Striped::<AtomicU64>::new();
        let all_there = Barrier::new(LANES + 8);
        for _ in 0..3 {
            thread::scope(|scope| {
                for _ in 0..LANES + 8 {
                    scope.spawn(|| {
                        all_there.wait();
                        for _ in 0..100 {
                            let mine = striped.mine();
                            mine.add(&mine, 1);
                        }
                        all_there.wait();
                    });
                }
            });
        }
        assert_eq!(sum(&striped), 3 * 100 * (LANES as u64 + 8));
    }

    #[test]
    fn two_threads_that_are_there_have_two_numbers() {
        let mine = lane();
        assert_eq!(lane(), mine, "as long as it lives");
        let other = thread::scope(|scope| scope.spawn(lane).join().expect("no panic"));
        assert!(mine.is_none() || mine != other);
    }
}

//! What is known on this thread of the request that is called or polled.

use std::{cell::Cell, time::Duration};

use super::{Carried, Tried};
use crate::clock::{self, Instant};

/// The scoped value: what is known, and a time limit whose clock has not been read yet. A call that is answered at
/// once never needs the time, so a timeout reads the clock only for who asks.
///
/// In cells, so that a scope touches what it changes and nothing else.
struct Current {
    attempt: Cell<u32>,
    retrying: Cell<bool>,
    tried: Cell<Tried>,
    deadline: Cell<Instant>,
    /// In nanoseconds; `u64::MAX` is none.
    limit: Cell<u64>,
}

thread_local! {
    static CURRENT: Current = const {
        Current {
            attempt: Cell::new(Carried::NONE.attempt),
            retrying: Cell::new(Carried::NONE.retrying),
            tried: Cell::new(Carried::NONE.tried),
            deadline: Cell::new(Carried::NONE.deadline),
            limit: Cell::new(u64::MAX),
        }
    };
}

/// What the layers around this call know about the request under way, on this thread, during this poll.
pub fn current() -> Carried {
    CURRENT.with(|current| {
        let limit = current.limit.get();
        let mut deadline = current.deadline.get();
        if limit != u64::MAX {
            deadline = deadline.min(clock::now().after(Duration::from_nanos(limit)));
        }
        let (attempt, retrying, tried) = (current.attempt.get(), current.retrying.get(), current.tried.get());
        Carried { attempt, deadline, retrying, tried }
    })
}

/// Whether a retry layer further out tries again already.
#[inline]
pub(crate) fn is_retrying() -> bool {
    CURRENT.with(|current| current.retrying.get())
}

/// Which attempt of the request under way this is.
#[inline]
pub(crate) fn attempt() -> u32 {
    CURRENT.with(|current| current.attempt.get())
}

/// Which members earlier attempts of the request under way went to.
#[inline]
pub(crate) fn tried() -> Tried {
    CURRENT.with(|current| current.tried.get())
}

/// Tells the retry layer further out, if there is one, where this attempt goes.
#[inline]
pub(crate) fn note_tried(member: u64) {
    CURRENT.with(|current| {
        // Where nobody retries, nobody would take it away again.
        if current.retrying.get() {
            let mut tried = current.tried.get();
            tried.add(member);
            current.tried.set(tried);
        }
    });
}

/// Says which attempt this is, until it is dropped: around one call or one poll, never across an await.
///
/// Alone of all scopes it has something to bring out again: where the attempt went.
#[must_use]
pub(crate) struct Attempting<'a> {
    outer: (u32, bool),
    tried: &'a mut Tried,
}

impl<'a> Attempting<'a> {
    #[inline]
    pub(crate) fn enter(attempt: u32, tried: &'a mut Tried) -> Self {
        CURRENT.with(|current| {
            let outer = (current.attempt.replace(attempt), current.retrying.replace(true));
            // Inside another retry's scope the list is that one's, and is added to.
            if !outer.1 {
                current.tried.set(*tried);
            }
            Self { outer, tried }
        })
    }
}

impl Drop for Attempting<'_> {
    /// Also when unwinding: a panic further in must not leave its number to whoever polls next on this thread.
    #[inline]
    fn drop(&mut self) {
        CURRENT.with(|current| {
            *self.tried = current.tried.get();
            if !self.outer.1 {
                current.tried.set(Tried::NONE);
            }
            current.attempt.set(self.outer.0);
            current.retrying.set(self.outer.1);
        });
    }
}

/// Says how long the answer is of use, until it is dropped: around one call or one poll, never across an await.
#[must_use]
pub(crate) struct Within {
    outer: (Instant, u64),
}

impl Within {
    /// Until `deadline`, and for no more than `limit` nanoseconds from now, nor longer than was said further out.
    #[inline]
    pub(crate) fn enter(limit: u64, deadline: Instant) -> Self {
        CURRENT.with(|current| {
            let outer = (current.deadline.get(), current.limit.get());
            current.deadline.set(outer.0.min(deadline));
            current.limit.set(outer.1.min(limit));
            Self { outer }
        })
    }
}

impl Drop for Within {
    /// Also when unwinding, as [`Attempting`].
    #[inline]
    fn drop(&mut self) {
        CURRENT.with(|current| {
            current.deadline.set(self.outer.0);
            current.limit.set(self.outer.1);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_nest_and_end() {
        let known = || (current().attempt, current().retrying);
        let (mut first, mut second) = (Tried::NONE, Tried::NONE);
        let outer = Attempting::enter(2, &mut first);
        {
            let _inner = Attempting::enter(3, &mut second);
            assert_eq!(known(), (3, true));
        }
        assert_eq!(known(), (2, true));
        drop(outer);
        assert_eq!(current(), Carried::NONE);
    }

    #[test]
    fn what_was_tried_comes_out_of_its_scope_and_goes_into_the_next() {
        note_tried(1);
        assert_eq!(current(), Carried::NONE, "nobody retries");
        let mut kept = Tried::NONE;
        let scope = Attempting::enter(1, &mut kept);
        note_tried(1);
        drop(scope);
        assert_eq!(current(), Carried::NONE);
        let mut inner = Tried::NONE;
        let scope = Attempting::enter(2, &mut kept);
        let nested = Attempting::enter(2, &mut inner);
        note_tried(2);
        drop(nested);
        drop(scope);
        assert_eq!([1, 2].map(|member| kept.order_of(member)), [Some(0), Some(1)], "added to by a nested retry");
        assert_eq!(inner, kept);
        assert_eq!(current(), Carried::NONE);
    }

    #[test]
    fn a_panic_ends_its_scopes() {
        let caught = std::panic::catch_unwind(|| {
            let mut tried = Tried::NONE;
            let _scopes = (Attempting::enter(9, &mut tried), Within::enter(1, Instant::from_nanos(1)));
            panic!("further in");
        });
        assert!(caught.is_err());
        assert_eq!(current(), Carried::NONE);
    }

    #[tokio::test(start_paused = true)]
    async fn the_nearest_end_of_all_scopes_is_the_deadline() {
        let now = clock::now();
        let _outer = Within::enter(clock::nanos(Duration::from_secs(3)), Instant::FAR);
        assert_eq!(current().deadline, now.after(Duration::from_secs(3)));
        let _inner = Within::enter(u64::MAX, now.after(Duration::from_secs(2)));
        assert_eq!(current().deadline, now.after(Duration::from_secs(2)));
        let _innermost = Within::enter(clock::nanos(Duration::from_secs(5)), Instant::FAR);
        assert_eq!(current().deadline, now.after(Duration::from_secs(2)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_longer_limit_further_in_puts_nothing_off() {
        let now = clock::now();
        let _outer = Within::enter(clock::nanos(Duration::from_secs(3)), Instant::FAR);
        let _inner = Within::enter(clock::nanos(Duration::from_secs(5)), Instant::FAR);
        assert_eq!(current().deadline, now.after(Duration::from_secs(3)));
    }
}

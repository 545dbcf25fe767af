use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    task::Waker,
};

/// What one waiter waits for: not come yet, or come and theirs.
///
/// Plain data for its owner to lock. It calls no waker and drops none, it returns them, to be woken or dropped once the
/// lock is gone.
#[derive(Debug)]
pub(crate) enum Turn<P> {
    /// Not yet; who is to be woken, once they have been polled.
    Awaited(Option<Waker>),
    /// It has come, and belongs to this waiter.
    Come(P),
}

impl<P> Default for Turn<P> {
    fn default() -> Self {
        Self::Awaited(None)
    }
}

impl<P> Turn<P> {
    /// The turn has come. Whoever gets it is to be woken once the lock is gone.
    pub(crate) fn grant(&mut self, turn: P) -> Wakeup {
        match mem::replace(self, Self::Come(turn)) {
            Self::Awaited(waker) => Wakeup(waker),
            Self::Come(_) => Wakeup(None),
        }
    }

    /// Whether the turn has come. If not, `waker` will be told. What is in `waker` afterwards is of no more use, and is
    /// to be dropped once the lock is gone.
    pub(crate) fn has_come(&mut self, waker: &mut Option<Waker>) -> bool {
        if let Self::Awaited(told) = self {
            mem::swap(told, waker);
            return false;
        }
        true
    }

    /// Has whoever waits look again. They are to be woken once the lock is gone, and heard of again when they have looked.
    pub(crate) fn nudge(&mut self) -> Wakeup {
        if let Self::Awaited(waker) = self { Wakeup(waker.take()) } else { Wakeup(None) }
    }

    /// The turn if it has come; else what would have woken them, to be dropped once the lock is gone.
    pub(crate) fn end(self) -> Result<P, Wakeup> {
        match self {
            Self::Come(turn) => Ok(turn),
            Self::Awaited(waker) => Err(Wakeup(waker)),
        }
    }
}

/// Somebody whose turn has come, to be woken outside of the lock: a waker is somebody else's code.
#[derive(Debug)]
#[must_use]
pub(crate) struct Wakeup(pub(super) Option<Waker>);

impl Wakeup {
    /// Nobody is to be woken.
    pub(crate) const fn nobody() -> Self {
        Self(None)
    }

    /// Wakes them; who has not been polled yet will look by themselves. A panic of their waker is not ours: it must not
    /// keep the turns of others, and from a drop guard that is unwinding it would abort.
    pub(crate) fn wake(self) {
        if let Some(waker) = self.0 {
            drop(catch_unwind(AssertUnwindSafe(|| waker.wake())));
        }
    }
}

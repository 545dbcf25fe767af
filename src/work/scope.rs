//! The work of the request that is being called or polled on this thread.

use std::cell::Cell;

use super::Work;

thread_local! {
    static CURRENT: Cell<Option<Work>> = const { Cell::new(None) };
}

/// The work of the request under way, on this thread, during this poll; `None` where there is no
/// [`work_budget`](crate::work_budget) with fuel around it. Lost across `spawn` and `Buffer`: take a clone along.
pub fn current() -> Option<Work> {
    // Not there any more while a thread ends: nothing is under way on it then.
    let look = |current: &Cell<Option<Work>>| {
        let work = current.take();
        current.set(work.clone());
        work
    };
    CURRENT.try_with(look).ok().flatten()
}

/// Whether the work of the request under way is used up, so that it is in vain to begin anything.
pub(crate) fn is_used_up() -> bool {
    current().is_some_and(|work| work.remaining() == 0)
}

/// Makes `work` the current one, until it is dropped: around one call or one poll, never across an await.
#[must_use]
pub(crate) struct Scope {
    outer: Option<Work>,
}

impl Scope {
    #[inline]
    pub(crate) fn enter(work: Work) -> Self {
        Self { outer: CURRENT.try_with(|current| current.replace(Some(work))).ok().flatten() }
    }
}

impl Drop for Scope {
    /// Also when unwinding: a panic further in must not leave its work to whoever polls next on this thread.
    #[inline]
    fn drop(&mut self) {
        let inner = CURRENT.try_with(|current| current.replace(self.outer.take()));
        // Out here, where it may be the last of its kind and give back what it has left.
        drop(inner);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_nest_and_end() {
        let known = || current().and_then(|work| work.granted());
        let outer = Scope::enter(Work::new(1));
        {
            let _inner = Scope::enter(Work::new(2));
            assert_eq!(known(), Some(2));
        }
        assert_eq!(known(), Some(1));
        drop(outer);
        assert_eq!(known(), None);
    }

    #[test]
    fn a_panic_ends_its_scope() {
        let caught = std::panic::catch_unwind(|| {
            let _scope = Scope::enter(Work::new(1));
            panic!("further in");
        });
        assert!(caught.is_err() && current().is_none());
    }

    #[test]
    fn what_is_used_up_is_told_from_what_is_not_there() {
        assert!(!is_used_up());
        let work = Work::new(1);
        let _scope = Scope::enter(work.clone());
        assert!(!is_used_up());
        assert!(work.spend(1).is_ok() && is_used_up());
    }
}

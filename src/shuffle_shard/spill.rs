use crate::sync::atomic::{
    AtomicBool, AtomicU32, AtomicU64,
    Ordering::{AcqRel, Relaxed},
};

/// How many requests may go to members outside of their tenant's hand, in this interval.
#[derive(Debug, Default)]
pub(super) struct Spill {
    allowed: AtomicU32,
    used: AtomicU32,
    /// Since an interval in which there was some.
    flowing: AtomicBool,
    total: AtomicU64,
}

impl Spill {
    /// Lets one request go. `None` if it may not, else whether it is the first after a while. Never more than allowed,
    /// however many ask at once.
    pub(super) fn take(&self) -> Option<bool> {
        let allowed = self.allowed.load(Relaxed);
        let more = |used: u32| used.checked_add(1).filter(|used| *used <= allowed);
        self.used.fetch_update(AcqRel, Relaxed, more).ok()?;
        self.total.fetch_add(1, Relaxed);
        Some(!self.flowing.swap(true, AcqRel))
    }

    /// Allows so many in the next interval. Whether the spill is over: there was none in the last.
    pub(super) fn renew(&self, allowed: u32) -> bool {
        self.allowed.store(allowed, Relaxed);
        self.used.swap(0, AcqRel) == 0 && self.flowing.swap(false, AcqRel)
    }

    /// How many went in all.
    pub(super) fn total(&self) -> u64 {
        self.total.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_go_as_are_allowed_and_the_edges_are_seen() {
        let spill = Spill::default();
        assert_eq!(spill.take(), None, "nothing is known of the traffic yet");
        assert!(!spill.renew(2));
        assert_eq!([spill.take(), spill.take(), spill.take()], [Some(true), Some(false), None]);
        assert!(!spill.renew(1), "there was some");
        assert_eq!([spill.take(), spill.take()], [Some(false), None]);
        assert!(!spill.renew(1));
        assert!(spill.renew(1), "there was none");
        assert!(!spill.renew(1), "which is said once");
        assert_eq!((spill.take(), spill.total()), (Some(true), 4));
    }

    #[test]
    fn no_more_go_than_are_allowed_however_many_ask_at_once() {
        let spill = Spill::default();
        spill.renew(500);
        let taken = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let took = (0..1000).filter(|_| spill.take().is_some()).count();
                    taken.fetch_add(took as u32, Relaxed);
                });
            }
        });
        assert_eq!((taken.load(Relaxed), spill.total()), (500, 500));
    }
}

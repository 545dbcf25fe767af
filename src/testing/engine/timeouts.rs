//! When clients give up.

use std::collections::VecDeque;

/// The timeouts of one load's attempts. All its clients are equally patient, so those who came first give up first, and a
/// queue does what would keep a heap busy: nearly every timeout is of an attempt that is long done.
#[derive(Debug, Default)]
pub(super) struct Timeouts(VecDeque<(u64, u64)>);

impl Timeouts {
    /// The attempt of this tag is given up at `at`, not sooner than the one before it.
    pub(super) fn add(&mut self, at: u64, tag: u64) {
        self.0.push_back((at, tag));
    }

    /// When the next attempt is given up; `is_under_way` says which still are.
    pub(super) fn next(&mut self, is_under_way: impl Fn(u64) -> bool) -> Option<u64> {
        while let Some((at, tag)) = self.0.front() {
            if is_under_way(*tag) {
                return Some(*at);
            }
            self.0.pop_front();
        }
        None
    }

    /// The next attempt that is given up by `now`, if it still is under way then.
    pub(super) fn due(&mut self, now: u64) -> Option<u64> {
        let (at, tag) = *self.0.front()?;
        if at > now {
            return None;
        }
        self.0.pop_front();
        Some(tag)
    }
}

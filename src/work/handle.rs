use std::{fmt, sync::Arc};

use super::{
    Checkpoint, Exhausted,
    account::{Account, Claim, Grant, Kin},
    exhausted::Cause,
    ledger::{MOST, Shortage},
};
use crate::{clock::Instant, request::current, sync::atomic::Ordering::Relaxed};

/// So many checkpoints in one step, and the task gives way: as often as tokio's own resources do.
const STEPS: u32 = 128;

/// The work that one request may do, to spend from while it runs. See the [module](super).
///
/// Clones spend from the same fuel. Every method is O(1), takes no lock, and allocates nothing but a
/// [`child`](Self::child). Nothing here waits but a [`checkpoint`](Self::checkpoint).
#[derive(Clone)]
pub struct Work(pub(super) Arc<Account>);

impl Work {
    /// Work of `fuel`, at most `u64::MAX - 1`, which never runs out: for a test of a handler, or where there is no
    /// [`work_budget`](crate::work_budget) around. It refuses under the name `work`.
    pub fn new(fuel: u64) -> Self {
        let claim = Claim { fuel, estimate: 0, kind: 0, deadline: Instant::FAR };
        Self::of(Grant { claim, fuel, layer: "work", max_page: 100 }, None)
    }

    pub(super) fn of(grant: Grant, kin: Option<Kin>) -> Self {
        Self(Arc::new(Account::new(grant, kin)))
    }

    /// Spends `fuel`: all of it, or nothing.
    ///
    /// # Errors
    /// [`Exhausted`] if less is left, or the request is over.
    #[inline]
    pub fn spend(&self, fuel: u64) -> Result<(), Exhausted> {
        if !self.0.is_open() {
            return Err(self.exhausted(Cause::Over));
        }
        self.0.ledger.spend(fuel).map_err(|shortage| {
            self.exhausted(match shortage {
                Shortage::Closed => Cause::Over,
                Shortage::Fuel => Cause::Fuel,
            })
        })
    }

    /// Spends as much as there is, up to `max`, and returns how much that was: 0 when nothing is left, or the request
    /// is over.
    pub fn try_take(&self, max: u64) -> u64 {
        if self.0.is_open() { self.0.ledger.spend_up_to(max) } else { 0 }
    }

    /// Puts back fuel that was spent but not needed, and returns how much was put back: never more than was spent here,
    /// children not counted, and nothing once the request is over.
    pub fn refund(&self, fuel: u64) -> u64 {
        if self.0.is_open() { self.0.ledger.refund(fuel) } else { 0 }
    }

    /// A part of this work, for a part of the request: up to `max` of what is left, set aside for it. All children
    /// together never have more than their parent had, and nobody else can spend what is set aside. What a child has
    /// not spent comes back when its last clone is dropped; if its parent's request is over by then, it is gone. A
    /// child of work that is used up or over has nothing to spend.
    #[must_use]
    pub fn child(&self, max: u64) -> Self {
        let fuel = if self.0.is_open() { self.0.ledger.lend(max) } else { 0 };
        let whole = self.0.kin.as_ref().map_or(self, |kin| &kin.whole).clone();
        // If it panics for want of memory, that is the end of the process: nothing is lost between the two lines.
        Self::of(Grant { fuel, ..self.0.grant }, Some(Kin { parent: self.clone(), whole }))
    }

    /// Spends for a page of items, at `unit` fuel each, and returns how many it may have: as many as are `want`ed and
    /// can be paid for, but no more than a page may have. That is 100, unless
    /// [`max_page`](crate::work_budget::Settings::with_max_page) says otherwise. If there turn out to be fewer items,
    /// [`refund`](Self::refund) the rest.
    ///
    /// # Errors
    /// [`Exhausted`] if there is not enough left for a single item, or the request is over.
    pub fn page(&self, want: usize, unit: u64) -> Result<usize, Exhausted> {
        if !self.0.is_open() {
            return Err(self.exhausted(Cause::Over));
        }
        let most = want.min(self.0.grant.max_page as usize);
        if unit == 0 || most == 0 {
            return Ok(most);
        }
        match self.0.ledger.spend_in_units(most as u64, unit) {
            0 => Err(self.exhausted(Cause::Fuel)),
            items => Ok(items as usize),
        }
    }

    /// What is left to spend; 0 once the request is over.
    pub fn remaining(&self) -> u64 {
        if self.0.is_open() { self.0.ledger.left().unwrap_or(0) } else { 0 }
    }

    /// What was granted in all; `None` if it never runs out.
    pub fn granted(&self) -> Option<u64> {
        Some(self.0.ledger.granted()).filter(|granted| *granted < MOST)
    }

    /// When the answer stops being of use, where that is known: the request's own deadline, if the work budget was told
    /// of it, or the end of a timeout further out, if this is called on the request's own task.
    pub fn deadline(&self) -> Option<Instant> {
        let deadline = self.0.grant.claim.deadline.min(current().deadline);
        if deadline == Instant::FAR { None } else { Some(deadline) }
    }

    /// Spends `fuel`, checks whether the caller still waits, and yields to other tasks now and then: for the loops of
    /// long computations, which would otherwise keep a thread to themselves.
    ///
    /// The future returns [`Exhausted`] as [`spend`](Self::spend) does, and also when the [deadline](Self::deadline)
    /// has passed.
    ///
    /// **Cancel safety**: the fuel is spent once, at the first poll, and stays spent if the future is dropped.
    pub fn checkpoint(&self, fuel: u64) -> Checkpoint<'_> {
        Checkpoint::new(self, fuel)
    }

    /// Whether it is time to give way to other tasks.
    pub(super) fn gives_way(&self) -> bool {
        // A part counts as the whole does: however many parts there are, each with few checkpoints, they are one step.
        let whole = self.0.kin.as_ref().map_or(self, |kin| &kin.whole);
        let passed = whole.0.passed.fetch_add(1, Relaxed).saturating_add(1);
        if passed >= STEPS {
            whole.begin_step();
        }
        passed >= STEPS
    }

    pub(super) fn exhausted(&self, cause: Cause) -> Exhausted {
        Exhausted::new(cause, self.0.grant.layer)
    }

    /// A step of the request begins.
    #[inline]
    pub(crate) fn begin_step(&self) {
        self.0.begin_step();
    }

    /// A step of the request took so many nanoseconds. All its steps together are the answer.
    pub(crate) fn end_step(&self, nanos: u64) -> u64 {
        self.0.end_step(nanos)
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work").field("granted", &self.granted()).field("remaining", &self.remaining()).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn children_have_no_more_than_their_parent_and_what_they_leave_comes_back() {
        let work = Work::new(10);
        let (first, second, third) = (work.child(6), work.child(6), work.child(6));
        assert_eq!([&work, &first, &second, &third].map(Work::remaining), [0, 6, 4, 0]);
        assert!(first.spend(5).is_ok() && second.spend(5).is_err() && third.spend(1).is_err());
        let clone = first.clone();
        drop(first);
        assert_eq!((work.remaining(), clone.spend(1).is_ok()), (0, true), "somebody has it still");
        drop((clone, second));
        assert_eq!((work.remaining(), work.refund(9)), (4, 0), "what a child spent is not refunded here");
    }

    #[test]
    fn a_childs_child_gives_back_to_the_child_whoever_goes_first() {
        let work = Work::new(10);
        let child = work.child(8);
        let grandchild = child.child(5);
        assert!(grandchild.spend(1).is_ok());
        drop(child);
        assert_eq!((work.remaining(), grandchild.remaining()), (2, 4), "the child is there as long as its own is");
        drop(grandchild);
        assert_eq!(work.remaining(), 9);
    }

    /// Each part kept the one before: dropping the last dropped one inside of the other, and there was no stack for so
    /// many.
    #[test]
    fn a_long_line_of_parts_of_parts_goes_at_once() {
        let work = Work::new(10);
        let mut part = work.child(9);
        for _ in 0..200_000 {
            part = part.child(9);
        }
        assert!(part.spend(2).is_ok());
        assert_eq!(work.remaining(), 1);
        drop(part);
        assert_eq!(work.remaining(), 8);
    }

    #[test]
    fn a_request_that_is_over_has_nothing_left_for_anybody() {
        let work = Work::new(10);
        let child = work.child(4);
        let grandchild = child.child(2);
        assert!(work.spend(1).is_ok() && child.spend(1).is_ok());
        work.0.ledger.close();
        for late in [&work, &child, &grandchild, &child.child(1), &work.child(1)] {
            assert_eq!((late.remaining(), late.try_take(1), late.refund(1)), (0, 0, 0));
            assert_eq!(late.spend(0), Err(late.exhausted(Cause::Over)));
            assert!(late.page(1, 0).is_err() && late.page(1, 1).is_err());
        }
        drop((child, grandchild));
        assert_eq!(work.remaining(), 0);
    }

    #[test]
    fn a_page_is_paid_for_and_never_larger_than_a_page() {
        let work = Work::new(1_000);
        assert_eq!(work.page(500, 3), Ok(100));
        assert_eq!((work.remaining(), work.refund(40 * 3)), (700, 120), "there were only sixty");
        assert_eq!((work.page(20, 40), work.page(1, 41)), (Ok(20), Err(work.exhausted(Cause::Fuel))));
        assert_eq!((work.page(0, 7), work.page(usize::MAX, 0), work.remaining()), (Ok(0), Ok(100), 20));
        assert_eq!(work.page(7, u64::MAX), Err(work.exhausted(Cause::Fuel)));
    }

    #[test]
    fn work_without_end_says_so() {
        let work = Work::new(u64::MAX);
        assert_eq!((work.granted(), Work::new(3).granted()), (None, Some(3)));
        assert_eq!(format!("{:?}", Work::new(3)), "Work { granted: Some(3), remaining: 3 }");
    }

    /// A tree of works, as a model: what each was given, and what it spent.
    #[derive(Clone, Debug)]
    enum Op {
        Spend(usize, u64),
        Take(usize, u64),
        Refund(usize, u64),
        Child(usize, u64),
        Drop(usize),
    }

    fn ops() -> impl Strategy<Value = Vec<Op>> {
        let fuel = prop_oneof![0..30u64, any::<u64>()];
        let op = (0..5u8, 0..8usize, fuel).prop_map(|(op, who, fuel)| match op {
            0 => Op::Spend(who, fuel),
            1 => Op::Take(who, fuel),
            2 => Op::Refund(who, fuel),
            3 => Op::Child(who, fuel),
            _ => Op::Drop(who),
        });
        proptest::collection::vec(op, 0..120)
    }

    proptest! {
        /// Whoever spends, and in whatever order parts come and go: all of them together spend no more than was
        /// granted, and what nobody spent is there in the end.
        #[test]
        fn all_parts_together_spend_no_more_than_the_whole(granted in 0..200u64, ops in ops()) {
            let whole = Work::new(granted);
            let mut parts = vec![whole.clone()];
            let mut net = 0u64;
            for op in ops {
                let who = |who: usize| &parts[who % parts.len()];
                match op {
                    Op::Spend(part, fuel) => if who(part).spend(fuel).is_ok() { net += fuel },
                    Op::Take(part, fuel) => net += who(part).try_take(fuel),
                    Op::Refund(part, fuel) => net -= who(part).refund(fuel),
                    Op::Child(part, fuel) => {
                        let child = who(part).child(fuel);
                        parts.push(child);
                    }
                    Op::Drop(part) => if parts.len() > 1 {
                        let part = part % parts.len();
                        parts.swap_remove(part);
                    },
                }
                prop_assert!(net <= granted);
            }
            drop(parts);
            prop_assert_eq!(whole.remaining(), granted - net);
        }
    }
}

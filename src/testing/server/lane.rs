//! Jobs that share a speed, in virtual time.

use std::{
    cmp::{Ordering, Reverse},
    collections::{BinaryHeap, VecDeque},
};

/// Jobs that all go at one speed, which changes with their number and with time.
///
/// It keeps one virtual clock that goes at the speed of each job. A job of so much work is done when that clock has
/// gone on by as much, whatever happens to the speed meanwhile: so a change of speed touches one number and not every
/// job, and coming and going cost O(log n). (The virtual time of fair queueing: Parekh and Gallager, 1993.)
#[derive(Debug, Default)]
pub(super) struct Lane {
    clock: f64,
    due: BinaryHeap<Reverse<Due>>,
    running: usize,
    queue: VecDeque<(usize, u64, f64)>,
}

/// When a job is done on the virtual clock. Ties go to who came first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Due {
    at: f64,
    pub(super) job: usize,
    /// The job's number: places in a table of jobs are used again.
    pub(super) number: u64,
}

/// What is left of a job is nothing if it is less than this, in seconds: the clock is a float.
const DUST: f64 = 4e-12;

impl Lane {
    /// Takes a job in; it queues if all places are taken.
    pub(super) fn enter(&mut self, job: usize, number: u64, work: f64, places: usize) {
        if self.running < places {
            self.start(job, number, work);
        } else {
            self.queue.push_back((job, number, work));
        }
    }

    fn start(&mut self, job: usize, number: u64, work: f64) {
        self.running += 1;
        self.due.push(Reverse(Due { at: self.clock + work, job, number }));
    }

    /// A running job goes away before it is done. It stays in the heap until its turn comes; `is_there` says then that
    /// it is not.
    pub(super) fn leave(&mut self) {
        self.running -= 1;
    }

    /// How many are worked at.
    pub(super) fn running(&self) -> usize {
        self.running
    }

    /// Gives free places to who queues, and says who got one.
    pub(super) fn fill(
        &mut self,
        places: usize,
        is_there: impl Fn(usize, u64) -> bool,
        mut started: impl FnMut(usize),
    ) {
        while self.running < places {
            let Some((job, number, work)) = self.queue.pop_front() else { return };
            if is_there(job, number) {
                self.start(job, number, work);
                started(job);
            }
        }
    }

    /// Time goes by: `secs` seconds, at `speed`.
    pub(super) fn go(&mut self, secs: f64, speed: f64) {
        self.clock += secs * speed;
        if self.running == 0 {
            // A float is most exact near zero.
            self.clock = 0.0;
            self.due.clear();
        }
    }

    /// Every running job is set back by so much work.
    pub(super) fn set_back(&mut self, work: f64) {
        self.clock -= work;
    }

    /// How many seconds it takes at `speed` until the next job is done; `None` for never.
    pub(super) fn next(&mut self, speed: f64, is_there: impl Fn(usize, u64) -> bool) -> Option<f64> {
        while let Some(Reverse(due)) = self.due.peek() {
            if is_there(due.job, due.number) {
                let left = (due.at - self.clock).max(0.0);
                return if left <= DUST { Some(0.0) } else { (speed > 0.0).then(|| left / speed) };
            }
            self.due.pop();
        }
        None
    }

    /// The next job that is done by now.
    pub(super) fn done(&mut self, is_there: impl Fn(usize, u64) -> bool) -> Option<Due> {
        while let Some(&Reverse(due)) = self.due.peek() {
            if !is_there(due.job, due.number) {
                self.due.pop();
            } else if due.at - self.clock <= DUST {
                self.due.pop();
                self.running -= 1;
                return Some(due);
            } else {
                return None;
            }
        }
        None
    }

    /// How much of a job is left, for one that would be done at `at`.
    pub(super) fn left(&self, at: f64) -> f64 {
        (at - self.clock).max(0.0)
    }

    /// Where a job ends that starts now.
    pub(super) fn end_of(&self, work: f64) -> f64 {
        self.clock + work
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        self.at.total_cmp(&other.at).then(self.number.cmp(&other.number))
    }
}

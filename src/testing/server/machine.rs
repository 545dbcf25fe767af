//! The server as a machine: requests go in, time goes by, answers come out.

use slab::Slab;

use super::{
    job::{Answer, Job, Spent, Stage, Ticket},
    lane::Lane,
    model::{Model, Task, seconds},
};
use crate::testing::curve::Piece;

/// A modelled server. Every method takes the time first, in nanoseconds since the start of the run, and time must not
/// go back.
#[derive(Debug)]
pub(super) struct Machine {
    model: Model,
    now: u64,
    work: Lane,
    delay: Lane,
    hold: Lane,
    speed: Piece,
    delay_scale: Piece,
    jobs: Slab<Job>,
    number: u64,
    peak: usize,
    under_way: usize,
    finished: Vec<usize>,
    spent: Vec<Spent>,
}

impl Machine {
    pub(super) fn new(model: Model) -> Self {
        Self::after(model, 0)
    }

    /// The same server for another run. Jobs have other numbers, so that those of the last run find nothing here.
    pub(super) fn anew(&self) -> Self {
        Self::after(self.model.clone(), self.number)
    }

    fn after(model: Model, number: u64) -> Self {
        Self {
            model,
            now: 0,
            work: Lane::default(),
            delay: Lane::default(),
            hold: Lane::default(),
            speed: Piece::NONE,
            delay_scale: Piece::NONE,
            jobs: Slab::new(),
            number,
            peak: 0,
            under_way: 0,
            finished: Vec::new(),
            spent: Vec::new(),
        }
    }

    pub(super) fn model(&self) -> &Model {
        &self.model
    }

    /// A request comes, for which so much is to be done.
    pub(super) fn arrive(&mut self, now: u64, tag: u64, task: Task) -> Ticket {
        self.pass(now);
        self.number += 1;
        let job =
            self.jobs.insert(Job { number: self.number, tag, came: now, task, at: Stage::Queued, abandoned: false });
        self.under_way += 1;
        self.peak = self.peak.max(self.under_way);
        if task.hold > 0.0 {
            self.jobs[job].at = Stage::Holding;
            self.hold.enter(job, self.number, task.hold, usize::MAX);
        } else if self.model.delay_first && task.delay > 0.0 {
            self.jobs[job].at = Stage::Early;
            self.delay.enter(job, self.number, task.delay, usize::MAX);
        } else {
            self.work_at(job);
        }
        self.complete();
        Ticket { job, number: self.number }
    }

    /// What became of the job. It is forgotten once it is answered.
    pub(super) fn collect(&mut self, ticket: Ticket) -> Answer {
        match self.jobs.get(ticket.job).filter(|job| job.number == ticket.number) {
            Some(Job { at: Stage::Answered, task, .. }) => {
                let fails = task.fails;
                self.jobs.remove(ticket.job);
                if fails { Answer::Bad } else { Answer::Good }
            }
            Some(_) => Answer::NotYet,
            None => Answer::Bad,
        }
    }

    /// Nobody waits for this job any more.
    pub(super) fn abandon(&mut self, now: u64, Ticket { job, number }: Ticket) {
        self.pass(now);
        let Some(found) = self.jobs.get_mut(job).filter(|job| job.number == number) else { return };
        found.abandoned = true;
        match found.at {
            Stage::Answered => {
                self.jobs.remove(job);
                return;
            }
            _ if !self.model.cancels => return,
            Stage::Working(_) => self.work.leave(),
            Stage::Early | Stage::Late => self.delay.leave(),
            Stage::Holding => self.hold.leave(),
            Stage::Queued => {}
        }
        let spent = found.spent(&self.work);
        self.spent.push(spent);
        self.jobs.remove(job);
        self.under_way -= 1;
        self.fill();
    }

    /// An attempt was refused on the way here, and cost what that costs.
    pub(super) fn refused(&mut self, now: u64) {
        if self.model.refusal_cost > 0.0 {
            self.pass(now);
            let running = self.work.running();
            self.work.set_back(self.model.refusal_cost * self.model.law.set_back(running));
        }
    }

    /// When something happens next by itself, if nobody comes or goes: later than the last time that it was told.
    pub(super) fn next(&mut self) -> Option<u64> {
        let (now, jobs) = (self.now, &self.jobs);
        let is_there = |job: usize, number: u64| jobs.get(job).is_some_and(|job| job.number == number);
        let each = self.model.law.each(self.work.running());
        let mut next = u64::MAX;
        let mut due = |secs: Option<f64>| {
            if let Some(secs) = secs {
                // Not before it is done, and not now: what is done by now has been seen to.
                next = next.min(now.saturating_add(((secs * 1e9 - FUZZ).ceil() as u64).max(1)));
            }
        };
        due(self.work.next(self.speed.value * each, is_there));
        due(self.delay.next(reciprocal(self.delay_scale.value), is_there));
        due(self.hold.next(1.0, is_there));
        if self.work.running() > 0 {
            next = next.min(self.speed.until);
        }
        if self.delay.running() > 0 {
            next = next.min(self.delay_scale.until);
        }
        (next < u64::MAX).then_some(next)
    }

    /// Lets time go by until `now`.
    pub(super) fn pass(&mut self, now: u64) {
        while self.now < now {
            if self.jobs.is_empty() {
                self.now = now;
            } else {
                let stop = self.next().map_or(now, |next| next.min(now));
                let (secs, each) = (seconds(self.now, stop), self.model.law.each(self.work.running()));
                self.work.go(secs, self.speed.value * each);
                self.delay.go(secs, reciprocal(self.delay_scale.value));
                self.hold.go(secs, 1.0);
                self.now = stop;
            }
            self.look();
            self.complete();
        }
        self.look();
    }

    /// The jobs that have been answered since this was asked last, for which somebody waits.
    pub(super) fn finished(&mut self) -> impl Iterator<Item = usize> {
        self.finished.drain(..)
    }

    /// The work that was done since this was asked last.
    pub(super) fn spent(&mut self) -> impl Iterator<Item = Spent> {
        self.spent.drain(..)
    }

    /// The run is over: what was done so far for those who are still here is spent.
    pub(super) fn close(&mut self) {
        let left = self.jobs.iter().filter(|(_, job)| job.at != Stage::Answered);
        self.spent.extend(left.map(|(_, job)| job.spent(&self.work)));
    }

    /// The most requests that were here at once.
    pub(super) fn peak(&self) -> usize {
        self.peak
    }

    /// The requests that are here.
    pub(super) fn in_flight(&self) -> usize {
        self.under_way
    }

    fn look(&mut self) {
        if self.now >= self.speed.until {
            self.speed = self.model.speed.piece(self.now);
        }
        if self.now >= self.delay_scale.until {
            self.delay_scale = self.model.delay_scale.piece(self.now);
        }
    }

    /// Sees to all that is done by now; what follows from it may be done by now too.
    fn complete(&mut self) {
        loop {
            let jobs = &self.jobs;
            let is_there = |job: usize, number: u64| jobs.get(job).is_some_and(|job| job.number == number);
            let done =
                self.work.done(is_there).or_else(|| self.delay.done(is_there)).or_else(|| self.hold.done(is_there));
            let Some(done) = done else { return };
            let task = self.jobs[done.job].task;
            match self.jobs[done.job].at {
                Stage::Early => self.work_at(done.job),
                Stage::Working(_) if task.delay > 0.0 && !self.model.delay_first => {
                    self.jobs[done.job].at = Stage::Late;
                    self.delay.enter(done.job, done.number, task.delay, usize::MAX);
                }
                _ => self.answer(done.job),
            }
            self.fill();
        }
    }

    fn work_at(&mut self, job: usize) {
        let (number, work) = (self.jobs[job].number, self.jobs[job].task.work);
        let places = self.model.law.places();
        if self.work.running() < places {
            self.jobs[job].at = Stage::Working(self.work.end_of(work));
        } else {
            self.jobs[job].at = Stage::Queued;
        }
        self.work.enter(job, number, work, places);
    }

    fn fill(&mut self) {
        let mut started = Vec::new();
        let jobs = &self.jobs;
        let is_there = |job: usize, number: u64| jobs.get(job).is_some_and(|job| job.number == number);
        self.work.fill(self.model.law.places(), is_there, |job| started.push(job));
        for job in started {
            self.jobs[job].at = Stage::Working(self.work.end_of(self.jobs[job].task.work));
        }
    }

    fn answer(&mut self, job: usize) {
        let Job { tag, came, task, abandoned, .. } = self.jobs[job];
        self.spent.push(Spent { tag, came, secs: task.work });
        self.under_way -= 1;
        if abandoned {
            self.jobs.remove(job);
        } else {
            self.jobs[job].at = Stage::Answered;
            self.finished.push(job);
        }
    }
}

/// What floats may be off by, in nanoseconds, after an hour or so: what is due at a whole one must not come at the next.
const FUZZ: f64 = 1e-3;

/// The speed of what takes `scale` times as long; never done at zero.
fn reciprocal(scale: f64) -> f64 {
    if scale > 0.0 { 1.0 / scale } else { 0.0 }
}

#[cfg(test)]
mod tests;

//! Who is out, and until when. Pure: time and random numbers come in as arguments, transitions go out.
//!
//! ```text
//!            so many failures in a row, or a share of successes
//!            far below the others', and not too many are out
//!   ┌────┐ ──────────────────────────────────────────────────▶ ┌─────┐
//!   │ In │                                                     │ Out │
//!   └────┘ ◀────────────────────────────────────────────────── └─────┘
//!      │ ▲          its time is over: in, with one strike left    │ ▲
//!      │ │                                                        │ │
//!      │ └──────────── by hand ─────────────────┐    by hand ─────┘ │
//!      │                                     ┌──────┐ ◀─────────────┘
//!      └───────────── by hand ─────────────▶ │ Held │
//!                                            └──────┘
//! ```
//!
//! Every arrow begins a new epoch of the member, and results of calls of an older one are not looked at.

use super::{
    outliers::Outliers,
    success_rate::{SuccessRate, Tally},
};
use crate::{clock::Instant, event::Ejection};

/// All members of a fleet, by their identities.
#[derive(Debug)]
pub(super) struct Outlier {
    rules: Outliers,
    /// How many members a tenant is dealt.
    hand: usize,
    members: Vec<Record>,
    /// Whether too few are left, and ejections are ignored.
    panic: bool,
    /// When the interval began.
    began: Instant,
}

/// One member.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    pub(super) id: u64,
    pub(super) place: Place,
    /// How often it was put out without having been in for an interval between.
    pub(super) streak: u32,
    /// Which calls' results are looked at.
    pub(super) epoch: u32,
    /// How many failures in a row it is thought to have had when the epoch began.
    pub(super) strikes: u32,
    /// Of the interval that ends.
    pub(super) tally: Tally,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    In,
    Out {
        until: Instant,
    },
    /// Out by hand, until that puts it back.
    Held,
}

/// What happened, for the plumbing to announce.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Transition {
    Ejected { id: u64, cause: Ejection, until: Instant },
    Returned { id: u64 },
    PanicBegan { left: usize, of: usize },
    PanicEnded,
}

/// What happened. Most often nothing, and then it is not on the heap.
pub(super) type Transitions = Vec<Transition>;

impl Outlier {
    pub(super) const fn new(rules: Outliers) -> Self {
        Self { rules, hand: 1, members: Vec::new(), panic: false, began: Instant::from_nanos(0) }
    }

    pub(super) const fn is_panic(&self) -> bool {
        self.panic
    }

    /// The members, in the order of their identities.
    pub(super) fn members(&self) -> &[Record] {
        &self.members
    }

    /// When something has to be looked at: the interval is over, or somebody's time out is.
    pub(super) fn due(&self) -> Instant {
        let returns = self.members.iter().filter_map(|member| match member.place {
            Place::Out { until } => Some(until),
            Place::In | Place::Held => None,
        });
        returns.fold(self.began.after(self.rules.interval()), Instant::min)
    }

    /// The fleet is these from now on, in the order of their identities, of which a tenant is dealt `hand`. Who was there
    /// stays as it is.
    pub(super) fn set(&mut self, ids: impl Iterator<Item = u64>, hand: usize) -> Transitions {
        let before = std::mem::take(&mut self.members);
        let known = |id| before.binary_search_by_key(&id, |member| member.id).ok().map(|at| before[at]);
        self.members = ids.map(|id| known(id).unwrap_or(Record::new(id))).collect();
        self.hand = hand;
        let mut happened = Transitions::new();
        self.weigh(&mut happened);
        happened
    }

    /// Judges by `rules` from now on. Who is out stays out for as long as was said.
    pub(super) fn update(&mut self, rules: Outliers) -> Transitions {
        self.rules = rules;
        let mut happened = Transitions::new();
        self.weigh(&mut happened);
        happened
    }

    /// A call of `epoch` failed, the last of `row` in a row.
    pub(super) fn failed(&mut self, id: u64, epoch: u32, row: u32, now: Instant, random: u64) -> Transitions {
        let mut happened = Transitions::new();
        if let Some(at) = self.find(id)
            && self.members[at].epoch == epoch
            && self.rules.consecutive_failures().is_some_and(|most| row >= most.get())
        {
            self.eject(at, Ejection::ConsecutiveFailures, now, random, &mut happened);
        }
        happened
    }

    /// Lets those back in whose time is over. With one strike left: the first failure puts such a member out again, for
    /// longer, and the first success makes it one like all others.
    pub(super) fn pass_time(&mut self, now: Instant) -> Transitions {
        let mut happened = Transitions::new();
        let strikes = self.rules.consecutive_failures().map_or(0, |most| most.get() - 1);
        for member in &mut self.members {
            if let Place::Out { until } = member.place
                && now >= until
            {
                member.enter(Place::In, strikes);
                happened.push(Transition::Returned { id: member.id });
            }
        }
        if !happened.is_empty() {
            self.weigh(&mut happened);
        }
        happened
    }

    /// Whether the interval is over.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        now >= self.began.after(self.rules.interval())
    }

    /// What came of the calls of the member at a position, in the interval that ends.
    pub(super) fn count(&mut self, position: usize, tally: Tally) {
        if let Some(member) = self.members.get_mut(position) {
            member.tally = tally;
        }
    }

    /// Ends the interval: compares, and lets streaks shrink. The worst goes first, as there may not be room for all.
    pub(super) fn conclude(&mut self, now: Instant, mut random: impl FnMut() -> u64) -> Transitions {
        let mut happened = Transitions::new();
        let passed = now.since(self.began).as_nanos() / self.rules.interval().as_nanos().max(1);
        self.began = now;
        for member in self.members.iter_mut().filter(|member| member.place == Place::In) {
            member.streak = member.streak.saturating_sub(u32::try_from(passed).unwrap_or(u32::MAX));
        }
        // Once: who is hidden by worse ones is seen in the next interval.
        let tallies = self.members.iter().filter(|member| member.place == Place::In).map(|member| member.tally);
        let rule = self.rules.success_rate().and_then(|rule| Some((rule, rule.threshold(tallies)?)));
        while let Some(worst) = rule.and_then(|(rule, threshold)| self.worst(rule, threshold)) {
            if !self.eject(worst, Ejection::SuccessRate, now, random(), &mut happened) {
                break;
            }
        }
        for member in &mut self.members {
            member.tally = Tally::default();
        }
        happened
    }

    /// Who of those in service has the smallest share of successes, if that is below the threshold.
    fn worst(&self, rule: SuccessRate, threshold: f64) -> Option<usize> {
        let within = self.members.iter().enumerate().filter(|(_, member)| member.place == Place::In);
        let (rate, at) = within.filter_map(|(at, member)| rule.rate(member.tally).map(|rate| (rate, at))).min()?;
        (f64::from(rate) < threshold).then_some(at)
    }

    /// Puts a member out by hand, until [`restore`](Self::restore). Whether there is such a member.
    pub(super) fn hold(&mut self, id: u64) -> Option<Transitions> {
        let at = self.find(id)?;
        let mut happened = Transitions::new();
        if self.members[at].place != Place::Held {
            self.members[at].enter(Place::Held, 0);
            happened.push(Transition::Ejected { id, cause: Ejection::ByHand, until: Instant::FAR });
            self.weigh(&mut happened);
        }
        Some(happened)
    }

    /// Puts a member back in, with nothing held against it, whoever put it out. Whether there is such a member.
    pub(super) fn restore(&mut self, id: u64) -> Option<Transitions> {
        let at = self.find(id)?;
        let mut happened = Transitions::new();
        let was_out = self.members[at].place != Place::In;
        self.members[at].enter(Place::In, 0);
        self.members[at].streak = 0;
        if was_out {
            happened.push(Transition::Returned { id });
            self.weigh(&mut happened);
        }
        Some(happened)
    }

    fn find(&self, id: u64) -> Option<usize> {
        self.members.binary_search_by_key(&id, |member| member.id).ok()
    }

    /// ## In => Out, if there is room.
    fn eject(&mut self, at: usize, cause: Ejection, now: Instant, random: u64, happened: &mut Transitions) -> bool {
        let (left, of) = self.left();
        if self.members[at].place != Place::In || of - left >= self.rules.most_ejected(of, self.hand) {
            return false;
        }
        let member = &mut self.members[at];
        member.streak = member.streak.saturating_add(1);
        let until = now.after(self.rules.eject_for(member.streak, random));
        member.enter(Place::Out { until }, 0);
        happened.push(Transition::Ejected { id: member.id, cause, until });
        self.weigh(happened);
        true
    }

    /// How many are in, and how many there are to judge about: those who are held are not.
    fn left(&self) -> (usize, usize) {
        self.members.iter().fold((0, 0), |(left, of), member| match member.place {
            Place::In => (left + 1, of + 1),
            Place::Out { .. } => (left, of + 1),
            Place::Held => (left, of),
        })
    }

    /// Looks whether too few are left.
    fn weigh(&mut self, happened: &mut Transitions) {
        let (left, of) = self.left();
        let panic = self.rules.is_panic(left, of);
        match (self.panic, panic) {
            (false, true) => happened.push(Transition::PanicBegan { left, of }),
            (true, false) => happened.push(Transition::PanicEnded),
            _ => {}
        }
        self.panic = panic;
    }
}

impl Record {
    const fn new(id: u64) -> Self {
        Self { id, place: Place::In, streak: 0, epoch: 0, strikes: 0, tally: Tally { calls: 0, failures: 0 } }
    }

    fn enter(&mut self, place: Place, strikes: u32) {
        self.place = place;
        self.strikes = strikes;
        self.epoch = self.epoch.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests;

//! The machine: what the circuit is in, and what moves it. Pure: time, random numbers and evidence come in as arguments,
//! transitions go out.
//!
//! ```text
//!              a rule trips                    open time over, a call asks
//!   ┌────────┐ ───────────▶ ┌──────┐ ────────────────────────▶ ┌──────────┐
//!   │ Closed │              │ Open │                           │ HalfOpen │
//!   └────────┘              └──────┘ ◀──────────────────────── └──────────┘
//!        ▲                      ▲      probes failed or lost         │
//!        │                      │ a rule trips                       │ enough probes
//!        │  ramp over,     ┌─────────┐                               │ succeeded
//!        └──────────────── │ Ramping │ ◀─────────────────────────────┘
//!           a call asks    └─────────┘        (Closed at once if there is no ramp)
//! ```
//!
//! Every arrow but the one from Ramping to Closed begins a new generation, and results of an older one are not
//! looked at.

use std::{num::NonZeroU32, time::Duration};

use super::{
    mode::{self, Mode, Tag},
    probes::{Round, Sum, Word},
    settings::Settings,
};
use crate::{
    chance::scaled,
    clock::{Instant, nanos},
    event::{Hold, Trip},
    stats::Counts,
};

#[derive(Debug)]
pub(super) struct Machine {
    pub(super) settings: Settings,
    pub(super) hold: Hold,
    pub(super) phase: Phase,
    /// Which results are looked at.
    pub(super) generation: u32,
    /// Which results are in the window. Changes with the generation, and when the window is replaced.
    pub(super) epoch: u32,
    /// How often the circuit opened without having been calm between.
    pub(super) streak: u32,
}

#[derive(Debug)]
pub(super) enum Phase {
    /// Healthy: every call goes through.
    Closed { since: Instant },
    /// Failing: every call is refused.
    Open { until: Instant },
    /// Perhaps healthy again: a few calls go through, to see.
    HalfOpen { round: Round },
    /// Healthy again: a growing share of the calls goes through.
    Ramping { since: Instant },
}

/// What a call is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Call,
    Probe(NonZeroU32),
    /// It may go, and its result is not looked at.
    Untracked,
    Refused(Option<Duration>),
    /// It may go, but would be refused if the circuit were not only observing.
    WouldRefuse(Option<Duration>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transition {
    Closed,
    HalfOpened,
    Opened { trip: Trip, open_for: Duration },
    Ramping,
}

/// What there is to know when the machine has to decide.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) at: Instant,
    pub(super) random: u64,
    /// How long the callee asks to be left alone.
    pub(super) hint: Option<Duration>,
}

impl Machine {
    pub(super) const fn new(settings: Settings) -> Self {
        let phase = Phase::Closed { since: Instant::from_nanos(0) };
        Self { settings, hold: Hold::Automatic, phase, generation: 1, epoch: 1, streak: 0 }
    }

    /// A call asks.
    pub(super) fn admit(&mut self, now: Now) -> (Answer, Option<Transition>) {
        match self.hold {
            Hold::Open => return (Answer::Refused(None), None),
            Hold::Closed => return (Answer::Untracked, None),
            Hold::Automatic | Hold::ObserveOnly => {}
        }
        let transition = self.pass_time(now);
        let answer = match self.ask(now) {
            Answer::Refused(left) if self.hold == Hold::ObserveOnly => Answer::WouldRefuse(left),
            answer => answer,
        };
        (answer, transition)
    }

    /// What time alone has brought about by now.
    fn pass_time(&mut self, now: Now) -> Option<Transition> {
        match &mut self.phase {
            // ## Open => (Open | HalfOpen)
            Phase::Open { until } if now.at >= *until => {
                self.enter(Phase::HalfOpen { round: Round::default() });
                Some(Transition::HalfOpened)
            }
            // ## HalfOpen => (HalfOpen | Open)
            Phase::HalfOpen { round } => {
                round.lose(now.at);
                self.conclude(Trip::ProbeLost, now)
            }
            // ## Ramping => (Ramping | Closed)
            Phase::Ramping { since } if now.at.since(*since) >= self.settings.ramp => {
                // The same generation: calls admitted on the ramp still count.
                self.phase = Phase::Closed { since: now.at };
                Some(Transition::Closed)
            }
            _ => None,
        }
    }

    fn ask(&mut self, now: Now) -> Answer {
        let Settings { probes, probe_lease, open_time, ramp, .. } = self.settings;
        match &mut self.phase {
            Phase::Closed { .. } => Answer::Call,
            Phase::Open { until } => Answer::Refused(left(*until, now.at)),
            Phase::HalfOpen { round } => match round.next(probes, now.at.after(probe_lease)) {
                Some(probe) => Answer::Probe(probe),
                // The probes are out. They are back when the next lease ends, but mostly far sooner.
                None => Answer::Refused(left(round.next_end().min(now.at.after(open_time.first)), now.at)),
            },
            Phase::Ramping { since } => {
                let (ramp, elapsed) = (nanos(ramp), nanos(now.at.since(*since)));
                let share = ramp / 10 + (u128::from(elapsed) * 9 / 10) as u64;
                if scaled(now.random, ramp.saturating_sub(1)) < share.max(1) {
                    Answer::Call
                } else {
                    // When the share has grown by another tenth.
                    Answer::Refused(Some(Duration::from_nanos(ramp / 10)))
                }
            }
        }
    }

    /// A call failed or was slow; `failures_in_a_row` and `counts` tell of those before.
    pub(super) fn judge(
        &mut self,
        generation: u32,
        failures_in_a_row: u32,
        counts: Counts,
        now: Now,
    ) -> Option<Transition> {
        if generation != self.generation || self.is_held() {
            return None;
        }
        match self.phase {
            // ## Closed | Ramping => Open
            Phase::Closed { .. } | Phase::Ramping { .. } => {
                let trip = self.settings.trip(failures_in_a_row, counts)?;
                Some(self.open(trip, now))
            }
            Phase::Open { .. } | Phase::HalfOpen { .. } => None,
        }
    }

    /// A probe spoke.
    pub(super) fn hear(&mut self, generation: u32, probe: NonZeroU32, word: Word, now: Now) -> Option<Transition> {
        if generation != self.generation {
            return None;
        }
        let word = if self.is_held() { Word::Nothing } else { word };
        let Phase::HalfOpen { round } = &mut self.phase else { return None };
        round.hear(probe, word);
        self.conclude(Trip::ProbeFailed, now)
    }

    /// ## HalfOpen => (HalfOpen | Ramping | Closed | Open)
    fn conclude(&mut self, trip: Trip, now: Now) -> Option<Transition> {
        let Phase::HalfOpen { round } = &self.phase else { return None };
        match round.sum(self.settings.probes) {
            Sum::Unknown => None,
            Sum::Failing => Some(self.open(trip, now)),
            Sum::Healthy if self.settings.ramp.is_zero() => {
                self.enter(Phase::Closed { since: now.at });
                Some(Transition::Closed)
            }
            Sum::Healthy => {
                self.enter(Phase::Ramping { since: now.at });
                Some(Transition::Ramping)
            }
        }
    }

    fn open(&mut self, trip: Trip, now: Now) -> Transition {
        if let Phase::Closed { since } = self.phase
            && now.at.since(since) >= self.settings.calm
        {
            self.streak = 0;
        }
        self.streak = self.streak.saturating_add(1);
        let open_for = self.settings.open_for(self.streak, now.hint, now.random);
        self.enter(Phase::Open { until: now.at.after(open_for) });
        Transition::Opened { trip, open_for }
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.generation = mode::next(self.generation);
        self.epoch = mode::next(self.epoch);
    }

    /// Holds the circuit, or lets it go. Phase and evidence stay as they are. Whether that is a change.
    pub(super) fn hold(&mut self, hold: Hold) -> bool {
        let changed = self.hold != hold;
        self.hold = hold;
        changed
    }

    /// Closed, and nothing learnt. A hold stays.
    pub(super) fn reset(&mut self, at: Instant) -> Option<Transition> {
        let was_closed = matches!(self.phase, Phase::Closed { .. });
        self.streak = 0;
        self.enter(Phase::Closed { since: at });
        (!was_closed).then_some(Transition::Closed)
    }

    /// Judges by `settings` from now on. The evidence stays if the window keeps its shape.
    pub(super) fn update(&mut self, settings: Settings, now: Now) -> Option<Transition> {
        if settings.window.shape != self.settings.window.shape {
            self.epoch = mode::next(self.epoch);
        }
        self.settings = settings.with_name(self.settings.name);
        // The settings may have come to ask for fewer probes than have spoken already: nobody else would notice.
        self.conclude(Trip::ProbeFailed, now)
    }

    /// Whether a new machine would do the same: closed, not held, and long enough so that the next opening is a first one.
    pub(super) fn is_calm(&self, now: Instant) -> bool {
        let Phase::Closed { since } = self.phase else { return false };
        self.hold == Hold::Automatic && (self.streak == 0 || now.since(since) >= self.settings.calm)
    }

    /// Whether some calls get through where others are refused.
    pub(super) fn lets_some_through(&self) -> bool {
        !self.is_held() && matches!(self.phase, Phase::HalfOpen { .. } | Phase::Ramping { .. })
    }

    /// Held so that it does not judge.
    fn is_held(&self) -> bool {
        matches!(self.hold, Hold::Open | Hold::Closed)
    }

    /// What calls can know without asking.
    pub(super) fn mode(&self) -> Mode {
        let tag = match (self.hold, &self.phase) {
            (Hold::Open, _) => Tag::HeldOpen,
            (Hold::Closed, _) => Tag::HeldClosed,
            (_, Phase::Closed { .. }) => Tag::Closed,
            (Hold::Automatic, Phase::Open { .. }) => Tag::Open,
            _ => Tag::Ask,
        };
        Mode::new(tag, self.settings.looks_at_time(), self.generation, self.epoch)
    }

    /// Until when calls are refused without asking.
    pub(super) fn open_until(&self) -> Instant {
        if let Phase::Open { until } = self.phase { until } else { Instant::from_nanos(0) }
    }
}

/// How long until `then`; unknown if that is never.
pub(super) fn left(then: Instant, now: Instant) -> Option<Duration> {
    (then != Instant::FAR).then(|| then.since(now))
}

#[cfg(test)]
pub(super) mod tests;

use std::sync::Arc;

use super::{
    evidence::Evidence,
    machine::{Machine, Now, Transition},
    mode::Mode,
    settings::Settings,
};
use crate::{
    chance::Chance,
    clock::{Instant, Moment},
    event::{Event, Events},
    sync::{
        Lock,
        atomic::{
            AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
};

/// What the clones of a breaker share: the machine under its lock, and beside it what calls read without one.
#[derive(Debug)]
pub(super) struct Circuit {
    mode: AtomicU64,
    open_until: AtomicU64,
    slow_after: AtomicU64,
    hung_after: AtomicU64,
    pub(super) evidence: Evidence,
    machine: Lock<Machine>,
    pub(super) name: &'static str,
    pub(super) events: Events,
    pub(super) chance: Arc<Chance>,
}

impl Circuit {
    pub(super) fn new(settings: Settings, chance: Arc<Chance>, events: Events) -> Self {
        let circuit = Self {
            mode: AtomicU64::new(0),
            open_until: AtomicU64::new(0),
            slow_after: AtomicU64::new(0),
            hung_after: AtomicU64::new(0),
            evidence: Evidence::new(),
            machine: Lock::new(Machine::new(settings)),
            name: settings.name,
            events,
            chance,
        };
        // The beginning of the scale, not now: a breaker may be made while no clock runs, or another one does.
        circuit.publish(&circuit.machine.lock(), Instant::from_nanos(0));
        circuit
    }

    #[inline]
    pub(super) fn mode(&self) -> Mode {
        Mode(self.mode.load(Acquire))
    }

    #[inline]
    pub(super) fn open_until(&self) -> Instant {
        Instant::from_nanos(self.open_until.load(Relaxed))
    }

    /// In nanoseconds; `u64::MAX` if that is not judged.
    #[inline]
    pub(super) fn slow_after(&self) -> u64 {
        self.slow_after.load(Relaxed)
    }

    /// In nanoseconds; `u64::MAX` if that is not judged.
    #[inline]
    pub(super) fn hung_after(&self) -> u64 {
        self.hung_after.load(Relaxed)
    }

    pub(super) fn settings(&self) -> Settings {
        self.read(|machine| machine.settings)
    }

    pub(super) fn read<T>(&self, look: impl FnOnce(&Machine) -> T) -> T {
        look(&self.machine.lock())
    }

    /// Has the machine decide, lets calls know, and announces what happened once the lock is free again.
    pub(super) fn decide<T>(
        &self,
        hint: Option<std::time::Duration>,
        now: &Moment,
        decision: impl FnOnce(&mut Machine, Now) -> (T, Option<Transition>),
    ) -> T {
        let now = Now { at: now.now(), random: self.chance.draw(), hint };
        let (answer, transition) = {
            let mut machine = self.machine.lock();
            let decided = decision(&mut machine, now);
            self.publish(&machine, now.at);
            decided
        };
        if let Some(transition) = transition {
            self.events.emit(|| transition.event(self.name));
        }
        answer
    }

    /// The evidence and the open time come before the mode: who sees a mode finds what belongs to it.
    fn publish(&self, machine: &Machine, now: Instant) {
        let (before, after) = (self.mode(), machine.mode());
        self.slow_after.store(machine.settings.slow_after_nanos(), Relaxed);
        self.hung_after.store(machine.settings.hung_after_nanos(), Relaxed);
        if after == before {
            return;
        }
        if after.epoch() != before.epoch() {
            self.evidence.restart(after.epoch(), machine.settings.window, now);
        }
        self.open_until.store(machine.open_until().as_nanos(), Relaxed);
        self.mode.store(after.0, Release);
    }
}

impl Transition {
    fn event(self, layer: &'static str) -> Event {
        match self {
            Self::Closed => Event::CircuitClosed { layer },
            Self::HalfOpened => Event::CircuitHalfOpened { layer },
            Self::Opened { trip, open_for } => Event::CircuitOpened { layer, trip, open_for },
            Self::Ramping => Event::CircuitRamping { layer },
        }
    }
}

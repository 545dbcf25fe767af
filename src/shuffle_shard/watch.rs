use std::{sync::Arc, time::Duration};

use super::{
    news::{News, Topic},
    nodes::Nodes,
    outlier::{Outlier, Transition, Transitions},
    settings::Settings,
    spill::Spill,
    vitals::Vitals,
};
use crate::{
    chance::Chance,
    clock::{Instant, nanos},
    event::{Event, Events},
    sync::{
        Lock,
        atomic::{
            AtomicU32, AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
};

/// What is known of a fleet and decided about it: all but the members' services, so that a member can point to it.
///
/// What calls read is beside the lock, and written under it.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) name: &'static str,
    pub(super) events: Events,
    pub(super) chance: Arc<Chance>,
    /// Rises whenever the fleet is another.
    generation: AtomicU64,
    /// Rises whenever somebody was put out or back.
    decisions: AtomicU64,
    /// When somebody has to look after the fleet.
    due: AtomicU64,
    row: AtomicU32,
    hung_after: AtomicU64,
    max_hint: AtomicU64,
    refused: AtomicU64,
    resent: AtomicU64,
    turn: AtomicU32,
    pub(super) spill: Spill,
    core: Lock<Core>,
    /// For calls that wait for a member to become ready, and are to look again when something is another.
    pub(super) news: Arc<News>,
}

/// What is decided about, one decision at a time. All of it in the order of the nodes' positions.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) nodes: Nodes,
    pub(super) vitals: Box<[Arc<Vitals>]>,
    pub(super) outlier: Outlier,
    pub(super) settings: Settings,
}

impl Watch {
    /// Over nobody yet.
    pub(super) fn new(settings: Settings, chance: Arc<Chance>, events: Events) -> Self {
        let outlier = Outlier::new(settings.outliers());
        let core = Core { nodes: Nodes::default(), vitals: Box::default(), outlier, settings };
        let watch = Self {
            name: settings.name(),
            events,
            chance,
            generation: AtomicU64::new(0),
            decisions: AtomicU64::new(0),
            due: AtomicU64::new(0),
            row: AtomicU32::new(0),
            hung_after: AtomicU64::new(0),
            max_hint: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            resent: AtomicU64::new(0),
            turn: AtomicU32::new(0),
            spill: Spill::default(),
            core: Lock::new(core),
            news: Arc::new(News::new()),
        };
        watch.read(|core| watch.publish(core));
        watch
    }

    /// Which fleet it is over.
    #[inline]
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Acquire)
    }

    /// How much has been decided about its members. Whoever reads this, and then how they are, knows by the next reading
    /// whether they are still so.
    pub(super) fn decisions(&self) -> u64 {
        self.decisions.load(Acquire)
    }

    pub(super) fn settings(&self) -> Settings {
        self.read(|core| core.settings)
    }

    pub(super) fn read<T>(&self, look: impl FnOnce(&Core) -> T) -> T {
        look(&self.core.lock())
    }

    /// From how many failures in a row on somebody has to judge.
    #[inline]
    pub(super) fn row(&self) -> u32 {
        self.row.load(Relaxed)
    }

    /// In nanoseconds; `u64::MAX` if that is not judged.
    pub(super) fn hung_after(&self) -> u64 {
        self.hung_after.load(Relaxed)
    }

    pub(super) fn max_hint(&self) -> Duration {
        Duration::from_nanos(self.max_hint.load(Relaxed))
    }

    /// How many requests were refused.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    pub(super) fn count_refusal(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    /// How many requests went to another member as one had refused them.
    pub(super) fn resent(&self) -> u64 {
        self.resent.load(Relaxed)
    }

    pub(super) fn count_resent(&self) {
        self.resent.fetch_add(1, Relaxed);
    }

    /// Whose turn it is first among equals, for a new clone of the router. Multiples of the golden ratio, of which any few
    /// in a row are evenly spread: a retry makes two clones for each call, and every second number is even.
    pub(super) fn turn(&self) -> u32 {
        self.turn.fetch_add(1, Relaxed).wrapping_mul(0x9E37_79B9) >> 16
    }

    /// Whether somebody has to look after the fleet, which is then whoever asks.
    #[inline]
    pub(super) fn is_due(&self, now: Instant) -> bool {
        now.as_nanos() >= self.due.load(Relaxed)
    }

    /// Lets back in whose time is over, and at the end of an interval compares the members. Whoever has the lock does it.
    #[cold]
    pub(super) fn tend(&self, now: Instant) {
        let Some(mut guard) = self.core.try_lock() else { return };
        let Core { vitals, outlier, settings, .. } = &mut *guard;
        let mut happened = Transitions::new();
        let mut spill_ended = false;
        if outlier.is_over(now) {
            let mut calls = 0;
            for (position, vitals) in vitals.iter().enumerate() {
                let tally = vitals.take_tally();
                calls += u64::from(tally.calls);
                outlier.count(position, tally);
            }
            happened.extend(outlier.conclude(now, || self.chance.draw()));
            spill_ended = self.spill.renew(settings.spill(calls));
        }
        // After the interval: in that, who returns now was out.
        happened.extend(outlier.pass_time(now));
        self.publish(&guard);
        drop(guard);
        if spill_ended {
            self.events.emit(|| Event::SpillEnded { layer: self.name });
        }
        self.announce(&happened, now);
    }

    /// So many calls of a member in a row have failed: judges.
    #[cold]
    pub(super) fn judge(&self, id: u64, vitals: &Arc<Vitals>, epoch: u32, row: u32, now: Instant) {
        let random = self.chance.draw();
        let happened = {
            let mut core = self.core.lock();
            if !core.has(id, vitals) {
                return;
            }
            let happened = core.outlier.failed(id, epoch, row, now, random);
            // Where nobody more may be out, this is asked at each failure.
            if !happened.is_empty() {
                self.publish(&core);
            }
            happened
        };
        self.announce(&happened, now);
    }

    /// Has something decided, lets calls know, and announces it once the lock is free again.
    pub(super) fn decide(&self, now: Instant, decision: impl FnOnce(&mut Core) -> Transitions) {
        let happened = {
            let mut core = self.core.lock();
            let happened = decision(&mut core);
            self.publish(&core);
            happened
        };
        self.announce(&happened, now);
    }

    /// Treats members by `settings` from now on.
    pub(super) fn update(&self, settings: Settings, now: Instant) {
        self.decide(now, |core| {
            core.settings = settings.with_name(self.name);
            core.outlier.update(settings.outliers())
        });
    }

    /// The fleet is these from now on, of whom a tenant is dealt `hand`. What happened by that is for the caller to
    /// [`announce`](Self::announce), who holds the lock of the fleets.
    pub(super) fn set(&self, nodes: Nodes, vitals: Box<[Arc<Vitals>]>, hand: usize) -> Transitions {
        let mut core = self.core.lock();
        (core.nodes, core.vitals) = (nodes, vitals);
        let Core { nodes, outlier, .. } = &mut *core;
        let happened = outlier.set(nodes.ids().iter().copied(), hand);
        self.publish(&core);
        self.generation.fetch_add(1, Release);
        happened
    }

    /// What calls read without the lock.
    fn publish(&self, core: &Core) {
        let panic = core.outlier.is_panic();
        for (vitals, record) in core.vitals.iter().zip(core.outlier.members()) {
            vitals.publish(record, panic);
        }
        self.row.store(core.settings.row(), Relaxed);
        self.hung_after.store(core.settings.hung_after_nanos(), Relaxed);
        self.max_hint.store(nanos(core.settings.max_hint()), Relaxed);
        self.due.store(core.outlier.due().as_nanos(), Relaxed);
    }

    /// Has those look again whom it concerns, and announces it.
    pub(super) fn announce(&self, happened: &[Transition], now: Instant) {
        for transition in happened {
            match *transition {
                Transition::Ejected { id, .. } => self.tell([Topic::Member(id)]),
                Transition::Returned { id } => self.returned(id),
                Transition::PanicBegan { .. } | Transition::PanicEnded => self.tell([Topic::Fleet]),
            }
            self.events.emit(|| transition.event(self.name, now));
        }
    }

    /// A member may be called again.
    pub(super) fn returned(&self, id: u64) {
        self.tell([Topic::Member(id), Topic::Returns]);
    }

    /// In this order: who listens after the news finds that something was decided.
    fn tell<const N: usize>(&self, topics: [Topic; N]) {
        self.decisions.fetch_add(1, Release);
        topics.into_iter().for_each(|topic| self.news.tell(topic));
    }
}

impl Core {
    /// Whether the member of an identity is the one with these vitals: one that left and came back is another, whose epochs
    /// begin anew.
    fn has(&self, id: u64, vitals: &Arc<Vitals>) -> bool {
        let known = self.nodes.position_of_id(id).and_then(|position| self.vitals.get(position));
        known.is_some_and(|known| Arc::ptr_eq(known, vitals))
    }
}

impl Transition {
    fn event(self, layer: &'static str, now: Instant) -> Event {
        let count = |members| u32::try_from(members).unwrap_or(u32::MAX);
        match self {
            Self::Ejected { id, cause, until } => {
                let eject_for = if until == Instant::FAR { Duration::MAX } else { until.since(now) };
                Event::ShardEjected { layer, node: id, cause, eject_for }
            }
            Self::Returned { id } => Event::ShardReturned { layer, node: id },
            Self::PanicBegan { left, of } => Event::PanicBegan { layer, left: count(left), of: count(of) },
            Self::PanicEnded => Event::PanicEnded { layer },
        }
    }
}

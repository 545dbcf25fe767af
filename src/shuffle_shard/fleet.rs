use std::{sync::Arc, time::Duration};

use super::{
    assign::Assign,
    nodes::{Node, Nodes},
    outlier::{Outlier, Transition, Transitions},
    pick::Candidate,
    settings::Settings,
    spill::Spill,
    vitals::Vitals,
};
use crate::{
    chance::Chance,
    clock::Instant,
    event::{Event, Events},
    request::Tried,
    sync::{
        Lock, Waiters,
        atomic::{
            AtomicU32, AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
};

/// One member of a fleet. It lives on while it is in some fleet, or a call to it is under way.
#[derive(Debug)]
pub(super) struct Member<S> {
    pub(super) id: u64,
    pub(super) service: S,
    pub(super) vitals: Vitals,
}

impl<S> Member<S> {
    pub(super) fn new(id: u64, service: S) -> Arc<Self> {
        Arc::new(Self { id, service, vitals: Vitals::default() })
    }
}

/// The members at one moment, each at the position of its node. It does not change; each router keeps the one it last saw.
#[derive(Debug)]
pub(super) struct Fleet<S> {
    pub(super) nodes: Nodes,
    pub(super) members: Box<[Arc<Member<S>>]>,
}

impl<S> Fleet<S> {
    #[inline]
    pub(super) fn member(&self, position: u32) -> Option<&Arc<Member<S>>> {
        self.members.get(position as usize)
    }

    /// What there is to know about the member at a position.
    #[inline]
    pub(super) fn look(&self, position: u32, tried: &Tried, now: Instant) -> Option<Candidate> {
        let Member { id, vitals, .. } = &**self.member(position)?;
        let tried = if tried.is_empty() { None } else { tried.order_of(*id) };
        Some(Candidate { standing: vitals.standing(now), load: vitals.load(), tried })
    }
}

/// What all clones of a router share.
#[derive(Debug)]
pub(super) struct Shared<S> {
    pub(super) name: &'static str,
    pub(super) events: Events,
    pub(super) chance: Arc<Chance>,
    /// Rises whenever the fleet is another.
    generation: AtomicU64,
    /// When somebody has to look after the fleet.
    due: AtomicU64,
    row: AtomicU32,
    hung_after: AtomicU64,
    max_hint: AtomicU64,
    refused: AtomicU64,
    pub(super) spill: Spill,
    pub(super) turn: Turns,
    core: Lock<Core<S>>,
    /// Calls that wait for a member to become ready, and are to look again when the fleet is another.
    pub(super) waiting: Lock<Waiters<(), 1>>,
}

/// Whose turn it is among equals. Written by every call, so on cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Turns(AtomicU32);

impl Turns {
    #[inline]
    pub(super) fn next(&self) -> u32 {
        self.0.fetch_add(1, Relaxed)
    }
}

/// What is decided about, one at a time.
#[derive(Debug)]
pub(super) struct Core<S> {
    pub(super) fleet: Arc<Fleet<S>>,
    pub(super) outlier: Outlier,
    pub(super) settings: Settings,
}

impl<S> Shared<S> {
    /// Of a fleet that nothing is known of, whose tenants are dealt `hand` members.
    pub(super) fn new(
        settings: Settings,
        chance: Arc<Chance>,
        events: Events,
        fleet: Arc<Fleet<S>>,
        hand: usize,
    ) -> Self {
        let mut outlier = Outlier::new(settings.outliers());
        outlier.set(fleet.nodes.ids().iter().copied(), hand);
        let shared = Self {
            name: settings.name(),
            events,
            chance,
            generation: AtomicU64::new(0),
            due: AtomicU64::new(0),
            row: AtomicU32::new(0),
            hung_after: AtomicU64::new(0),
            max_hint: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            spill: Spill::default(),
            turn: Turns::default(),
            core: Lock::new(Core { fleet, outlier, settings }),
            waiting: Lock::new(Waiters::new()),
        };
        shared.read(|core| shared.publish(core));
        shared
    }

    #[inline]
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Acquire)
    }

    /// The fleet as it is, and its generation.
    pub(super) fn fleet(&self) -> (Arc<Fleet<S>>, u64) {
        self.read(|core| (Arc::clone(&core.fleet), self.generation()))
    }

    pub(super) fn settings(&self) -> Settings {
        self.read(|core| core.settings)
    }

    pub(super) fn read<T>(&self, look: impl FnOnce(&Core<S>) -> T) -> T {
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

    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    pub(super) fn refuse(&self) {
        self.refused.fetch_add(1, Relaxed);
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
        let Core { fleet, outlier, settings } = &mut *guard;
        let mut happened = Transitions::new();
        let mut spill_ended = false;
        if outlier.is_over(now) {
            let mut calls = 0;
            for (position, member) in fleet.members.iter().enumerate() {
                let tally = member.vitals.take_tally();
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
    pub(super) fn judge(&self, id: u64, epoch: u32, row: u32, now: Instant) {
        let random = self.chance.draw();
        let happened = {
            let mut core = self.core.lock();
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
    pub(super) fn decide(&self, now: Instant, decision: impl FnOnce(&mut Core<S>) -> Transitions) {
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

    /// Makes the fleet another, unless `change` makes none of it. What it answers is returned.
    pub(super) fn change<T>(
        &self,
        hand: usize,
        now: Instant,
        change: impl FnOnce(&Fleet<S>) -> (Option<Fleet<S>>, T),
    ) -> T {
        let mut guard = self.core.lock();
        let (fleet, answer) = change(&guard.fleet);
        let Some(fleet) = fleet else { return answer };
        let Core { fleet: current, outlier, .. } = &mut *guard;
        // Dropped at the end: a service that goes is somebody else's code.
        let _gone = std::mem::replace(current, Arc::new(fleet));
        let happened = outlier.set(current.nodes.ids().iter().copied(), hand);
        self.publish(&guard);
        self.generation.fetch_add(1, Release);
        drop(guard);
        self.wake_all();
        self.announce(&happened, now);
        answer
    }

    /// Those who wait for a member look whether it is still one.
    fn wake_all(&self) {
        let first = || {
            let mut waiting = self.waiting.lock();
            waiting.oldest(0).map(|ticket| waiting.grant(ticket, ()))
        };
        while let Some(wakeup) = first() {
            wakeup.wake();
        }
    }

    /// What calls read without the lock.
    fn publish(&self, core: &Core<S>) {
        let panic = core.outlier.is_panic();
        for (member, record) in core.fleet.members.iter().zip(core.outlier.members()) {
            member.vitals.publish(record, panic);
        }
        self.row.store(core.settings.row(), Relaxed);
        self.hung_after.store(core.settings.hung_after_nanos(), Relaxed);
        self.max_hint.store(crate::clock::nanos(core.settings.max_hint()), Relaxed);
        self.due.store(core.outlier.due().as_nanos(), Relaxed);
    }

    fn announce(&self, happened: &[Transition], now: Instant) {
        for transition in happened {
            self.events.emit(|| transition.event(self.name, now));
        }
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

/// A fleet of these nodes: who was a member stays one, and `service` is asked for the others.
pub(super) fn muster<S>(
    nodes: Nodes,
    before: Option<&Fleet<S>>,
    mut service: impl FnMut(&Node) -> Option<Arc<Member<S>>>,
) -> Option<Fleet<S>> {
    let known = |node: &Node| {
        let before = before?;
        before.member(before.nodes.position_of_id(node.id())? as u32).cloned()
    };
    let members = nodes.iter().map(|node| known(node).or_else(|| service(node))).collect::<Option<_>>()?;
    Some(Fleet { nodes, members })
}

/// How many members a tenant is dealt, as far as one tenant tells.
pub(super) fn width(assign: &impl Assign, nodes: &Nodes) -> usize {
    assign.hand(0, nodes).len()
}

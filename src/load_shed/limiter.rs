//! What all clones of a load shedder share: places, samples, and the rule that is shown them.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    controller::{Controller, duration},
    parking::{Places, Return, Turn},
    rule::Rule,
    rules::VerifiedGradient,
    samples::Samples,
    scouts::Scouts,
    settings::{Bottleneck, Settings},
};
use crate::{
    classify::{Failure, Outcome},
    clock::{Instant, Moment, nanos},
    event::{Event, Events},
    gate::Ending,
    request::current,
    sync::{
        Lock,
        atomic::{
            AtomicBool, AtomicU32, AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
    },
};

/// What a request under way holds: when it began, and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permit {
    pub(super) began: Instant,
    /// A word, as it is moved with the other one.
    turn: u64,
}

/// Makes the rule of a limiter.
#[derive(Clone)]
pub(super) struct Make(Arc<RuleOf>);

type RuleOf = dyn Fn(&Settings) -> Box<dyn Rule> + Send + Sync;

#[derive(Debug)]
pub(super) struct Limiter {
    places: Places,
    samples: Samples,
    limit: AtomicU32,
    /// When to look at the window next.
    next_look: AtomicU64,
    /// The mean time of a call in nanoseconds; 0 is unknown.
    latency: AtomicU64,
    /// The longest that a caller was known to wait since the last window, in nanoseconds; 0 is unknown.
    patience: AtomicU64,
    heeds_patience: AtomicBool,
    observing: AtomicBool,
    /// Nobody in the way of a call waits for this: who finds it taken leaves the look to who has it.
    controller: Lock<Controller>,
    scouts: Lock<Scouts>,
    /// Whether nobody at all goes beyond the limit.
    is_strict: bool,
    make: Make,
    pub(super) events: Events,
    pub(super) name: &'static str,
}

/// What a limiter knows, for a snapshot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) settings: Settings,
    pub(super) limit: u32,
    pub(super) in_use: u32,
    pub(super) parked: u32,
    pub(super) latency: Option<Duration>,
    pub(super) baseline: Option<Duration>,
    pub(super) probing: bool,
    pub(super) observing: bool,
}

impl Make {
    pub(super) fn new<R: Rule + 'static>(make: impl Fn(&Settings) -> R + Send + Sync + 'static) -> Self {
        Self(Arc::new(move |settings| Box::new(make(settings))))
    }
}

impl Limiter {
    pub(super) fn new(settings: Settings, make: Make, events: Events) -> Self {
        let mut controller = Controller::new(settings, (make.0)(&settings));
        let limit = controller.limit();
        Self {
            places: Places::new(limit, settings.max_limit().get()),
            samples: Samples::new(),
            limit: AtomicU32::new(limit),
            next_look: AtomicU64::new(0),
            latency: AtomicU64::new(0),
            patience: AtomicU64::new(0),
            heeds_patience: AtomicBool::new(settings.bottleneck() == Bottleneck::Private),
            observing: AtomicBool::new(false),
            scouts: Lock::new(Scouts::new()),
            is_strict: controller.is_strict(),
            controller: Lock::new(controller),
            make,
            events,
            name: settings.name(),
        }
    }

    pub(super) fn fresh(&self) -> Self {
        // A statement of its own: the rule is made without the lock.
        let settings = self.controller.lock().settings;
        Self::new(settings, self.make.clone(), self.events.clone())
    }

    /// Takes a place, and calls nothing of anybody else's: it may be under a lock.
    #[inline]
    pub(super) fn take(&self, now: &Moment) -> Option<Permit> {
        if self.heeds_patience.load(Relaxed) {
            self.note_patience(now);
        }
        // Who has announced a wait must see a limit that grew before its announcement was looked for.
        match self.places.take(self.limit.load(SeqCst)) {
            Some(turn) => Some(Permit::new(now, turn)),
            None => self.send_scout(now),
        }
    }

    /// No place is free. If nothing is answered either, somebody has to go and see.
    #[cold]
    fn send_scout(&self, now: &Moment) -> Option<Permit> {
        if self.is_strict || self.places.is_full() {
            return None;
        }
        let call = self.latency().unwrap_or_default();
        let goes = self.scouts.try_lock()?.may_go(self.places.answered(), call, now.now());
        // Beyond the limit, but not beyond what may be under way in all.
        let turn = if goes { self.places.take(u32::MAX)? } else { return None };
        Some(Permit::new(now, turn).scouting())
    }

    pub(super) fn take_anyway(&self, now: &Moment) -> Permit {
        Permit::new(now, self.places.take_anyway())
    }

    /// A scout has come back where nobody else does.
    #[cold]
    fn hear_scout(&self, limit: u32, now: &Moment) {
        let answered = self.places.answered();
        if self.scouts.try_lock().is_some_and(|mut scouts| scouts.came_back(answered, now.now())) {
            self.places.end_turn(limit);
        }
    }

    /// Looks at the window if it is time: a trial that nothing comes of ends with time, and nobody may be under way whose
    /// end would show it. The rule is asked, and the observer may be told: not to be called under a lock.
    ///
    /// Whether it was, so that there may be a place now.
    #[cold]
    pub(super) fn look_if_due(&self, now: &Moment) -> bool {
        let is_due = self.is_due(now);
        if is_due {
            self.look(now.now());
        }
        is_due
    }

    #[inline]
    pub(super) fn put_back(&self, permit: Permit, ending: Ending, now: &Moment) {
        let limit = self.limit.load(Relaxed);
        // What was refused further in, or failed at once, has overtaken nobody.
        let answered = matches!(ending, Ending::Finished(Outcome::Success));
        let Return::Of(in_use) = self.places.put_back(permit.turn as Turn, limit, answered) else { return };
        if permit.is_scout() && answered {
            self.hear_scout(limit, now);
        }
        // Before the sample is recorded: it belongs to the window that begins, if one does.
        if self.is_due(now) {
            self.look(now.now());
        }
        match ending {
            Ending::Finished(Outcome::Success) => {
                self.samples.record(nanos(now.now().since(permit.began)), in_use >= limit);
            }
            ending => self.put_back_otherwise(permit, ending, in_use >= limit, now),
        }
    }

    /// What is neither answered nor given up on late says nothing about how long calls take: a failure may be quick because
    /// nothing was done.
    #[cold]
    fn put_back_otherwise(&self, permit: Permit, ending: Ending, bound: bool, now: &Moment) {
        match ending {
            // Were those left out who gave up, only the quick would be seen, and the limit would rise.
            Ending::Cancelled => {
                let (took, mean) = (nanos(now.now().since(permit.began)), self.latency.load(Relaxed));
                if mean > 0 && took >= mean {
                    self.samples.record(took, bound);
                }
            }
            Ending::Finished(Outcome::Failure(
                Failure::Overload | Failure::PushedBack | Failure::Throttled(_) | Failure::Timeout,
            )) => self.samples.overload(),
            Ending::Finished(_) | Ending::Panicked | Ending::Undispatched => {}
        }
    }

    #[inline]
    fn is_due(&self, now: &Moment) -> bool {
        now.now().as_nanos() >= self.next_look.load(Relaxed)
    }

    /// Has the rule look at the window, unless somebody else does.
    #[cold]
    fn look(&self, now: Instant) {
        let (from, to) = {
            let Some(mut controller) = self.controller.try_lock() else { return };
            if now.as_nanos() < self.next_look.load(Relaxed) {
                return;
            }
            let from = self.limit.load(Relaxed);
            self.samples.read_into(&mut controller.to);
            let patience = self.patience.swap(0, Relaxed);
            if patience > 0 {
                controller.patience = Some(Duration::from_nanos(patience));
            }
            let next = controller.look(now);
            self.publish(&mut controller);
            self.next_look.store(next.as_nanos(), Relaxed);
            (from, self.limit.load(Relaxed))
        };
        self.announce(from, to);
    }

    fn publish(&self, controller: &mut Controller) {
        self.limit.store(controller.limit(), SeqCst);
        if let Some(latency) = controller.latency {
            self.latency.store(nanos(duration(latency)).max(1), Relaxed);
        }
    }

    fn announce(&self, from: u32, to: u32) {
        if from != to {
            self.events.emit(|| Event::LimitChanged { layer: self.name, from, to });
        }
    }

    /// What the timeouts further out leave.
    #[cold]
    fn note_patience(&self, now: &Moment) {
        let deadline = current().deadline;
        if deadline != Instant::FAR {
            self.heed_patience(deadline.since(now.now()));
        }
    }

    pub(super) fn heed_patience(&self, patience: Duration) {
        if self.heeds_patience.load(Relaxed) && nanos(patience) > self.patience.load(Relaxed) {
            self.patience.fetch_max(nanos(patience), Relaxed);
        }
    }

    pub(super) fn limit(&self) -> u32 {
        self.limit.load(Relaxed)
    }

    pub(super) fn latency(&self) -> Option<Duration> {
        match self.latency.load(Relaxed) {
            0 => None,
            nanos => Some(Duration::from_nanos(nanos)),
        }
    }

    pub(super) fn is_observing(&self) -> bool {
        self.observing.load(Relaxed)
    }

    pub(super) fn observe_only(&self, observe: bool) {
        self.observing.store(observe, Relaxed);
    }

    pub(super) fn update(&self, settings: Settings) {
        let (from, to) = {
            let mut controller = self.controller.lock();
            let from = self.limit.load(Relaxed);
            controller.update(settings.with_name(self.name));
            self.places.resize(settings.max_limit().get());
            self.heeds_patience.store(settings.bottleneck() == Bottleneck::Private, Relaxed);
            self.patience.store(0, Relaxed);
            self.publish(&mut controller);
            (from, self.limit.load(Relaxed))
        };
        self.announce(from, to);
    }

    pub(super) fn known(&self) -> Known {
        let controller = self.controller.lock();
        let (baseline, probing) = controller.said();
        Known {
            settings: controller.settings,
            limit: self.limit(),
            in_use: self.places.in_use(),
            parked: self.places.parked(),
            latency: self.latency(),
            baseline,
            probing,
            observing: self.is_observing(),
        }
    }
}

impl Permit {
    /// Of a turn, this one went beyond the limit to see.
    const SCOUT: u64 = 1 << 32;

    fn scouting(self) -> Self {
        Self { turn: self.turn | Self::SCOUT, ..self }
    }

    #[inline]
    const fn is_scout(self) -> bool {
        self.turn & Self::SCOUT != 0
    }

    /// What holds no place.
    pub(super) const EXEMPT: Self = Self { began: Instant::FAR, turn: u64::MAX };

    #[inline]
    pub(super) fn is_exempt(self) -> bool {
        self.turn == Self::EXEMPT.turn
    }

    #[inline]
    fn new(now: &Moment, turn: Turn) -> Self {
        Self { began: now.now(), turn: u64::from(turn) }
    }
}

impl Default for Make {
    fn default() -> Self {
        Self::new(VerifiedGradient::new)
    }
}

impl fmt::Debug for Make {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Make")
    }
}

//! What all clones of a load shedder share: places, samples, and the rule that is shown them.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    parking::{Places, Return, Turn},
    rule::{Rule, Step},
    rules::VerifiedGradient,
    samples::{BUCKETS, Reading, Samples},
    settings::{Bottleneck, Settings},
    window::Window,
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
pub(super) struct Make(Arc<dyn Fn(&Settings) -> Box<dyn Rule> + Send + Sync>);

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
    controller: Lock<Controller>,
    make: Make,
    pub(super) events: Events,
    pub(super) name: &'static str,
}

/// The rule and its window. Guarded by a lock that nobody waits for: who finds it taken leaves the look to who has it.
struct Controller {
    settings: Settings,
    rule: Box<dyn Rule>,
    /// The beginning of the window, and what had been counted by then.
    began: Instant,
    from: Reading,
    /// Whether the window is still to begin.
    settling: bool,
    to: Reading,
    scratch: [u32; BUCKETS],
    latency: Option<f64>,
    patience: Option<Duration>,
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
        let controller = Controller::new(settings, (make.0)(&settings));
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
            controller: Lock::new(controller),
            make,
            events,
            name: settings.name(),
        }
    }

    pub(super) fn fresh(&self) -> Self {
        Self::new(self.controller.lock().settings, self.make.clone(), self.events.clone())
    }

    #[inline]
    pub(super) fn take(&self, now: &Moment) -> Option<Permit> {
        if self.heeds_patience.load(Relaxed) {
            self.note_patience(now);
        }
        match self.places.take(self.limit.load(Relaxed)) {
            Some(turn) => Some(Permit::new(now, turn)),
            None => self.take_after_a_look(now),
        }
    }

    pub(super) fn take_anyway(&self, now: &Moment) -> Permit {
        Permit::new(now, self.places.take_anyway())
    }

    /// A trial that nothing comes of ends with time, and nobody may be under way whose end would show it.
    #[cold]
    fn take_after_a_look(&self, now: &Moment) -> Option<Permit> {
        if !self.is_due(now) {
            return None;
        }
        self.look(now.now());
        self.places.take(self.limit.load(Relaxed)).map(|turn| Permit::new(now, turn))
    }

    #[inline]
    pub(super) fn put_back(&self, permit: Permit, ending: Ending, now: &Moment) {
        let limit = self.limit.load(Relaxed);
        let Return::Of(in_use) = self.places.put_back(permit.turn as Turn, limit) else { return };
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
            Ending::Finished(Outcome::Failure(Failure::Overload | Failure::Throttled(_) | Failure::Timeout)) => {
                self.samples.overload();
            }
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
            self.publish(&controller);
            self.next_look.store(next.as_nanos(), Relaxed);
            (from, self.limit.load(Relaxed))
        };
        self.announce(from, to);
    }

    fn publish(&self, controller: &Controller) {
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
            controller.settings = settings.with_name(self.name);
            controller.rule.update(&settings);
            self.places.resize(settings.max_limit().get());
            self.heeds_patience.store(settings.bottleneck() == Bottleneck::Private, Relaxed);
            self.publish(&controller);
            (from, self.limit.load(Relaxed))
        };
        self.announce(from, to);
    }

    pub(super) fn known(&self) -> Known {
        let controller = self.controller.lock();
        Known {
            settings: controller.settings,
            limit: self.limit(),
            in_use: self.places.in_use(),
            parked: self.places.parked(),
            latency: self.latency(),
            baseline: controller.rule.baseline().map(duration),
            probing: controller.rule.is_probing(),
            observing: self.is_observing(),
        }
    }
}

impl Controller {
    fn new(settings: Settings, rule: Box<dyn Rule>) -> Self {
        Self {
            settings,
            rule,
            began: Instant::from_nanos(0),
            from: Reading::ZERO,
            settling: true,
            to: Reading::ZERO,
            scratch: [0; BUCKETS],
            latency: None,
            patience: None,
        }
    }

    /// Looks at what was counted. When to look again is the answer.
    fn look(&mut self, now: Instant) -> Instant {
        let window = Window::between((self.began, &self.from), (now, &self.to), &mut self.scratch);
        // The mean time of a call moves with every call by a twentieth.
        let latency = (window.calls() > 0).then(|| {
            let (mean, before) = (window.mean(), self.latency.unwrap_or(window.mean()));
            before + (mean - before) * (1.0 - 0.95f64.powf(f64::from(window.calls())))
        });
        let latency = latency.or(self.latency);
        let next = if self.settling {
            // The window begins when it was to begin; the first one, with the first call that ends.
            if self.began == Instant::from_nanos(0) {
                self.began = now;
            }
            self.settling = false;
            now.after(TICK)
        } else {
            match self.rule.look(&window.knowing(latency, self.patience)) {
                Step::Gather(until) => return until.max(now.after(TICK)),
                Step::Close(settle) => {
                    self.began = now.after(settle);
                    self.settling = !settle.is_zero();
                    self.began.max(now.after(TICK))
                }
            }
        };
        self.latency = latency;
        std::mem::swap(&mut self.from, &mut self.to);
        next
    }

    /// What the rule wants, as a number that there is.
    fn limit(&self) -> u32 {
        let most = self.settings.max_limit().get();
        // A cast from floating point saturates, and takes what is no number for zero.
        (self.rule.limit().round() as u32).clamp(1, most)
    }
}

/// How soon a window is looked at again at the earliest.
const TICK: Duration = Duration::from_millis(2);

fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

impl Permit {
    /// What holds no place.
    pub(super) const EXEMPT: Self = Self { began: Instant::FAR, turn: 0 };

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

impl fmt::Debug for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Controller").field("settings", &self.settings).field("rule", &self.rule).finish_non_exhaustive()
    }
}

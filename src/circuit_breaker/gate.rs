use std::{num::NonZeroU32, sync::Arc, time::Duration};

use super::{
    circuit::Circuit,
    handle::Handle,
    machine::{Answer, left},
    mode::Tag,
    probes::Word,
    settings::Settings,
};
use crate::{
    chance::Chance,
    classify::Outcome,
    clock::{Instant, Moment},
    event::{Event, Events, Observer},
    gate::{Admission, Ending, Gate, Never},
    rejection::{Reason, Rejection},
    stats::{Counts, Mark},
};

/// Stops calling what keeps failing. See the [room's page](super).
///
/// It owns its state, and a clone shares it. [`fresh`](Self::fresh) makes another breaker with the same settings.
#[derive(Clone, Debug)]
#[must_use]
pub struct CircuitBreaker {
    circuit: Arc<Circuit>,
}

impl CircuitBreaker {
    /// A closed circuit that judges by `settings`, and takes its jitter from the operating system's entropy.
    pub fn new(settings: Settings) -> Self {
        Self::make(settings, Arc::new(Chance::default()), Events::default())
    }

    /// Draws jitter from `chance`; a seed makes it repeatable. The state is new: take the [`handle`](Self::handle)
    /// afterwards.
    pub fn chance(self, chance: Chance) -> Self {
        Self::make(self.circuit.settings(), Arc::new(chance), self.circuit.events.clone())
    }

    /// The same settings, observer and source of chance, with new state: for another callee.
    pub fn fresh(&self) -> Self {
        Self::make(self.circuit.settings(), Arc::clone(&self.circuit.chance), self.circuit.events.clone())
    }

    /// To look at it and change it while it serves. Take the handle before the breaker goes into the stack.
    pub fn handle(&self) -> Handle {
        Handle::new(Arc::clone(&self.circuit))
    }

    /// Tells `observer` what happens here. In a stack the stack's observer is told unless this was called, and of
    /// refusals in any case. The first observer set is the one told.
    pub fn observe(self, observer: impl Observer + 'static) -> Self {
        self.circuit.events.observe(observer);
        self
    }

    /// Announces to `stack` what happens here, unless somebody hears it already.
    pub(crate) fn join(&self, stack: &Events) {
        self.circuit.events.join(stack);
    }

    fn make(settings: Settings, chance: Arc<Chance>, events: Events) -> Self {
        Self { circuit: Arc::new(Circuit::new(settings, chance, events)) }
    }
}

impl Default for CircuitBreaker {
    fn default() -> Self {
        Self::new(Settings::new())
    }
}

impl From<Settings> for CircuitBreaker {
    fn from(settings: Settings) -> Self {
        Self::new(settings)
    }
}

/// What an admitted call holds: which results it belongs to, and when it began. Opaque, plain data.
#[derive(Clone, Copy, Debug)]
pub struct Permit {
    /// `generation:32 | probe:32`, each 0 for none. In one word, for it is moved into a future and out again: written in
    /// parts and read as one, it would stall the processor.
    which: u64,
    /// [`Instant::FAR`] if nobody looked.
    started: Instant,
}

impl Permit {
    /// Its result is not looked at.
    const UNTRACKED: Self = Self { which: 0, started: Instant::FAR };

    #[inline]
    const fn call(generation: u32, started: Instant) -> Self {
        Self { which: (generation as u64) << 32, started }
    }

    const fn probe(generation: u32, probe: NonZeroU32, started: Instant) -> Self {
        Self { which: (generation as u64) << 32 | probe.get() as u64, started }
    }

    #[inline]
    const fn generation(self) -> u32 {
        (self.which >> 32) as u32
    }

    #[inline]
    const fn as_probe(self) -> Option<NonZeroU32> {
        NonZeroU32::new(self.which as u32)
    }

    /// For how long it has been under way, in nanoseconds, if it is known when it began.
    fn ran(&self, now: &Moment) -> Option<u64> {
        (self.started != Instant::FAR).then(|| now.now().as_nanos().saturating_sub(self.started.as_nanos()))
    }
}

impl<Req> Gate<Req> for CircuitBreaker {
    type Permit = Permit;
    type Wait = Never;

    const GOES_ALONG: bool = false;

    /// Closed: one load, and a clock read if the start of calls matters. Open: two loads and a clock read.
    #[inline(always)]
    fn admit(&self, _: &Req, now: &Moment) -> Admission<Permit, Never> {
        let mode = self.circuit.mode();
        match mode.tag() {
            Tag::Closed => {
                let started = if mode.is_timed() { now.now() } else { Instant::FAR };
                Admission::Admitted(Permit::call(mode.generation(), started))
            }
            Tag::HeldClosed => Admission::Admitted(Permit::UNTRACKED),
            Tag::HeldOpen => Admission::Refused(self.circuit.rejection(None)),
            Tag::Open => {
                let until = self.circuit.open_until();
                if now.now() < until {
                    Admission::Refused(self.circuit.rejection(left(until, now.now())))
                } else {
                    self.circuit.ask(now)
                }
            }
            Tag::Ask => self.circuit.ask(now),
        }
    }

    /// A success in the closed circuit: two loads, and what the window costs. A failure also takes the lock.
    #[inline]
    fn settle(&self, permit: Permit, ending: Ending, now: &Moment) {
        let circuit = &*self.circuit;
        let mode = circuit.mode();
        // ## Undispatched calls and those of an older generation say nothing about the callee as it is now.
        if permit.generation() != mode.generation() {
            return;
        }
        let mark = circuit.mark(&permit, ending, now);
        if let Some(probe) = permit.as_probe() {
            return circuit.hear(permit.generation(), probe, word(mark), hint(ending), now);
        }
        let Some(mark) = mark else { return };
        circuit.evidence.record(mode.epoch(), mark, ending != Ending::Cancelled, now);
        if mark.failed || mark.slow {
            circuit.judge(permit.generation(), hint(ending), now);
        }
    }

    /// Whether the circuit is closed, not held, and calm if it was ever open; no call in its window failed or was slow, and
    /// no row of failures has begun. Successes are no reason to keep it: without them it trips sooner, not later.
    fn is_neutral(&self, now: &Moment) -> bool {
        let Counts { failures, slow, .. } = self.circuit.evidence.counts(now.now());
        let blameless = (failures, slow, self.circuit.evidence.failures_in_a_row()) == (0, 0, 0);
        blameless && self.circuit.read(|machine| machine.is_calm(now.now()))
    }

    fn events(&self) -> Option<&Events> {
        Some(&self.circuit.events)
    }
}

impl Circuit {
    /// What `ending` says about the callee, if anything.
    #[inline]
    fn mark(&self, permit: &Permit, ending: Ending, now: &Moment) -> Option<Mark> {
        let longer_than = |limit: u64| limit != u64::MAX && permit.ran(now).is_some_and(|ran| ran >= limit);
        let failed = match ending {
            Ending::Finished(Outcome::Success) => false,
            Ending::Finished(Outcome::Failure(_)) | Ending::Panicked => true,
            Ending::Cancelled => {
                let mark = Mark { failed: longer_than(self.hung_after()), slow: longer_than(self.slow_after()) };
                return (mark != Mark::default()).then_some(mark);
            }
            Ending::Finished(Outcome::Ignored) | Ending::Undispatched => return None,
        };
        Some(Mark { failed, slow: longer_than(self.slow_after()) })
    }

    /// Asks the machine whether a call may go.
    #[cold]
    fn ask(&self, now: &Moment) -> Admission<Permit, Never> {
        let started = now.now();
        let (answer, generation, in_part) = self.decide(None, now, |machine, now| {
            let (answer, transition) = machine.admit(now);
            ((answer, machine.generation, machine.lets_some_through()), transition)
        });
        let refusal = |left| if in_part { self.rejection(left).in_part() } else { self.rejection(left) };
        match answer {
            Answer::Call => Admission::Admitted(Permit::call(generation, started)),
            Answer::Probe(probe) => Admission::Admitted(Permit::probe(generation, probe, started)),
            Answer::Untracked => Admission::Admitted(Permit::UNTRACKED),
            Answer::Refused(left) => Admission::Refused(refusal(left)),
            Answer::WouldRefuse(left) => {
                self.events.emit(|| Event::WouldRefuse(refusal(left)));
                Admission::Admitted(Permit::UNTRACKED)
            }
        }
    }

    /// Has the machine judge the evidence.
    #[cold]
    fn judge(&self, generation: u32, hint: Option<Duration>, now: &Moment) {
        self.decide(hint, now, |machine, now| {
            let counts = self.evidence.counts(now.at);
            ((), machine.judge(generation, self.evidence.failures_in_a_row(), counts, now))
        });
    }

    /// Tells the machine what a probe said.
    #[cold]
    fn hear(&self, generation: u32, probe: NonZeroU32, word: Word, hint: Option<Duration>, now: &Moment) {
        self.decide(hint, now, |machine, now| ((), machine.hear(generation, probe, word, now)));
    }

    fn rejection(&self, left: Option<Duration>) -> Rejection {
        let rejection = Rejection::new(Reason::CircuitOpen, self.name);
        left.map_or(rejection, |left| rejection.with_retry_after(left))
    }
}

/// What a probe said by ending so. A slow probe failed.
fn word(mark: Option<Mark>) -> Word {
    match mark {
        None => Word::Nothing,
        Some(Mark { failed: false, slow: false }) => Word::Good,
        Some(_) => Word::Bad,
    }
}

/// How long the callee asked to be left alone.
fn hint(ending: Ending) -> Option<Duration> {
    if let Ending::Finished(Outcome::Failure(failure)) = ending { failure.retry_after() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        circuit_breaker::machine::tests::{any_settings, duration},
        classify::Failure,
    };

    const ENDINGS: [Ending; 6] = [
        Ending::Cancelled,
        Ending::Finished(Outcome::Failure(Failure::Throttled(Some(Duration::MAX)))),
        Ending::Finished(Outcome::Ignored),
        Ending::Finished(Outcome::Success),
        Ending::Panicked,
        Ending::Undispatched,
    ];

    proptest! {
        /// What calls can know without asking is what the machine says, whatever the settings and the traffic.
        #[test]
        fn the_mode_is_the_machines(
            settings in any_settings(duration().boxed()),
            others in any_settings(duration().boxed()),
            steps in prop::collection::vec((duration(), 0..12_usize), 0..80),
        ) {
            let breaker = CircuitBreaker::new(settings).chance(Chance::seeded(7));
            let (mut now, mut permits) = (Instant::from_nanos(1 << 62), Vec::new());
            for (pass, step) in steps {
                now = now.after(pass);
                let moment = Moment::at(now);
                match (step, ENDINGS.get(step)) {
                    (_, Some(ending)) => {
                        if let Some(permit) = permits.pop() {
                            Gate::<()>::settle(&breaker, permit, *ending, &moment);
                        }
                    }
                    (11, _) => breaker.handle().update(others),
                    _ => match breaker.admit(&(), &moment) {
                        Admission::Admitted(permit) => permits.push(permit),
                        Admission::Refused(rejection) => prop_assert_eq!(rejection.reason(), Reason::CircuitOpen),
                        Admission::Waiting(never) => match never {},
                    },
                }
                let machine = breaker.circuit.read(|machine| (machine.mode(), machine.open_until()));
                prop_assert_eq!((breaker.circuit.mode(), breaker.circuit.open_until()), machine);
            }
        }
    }
}

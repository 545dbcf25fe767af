use std::{
    task::{Context, Poll},
    time::Duration,
};

use super::{
    desk::{Arrival, Desk},
    gate::Wait,
    line::Ticket,
    meter::{Meter, Taken},
    permit::Permit,
    settings::Settings,
};
use crate::{
    clock::{Instant, Moment},
    event::{Event, Events},
    gate::Admission,
    rejection::{Reason, Rejection},
    request::current,
    sync::{Lock, Wakeup, atomic::AtomicBool, atomic::Ordering::Relaxed},
};

/// What all clones of a rate limit share.
#[derive(Debug)]
pub(super) struct State {
    pub(super) meter: Meter,
    desk: Lock<Desk>,
    /// Whether requests that have to wait may.
    waits: AtomicBool,
    pub(super) events: Events,
    pub(super) name: &'static str,
}

impl State {
    pub(super) fn new(settings: Settings, events: Events) -> Self {
        Self {
            meter: Meter::new(),
            desk: Lock::new(Desk::new(settings)),
            waits: AtomicBool::new(settings.places() > 0),
            events,
            name: settings.name(),
        }
    }

    /// Does `work` at the desk, and wakes outside of the lock whom it puts into its list.
    pub(super) fn at_desk<T>(&self, now: Instant, work: impl FnOnce(&mut Desk, &mut Vec<Wakeup>) -> T) -> T {
        let mut wake = Vec::new();
        let result = {
            let mut desk = self.desk.lock();
            if let Some(arrival) = self.meter.shut() {
                desk.take_over(arrival);
            }
            desk.keep_young(now);
            let result = work(&mut desk, &mut wake);
            if let (Some(arrival), Some(gcra)) = (desk.alone(now), desk.quotas.single()) {
                if self.meter.version() != Some(desk.version) {
                    self.meter.set(desk.version, gcra, desk.settings.places() > 0);
                }
                self.meter.open(arrival);
            }
            result
        };
        wake.into_iter().for_each(Wakeup::wake);
        result
    }

    pub(super) fn settings(&self) -> Settings {
        self.desk.lock().settings
    }

    /// A request that could not be told without the lock whether it may pass.
    #[cold]
    pub(super) fn ask(
        &self,
        taken: Taken,
        cells: u32,
        now: &Moment,
        deadline: impl FnOnce() -> Option<Instant>,
    ) -> Admission<Permit, Wait> {
        let at = now.now();
        match taken {
            Taken::Took(version) => return Admission::Admitted(Permit::new(cells, version)),
            Taken::Short(due) => {
                let rejection = Rejection::new(Reason::RateLimited, self.name);
                return Admission::Refused(rejection.with_retry_after(due.since(at)));
            }
            Taken::Never => return Admission::Refused(Rejection::new(Reason::TooExpensive, self.name)),
            Taken::Torn { before, after } => self.at_desk(at, |desk, _| desk.set_right(before, after, at)),
            Taken::Ask => {}
        }
        // Asked outside of the lock: it is somebody else's code.
        let until = if self.waits.load(Relaxed) {
            deadline().unwrap_or(Instant::FAR).min(current().deadline)
        } else {
            Instant::FAR
        };
        match self.at_desk(at, |desk, wake| desk.arrive(cells, at, until, wake)) {
            Arrival::Admitted(permit) => Admission::Admitted(permit),
            Arrival::Waiting(place) => Admission::Waiting(Wait(place)),
            Arrival::Refused(rejection) => Admission::Refused(rejection),
            Arrival::Observed(rejection) => {
                self.events.emit(|| Event::WouldRefuse(rejection));
                Admission::Admitted(Permit::FREE)
            }
        }
    }

    /// Whether a wait is over.
    pub(super) fn poll(&self, wait: &mut Wait, now: &Moment, cx: &mut Context<'_>) -> Poll<Result<Permit, Rejection>> {
        let (at, place) = (now.now(), &mut wait.0);
        // Cloned and dropped outside of the lock: a waker is somebody else's code.
        let mut waker = Some(cx.waker().clone());
        let (answer, before) = self.at_desk(at, |desk, wake| {
            // Whoever serves themselves need not be woken for it.
            let before = desk.line.get_mut(place.ticket).map(|waiting| waiting.turn.nudge());
            desk.serve(at, wake);
            if let Some(alarm) = desk.alarm(place.ticket, at, wake) {
                place.alarm = alarm;
            }
            let answer = match desk.line.get_mut(place.ticket) {
                Some(waiting) => {
                    waiting.turn.has_come(&mut waker);
                    None
                }
                None => desk.line.leave(place.ticket).ok(),
            };
            (answer, before)
        });
        drop((waker, before));
        answer.map_or(Poll::Pending, Poll::Ready)
    }

    /// Ends a wait whose caller has left. What was taken for it already goes back, whatever the settings.
    pub(super) fn abandon(&self, ticket: Ticket, now: Instant) {
        let gone = self.at_desk(now, |desk, wake| {
            let gone = desk.forget(ticket);
            desk.serve(now, wake);
            gone
        });
        drop(gone);
    }

    /// What was taken for a request that was never sent goes back.
    #[cold]
    pub(super) fn put_back(&self, permit: Permit, now: Instant) {
        self.at_desk(now, |desk, wake| {
            if desk.settings.refunds() {
                desk.put_back(permit);
                desk.serve(now, wake);
            }
        });
    }

    /// The callee asked to be left alone for so long.
    #[cold]
    pub(super) fn pause(&self, hint: Duration, now: Instant) {
        let paused = self.at_desk(now, |desk, wake| {
            let pause = hint.min(desk.settings.max_hint());
            desk.pause(now.after(pause), now, wake).then_some(pause)
        });
        if let Some(pause) = paused {
            self.events.emit(|| Event::Throttled { layer: self.name, pause });
        }
    }

    /// Sets it like this from now on; the name stays.
    pub(super) fn update(&self, settings: Settings, now: Instant) {
        let changed = self.at_desk(now, |desk, wake| {
            let before = desk.settings;
            desk.update(settings, now, wake);
            self.waits.store(settings.places() > 0, Relaxed);
            before.quotas() != settings.quotas()
        });
        if changed {
            self.events.emit(|| Event::QuotaChanged { layer: self.name });
        }
    }

    /// Only observes, or refuses again.
    pub(super) fn observe_only(&self, observe: bool, now: Instant) {
        self.at_desk(now, |desk, wake| if observe { desk.observe(now, wake) } else { desk.observing = false });
    }
}

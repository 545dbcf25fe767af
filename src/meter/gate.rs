use std::sync::Arc;

use super::{
    handle::Handle,
    settings::Settings,
    tally::{self, Numbers},
};
use crate::{
    clock::{Instant, Moment},
    event::{Event, Events, Observer},
    gate::{Admission, Ending, Gate, Never},
    sync::{
        Striped,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

/// Counts calls, how they end, and how long they take. See the [room's page](super).
///
/// It owns its numbers, and a clone shares them. [`fresh`](Self::fresh) makes another meter with the same settings.
#[derive(Clone, Debug)]
#[must_use]
pub struct Meter {
    state: Arc<State>,
}

/// What the clones of a meter share.
#[derive(Debug)]
pub(super) struct State {
    pub(super) numbers: Striped<Numbers>,
    pub(super) times: AtomicBool,
    pub(super) announces: AtomicBool,
    pub(super) name: &'static str,
    pub(super) events: Events,
}

impl Meter {
    /// A meter that has counted nothing. A name will do.
    pub fn new(settings: impl Into<Settings>) -> Self {
        Self { state: Arc::new(State::new(settings.into(), Events::default())) }
    }

    /// The same settings and observer, with nothing counted: for another callee.
    pub fn fresh(&self) -> Self {
        Self { state: Arc::new(State::new(self.state.settings(), self.state.events.clone())) }
    }

    /// To look at it and change it while it serves. Take the handle before the meter goes into the stack.
    pub fn handle(&self) -> Handle {
        Handle::new(Arc::clone(&self.state))
    }

    /// Tells `observer` of each call, if the meter [announces](Settings::with_events) them. In a stack the stack's
    /// observer is told unless this was called. The first observer set is the one told.
    pub fn observe(self, observer: impl Observer + 'static) -> Self {
        self.state.events.observe(observer);
        self
    }

    pub(crate) fn join(&self, events: &Events) {
        self.state.events.join(events);
    }
}

impl<S: Into<Settings>> From<S> for Meter {
    fn from(settings: S) -> Self {
        Self::new(settings)
    }
}

/// What a call that went past a meter holds: plain data.
#[derive(Clone, Copy, Debug)]
pub struct Permit {
    /// [`Instant::FAR`] if nobody looked.
    began: Instant,
}

impl<Req> Gate<Req> for Meter {
    type Permit = Permit;
    type Wait = Never;

    const GOES_ALONG: bool = false;

    #[inline(always)]
    fn admit(&self, _: &Req, now: &Moment) -> Admission<Permit, Never> {
        let state = &*self.state;
        tally::count_admitted(&state.numbers);
        if state.announces.load(Relaxed) {
            state.events.emit(|| Event::Admitted { layer: state.name });
        }
        Admission::Admitted(Permit { began: if state.times.load(Relaxed) { now.now() } else { Instant::FAR } })
    }

    #[inline(always)]
    fn settle(&self, permit: Permit, ending: Ending, now: &Moment) {
        let (state, ended) = (&*self.state, tally::ended(ending));
        let took = (permit.began != Instant::FAR && tally::is_timed(ended)).then(|| now.now().since(permit.began));
        tally::count_end(&state.numbers, ended, took);
        if state.announces.load(Relaxed) {
            state.announce(permit, ended, now);
        }
    }

    /// Numbers speak against nobody; but who forgets a meter loses them.
    fn is_neutral(&self, _: &Moment) -> bool {
        false
    }

    fn events(&self) -> Option<&Events> {
        Some(&self.state.events)
    }
}

impl State {
    fn new(settings: Settings, events: Events) -> Self {
        Self {
            numbers: Striped::new(),
            times: AtomicBool::new(settings.times()),
            announces: AtomicBool::new(settings.events()),
            name: settings.name(),
            events,
        }
    }

    pub(super) fn settings(&self) -> Settings {
        let settings = Settings::new().with_name(self.name);
        let settings = if self.times.load(Relaxed) { settings } else { settings.without_times() };
        if self.announces.load(Relaxed) { settings.with_events() } else { settings }
    }

    #[cold]
    fn announce(&self, permit: Permit, ended: crate::event::Ended, now: &Moment) {
        self.events.emit(|| {
            let after = if permit.began == Instant::FAR { Default::default() } else { now.now().since(permit.began) };
            Event::Settled { layer: self.name, ended, after }
        });
    }
}

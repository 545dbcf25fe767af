//! Plays a run: steps the paused clock from event to event, and polls what is ready.

mod requests;
mod stepper;
mod timeouts;

use std::sync::Arc;

use slab::Slab;
use tokio::runtime::{Handle, RuntimeMetrics};

use self::{stepper::Stepper, timeouts::Timeouts};
use super::{
    agenda::Agenda,
    attempts::{Attempts, Call},
    client::{Arrival, Client},
    load::{Arrivals, Kind, Load},
    people::Weights,
    server::{Place, Spent},
    span::Span,
    tally::{Request, Tally},
    world::{MOST_ATTEMPTS, World},
};
use crate::chance::Chance;

/// No run has more attempts under way at once than this.
const MOST_AT_ONCE: usize = 1 << 20;

/// How often each attempt is polled at one instant before the clock goes on.
const MOST_POLLS: usize = 1000;

/// Makes a request and sends it.
pub(super) type Send<'a> = Box<dyn FnMut(&Arrival) -> Call<'a> + 'a>;

/// A load, and where it goes.
pub(super) struct Caller<'a> {
    pub(super) name: &'static str,
    pub(super) load: Load,
    pub(super) client: Client,
    pub(super) classes: Weights,
    pub(super) tenants: Weights,
    pub(super) send: Send<'a>,
}

/// What an engine needs to know to begin.
pub(super) struct Plan<'a> {
    pub(super) seed: u64,
    pub(super) world: Arc<World>,
    pub(super) servers: Vec<Arc<Place>>,
    pub(super) callers: Vec<Caller<'a>>,
    /// Until when requests come.
    pub(super) end: u64,
    /// When the run is over, whatever is still under way.
    pub(super) horizon: u64,
}

/// What comes by itself, and not from a server or a future.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// An open loop's next request.
    Arrive(usize),
    /// A caller of a closed loop asks.
    Ask(usize),
    Timeout(u64),
    Retry(usize),
}

pub(super) struct Engine<'a> {
    plan: Plan<'a>,
    streams: Vec<Stream>,
    attempts: Attempts<'a>,
    requests: Slab<Request>,
    agenda: Agenda<Event>,
    /// By load.
    timeouts: Vec<Timeouts>,
    pub(super) tallies: Vec<Tally>,
    spent: Vec<Spent>,
    begun: u64,
    pub(super) cut_short: bool,
    clock: Stepper,
    runtime: RuntimeMetrics,
}

/// Each load draws from sources of its own: its requests are the same whatever becomes of them.
struct Stream {
    arrivals: Option<Arrivals>,
    comes: Chance,
    belongs: Chance,
    pauses: Chance,
    count: u64,
}

impl<'a> Engine<'a> {
    pub(super) fn new(plan: Plan<'a>, tally: &Tally) -> Self {
        let source = |caller: usize, what: u64| Chance::seeded(plan.seed ^ (caller as u64 + 1) << 32 ^ what << 56);
        let streams = plan.callers.iter().enumerate().map(|(index, caller)| Stream {
            arrivals: Arrivals::new(&caller.load),
            comes: source(index, 1),
            belongs: source(index, 2),
            pauses: source(index, 3),
            count: 0,
        });
        Self {
            streams: streams.collect(),
            attempts: Attempts::new(),
            requests: Slab::new(),
            agenda: Agenda::new(),
            timeouts: plan.callers.iter().map(|_| Timeouts::default()).collect(),
            tallies: vec![tally.clone(); plan.callers.len()],
            spent: Vec::new(),
            begun: 0,
            cut_short: false,
            clock: Stepper::new(Arc::clone(&plan.world)),
            runtime: Handle::current().metrics(),
            plan,
        }
    }

    /// Plays the run to its end.
    ///
    /// At each event, in this order: the clock goes there, tokio's timers that are due fire, servers answer, what is
    /// ready is polled, and then callers act.
    pub(super) async fn play(&mut self) {
        for caller in 0..self.plan.callers.len() {
            self.open(caller);
        }
        loop {
            self.settle().await;
            while let Some(event) = self.due().filter(|_| !self.is_too_much()) {
                self.act(event);
                self.settle().await;
            }
            if self.clock.now() >= self.plan.horizon || self.is_over() {
                break;
            }
            self.step().await;
        }
        self.cut_short = self.is_too_much();
        self.close();
        // The next run on this clock shall meet tokio's timers where this one did.
        self.clock.go(self.clock.tick()).await;
    }

    fn is_over(&self) -> bool {
        let nothing_left = self.requests.is_empty() && self.attempts.is_empty() && self.agenda.next().is_none();
        nothing_left || self.is_too_much()
    }

    /// Whether the run is cut short: a mistake in a number must not eat the machine.
    fn is_too_much(&self) -> bool {
        self.begun >= MOST_ATTEMPTS || self.attempts.len() >= MOST_AT_ONCE
    }

    /// What is due now: first what comes, then who gives up.
    fn due(&mut self) -> Option<Event> {
        let now = self.clock.now();
        let gives_up = || self.timeouts.iter_mut().find_map(|timeouts| timeouts.due(now)).map(Event::Timeout);
        self.agenda.due(now).or_else(gives_up)
    }

    /// Goes to the next event, or to the next tick of tokio's timers if that is sooner.
    async fn step(&mut self) {
        let server = self.plan.servers.iter().filter_map(|server| server.next()).min();
        let attempts = &self.attempts;
        let timeout =
            self.timeouts.iter_mut().filter_map(|timeouts| timeouts.next(|tag| attempts.is_under_way(tag))).min();
        let next = self.agenda.next().into_iter().chain(server).chain(timeout).min().unwrap_or(u64::MAX);
        let stop = next.max(self.clock.now()).min(self.clock.tick()).min(self.plan.horizon);
        self.clock.go(stop).await;
        for server in &self.plan.servers {
            server.pass(self.clock.now(), &mut self.spent);
        }
        self.book();
    }

    /// Polls until nobody has anything to do at this instant.
    async fn settle(&mut self) {
        // One that wakes itself until the time is later would otherwise keep the time from becoming so.
        let mut patience = MOST_POLLS * (self.attempts.len() + 1);
        loop {
            while patience > 0
                && let Some(polled) = self.attempts.poll_next(&self.plan.world)
            {
                patience -= 1;
                if let Some((attempt, verdict)) = polled {
                    self.done(&attempt, verdict);
                }
            }
            if self.runtime.num_alive_tasks() == 0 {
                return;
            }
            // Tasks that the services have spawned have their turn too.
            tokio::task::yield_now().await;
            if patience == 0 || !self.attempts.is_ready() {
                return;
            }
        }
    }

    fn act(&mut self, event: Event) {
        match event {
            Event::Arrive(caller) => {
                self.come(caller);
                self.expect(caller);
            }
            Event::Ask(caller) => self.come(caller),
            Event::Timeout(tag) => self.time_out(tag),
            Event::Retry(request) => self.attempt(request),
        }
    }

    fn open(&mut self, caller: usize) {
        match self.plan.callers[caller].load.kind {
            Kind::Closed { callers, think } => (0..callers).for_each(|_| self.think(caller, think)),
            _ => self.expect(caller),
        }
    }

    /// Writes down when the next request of an open loop comes.
    fn expect(&mut self, caller: usize) {
        let Stream { arrivals, comes, .. } = &mut self.streams[caller];
        let next = arrivals.as_mut().and_then(|arrivals| arrivals.next(self.plan.end, &mut || comes.draw()));
        if let Some(at) = next {
            self.agenda.add(at, Event::Arrive(caller));
        }
    }

    fn think(&mut self, caller: usize, think: Span) {
        let comes = &self.streams[caller].comes;
        let thought = (think.draw(&mut || comes.draw()) * 1e9).max(1e3) as u64;
        let at = self.clock.now().saturating_add(thought);
        if at < self.plan.end {
            self.agenda.add(at, Event::Ask(caller));
        }
    }

    pub(super) fn callers(&self) -> &[Caller<'a>] {
        &self.plan.callers
    }
}

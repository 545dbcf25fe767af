//! Plays a run: steps the paused clock from event to event, and polls what is ready.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Waker},
    time::Duration,
};

use slab::Slab;

use super::{
    agenda::Agenda,
    attempts::{Attempt, Attempts, Call},
    client::{Arrival, Client, Verdict},
    load::{Arrivals, Kind, Load},
    people::Weights,
    server::{Place, Spent},
    span::Span,
    tally::{Request, Tally},
    world::{self, MOST_ATTEMPTS, World},
};
use crate::{
    chance::Chance,
    clock::{self, Instant, nanos},
};

/// Tokio's timers are due at whole milliseconds since its runtime began.
const TICK: u64 = 1_000_000;

/// No run has more attempts under way at once than this.
const MOST_AT_ONCE: usize = 1 << 20;

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
    pub(super) tallies: Vec<Tally>,
    spent: Vec<Spent>,
    begun: u64,
    pub(super) cut_short: bool,
    now: u64,
    origin: Instant,
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
            tallies: vec![tally.clone(); plan.callers.len()],
            spent: Vec::new(),
            begun: 0,
            cut_short: false,
            now: 0,
            origin: clock::now(),
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
            while let Some(event) = self.agenda.due(self.now).filter(|_| !self.is_too_much()) {
                self.act(event);
                self.settle().await;
            }
            if self.now >= self.plan.horizon || self.is_over() {
                break;
            }
            self.step().await;
        }
        self.cut_short = self.is_too_much();
        self.close();
        // The next run on this clock shall meet tokio's timers where this one did.
        self.go(self.tick()).await;
    }

    fn is_over(&self) -> bool {
        let all_done = self.now >= self.plan.end && self.requests.is_empty() && self.attempts.is_empty();
        all_done || self.is_too_much()
    }

    /// Whether the run is cut short: a mistake in a number must not eat the machine.
    fn is_too_much(&self) -> bool {
        self.begun >= MOST_ATTEMPTS || self.attempts.len() >= MOST_AT_ONCE
    }

    /// The next tick of tokio's timers.
    fn tick(&self) -> u64 {
        (self.now / TICK + 1).saturating_mul(TICK)
    }

    /// Goes to the next event, or to the next tick of tokio's timers if that is sooner.
    async fn step(&mut self) {
        let server = self.plan.servers.iter().filter_map(|server| server.next()).min();
        let next = self.agenda.next().into_iter().chain(server).min().unwrap_or(u64::MAX);
        let stop = next.max(self.now).min(self.tick()).min(self.plan.horizon);
        self.go(stop).await;
        for server in &self.plan.servers {
            server.pass(self.now, &mut self.spent);
        }
        self.book();
    }

    /// Lets the clock go on until `stop`.
    ///
    /// # Panics
    /// If somebody else has moved it.
    async fn go(&mut self, stop: u64) {
        if stop <= self.now {
            return;
        }
        jump(stop - self.now);
        self.now = stop;
        self.plan.world.set_now(stop);
        if stop.is_multiple_of(TICK) {
            // Lets the runtime see to its timers.
            tokio::task::yield_now().await;
            let should = self.origin.after(Duration::from_nanos(stop));
            assert!(clock::now() == should, "something else moved the paused clock while a simulation was played");
        }
    }

    /// Polls until nobody has anything to do at this instant.
    async fn settle(&mut self) {
        let runtime = tokio::runtime::Handle::current();
        loop {
            while let Some(polled) = self.attempts.poll_next(&self.plan.world) {
                if let Some((attempt, verdict)) = polled {
                    self.done(&attempt, verdict);
                }
            }
            if runtime.metrics().num_alive_tasks() == 0 {
                return;
            }
            // Tasks that the services have spawned have their turn too.
            tokio::task::yield_now().await;
            if !self.attempts.is_ready() {
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
        let at = self.now.saturating_add(thought);
        if at < self.plan.end {
            self.agenda.add(at, Event::Ask(caller));
        }
    }

    /// A request comes.
    fn come(&mut self, caller: usize) {
        let (stream, from) = (&mut self.streams[caller], &self.plan.callers[caller]);
        let arrival = Arrival {
            number: stream.count,
            attempt: 0,
            class: from.classes.pick(stream.belongs.draw()).min(255) as u8,
            tenant: from.tenants.pick(stream.belongs.draw()) as u64,
            deadline: None,
            random: stream.belongs.draw(),
        };
        stream.count += 1;
        let request = Request { caller, arrival, came: self.now };
        self.tallies[caller].come(&request);
        let request = self.requests.insert(request);
        self.attempt(request);
    }

    /// A request is tried, once more or for the first time.
    fn attempt(&mut self, request: usize) {
        let Some(Request { caller, arrival, .. }) = self.requests.get_mut(request) else { return };
        let from = &mut self.plan.callers[*caller];
        arrival.attempt += 1;
        let timeout = nanos(from.client.timeout);
        let ends = self.now.saturating_add(timeout);
        arrival.deadline = from.client.tells_deadline.then(|| self.origin.after(Duration::from_nanos(ends)));
        let call = (from.send)(arrival);
        let tag = self.attempts.begin(request, ((*caller).min(255) as u8, arrival.class), self.now, call);
        self.begun += 1;
        self.tallies[*caller].begin(self.now);
        if ends < u64::MAX {
            self.agenda.add(ends, Event::Timeout(tag));
        }
    }

    /// A client gives up on an attempt.
    fn time_out(&mut self, tag: u64) {
        let Some(attempt) = self.attempts.get(tag) else { return };
        let request = attempt.request;
        let Some(Request { caller, .. }) = self.requests.get(request) else { return };
        let tally = &mut self.tallies[*caller];
        tally.timed_out(attempt.started);
        if self.plan.callers[*caller].client.hangs_up {
            tally.spent(attempt.started, attempt.work, false);
            self.attempts.end(tag);
        } else {
            attempt.late = true;
        }
        self.again(request);
    }

    /// An attempt is done, in time or not.
    fn done(&mut self, attempt: &Attempt<'a>, verdict: Verdict) {
        // What a server did for it in this very instant is not in the books yet.
        for server in &self.plan.servers {
            server.pass(self.now, &mut self.spent);
        }
        let work = attempt.work + self.take(attempt.tag);
        let Some(Request { caller, .. }) = self.requests.get(attempt.request).filter(|_| !attempt.late) else {
            return self.in_vain(attempt.tag, attempt.started, work);
        };
        let tally = &mut self.tallies[*caller];
        tally.done(self.now, attempt.started, verdict);
        tally.spent(attempt.started, work, verdict == Verdict::Success);
        if let Verdict::Refused(_) = verdict {
            self.plan.servers.iter().for_each(|server| server.refused(self.now));
        }
        match verdict {
            Verdict::Success => self.end(attempt.request, true),
            _ => self.again(attempt.request),
        }
    }

    /// Tries a request again, if its client does.
    fn again(&mut self, request: usize) {
        let Some(Request { caller, arrival, .. }) = self.requests.get(request) else { return };
        let client = &self.plan.callers[*caller].client;
        if arrival.attempt > client.retries {
            return self.end(request, false);
        }
        let pause = client.pause(self.streams[*caller].pauses.draw());
        self.agenda.add(self.now.saturating_add(pause), Event::Retry(request));
    }

    fn end(&mut self, request: usize, succeeded: bool) {
        let request = self.requests.remove(request);
        self.tallies[request.caller].end(self.now, &request, succeeded);
        if let Kind::Closed { think, .. } = self.plan.callers[request.caller].load.kind {
            self.think(request.caller, think);
        }
    }

    /// Books the work that servers did to the attempts for which they did it.
    fn book(&mut self) {
        for spent in std::mem::take(&mut self.spent) {
            match self.attempts.get(spent.tag) {
                Some(attempt) => attempt.work += spent.secs,
                None => self.in_vain(spent.tag, spent.came, spent.secs),
            }
        }
    }

    /// Takes out of the books what was done for one attempt.
    fn take(&mut self, tag: u64) -> f64 {
        let mine = self.spent.iter().filter(|spent| spent.tag == tag).map(|spent| spent.secs).sum();
        self.spent.retain(|spent| spent.tag != tag);
        mine
    }

    /// Work for which nobody waits any more.
    fn in_vain(&mut self, tag: u64, came: u64, secs: f64) {
        if let Some(tally) = self.tallies.get_mut(world::load_of(tag)) {
            tally.spent(came, secs, false);
        }
    }

    /// What is still under way when the run is over has failed.
    fn close(&mut self) {
        self.plan.servers.iter().for_each(|server| server.close(&mut self.spent));
        self.book();
        for attempt in self.attempts.drain() {
            if let Some(request) = self.requests.get(attempt.request).filter(|_| !attempt.late) {
                self.tallies[request.caller].timed_out(attempt.started);
            }
            let load = world::load_of(attempt.tag).min(self.tallies.len().saturating_sub(1));
            self.tallies[load].spent(attempt.started, attempt.work, false);
        }
        for request in self.requests.drain() {
            self.tallies[request.caller].end(self.now, &request, false);
        }
    }

    pub(super) fn callers(&self) -> &[Caller<'a>] {
        &self.plan.callers
    }
}

/// Lets the paused clock go on, and nobody else's turn come: what `advance` does when it is first polled, and then it
/// would give way to the runtime, which takes longer than all the rest of a step.
fn jump(nanos: u64) {
    let advance = pin!(tokio::time::advance(Duration::from_nanos(nanos)));
    let _ = advance.poll(&mut Context::from_waker(Waker::noop()));
}

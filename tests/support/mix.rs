//! Many callers in a random order, from a seed. A caller that is parked is polled again only once it was woken, unless
//! its task moves, which is one of the things that happen.

use std::{sync::Arc, time::Duration};

use plimsoll::bulkhead::Order;
use tower::Service;

use super::{
    client::{Client, Stage},
    clock::Clock,
    finding::{Finding, Kind, Report},
    flag::Flag,
    kit::{Ask, Kit, settings},
    rng::Rng,
    scripts::{Body, Finish, Pause},
    subjects::Subject,
};

/// What happens besides calls, polls and drops.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mix {
    pub(crate) callers: usize,
    pub(crate) operations: usize,
    /// How many requests of weight 1 get in at once.
    pub(crate) capacity: usize,
    /// The weight of the heaviest request.
    pub(crate) heaviest: usize,
    /// Compartments that requests name.
    pub(crate) compartments: usize,
    /// The bulkhead is resized, to this much at most; 0 for never.
    pub(crate) resize: u32,
    /// Who goes on first, once resized.
    pub(crate) order: Order,
    /// Time goes by.
    pub(crate) time: bool,
    /// Tasks move, and are polled for nothing.
    pub(crate) moves: bool,
}

impl Mix {
    pub(crate) const fn of(capacity: usize) -> Self {
        Self {
            callers: 4,
            operations: 60,
            capacity,
            heaviest: 1,
            compartments: 1,
            resize: 0,
            order: Order::OldestFirst,
            time: false,
            moves: true,
        }
    }
}

const BODIES: &[Body] = &[
    Body::ANSWER,
    Body::ANSWER_WHEN_WOKEN,
    Body(&[Pause::Wake, Pause::Wake], Finish::Fail),
    Body(&[Pause::Wake], Finish::Panic),
    Body(&[], Finish::PanicInCall),
];

/// Runs every seed.
pub(crate) fn mix_everything<S: Subject>(mix: Mix, seeds: std::ops::Range<u64>, build: impl Fn(&Kit) -> S) -> Report {
    let clock = mix.time.then(Clock::new);
    let _entered = clock.as_ref().map(Clock::enter);
    let mut report = Report::default();
    for seed in seeds {
        let run = |told| Run::new(mix, clock.as_ref(), seed, told, &build).go();
        report.runs += 1;
        if run(false).is_empty() {
            continue;
        }
        // Once more, to tell of it: words for every operation would take most of the time.
        report
            .findings
            .extend(run(true).into_iter().map(|(kind, at)| Finding { kind, at: format!("seed {seed}: {at}") }));
    }
    report
}

struct Run<'a, S: Service<Ask>> {
    mix: Mix,
    clock: Option<&'a Clock>,
    rng: Rng,
    kit: Kit,
    service: S,
    callers: Vec<Caller<S>>,
    calls: usize,
    /// The most that may be in use: the limit, or what was in use when it shrank.
    ceiling: usize,
    told: bool,
    log: Vec<String>,
    findings: Vec<(Kind, String)>,
}

struct Caller<S: Service<Ask>> {
    service: S,
    client: Option<Client<S>>,
    /// Flags of tasks that it has moved away from, and how often each had been woken by then.
    left: Vec<(Arc<Flag>, usize)>,
}

impl<'a, S: Subject> Run<'a, S> {
    fn new(mix: Mix, clock: Option<&'a Clock>, seed: u64, told: bool, build: impl Fn(&Kit) -> S) -> Self {
        let kit = Kit::new();
        let service = build(&kit);
        let caller = |_| Caller { service: service.clone(), client: None, left: Vec::new() };
        let callers = (0..mix.callers).map(caller).collect();
        let (rng, ceiling) = (Rng::new(seed), mix.capacity);
        let (log, findings) = (Vec::new(), Vec::new());
        Self { mix, clock, rng, kit, service, callers, calls: 0, ceiling, told, log, findings }
    }

    fn go(mut self) -> Vec<(Kind, String)> {
        for _ in 0..self.mix.operations {
            self.operate();
            self.look();
            if !self.findings.is_empty() {
                return self.findings;
            }
        }
        self.rest();
        self.findings
    }

    fn operate(&mut self) {
        let who = self.rng.below(self.callers.len());
        match self.rng.below(16) {
            0..=4 => self.call(who),
            5..=8 => self.poll(who),
            9 => self.leave(who),
            10 if self.mix.moves => self.move_task(who),
            11 => {
                let other = self.rng.below(self.callers.len());
                self.callers[who].service = self.callers[other].service.clone();
            }
            12 if self.mix.resize > 0 => self.resize(),
            13 => {
                if let Some(clock) = self.clock {
                    clock.advance(Duration::from_millis(500));
                    self.tell(|| "time goes by".into());
                }
            }
            _ => {
                if self.kit.inner.wake_one() {
                    self.tell(|| "wake".into());
                }
            }
        }
    }

    fn call(&mut self, who: usize) {
        if self.callers[who].client.is_some() {
            return;
        }
        self.calls += 1;
        let ask = Ask {
            id: self.calls,
            weight: 1 + self.rng.below(self.mix.heaviest) as u32,
            compartment: self.rng.below(self.mix.compartments),
        };
        let body = self.rng.one_of(BODIES);
        self.kit.plan_body(ask.id, body);
        let mut client = Client::new(self.callers[who].service.clone(), ask);
        while !client.was_called() && client.may_step() {
            client.step();
        }
        self.tell(|| format!("{who} calls {ask:?} {body:?}"));
        self.callers[who].left.clear();
        self.callers[who].client = Some(client);
        self.end_if_over(who);
    }

    fn poll(&mut self, who: usize) {
        let Some(client) = self.callers[who].client.as_mut().filter(|client| client.may_step()) else { return };
        client.step();
        self.tell_stage(who, "polls");
        self.end_if_over(who);
    }

    /// Polls though nobody asked for it, from another task.
    fn move_task(&mut self, who: usize) {
        let caller = &mut self.callers[who];
        let Some(client) = caller.client.as_mut().filter(|client| client.stage == Stage::Pending) else { return };
        let old = client.move_to_new_flag();
        client.step();
        caller.left.push((Arc::clone(&old), old.wakes()));
        self.tell_stage(who, "moves");
        self.end_if_over(who);
    }

    fn leave(&mut self, who: usize) {
        if let Some(client) = self.callers[who].client.take() {
            self.tell(|| format!("{who} leaves"));
            self.over(client);
        }
    }

    fn resize(&mut self) {
        let to = 1 + self.rng.below(self.mix.resize as usize) as u32;
        for handle in self.kit.handles() {
            handle.update(settings(to).with_wait(8, Duration::MAX).with_order(self.mix.order));
        }
        self.kit.resize(to);
        self.ceiling = self.in_use().max(to as usize);
        self.tell(|| format!("resize to {to}"));
    }

    fn tell(&mut self, what: impl FnOnce() -> String) {
        if self.told {
            self.log.push(what());
        }
    }

    fn tell_stage(&mut self, who: usize, what: &str) {
        let stage = self.callers[who].client.as_ref().map(|client| client.stage.clone());
        self.tell(|| format!("{who} {what}: {stage:?}"));
    }

    fn in_use(&self) -> usize {
        self.kit.loads().iter().map(|load| load.in_use).max().unwrap_or(0)
    }

    fn end_if_over(&mut self, who: usize) {
        if self.callers[who].client.as_ref().is_some_and(Client::has_ended) {
            let client = self.callers[who].client.take().expect("looked at");
            self.over(client);
        }
    }

    /// Drops a client and looks at its entries in the book.
    fn over(&mut self, client: Client<S>) {
        if let Some(message) = client.foreign_panic() {
            self.findings.push((Kind::ForeignPanic, message.to_owned()));
        }
        let (ask, stage) = (client.ask, client.stage.clone());
        drop(client);
        let audit = self.kit.ledger.audit(ask, &stage, self.kit.reached(ask.id));
        self.findings.extend(audit.into_iter().map(|finding| (finding.kind, finding.at)));
    }

    /// What must be true after every operation.
    fn look(&mut self) {
        let mut found = Vec::new();
        let inside = self.kit.inner.in_flight();
        if inside > self.ceiling {
            found.push((Kind::OverAdmission, format!("{inside} inside")));
        }
        for load in self.kit.loads() {
            if load.in_use > self.ceiling {
                found.push((Kind::OverAdmission, format!("{load:?}")));
            }
            // What waits behind a heavier one waits rightly.
            if load.idle && self.mix.heaviest == 1 {
                found.push((Kind::IdleCapacity, format!("{load:?}")));
            }
            self.ceiling = self.ceiling.min(load.in_use).max(load.limit);
        }
        for Caller { client, left, .. } in &self.callers {
            let Some(client) = client.as_ref().filter(|client| client.stage == Stage::Pending) else { continue };
            if self.clock.is_none() && !self.kit.reached(client.ask.id) && client.flag.wakes() > 1 {
                found.push((Kind::NeedlessWake, format!("{:?} woken {} times", client.ask, client.flag.wakes())));
            }
            if !self.kit.reached(client.ask.id) && left.iter().any(|(flag, wakes)| flag.wakes() > *wakes) {
                found.push((Kind::NeedlessWake, format!("{:?} through a waker it has left", client.ask)));
            }
        }
        let log = || self.log.join(", ");
        self.findings.extend(found.into_iter().map(|(kind, at)| (kind, format!("{at}; {}", log()))));
    }

    /// Everybody goes on, only once woken, until nobody has anything to do any more; then nothing is left.
    fn rest(&mut self) {
        let mut patience = 20;
        loop {
            if let Some(who) =
                (0..self.callers.len()).find(|&who| self.callers[who].client.as_ref().is_some_and(Client::may_step))
            {
                self.poll(who);
                self.look();
            } else if !self.kit.inner.wake_one() {
                match self.clock {
                    Some(clock) if patience > 0 => clock.advance(Duration::from_secs(1)),
                    _ => break,
                }
                patience -= 1;
            }
        }
        let log = self.log.join(", ");
        for who in 0..self.callers.len() {
            if let Some(client) = self.callers[who].client.take() {
                let found = (Kind::LostWakeup, format!("{:?} {:?}; {log}", client.ask, client.stage));
                self.findings.push(found);
            }
        }
        let remains = self.kit.remains(Kind::Leak, &log);
        self.findings.extend(remains.into_iter().map(|finding| (finding.kind, finding.at)));
        self.fresh_callers_get_in(&log);
    }

    fn fresh_callers_get_in(&mut self, log: &str) {
        let wanted = self.kit.loads().first().map_or(self.mix.capacity, |load| load.limit);
        let mut fresh = Vec::new();
        for number in 0..(wanted + 1) * self.mix.compartments {
            let ask = Ask { compartment: number % self.mix.compartments, ..Ask::light(1_000 + number) };
            let mut client = Client::new(self.service.clone(), ask);
            client.settle_down();
            fresh.push(client);
        }
        let inside = self.kit.inner.in_flight();
        if inside != wanted {
            let kind = if inside < wanted { Kind::NotLetIn } else { Kind::OverAdmission };
            self.findings.push((kind, format!("{inside} inside, room for {wanted}; {log}")));
        }
    }
}

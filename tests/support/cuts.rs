//! Drops a call after every step, for every script, and looks at what is left.
//!
//! A world is built anew for each cut. The steps are those of the one victim (each `poll_ready`, the call, each poll)
//! and those of everything else: a bystander's poll, the inner service waking somebody, time going by. So a permit
//! that was handed to the victim is one step, and the victim's taking it is another.

use std::time::Duration;

use plimsoll::{classify::Standard, gate::GateLayer};
use tower::{Layer, Service};

use super::{
    client::{Client, End, Stage},
    clock::Clock,
    finding::{Finding, Kind, Report},
    kit::{Ask, Kit, LIMIT},
    ledger::{Place, Watched},
    scripts::{Body, Finish, Ready, scripts},
    subjects::Subject,
};

const VICTIM: Ask = Ask { id: 0, weight: 2, compartment: 0 };
const FRESH: usize = 1_000;
/// More steps than any script has.
const MOST_STEPS: usize = 100;

/// Who is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Crowd {
    Nobody,
    /// As many as get in.
    Full,
    /// As many as get in, somebody before the victim, and somebody behind.
    Queue,
}

/// What is dropped at the cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dropped {
    Future,
    ServiceThenFuture,
}

#[derive(Clone, Copy, Debug)]
struct Scenario {
    crowd: Crowd,
    dropped: Dropped,
    readiness: &'static [Ready],
    body: Body,
}

/// Cuts the calls of a subject that lets `capacity` requests of weight 1 in at once, `None` for any number.
pub(crate) fn cut_everywhere<S: Subject>(capacity: Option<usize>, build: impl Fn(&Kit) -> S) -> Report {
    let clock = Clock::new();
    let _entered = clock.enter();
    let mut report = Report::default();
    for crowd in [Crowd::Nobody, Crowd::Full, Crowd::Queue] {
        for dropped in [Dropped::Future, Dropped::ServiceThenFuture] {
            for (readiness, body) in scripts() {
                let scenario = Scenario { crowd, dropped, readiness, body };
                cut_one(&clock, capacity, scenario, &build, &mut report);
            }
        }
    }
    report
}

/// The same, with a gate around it that keeps a book.
pub(crate) fn cut_everywhere_watched<S: Subject>(capacity: Option<usize>, build: impl Fn(&Kit) -> S) -> Report {
    cut_everywhere(capacity, |kit| {
        let around = GateLayer::<Watched<()>, Standard>::new(kit.ledger.watch((), Place::Outermost));
        around.layer(build(kit))
    })
}

/// Cuts after no step, after one, after two, until there is no further one.
fn cut_one<S: Subject>(
    clock: &Clock,
    capacity: Option<usize>,
    scenario: Scenario,
    build: &impl Fn(&Kit) -> S,
    report: &mut Report,
) {
    for steps in 0..MOST_STEPS {
        let run = |told| {
            let mut scene = Scene::new(clock, capacity, scenario, build);
            let went_on = (0..steps).all(|_| scene.step());
            let over = !went_on || scene.victim.has_ended();
            (over, scene.conclude(steps, told))
        };
        let (over, findings) = run(false);
        report.runs += 1;
        if !findings.is_empty() {
            // Once more, to tell of it: words for every cut would take most of the time.
            report.findings.extend(run(true).1);
        }
        if over {
            return;
        }
    }
    let at = format!("{scenario:?}: it goes on for ever");
    report.findings.push(Finding { kind: Kind::LostWakeup, at });
}

struct Scene<'a, S: Service<Ask>> {
    clock: &'a Clock,
    capacity: Option<usize>,
    scenario: Scenario,
    kit: Kit,
    service: S,
    victim: Client<S>,
    bystanders: Vec<Client<S>>,
    waited: Duration,
    findings: Vec<Finding>,
}

impl<'a, S: Subject> Scene<'a, S> {
    fn new(clock: &'a Clock, capacity: Option<usize>, scenario: Scenario, build: impl Fn(&Kit) -> S) -> Self {
        let kit = Kit::new();
        let service = build(&kit);
        let victim = Client::new(service.clone(), VICTIM);
        let (bystanders, findings) = (Vec::new(), Vec::new());
        let waited = Duration::ZERO;
        let mut scene = Self { clock, capacity, scenario, kit, service, victim, bystanders, waited, findings };
        let before = match scenario.crowd {
            Crowd::Nobody => 0,
            Crowd::Full => capacity.unwrap_or(2),
            Crowd::Queue => capacity.unwrap_or(2) + 1,
        };
        (0..before).for_each(|_| scene.bystander_comes());
        scene.kit.plan_readiness(scenario.readiness);
        scene.kit.plan_body(VICTIM.id, scenario.body);
        scene
    }

    fn bystander_comes(&mut self) {
        let mut bystander = Client::new(self.service.clone(), Ask::light(self.bystanders.len() + 1));
        bystander.settle_down();
        self.bystanders.push(bystander);
    }

    /// One step of whoever has one to make, the victim first. Whether anything happened.
    fn step(&mut self) -> bool {
        if self.victim.may_step() {
            let Self { kit, victim, .. } = self;
            kit.scripted(|| victim.step());
            return true;
        }
        if self.somebody_is_to_come() {
            self.bystander_comes();
            return true;
        }
        self.others_step()
    }

    /// Behind the victim, as soon as that has been called.
    fn somebody_is_to_come(&self) -> bool {
        let before = self.capacity.unwrap_or(2) + 1;
        self.scenario.crowd == Crowd::Queue && self.victim.was_called() && self.bystanders.len() == before
    }

    fn others_step(&mut self) -> bool {
        if let Some(bystander) = self.bystanders.iter_mut().find(|bystander| bystander.may_step()) {
            bystander.step();
            return true;
        }
        if self.kit.inner.wake_one() {
            return true;
        }
        let second = Duration::from_secs(1);
        self.waited += second;
        if self.waited <= 2 * LIMIT {
            self.clock.advance(second);
        }
        self.waited <= 2 * LIMIT
    }

    /// Drops the victim's call, has the others go on to their end, and looks at what is left.
    fn conclude(mut self, steps: usize, told: bool) -> Vec<Finding> {
        let tell = || format!("step {steps}, {:?}, {:?}", self.victim.stage, self.scenario);
        let at = if told { tell() } else { String::new() };
        if let Some(message) = self.victim.foreign_panic() {
            self.findings.push(Finding { kind: Kind::ForeignPanic, at: format!("{at}: {message}") });
        }
        let ended = self.victim.has_ended();
        if ended {
            // Its future is there still: nothing may hang on that.
            self.rest(Kind::HeldAfterTheEnd, &at);
            self.audit_victim();
        } else if self.victim.was_called() && self.waited > 2 * LIMIT && !self.may_hang() {
            self.findings.push(Finding { kind: Kind::LostWakeup, at: at.clone() });
        }
        if matches!(self.victim.stage, Stage::Ended(End::Panicked(_))) {
            // A task that panicked does not use its service again.
            self.victim.drop_service();
        }
        match self.scenario.dropped {
            Dropped::Future => self.victim.drop_future(),
            Dropped::ServiceThenFuture => {
                self.victim.drop_service();
                self.victim.drop_future();
            }
        }
        if !ended {
            self.audit_victim();
            self.rest(Kind::Leak, &at);
        }
        self.findings.extend(self.kit.remains(Kind::Leak, &at));
        self.fresh_clients_get_in(&at);
        self.findings
    }

    /// The script has it hang, in the inner service.
    fn may_hang(&self) -> bool {
        self.scenario.body.1 == Finish::Hang && self.kit.reached(VICTIM.id)
    }

    fn audit_victim(&mut self) {
        let reached = self.kit.reached(VICTIM.id);
        self.findings.extend(self.kit.ledger.audit(VICTIM, &self.victim.stage, reached));
    }

    /// The bystanders go on, each only once it is woken, until all have ended; then nothing is held.
    fn rest(&mut self, held: Kind, at: &str) {
        self.waited = Duration::ZERO;
        while self.bystanders.iter().any(|bystander| !bystander.has_ended()) && self.others_step() {}
        for bystander in std::mem::take(&mut self.bystanders) {
            let mut found = |kind, at| self.findings.push(Finding { kind, at });
            if !bystander.has_ended() {
                found(Kind::LostWakeup, format!("{at}: {:?} {:?}", bystander.ask, bystander.stage));
            }
            if let Some(message) = bystander.foreign_panic() {
                found(Kind::ForeignPanic, format!("{at}: {message}"));
            }
            let (ask, stage) = (bystander.ask, bystander.stage.clone());
            drop(bystander);
            self.findings.extend(self.kit.ledger.audit(ask, &stage, self.kit.reached(ask.id)));
        }
        self.findings.extend(self.kit.remains(held, at));
    }

    /// As many as there is room for get in at once, and not one more.
    fn fresh_clients_get_in(&mut self, at: &str) {
        let wanted = self.capacity.unwrap_or(4);
        let mut fresh = Vec::new();
        for number in 0..=wanted {
            let mut client = Client::new(self.service.clone(), Ask::light(FRESH + number));
            client.settle_down();
            while !client.has_ended()
                && !self.kit.reached(client.ask.id)
                && self.kit.loads().iter().all(|load| load.limit == 0)
            {
                // A gate without permits that lets requests wait: for its time to come.
                self.clock.advance(Duration::from_secs(1));
                client.settle_down();
                if !client.may_step() && self.waited > 4 * LIMIT {
                    break;
                }
                self.waited += Duration::from_secs(1);
            }
            fresh.push(client);
        }
        let inside = self.kit.inner.in_flight();
        let mut found = |kind, at| self.findings.push(Finding { kind, at });
        if inside < wanted {
            found(Kind::NotLetIn, format!("{at}: {inside} of {wanted}"));
        }
        if self.capacity.is_some_and(|capacity| inside > capacity) {
            found(Kind::OverAdmission, format!("{at}: {inside}, and there is room for {wanted}"));
        }
        drop(fresh);
        self.findings.extend(self.kit.remains(Kind::Leak, at));
    }
}

//! Plays one scenario against one column with one seed, and reads off what became of it.

use std::{
    task::{Context, Poll},
    time::Duration,
};

use plimsoll::testing::{Arrival, Broken, Report, Served, Server, Simulation, simulate};
use serde::Serialize;
use tower::{Layer, Service};

use crate::{
    columns::{Ask, Column},
    marks::Measure,
    scenarios::{Scenario, secs},
    throttle::{Throttle, judge},
};

/// What became of a run, in the units of [`Measure`].
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Facts {
    pub(crate) goodput: f64,
    pub(crate) critical: f64,
    pub(crate) quiet: f64,
    pub(crate) refused: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// Not a number where nothing is to recover from.
    pub(crate) recovery: f64,
    pub(crate) dips: f64,
    pub(crate) time_to_refuse: f64,
    pub(crate) wasted: f64,
    pub(crate) attempts: f64,
    /// Answers in each 100 ms.
    pub(crate) answers: Vec<u32>,
}

impl Facts {
    /// What they say of a measure; what takes others to say is not a number.
    pub(crate) fn of(&self, measure: Measure) -> f64 {
        match measure {
            Measure::Goodput => self.goodput,
            Measure::OfOracle => f64::NAN,
            Measure::Critical => self.critical,
            Measure::Quiet => self.quiet,
            Measure::Refused => self.refused,
            Measure::P99 => self.p99,
            Measure::Recovery => self.recovery,
            Measure::Dips => self.dips,
            Measure::TimeToRefuse => self.time_to_refuse,
        }
    }

    fn read(report: &Report, scenario: &Scenario) -> Self {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let latency = |quantile| if report.answered() > 0 { ms(report.latency(quantile)) } else { f64::INFINITY };
        let recovery = |since| report.recovery(since).map_or(f64::INFINITY, |after| after.as_secs_f64());
        let over = scenario.event.as_ref().map(|event| event.end);
        Self {
            goodput: report.goodput() * 100.0,
            critical: report.success_of_class(0) * 100.0,
            quiet: report.success_of_the_quiet() * 100.0,
            refused: report.refused_share() * 100.0,
            p50: latency(0.5),
            p99: latency(0.99),
            recovery: over.map_or(f64::NAN, recovery),
            dips: over.map_or(f64::NAN, |over| dips(report, over + secs(0.5), scenario.window.end)),
            time_to_refuse: ms(report.mean_time_to_refuse()),
            wasted: report.wasted() * 100.0,
            attempts: report.attempts_per_request(),
            answers: report.answers().map(|(_, answers)| answers).collect(),
        }
    }
}

/// At how many half seconds the second that begins there is not well.
fn dips(report: &Report, from: Duration, until: Duration) -> f64 {
    let mut at = from;
    let mut dips = 0;
    while at < until {
        dips += u32::from(report.recovery(at) != Some(Duration::ZERO));
        at += secs(0.5);
    }
    f64::from(dips)
}

/// Plays it. The limit is for the columns that have to be told one.
pub(crate) fn play(scenario: &Scenario, column: Column, limit: u32, seed: u64) -> Facts {
    let report = simulate(async || run(scenario, column, limit, seed).await);
    Facts::read(&report, scenario)
}

async fn run(scenario: &Scenario, column: Column, limit: u32, seed: u64) -> Report {
    let sim = Simulation::new(seed);
    let routes = Routes(scenario.servers.iter().map(|server| sim.server(server.clone())).collect());
    let mut run = sim.begin().measure(scenario.window.clone());
    if let Some(capacity) = &scenario.capacity {
        run = run.capacity(capacity.clone());
    }
    let protect =
        |patience, number: u64| column.protect(routes.clone(), scenario, limit, patience, seed ^ (number << 32));
    let mut service = None;
    for (stream, number) in scenario.streams.iter().zip(0..) {
        if service.is_none() || scenario.apart {
            service = Some(protect(stream.patience, number));
        }
        let Some(service) = service.clone() else { continue };
        let load = run.load(stream.load.clone()).client(stream.client());
        let load = load.classes(stream.classes.iter().copied()).tenants(stream.tenants.iter().copied());
        run = if scenario.throttled {
            load.to_judged(Throttle::new().layer(service), ask, judge)
        } else {
            load.to(service, ask)
        };
    }
    run.play().await
}

fn ask(arrival: &Arrival) -> Ask {
    let Arrival { class, tenant, deadline, attempt, random, .. } = *arrival;
    Ask { class, tenant, deadline, attempt, random }
}

/// The servers of a scenario; where there are several, a request belongs to one of them by chance.
#[derive(Clone, Debug)]
pub(crate) struct Routes(Vec<Server>);

impl Service<Ask> for Routes {
    type Response = ();
    type Error = Broken;
    type Future = Served;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, ask: Ask) -> Served {
        let route = (ask.random % self.0.len() as u64) as usize;
        self.0[route].call(ask)
    }
}

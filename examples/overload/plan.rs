//! What is played against the server: phases of load, and when in them we measure.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::callers::Caller;

/// A stretch of constant load, as a multiple of the server's capacity.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Phase {
    pub(crate) load: f64,
    pub(crate) lasts: Duration,
}

/// A request that comes, whatever the server does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    /// Counted from the start of the run.
    pub(crate) due: Duration,
    pub(crate) caller: Caller,
}

/// One experiment. It is played twice, with the same arrivals: bare and protected.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) name: &'static str,
    /// The load under test: the steady load, or the height of the spike.
    pub(crate) load: f64,
    pub(crate) phases: Vec<Phase>,
    /// The share of the requests that one of the tenants makes, if it makes more than the others.
    pub(crate) noise: Option<f64>,
    /// Time at the start that is played and not measured.
    pub(crate) warm_up: Duration,
    pub(crate) seed: u64,
}

/// How long things last, in the full and in the quick version.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// What a client waits for an answer, per attempt.
    pub(crate) patience: Duration,
    /// How long the workers' capacity is measured before the first run.
    pub(crate) calibration: Duration,
    warm_up: Duration,
    steady: Duration,
    spike: [Duration; 3],
}

impl Pace {
    pub(crate) const FULL: Self = Self {
        patience: Duration::from_secs(1),
        calibration: Duration::from_millis(2000),
        warm_up: Duration::from_millis(2500),
        steady: Duration::from_millis(4500),
        spike: [Duration::from_millis(4000), Duration::from_millis(4000), Duration::from_millis(10_000)],
    };

    /// The same experiment in a third of the time: less patient clients fill the backlog with abandoned work
    /// sooner, so that the collapse shows in runs this short.
    pub(crate) const QUICK: Self = Self {
        patience: Duration::from_millis(300),
        calibration: Duration::from_millis(500),
        warm_up: Duration::from_millis(700),
        steady: Duration::from_millis(900),
        spike: [Duration::from_millis(700), Duration::from_millis(800), Duration::from_millis(1800)],
    };

    /// Every experiment, in the order in which it is played.
    pub(crate) fn plans(&self) -> Vec<Plan> {
        let steady = |load| Plan {
            name: "steady",
            load,
            phases: vec![Phase::new(load, self.warm_up + self.steady)],
            noise: None,
            warm_up: self.warm_up,
            seed: (load * 10.0) as u64,
        };
        let [before, during, after] = self.spike;
        let spike = Plan {
            name: "spike",
            load: 5.0,
            phases: vec![Phase::new(0.7, before), Phase::new(5.0, during), Phase::new(0.7, after)],
            noise: None,
            warm_up: before / 2,
            seed: 1,
        };
        let mut plans: Vec<Plan> = [0.5, 1.0, 2.0, 3.0, 5.0].map(steady).into();
        plans.push(spike);
        // The others want less than the server can do: what they do not get, the noisy one has taken from them.
        plans.push(Plan { name: "noisy", noise: Some(0.7), seed: 2, ..steady(3.0) });
        plans
    }
}

impl Phase {
    fn new(load: f64, lasts: Duration) -> Self {
        Self { load, lasts }
    }
}

impl Plan {
    pub(crate) fn lasts(&self) -> Duration {
        self.phases.iter().map(|phase| phase.lasts).sum()
    }

    /// Start, end and load of each phase, counted from the start of the run.
    pub(crate) fn spans(&self) -> impl Iterator<Item = (Duration, Duration, f64)> + '_ {
        self.phases.iter().scan(Duration::ZERO, |at, phase| {
            let start = *at;
            *at += phase.lasts;
            Some((start, *at, phase.load))
        })
    }

    /// When the spike is over; `None` for a steady run.
    pub(crate) fn spike_ends(&self) -> Option<Duration> {
        let (_, end, _) = self.spans().nth(1)?;
        Some(end)
    }

    /// The requests: a Poisson process, independent of everything that the server does.
    pub(crate) fn arrivals(&self, capacity: f64) -> Vec<Arrival> {
        let mut rng = StdRng::seed_from_u64(self.seed);
        let mut arrivals = Vec::new();
        for (start, end, load) in self.spans() {
            let mean_gap = 1.0 / (load * capacity);
            let mut at = start;
            loop {
                let gap = -mean_gap * (1.0 - rng.random::<f64>()).ln();
                at += Duration::from_secs_f64(gap);
                if at >= end {
                    break;
                }
                let caller = match self.noise {
                    None => Caller::any(&mut rng),
                    Some(noise) => Caller::with_noise(&mut rng, noise),
                };
                arrivals.push(Arrival { due: at, caller });
            }
        }
        arrivals
    }
}

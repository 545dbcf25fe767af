//! What is played against the server: phases of load, and when in them we look.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// A stretch of constant load, as a multiple of the server's capacity.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Phase {
    pub(crate) load: f64,
    pub(crate) lasts: Duration,
}

/// One experiment. It is played twice, with the same arrivals: bare and protected.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) name: &'static str,
    /// The load under test: the steady load, or the height of the spike.
    pub(crate) load: f64,
    pub(crate) phases: Vec<Phase>,
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
        warm_up: Duration::from_millis(3000),
        steady: Duration::from_millis(5000),
        spike: [Duration::from_millis(4000), Duration::from_millis(4000), Duration::from_millis(10_000)],
    };

    /// The same experiment in a third of the time: less patient clients fill the backlog with abandoned work
    /// sooner, so that the collapse shows in runs this short.
    pub(crate) const QUICK: Self = Self {
        patience: Duration::from_millis(300),
        calibration: Duration::from_millis(500),
        warm_up: Duration::from_millis(700),
        steady: Duration::from_millis(750),
        spike: [Duration::from_millis(700), Duration::from_millis(800), Duration::from_millis(1800)],
    };

    /// Every experiment, in the order in which it is played.
    pub(crate) fn plans(&self) -> Vec<Plan> {
        let steady = |load| Plan {
            name: "steady",
            load,
            phases: vec![Phase::new(load, self.warm_up + self.steady)],
            warm_up: self.warm_up,
            seed: (load * 10.0) as u64,
        };
        let [before, during, after] = self.spike;
        let spike = Plan {
            name: "spike",
            load: 5.0,
            phases: vec![Phase::new(0.7, before), Phase::new(5.0, during), Phase::new(0.7, after)],
            warm_up: before / 2,
            seed: 1,
        };
        let mut plans: Vec<Plan> = [0.5, 1.0, 2.0, 3.0, 5.0].map(steady).into();
        plans.push(spike);
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

    /// The moments at which requests arrive: a Poisson process, independent of everything that the server does.
    pub(crate) fn arrivals(&self, capacity: f64) -> Vec<Duration> {
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
                arrivals.push(at);
            }
        }
        arrivals
    }
}

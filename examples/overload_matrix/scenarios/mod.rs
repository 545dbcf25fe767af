//! What is played: servers, loads and callers, as plain values.

mod n01_services;
mod n02_callers;
mod pace;
mod s01_steady;
mod s02_spikes;
mod s05_capacity;
mod s06_latency;
mod s07_servers;
mod s08_neighbours;
mod s10_scale;
mod s11_refusals;
mod s12_waves;

use std::{ops::Range, time::Duration};

use plimsoll::testing::{Client, Curve, Load, Model};

pub(crate) use self::pace::Pace;
use crate::{
    columns::Column,
    marks::{Mark, Measure},
};

/// One row of the matrix.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    /// Which family it belongs to: `S1`.
    pub(crate) family: &'static str,
    /// What is special about it: `steady 2×`.
    pub(crate) name: String,
    /// One, or several routes that are drawn evenly.
    pub(crate) servers: Vec<Model>,
    pub(crate) streams: Vec<Stream>,
    /// Whether each stream has a limiter of its own.
    pub(crate) apart: bool,
    /// What is measured.
    pub(crate) window: Range<Duration>,
    /// At how many in flight the server does its best, for each limiter: what no library knows.
    pub(crate) best_limit: u32,
    /// The same, where those that hold their place for long do not count.
    pub(crate) best_without_streams: Option<u32>,
    /// How many times as many that are over time: for the oracle, which knows.
    pub(crate) best_scale: Curve,
    /// How many requests a second are possible, where the servers cannot say so themselves.
    pub(crate) capacity: Option<Curve>,
    /// When it is not as it should be. Recovery is measured from its end.
    pub(crate) event: Option<Range<Duration>>,
    /// Whether clients hold themselves back; see `throttle.rs`.
    pub(crate) throttled: bool,
    /// The offered load as a multiple of the capacity, where it is a point of a curve.
    pub(crate) load: Option<f64>,
    pub(crate) seeds: u64,
    /// Columns that are of interest here only.
    pub(crate) also: Vec<Column>,
    pub(crate) marks: Vec<Mark>,
}

/// Requests from callers of one kind.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub(crate) load: Load,
    /// How long they wait for an attempt.
    pub(crate) patience: Duration,
    pub(crate) retries: u32,
    /// Whether the service notices that they have gone.
    pub(crate) hangs_up: bool,
    pub(crate) classes: Vec<f64>,
    pub(crate) tenants: Vec<f64>,
}

impl Stream {
    /// Callers as most are: they wait a second, try three times more, and leave without a word; a tenth of what they ask
    /// is critical and a third can be shed, and they are ten tenants alike.
    pub(crate) fn new(load: Load) -> Self {
        Self {
            load,
            patience: secs(1.0),
            retries: 3,
            hangs_up: false,
            classes: vec![0.1, 0.6, 0.3],
            tenants: vec![1.0; 10],
        }
    }

    /// All of them tell their deadline; it is for the columns to listen.
    pub(crate) fn client(&self) -> Client {
        let client = Client::new().timeout(self.patience).tells_deadline();
        let client = client.retries(self.retries, Duration::from_millis(10)..=Duration::from_millis(50));
        if self.hangs_up { client } else { client.goes_unnoticed() }
    }
}

impl Scenario {
    /// A load on a server that does its best with `best_limit` in flight.
    pub(crate) fn new(
        family: &'static str,
        name: impl Into<String>,
        (server, best_limit): (Model, u32),
        load: Load,
        window: Range<Duration>,
    ) -> Self {
        Self {
            family,
            name: name.into(),
            servers: vec![server],
            streams: vec![Stream::new(load)],
            apart: false,
            window,
            best_limit,
            best_without_streams: None,
            best_scale: Curve::constant(1.0),
            capacity: None,
            event: None,
            throttled: false,
            load: None,
            seeds: 8,
            also: Vec::new(),
            marks: Vec::new(),
        }
    }

    /// A point of a curve of goodput by load.
    pub(crate) fn at(mut self, load: f64) -> Self {
        self.load = Some(load);
        self
    }

    /// All should be well again when this is over.
    pub(crate) fn during(mut self, event: Range<Duration>) -> Self {
        self.event = Some(event);
        self
    }

    /// Changes the callers, all of them.
    pub(crate) fn callers(mut self, change: impl Fn(&mut Stream)) -> Self {
        self.streams.iter_mut().for_each(change);
        self
    }

    /// Everything is of the same, normal class.
    pub(crate) fn of_one_class(self) -> Self {
        self.callers(|stream| stream.classes = vec![0.0, 1.0])
    }

    pub(crate) fn best_scale(mut self, scale: Curve) -> Self {
        self.best_scale = scale;
        self
    }

    /// More seeds: where luck matters.
    pub(crate) fn of_luck(mut self) -> Self {
        self.seeds = 16;
        self
    }

    pub(crate) fn also(mut self, columns: impl IntoIterator<Item = Column>) -> Self {
        self.also.extend(columns);
        self
    }

    pub(crate) fn mark(mut self, mark: Mark) -> Self {
        self.marks.push(mark);
        self
    }

    /// Goodput of at least so many percent, on average over the seeds; the same for who sets nothing.
    pub(crate) fn goodput(self, percent: f64) -> Self {
        self.mark(Mark::mean(Measure::Goodput, percent)).mark(Mark::mean(Measure::Goodput, percent).of(Column::Plain))
    }

    /// At least 85 % of the oracle's goodput: where nobody said how much is possible.
    pub(crate) fn beside_the_oracle(self) -> Self {
        let mark = Mark::mean(Measure::OfOracle, 85.0);
        self.mark(mark).mark(mark.of(Column::Plain))
    }

    /// At least so many percent of the critical requests succeed, on average over the seeds.
    pub(crate) fn critical(self, percent: f64) -> Self {
        self.mark(Mark::mean(Measure::Critical, percent))
    }

    /// All is well again so many seconds after it should be, whatever the seed.
    pub(crate) fn recovers_in(self, secs: f64) -> Self {
        self.mark(Mark::worst(Measure::Recovery, secs)).mark(Mark::worst(Measure::Recovery, secs).of(Column::Plain))
    }

    /// As many words as are needed to tell it from the others.
    pub(crate) fn title(&self) -> String {
        format!("{} {}", self.family, self.name)
    }

    /// Whether `word` is its family, or at least four letters of its title.
    pub(crate) fn is_called(&self, word: &str) -> bool {
        let word = word.to_lowercase();
        self.family.to_lowercase() == word || word.chars().count() > 3 && self.title().to_lowercase().contains(&word)
    }
}

/// All of them.
pub(crate) fn all(pace: Pace) -> Vec<Scenario> {
    [
        s01_steady::scenarios(pace),
        s02_spikes::scenarios(pace),
        s05_capacity::scenarios(pace),
        s06_latency::scenarios(pace),
        s07_servers::scenarios(pace),
        s08_neighbours::scenarios(pace),
        s10_scale::scenarios(pace),
        s11_refusals::scenarios(pace),
        s12_waves::scenarios(pace),
        n01_services::scenarios(pace),
        n02_callers::scenarios(pace),
    ]
    .concat()
}

/// The server of most scenarios, which does 800 requests a second.
fn knee() -> (Model, u32) {
    (Model::knee(), 8)
}

/// The capacity of [`knee`], in requests a second.
const KNEE: f64 = 800.0;

/// Whole and broken seconds.
pub(crate) fn secs(secs: f64) -> Duration {
    Duration::from_secs_f64(secs)
}

fn ms(ms: f64) -> Duration {
    secs(ms / 1e3)
}

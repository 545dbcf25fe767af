//! A run, put together and played.

use std::{fmt, ops::Range, sync::Arc, time::Duration};

use super::{
    curve::{Curve, Piece},
    engine::{Caller, Engine, Plan},
    fluid::{self, Parcel},
    load::Load,
    report::Report,
    server::Place,
    simulation::Simulation,
    tally::Tally,
    traffic::Traffic,
    world::World,
};
use crate::clock::nanos;

/// A run of a [`Simulation`] that is being put together.
#[must_use = "a run does nothing until it is played"]
pub struct Run<'a> {
    simulation: &'a Simulation,
    pub(super) callers: Vec<Caller<'a>>,
    window: Option<Range<Duration>>,
    until: Option<Duration>,
    capacity: Option<Curve>,
}

/// The window that is measured, if nobody says.
const WINDOW: Range<Duration> = Duration::ZERO..Duration::from_secs(10);

/// How long a run goes on after its last request has come, for clients that wait for ever.
const PATIENCE: u64 = 60_000_000_000;

impl<'a> Run<'a> {
    pub(super) const fn new(simulation: &'a Simulation) -> Self {
        Self { simulation, callers: Vec::new(), window: None, until: None, capacity: None }
    }

    /// Adds a load.
    pub fn load(self, load: Load) -> Traffic<'a> {
        Traffic::new(self, load)
    }

    /// What is measured, from the start of the run. By default the first ten seconds, cold start included.
    pub fn measure(mut self, window: Range<Duration>) -> Self {
        self.window = Some(window);
        self
    }

    /// Until when requests come. By default until a second after the window, so that its last requests meet the same
    /// load as the others. The run is over when the last request is.
    pub fn until(mut self, end: Duration) -> Self {
        self.until = Some(end);
        self
    }

    /// How many requests a second are possible, over time, for [`Report::best`]: for when no server of this simulation
    /// says so, or several that follow one another do. By default it is the sum over the servers, and without a server
    /// there is no bound.
    pub fn capacity(mut self, capacity: impl Into<Curve>) -> Self {
        self.capacity = Some(capacity.into());
        self
    }

    /// Plays it.
    ///
    /// It ends when its last request does; a request that has not ended after its client's longest patience, or a
    /// minute where that is for ever, has failed. More than a day, sixteen million attempts, or a million at once are
    /// not played: the report [says so](Report::is_cut_short).
    ///
    /// # Panics
    /// Unless it is called in a current-thread runtime of tokio whose clock is paused; while another run of the same
    /// simulation is being played; and if something else moves the clock meanwhile, another simulation in the same
    /// runtime, say.
    pub async fn play(self) -> Report {
        // Many futures are polled in this one task; tokio's budget for a task would hold them up.
        tokio::task::unconstrained(self.played()).await
    }

    async fn played(self) -> Report {
        let Self { simulation, callers, window, until, capacity } = self;
        let window = window.unwrap_or(WINDOW);
        let window = nanos(window.start)..nanos(window.end).min(DAY);
        let end = until.map_or(window.end.saturating_add(1_000_000_000), nanos).min(DAY);
        let patience = callers.iter().map(|caller| caller.client.patience()).max().unwrap_or(0);
        let horizon = end.saturating_add(if patience > DAY { PATIENCE } else { patience + 1 });
        let servers = simulation.servers.lock().clone();
        let patiences: Vec<_> = callers.iter().map(|caller| nanos(caller.client.timeout)).collect();

        let playing = Playing::begin(&simulation.world, &servers);
        let plan = Plan {
            seed: simulation.seed,
            world: Arc::clone(&simulation.world),
            servers: servers.clone(),
            callers,
            end,
            horizon,
        };
        let mut engine = Engine::new(plan, &Tally::new(window.clone()));
        engine.play().await;
        let tallies = std::mem::take(&mut engine.tallies);
        let cut_short = engine.cut_short;
        let names: Vec<_> = engine.callers().iter().map(|caller| caller.name).collect();
        // Services are dropped while the world still runs: they may have something to tell a server.
        drop(engine);
        drop(playing);

        let best = best(&tallies, &patiences, &servers, capacity.as_ref(), &window);
        let peak = servers.iter().map(|server| server.peak()).max().unwrap_or(0);
        Report::of(&names, tallies, &best, peak, cut_short)
    }
}

/// A day, in nanoseconds: longer runs are mistakes.
const DAY: u64 = 86_400_000_000_000;

/// While it lives, the servers of a world answer.
struct Playing<'w>(&'w World);

impl<'w> Playing<'w> {
    fn begin(world: &'w World, servers: &[Arc<Place>]) -> Self {
        assert!(world.begin(), "a simulation plays one run at a time");
        servers.iter().for_each(|server| server.reset());
        Self(world)
    }
}

/// However it ends: whoever plays may be dropped.
impl Drop for Playing<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

fn best(
    tallies: &[Tally],
    patiences: &[u64],
    servers: &[Arc<Place>],
    capacity: Option<&Curve>,
    window: &Range<u64>,
) -> Vec<f64> {
    let weigh = |class: u8, at: u64| match servers {
        [server] if capacity.is_none() => server.weight(class, at),
        _ => 1.0,
    };
    let mut parcels: Vec<_> = tallies
        .iter()
        .enumerate()
        .flat_map(|(who, tally)| {
            tally.came.iter().map(move |&(came, class)| Parcel {
                came,
                until: came.saturating_add(patiences[who]),
                weight: weigh(class, came),
                who,
            })
        })
        .collect();
    parcels.sort_by_key(|parcel| parcel.came);
    let pieces = |at: u64| match capacity {
        Some(capacity) => capacity.piece(at),
        None if servers.is_empty() => Piece { value: f64::INFINITY, until: u64::MAX },
        None => servers.iter().map(|server| server.capacity_piece(at)).fold(Piece::NOTHING, Piece::and),
    };
    fluid::best(parcels, pieces, window, tallies.len())
}

impl fmt::Debug for Run<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let loads: Vec<_> = self.callers.iter().map(|caller| caller.name).collect();
        f.debug_struct("Run").field("loads", &loads).field("window", &self.window).finish_non_exhaustive()
    }
}

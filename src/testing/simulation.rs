//! How a run is put together.

use std::{fmt, future::poll_fn, ops::Range, rc::Rc, sync::Arc, time::Duration};

use tower_service::Service;

use super::{
    client::{Arrival, Client, Verdict},
    curve::{Curve, Piece},
    engine::{Caller, Engine, Plan, Send},
    fluid::{self, Parcel},
    load::Load,
    people::Weights,
    report::Report,
    server::{Model, Place, Server},
    tally::Tally,
    world::World,
};
use crate::{clock::nanos, error::Refusal, sync::Lock};

/// A world of its own: modelled servers, loads, and a seed that makes it repeat.
///
/// The same seed gives the same requests at the same time, whatever becomes of them, and with the same services the same
/// [`Report`], to the last digit.
pub struct Simulation {
    seed: u64,
    world: Arc<World>,
    servers: Lock<Vec<Arc<Place>>>,
}

impl Simulation {
    /// An empty world.
    pub fn new(seed: u64) -> Self {
        Self { seed, world: Arc::new(World::new()), servers: Lock::new(Vec::new()) }
    }

    /// A server of this world, as modelled. It is a tower service; put a stack around it, or around clones of it.
    pub fn server(&self, model: Model) -> Server {
        let mut servers = self.servers.lock();
        let seed = self.seed ^ 0xFF << 56 ^ servers.len() as u64;
        let server = Server::new(Arc::clone(&self.world), model, seed);
        servers.push(Arc::clone(&server.0));
        server
    }

    /// Begins a run with a load. More of them: [`Traffic::to`].
    pub fn load(&self, load: Load) -> Traffic<'_> {
        self.begin().load(load)
    }

    /// Begins a run that has no load yet.
    pub fn begin(&self) -> Run<'_> {
        Run { simulation: self, callers: Vec::new(), window: None, until: None, capacity: None }
    }
}

impl fmt::Debug for Simulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulation").field("seed", &self.seed).finish_non_exhaustive()
    }
}

/// A run of a [`Simulation`] that is being put together.
#[must_use = "a run does nothing until it is played"]
pub struct Run<'a> {
    simulation: &'a Simulation,
    callers: Vec<Caller<'a>>,
    window: Option<Range<Duration>>,
    until: Option<Duration>,
    capacity: Option<Curve>,
}

/// A load of a [`Run`] that is being put together: how its clients behave, and to whom its requests belong.
#[must_use = "a load does nothing until it is sent somewhere"]
pub struct Traffic<'a> {
    run: Run<'a>,
    name: &'static str,
    load: Load,
    client: Client,
    classes: Weights,
    tenants: Weights,
}

/// The window that is measured, if nobody says.
const WINDOW: Range<Duration> = Duration::ZERO..Duration::from_secs(10);

/// How long a run goes on after its last request has come, for clients that wait for ever.
const PATIENCE: u64 = 60_000_000_000;

impl<'a> Run<'a> {
    /// Adds a load.
    pub fn load(self, load: Load) -> Traffic<'a> {
        Traffic {
            run: self,
            name: "load",
            load,
            client: Client::new(),
            classes: Weights::default(),
            tenants: Weights::default(),
        }
    }

    /// What is measured, from the start of the run. By default the first ten seconds: a cold start included.
    pub fn measure(mut self, window: Range<Duration>) -> Self {
        self.window = Some(window);
        self
    }

    /// Until when requests come. By default until a second after the window, so that its last requests meet the same
    /// load as the others. The run is over when the last of them is.
    pub fn until(mut self, end: Duration) -> Self {
        self.until = Some(end);
        self
    }

    /// How many requests a second are possible, over time, for [`Report::best`]: where no server of this simulation
    /// says so, or where several do that follow one another. By default the sum over the servers, and without a server
    /// no bound.
    pub fn capacity(mut self, capacity: impl Into<Curve>) -> Self {
        self.capacity = Some(capacity.into());
        self
    }

    /// Plays it.
    ///
    /// It ends when its last request does; what has not ended after as long as its client can be patient, or a minute
    /// where that is for ever, has failed. More than a day, sixteen million attempts, or a million at once
    /// are not played: the report [says so](Report::is_cut_short).
    ///
    /// # Panics
    /// Unless it is called in a current-thread runtime of tokio whose clock is paused; while another run of the same
    /// simulation is played; and if something else moves the clock meanwhile, another simulation in the same runtime
    /// for instance.
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

impl<'a> Traffic<'a> {
    /// A name for its part of the report.
    pub const fn named(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// How its clients behave. By default they wait a second and try once.
    pub const fn client(mut self, client: Client) -> Self {
        self.client = client;
        self
    }

    /// The shares of classes 0, 1, 2, …; they need not add up to 1. By default all requests are of class 0.
    pub fn classes(mut self, shares: impl IntoIterator<Item = f64>) -> Self {
        self.classes = Weights::new(shares);
        self
    }

    /// The weights of tenants 0, 1, 2, …: `[21.0, 1.0, 1.0]` for a noisy one. By default all requests are of tenant 0.
    pub fn tenants(mut self, weights: impl IntoIterator<Item = f64>) -> Self {
        self.tenants = Weights::new(weights);
        self
    }

    /// As [`Run::measure`].
    pub fn measure(mut self, window: Range<Duration>) -> Self {
        self.run = self.run.measure(window);
        self
    }

    /// As [`Run::until`].
    pub fn until(mut self, end: Duration) -> Self {
        self.run = self.run.until(end);
        self
    }

    /// Sends this load to `service`, of which each attempt gets a clone, with the requests that `request` makes. `Ok`
    /// is a success, a [`Rejection`](crate::Rejection) in the error a refusal, and any other error a failure.
    pub fn to<S, Req>(self, service: S, request: impl FnMut(&Arrival) -> Req + 'a) -> Run<'a>
    where
        S: Service<Req> + Clone + 'a,
        S::Error: Refusal,
        Req: 'a,
    {
        self.to_judged(service, request, |result| match result {
            Ok(_) => Verdict::Success,
            Err(error) => match error.rejection() {
                Some(rejection) => Verdict::Refused(rejection.reason()),
                None => Verdict::Failed,
            },
        })
    }

    /// As [`to`](Self::to), with a say of your own in how results count: a response of status 503, say.
    pub fn to_judged<S, Req>(
        mut self,
        service: S,
        mut request: impl FnMut(&Arrival) -> Req + 'a,
        judge: impl Fn(Result<&S::Response, &S::Error>) -> Verdict + 'a,
    ) -> Run<'a>
    where
        S: Service<Req> + Clone + 'a,
        Req: 'a,
    {
        let judge = Rc::new(judge);
        let send: Send<'a> = Box::new(move |arrival| {
            let (request, mut service, judge) = (request(arrival), service.clone(), Rc::clone(&judge));
            Box::pin(async move {
                if let Err(error) = poll_fn(|cx| service.poll_ready(cx)).await {
                    return judge(Err(&error));
                }
                let result = service.call(request).await;
                judge(result.as_ref())
            })
        });
        let Self { name, load, client, classes, tenants, .. } = self;
        self.run.callers.push(Caller { name, load, client, classes, tenants, send });
        self.run
    }

    /// Sends this load [to](Self::to) `service` and [plays](Run::play) the run.
    ///
    /// # Panics
    /// As [`Run::play`].
    pub async fn run<S, Req>(self, service: S, request: impl FnMut(&Arrival) -> Req + 'a) -> Report
    where
        S: Service<Req> + Clone + 'a,
        S::Error: Refusal,
        Req: 'a,
    {
        self.to(service, request).play().await
    }
}

/// Plays `run` to its end on a runtime of its own, with a paused clock: for examples and benches, for plain `#[test]`s,
/// and for many simulations at once, on a thread each.
///
/// ```
/// use plimsoll::testing::{Load, Model, Simulation, simulate};
/// use plimsoll::Stack;
///
/// let report = simulate(async || {
///     let sim = Simulation::new(1);
///     let server = sim.server(Model::knee());
///     sim.load(Load::poisson(400.0)).run(Stack::new().service(server), |_| ()).await
/// });
/// assert!(report.goodput() > 0.99);
/// ```
///
/// # Panics
/// If it is called in an async context: a runtime cannot be started within another. Or if the operating system does
/// not let a runtime start.
pub fn simulate<T>(run: impl AsyncFnOnce() -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    match runtime {
        Ok(runtime) => runtime.block_on(run()),
        Err(error) => panic!("no runtime for a simulation: {error}"),
    }
}

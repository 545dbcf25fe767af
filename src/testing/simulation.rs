//! A world of its own, to play runs in.

use std::{fmt, sync::Arc};

use super::{
    load::Load,
    run::Run,
    server::{Model, Place, Server},
    traffic::Traffic,
    world::World,
};
use crate::sync::Lock;

/// A world of its own: modelled servers, loads, and a seed that makes it repeatable.
///
/// The same seed gives the same requests at the same time, each the same work for a server, whatever becomes of them:
/// two stacks are compared on the very same day. With the same services a seed gives the same
/// [`Report`](super::Report), to the last digit.
pub struct Simulation {
    pub(super) seed: u64,
    pub(super) world: Arc<World>,
    pub(super) servers: Lock<Vec<Arc<Place>>>,
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

    /// Begins a run with a load. [`Traffic::to`] lets you add more.
    pub fn load(&self, load: Load) -> Traffic<'_> {
        self.begin().load(load)
    }

    /// Begins a run that has no load yet.
    pub fn begin(&self) -> Run<'_> {
        Run::new(self)
    }
}

impl fmt::Debug for Simulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulation").field("seed", &self.seed).finish_non_exhaustive()
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
/// If it is called in an async context: a runtime cannot be started within another. Also if the operating system does
/// not let a runtime start.
pub fn simulate<T>(run: impl AsyncFnOnce() -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    match runtime {
        Ok(runtime) => runtime.block_on(run()),
        Err(error) => panic!("no runtime for a simulation: {error}"),
    }
}

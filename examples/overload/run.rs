//! Plays one plan against one fresh server, and notes everything that happened.

use std::error::Error;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};

use crate::backlog::Backlog;
use crate::callers::TENANTS;
use crate::load::{self, Record, Records};
use crate::plan::{Arrival, Plan};
use crate::stacks::{self, Facts};
use crate::tally::{Deeds, Tally};
use crate::wire::Wire;

/// What happened in a run, with times counted from its start.
#[derive(Debug)]
pub(crate) struct Log {
    /// The requests that were due, ended or not.
    pub(crate) arrivals: Vec<Arrival>,
    /// The requests that ended before the run did.
    pub(crate) records: Vec<Record>,
    /// When the server finished a job, and whether the client had left.
    pub(crate) jobs: Vec<(Duration, bool)>,
    /// Attempts that were sent over the wire.
    pub(crate) attempts: usize,
    /// What the layers did; `None` where there are none.
    pub(crate) deeds: Option<Deeds>,
}

/// Plays `plan`, calling `tick` about ten times a second with the time that has passed.
///
/// Server and client have a runtime each, as they would have a machine each, so that thousands of waiting
/// handlers do not stand in the way of the next arrival.
pub(crate) fn play(
    plan: &Plan,
    protected: bool,
    capacity: f64,
    facts: Facts,
    listener: &TcpListener,
    tick: impl Fn(Duration),
) -> Result<Log, Box<dyn Error>> {
    let (backlog, workers) = Backlog::open(facts.workers, facts.service);
    let tally = Tally::default();
    let server = runtime("server")?;
    let app = stacks::server_app(protected, Arc::clone(&backlog), facts.patience, &tally);
    crate::server::serve(&server, listener.try_clone()?, app)?;

    let clients = runtime("client")?;
    let address = listener.local_addr()?;
    let wire = clients.block_on(Wire::connect(address))?;
    let client = || stacks::client(protected, wire.clone(), facts, &tally);
    let callers = {
        let _inside = clients.enter();
        (0..TENANTS).map(|_| client()).collect::<Result<Vec<_>, _>>()?
    };
    let uri = format!("http://{address}/work").parse()?;

    let arrivals = plan.arrivals(capacity);
    let records = Records::default();
    let start = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| {
            let on = clients.handle();
            load::play(on, &callers, &uri, facts.patience, start, &arrivals, &records);
        });
        while start.elapsed() < plan.lasts() {
            tick(start.elapsed().min(plan.lasts()));
            thread::sleep(Duration::from_millis(100).min(plan.lasts().saturating_sub(start.elapsed())));
        }
    });
    tick(plan.lasts());

    let records = std::mem::take(&mut *records.lock().expect("nobody panics"));
    let jobs = backlog.finished().iter().map(|job| (job.at.saturating_duration_since(start), job.wasted)).collect();
    let attempts = wire.attempts();
    // Before the server goes down under the last requests: that is not part of the run.
    let deeds = protected.then(|| tally.deeds());
    drop(workers);
    clients.shutdown_timeout(Duration::from_secs(1));
    server.shutdown_timeout(Duration::from_secs(1));
    Ok(Log { arrivals, records, jobs, attempts, deeds })
}

fn runtime(name: &str) -> std::io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(2).thread_name(name).enable_all().build()
}

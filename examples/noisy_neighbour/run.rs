//! Plays one run: eight fresh servers, everybody's clients, and the attack.

use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tower::ServiceExt;

use crate::server::Server;
use crate::sharding::Sharding;
use crate::stacks::{self, Client};
use crate::tenants::{self, Ask, Tenant};

pub(crate) const SERVERS: usize = 8;

/// A run, before it is played.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Played {
    pub(crate) name: &'static str,
    pub(crate) sharding: Sharding,
    /// With a rate limit for each tenant and a work budget around the servers' application.
    pub(crate) protected: bool,
    pub(crate) tenants: usize,
    /// How long all is well before the attack begins, and how long that lasts.
    pub(crate) calm: Duration,
    pub(crate) attack: Duration,
}

impl Played {
    pub(crate) fn lasts(&self) -> Duration {
        self.calm + self.attack
    }
}

/// What happened, with times counted from the start of the run.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) records: Vec<Record>,
    /// The servers that each tenant may use, by tenant: numbers, in rising order.
    pub(crate) hands: Vec<Vec<usize>>,
    /// How often each server died.
    pub(crate) deaths: Vec<usize>,
}

/// One request, retries included.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record {
    pub(crate) tenant: u64,
    pub(crate) due: Duration,
    pub(crate) took: Duration,
    /// The status of the last answer; 0 if there was none.
    pub(crate) status: u16,
}

impl Record {
    pub(crate) fn is_answered(&self) -> bool {
        self.status == 200
    }
}

/// Plays it, calling `tick` about ten times a second with the time that has passed.
pub(crate) fn play(played: &Played, tick: impl Fn(Duration)) -> Result<Log, Box<dyn Error>> {
    // A runtime each, as they would have machines each: whoever dies takes his connections along and nothing else.
    let servers_run = Builder::new_multi_thread().worker_threads(1).thread_name("servers").enable_all().build()?;
    let clients_run = Builder::new_multi_thread().worker_threads(1).thread_name("clients").enable_all().build()?;
    let protected = played.protected;
    let servers = {
        let _inside = servers_run.enter();
        let start = |_| Server::start(move |memory| stacks::server_app(protected, memory));
        (0..SERVERS).map(start).collect::<Result<Vec<_>, _>>()?
    };
    let addresses: Vec<_> = servers.iter().map(|server| server.address).collect();

    let log = clients_run.block_on(async {
        let tenants = tenants::all(played.tenants, played.calm);
        let (clients, hands) = stacks::clients(played.sharding, &addresses, tenants.len())?;
        let records = everybody(&tenants, &clients, played.lasts(), tick).await;
        let deaths = servers.iter().map(Server::deaths).collect();
        Ok::<_, Box<dyn Error>>(Log { records, hands, deaths })
    });
    clients_run.shutdown_timeout(Duration::from_secs(1));
    servers_run.shutdown_timeout(Duration::from_secs(1));
    log
}

/// Lets every tenant send what it sends until the end, and whoever still waits then a moment to be answered.
async fn everybody(tenants: &[Tenant], clients: &[Client], lasts: Duration, tick: impl Fn(Duration)) -> Vec<Record> {
    let records = Arc::new(Mutex::new(Vec::new()));
    let start = Instant::now();
    let mut senders = JoinSet::new();
    for (tenant, client) in tenants.iter().zip(clients) {
        senders.spawn(send(*tenant, client.clone(), start, lasts, Arc::clone(&records)));
    }
    while start.elapsed() < lasts {
        tick(start.elapsed());
        sleep(Duration::from_millis(100).min(lasts.saturating_sub(start.elapsed()))).await;
    }
    tick(lasts);
    sleep(stacks::PATIENCE).await;
    senders.shutdown().await;
    let mut records = records.lock().expect("nobody panics");
    std::mem::take(&mut records)
}

/// Sends one tenant's requests when they are due, whether or not those before were answered.
async fn send(tenant: Tenant, client: Client, start: Instant, lasts: Duration, records: Arc<Mutex<Vec<Record>>>) {
    let mut under_way = JoinSet::new();
    let mut due = tenant.first;
    while due < lasts {
        sleep_until(start + due).await;
        let (client, records) = (client.clone(), Arc::clone(&records));
        under_way.spawn(async move {
            let ask = Ask { tenant: tenant.number, rows: tenant.asks_for };
            let status = client.oneshot(ask).await.map_or(0, |status| status.as_u16());
            let record = Record { tenant: tenant.number, due, took: start.elapsed() - due, status };
            records.lock().expect("nobody panics").push(record);
        });
        while under_way.try_join_next().is_some() {}
        due += tenant.every;
    }
    while under_way.join_next().await.is_some() {}
}

//! The stacks: around each tenant's requests, around each server, and around what the servers serve.

use std::{
    collections::HashMap,
    net::SocketAddr,
    num::{NonZeroU32, NonZeroU64},
    sync::Arc,
    time::Duration,
};

use axum::{Router, body::Body};
use http::{HeaderMap, StatusCode};
use plimsoll::{
    Error, InvalidSetting, Outcome, Ratio, Stack,
    classify::Failure,
    http::RespondRejections,
    keyed::{self, Keyed},
    rate_limit::{Quota, RateLimit},
    retry,
    shuffle_shard::{Assign, Node, Nodes, Outliers, Settings, ShuffleShard},
    timeout, work_budget,
};
use tower::{BoxError, ServiceBuilder, util::BoxCloneSyncService};

use crate::{
    memory::Memory,
    server,
    sharding::Sharding,
    tenants::{A_PAGE, Ask},
    wire::{TENANT, Wire},
};

/// One tenant's way to the servers.
pub(crate) type Client = BoxCloneSyncService<Ask, StatusCode, Error<BoxError>>;

/// How long anybody waits for an answer, retries included.
pub(crate) const PATIENCE: Duration = Duration::from_millis(1000);

/// The clients of so many tenants, and the servers that each may use. The same in every run, but for who may use which:
///
/// * **Total timeout**, outermost.
/// * **Retry**, up to three attempts. Each tenant has one of its own: from a common budget, the poisonous one would spend
///   what the others need.
/// * **The router**, which all share, and so what it finds out about servers. It goes to a server that the tenant may use,
///   to another with each attempt, and keeps away from one that fails: after three failures in a row, for 200 ms at first.
///   It may keep away from half of them, since half may be down.
/// * Around each server, a **timeout** for each attempt.
pub(crate) fn clients(
    sharding: Sharding,
    servers: &[SocketAddr],
    tenants: usize,
) -> Result<(Vec<Client>, Vec<Vec<usize>>), InvalidSetting> {
    let (total, attempt) = timeout::Settings::try_total_and_attempt(PATIENCE, PATIENCE / 4)?;
    let outliers = Outliers::new()
        .try_with_consecutive_failures(3)?
        .try_with_ejection_time(Duration::from_millis(200), Duration::from_millis(400))?
        .with_max_ejected(Ratio::HALF);
    let backoff = retry::Backoff::try_new(Duration::from_millis(10), Duration::from_millis(50))?;

    // By name, so that who is dealt what does not depend on which ports were free.
    let addresses: HashMap<_, _> =
        servers.iter().enumerate().map(|(n, address)| (format!("server-{n}"), *address)).collect();
    let nodes = Nodes::try_new(addresses.keys().map(|name| Node::new(name.as_str())))?;
    let to = move |node: &Node| Stack::new().timeout(attempt).service(Wire::to(addresses[node.name()]));
    let router = ShuffleShard::new(nodes.clone(), to)
        .settings(Settings::new().with_outliers(outliers))
        .assign_by(sharding)
        .tenant_by(|ask: &Ask| ask.tenant)
        .classify(judge);

    let client = |_| {
        let stack = Stack::new().timeout(total).classify(judge).retry(retry::Settings::new().with_backoff(backoff));
        BoxCloneSyncService::new(stack.wrap(router.clone()))
    };
    let hand = |tenant| {
        let hand = sharding.hand(tenant as u64, &nodes);
        let is_in = |n: &usize| nodes.position_of(&format!("server-{n}")).is_some_and(|at| hand.contains(&(at as u32)));
        (0..servers.len()).filter(is_in).collect()
    };
    Ok(((0..tenants).map(client).collect(), (0..tenants).map(hand).collect()))
}

/// A server that answers is well, whatever it answers, unless it says that something broke.
fn judge(result: Result<&StatusCode, &Error<BoxError>>) -> Outcome {
    match result {
        Ok(status) if status.is_server_error() => Outcome::Failure(Failure::Transient),
        Ok(_) => Outcome::Success,
        Err(Error::Rejected(rejection)) => Outcome::of_rejection(rejection),
        Err(Error::Inner(_)) => Outcome::Failure(Failure::Transient),
    }
}

/// What a server serves: the application, bare, or protected where the harm begins.
///
/// * **Answers**, outermost: who is refused is told why, by a 429 or a 422.
/// * **A rate limit for each tenant.** A server sees an eighth of what a tenant sends; this lets through four times that.
/// * **A work budget**: a request may read twenty pages and no more. The handler asks before it reads on.
pub(crate) fn server_app(protected: bool, memory: Arc<Memory>) -> Router {
    let app = server::app(memory);
    if !protected {
        return app;
    }
    const FIVE: NonZeroU32 = NonZeroU32::new(5).expect("not zero");
    const PAGES: NonZeroU64 = NonZeroU64::new(20 * A_PAGE).expect("not zero");
    const SEATS: NonZeroU32 = NonZeroU32::new(1_000).expect("not zero");

    let limit = RateLimit::new(Quota::per_second(FIVE));
    let per_tenant =
        Keyed::new(keyed::Settings::new(), |r: &http::Request<Body>| tenant(r.headers()), move |_| limit.fresh());
    let work = work_budget::Settings::new(SEATS).with_fuel(PAGES);
    let stack = Stack::new().keyed(per_tenant).work_budget(work);
    app.layer(ServiceBuilder::new().layer(RespondRejections::new()).layer(stack.wrapping()))
}

/// Whose a request is. The servers believe the header because nobody calls but the example's own clients; elsewhere, take
/// what has been authenticated.
fn tenant(headers: &HeaderMap) -> Option<u64> {
    headers.get(TENANT)?.to_str().ok()?.parse().ok()
}

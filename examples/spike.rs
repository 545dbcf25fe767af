//! Does my stack survive a fivefold spike? A minute of traffic, in virtual time: it takes less than a second.
//!
//! `cargo run --release --example spike`, and as a test: `cargo test --example spike`.

use std::time::Duration;

use plimsoll::{
    Error, Stack, load_shed, surge_queue,
    testing::{Broken, Client, Load, Model, Report, Server, Simulation, simulate},
};
use tower::{Service, service_fn};

const SECS: fn(u64) -> Duration = Duration::from_secs;
const MS: fn(u64) -> Duration = Duration::from_millis;

/// What a request of this service looks like.
struct Order {
    number: u64,
    tenant: u64,
}

/// The service as it is in production; only the database behind it is modelled.
fn shop(database: Server) -> impl Service<Order, Response = String, Error = Broken> + Clone {
    service_fn(move |order: Order| {
        let mut database = database.clone();
        async move {
            Service::<u64>::call(&mut database, order.number).await?;
            Ok(format!("order {} of tenant {} is placed", order.number, order.tenant))
        }
    })
}

/// The spike, and how a service stands it: 560 requests a second, and 2,800 for ten seconds, on a database that can
/// serve
/// 800. Clients wait a second and retry up to three times. `service` makes the service from its database.
async fn spike<S>(service: impl FnOnce(Server) -> S) -> Report
where
    S: Service<Order, Error = Error<Broken>> + Clone,
{
    let sim = Simulation::new(7);
    let database = sim.server(Model::knee());
    sim.load(Load::poisson(560.0).spike(SECS(10)..SECS(20), 2800.0))
        .client(Client::new().retries(3, MS(10)..=MS(50)))
        .tenants([1.0; 10])
        .measure(SECS(5)..SECS(60))
        .run(service(database), |arrival| Order { number: arrival.number, tenant: arrival.tenant })
        .await
}

/// The stack under test.
async fn protected() -> Report {
    let stack =
        Stack::new().timeout(SECS(1)).overload_control(surge_queue::Settings::new(), load_shed::Settings::new());
    spike(|database| stack.service(shop(database))).await
}

fn main() {
    let bare = simulate(async || spike(|database| Stack::new().timeout(SECS(1)).service(shop(database))).await);
    let protected = simulate(protected);
    print!("{}", bare.beside("a timeout", [("and overload control", &protected)]));
    for (title, report) in [("a timeout", &bare), ("and overload control", &protected)] {
        match report.recovery(SECS(20)) {
            Some(after) => println!("{title}: all is well {after:?} after the spike"),
            None => println!("{title}: it never recovers"),
        }
    }
}

#[cfg(test)]
#[tokio::test(start_paused = true)]
async fn it_survives_a_fivefold_spike() {
    let report = protected().await;
    assert!(report.goodput() >= 0.95, "{report}");
    assert!(report.recovery(SECS(20)).expect("it recovers") < MS(500), "{report}");
}

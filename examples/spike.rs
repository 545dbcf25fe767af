//! Does my stack survive a fivefold spike? A minute of traffic, in virtual time: it takes less than a second.
//!
//! `cargo run --release --example spike`, and as a test:
//! `cargo test --example spike`.

use std::time::Duration;

use plimsoll::{
    InvalidSetting, Stack, bulkhead,
    testing::{Client, Load, Model, Report, Simulation, simulate},
};

/// What a request of this service looks like.
struct Order {
    number: u64,
    tenant: u64,
}

/// The spike, and how this service stands it: 560 requests a second, and 2,800 for ten seconds, on a server that can do
/// 800. Clients wait a second and try up to three times more.
async fn spike(permits: u32) -> Result<Report, InvalidSetting> {
    let sim = Simulation::new(7);
    let database = sim.server(Model::knee());

    // The stack as it is in production; only what is behind it is modelled.
    let bulkhead = bulkhead::Settings::try_new(permits)?.with_wait(permits, Duration::from_millis(50));
    let stack = Stack::new().timeout(Duration::from_secs(1)).bulkhead(bulkhead);
    let service = stack.service(tower::service_fn(move |order: Order| {
        let mut database = database.clone();
        async move {
            tower::Service::<u64>::call(&mut database, order.number).await?;
            Ok::<_, plimsoll::testing::Broken>(format!("order {} of tenant {} is placed", order.number, order.tenant))
        }
    }));

    let pause = Duration::from_millis(10)..=Duration::from_millis(50);
    Ok(sim
        .load(Load::poisson(560.0).spike(Duration::from_secs(10)..Duration::from_secs(20), 2800.0))
        .client(Client::new().retries(3, pause))
        .tenants([1.0; 10])
        .measure(Duration::from_secs(5)..Duration::from_secs(60))
        .run(service, |arrival| Order { number: arrival.number, tenant: arrival.tenant })
        .await)
}

fn main() -> Result<(), InvalidSetting> {
    let with = simulate(async || spike(16).await)?;
    let without = simulate(async || spike(1_000_000).await)?;
    print!("{}", without.beside("no limit", [("16 at once", &with)]));
    for (title, report) in [("no limit", &without), ("16 at once", &with)] {
        match report.recovery(Duration::from_secs(20)) {
            Some(after) => println!("{title}: all is well {after:?} after the spike"),
            None => println!("{title}: it never recovers"),
        }
    }
    Ok(())
}

#[cfg(test)]
#[tokio::test(start_paused = true)]
async fn it_survives_a_fivefold_spike() {
    let report = spike(16).await.expect("valid settings");
    assert!(report.goodput() >= 0.95, "{report}");
    assert!(report.recovery(Duration::from_secs(20)).expect("it recovers") < Duration::from_millis(500), "{report}");
}

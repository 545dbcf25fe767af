//! An axum server with several routes behind one stack, over loopback: what callers are told that come too often, all
//! at once, or with little time, and what Prometheus is told. It ends by itself; with `--serve` it stays for `curl`.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, extract::Request, routing::get};
use http::{HeaderName, StatusCode};
use plimsoll::{
    BoxError, InvalidSetting, Stack, bulkhead,
    export::Prometheus,
    http::{AnnounceQuota, Quota, RespondRejections, TimeLeft, Trusted},
    keyed::{self, Keyed},
    load_shed,
    rate_limit::{self, RateLimit},
    surge_queue::{self, SurgeQueue},
    timeout::TimeoutLayer,
};
use prometheus_client::{encoding::text::encode, registry::Registry};
use reqwest::Client;
use tokio::net::TcpListener;

const HELP: &str = "\
An axum server behind a plimsoll stack, and what it tells its callers.

Usage: cargo run --features prometheus --example axum_server -- [OPTIONS]

Options:
  --serve      Stay, and serve until interrupted
  --quick      Nothing here takes long: as without
  -h, --help   Print this";

/// Whose a request is. Here callers say so themselves; really, whatever checks tokens would put it into the extensions.
fn tenant(req: &Request) -> String {
    req.headers().get("x-tenant").and_then(|name| name.to_str().ok()).unwrap_or("nobody").to_owned()
}

fn app() -> Result<Router, InvalidSetting> {
    // Three requests a minute for each tenant, who are told how many are left.
    let three = rate_limit::Settings::new(rate_limit::Quota::try_per_minute(3)?).with_name("tenant");
    let each = RateLimit::new(three);
    let tenants = Keyed::new(keyed::Settings::new().with_name("tenant"), tenant, move |_: &String| each.fresh());
    let limits = tenants.handle();
    let announce = AnnounceQuota::new(move |req: &Request| {
        let (limits, tenant) = (limits.clone(), tenant(req));
        move || limits.get(&tenant).map(|limit| Quota::of("tenant", &limit.handle().remaining()))
    });

    // Inside this network, headers are believed.
    let inside = Trusted::everybody();
    let timeout = TimeoutLayer::new(Duration::from_secs(2)).deadline_by(inside.deadline(TimeLeft::envoy()));
    let queue = SurgeQueue::new(surge_queue::Settings::new())
        .priority_by(inside.priority())
        .tenant_by(inside.tenant(HeaderName::from_static("x-tenant")));

    // Reports share a database that can do two at once: a stack of their own, inside the one for all.
    let database = bulkhead::Settings::try_new(2)?.with_name("database");

    let stack = Stack::new()
        .layer(announce)
        .layer(RespondRejections::problems())
        .metered("server")
        .timeout(timeout)
        .overload_control(queue, load_shed::Settings::new())
        .keyed(tenants)
        .counted();
    let reports = Stack::new().layer(RespondRejections::problems()).bulkhead(database).counted();

    // What both count is scraped.
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Prometheus::new(stack.control().and(&reports.control()))));
    let registry = Arc::new(registry);

    Ok(Router::new()
        .route("/report", get(report))
        .layer(reports.wrapping())
        .route("/", get(|| async { "hello" }))
        .route("/hang", get(std::future::pending::<()>))
        .layer(stack.wrapping())
        // Added after the layer, and so outside of it: nobody refuses to say how the server is.
        .route("/health", get(|| async { "alive" }))
        .route("/metrics", get(move || std::future::ready(scrape(&registry)))))
}

fn scrape(registry: &Registry) -> Result<String, StatusCode> {
    let mut text = String::new();
    encode(&mut text, registry).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(text)
}

async fn report() -> &'static str {
    tokio::time::sleep(Duration::from_millis(200)).await;
    "all is well"
}

/// What a caller is told.
async fn ask(client: &Client, url: String, headers: &[(&str, &str)]) -> Result<String, BoxError> {
    let mut request = client.get(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await?;
    let mut told = response.status().to_string();
    for name in ["retry-after", "ratelimit"] {
        if let Some(value) = response.headers().get(name) {
            told += &format!("; {name}: {}", value.to_str()?);
        }
    }
    Ok(format!("{told}\n    {}", response.text().await?))
}

async fn show(address: SocketAddr) -> Result<(), BoxError> {
    let client = Client::new();
    let url = |path: &str| format!("http://{address}{path}");

    println!("Three a minute for each tenant, and Ada asks four times:");
    for _ in 0..4 {
        println!("  {}", ask(&client, url("/"), &[("x-tenant", "ada")]).await?);
    }
    println!("Which is nothing to Bob:");
    println!("  {}", ask(&client, url("/"), &[("x-tenant", "bob")]).await?);

    println!("Three reports at once, where there are places for two:");
    let report = || ask(&client, url("/report"), &[("x-tenant", "cleo")]);
    let (first, second, third) = tokio::join!(report(), report(), report());
    for told in [first?, second?, third?] {
        println!("  {told}");
    }

    println!("Who has 50 ms left is not kept for longer:");
    println!("  {}", ask(&client, url("/hang"), &[("x-envoy-expected-rq-timeout-ms", "50")]).await?);
    println!("Health checks are asked nothing:");
    println!("  {}", ask(&client, url("/health"), &[]).await?);

    println!("And some of what Prometheus scrapes:");
    let told = client.get(url("/metrics")).send().await?.text().await?;
    let counters = ["plimsoll_calls_total", "plimsoll_refusals_total", "plimsoll_limit{"];
    for line in told.lines().filter(|line| counters.iter().any(|name| line.starts_with(name)) && !line.ends_with(" 0"))
    {
        println!("  {line}");
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let asked: Vec<_> = std::env::args().skip(1).collect();
    if asked.iter().any(|arg| arg != "--serve" && arg != "--quick") {
        println!("{HELP}");
        return Ok(());
    }
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let app = app()?;
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    if asked.iter().any(|arg| arg == "--serve") {
        println!("curl -i http://{address}/");
        server.await??;
        return Ok(());
    }
    show(address).await
}

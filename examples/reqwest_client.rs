//! A reqwest client in front of a flaky axum server, over loopback: what is retried and what is not, a server that
//! sheds load, and one that is down. It ends by itself.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU32, Ordering::SeqCst},
    time::Duration,
};

use axum::{Router, routing::any};
use http::StatusCode;
use plimsoll::{
    BoxError, Event, Stack,
    circuit_breaker::{self, CircuitBreaker},
    http::{ByStatus, SendDeadline, TimeLeft},
    retry::{self, Backoff, RetryLayer},
};
use reqwest::{Client, Method, Request, Response};
use tokio::net::TcpListener;
use tower::{Service, ServiceExt};

/// How many requests the server has received.
static SERVED: AtomicU32 = AtomicU32::new(0);

/// Fails every other time.
async fn flaky() -> StatusCode {
    if SERVED.fetch_add(1, SeqCst).is_multiple_of(2) { StatusCode::BAD_GATEWAY } else { StatusCode::OK }
}

/// Always gives the same answer.
async fn always(status: StatusCode) -> StatusCode {
    SERVED.fetch_add(1, SeqCst);
    status
}

async fn serve() -> Result<SocketAddr, BoxError> {
    let app = Router::new()
        .route("/flaky", any(flaky))
        .route("/busy", any(|| always(StatusCode::SERVICE_UNAVAILABLE)))
        .route("/down", any(|| always(StatusCode::INTERNAL_SERVER_ERROR)));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(address)
}

/// Sends one request, and says what came of it.
async fn tell<S>(client: &S, method: Method, url: &str) -> Result<(), BoxError>
where
    S: Service<Request, Response = Response, Error = plimsoll::Error<reqwest::Error>> + Clone,
{
    let before = SERVED.load(SeqCst);
    let answer = client.clone().oneshot(Request::new(method.clone(), url.parse()?)).await;
    let tries = SERVED.load(SeqCst) - before;
    match answer {
        Ok(response) => println!("  {method} {url}: {}; tries: {tries}", response.status()),
        Err(plimsoll::Error::Rejected(rejection)) => println!("  {method} {url}: {rejection}; tries: {tries}"),
        Err(plimsoll::Error::Inner(error)) => println!("  {method} {url}: {error}; tries: {tries}"),
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let address = serve().await?;
    let url = |path: &str| format!("http://{address}{path}");

    let judge = ByStatus::new().of(|r: &Response| (r.status(), r.headers()));
    let replay = |r: &Request, _attempt: u32| if r.method().is_idempotent() { r.try_clone() } else { None };
    let backoff = Backoff::try_new(Duration::from_millis(5), Duration::from_millis(50))?;
    let breaker = CircuitBreaker::new(circuit_breaker::Settings::new().with_name("inventory"));
    let circuit = breaker.handle();
    let stack = Stack::new()
        .observe(|event: &Event| {
            if matches!(event, Event::CircuitOpened { .. }) {
                println!("  {event:?}");
            }
        })
        .timeout(Duration::from_secs(5))
        .classify(judge)
        .retry(RetryLayer::new(retry::Settings::new().with_backoff(backoff)).replay(replay))
        .classify(judge.health())
        .circuit_breaker(breaker)
        .timeout(Duration::from_secs(1))
        .layer(SendDeadline::new(TimeLeft::envoy()).of(|r: &mut Request| r.headers_mut()));
    // reqwest would try some things again by itself.
    let client = stack.service(Client::builder().retry(reqwest::retry::never()).build()?);

    println!("What fails once is tried again, unless that might do it twice:");
    tell(&client, Method::GET, &url("/flaky")).await?;
    tell(&client, Method::POST, &url("/flaky")).await?;

    println!("A server that sheds load is not down:");
    for _ in 0..4 {
        tell(&client, Method::GET, &url("/busy")).await?;
    }
    println!("  the circuit is {:?}", circuit.snapshot().state);

    println!("One that fails is left alone after a while:");
    for _ in 0..5 {
        tell(&client, Method::GET, &url("/down")).await?;
    }
    println!("  the circuit is {:?}", circuit.snapshot().state);
    Ok(())
}

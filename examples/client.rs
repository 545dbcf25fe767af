//! A client of your own: an application's error enum, a judge that knows statuses, requests some of which may be
//! repeated, a struct that holds it all, and handles to look at it and change it while it serves.

use std::time::Duration;

use plimsoll::{
    Classify, Event, InvalidSetting, Outcome, Refusal, Rejection, Stack, bulkhead,
    circuit_breaker::{self, CircuitBreaker},
    classify::{Failure, Standard},
    retry::{self, RetryLayer},
};
use tower::{ServiceExt, service_fn, util::BoxCloneSyncService};

#[derive(Clone, Debug)]
struct Request {
    path: &'static str,
    idempotent: bool,
}

#[derive(Debug)]
struct Response {
    status: u16,
}

#[derive(Debug, thiserror::Error)]
enum ClientError {
    #[error(transparent)]
    Refused(#[from] Rejection),
    #[error("no connection for {0}")]
    Connect(&'static str),
}

impl Refusal for ClientError {
    fn rejection(&self) -> Option<&Rejection> {
        if let Self::Refused(rejection) = self { Some(rejection) } else { None }
    }
}

/// Stands in for the transport.
async fn send(request: Request) -> Result<Response, ClientError> {
    match request.path {
        "/down" => Err(ClientError::Connect(request.path)),
        "/busy" => Ok(Response { status: 503 }),
        _ => Ok(Response { status: 200 }),
    }
}

/// A failure is a 5xx or an error; 4xx are the caller's own mistake.
fn judge(result: Result<&Response, &ClientError>) -> Outcome {
    match result {
        Ok(response) if response.status == 503 => Outcome::Failure(Failure::Overload),
        Ok(response) if response.status >= 500 => Outcome::Failure(Failure::Transient),
        other => Standard.classify(other),
    }
}

#[derive(Clone, Debug)]
struct Client {
    service: BoxCloneSyncService<Request, Response, ClientError>,
    circuit: circuit_breaker::Handle,
    retries: retry::Handle,
}

impl Client {
    fn new() -> Result<Self, InvalidSetting> {
        let breaker = CircuitBreaker::new(circuit_breaker::Settings::new().with_name("inventory"));
        let retry = RetryLayer::new(retry::Settings::new().with_name("inventory"))
            .replay(|request: &Request, _: u32| request.idempotent.then(|| request.clone()));
        let (circuit, retries) = (breaker.handle(), retry.handle());
        let stack = Stack::new()
            .observe(|event: &Event| println!("  {event:?}"))
            .classify(judge)
            .timeout(Duration::from_secs(5))
            .retry(retry)
            .bulkhead(bulkhead::Settings::try_new(64)?)
            .circuit_breaker(breaker)
            .timeout(Duration::from_secs(1));
        Ok(Self { service: BoxCloneSyncService::new(stack.wrap(service_fn(send))), circuit, retries })
    }

    async fn get(&self, path: &'static str) -> Result<Response, ClientError> {
        self.service.clone().oneshot(Request { path, idempotent: true }).await
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), InvalidSetting> {
    let client = Client::new()?;
    for path in ["/lamp", "/busy", "/down"] {
        println!("{path}: {:?}", client.get(path).await);
    }

    // Nothing is tried again from here on, and the circuit opens at the first failure.
    client.retries.update(retry::Settings::new().try_with_attempts(1)?);
    let settings = client.circuit.snapshot().settings;
    client.circuit.update(settings.with_consecutive_failures(std::num::NonZeroU32::MIN));
    println!("/down: {:?}", client.get("/down").await);
    match client.get("/lamp").await {
        Err(ClientError::Refused(rejection)) => println!("not now: {rejection}"),
        other => println!("{other:?}"),
    }
    println!("{:?} after {} retries", client.circuit.snapshot().state, client.retries.snapshot().retries);
    Ok(())
}

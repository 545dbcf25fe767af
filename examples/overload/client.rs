//! The client that everybody writes first: wait, give up, try again soon.

use std::time::Duration;

use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt, service_fn};

use crate::wire::{Request, Response, Wire};

/// A whole client, retries and all: one call is one request as the caller sees it.
pub(crate) type Client = BoxCloneSyncService<Request, Response, Failure>;

/// Why a request came to nothing, without an answer of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    TimedOut,
    /// The client's own stack said no.
    Refused,
    Broken,
}

/// Tries that a naive client makes after the first.
pub(crate) const RETRIES: usize = 3;

/// Waits `patience` for each attempt; after a timeout, a 429 or a 5xx, pauses 10 to 50 ms and tries again.
pub(crate) fn naive(wire: Wire, patience: Duration) -> Client {
    BoxCloneSyncService::new(service_fn(move |request: Request| {
        let wire = wire.clone();
        async move {
            let mut outcome = attempt(&wire, &request, patience).await;
            for _ in 0..RETRIES {
                if !worth_a_retry(&outcome) {
                    break;
                }
                let pause = Duration::from_millis(rand::random_range(10..=50));
                tokio::time::sleep(pause).await;
                outcome = attempt(&wire, &request, patience).await;
            }
            outcome
        }
    }))
}

async fn attempt(wire: &Wire, request: &Request, patience: Duration) -> Result<Response, Failure> {
    let mut wire = wire.clone();
    let answer = async { wire.ready().await?.call(request.clone()).await };
    match tokio::time::timeout(patience, answer).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(_broken)) => Err(Failure::Broken),
        Err(_elapsed) => Err(Failure::TimedOut),
    }
}

fn worth_a_retry(outcome: &Result<Response, Failure>) -> bool {
    match outcome {
        Ok(response) => {
            let status = response.status();
            status.is_server_error() || status == http::StatusCode::TOO_MANY_REQUESTS
        }
        Err(failure) => *failure == Failure::TimedOut,
    }
}

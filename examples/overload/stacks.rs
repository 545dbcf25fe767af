//! The two sides of the experiment: what stands around the server's handler, and around the client's attempt.
//!
//! STAND-IN, NOT PLIMSOLL: until the library is wired in here, "protected" is a plain semaphore before the handler,
//! with the naive client unchanged. Numbers made with it prove the harness and say nothing about plimsoll.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request as Incoming, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response as Answer};
use http::StatusCode;
use tokio::sync::Semaphore;

use crate::backlog::Backlog;
use crate::client::{self, Client};
use crate::server;
use crate::wire::Wire;

/// What both stacks may know: facts that a person who runs the service knows, too.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    pub(crate) workers: usize,
    pub(crate) service: Duration,
    pub(crate) patience: Duration,
}

/// The server's application, bare or protected.
pub(crate) fn server_app(protected: bool, backlog: Arc<Backlog>, facts: Facts) -> Router {
    let app = server::app(backlog);
    if !protected {
        return app;
    }
    // As long a queue as is worked off in a tenth of the client's patience.
    let queued = facts.patience.as_secs_f64() / facts.service.as_secs_f64() / 10.0;
    let limit = facts.workers + (queued * facts.workers as f64) as usize;
    let permits = Arc::new(Semaphore::new(limit));
    app.layer(middleware::from_fn_with_state(permits, refuse_when_full))
}

/// The client, naive or protected.
pub(crate) fn client(_protected: bool, wire: Wire, facts: Facts) -> Client {
    client::naive(wire, facts.patience)
}

async fn refuse_when_full(State(permits): State<Arc<Semaphore>>, request: Incoming, next: Next) -> Answer {
    match permits.try_acquire() {
        Ok(_permit) => next.run(request).await,
        Err(_full) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

//! The two sides of the experiment: what stands around the server's handler, and around the client's attempt.

use std::{sync::Arc, time::Duration};

use axum::{Router, body::Body};
use http::Request;
use plimsoll::{
    Error, InvalidSetting, Outcome, Reason, Stack, circuit_breaker,
    classify::Failure as Failed,
    http::RespondRejections,
    load_shed, retry,
    surge_queue::{self, SurgeQueue},
    timeout,
};
use tower::{ServiceBuilder, ServiceExt, util::BoxCloneSyncService};

use crate::{
    backlog::Backlog,
    callers::Caller,
    client::{self, Client, Failure},
    hint, server,
    tally::Tally,
    wire::{Response, Wire},
};

/// What both stacks may know: facts that a person who runs the service knows, too.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    pub(crate) workers: usize,
    pub(crate) service: Duration,
    pub(crate) patience: Duration,
}

/// The server's application, bare or protected.
///
/// * **Answers**, outermost: who is refused is told so by a 503, at once, and not by silence, and when to come back.
/// * **Timeout**: after the client's patience nobody is there to be answered. It gives up on what hangs.
/// * **Overload control**: lets in as many at once as it finds are done well, the important first; a burst waits for a
///   moment, tenants in turn; and the rest is refused. Nothing in it is set: it is told neither how many workers there
///   are, nor how long a job takes, nor how much will come.
pub(crate) fn server_app(protected: bool, backlog: Arc<Backlog>, patience: Duration, tally: &Tally) -> Router {
    let app = server::app(backlog);
    if !protected {
        return app;
    }
    let queue = SurgeQueue::new(surge_queue::Settings::new())
        .priority_by(|request: &Request<Body>| Caller::read(request.headers()).class)
        .tenant_by(|request: &Request<Body>| Caller::read(request.headers()).tenant);

    let stack =
        Stack::new().timeout(patience).overload_control(queue, load_shed::Settings::new()).observe(tally.observer());
    app.layer(ServiceBuilder::new().layer(RespondRejections::with(hint::answer)).layer(stack.wrapping()))
}

/// The client, naive or protected.
///
/// * **Total timeout**, outermost: whatever is tried, after twice the patience the caller has an answer.
/// * **Retry**: up to three attempts, within a budget of one retry for ten successes. A refusal is tried again after
///   a pause of up to a quarter of the patience, by when the whole queue of the server has changed.
/// * **Circuit breaker**, with its defaults: for a server that hangs or is gone, which refusals do not show.
/// * **Timeout** for each attempt, as the naive client has it: innermost, so that the breaker sees what hangs.
pub(crate) fn client(protected: bool, wire: Wire, facts: Facts, tally: &Tally) -> Result<Client, InvalidSetting> {
    let patience = facts.patience;
    if !protected {
        return Ok(client::naive(wire, patience));
    }
    let (total, attempt) = timeout::Settings::try_total_and_attempt(2 * patience, patience)?;
    let pauses = retry::Backoff::try_new(Duration::from_millis(50), patience)?.try_with_throttled_base(patience / 4)?;

    let stack = Stack::new()
        .timeout(total)
        .classify(worth_a_retry)
        .retry(retry::Settings::new().with_backoff(pauses))
        .classify(speaks_of_health)
        .circuit_breaker(circuit_breaker::Settings::new())
        .timeout(attempt)
        .observe(tally.observer());
    Ok(BoxCloneSyncService::new(stack.service(wire).map_err(failure)))
}

/// What retry is told. A server that sheds has no room for the request now: the retry pauses for longer than after a
/// mere failure, and for as long as the server says at least.
fn worth_a_retry(result: Result<&Response, &Error<hyper::Error>>) -> Outcome {
    match result {
        Ok(response) => match response.status().as_u16() {
            429 | 503 => Outcome::Failure(match hint::read(response) {
                Some(after) => Failed::Throttled(Some(after)),
                None => Failed::Overload,
            }),
            504 => Outcome::Failure(Failed::Timeout),
            500.. => Outcome::Failure(Failed::Transient),
            _ => Outcome::Success,
        },
        Err(Error::Rejected(rejection)) => Outcome::of_rejection(rejection),
        Err(Error::Inner(_broken)) => Outcome::Failure(Failed::Transient),
    }
}

/// What the circuit breaker is told: the same, but a server that sheds is well. At five times its capacity it refuses
/// four of five; a breaker that took these for failures would shut out the fifth as well.
fn speaks_of_health(result: Result<&Response, &Error<hyper::Error>>) -> Outcome {
    match worth_a_retry(result) {
        Outcome::Failure(Failed::Overload | Failed::Throttled(_)) => Outcome::Ignored,
        outcome => outcome,
    }
}

fn failure(error: Error<hyper::Error>) -> Failure {
    match error {
        Error::Rejected(rejection) => match rejection.reason() {
            Reason::Timeout | Reason::DeadlineExceeded => Failure::TimedOut,
            _ => Failure::Refused,
        },
        Error::Inner(_broken) => Failure::Broken,
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, StatusCode, header::RETRY_AFTER};

    use super::*;
    use crate::tally::Deeds;

    fn judged(status: StatusCode, after: Option<&'static str>) -> (Outcome, Outcome) {
        let mut response = Response::default();
        *response.status_mut() = status;
        if let Some(after) = after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(after));
        }
        (worth_a_retry(Ok(&response)), speaks_of_health(Ok(&response)))
    }

    #[test]
    fn a_server_that_sheds_is_worth_a_retry_and_is_well() {
        let (failed, ignored) = (Outcome::Failure, Outcome::Ignored);
        let shed = StatusCode::SERVICE_UNAVAILABLE;
        assert_eq!(judged(shed, None), (failed(Failed::Overload), ignored));
        let after = Failed::Throttled(Some(Duration::from_secs(7)));
        assert_eq!(judged(shed, Some("7")), (failed(after), ignored));
        assert_eq!(judged(shed, Some("soon")), (failed(Failed::Overload), ignored));
    }

    #[test]
    fn a_server_that_fails_is_not_well() {
        let both = |outcome| (outcome, outcome);
        let failed = |failure| both(Outcome::Failure(failure));
        assert_eq!(judged(StatusCode::INTERNAL_SERVER_ERROR, None), failed(Failed::Transient));
        assert_eq!(judged(StatusCode::GATEWAY_TIMEOUT, None), failed(Failed::Timeout));
        assert_eq!(judged(StatusCode::NOT_FOUND, None), both(Outcome::Success));
    }

    /// Twenty calls of the protected client to a server that always does the same: how they ended, and what the
    /// layers did.
    fn twenty_calls(server: Router) -> (Vec<Result<StatusCode, Failure>>, Deeds) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        server::serve(&runtime, listener, server).expect("a server");
        let tally = Tally::default();
        let facts = Facts { workers: 1, service: Duration::from_millis(1), patience: Duration::from_millis(100) };
        let endings = runtime.block_on(async {
            let wire = Wire::connect(address).await.expect("a connection");
            let client = client(true, wire, facts, &tally).expect("good settings");
            let mut endings = Vec::new();
            for _ in 0..20 {
                let mut request = crate::wire::Request::default();
                *request.uri_mut() = format!("http://{address}/").parse().expect("an address");
                endings.push(client.clone().oneshot(request).await.map(|answer| answer.status()));
            }
            endings
        });
        runtime.shutdown_background();
        (endings, tally.deeds())
    }

    #[test]
    fn a_server_that_hangs_opens_the_circuit() {
        let hung = Router::new().fallback(std::future::pending::<()>);
        let (endings, deeds) = twenty_calls(hung);
        assert_eq!(endings.first(), Some(&Err(Failure::TimedOut)));
        assert_eq!(endings.last(), Some(&Err(Failure::Refused)));
        assert_eq!(deeds.opened, 1);
    }

    #[test]
    fn a_server_that_sheds_does_not() {
        let full = Router::new().fallback(|| std::future::ready(StatusCode::SERVICE_UNAVAILABLE));
        let (endings, deeds) = twenty_calls(full);
        assert!(endings.iter().all(|ending| *ending == Ok(StatusCode::SERVICE_UNAVAILABLE)), "{endings:?}");
        assert!(deeds.retried >= 20, "{deeds:?}");
        assert_eq!(deeds.opened, 0);
    }
}

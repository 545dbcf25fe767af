//! The open-loop load: requests start when their time has come, however late the answers are.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use http_body_util::Empty;
use tokio::runtime::Handle;
use tower::ServiceExt;

use crate::callers::Caller;
use crate::client::{Client, Failure};
use crate::plan::Arrival;
use crate::wire::{Request, Response, SentAt};

/// How a request ended, seen by the one who made it (retries included).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// A 200 within the client's patience, counted from the start of the attempt that it answers.
    Answered,
    /// The last word was no: a 429 or 503, or a refusal by the client's own stack.
    Refused,
    /// The last word was silence: the attempt took too long.
    TimedOut,
    /// Anything else. Does not happen on a healthy loopback.
    Broken,
}

/// One request, with times counted from the start of the run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record {
    pub(crate) due: Duration,
    /// When it really started: what this adds to `due` is the load generator's own lag.
    pub(crate) started: Duration,
    pub(crate) ended: Duration,
    pub(crate) caller: Caller,
    pub(crate) ending: Ending,
}

/// Every request that has ended.
pub(crate) type Records = Arc<Mutex<Vec<Record>>>;

/// Sends each of the `arrivals` through its tenant's client, on the clients' runtime. Blocks until the last one has started,
/// never until one has ended: only a thread of its own, which waits for nothing but the clock, can promise that.
pub(crate) fn play(
    on: &Handle,
    clients: &[Client],
    uri: &http::Uri,
    patience: Duration,
    start: Instant,
    arrivals: &[Arrival],
    records: &Records,
) {
    for &Arrival { due, caller } in arrivals {
        let client = &clients[caller.tenant as usize];
        let left = (start + due).saturating_duration_since(Instant::now());
        if !left.is_zero() {
            thread::sleep(left);
        }
        let (client, records, uri) = (client.clone(), Arc::clone(records), uri.clone());
        on.spawn(async move {
            let started = start.elapsed();
            let mut request = Request::new(Empty::new());
            *request.uri_mut() = uri;
            caller.sign(request.headers_mut());
            let answer = client.oneshot(request).await;
            let ending = ending(&answer, patience);
            let record = Record { due, started, ended: start.elapsed(), caller, ending };
            records.lock().expect("nobody panics").push(record);
        });
    }
}

fn ending(answer: &Result<Response, Failure>, patience: Duration) -> Ending {
    match answer {
        Ok(response) => match response.status().as_u16() {
            200 => match response.extensions().get() {
                Some(SentAt(sent)) if sent.elapsed() <= patience => Ending::Answered,
                _ => Ending::TimedOut,
            },
            429 | 503 => Ending::Refused,
            504 => Ending::TimedOut,
            _ => Ending::Broken,
        },
        Err(Failure::TimedOut) => Ending::TimedOut,
        Err(Failure::Refused) => Ending::Refused,
        Err(Failure::Broken) => Ending::Broken,
    }
}

//! What a client does with statuses that it receives, and what its caller sees.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use plimsoll::{
    Error, Event, Outcome, Reason, Rejection, Stack,
    circuit_breaker::{self, CircuitBreaker},
    classify::Failure,
    event::Stop,
    gate::{Ending, Gate},
    grpc::{self, Codes, Resend},
    http::{Replay, ReplayBodies, ReplayRequests},
    retry::{Backoff, RetryLayer, Settings, Throttle},
};
use tonic::{Code, Request, Response, Status, body::Body, metadata::MetadataValue};
use tower::{Service, ServiceExt, service_fn};

use crate::echo::{Echo, PATH, channel, endpoint, say, serve, text};

const MS: Duration = Duration::from_millis(1);

/// A server that answers the `n`th call, counted from 1, by a script.
async fn scripted(
    script: impl Fn(u32, &Request<String>) -> Result<String, Status> + Send + Sync + 'static,
) -> (SocketAddr, Arc<AtomicU32>) {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let echo = Echo::new(move |req| {
        let answer = script(counted.fetch_add(1, SeqCst) + 1, &req);
        async { answer }
    });
    (serve(tower::layer::util::Identity::new(), echo).await, calls)
}

/// One call, as a service whose requests and answers are tonic's.
fn calls(address: SocketAddr) -> impl Service<Request<String>, Response = Response<String>, Error = Status> + Clone {
    let channel = channel(address);
    service_fn(move |req| say(channel.clone(), req))
}

#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<Event>>>);

impl Heard {
    fn observer(&self) -> impl Fn(&Event) + Send + Sync + 'static {
        let events = Arc::clone(&self.0);
        move |event: &Event| events.lock().expect("unpoisoned").push(*event)
    }

    fn retries(&self) -> Vec<(u32, Duration, Failure)> {
        let retry = |event: &Event| match *event {
            Event::Retrying { attempt, delay, failure, .. } => Some((attempt, delay, failure)),
            _ => None,
        };
        self.0.lock().expect("unpoisoned").iter().filter_map(retry).collect()
    }

    fn stops(&self) -> Vec<(u32, Stop)> {
        let stop = |event: &Event| match *event {
            Event::RetryStopped { attempts, stop, .. } => Some((attempts, stop)),
            _ => None,
        };
        self.0.lock().expect("unpoisoned").iter().filter_map(stop).collect()
    }
}

fn pushed_back(code: Code, pushback: &'static str) -> Status {
    let mut status = Status::new(code, "not now");
    status.metadata_mut().insert("grpc-retry-pushback-ms", MetadataValue::from_static(pushback));
    status
}

/// Delays are nothing but what the callee asks for.
fn retries(heard: &Heard) -> RetryLayer<Resend> {
    let settings = Settings::new().with_backoff(Backoff::IMMEDIATE);
    RetryLayer::new(settings).replay(Resend).observe(heard.observer())
}

/// Calls once through a stack that retries.
async fn retried(address: SocketAddr) -> (Result<String, Status>, Heard) {
    let heard = Heard::default();
    let service = Stack::new().classify(Codes).retry(retries(&heard)).wrap(calls(address));
    (service.oneshot(text("lamp")).await.map(Response::into_inner), heard)
}

#[tokio::test]
async fn pushback_is_waited_for_exactly() {
    for code in [Code::Unavailable, Code::ResourceExhausted, Code::Aborted, Code::DeadlineExceeded] {
        let (address, calls) = scripted(move |n, req| match n {
            1 => Err(pushed_back(code, "7")),
            _ => Ok(format!("{:?}", req.metadata().get("grpc-previous-rpc-attempts"))),
        })
        .await;
        let (answer, heard) = retried(address).await;
        assert_eq!(answer.expect("served"), r#"Some("1")"#, "{code:?}");
        assert_eq!(heard.retries(), [(2, 7 * MS, Failure::Throttled(Some(7 * MS)))], "{code:?}");
        assert_eq!(calls.load(SeqCst), 2);
    }
}

#[tokio::test]
async fn who_is_told_never_to_come_back_or_nothing_that_can_be_read_does_not() {
    for pushback in ["-1", "-2147483649", "soon", "2147483648", "1.5"] {
        let (address, calls) = scripted(move |_, _| Err(pushed_back(Code::Unavailable, pushback))).await;
        let (answer, heard) = retried(address).await;
        assert_eq!(answer.expect_err("refused").code(), Code::Unavailable);
        assert_eq!((calls.load(SeqCst), heard.stops()), (1, vec![(1, Stop::Hint)]), "{pushback:?}");
    }
}

#[tokio::test]
async fn retry_info_is_waited_for_where_there_is_no_pushback() {
    use tonic_types::{ErrorDetails, StatusExt};
    let (address, _) = scripted(|n, _| match n {
        1 => Err(Status::with_error_details(Code::Unavailable, "", ErrorDetails::with_retry_info(Some(3 * MS)))),
        _ => Ok(String::new()),
    })
    .await;
    let (answer, heard) = retried(address).await;
    assert!(answer.is_ok());
    assert_eq!(heard.retries(), [(2, 3 * MS, Failure::Throttled(Some(3 * MS)))]);
}

#[tokio::test]
async fn what_no_other_attempt_helps_is_sent_once() {
    for (code, stop) in [
        (Code::InvalidArgument, None),
        (Code::NotFound, None),
        (Code::Aborted, None),
        (Code::Internal, Some(Stop::NotRetryable)),
        (Code::Unknown, Some(Stop::NotRetryable)),
        (Code::ResourceExhausted, Some(Stop::Hint)),
    ] {
        let (address, calls) = scripted(move |_, _| Err(Status::new(code, ""))).await;
        let (answer, heard) = retried(address).await;
        assert_eq!((answer.expect_err("failed").code(), calls.load(SeqCst)), (code, 1));
        assert_eq!(heard.stops().first().map(|(_, stop)| *stop), stop, "{code:?}");
    }
}

/// A full callee is not asked again within a moment, as one that was restarted is.
#[tokio::test]
async fn a_refusal_of_ours_is_known_for_an_overload() {
    let (address, _) = scripted(|n, _| match n {
        1 => Err(Rejection::new(Reason::QueueFull, "there").into()),
        2 => Err(Status::unavailable("restarting")),
        _ => Ok(String::new()),
    })
    .await;
    let (answer, heard) = retried(address).await;
    assert!(answer.is_ok());
    let failures: Vec<_> = heard.retries().into_iter().map(|(_, _, failure)| failure).collect();
    assert_eq!(failures, [Failure::Overload, Failure::Transient]);
}

#[tokio::test]
async fn retries_are_throttled_as_by_other_clients_of_grpc() {
    let (address, calls) = scripted(|_, _| Err(Status::unavailable("down"))).await;
    let heard = Heard::default();
    let service =
        Stack::new().classify(Codes).retry(retries(&heard).throttle(Throttle::default())).wrap(self::calls(address));
    for _ in 0..10 {
        assert!(service.clone().oneshot(text("lamp")).await.is_err());
    }
    assert_eq!(calls.load(SeqCst), 10 + 3, "9, 8 and 7 of 10 tokens, then 6 and half");
}

/// A generated client sends bodies, which are gone once they are sent; so they are kept on the way.
#[tokio::test]
async fn a_generated_client_tries_again_over_a_channel() {
    let (address, calls) = scripted(|n, req| match n {
        1 => Err(pushed_back(Code::Unavailable, "2")),
        _ => Ok(req.get_ref().clone()),
    })
    .await;
    let heard = Heard::default();
    let repeatable = |req: &http::Request<Replay<Body>>| req.uri().path() == PATH;
    let channel = channel(address).map_request(|req: http::Request<Replay<Body>>| req.map(Body::new));
    let stack = Stack::new()
        .classify(Codes)
        .layer(ReplayBodies::new())
        .retry(retries(&heard).replay(ReplayRequests::when(repeatable)));
    let answer = say(stack.service(channel).map_err(Status::from), text("the whole message")).await;
    assert_eq!(answer.expect("served").into_inner(), "the whole message");
    assert_eq!(heard.retries(), [(2, 2 * MS, Failure::Throttled(Some(2 * MS)))]);
    assert_eq!(calls.load(SeqCst), 2);
}

/// What a breaker is told at the level of HTTP, where a `Channel` answers.
#[derive(Clone, Default)]
struct Watch(Arc<Mutex<Vec<Ending>>>);

impl<Req> Gate<Req> for Watch {
    type Permit = ();
    type Wait = plimsoll::gate::Never;

    fn admit(&self, _: &Req, _: &plimsoll::clock::Moment) -> plimsoll::gate::Admission<(), plimsoll::gate::Never> {
        plimsoll::gate::Admission::Admitted(())
    }

    fn settle(&self, (): (), ending: Ending, _: &plimsoll::clock::Moment) {
        self.0.lock().expect("unpoisoned").push(ending);
    }
}

#[tokio::test]
async fn a_channel_is_judged_by_the_heads_of_its_answers() {
    let (address, _) = scripted(|n, _| match n {
        1 => Err(Status::unavailable("down")),
        2 => Err(Status::not_found("lamp")),
        3 => Err(pushed_back(Code::Unavailable, "25")),
        4 => Err(Rejection::new(Reason::QueueFull, "there").into()),
        _ => Ok(String::new()),
    })
    .await;
    let watch = Watch::default();
    let service = Stack::new().classify(Codes).gate(watch.clone()).service(channel(address));
    for _ in 0..5 {
        let _ = say(service.clone().map_err(Status::from), text("lamp")).await;
    }
    let failed = |failure| Ending::Finished(Outcome::Failure(failure));
    assert_eq!(
        *watch.0.lock().expect("unpoisoned"),
        [
            failed(Failure::Transient),
            Ending::Finished(Outcome::Success),
            failed(Failure::Throttled(Some(25 * MS))),
            failed(Failure::Overload),
            Ending::Finished(Outcome::Success),
        ]
    );
}

/// A generated client over a bare stack says `UNKNOWN` of every refusal: it looks for statuses among the sources.
#[tokio::test]
async fn a_refusal_of_the_clients_own_stack_has_its_code() {
    let (address, calls) = scripted(|_, _| Ok(String::new())).await;
    let breaker = CircuitBreaker::new(circuit_breaker::Settings::new());
    breaker.handle().force_open();
    let service = Stack::new().classify(Codes).circuit_breaker(breaker).service(channel(address));
    let bare = say(service.clone(), text("lamp")).await.expect_err("open");
    assert_eq!(bare.code(), Code::Unknown, "which is why there is `map_err`");
    let status = say(service.map_err(Status::from), text("lamp")).await.expect_err("open");
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "the circuit is open"));
    assert_eq!(plimsoll::Refusal::rejection(&status).map(Rejection::layer), Some("circuit_breaker"));
    assert_eq!(calls.load(SeqCst), 0);
}

#[tokio::test]
async fn a_callee_that_is_not_there_is_unavailable() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound");
    let service = Stack::new().classify(Codes).timeout(Duration::from_secs(60)).service(channel(nobody));
    let status = say(service.map_err(Status::from), text("lamp")).await.expect_err("nobody is there");
    assert_eq!(status.code(), Code::Unavailable);
}

/// tonic says `CANCELLED` where its own time limit ends a call, though nobody cancelled it.
#[tokio::test]
async fn a_time_limit_of_tonics_channel_is_a_deadline() {
    let echo = Echo::new(|_| std::future::pending::<Result<String, Status>>());
    let address = serve(tower::layer::util::Identity::new(), echo).await;
    let channel = endpoint(address).timeout(10 * MS).connect_lazy();
    assert_eq!(say(channel.clone(), text("lamp")).await.expect_err("late").code(), Code::Cancelled, "what tonic says");
    let watch = Watch::default();
    let service = Stack::new().classify(Codes).gate(watch.clone()).service(channel);
    let status = say(service.map_err(|error: Error<_>| grpc::status_of(error)), text("lamp")).await.expect_err("late");
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(*watch.0.lock().expect("unpoisoned"), [Ending::Finished(Outcome::Failure(Failure::Timeout))]);
}

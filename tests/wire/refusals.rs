//! Every reason has its status and headers, whoever asks, and whichever room says it.

use std::{net::SocketAddr, num::NonZeroU32, time::Duration};

use axum::{
    Router,
    extract::Request,
    routing::{any, get},
};
use http::StatusCode;
use plimsoll::{
    Reason, Rejection, Stack,
    bulkhead::{self, Bulkhead},
    circuit_breaker::{self, CircuitBreaker, OpenTime},
    clock::Moment,
    gate::{Admission, Ending, Gate, Never},
    http::{ByStatus, RespondRejections, TimeLeft, Trusted},
    keyed::{self, Keyed, Overflow},
    load_shed,
    rate_limit::{Quota, RateLimit},
    timeout::TimeoutLayer,
};
use tokio::sync::mpsc;

use crate::clients::{Connection, Seen, ask, by_hand, seen, serve};

const SECOND: Duration = Duration::from_secs(1);

/// Refuses for the reason of the number in `x-refuse`; with `x-after`, of so many milliseconds, it says when to come back.
#[derive(Clone, Copy)]
struct OnRequest;

impl Gate<Request> for OnRequest {
    type Permit = ();
    type Wait = Never;

    fn admit(&self, req: &Request, _: &Moment) -> Admission<(), Never> {
        let number = |name| req.headers().get(name).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        let reason = number("x-refuse").and_then(|number| Reason::ALL.get(number as usize));
        let Some(reason) = reason else { return Admission::Admitted(()) };
        let rejection = Rejection::new(*reason, "on request");
        Admission::Refused(match number("x-after") {
            Some(ms) => rejection.with_retry_after(Duration::from_millis(ms)),
            None => rejection,
        })
    }

    fn settle(&self, (): (), _: Ending, _: &Moment) {}
}

fn hello() -> Router {
    Router::new().route("/", any(|| async { "hello" }))
}

#[tokio::test(start_paused = true)]
async fn every_reason_has_its_status_and_says_when_to_come_back_if_that_is_known() {
    let stack = Stack::new().layer(RespondRejections::new()).gate(OnRequest);
    let address = serve(hello().layer(stack.wrapping())).await;
    for (number, reason) in Reason::ALL.iter().enumerate() {
        let (number, status) = (number.to_string(), reason.http_status());
        let refused = ask(address, "/", &[("x-refuse", &number)]).await;
        assert_eq!(refused, seen(status, &["content-length: 0"], ""), "{reason:?}");
        for (after, told) in [("0", "1"), ("1000", "1"), ("1001", "2"), ("86400000", "86400")] {
            let refused = ask(address, "/", &[("x-refuse", &number), ("x-after", after)]).await;
            let retry_after = format!("retry-after: {told}");
            assert_eq!(refused, seen(status, &["content-length: 0", &retry_after], ""), "{reason:?}");
        }
    }
    let served = ask(address, "/", &[]).await;
    assert_eq!(served, seen(200, &["content-length: 5", "content-type: text/plain; charset=utf-8"], "hello"));
}

#[tokio::test(start_paused = true)]
async fn every_reason_is_a_problem_that_programs_read() {
    let stack = Stack::new().layer(RespondRejections::problems()).gate(OnRequest);
    let address = serve(hello().layer(stack.wrapping())).await;
    for (number, reason) in Reason::ALL.iter().enumerate() {
        let refused = ask(address, "/", &[("x-refuse", &number.to_string())]).await;
        let length = format!("content-length: {}", refused.body.len());
        assert_eq!(refused.headers, [&*length, "content-type: application/problem+json"], "{reason:?}");
        let problem: serde_json::Value = serde_json::from_str(&refused.body).expect("JSON");
        assert_eq!(problem["status"], reason.http_status());
        assert_eq!(problem["detail"], reason.to_string());
        assert_eq!(problem["violated-policies"].is_array(), *reason == Reason::RateLimited);
    }
}

/// A server with one route that never answers, of which it is told when a request has come there.
fn hanging() -> (Router, mpsc::UnboundedReceiver<()>) {
    let (came, comes) = mpsc::unbounded_channel();
    let hang = get(move || {
        let told = came.send(());
        async move {
            told.expect("somebody waits for it");
            std::future::pending::<()>().await;
        }
    });
    (hello().route("/hang", hang), comes)
}

/// What is said to who comes second, while the first hangs.
async fn second(address: SocketAddr, mut comes: mpsc::UnboundedReceiver<()>) -> Seen {
    tokio::spawn(async move { by_hand(address, "/hang", &[]).await });
    comes.recv().await.expect("the first has come");
    ask(address, "/", &[]).await
}

/// The problem that says so.
fn is(refused: &Seen, reason: Reason, retry_after: Option<&str>) {
    assert_eq!(refused.status, reason.http_status(), "{refused:?}");
    let problem: serde_json::Value = serde_json::from_str(&refused.body).expect("JSON");
    assert_eq!(problem["detail"], reason.to_string());
    let told = refused.headers.iter().find_map(|line| line.strip_prefix("retry-after: "));
    assert_eq!(told, retry_after, "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn a_full_bulkhead_says_so_at_once_or_after_the_wait() {
    for (wait, reason) in [(None, Reason::BulkheadFull), (Some(SECOND), Reason::WaitTimeout)] {
        let one = bulkhead::Settings::try_new(1).expect("valid");
        let settings = wait.map_or(one, |wait| one.with_wait(1, wait));
        let (app, comes) = hanging();
        let stack = Stack::new().layer(RespondRejections::problems()).bulkhead(settings);
        let refused = second(serve(app.layer(stack.wrapping())).await, comes).await;
        is(&refused, reason, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_load_shedder_that_has_reached_its_limit_says_so() {
    let (app, comes) = hanging();
    let shed = load_shed::Settings::new().try_with_limits(1, 1).expect("valid");
    let stack = Stack::new().layer(RespondRejections::problems()).load_shed(shed);
    let refused = second(serve(app.layer(stack.wrapping())).await, comes).await;
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.body.contains(&Reason::LimitReached.to_string()), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn there_is_no_place_for_another_key_and_that_is_said() {
    let (app, comes) = hanging();
    let each = Bulkhead::new(bulkhead::Settings::try_new(1).expect("valid"));
    let settings = keyed::Settings::new().with_capacity(NonZeroU32::MIN).with_overflow(Overflow::Refuse);
    let by_path = |req: &Request| req.uri().path().to_owned();
    let keys = Keyed::new(settings, by_path, move |_: &String| each.fresh());
    let stack = Stack::new().layer(RespondRejections::problems()).keyed(keys);
    let refused = second(serve(app.layer(stack.wrapping())).await, comes).await;
    is(&refused, Reason::KeysFull, None);
}

#[tokio::test(start_paused = true)]
async fn who_takes_too_long_or_has_no_time_left_is_told_504() {
    let (app, _comes) = hanging();
    let timeout = TimeoutLayer::new(2 * SECOND).deadline_by(Trusted::everybody().deadline(TimeLeft::envoy()));
    let stack = Stack::new().layer(RespondRejections::problems()).timeout(timeout);
    let address = serve(app.layer(stack.wrapping())).await;
    is(&ask(address, "/hang", &[]).await, Reason::Timeout, None);
    let hasty = ask(address, "/hang", &[("x-envoy-expected-rq-timeout-ms", "20")]).await;
    is(&hasty, Reason::DeadlineExceeded, None);
}

/// As long as the callee asked for, which has said when it will be back.
#[tokio::test(start_paused = true)]
async fn an_open_circuit_says_when_it_asks_again() {
    let failing = any(|| async { (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "40")]) });
    let settings = circuit_breaker::Settings::new()
        .with_consecutive_failures(NonZeroU32::MIN)
        .with_open_time(OpenTime::constant(Duration::ZERO));
    let stack = Stack::new()
        .layer(RespondRejections::problems())
        .classify(ByStatus::new())
        .circuit_breaker(CircuitBreaker::new(settings));
    let address = serve(Router::new().route("/", failing).layer(stack.wrapping())).await;
    let own = by_hand(address, "/", &[]).await;
    assert_eq!(own, seen(503, &["content-length: 0", "retry-after: 40"], ""), "the callee's own answer");
    is(&ask(address, "/", &[]).await, Reason::CircuitOpen, Some("40"));
}

#[tokio::test(start_paused = true)]
async fn what_costs_more_than_a_burst_is_never_served() {
    let quota = Quota::try_per_hour(10).expect("valid");
    let cost = |req: &Request| req.uri().query().and_then(|rows| rows.parse().ok()).unwrap_or(1_u32);
    let stack = Stack::new().layer(RespondRejections::problems()).rate_limit(RateLimit::new(quota).cost_by(cost));
    let address = serve(hello().layer(stack.wrapping())).await;
    is(&ask(address, "/?11", &[]).await, Reason::TooExpensive, None);
    assert_eq!(by_hand(address, "/?10", &[]).await.status, 200);
    is(&ask(address, "/?5", &[]).await, Reason::RateLimited, Some("1800"));
}

/// A request that was refused has cost nothing: the connection stays, and the next one on it is served.
#[tokio::test(start_paused = true)]
async fn a_refusal_does_not_cost_the_connection() {
    let stack = Stack::new().layer(RespondRejections::new()).gate(OnRequest);
    let address = serve(hello().layer(stack.wrapping())).await;
    let mut connection = Connection::to(address).await;
    let mut statuses = Vec::new();
    for refuse in ["0", "none", "0", "none"] {
        statuses.push(connection.ask("/", &[("x-refuse", refuse)]).await.status);
    }
    assert_eq!(statuses, [503, 200, 503, 200]);
}

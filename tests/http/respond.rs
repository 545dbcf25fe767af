use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full};
use plimsoll::{
    Error, Ratio, Reason, Rejection,
    chance::Chance,
    http::{Answer, RespondRejections, respond::Settings},
};
use proptest::prelude::*;
use serde_json::{Value, json};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::script::{Scripted, Step};

type Answered<B> = Response<B>;

/// What a caller gets who sends `request` and is refused for this.
fn refused<A: Answer<Full<Bytes>>>(
    layer: &RespondRejections<A>,
    request: Request<()>,
    rejection: Rejection,
) -> Answered<A::Body> {
    let inner = service_fn(move |_: Request<()>| async move {
        Err::<Response<Full<Bytes>>, _>(Error::<Infallible>::from(rejection))
    });
    let call = layer.layer(inner).oneshot(request);
    tokio_test::block_on(call).unwrap_or_else(|never| match never {})
}

fn grpc() -> Request<()> {
    Request::builder().header(CONTENT_TYPE, "application/grpc+proto").body(()).expect("valid")
}

fn headers(headers: &HeaderMap) -> Vec<(&str, &str)> {
    headers.iter().map(|(name, value)| (name.as_str(), value.to_str().expect("ASCII"))).collect()
}

fn text<B: http_body::Body<Data = Bytes>>(response: Answered<B>) -> Vec<u8>
where
    B::Error: std::fmt::Debug,
{
    tokio_test::block_on(response.into_body().collect()).expect("whole").to_bytes().to_vec()
}

#[test]
fn every_reason_has_its_status_and_no_more_headers_than_it_needs() {
    for reason in Reason::ALL {
        let response = refused(&RespondRejections::new(), Request::new(()), Rejection::new(*reason, "secret"));
        assert_eq!(response.status().as_u16(), reason.http_status(), "{reason:?}");
        assert_eq!(headers(response.headers()), [], "{reason:?}");
        assert!(text(response).is_empty());
    }
    let limited = Rejection::new(Reason::RateLimited, "secret").with_retry_after(Duration::from_millis(1500));
    let response = refused(&RespondRejections::new(), Request::new(()), limited);
    assert_eq!(
        (response.status(), headers(response.headers())),
        (StatusCode::TOO_MANY_REQUESTS, vec![("retry-after", "2")])
    );
}

#[test]
fn every_reason_has_its_code_over_grpc() {
    for reason in Reason::ALL {
        let rejection = Rejection::new(*reason, "secret").with_retry_after(Duration::from_micros(1_499_001));
        let response = refused(&RespondRejections::new(), grpc(), rejection);
        assert_eq!(response.status(), StatusCode::OK);
        let (code, says) = (reason.grpc_code().to_string(), reason.to_string());
        let pushback = if reason.is_retryable() { "1500" } else { "-1" };
        let mut sent = headers(response.headers());
        sent.sort_unstable();
        let expected = [
            ("content-type", "application/grpc"),
            ("grpc-message", &says),
            ("grpc-retry-pushback-ms", pushback),
            ("grpc-status", &code),
        ];
        assert_eq!(sent, expected);
        assert!(text(response).is_empty(), "the headers are the trailers");
    }
}

#[test]
fn without_a_hint_grpc_clients_go_by_their_own_backoff() {
    let response = refused(&RespondRejections::new(), grpc(), Rejection::new(Reason::QueueFull, "q"));
    assert!(!response.headers().contains_key("grpc-retry-pushback-ms"));
}

#[test]
fn grpc_web_is_answered_in_http() {
    let request = Request::builder().header(CONTENT_TYPE, "application/grpc-web+proto").body(()).expect("valid");
    let response = refused(&RespondRejections::new(), request, Rejection::new(Reason::QueueFull, "q"));
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[test]
fn statuses_are_as_set_in_both_protocols_and_in_problems() {
    let settings = Settings::new().try_with_status(Reason::QueueFull, 529).expect("an error");
    let settings = settings.try_with_grpc_code(Reason::QueueFull, 8).expect("an error");
    let layer = RespondRejections::problems().settings(settings);
    let full = Rejection::new(Reason::QueueFull, "q");
    let response = refused(&layer, Request::new(()), full);
    assert_eq!(response.status().as_u16(), 529);
    let problem: Value = serde_json::from_slice(&text(response)).expect("JSON");
    assert_eq!(problem, json!({ "title": "Refused", "status": 529, "detail": "the queue is full" }));
    assert_eq!(refused(&layer, grpc(), full).headers()["grpc-status"], "8");
}

#[test]
fn who_finds_no_room_is_spread_in_whole_seconds() {
    let layer = RespondRejections::new().settings(Settings::new().with_jitter(Ratio::ONE)).chance(Chance::seeded(7));
    let after = |reason| {
        let rejection = Rejection::new(reason, "q").with_retry_after(Duration::from_secs(4));
        let response = refused(&layer, Request::new(()), rejection);
        response.headers()["retry-after"].to_str().expect("digits").parse::<u64>().expect("a number")
    };
    let spread: std::collections::BTreeSet<_> = (0..200).map(|_| after(Reason::QueueFull)).collect();
    assert_eq!(spread, (4..=8).collect());
    assert!((0..200).all(|_| after(Reason::RateLimited) == 4), "a caller's own limit is told exactly");
}

#[test]
fn problems_are_what_the_draft_and_the_rfc_say() {
    let rejection = Rejection::new(Reason::RateLimited, "per-minute").with_retry_after(Duration::from_secs(3));
    let response = refused(&RespondRejections::problems(), Request::new(()), rejection);
    assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
    assert_eq!(response.headers()["retry-after"], "3");
    let problem: Value = serde_json::from_slice(&text(response)).expect("JSON");
    let expected = json!({
        "type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
        "title": "Request cannot be satisfied as assigned quota has been exceeded",
        "status": 429,
        "detail": "the rate limit is reached",
        "violated-policies": ["per-minute"],
    });
    assert_eq!(problem, expected);
}

#[test]
fn names_of_layers_are_not_for_strangers() {
    for reason in Reason::ALL.iter().filter(|reason| reason.http_status() != 429) {
        let response = refused(&RespondRejections::problems(), Request::new(()), Rejection::new(*reason, "secret"));
        let problem: Value = serde_json::from_slice(&text(response)).expect("JSON");
        assert_eq!(problem["status"], reason.http_status());
        assert!(!problem.to_string().contains("secret"), "{problem}");
    }
}

#[test]
fn a_closure_completes_the_answer() {
    let layer = RespondRejections::with(|rejection: &Rejection, response: Response<()>| {
        response.map(|()| Full::from(rejection.to_string()))
    });
    let rejection = Rejection::new(Reason::QueueFull, "q").with_retry_after(Duration::from_secs(1));
    let response = refused(&layer, Request::new(()), rejection);
    assert_eq!(
        (response.status(), &response.headers()["retry-after"]),
        (StatusCode::SERVICE_UNAVAILABLE, &HeaderValue::from_static("1"))
    );
    assert_eq!(text(response), b"q: the queue is full; try again in 1.0s");
    assert!(text(refused(&layer, grpc(), rejection)).is_empty());
}

/// hyper's `Incoming` and some bodies of tower-http cannot be made out of nothing.
#[test]
fn a_body_that_cannot_be_made_goes_beside_one_that_can() {
    let inner = || {
        service_fn(|refuse: Request<bool>| async move {
            match refuse.into_body() {
                true => Err(Error::<Infallible>::from(Rejection::new(Reason::QueueFull, "q"))),
                false => Ok(Response::new(Scripted::new(&[Step::Data("inner")]))),
            }
        })
    };
    let own =
        RespondRejections::with_own_body(|_: &Rejection, response: Response<()>| response.map(|()| Full::from("own")));
    for refuse in [false, true] {
        let response = tokio_test::block_on(own.layer(inner()).oneshot(Request::new(refuse))).expect("infallible");
        assert_eq!(text(response), if refuse { &b"own"[..] } else { b"inner" });
        let response = RespondRejections::problems().layer(inner()).oneshot(Request::new(refuse));
        let response = tokio_test::block_on(response).expect("infallible");
        assert_eq!(response.status().as_u16(), if refuse { 503 } else { 200 });
    }
}

#[test]
fn errors_of_the_inner_service_pass() {
    let inner = service_fn(|_: Request<()>| async { Err::<Response<Full<Bytes>>, _>(Error::Inner("on fire")) });
    let result = tokio_test::block_on(RespondRejections::new().layer(inner).oneshot(Request::new(())));
    assert_eq!(result.expect_err("inner"), "on fire");
}

#[test]
fn a_closure_that_panics_leaves_nothing_behind_and_the_service_goes_on() {
    let (layer, held) = (panicking(), Arc::new(AtomicUsize::new(0)));
    let counter = Arc::clone(&held);
    let mut service = layer.layer(service_fn(move |refuse: Request<bool>| {
        counter.fetch_add(1, SeqCst);
        let held = Held(Arc::clone(&counter));
        async move {
            let _held = held;
            match refuse.into_body() {
                true => Err(Error::<Infallible>::from(Rejection::new(Reason::QueueFull, "q"))),
                false => Ok(Response::new(Full::<Bytes>::default())),
            }
        }
    }));
    let mut future = Box::pin(service.call(Request::new(true)));
    let mut poll = || catch_unwind(AssertUnwindSafe(|| tokio_test::block_on(future.as_mut())));
    assert!(poll().is_err());
    assert_eq!(held.load(SeqCst), 0, "the inner future is gone before the answer is made");
    assert!(poll().is_err(), "and it is not polled again");
    assert!(tokio_test::block_on(service.call(Request::new(false))).is_ok());
}

struct Held(Arc<AtomicUsize>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

fn panicking() -> RespondRejections<impl Answer<Full<Bytes>, Body = Full<Bytes>>> {
    RespondRejections::with(|_: &Rejection, _: Response<()>| -> Response<Full<Bytes>> { panic!("scripted") })
}

proptest! {
    /// Names come from configuration files.
    #[test]
    fn whatever_the_name_a_problem_is_json(name: String) {
        let name: &'static str = name.leak();
        let response = refused(&RespondRejections::problems(), Request::new(()), Rejection::new(Reason::RateLimited, name));
        let problem: Value = serde_json::from_slice(&text(response)).expect("JSON");
        prop_assert_eq!(&problem["violated-policies"], &json!([name]));
    }

    #[test]
    fn whatever_the_content_type_there_is_one_answer(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let mut request = Request::new(());
        if let Ok(value) = HeaderValue::from_bytes(&bytes) {
            request.headers_mut().append(CONTENT_TYPE, value.clone());
            request.headers_mut().append(CONTENT_TYPE, value);
        }
        let response = refused(&RespondRejections::new(), request, Rejection::new(Reason::QueueFull, "q"));
        prop_assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}

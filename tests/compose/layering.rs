//! Layered, cloned and left out: who meets which state, in other people's builders too.

use std::{io, num::NonZeroU32, time::Duration};

use plimsoll::{
    BoxError, Outcome, Refusal, Stack,
    bulkhead::{self, Bulkhead},
    retry,
    shuffle_shard::sharded_bulkhead::{Settings, ShardedBulkhead},
    testing::{Mock, Reply},
};
use tower::{Layer, Service, ServiceBuilder, ServiceExt};

use crate::{is_full, one, refusal};

#[tokio::test]
async fn a_stack_is_a_layer_for_tower_and_inside_of_tower() {
    let hang = || Mock::new(|_, (): &()| Reply::<(), io::Error>::hang()).0;
    let stack = Stack::new().bulkhead(one());
    let built = ServiceBuilder::new()
        .layer(stack.clone().wrapping())
        .concurrency_limit(5)
        .service(hang().map_err(io::Error::from));
    assert!(refusal(built).await.rejection().is_some_and(is_full));
    let boxed =
        ServiceBuilder::new().layer(Stack::new().bulkhead(one())).timeout(Duration::from_secs(1)).service(hang());
    assert!(refusal(boxed).await.rejection().is_some_and(is_full));
}

/// A peer keeps its state in the service: every `Layer::layer` made a new limit, and on axum, which layers each route
/// and clones for each request, nothing was limited at all.
#[tokio::test]
async fn state_is_shared_however_often_a_stack_is_layered_or_cloned() {
    let (inner, _) = Mock::new(|_, (): &()| Reply::<(), io::Error>::hang());
    let stack = Stack::new().bulkhead(one());
    let mut first = stack.service(inner.clone());
    let mut others = [stack.service(inner.clone()), stack.clone().service(inner.clone()), first.clone()];
    let mut more = stack.clone().wrapping().layer(inner);
    let held = first.call(());
    for other in &mut others {
        assert!(other.call(()).await.expect_err("full").rejection().is_some_and(is_full));
    }
    assert!(more.call(()).await.expect_err("full").rejection().is_some_and(is_full));
    drop(held);
}

#[tokio::test]
async fn fresh_shares_settings_and_not_state() {
    let (inner, handle) = Mock::new(|_, (): &()| Reply::<(), io::Error>::hang());
    let bulkhead = Bulkhead::new(one());
    let mut first = Stack::new().bulkhead(bulkhead.clone()).service(inner.clone());
    let mut second = Stack::new().bulkhead(bulkhead.fresh()).service(inner);
    let _held = (first.call(()), second.call(()));
    assert_eq!(handle.in_flight(), 2);
}

#[cfg(feature = "http")]
#[tokio::test(start_paused = true)]
async fn routes_of_an_axum_router_meet_one_limit_and_callers_get_an_answer() {
    use axum::{Router, body::Body, routing::get};
    use http::{Request, StatusCode};
    use plimsoll::http::RespondRejections;

    let slow = || async { tokio::time::sleep(Duration::from_secs(1)).await };
    let stack = Stack::new().timeout(Duration::from_secs(5)).bulkhead(one());
    let app = Router::new()
        .route("/a", get(slow))
        .route("/b", get(slow))
        .route("/never", get(std::future::pending::<()>))
        .layer(ServiceBuilder::new().layer(RespondRejections::new()).layer(stack.wrapping()));
    let ask = |path: &str| {
        let request = Request::builder().uri(path).body(Body::empty()).expect("a request");
        let app = app.clone();
        async move { app.oneshot(request).await.expect("infallible").status() }
    };
    let (a, b) = tokio::join!(ask("/a"), ask("/b"));
    assert_eq!((a, b), (StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!(ask("/b").await, StatusCode::OK, "the permit came back");
    assert_eq!(ask("/never").await, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(ask("/a").await, StatusCode::OK, "and so did this one");
}

#[tokio::test]
async fn a_room_may_be_left_out() {
    let inner = || Mock::new(|_, (): &()| Reply::<(), io::Error>::hang()).0;
    let stack = |bulkhead: Option<Bulkhead>| Stack::new().gate(bulkhead);
    let open = stack(None).service(inner());
    let _both = (open.clone().call(()), open.clone().call(()));
    let closed = stack(Some(Bulkhead::new(one()))).service(inner());
    assert!(refusal(closed).await.rejection().is_some_and(is_full));
}

#[tokio::test(start_paused = true)]
async fn a_room_that_is_no_gate_may_be_left_out_too() {
    use plimsoll::timeout::TimeoutLayer;
    use tower::util::option_layer;

    for limit in [None, Some(Duration::from_secs(1))] {
        let (slow, _) = Mock::new(|_, (): &()| Reply::<(), io::Error>::ok(()).after(Duration::from_secs(2)));
        let stack = Stack::new().layer(option_layer(limit.map(TimeoutLayer::new))).bulkhead(one());
        let answer = stack.service(slow).oneshot(()).await;
        assert_eq!(answer.is_ok(), limit.is_none());
    }
}

/// A client that keeps its service in a struct wants `#[derive(Debug)]` there, and closures are not `Debug`.
#[test]
fn a_stack_with_hooks_and_its_service_can_be_printed() {
    let bulkhead = Bulkhead::new(bulkhead::Settings::try_new(7).expect("seven"));
    let stack = Stack::new()
        .classify(|_: Result<&u32, &BoxError>| Outcome::Success)
        .timeout(
            plimsoll::timeout::TimeoutLayer::new(Duration::from_secs(9))
                .deadline_by(|_: &u32| None::<plimsoll::clock::Instant>),
        )
        .retry(retry::RetryLayer::new(retry::Settings::new()).replay(|req: &u32, _: u32| Some(*req)))
        .bulkhead(bulkhead.weight_by(|weight: &u32| *weight))
        .sharded_bulkhead(ShardedBulkhead::new(Settings::new(NonZeroU32::MIN).with_seed(99), |whose: &u32| {
            u64::from(*whose)
        }));
    let service = stack.wrap(());
    for printed in [format!("{stack:?}"), format!("{service:?}")] {
        for part in ["limit: 9s", "attempts: 3", "limit: 7", "sharded_bulkhead", "seed: secret"] {
            assert!(printed.contains(part), "{part} is not in {printed}");
        }
    }
}

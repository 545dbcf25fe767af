//! The ready-made stacks of gRPC, over a real wire.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use plimsoll::{
    Reason,
    grpc::received,
    rate_limit::Quota,
    retry::{self, Backoff},
};
use tonic::{Code, Request, Status};
use tower::{ServiceExt, service_fn};

use crate::echo::{Echo, channel, say, serve, text};

#[test]
fn the_defaults_fit_together() {
    assert_eq!(plimsoll::grpc::server().warnings(), []);
    assert_eq!(plimsoll::grpc::client().warnings(), []);
    let client = plimsoll::grpc::client().stack().control();
    assert_eq!(client.labels().last(), Some("SendDeadline"));
}

#[tokio::test]
async fn calls_are_tried_again_and_refusals_are_understood_at_the_other_end() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = calls.clone();
    // It fails twice; and then says what it was told of attempts and time.
    let echo = Echo::new(move |req: Request<String>| {
        let call = counter.fetch_add(1, SeqCst);
        async move {
            let field = |name| req.metadata().get(name).and_then(|value| value.to_str().ok()).unwrap_or("none");
            match call {
                0 | 1 => Err(Status::unavailable("not yet")),
                _ => Ok(format!("{} {}", field("grpc-previous-rpc-attempts"), field("grpc-timeout") != "none")),
            }
        }
    });
    let quota = Quota::try_per_day(3).expect("not zero");
    let address = serve(plimsoll::grpc::server().with_rate_limit(quota).stack().wrapping(), echo).await;
    let channel = channel(address);
    let retry = retry::Settings::new().with_backoff(Backoff::IMMEDIATE);
    let stack = plimsoll::grpc::client().with_retry(retry).try_stack().expect("it fits");
    let client = stack.wrap(service_fn(move |req| say(channel.clone(), req)));

    let answer = client.clone().oneshot(text("lamp")).await.expect("the third time");
    assert_eq!(answer.into_inner(), "2 true");
    let refused = client.oneshot(text("lamp")).await.expect_err("three a day");
    assert_eq!(
        (refused.code(), received(&refused).map(|refusal| refusal.reason())),
        (Code::ResourceExhausted, Some(Reason::RateLimited))
    );
    assert_eq!(calls.load(SeqCst), 3);
}

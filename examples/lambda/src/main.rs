//! A function on AWS Lambda, behind an API gateway: refusals become answers, and a call that hangs is over before Lambda
//! ends it without a word. `cargo lambda watch` runs it on your machine.
//!
//! One process serves one request at a time by default, so concurrency limits are only for what the function calls.
//! What helps here is a timeout, and a circuit breaker around a dependency, whose state outlives the request, as the
//! process does.

use std::{io, time::Duration};

use lambda_http::{Body, Error, Request, Response, service_fn, tower::ServiceExt};
use plimsoll::{Stack, circuit_breaker, http::RespondRejections};

async fn look_up(item: String) -> Result<String, io::Error> {
    Ok(format!("{item}: 3 left"))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    // One second less than the function may take, by its configuration.
    let stack = Stack::new().layer(RespondRejections::new()).timeout(Duration::from_secs(2));
    let dependency = Stack::new()
        .circuit_breaker(circuit_breaker::Settings::new().with_name("inventory"))
        .timeout(Duration::from_secs(1));

    let inventory = dependency.service(service_fn(look_up));
    let handler = stack.service(service_fn(move |request: Request| {
        let item = request.uri().path().trim_matches('/').to_owned();
        let left = inventory.clone().oneshot(item);
        async move { Ok::<_, Error>(Response::new(Body::from(left.await?))) }
    }));
    lambda_http::run(handler).await
}

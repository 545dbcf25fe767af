//! A tonic server and its client, over loopback, with a stack on either side: what a full server says, who comes back when,
//! who is told not to, and how long a caller waits. It ends by itself.

mod echo;

use std::time::Duration;

use plimsoll::{
    Classify, Event, Gate, Outcome, Reason, Rejection, Stack, bulkhead,
    clock::Moment,
    gate::{Admission, Ending, Never},
    grpc::{self, Codes, Detailed, Resend},
    http::{RespondRejections, SendDeadline, TimeLeft, Trusted},
    retry::{self, Backoff, RetryLayer},
    timeout::TimeoutLayer,
};
use tonic::{Request, Response, Status};
use tower::{ServiceExt, service_fn};

use echo::{Echo, channel, say, serve, text};

const MS: Duration = Duration::from_millis(1);

/// Nobody gets a mountain here, today or tomorrow.
#[derive(Clone, Copy)]
struct NoMountains;

impl<B> Gate<http::Request<B>> for NoMountains {
    type Permit = ();
    type Wait = Never;

    fn admit(&self, req: &http::Request<B>, _: &Moment) -> Admission<(), Never> {
        if req.headers().contains_key("x-mountain") {
            return Admission::Refused(Rejection::new(Reason::TooExpensive, "no mountains"));
        }
        Admission::Admitted(())
    }

    fn settle(&self, (): (), _: Ending, _: &Moment) {}
}

/// One order at a time, and each takes 50 ms; the rest is told so at once.
async fn shop() -> Result<std::net::SocketAddr, plimsoll::InvalidSetting> {
    let deadline = Trusted::everybody().deadline(TimeLeft::grpc()).with_margin(10 * MS);
    let stack = Stack::new()
        .layer(RespondRejections::with(Detailed::new()))
        .timeout(TimeoutLayer::new(Duration::from_secs(2)).deadline_by(deadline))
        .gate(NoMountains)
        .bulkhead(bulkhead::Settings::try_new(1)?);
    let counter = Echo::new(|order: Request<String>| async move {
        tokio::time::sleep(50 * MS).await;
        Ok(format!("a {}", order.get_ref()))
    });
    Ok(serve(stack.wrapping(), counter).await)
}

/// Says what came of an order.
fn tell(who: &str, result: Result<Response<String>, Status>) {
    match result {
        Ok(answer) => println!("{who}: here is {}", answer.into_inner()),
        Err(status) => {
            let verdict = match Codes.classify(Err::<&Response<String>, _>(&status)) {
                Outcome::Success => "nothing is wrong with the shop",
                Outcome::Ignored => "which says nothing of the shop",
                _ => "the shop's trouble",
            };
            println!("{who}: {:?}, {:?}: {verdict}", status.code(), status.message());
            if let Some(refused) = grpc::received(&status) {
                println!("  {refused} (come back: {:?})", grpc::Pushback::of(&status));
            }
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = shop().await?;

    // One call, as a generated client makes it.
    let channel = channel(address);
    let order = service_fn(move |req: Request<String>| say(channel.clone(), req));
    let backoff = Backoff::try_new(20 * MS, 200 * MS)?.try_with_throttled_base(60 * MS)?;
    let patient = Stack::new()
        .observe(|event: &Event| println!("  {event:?}"))
        .classify(Codes)
        .timeout(Duration::from_secs(5))
        .retry(RetryLayer::new(retry::Settings::new().try_with_attempts(9)?.with_backoff(backoff)).replay(Resend))
        .layer(SendDeadline::new(TimeLeft::grpc()))
        .wrap(order.clone());

    println!("Two at once, and the shop serves one at a time:");
    let (ada, bob) = tokio::join!(patient.clone().oneshot(text("lamp")), patient.clone().oneshot(text("rug")));
    tell("ada", ada);
    tell("bob", bob);

    println!("What the shop will never do is not asked for twice:");
    let mut mountain = text("mountain");
    mountain.metadata_mut().insert("x-mountain", "yes".parse()?);
    tell("cleo", patient.oneshot(mountain).await);

    println!("Who has 30 ms left says so, and the shop does not work longer on it:");
    let hasty = Stack::new().classify(Codes).timeout(30 * MS).layer(SendDeadline::new(TimeLeft::grpc())).wrap(order);
    tell("dan", hasty.oneshot(text("chair")).await);
    Ok(())
}

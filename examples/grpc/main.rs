//! A tonic server and its client, both generated, over loopback, with a stack on either side: what a full server says,
//! who is told to come back and when, who is told not to, and how long a caller waits. It ends by itself.

mod codec;
#[allow(clippy::all, unreachable_pub, reason = "generated")]
mod shop;

use std::{net::SocketAddr, time::Duration};

use plimsoll::{
    BoxError, Classify, Event, Gate, Outcome, Reason, Rejection, Stack, bulkhead, circuit_breaker,
    classify::Health,
    clock::Moment,
    gate::{Admission, Ending, Never},
    grpc::{self, Codes, Detailed, Resend},
    http::{RespondRejections, SendDeadline, TimeLeft, Trusted},
    retry::{self, Backoff, RetryLayer},
    timeout::TimeoutLayer,
};
use tonic::{
    Request, Response, Status,
    transport::{Channel, Server, server::TcpIncoming},
};
use tower::{ServiceExt, service_fn};

use shop::{
    shop_client::ShopClient,
    shop_server::{Shop, ShopServer},
};

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

/// Takes orders, 50 ms each.
struct Counter;

#[tonic::async_trait]
impl Shop for Counter {
    async fn order(&self, order: Request<String>) -> Result<Response<String>, Status> {
        tokio::time::sleep(50 * MS).await;
        Ok(Response::new(format!("a {}", order.get_ref())))
    }
}

/// One order at a time; the others hear so at once.
fn serve() -> Result<SocketAddr, BoxError> {
    let deadline = Trusted::everybody().deadline(TimeLeft::grpc()).with_margin(10 * MS);
    let stack = Stack::new()
        .layer(RespondRejections::with(Detailed::new()))
        .timeout(TimeoutLayer::new(Duration::from_secs(2)).deadline_by(deadline))
        .gate(NoMountains)
        .bulkhead(bulkhead::Settings::try_new(1)?);
    let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into())?;
    let address = incoming.local_addr()?;
    let server = Server::builder().layer(stack.wrapping()).add_service(ShopServer::new(Counter));
    tokio::spawn(server.serve_with_incoming(incoming));
    Ok(address)
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
async fn main() -> Result<(), BoxError> {
    let address = serve()?;
    let channel = Channel::from_shared(format!("http://{address}"))?.connect_lazy();

    // Around each call of a generated client, where calls can be had again.
    let shop = ShopClient::new(channel.clone());
    let order = service_fn(move |order: Request<String>| {
        let mut shop = shop.clone();
        async move { shop.order(order).await }
    });
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

    println!("A stack below a generated client leaves it as it is:");
    let guard = Stack::new()
        .classify(Health::of(Codes))
        .circuit_breaker(circuit_breaker::Settings::new())
        .timeout(Duration::from_secs(1));
    let mut shop = ShopClient::new(guard.service(channel).map_err(Status::from));
    tell("eve", shop.order("vase".to_owned()).await);
    Ok(())
}

fn text(text: &str) -> Request<String> {
    Request::new(text.to_owned())
}

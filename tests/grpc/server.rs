//! What a client sees of refusals on a server.

use std::{convert::Infallible, sync::Arc, time::Duration};

use plimsoll::{
    Error, Gate, Ratio, Reason, Rejection, Stack,
    bulkhead::{self, Bulkhead},
    clock::Moment,
    gate::{Admission, Ending, Never},
    grpc::{self, Detailed, Pushback},
    http::{RespondRejections, respond},
};
use tonic::{Code, Request, Response, Status};
use tonic_types::StatusExt;
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

use crate::echo::{Echo, channel, say, serve, text};

/// A handler that answers with the text that it was sent.
fn plain() -> Echo {
    Echo::new(|req: Request<String>| async { Ok(req.into_inner()) })
}

/// A handler that is a service: a stack around one.
fn behind<S>(service: S) -> Echo
where
    S: Service<Request<String>, Response = Response<String>, Error = Status> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    Echo(Arc::new(move |req| Box::pin(service.clone().oneshot(req))))
}

/// Refuses for the reason whose number a field says, and else lets through.
#[derive(Clone, Copy)]
struct Refuse;

impl<B> Gate<http::Request<B>> for Refuse {
    type Permit = ();
    type Wait = Never;

    fn admit(&self, req: &http::Request<B>, _: &Moment) -> Admission<(), Never> {
        let number = |name| req.headers().get(name)?.to_str().ok()?.parse::<usize>().ok();
        let Some(reason) = number("x-reason").and_then(|number| Reason::ALL.get(number)) else {
            return Admission::Admitted(());
        };
        let rejection = Rejection::new(*reason, "secret-name");
        Admission::Refused(match number("x-millis") {
            Some(millis) => rejection.with_retry_after(Duration::from_millis(millis as u64)),
            None => rejection,
        })
    }

    fn settle(&self, (): (), _: Ending, _: &Moment) {}
}

fn ask(reason: usize, millis: Option<u64>) -> Request<String> {
    let mut req = text("lamp");
    req.metadata_mut().insert("x-reason", reason.into());
    if let Some(millis) = millis {
        req.metadata_mut().insert("x-millis", millis.into());
    }
    req
}

/// What arrives for each reason, with and without a hint.
async fn every_reason_is_exact(address: std::net::SocketAddr) {
    let channel = channel(address);
    for (number, reason) in Reason::ALL.iter().enumerate() {
        for millis in [None, Some(1500)] {
            let status = say(channel.clone(), ask(number, millis)).await.expect_err("refused");
            let case = format!("{reason:?} {millis:?}");
            assert_eq!(i32::from(status.code()), reason.grpc_code(), "{case}");
            assert!(!matches!(status.code(), Code::Internal | Code::Unknown), "{case}");
            assert_eq!(status.message(), reason.to_string(), "{case}");
            let pushback = status.metadata().get("grpc-retry-pushback-ms").map(|value| value.to_str().expect("digits"));
            let hint = millis.filter(|_| reason.is_retryable()).map(Duration::from_millis);
            let expected = if reason.is_retryable() { hint.map(|_| "1500") } else { Some("-1") };
            assert_eq!(pushback, expected, "{case}");
            let retry_info = status.get_details_retry_info().and_then(|info| info.retry_delay);
            assert_eq!(retry_info, hint, "{case}");
            let refused = grpc::received(&status).expect("of ours");
            assert_eq!((refused.reason(), refused.retry_after()), (*reason, hint), "{case}");
            assert!(!refused.was_dispatched(), "{case}");
            assert!(!format!("{status:?}").contains("secret-name"), "{case}: names stay where they are");
        }
    }
    // And the connection was not the worse for it.
    assert_eq!(say(channel, text("lamp")).await.expect("served").into_inner(), "lamp");
}

#[tokio::test]
async fn every_reason_arrives_exactly_through_map_err() {
    let stack = Stack::new().gate(Refuse).wrapping();
    let layer = ServiceBuilder::new().map_err(|error: Error<Infallible>| Status::from(error)).layer(stack);
    every_reason_is_exact(serve(layer.into_inner(), plain()).await).await;
}

#[tokio::test]
async fn every_reason_arrives_exactly_through_the_responder() {
    let stack = Stack::new().layer(RespondRejections::with(Detailed::new())).gate(Refuse);
    every_reason_is_exact(serve(stack.wrapping(), plain()).await).await;
}

/// What is set otherwise than in the table is told so in details too, and a hint is the same in both places.
#[tokio::test]
async fn details_say_what_the_responder_is_set_to() {
    let settings = respond::Settings::new().try_with_grpc_code(Reason::QueueFull, 8).expect("a code");
    let responder = RespondRejections::with(Detailed::new()).settings(settings.with_jitter(Ratio::ONE));
    let address = serve(Stack::new().layer(responder).gate(Refuse).wrapping(), plain()).await;
    let number = |reason| Reason::ALL.iter().position(|known| *known == reason).expect("known");
    let full = say(channel(address), ask(number(Reason::QueueFull), Some(1500))).await.expect_err("refused");
    assert_eq!(full.code(), Code::ResourceExhausted);
    let open = say(channel(address), ask(number(Reason::CircuitOpen), Some(1500))).await.expect_err("refused");
    let pushback = Pushback::of(&open).expect("known");
    let retry_info = open.get_details_retry_info().and_then(|info| info.retry_delay).expect("known");
    assert_eq!(pushback, Pushback::After(retry_info));
    assert!(retry_info >= Duration::from_millis(1500));
}

/// Without details, what there is to say is in the code and in the pushback, which every client of gRPC knows.
#[tokio::test]
async fn a_plain_responder_says_code_and_pushback() {
    let address = serve(Stack::new().layer(RespondRejections::new()).gate(Refuse).wrapping(), plain()).await;
    for (number, reason) in Reason::ALL.iter().enumerate() {
        let status = say(channel(address), ask(number, Some(1500))).await.expect_err("refused");
        assert_eq!((i32::from(status.code()), status.message()), (reason.grpc_code(), &*reason.to_string()));
        let after = Pushback::After(Duration::from_millis(1500));
        assert_eq!(Pushback::of(&status), Some(if reason.is_retryable() { after } else { Pushback::Never }));
        assert_eq!(grpc::received(&status), None);
    }
}

/// A stack around a handler itself: its error is a status already, so it is `wrap`, and refusals are statuses.
#[tokio::test]
async fn a_stack_around_a_handler_refuses_in_statuses() {
    let full = Bulkhead::new(bulkhead::Settings::try_new(1).expect("one"));
    let handle = full.handle();
    let waits = service_fn(|_: Request<String>| std::future::pending::<Result<Response<String>, Status>>());
    let address = serve(tower::layer::util::Identity::new(), behind(Stack::new().bulkhead(full).wrap(waits))).await;
    let first = tokio::spawn(say(channel(address), text("first")));
    while handle.snapshot().in_use == 0 {
        tokio::task::yield_now().await;
    }
    let status = say(channel(address), text("second")).await.expect_err("refused");
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "the bulkhead is full"));
    assert_eq!(Pushback::of(&status), None);
    first.abort();
}

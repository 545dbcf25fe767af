//! At home in gRPC: refusals become statuses, statuses are judged, and client and server keep gRPC's rules for retries
//! and deadlines.
//!
//! Feature `grpc`. tonic's types are part of the interface, so this feature is bound to tonic 0.14.
//!
//! [`server`] and [`client`] are whole stacks, with the recommended order and [defaults](crate::ready). Built by hand,
//! a part at a time:
//!
//! # A server
//! ```
//! # #[cfg(feature = "grpc")]
//! # {
//! use std::time::Duration;
//! use plimsoll::{
//!     Stack, grpc::Detailed,
//!     http::{RespondRejections, TimeLeft, Trusted},
//!     load_shed, surge_queue,
//!     timeout::TimeoutLayer,
//! };
//!
//! # async fn serve(greeter: tonic::service::Routes) -> Result<(), tonic::transport::Error> {
//! # let addr = ([127, 0, 0, 1], 0).into();
//! let deadline = Trusted::everybody().deadline(TimeLeft::grpc());
//! let stack = Stack::new()
//!     .layer(RespondRejections::with(Detailed::new()))
//!     .timeout(TimeoutLayer::new(Duration::from_secs(10)).deadline_by(deadline))
//!     .overload_control(surge_queue::Settings::new(), load_shed::Settings::new());
//! tonic::transport::Server::builder().layer(stack.wrapping()).add_routes(greeter).serve(addr).await
//! # }
//! # }
//! ```
//!
//! * [`RespondRejections`](crate::http::RespondRejections) answers a refused caller with the code, text and pushback
//!   that fit the [reason](crate::Reason). Without it tonic takes a refusal for an error and breaks the stream: the
//!   caller hears `INTERNAL`. [`Detailed`] adds details, for clients that read them.
//! * [`Trusted::deadline`](crate::http::Trusted::deadline) of [`TimeLeft::grpc`](crate::http::TimeLeft::grpc) heeds the
//!   caller's `grpc-timeout`. A tonic server ends calls at their deadline by itself, and says `CANCELLED`; a timeout of
//!   ours comes first, and says `DEADLINE_EXCEEDED`. A caller that leaves at that very moment, as tonic's clients do,
//!   hears neither; with [`with_margin`](crate::http::Believed::with_margin) the answer comes a little earlier.
//! * Put a stack around a handler whose error is a [`Status`](tonic::Status) with [`Stack::wrap`](crate::Stack::wrap).
//!
//! # A client
//! ```
//! # #[cfg(feature = "grpc")]
//! # fn main() -> Result<(), plimsoll::InvalidSetting> {
//! use std::time::Duration;
//! use plimsoll::{
//!     Stack, circuit_breaker,
//!     grpc::{Codes, Resend},
//!     http::{SendDeadline, TimeLeft},
//!     retry::{self, RetryLayer},
//! };
//! use tonic::{Request, Response, Status};
//! use tower::service_fn;
//!
//! # #[derive(Clone)] struct GreeterClient;
//! # impl GreeterClient {
//! #     async fn say_hello(&mut self, req: Request<String>) -> Result<Response<String>, Status> {
//! #         Ok(Response::new(req.into_inner()))
//! #     }
//! # }
//! # let client = GreeterClient;
//! // `client` is generated; a call is a clone and a message.
//! let say_hello = service_fn(move |req: Request<String>| {
//!     let mut client = client.clone();
//!     async move { client.say_hello(req).await }
//! });
//!
//! let stack = Stack::new()
//!     .classify(Codes)
//!     .timeout(Duration::from_secs(5))
//!     .retry(RetryLayer::new(retry::Settings::new()).replay(Resend))
//!     .circuit_breaker(circuit_breaker::Settings::new())
//!     .timeout(Duration::from_secs(1))
//!     .layer(SendDeadline::new(TimeLeft::grpc()).with_margin(Duration::from_millis(5)));
//! let greeter = stack.wrap(say_hello);
//! # let _ = greeter;
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "grpc"))]
//! # fn main() {}
//! ```
//!
//! * [`Codes`] judges: which codes are failures, and which are tried again. `grpc-retry-pushback-ms` is obeyed, as a
//!   lower bound to which our own delay is added, or as "never"; so is a `RetryInfo` in the details.
//! * [`Resend`] copies calls for another attempt. A [`Throttle`](crate::retry::Throttle) bounds retries as other gRPC
//!   clients do: while most calls fail there are none at all. The default, a [`Budget`](crate::retry::Budget), then
//!   lets one through now and then.
//! * [`SendDeadline`](crate::http::SendDeadline) writes what is left into `grpc-timeout`, less a margin.
//! * [`received`] finds out from a status what was refused *there*, and why.
//!
//! A stack may also go below a generated client, around a `Channel`, where requests and responses are HTTP's:
//! `GreeterClient::new(stack.service(channel).map_err(Status::from))`. The `map_err` makes a status of every refusal;
//! without it tonic calls them `UNKNOWN`. There [`Codes`] sees only the
//! [head](ToOutcome#impl-ToOutcome-for-Response<B>) of a response, and a retry needs
//! [`ReplayBodies`](crate::http::ReplayBodies) and a `Channel` that takes them:
//! `channel.map_request(|req: http::Request<Replay<Body>>| req.map(Body::new))`.
//!
//! tonic itself retries only what was never sent. But its `Endpoint::timeout`, and the `grpc-timeout` that it sends,
//! end a call as `CANCELLED`; [`status_of`] and [`Codes`] recognise that as a deadline.
//!
//! # On the wire
//! | | said | read |
//! |---|---|---|
//! | `grpc-status` | by the table of [reasons](crate::Reason) | [`Codes`] |
//! | `grpc-message` | the text of the reason, without the layer's name | |
//! | `grpc-retry-pushback-ms` | when to come back, where that is known, rounded up; `-1` where a retry is of no use | [`Pushback`] |
//! | `google.rpc.RetryInfo` | the same; nothing where a retry is of no use | where there is no pushback |
//! | `google.rpc.ErrorInfo` | the reason (`QUEUE_FULL`), the domain `plimsoll`, and `dispatched` if it may have been | [`received`] |
//! | `grpc-timeout` | what is left, in the finest unit that eight digits allow, rounded down | one to eight digits and a unit; anything else counts as absent |
//! | `grpc-previous-rpc-attempts` | by [`Resend`] | |
//!
//! After [PROTOCOL-HTTP2](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md), gRPC's proposal
//! [A6](https://github.com/grpc/proposal/blob/master/A6-client-retries.md), and
//! [error_details.proto](https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto). What
//! comes from the other side may be anything; what makes no sense counts as absent, or in pushback as "never", as A6
//! has it.
//!
//! A refusal costs no allocation in the stack; its status does, as does every status of tonic's.

mod codes;
mod detailed;
mod details;
mod outcome;
mod pushback;
mod request;
mod status;
mod wire;

pub use self::{
    codes::Codes,
    detailed::Detailed,
    outcome::ToOutcome,
    pushback::Pushback,
    request::Resend,
    status::{received, status_of},
};
pub use crate::ready::grpc::{GrpcClient, GrpcClientStack, GrpcServer, GrpcServerStack, GrpcTimeout, client, server};

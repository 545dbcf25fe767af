//! At home in gRPC: refusals become statuses, statuses are judged, and both ends keep to gRPC's rules for retries and
//! deadlines.
//!
//! Feature `grpc`. tonic's types are in the interface, so this feature is bound to its version, 0.14.
//!
//! [`server`] and [`client`] are whole stacks, with the recommended order and [defaults](crate::ready). By hand, and in parts:
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
//! * [`RespondRejections`](crate::http::RespondRejections) answers whoever was refused with the code, the text and the pushback
//!   that are right for the [reason](crate::Reason). Without it a refusal is an error to tonic, which breaks the stream: the
//!   caller hears `INTERNAL`. [`Detailed`] adds details, for those who read them.
//! * [`Trusted::deadline`](crate::http::Trusted::deadline) of [`TimeLeft::grpc`](crate::http::TimeLeft::grpc) heeds the
//!   caller's `grpc-timeout`. A tonic server ends calls at their deadline by itself, and says `CANCELLED`; a timeout of ours
//!   comes first, and says `DEADLINE_EXCEEDED`. Neither is heard by a caller who left at that moment, as tonic's clients do;
//!   [`with_margin`](crate::http::Believed::with_margin) is through a little earlier.
//! * A stack around a handler, whose error is a [`Status`](tonic::Status), goes on by [`Stack::wrap`](crate::Stack::wrap).
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
//! * [`Codes`] judges: which codes are failures, and which are tried again. `grpc-retry-pushback-ms` is kept to, a lower bound
//!   to which our own delay is added, or "never"; so is a `RetryInfo` in the details.
//! * [`Resend`] copies calls for another attempt. A [`Throttle`](crate::retry::Throttle) bounds retries as other
//!   clients of gRPC do, which stop altogether while most calls fail; the default, a [`Budget`](crate::retry::Budget), lets one
//!   go now and then.
//! * [`SendDeadline`](crate::http::SendDeadline) writes what is left into `grpc-timeout`, less a margin.
//! * What was refused *there*, and why, [`received`] finds in a status.
//!
//! Or below a generated client, around a `Channel`, where requests and answers are HTTP's:
//! `GreeterClient::new(stack.service(channel).map_err(Status::from))`. The last part makes a status of every refusal; without
//! it tonic says `UNKNOWN` of them. There [`Codes`] sees no more than the [head](ToOutcome#impl-ToOutcome-for-Response<B>) of
//! an answer, and a retry needs [`ReplayBodies`](crate::http::ReplayBodies) and a `Channel` that takes them:
//! `channel.map_request(|req: http::Request<Replay<Body>>| req.map(Body::new))`.
//!
//! tonic itself tries again only what was never sent. But its `Endpoint::timeout`, and the `grpc-timeout` that it sends, end
//! a call as `CANCELLED`; [`status_of`] and [`Codes`] take that for the deadline that it is.
//!
//! # On the wire
//! | | said | read |
//! |---|---|---|
//! | `grpc-status` | by the table of [reasons](crate::Reason) | [`Codes`] |
//! | `grpc-message` | the text of the reason, and no name of a layer | |
//! | `grpc-retry-pushback-ms` | when to come back, where that is known, rounded up; `-1` where it is of no use | [`Pushback`] |
//! | `google.rpc.RetryInfo` | the same; nothing where it is of no use | where there is no pushback |
//! | `google.rpc.ErrorInfo` | the reason (`QUEUE_FULL`), the domain `plimsoll`, and `dispatched` if it may have been | [`received`] |
//! | `grpc-timeout` | what is left, in the finest unit that eight digits allow, rounded down | one to eight digits and a unit; else nothing was said |
//! | `grpc-previous-rpc-attempts` | by [`Resend`] | |
//!
//! After [PROTOCOL-HTTP2](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md), gRPC's proposal
//! [A6](https://github.com/grpc/proposal/blob/master/A6-client-retries.md), and
//! [error_details.proto](https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto). What comes from
//! the other side may be anything; what makes no sense says nothing, or for pushback "never", as A6 has it.
//!
//! A refusal costs no allocation in the stack; its status does, as every one of tonic's.

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

//! Test how your service fails, without a service that fails.
//!
//! [`Mock`] is a service that does as it is told: answer, fail, take its time, hang, panic, refuse to become ready.
//! Its [`Handle`] tells what was asked of it: how many calls, how many at once, how many were given up.
//!
//! Under `tokio::time::pause` an hour passes in no time, and everything in this library goes by that clock.
//!
//! ```
//! use std::time::Duration;
//! use plimsoll::{Error, Reason, Stack, testing::{Mock, Reply}};
//! use tower::Service;
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! // Answers the first call after five seconds, and hangs from the second on.
//! let (mock, handle) = Mock::new(|call, name: &&str| match call {
//!     0 => Reply::ok(format!("hello {name}")).after(Duration::from_secs(5)),
//!     _ => Reply::<_, std::io::Error>::hang(),
//! });
//! let mut service = Stack::new().timeout(Duration::from_secs(10)).service(mock);
//!
//! assert_eq!(service.call("you").await.unwrap(), "hello you");
//! let error = service.call("you").await.unwrap_err();
//! assert!(matches!(error, Error::Rejected(r) if r.reason() == Reason::Timeout));
//! assert_eq!((handle.calls(), handle.answered(), handle.abandoned()), (2, 1, 1));
//! # }
//! ```

mod agenda;
mod attempts;
mod client;
mod curve;
mod engine;
mod fluid;
mod load;
mod mock;
mod people;
mod reply;
mod report;
mod server;
mod simulation;
mod span;
mod tally;
mod world;

pub use self::{
    client::{Arrival, Client, Verdict},
    curve::Curve,
    load::Load,
    mock::{Handle, Mock, MockFuture},
    reply::{Readiness, Reply},
    report::{Comparison, Report},
    server::{Before, BeforeFuture, Broken, Model, Served, Server},
    simulation::{Run, Simulation, Traffic, simulate},
    span::Span,
};

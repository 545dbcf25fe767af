//! Test how your service fails, without a service that fails.
//!
//! | you want to know | take |
//! |---|---|
//! | what your code does when a call fails, hangs, or is slow | a [`Mock`] |
//! | whether your stack survives a spike, a slow dependency, a retry storm | a [`Simulation`] |
//!
//! Under `tokio::time::pause` an hour passes in no time, and everything in this library goes by that clock.
//!
//! # A service that does as it is told
//! [`Mock`] is a service that answers, fails, takes its time, hangs, panics, or refuses to become ready, as its script
//! says. Its [`Handle`] tells what was asked of it: how many calls, how many at once, how many were abandoned.
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
//!
//! # A world that is overloaded
//! A [`Simulation`] plays thousands of callers against your own stack, the very one that serves in production, in
//! virtual time. Only what is behind the stack, and who calls it, is modelled:
//!
//! | | is | says |
//! |---|---|---|
//! | [`Server`] | a tower service, for a [`Model`] | how a machine is shared among requests: cores, a pool, a law; how much work each is; when the machine is slow; what it does about callers that hang up |
//! | [`Load`] | requests over time | a rate with spikes, ramps and waves, or callers in a loop |
//! | [`Client`] | who sends them | how long it waits, how it retries, whether the server notices that it has gone |
//! | [`Report`] | what became of them | goodput against the best possible, latency, refusals and their reasons, wasted work, fairness, recovery |
//!
//! ```
//! use std::time::Duration;
//! use plimsoll::{Stack, bulkhead, testing::{Client, Load, Model, Simulation}};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (secs, ms) = (Duration::from_secs, Duration::from_millis);
//!
//! // #[tokio::test(start_paused = true)]
//! let sim = Simulation::new(7);                                          // a seed
//! let database = sim.server(Model::knee());                              // 8 cores, 800 requests a second at best
//! let bulkhead = bulkhead::Settings::try_new(16)?.with_wait(16, ms(50));
//! let stack = Stack::new().timeout(secs(1)).bulkhead(bulkhead);
//!
//! let report = sim
//!     .load(Load::poisson(560.0).spike(secs(2)..secs(4), 4000.0))        // five times too much, for two seconds
//!     .client(Client::new().timeout(secs(1)).retries(3, ms(10)..=ms(50)))
//!     .measure(secs(1)..secs(20))
//!     .run(stack.service(database), |arrival| arrival.number)           // your request
//!     .await;
//!
//! println!("{report}");                                                  // a table
//! assert!(report.goodput() >= 0.9, "{report}");
//! assert!(report.recovery(secs(4)).is_some_and(|after| after < ms(500)), "{report}");
//! # Ok(())
//! # }
//! ```
//!
//! For several loads at once, each with its own clients and its own service, call [`Traffic::to`] for each, and then
//! [`Run::play`]: four instances in front of one database, a noisy neighbour, a batch job. [`simulate`] brings its own
//! runtime, for examples and plain tests; [`Report::beside`] prints several reports as one table.
//!
//! # How exact it is
//! * Arrivals, answers, timeouts and retries happen at their nanosecond. tokio's timers, those of the layers in your
//!   stack among them, fire at the millisecond at which tokio would fire them, whatever else happens. At any one
//!   instant servers answer first, then what is ready is polled in the order in which it was woken, then callers act.
//! * A server's speed depends on its load at that very moment. Between changes it is exact; speeds that change smoothly
//!   are held for a millisecond.
//! * The models behave as queueing theory says: M/M/1, M/M/c and M/D/1 queues, processor sharing, the universal
//!   scalability law.
//! * The same seed gives the same report to the last digit, as long as your services do nothing random: give their
//!   [`Chance`](crate::chance::Chance) a seed. Loads draw from sources of their own, so two stacks are compared on the
//!   very same requests.
//! * Your own code takes no time. What a refusal costs a server is for the model to say
//!   ([`Model::refusal_cost`]).
//! * One seed is one day. Before you believe a difference of a few per cent, play sixteen of them.
//!
//! # What it costs
//! About a microsecond for each attempt, more where your stack takes more, and as much for each millisecond of virtual
//! time; ten times that in a debug build. Ten seconds at ten times the load with naive retries (300,000 attempts) take
//! a quarter of a second. Memory is that of the attempts under way, and about 40 bytes for each request.
//!
//! # What it does not do
//! It polls everything on one thread, so it finds no data races. It knows nothing of networks, garbage collection or an
//! operating system's scheduler but what you put into the [`Model`]. A service that hands requests to tasks of its own
//! (tower's `Buffer`) is simulated correctly, but a server behind it knows neither their class nor whether it worked in
//! vain. A future that yields to the runtime (`tokio::task::yield_now`) has its next turn at the next millisecond.
//!
//! # Cancel safety
//! Dropping the future of a run drops everything under way in it. The simulation can be played again.

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
mod run;
mod server;
mod simulation;
mod span;
mod tally;
mod traffic;
mod world;

pub use self::{
    client::{Arrival, Client, Verdict},
    curve::Curve,
    load::Load,
    mock::{Handle, Mock, MockFuture},
    reply::{Readiness, Reply},
    report::{Comparison, Report},
    run::Run,
    server::{Before, BeforeFuture, Broken, Model, Served, Server},
    simulation::{Simulation, simulate},
    span::Span,
    traffic::Traffic,
};

//! plimsoll: composable [`tower`](https://docs.rs/tower) layers that keep a service alive when its load, its
//! dependencies or its neighbours misbehave.
//!
//! *The Plimsoll line is the mark on a ship's hull that shows how deep it may be loaded.*
//!
//! ```
//! use std::time::Duration;
//! use plimsoll::{Error, Stack, bulkhead, circuit_breaker, retry};
//! use tower::{ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // For a client; the outermost first.
//! let stack = Stack::new()
//!     .timeout(Duration::from_secs(5))                       // the whole call
//!     .retry(retry::Settings::new())                         // failed attempts again, within a budget
//!     .bulkhead(bulkhead::Settings::try_new(64)?)            // 64 at once
//!     .circuit_breaker(circuit_breaker::Settings::new())     // not while the callee is down
//!     .timeout(Duration::from_secs(1));                      // each attempt
//!
//! let inventory = stack.service(service_fn(|item: &'static str| async move {
//!     Ok::<_, std::io::Error>(format!("{item}: 3 left"))
//! }));
//!
//! match inventory.oneshot("lamp").await {
//!     Ok(answer) => println!("{answer}"),
//!     Err(Error::Rejected(rejection)) => println!("not now: {rejection}"),
//!     Err(Error::Inner(error)) => println!("failed: {error}"),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A server against overload: it finds out how many requests at once it handles well; a burst waits for a moment, the
//! important first; and the rest is refused at once:
//!
//! ```
//! use plimsoll::{Stack, load_shed, surge_queue};
//!
//! let stack = Stack::new().overload_control(surge_queue::Settings::new(), load_shed::Settings::new());
//! # let _ = stack;
//! ```
//!
//! Both stacks, with what else belongs in them, are [ready-made](ready): [`server()`] and [`client()`] have the
//! recommended order and reasoned defaults, and `try_stack` refuses settings that cannot have been meant.
//!
//! ```
//! let orders = plimsoll::server().with_timeout(std::time::Duration::from_secs(2)).try_stack()?;
//! let inventory = plimsoll::client().with_name("inventory").try_stack()?;
//! # let _ = (orders, inventory);
//! # Ok::<_, plimsoll::ready::Misfit>(())
//! ```
//!
//! # The rooms
//!
//! | room | premise | it |
//! |---|---|---|
//! | [`timeout`] | Don't wait for ever. | bounds |
//! | [`bulkhead`] | Keep one thing's trouble in its own compartment. | refuses, or waits |
//! | [`rate_limit`] | Not more often than was agreed. | refuses, or waits |
//! | [`load_shed`] | Take on what you can serve well, and refuse the rest at once. | refuses, and measures |
//! | [`work_budget`] | Let every request do a similar amount of work, and no more. | refuses, or waits; bounds |
//! | [`surge_queue`] | Let a burst wait its turn, and refuse at once what cannot be served in time. | waits, or refuses |
//! | [`circuit_breaker`] | Stop calling what keeps failing. | refuses |
//! | [`retry`] | Try again what failed by chance, and not what failed by overload. | tries again |
//! | [`shuffle_shard`] | Give each tenant their own hand of nodes. | routes, or refuses |
//! | [`meter`] | Know how calls end, and how long they take. | counts |
//! | [`keyed`] | To each key its own gate, and never more of them than there is room for. | as each gate does |
//! | [`gate`] | A room of your own. | as you say |
//!
//! Each page says why, when and when not, what callers see, where in a stack the room belongs, and why each default is
//! what it is. The [`guide`] is about stacks; begin with [what goes wrong](guide::choose).
//!
//! # The floor plan
//!
//! Imports point downstairs, rooms do not know one another, and thought is kept apart from plumbing: no wakers, no
//! clock, and plain tests. `tests/house.rs` enforces this.
//!
//! | I want to change… | open… |
//! |---|---|
//! | how layers are put together | `builder.rs`; how a stack goes around a service: `builder/around.rs`; what it says about itself: `builder/seen.rs` |
//! | what a refusal says, or its HTTP and gRPC status | `rejection.rs`, its one table |
//! | what ready-made stacks are made of, and their defaults | `ready/server/`, `ready/client/`; what results mean in them: `classify/health.rs`, `ready/served.rs` |
//! | what does not fit together | `lint/rule.rs`, what is said; `lint/rules.rs`, how it is found |
//! | the error type of a stack | `error.rs`, `lift/` |
//! | what counts as a failure, and what is only "not now" | `classify.rs` |
//! | what is asked of a request | `request/questions.rs` |
//! | what is carried with a request, or known on its thread | `request/carried.rs`, `request/scope.rs` |
//! | what is announced | `event.rs`; how it is heard: `event/listen.rs`; who counts it or logs it: `telemetry/counters.rs`, `telemetry/tracing.rs` |
//! | what a metric is called | `telemetry/metric.rs`, its one table; its labels: `telemetry/names.rs` |
//! | what a layer says about itself | `control/rooms/`, a file for each room |
//! | how layers are found by name | `control/registry.rs` |
//! | where metrics go | `export/`, a file for each system |
//! | time, randomness | `clock.rs`, `chance.rs` |
//! | how numbers are parsed | `settings.rs`, and each room's `settings.rs` |
//! | readiness, cancellation, panics, clock reads of every gate | `gate/` |
//! | a gate for each kind of request | `gate/per_kind.rs`; one that some requests bypass: `gate/unless.rs` |
//! | a gate for each key, and which keys may be forgotten | `keyed/shard.rs`; what becomes of a new key: `keyed/newcomer.rs` |
//! | how turns are handed over | `sync/turn.rs`, `sync/waiters.rs` |
//! | how slots are reused without a lock | `sync/slots.rs` |
//! | sliding windows, histograms, heavy hitters | `stats/` |
//! | what is counted of calls | `meter/tally.rs`; without contention between threads: `sync/striped.rs` |
//! | when a circuit opens and closes | `circuit_breaker/machine.rs` |
//! | how often is too often, and how exactly | `rate_limit/scale.rs`, `rate_limit/gcra.rs`; without a lock: `rate_limit/meter.rs` |
//! | who gets a permit, and who waits for one | `limit/pools.rs`, `limit/queue.rs`; the plumbing: `limit/permits.rs` |
//! | who waits for a turn, and what several quotas say | `rate_limit/desk.rs`, `rate_limit/plan.rs`, `rate_limit/quotas.rs` |
//! | what a request may spend | `work/ledger.rs`, `work/handle.rs`; where it is found: `work/scope.rs`, `work/carry.rs` |
//! | what a request takes from a work budget | `work_budget/tariff.rs`; how estimates are corrected: `work_budget/corrections.rs` |
//! | what a queue may stand in front of | `limit/` |
//! | how a limit is found | `load_shed/rules/`, a file for each rule |
//! | what a rule is shown, and when | `load_shed/window.rs`, `load_shed/controller.rs` |
//! | what counts as a sample | `load_shed/limiter.rs`; how samples are kept: `load_shed/samples.rs` |
//! | which places count, and which are parked | `load_shed/parking.rs`; who goes beyond the limit: `load_shed/scouts.rs` |
//! | who waits, in which order, and who is refused | `surge_queue/room.rs`, `surge_queue/lines.rs` |
//! | how a wait is foretold | `surge_queue/forecast.rs`, `surge_queue/drain.rs` |
//! | the second lane and its ramp | `surge_queue/lane.rs`, `surge_queue/ramp.rs` |
//! | what is done with requests that were given up on | `dead_letter.rs` |
//! | whether and when to try again | `retry/policy.rs`, `retry/backoff.rs`, `retry/budget.rs`, `retry/throttle.rs` |
//! | when a call is over | `timeout/limit.rs` |
//! | answers over HTTP | `http/` |
//! | statuses over gRPC | `grpc/status.rs`, `grpc/details.rs`; what a code means: `grpc/codes.rs` |
//! | which nodes serve a tenant | `shuffle_shard/rendezvous.rs`; other assignments: `shuffle_shard/dealt.rs`, `shuffle_shard/fragments.rs`, `shuffle_shard/rules.rs` |
//! | which member of a hand gets a call | `shuffle_shard/pick.rs`; what is known of a member: `shuffle_shard/vitals.rs` |
//! | which member of a fleet is ejected, and until when | `shuffle_shard/outlier.rs`, `shuffle_shard/success_rate.rs` |
//! | how members come and go, and who waits for them | `shuffle_shard/fleet.rs`, `shuffle_shard/waiting.rs`; how those who wait hear of a change: `shuffle_shard/news.rs` |
//! | what goes to another member when one refuses it | `shuffle_shard/spare.rs`; how it is copied: `request/replay.rs` |
//! | which of a tenant's cells a request goes into | `shuffle_shard/sharded_bulkhead/cells.rs` |
//! | answers to whoever is refused, over HTTP and gRPC | `http/respond/` |
//! | what responses mean, and when to come back | `http/judge.rs`; dates: `http/wall.rs` |
//! | what headers of trusted callers say | `http/trust.rs`, `http/time_left.rs`, `http/priority.rs` |
//! | deadlines for callees | `http/send_deadline.rs` |
//! | how long a permit is held | `http/hold/` |
//! | bodies that are replayed, or too slow | `http/replay/`, `http/body_timeout/` |
//! | what callers are told of their quota | `http/quota/` |
//! | the mock service | `testing/mock.rs` |
//! | how a simulation runs, and by what clock | `testing/engine/` |
//! | what modelled servers do | `testing/server/` |
//! | who calls, when, and how | `testing/load.rs`, `testing/client.rs` |
//! | what is counted, and the best possible | `testing/tally.rs`, `testing/fluid.rs`, `testing/report/` |
//!
//! A new pattern is a new folder, one `pub mod`, one method of [`Stack`], its variants of [`Reason`] and [`Event`], one
//! test and one row above; it touches no other room.
//!
//! # Features
//!
//! A feature adds a dependency. None changes what a layer does.
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `http` | yes | the crates `http`, `http-body`, `http-body-util`, `bytes` and `httpdate`: [`http`](mod@http), all of it |
//! | `tracing` | yes | the `tracing` crate: [`telemetry::Tracing`]; and [misfits](lint) in a ready-made stack are logged |
//! | `anyhow` | | [`Refusal`] for `anyhow::Error` |
//! | `grpc` | | `http`, and the `tonic` crate, 0.14 \*, without its transport: [`grpc`] |
//! | `testing` | | tokio's `test-util`: [`testing`], a scripted mock service and simulations in virtual time |
//! | `serde` | | the `serde` crate: `Serialize` for the reports of [`testing`], and for a stack's snapshots and descriptions |
//! | `prometheus` | | `prometheus-client`, 0.26 \*: a collector for its registry, in [`export`] |
//! | `metrics` | | the `metrics` facade, 0.24 \*, in [`export`] |
//! | `opentelemetry` | | OpenTelemetry's API, 0.33 \*: observable instruments, in [`export`] |
//! | `emf` | | `serde_json`: CloudWatch's embedded metric format, in [`export`] |
//!
//! \* Its version is in the interface: your types are of the same, your recorder of `metrics` is installed in the same. When
//! it changes here, that is a breaking change.
#![forbid(unsafe_code)]

pub mod builder;
pub mod bulkhead;
pub mod chance;
pub mod circuit_breaker;
pub mod classify;
pub mod clock;
pub mod control;
pub mod dead_letter;
mod error;
pub mod event;
pub mod export;
pub mod gate;
#[cfg(feature = "grpc")]
pub mod grpc;
pub mod guide;
#[cfg(feature = "http")]
pub mod http;
pub mod keyed;
pub mod lift;
pub mod limit;
pub mod lint;
pub mod load_shed;
pub mod meter;
pub mod rate_limit;
pub mod ready;
mod rejection;
pub mod request;
pub mod retry;
pub mod settings;
pub mod shuffle_shard;
mod stats;
pub mod surge_queue;
mod sync;
pub mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
pub mod timeout;
pub mod work;
pub mod work_budget;

pub use self::{
    builder::Stack,
    classify::{Classify, Outcome},
    error::{BoxError, Error, Refusal},
    event::{Event, Events, Observer},
    gate::Gate,
    ready::{client, server},
    rejection::{Fault, Reason, Rejection},
    settings::{InvalidSetting, Ratio},
};

/// The README's code, compiled and run. Some of it speaks gRPC, which comes with HTTP.
#[cfg(all(doctest, feature = "grpc"))]
#[doc = include_str!("../README.md")]
struct Readme;

//! Try again what failed by chance, and not what failed by overload.
//!
//! # Why
//! Many failures are gone a moment later: a connection that was reset, an instance that was restarting, a lock held too
//! long. Sending the request again hides them from the caller. But retries are also how a small failure becomes an
//! outage: they add load exactly when the callee has none to spare, layers of them multiply (three attempts in each of
//! five layers are 243 calls), and clients that failed together come back together. So here retries are spread at
//! random, bounded by a [`Budget`], made at one level only, and never sent after the deadline.
//!
//! Delays alone bound nothing: in the long run each client sends as many retries whether it waits before them or not.
//! The budget does. While everything succeeds, retries may be a tenth of the requests; while everything fails, they are
//! as many as were saved up, and then one a second.
//!
//! # When to use it
//! Around calls to another process that may fail for a moment, and may be sent twice without harm. Use it at *one*
//! place on the way: the nearest to the caller that still knows what is safe to repeat.
//!
//! # When not to
//! * For what is not idempotent, unless it carries a key by which the callee recognises it. Say so with
//!   [`RetryLayer::replay`].
//! * Where somebody further out retries. Layers of this library notice that by themselves within one task; across
//!   `spawn` and `Buffer` they need [`RetryLayer::carry`].
//! * Against an overload that your own calls cause: retries cannot help there. Shed load.
//!
//! # What the caller sees
//! | | |
//! |---|---|
//! | it | **tries again**; it refuses nothing |
//! | [`Reason`](crate::Reason) | none of its own: the result of the last attempt that was made, whatever it was |
//! | `retry_after` | none of its own |
//! | dispatched | as the last attempt says |
//! | `poll_ready` | the inner service's |
//! | cancel safety | dropping the future cancels whatever it is doing; what the budget gave for an attempt that was not sent goes back, exactly once |
//!
//! * Later attempts drive the readiness of a clone, so the inner service has to be `Clone`; put one that is not behind
//!   `tower::buffer::Buffer`.
//! * Only what the judge calls [`Outcome::Failure`](crate::Outcome::Failure) is tried again; that may be a response.
//!   Failures that are [`Permanent`](crate::classify::Failure::Permanent) or
//!   [`PushedBack`](crate::classify::Failure::PushedBack) are not. To the [`Standard`](crate::classify::Standard)
//!   judge, refusals from further in that never reached the callee are no failures: an open circuit breaker is asked
//!   once, and nobody sleeps.
//! * Until a request is answered its copy is kept, for the next attempt. During a delay nothing of the previous attempt
//!   is held but its result; a response with a body that is still streaming holds its connection through the delay.
//! * A delay needs a tokio runtime with time enabled. Nothing else does.
//!
//! A [router](crate::shuffle_shard) further in sends each attempt to another member of its fleet: the retry remembers
//! where the earlier attempts went, as long as both are in one task. What a member's stack refuses before the member
//! has seen it, the router itself sends to another, if it is [told how](crate::shuffle_shard::ShuffleShard::resend);
//! the retry hears nothing of that.
//!
//! The inner service sees which attempt it is: through [`request::current`](crate::request::current), and from the
//! request, if that can [carry](RetryLayer::carry) it.
//!
//! # Place in the stack
//! Inside the total timeout, so that its deadline bounds all attempts; outside the circuit breaker, the bulkhead and
//! the per-attempt timeout, so that each attempt meets them anew and a delay holds no permit.
//!
//! # Defaults
//! | setting | default | why |
//! |---|---|---|
//! | [attempts](Settings::with_attempts) | 3, the first included | a third attempt helps where a second one did not, a fourth hardly ever; Google's SRE book (chapter 21) and the AWS SDKs say the same |
//! | [backoff](Settings::with_backoff) | 50 ms, doubling up to 20 s | the AWS SDKs' retry behaviour of 2026; short, since most failures are short |
//! | [after throttling or overload](Backoff::try_with_throttled_base) | 1 s, doubling up to 20 s | from the same source: a callee that asked for less needs more than a moment |
//! | [jitter](Jitter) | full | the fewest calls under contention (Brooker, *Exponential Backoff And Jitter*, 2015) |
//! | [max hint](Settings::with_max_hint) | 20 s | the backoff's cap: no request is kept for longer than our own delays would keep it |
//! | [budget](RetryLayer::budget) | 10 % of successes, 1 a second, 100 saved | see [`BudgetSettings`]; [gRPC's throttle](RetryLayer::throttle) may take its place |
//! | [replay](RetryLayer::replay) | [`CloneRequest`] | a clone is the request again; say so for what must not be repeated |
//! | name | `retry` | give each callee its own |
//! | [carry](RetryLayer::carry), [dead letters](RetryLayer::dead_letter) | none | they depend on your types |
//!
//! # Events
//! | event | when |
//! |---|---|
//! | [`Retrying`](crate::Event::Retrying) | an attempt failed and there will be another; sent before the delay |
//! | [`RetryStopped`](crate::Event::RetryStopped) | an attempt failed and there will be no other; says how many were made and [why](crate::event::Stop) |
//!
//! # Example
//! ```
//! use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
//! use plimsoll::{Stack, retry};
//! use tower::{Service, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! static CALLS: AtomicU32 = AtomicU32::new(0);
//! // It fails twice, and then greets.
//! let flaky = service_fn(|name: &'static str| async move {
//!     match CALLS.fetch_add(1, Relaxed) {
//!         0 | 1 => Err(std::io::Error::other("connection reset")),
//!         _ => Ok(format!("hello, {name}")),
//!     }
//! });
//!
//! let retry = retry::RetryLayer::new(retry::Settings::new().with_name("greeter"));
//! let handle = retry.handle();
//! let mut service = Stack::new().retry(retry).service(flaky);
//!
//! assert_eq!(service.ready().await?.call("ada").await?, "hello, ada");
//! assert_eq!(handle.snapshot().retries, 2);
//! # Ok(())
//! # }
//! ```
//!
//! # How it decides
//! ```text
//!             result of an attempt
//!                      │
//!        judged as a failure? ── no ───────────► the answer (a success deposits)
//!                      │ yes
//!   a retry layer further out? ── yes ─────────► Nested
//!              attempts left? ── no ───────────► Attempts
//!     another copy of it? ── no ───────────────► NotReplayable
//!     of any use to try? ── no ────────────────► NotRetryable
//!   work left that it may do? ── no ───────────► WorkExhausted
//!  hint within the longest? ── no ─────────────► Hint            the last result
//!                      │                                         is the answer
//!    delay = hint + jittered backoff
//!   ends before the deadline? ── no ───────────► Deadline
//!   a token in the budget? ── no ──────────────► Budget
//!                      │
//!                    delay
//!        inner service ready? ── it failed ────► NotReady
//!      still before the deadline? ── no ───────► Deadline
//!                      │                         (both return the token)
//!               the next attempt
//! ```
//!
//! Every call costs O(1), and allocates nothing but what the copy allocates. While nothing fails: a few loads, the
//! copy, and a deposit, which only looks at a full budget; no lock, and no clock unless the request carries its
//! deadline. A failure takes a lock for a moment, reads the clock and draws a number.
//!
//! A later attempt that ends in [`Outcome::Ignored`](crate::Outcome::Ignored), such as the refusal of a circuit that
//! opened meanwhile, is the answer too (`NotRetryable`).

mod backoff;
mod budget;
mod budget_settings;
mod future;
mod layer;
mod policy;
mod service;
mod settings;
mod state;
mod throttle;
mod throttle_settings;
mod tries;

pub use self::{
    backoff::{Backoff, Jitter},
    budget::{Budget, BudgetSnapshot, Withdrawal},
    budget_settings::BudgetSettings,
    future::ResponseFuture,
    layer::RetryLayer,
    service::Retry,
    settings::Settings,
    state::{Handle, Snapshot},
    throttle::{Throttle, ThrottleSnapshot},
    throttle_settings::ThrottleSettings,
};
pub use crate::request::{CloneRequest, Replay};

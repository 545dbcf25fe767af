//! A gate decides about one request before it reaches the inner service, and is told how it ended.
//!
//! Bulkhead and circuit breaker are gates, and so is whatever you add: implement [`Gate`], and
//! [`Stack::gate`](crate::Stack::gate) gives you readiness, cancellation, panics, clock reads, classification and
//! events, right and tested, for nothing.
//!
//! # The contract
//!
//! * A request is asked about **once**, in `call`. The gate admits it with a permit, lets it wait, or refuses it.
//! * Every permit is settled **exactly once**, with an [`Ending`]. It does not matter whether the future runs to its
//!   end, is dropped at any point (before its first poll too), or panics.
//! * Every wait either ends in [`Gate::poll_wait`], or is abandoned, exactly once.
//! * Permits and waits are plain data (a start time, a generation, an index), not guards: the future holds the one
//!   pointer to the gates, and one drop guard for all of them. A permit is `Copy`, so it cannot be a guard by mistake.
//! * If a gate further in refuses, or the caller leaves before the request was dispatched, the permit is settled
//!   with [`Ending::Undispatched`].
//! * A permit is settled as soon as the call ends, not when its future is dropped.
//! * A gate is always ready. It admits first and drives the inner service's readiness after, in place when that is
//!   ready at once, else in the future. So nothing holds an inner reservation while it waits. The future then takes
//!   the very instance that was polled, and leaves a clone behind.
//!
//! # Fusing
//!
//! Neighbouring gates of a stack are one: [`Seq`] asks the first and then the second, and one [`Gated`] service, one
//! future and one clock reading serve them all.
//!
//! # Example
//!
//! A gate that lets every tenth request pass, and counts what came of them:
//!
//! ```
//! use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
//! use plimsoll::{
//!     Outcome, Reason, Rejection, Stack,
//!     clock::Moment,
//!     gate::{Admission, Ending, Gate, Never},
//! };
//!
//! #[derive(Default)]
//! struct EveryTenth { asked: AtomicU64, succeeded: AtomicU64 }
//!
//! impl<Req> Gate<Req> for EveryTenth {
//!     type Permit = ();
//!     type Wait = Never;
//!
//!     fn admit(&self, _: &Req, _: &Moment) -> Admission<(), Never> {
//!         if self.asked.fetch_add(1, Relaxed) % 10 == 0 {
//!             Admission::Admitted(())
//!         } else {
//!             Admission::Refused(Rejection::new(Reason::Custom, "every-tenth"))
//!         }
//!     }
//!
//!     fn settle(&self, _: (), ending: Ending, _: &Moment) {
//!         if ending == Ending::Finished(Outcome::Success) {
//!             self.succeeded.fetch_add(1, Relaxed);
//!         }
//!     }
//! }
//!
//! let stack = Stack::new().gate(EveryTenth::default());
//! ```

mod adapt;
mod future;
mod guard;
mod layer;
mod seq;
mod service;

use std::task::{Context, Poll};

pub use self::{
    future::ResponseFuture,
    layer::GateLayer,
    seq::{Seq, SeqWait},
    service::Gated,
};
use crate::{
    classify::Outcome,
    clock::{Instant, Moment},
    rejection::Rejection,
};

/// Decides about requests before they reach the inner service. See the [module](self) for the contract.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not decide about requests `{Req}`",
    label = "not a `Gate` for this request",
    note = "the closures given to a gate say the type of the request, and answer with owned values of the very type that is asked for"
)]
pub trait Gate<Req> {
    /// What an admitted request holds until it is settled: plain data.
    type Permit: Copy;

    /// What a waiting request holds until its wait ends or is abandoned: plain data. [`Never`] for a gate that
    /// answers at once.
    type Wait;

    /// Decides about a request.
    fn admit(&self, req: &Req, now: &Moment) -> Admission<Self::Permit, Self::Wait>;

    /// Looks whether a wait is over. While it is not, the gate keeps the waker of `cx` and wakes it when it is worth
    /// looking again; besides, it is asked again at [`wait_until`](Self::wait_until). Once this is `Ready`, the wait
    /// is spent, and is not abandoned.
    ///
    /// The default asks for admission anew, and never wakes anybody by itself.
    fn poll_wait(
        &self,
        wait: &mut Self::Wait,
        req: &Req,
        now: &Moment,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Permit, Rejection>> {
        let _ = cx;
        match self.admit(req, now) {
            Admission::Admitted(permit) => Poll::Ready(Ok(permit)),
            Admission::Refused(rejection) => Poll::Ready(Err(rejection)),
            Admission::Waiting(again) => {
                *wait = again;
                Poll::Pending
            }
        }
    }

    /// When this wait should be looked at again if nothing wakes it before. The plumbing sets the timer. By default
    /// never.
    fn wait_until(&self, wait: &Self::Wait) -> Instant {
        let _ = wait;
        Instant::FAR
    }

    /// Ends a wait whose caller has left. If a permit was granted to it meanwhile, this gives it back. By default
    /// there is nothing to do.
    fn abandon(&self, wait: Self::Wait) {
        drop(wait);
    }

    /// Takes a permit back, and learns how the call ended.
    fn settle(&self, permit: Self::Permit, ending: Ending, now: &Moment);
}

/// A gate's answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a gate must answer with one of three")]
pub enum Admission<Permit, Wait> {
    /// It may go on.
    Admitted(Permit),
    /// It must wait for its turn.
    Waiting(Wait),
    /// It may not.
    Refused(Rejection),
}

/// How the call of a permit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// The caller dropped the future of a dispatched request before it was done.
    Cancelled,
    /// The inner service answered, or failed to, and the stack's judge looked at it. Errors of the inner service's
    /// readiness end here too.
    Finished(Outcome),
    /// The inner service panicked, or the judge of its result did.
    Panicked,
    /// The request never reached the inner service: a gate further in refused it, or its caller left before.
    Undispatched,
}

/// The wait of a gate that never lets a request wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "no variants, ever")]
pub enum Never {}

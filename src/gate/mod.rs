//! A room of your own.
//!
//! A gate decides about one request before it reaches the inner service, and is told how it ended. Bulkhead and circuit
//! breaker are gates, and so is whatever you add.
//!
//! # Why
//! The code that decides is short; what surrounds it is not, and is easily wrong. Implement [`Gate`], and
//! [`Stack::gate`](crate::Stack::gate) gives you readiness, cancellation, panics, clock reads, classification and
//! events, right and tested, for nothing.
//!
//! # When to use it
//! For whatever admits, delays or refuses requests one by one: office hours, a feature switch, a licence, a limit of
//! your own.
//!
//! # When not to
//! For what changes requests or answers, or sends them elsewhere: that is a tower layer, which
//! [`Stack::layer`](crate::Stack::layer) takes.
//!
//! # What the caller sees
//! | | |
//! |---|---|
//! | it | **refuses** or **waits**, as you say |
//! | [`Reason`](crate::Reason) | as you say: `Custom`, unless another fits better |
//! | `retry_after` | as you say |
//! | dispatched | no |
//! | `poll_ready` | always ready |
//! | cancel safety | dropping the future settles the permit, or abandons the wait |
//!
//! The inner service has to be `Clone`; one that is not goes into a `tower::buffer::Buffer`. A wait with an end needs a
//! tokio runtime with time enabled.
//!
//! # Place in the stack
//! Where you put it. To keep hold of its state, hand in an `Arc` of it. A gate for each kind of request goes into
//! [`PerKind`]; a gate for each key, a tenant's, say, into [`Keyed`](crate::keyed::Keyed).
//!
//! # Defaults
//! No timer ends a gate's waits, and abandoning one does nothing, unless you implement [`wait_until`](Gate::wait_until)
//! and [`abandon`](Gate::abandon).
//!
//! # Events
//! | event | when |
//! |---|---|
//! | [`Refused`](crate::Event::Refused) | a request is refused, at once or after a wait |
//!
//! # Example
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
//!
//! One at a time, in the order of arrival, and nobody waits longer than a second:
//!
//! ```
//! use std::{collections::VecDeque, sync::Mutex, task::{Context, Poll, Waker}, time::Duration};
//! use plimsoll::{
//!     Reason, Rejection, Stack,
//!     clock::{Instant, Moment},
//!     gate::{Admission, Ending, Gate},
//! };
//!
//! #[derive(Default)]
//! struct Turnstile(Mutex<Turns>);
//!
//! #[derive(Default)]
//! struct Turns { busy: bool, tickets: u64, queue: VecDeque<(u64, Option<Waker>)> }
//!
//! impl Turns {
//!     /// Wakes whose turn it is. Whenever a turn may have come, somebody has to be woken, or all wait in vain.
//!     fn wake_next(&self) {
//!         if let (false, Some((_, Some(waker)))) = (self.busy, self.queue.front()) {
//!             waker.wake_by_ref();
//!         }
//!     }
//!
//!     fn leave(&mut self, ticket: u64) {
//!         self.queue.retain(|(other, _)| *other != ticket);
//!         self.wake_next();
//!     }
//! }
//!
//! impl<Req> Gate<Req> for Turnstile {
//!     type Permit = ();
//!     type Wait = (u64, Instant);
//!
//!     fn admit(&self, _: &Req, now: &Moment) -> Admission<(), Self::Wait> {
//!         let mut turns = self.0.lock().unwrap();
//!         if !turns.busy && turns.queue.is_empty() {
//!             turns.busy = true;
//!             return Admission::Admitted(());
//!         }
//!         turns.tickets += 1;
//!         let ticket = turns.tickets;
//!         turns.queue.push_back((ticket, None));
//!         Admission::Waiting((ticket, now.now().after(Duration::from_secs(1))))
//!     }
//!
//!     fn poll_wait(
//!         &self,
//!         &mut (ticket, until): &mut Self::Wait,
//!         _: &Req,
//!         now: &Moment,
//!         cx: &mut Context<'_>,
//!     ) -> Poll<Result<(), Rejection>> {
//!         let mut turns = self.0.lock().unwrap();
//!         if !turns.busy && turns.queue.front().is_some_and(|(first, _)| *first == ticket) {
//!             turns.queue.pop_front();
//!             turns.busy = true;
//!             Poll::Ready(Ok(()))
//!         } else if now.now() >= until {
//!             // Once this is `Ready` the wait is spent, and is not abandoned: it has to leave the queue here.
//!             turns.leave(ticket);
//!             Poll::Ready(Err(Rejection::new(Reason::WaitTimeout, "turnstile")))
//!         } else {
//!             for (_, waker) in turns.queue.iter_mut().filter(|(other, _)| *other == ticket) {
//!                 *waker = Some(cx.waker().clone());
//!             }
//!             Poll::Pending
//!         }
//!     }
//!
//!     fn wait_until(&self, (_, until): &Self::Wait) -> Instant {
//!         *until
//!     }
//!
//!     /// Whoever had been woken and left hands the turn on.
//!     fn abandon(&self, (ticket, _): Self::Wait) {
//!         self.0.lock().unwrap().leave(ticket);
//!     }
//!
//!     fn settle(&self, (): (), _: Ending, _: &Moment) {
//!         let mut turns = self.0.lock().unwrap();
//!         turns.busy = false;
//!         turns.wake_next();
//!     }
//! }
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! # use tower::{ServiceExt, service_fn};
//! # let turnstile = std::sync::Arc::new(Turnstile::default());
//! # let service = Stack::new().gate(turnstile.clone()).service(service_fn(|_: ()| async {
//! #     tokio::time::sleep(Duration::from_millis(600)).await;
//! #     Ok::<_, std::io::Error>(())
//! # }));
//! # let call = || service.clone().oneshot(());
//! # let (first, second, third) = tokio::join!(call(), call(), call());
//! # assert!(first.is_ok() && second.is_ok() && third.is_err());
//! # assert!(turnstile.0.lock().unwrap().queue.is_empty());
//! # }
//! ```
//!
//! It wakes under its lock, and its queue has no bound, which is good enough for a short example; the bulkhead does
//! neither.
//!
//! # How it decides
//! ```text
//!             admit ─▶ Refused ──────────────────────────▶ the caller
//!               ├────▶ Waiting ─▶ poll_wait … ─▶ refused ─▶ the caller
//!               │         └─▶ caller left ─▶ abandon
//!               └────▶ Admitted ─▶ gates further in, inner service ─▶ settle, once
//! ```
//! * A request is asked about **once**, in `call`. The gate admits it with a permit, lets it wait, or refuses it.
//! * Every permit is settled **exactly once**, with an [`Ending`]. It does not matter whether the future runs to its
//!   end, is dropped at any point (before its first poll too), or panics.
//! * Every wait either ends in [`Gate::poll_wait`], or is abandoned, exactly once.
//! * Permits and waits are plain data (a start time, a generation, an index), not guards: the future holds the one
//!   pointer to the gates, and one drop guard for all of them. A permit is `Copy`, so it cannot be a guard by mistake.
//! * A gate may accompany the calls that it admits: give the request something ([`Gate::dispatch`]), run each step of
//!   the call ([`Gate::around`]), and end it ([`Gate::bound`]).
//! * If a gate further in refuses, or the caller leaves before the request was dispatched, the permit is settled
//!   with [`Ending::Undispatched`].
//! * A permit is settled as soon as the call ends, not when its future is dropped.
//! * A gate is always ready. It admits first, and drives the inner service's readiness after: in place if that is ready
//!   at once, else in the future. So nothing holds an inner reservation while it waits. The future takes the very
//!   instance that was polled, and leaves a clone behind.
//!
//! Neighbouring gates of a stack are one: [`Seq`] asks the first and then the second, and one [`Gated`] service, one
//! future and one clock reading serve them all.

mod adapt;
mod future;
mod guard;
mod layer;
mod per_kind;
mod seq;
mod service;
mod unless;

use std::task::{Context, Poll};

#[cfg(feature = "http")]
pub(crate) use self::guard::{Held, watch};
pub use self::{
    future::ResponseFuture,
    layer::GateLayer,
    per_kind::PerKind,
    seq::{Seq, SeqWait},
    service::Gated,
    unless::Unless,
};
use crate::{
    classify::Outcome,
    clock::{Instant, Moment},
    event::Events,
    rejection::Rejection,
};

/// Decides about requests before they reach the inner service. See the [module](self#how-it-decides) for the contract.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not decide about requests `{Req}`",
    label = "not a `Gate` for this request",
    note = "the closures given to a gate say the type of the request, and answer with owned values of the very type that is asked for",
    note = "settings are not a gate yet: `CircuitBreaker::new(settings)` is one"
)]
pub trait Gate<Req> {
    /// What an admitted request holds until it is settled: plain data.
    type Permit: Copy;

    /// What a waiting request holds until its wait ends or is abandoned: plain data. [`Never`] for a gate that lets
    /// nobody wait.
    type Wait;

    /// Whether the gate accompanies the calls that it admits. `false` promises that [`dispatch`](Self::dispatch),
    /// [`around`](Self::around) and [`bound`](Self::bound) are the defaults, so that they need not be called: a gate
    /// made of many, as [`Keyed`](crate::keyed::Keyed) is, then need not look up a call's own at each step. By default
    /// `true`, which is always right.
    const GOES_ALONG: bool = true;

    /// Decides about a request.
    fn admit(&self, req: &Req, now: &Moment) -> Admission<Self::Permit, Self::Wait>;

    /// Looks whether a wait is over. While it is not, the gate keeps the waker of `cx`, and wakes it when it is worth
    /// asking again; it is also asked again at [`wait_until`](Self::wait_until). Once this is `Ready`, the wait is
    /// spent, and is not abandoned.
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

    /// When to look at this wait again if nothing wakes it before. The plumbing sets the timer. By default never.
    fn wait_until(&self, wait: &Self::Wait) -> Instant {
        let _ = wait;
        Instant::FAR
    }

    /// Ends a wait whose caller has left. If a permit was granted to it meanwhile, this gives it back. By default
    /// there is nothing to do.
    fn abandon(&self, wait: Self::Wait) {
        drop(wait);
    }

    /// Takes over a request that was refused, at once or after a wait: for a dead-letter queue, say. What this returns
    /// is offered to the other gates of the group, and dropped in the end. All of them are offered it, whichever
    /// refused: a gate that wants only its own looks at [`Rejection::layer`]. By default it returns the request.
    fn refused(&self, req: Req, rejection: &Rejection) -> Option<Req> {
        let _ = rejection;
        Some(req)
    }

    /// Calls the inner service with an admitted request, by `call`, and returns what that returns: the first step of
    /// the call. Whatever the request is to take along is given to it here. By default `call` runs
    /// [within](Self::around) this gate, with the request as it is.
    #[inline(always)]
    fn dispatch<T>(&self, permit: Self::Permit, req: Req, call: impl FnOnce(Req) -> T) -> T
    where
        Self: Sized,
    {
        self.around(permit, || call(req))
    }

    /// Runs one step of an admitted call, and returns what that returns. A step is the inner service's `call`, a poll
    /// of its future, or, where the permit is held until the response's body ends, a poll of that body. Whatever the
    /// call is to find on its thread is set here before the step, and taken away after it, also when unwinding; and
    /// this is the place to measure a step. By default the step only runs.
    #[inline(always)]
    fn around<T>(&self, permit: Self::Permit, step: impl FnOnce() -> T) -> T
    where
        Self: Sized,
    {
        let _ = permit;
        step()
    }

    /// Whether a call that has not ended by itself has to end now: asked after each poll that was pending. If so, the
    /// inner future is dropped, the refusal is announced and given to the caller, and the permit is settled with what
    /// the judge says of it. The refusal should be [`dispatched`](Rejection::dispatched). A body that the permit is
    /// held for is not ended: it has errors of its own. By default calls take as long as they take.
    fn bound(&self, permit: Self::Permit) -> Option<Rejection> {
        let _ = permit;
        None
    }

    /// Takes a permit back, and learns how the call ended.
    fn settle(&self, permit: Self::Permit, ending: Ending, now: &Moment);

    /// Whether a new gate in this one's place would decide the same from here on: no permit is out, nobody waits, and
    /// nothing is remembered that speaks against anybody. [`Keyed`](crate::keyed::Keyed), which keeps a gate for each
    /// key, forgets only such gates to make room, and counts by itself who holds a permit or waits. By default `false`,
    /// which is always safe.
    fn is_neutral(&self, now: &Moment) -> bool {
        let _ = now;
        false
    }

    /// Where this gate announces what happens, if it does. The plumbing announces refusals: to the observer of the
    /// layer or the stack, or else here, if this gate stands alone. By default nowhere.
    fn events(&self) -> Option<&Events> {
        None
    }
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

impl<Permit, Wait> Admission<Permit, Wait> {
    /// The same answer from a gate that is made of another: `permit` and `wait` put the inner one's into its own.
    #[inline(always)]
    pub fn map<P, W>(self, permit: impl FnOnce(Permit) -> P, wait: impl FnOnce(Wait) -> W) -> Admission<P, W> {
        match self {
            Self::Admitted(held) => Admission::Admitted(permit(held)),
            Self::Waiting(held) => Admission::Waiting(wait(held)),
            Self::Refused(rejection) => Admission::Refused(rejection),
        }
    }
}

/// How the call of a permit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// The caller dropped the future of a dispatched request before it was done.
    Cancelled,
    /// The inner service answered or failed, and the judge looked at the result. Errors of the inner service's
    /// readiness end here too.
    Finished(Outcome),
    /// The inner service panicked, or the judge of its result did.
    Panicked,
    /// The request never reached the inner service: a gate further in refused it, or its caller left before that.
    Undispatched,
}

/// The wait of a gate that never lets a request wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "no variants, ever")]
pub enum Never {}

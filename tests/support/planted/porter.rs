//! A service that asks a gate, as `gate::Gated` does, and what can be wrong with one.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use plimsoll::{
    Gate, Outcome, Refusal,
    classify::Failure,
    clock::Moment,
    gate::{Admission, Ending},
};
use tower::Service;

use super::Door;
use crate::support::{
    kit::{Ask, Kit},
    ledger::{Entered, Watched},
    quiet::catch,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PorterFault {
    /// The way out for an error forgets the permit.
    LeaksOnError,
    /// The permit is counted in `call`, and its guard made at the first poll.
    GuardsFromTheFirstPoll,
    /// The permit is given back at the end of the call only, which a dropped one does not reach.
    FreesAfterTheAwait,
    /// The permit is given back when the future is dropped, and not before.
    HoldsUntilDropped,
    /// The permit is given back at the end, and when the future is dropped once more.
    SettlesTwice,
    /// A panic is noticed when the future is dropped.
    HoldsThroughPanics,
    /// Whoever leaves before the end is taken for an answer.
    TakesLeavingForAnswering,
}

type Guarded = Arc<Watched<Door>>;

/// Lets through what its gate lets through. Without a fault it is right.
#[derive(Clone)]
pub(crate) struct Porter<S> {
    inner: S,
    gate: Guarded,
    fault: Option<PorterFault>,
}

impl<S> Porter<S> {
    pub(crate) fn new(kit: &Kit, limit: usize, fault: Option<PorterFault>, inner: S) -> Self {
        Self { inner, gate: Arc::new(kit.on_inner(Door::new(kit, limit, false, None))), fault }
    }
}

impl<S> Service<Ask> for Porter<S>
where
    S: Service<Ask>,
    S::Error: Refusal,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Carrying<S::Future, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, ask: Ask) -> Self::Future {
        let mut carrying = Carrying {
            inner: None,
            refused: None,
            permit: None,
            polled: false,
            gate: Arc::clone(&self.gate),
            fault: self.fault,
        };
        match self.gate.admit(&ask, &Moment::new()) {
            Admission::Refused(rejection) => carrying.refused = Some(rejection.into()),
            Admission::Waiting(_) => unreachable!("this door lets nobody wait"),
            Admission::Admitted(permit) => {
                carrying.permit = Some(permit);
                match catch(|| self.inner.call(ask)) {
                    Ok(future) => carrying.inner = Some(Box::pin(future)),
                    Err(message) => carrying.panicked(message),
                }
            }
        }
        carrying
    }
}

pub(crate) struct Carrying<F, E> {
    inner: Option<Pin<Box<F>>>,
    refused: Option<E>,
    permit: Option<Entered<()>>,
    polled: bool,
    gate: Guarded,
    fault: Option<PorterFault>,
}

impl<F, E> Unpin for Carrying<F, E> {}

impl<F, E> Carrying<F, E> {
    fn has(&self, fault: PorterFault) -> bool {
        self.fault == Some(fault)
    }

    fn settle(&mut self, ending: Ending) {
        let again = self.has(PorterFault::SettlesTwice);
        let permit = if again { self.permit } else { self.permit.take() };
        if let Some(permit) = permit {
            self.gate.settle(permit, ending, &Moment::new());
        }
    }

    fn panicked(&mut self, message: String) -> ! {
        if !self.has(PorterFault::HoldsThroughPanics) {
            self.settle(Ending::Panicked);
        }
        panic!("{message}")
    }
}

impl<F, T, E> Future for Carrying<F, E>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = Result<T, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        this.polled = true;
        if let Some(error) = this.refused.take() {
            return Poll::Ready(Err(error));
        }
        let inner = this.inner.as_mut().expect("admitted");
        let result = match catch(|| inner.as_mut().poll(cx)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(result)) => result,
            Err(message) => this.panicked(message),
        };
        match &result {
            _ if this.has(PorterFault::HoldsUntilDropped) => {}
            Ok(_) => this.settle(Ending::Finished(Outcome::Success)),
            Err(_) if this.has(PorterFault::LeaksOnError) => this.permit = None,
            Err(_) => this.settle(Ending::Finished(Outcome::Failure(Failure::Transient))),
        }
        Poll::Ready(result)
    }
}

impl<F, E> Drop for Carrying<F, E> {
    fn drop(&mut self) {
        let forgets =
            self.has(PorterFault::FreesAfterTheAwait) || self.has(PorterFault::GuardsFromTheFirstPoll) && !self.polled;
        if forgets {
            return;
        }
        self.settle(if self.has(PorterFault::TakesLeavingForAnswering) {
            Ending::Finished(Outcome::Success)
        } else {
            Ending::Cancelled
        });
    }
}

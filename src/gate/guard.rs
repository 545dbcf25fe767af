//! What settles a permit, or abandons a wait, however the future ends.

use std::{
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use super::{Ending, Gate, service::Group};
use crate::{
    clock::{Instant, Moment},
    rejection::Rejection,
};

/// The permit of a request, and the gates that it is owed to.
pub(crate) struct Held<G: Gate<Req>, C, Req> {
    group: Arc<Group<G, C>>,
    permit: G::Permit,
    stage: Stage,
}

/// How far the call of a permit has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Admitted,
    Dispatched,
    Settled,
}

impl<G: Gate<Req>, C, Req> Held<G, C, Req> {
    #[inline(always)]
    pub(super) fn new(group: Arc<Group<G, C>>, permit: G::Permit) -> Self {
        Self { group, permit, stage: Stage::Admitted }
    }

    /// Has the inner service called, within its gates. From here on it has the request.
    #[inline(always)]
    pub(super) fn dispatch<T>(&mut self, req: Req, call: impl FnOnce(Req) -> T) -> T {
        self.stage = Stage::Dispatched;
        let permit = self.permit;
        watch(self, |group| if G::GOES_ALONG { group.gate.dispatch(permit, req, call) } else { call(req) })
    }

    /// Runs a step of the call, or of a body that it is held for, within its gates; without them once the permit went
    /// back, as after a panic: what it stood for may be another call's by now.
    #[inline(always)]
    pub(crate) fn step<T>(&mut self, step: impl FnOnce() -> T) -> T {
        if self.is_settled() {
            return step();
        }
        let permit = self.permit;
        watch(self, |group| if G::GOES_ALONG { group.gate.around(permit, step) } else { step() })
    }

    /// Whether a call that goes on has to end, as its gates see it. If so, that is announced.
    #[inline(always)]
    pub(super) fn bound(&mut self) -> Option<Rejection> {
        if !G::GOES_ALONG || self.is_settled() {
            return None;
        }
        let permit = self.permit;
        watch(self, |group| {
            let rejection = group.gate.bound(permit)?;
            group.announce::<Req>(rejection);
            Some(rejection)
        })
    }

    /// Whether the permit went back already.
    pub(super) fn is_settled(&self) -> bool {
        self.stage == Stage::Settled
    }

    /// Gives the permit back, unless that is done already.
    #[inline(always)]
    pub(crate) fn settle(&mut self, ending: Ending) {
        if self.stage != Stage::Settled {
            // Before, not after: should the gate panic, it is not asked again.
            self.stage = Stage::Settled;
            self.group.gate.settle(self.permit, ending, &Moment::new());
        }
    }
}

impl<G: Gate<Req>, C, Req> Held<G, C, Req> {
    /// Gives the permit back of a call that was not seen to its end.
    // Out of the way of those that were: it would be inlined wherever a permit is dropped.
    #[cold]
    fn desert(&mut self) {
        self.settle(if self.stage == Stage::Dispatched { Ending::Cancelled } else { Ending::Undispatched });
    }
}

impl<G: Gate<Req>, C, Req> Drop for Held<G, C, Req> {
    #[inline(always)]
    fn drop(&mut self) {
        if !self.is_settled() {
            self.desert();
        }
    }
}

/// Runs `inner`; if it panics, settles the permit as panicked, at once. `std::thread::panicking()` in a destructor
/// could not tell: a runtime may catch the panic first, and drop the future after.
#[inline(always)]
pub(crate) fn watch<G: Gate<Req>, C, Req, T>(held: &mut Held<G, C, Req>, inner: impl FnOnce(&Group<G, C>) -> T) -> T {
    struct Unwinding<'a, G: Gate<Req>, C, Req>(&'a mut Held<G, C, Req>);

    impl<G: Gate<Req>, C, Req> Drop for Unwinding<'_, G, C, Req> {
        #[cold]
        fn drop(&mut self) {
            self.0.settle(Ending::Panicked);
        }
    }

    let unwinding = Unwinding(held);
    let output = inner(&unwinding.0.group);
    mem::forget(unwinding);
    output
}

/// The wait of a request, and the gates at which it waits.
pub(super) struct Queued<G: Gate<Req>, C, Req> {
    pub(super) group: Arc<Group<G, C>>,
    wait: Option<G::Wait>,
}

impl<G: Gate<Req>, C, Req> Queued<G, C, Req> {
    pub(super) fn new(group: Arc<Group<G, C>>, wait: G::Wait) -> Self {
        Self { group, wait: Some(wait) }
    }

    /// Asks the gate whether the wait is over, which spends it. If that panics, the wait is abandoned, at once.
    pub(super) fn poll(&mut self, req: &Req, cx: &mut Context<'_>) -> Poll<Result<G::Permit, Rejection>> {
        struct Unwinding<'a, G: Gate<Req>, C, Req>(&'a mut Queued<G, C, Req>);

        impl<G: Gate<Req>, C, Req> Drop for Unwinding<'_, G, C, Req> {
            #[cold]
            fn drop(&mut self) {
                self.0.abandon();
            }
        }

        let unwinding = Unwinding(self);
        let Queued { group, wait } = &mut *unwinding.0;
        let answer = match wait {
            Some(wait) => group.gate.poll_wait(wait, req, &Moment::new(), cx),
            None => panic!("polled after it panicked"),
        };
        if answer.is_ready() {
            *wait = None;
        }
        mem::forget(unwinding);
        answer
    }

    /// When to ask again, woken or not.
    pub(super) fn until(&self) -> Instant {
        self.wait.as_ref().map_or(Instant::FAR, |wait| self.group.gate.wait_until(wait))
    }

    fn abandon(&mut self) {
        if let Some(wait) = self.wait.take() {
            self.group.gate.abandon(wait);
        }
    }
}

impl<G: Gate<Req>, C, Req> Drop for Queued<G, C, Req> {
    fn drop(&mut self) {
        self.abandon();
    }
}

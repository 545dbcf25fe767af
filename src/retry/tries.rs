//! One request from attempt to attempt, between the future that polls and the policy that decides.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::Sleep;
use tower_service::Service;

use super::{
    Replay, Withdrawal,
    policy::{Failed, Verdict},
    state::{Bound, Plan},
};
use crate::{
    classify::Failure,
    clock::{self, Instant},
    dead_letter::{self, Cause, DeadLetters},
    event::{Event, Stop},
    request::{Attempting, Carried, Carry, Tried, current, is_retrying},
    work,
};

/// How far a request has come.
pub(super) struct Tries<S, Req> {
    /// The last attempt that was sent; where a retry layer further out is at work, the number that it gave.
    attempt: u32,
    limit: u32,
    nested: bool,
    /// The deadline that the request carries.
    deadline: Instant,
    previous: Duration,
    /// Where the attempts so far went, if there was a choice.
    tried: Tried,
    spare: Option<Spare<S, Req>>,
}

/// What another attempt takes: a copy of the request, and the service to send it to.
struct Spare<S, Req> {
    inner: S,
    req: Req,
}

/// What stands between two attempts.
pub(super) struct Pause {
    /// On the heap, so that who does not wait does not pay for the room.
    sleep: Option<Pin<Box<Sleep>>>,
    /// Whether it was pending once, as even no delay at all is: a callee that fails at once, tried again at once and
    /// often, would keep the thread to itself.
    gave_way: bool,
    /// What the attempt to come costs, `None` without a budget.
    withdrawal: Option<Withdrawal>,
}

impl Pause {
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(sleep) = &mut self.sleep {
            ready!(sleep.as_mut().poll(cx));
            self.sleep = None;
        } else if !self.gave_way {
            self.gave_way = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}

impl<S, Req> Tries<S, Req> {
    /// Before the first attempt: makes the copy for the second, and lets the request carry what is known.
    #[inline]
    pub(super) fn begin<R, C, K, D>(plan: &Plan<R, C, K, D>, inner: &S, req: &mut Req) -> Self
    where
        S: Clone,
        R: Replay<Req>,
        K: Carry<Req>,
        D: DeadLetters<Req>,
    {
        let carried = plan.carrier.get(req);
        let deadline = carried.map_or(Instant::FAR, |carried| carried.deadline);
        let outer = carried.filter(|carried| carried.retrying).or_else(|| is_retrying().then(current));
        let mut tries = Self {
            attempt: outer.map_or(0, |outer| outer.attempt),
            limit: plan.shared.state.attempts(),
            nested: outer.is_some(),
            deadline,
            previous: Duration::ZERO,
            tried: outer.or(carried).map_or(Tried::NONE, |known| known.tried),
            spare: None,
        };
        if !tries.nested {
            tries.spare = tries.next(plan, req).map(|req| Spare { inner: inner.clone(), req });
        }
        tries
    }

    /// Counts the attempt that is about to be sent, and returns a copy for the one after it, if there may be one or a
    /// sink would want it. The copy is made first: it is of the request as we got it.
    #[inline]
    fn next<R, C, K, D>(&mut self, plan: &Plan<R, C, K, D>, req: &mut Req) -> Option<Req>
    where
        R: Replay<Req>,
        K: Carry<Req>,
        D: DeadLetters<Req>,
    {
        self.attempt += 1;
        let wanted = self.attempt < self.limit || plan.dead_letters.wanted();
        let copy = if wanted { plan.replay.replay(req, self.attempt.saturating_add(1)) } else { None };
        if K::CARRIES {
            let carried =
                Carried { attempt: self.attempt, deadline: self.deadline(), retrying: true, tried: self.tried };
            plan.carrier.insert(req, carried);
        }
        copy
    }

    /// Tells what is further in that retries are at work, which attempt this is, and where the others went.
    #[inline]
    pub(super) fn scope(&mut self) -> Attempting<'_> {
        Attempting::enter(self.attempt, &mut self.tried)
    }

    fn deadline(&self) -> Instant {
        self.deadline.min(current().deadline)
    }

    /// The request succeeded.
    #[inline]
    pub(super) fn succeeded<R, C, K, D>(&mut self, plan: &Plan<R, C, K, D>) {
        self.spare = None;
        match &plan.shared.bound {
            Bound::Budget(budget) if !self.nested => budget.deposit(),
            Bound::Throttle(throttle) if !self.nested => throttle.succeeded(),
            _ => {}
        }
    }

    /// The request was refused or given up further in, through no failure of the callee. If it had failed before,
    /// that is where its retries end.
    #[cold]
    pub(super) fn ignored<R, C, K, D>(&mut self, plan: &Plan<R, C, K, D>)
    where
        R: Replay<Req>,
        D: DeadLetters<Req>,
    {
        if self.attempt > 1 && !self.nested {
            self.stop(plan, Stop::NotRetryable);
        }
    }

    /// An attempt failed: is there another?
    #[cold]
    pub(super) fn failed<R, C, K, D>(&mut self, plan: &Plan<R, C, K, D>, failure: Failure) -> Result<Pause, Stop>
    where
        R: Replay<Req>,
    {
        if self.nested {
            return Err(Stop::Nested);
        }
        // It counts what fails, whether that is tried again or not.
        let throttled = match &plan.shared.bound {
            Bound::Throttle(throttle) if failure != Failure::Permanent => !throttle.failed(),
            _ => false,
        };
        self.keep_what_is_whole(plan);
        let (settings, now) = (plan.shared.state.settings(), clock::now());
        let failed = Failed {
            attempts: self.attempt,
            limit: self.limit,
            failure,
            replayable: self.spare.is_some(),
            used_up: work::is_used_up(),
            previous: self.previous,
            deadline: self.deadline(),
        };
        let (delay, backoff, at) = match failed.decide(&settings, now, plan.shared.chance.draw()) {
            Verdict::Again { delay, backoff, at } => (delay, backoff, at),
            Verdict::Stop(stop) => return Err(stop),
        };
        // Before the delay, not after it: who is told only then that there is nothing left has waited in vain.
        let withdrawal = match &plan.shared.bound {
            Bound::Budget(budget) => Some(budget.withdraw(failure, now).ok_or(Stop::Budget)?),
            _ if throttled => return Err(Stop::Budget),
            _ => None,
        };
        let sleep = if delay.is_zero() {
            None
        } else {
            // A moment that no timer can reach comes after any deadline.
            Some(Box::pin(clock::sleep_until(at).ok_or(Stop::Deadline)?))
        };
        self.previous = backoff;
        plan.shared.events.emit(|| Event::Retrying {
            layer: settings.name(),
            attempt: self.attempt + 1,
            delay,
            failure,
        });
        Ok(Pause { gave_way: sleep.is_some(), sleep, withdrawal })
    }

    /// A copy that cannot be sent any more is none.
    fn keep_what_is_whole<R, C, K, D>(&mut self, plan: &Plan<R, C, K, D>)
    where
        R: Replay<Req>,
    {
        self.spare = self.spare.take().filter(|spare| plan.replay.is_whole(&spare.req));
    }

    /// Whether the inner service is ready for the next attempt; `Ready(false)` if it never will be.
    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<bool>
    where
        S: Service<Req>,
    {
        let _scope = Attempting::enter(self.attempt + 1, &mut self.tried);
        match &mut self.spare {
            Some(spare) => spare.inner.poll_ready(cx).map(|ready| ready.is_ok()),
            None => Poll::Ready(false),
        }
    }

    /// Sends the next attempt. Where it must not be sent, what it would have cost goes back.
    #[cold]
    pub(super) fn again<R, C, K, D>(&mut self, plan: &Plan<R, C, K, D>, pause: Pause) -> Result<S::Future, Stop>
    where
        S: Service<Req>,
        R: Replay<Req>,
        K: Carry<Req>,
        D: DeadLetters<Req>,
    {
        let deadline = self.deadline();
        // The delay was chosen to end before it, but timers are late and readiness takes its time.
        if deadline != Instant::FAR && clock::now() >= deadline {
            return Err(Stop::Deadline);
        }
        self.keep_what_is_whole(plan);
        let Spare { mut inner, mut req } = self.spare.take().ok_or(Stop::NotReplayable)?;
        let copy = self.next(plan, &mut req);
        if let Some(withdrawal) = pause.withdrawal {
            withdrawal.spend();
        }
        plan.shared.state.retried();
        let scope = self.scope();
        let future = inner.call(req);
        drop(scope);
        self.spare = copy.map(|req| Spare { inner, req });
        Ok(future)
    }

    /// The last result is the answer: says so, and hands the request on.
    #[cold]
    pub(super) fn stop<R, C, K, D>(&mut self, plan: &Plan<R, C, K, D>, stop: Stop)
    where
        R: Replay<Req>,
        D: DeadLetters<Req>,
    {
        let attempts = if self.nested { 1 } else { self.attempt };
        plan.shared.state.stopped();
        plan.shared.events.emit(|| Event::RetryStopped { layer: plan.shared.state.settings().name(), attempts, stop });
        self.keep_what_is_whole(plan);
        if let Some(spare) = self.spare.take()
            && plan.dead_letters.wanted()
        {
            dead_letter::hand_over(&plan.dead_letters, spare.req, attempts, Cause::Stopped(stop));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::Ready, task::Waker};

    use tower_layer::Layer;

    use super::{
        super::{RetryLayer, Settings},
        *,
    };
    use crate::{error::Error, request::Within};

    #[derive(Clone)]
    struct Failing;

    impl Service<()> for Failing {
        type Response = ();
        type Error = Error<()>;
        type Future = Ready<Result<(), Error<()>>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error<()>>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, (): ()) -> Self::Future {
            std::future::ready(Err(Error::Inner(())))
        }
    }

    /// A timeout further out says by when it will have left.
    #[tokio::test(start_paused = true)]
    async fn the_deadline_of_a_layer_further_out_is_kept() {
        let layer = RetryLayer::new(Settings::new());
        let poll = |deadline| {
            let _scope = Within::enter(u64::MAX, deadline);
            Box::pin(layer.layer(Failing).call(())).as_mut().poll(&mut Context::from_waker(Waker::noop()))
        };
        assert_eq!(poll(clock::now()), Poll::Ready(Err(Error::Inner(()))));
        assert_eq!(poll(clock::now().after(Duration::from_secs(1))), Poll::Pending);
    }
}

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use super::{Exhausted, Work, exhausted::Cause};
use crate::clock;

/// The future of [`Work::checkpoint`].
#[derive(Debug)]
#[must_use = "futures do nothing unless they are polled"]
pub struct Checkpoint<'a> {
    work: &'a Work,
    fuel: u64,
    passed: bool,
}

impl<'a> Checkpoint<'a> {
    pub(super) fn new(work: &'a Work, fuel: u64) -> Self {
        Self { work, fuel, passed: false }
    }
}

impl Future for Checkpoint<'_> {
    type Output = Result<(), Exhausted>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let work = self.work;
        if !self.passed {
            self.passed = true;
            work.spend(self.fuel)?;
            if work.gives_way() {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
        // After it gave way, too: who knows how long that took. The clock is read where there is a deadline.
        match work.deadline() {
            Some(deadline) if deadline <= clock::now() => Poll::Ready(Err(work.exhausted(Cause::Deadline))),
            _ => Poll::Ready(Ok(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio_test::{assert_pending, assert_ready, assert_ready_eq, task::spawn};

    use super::*;
    use crate::{clock::Instant, request::Within};

    #[test]
    fn a_checkpoint_spends_once_and_gives_way_now_and_then() {
        let work = Work::new(1_000);
        for round in 0..2 {
            for _ in 0..127 {
                assert!(assert_ready!(spawn(work.checkpoint(1)).poll()).is_ok());
            }
            let mut tired = spawn(work.checkpoint(1));
            assert_pending!(tired.poll());
            assert!(tired.is_woken());
            assert_ready_eq!(tired.poll(), Ok(()));
            assert_eq!(work.remaining(), 1_000 - 128 * (round + 1));
        }
        work.begin_step();
        let dear = assert_ready!(spawn(work.checkpoint(999)).poll());
        assert_eq!(dear.map_err(|exhausted| exhausted.cause()), Err(Cause::Fuel));
    }

    /// A part for each item, with a checkpoint each: as each counted for itself, none ever gave way.
    #[test]
    fn the_checkpoints_of_all_parts_together_give_way() {
        let work = Work::new(1_000);
        let gave_way = (0..512).filter(|_| spawn(work.child(1).child(1).checkpoint(1)).poll().is_pending());
        assert_eq!(gave_way.count(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_checkpoint_fails_once_nobody_waits_any_more() {
        let work = Work::new(10);
        let _scope = Within::enter(u64::MAX, clock::now().after(Duration::from_secs(1)));
        assert_eq!(work.checkpoint(1).await, Ok(()));
        tokio::time::advance(Duration::from_secs(1)).await;
        let late = work.checkpoint(1).await.expect_err("late");
        assert_eq!((late.cause(), work.remaining()), (Cause::Deadline, 8));
        drop(_scope);
        assert_eq!((work.deadline(), Instant::FAR > clock::now()), (None, true));
    }
}

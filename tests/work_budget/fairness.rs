//! Whole runs: cheap requests beside expensive ones.

use std::{future::Future, sync::Arc, task::Poll, time::Duration};

use futures_util::future::join_all;
use plimsoll::{
    Ratio, Stack,
    work_budget::{Demotion, OverCost, Settings},
};
use tower::{Layer, Service, ServiceExt};

use crate::{Ask, Failed, SECOND, ask, budget, seats, work};

/// Many that ask for little beside some that ask for everything, in two seconds. Nobody cheap is refused, nor waits longer
/// than it takes the widest that may be to end; by a limit on requests alone, most of them were.
#[tokio::test(start_paused = true)]
async fn cheap_requests_go_on_beside_expensive_ones() {
    /// A handler whose work all goes over one disk: a thousandth of a second for each unit, shared by all who are under way.
    async fn read(disk: Arc<tokio::sync::Mutex<()>>, ask: Ask) -> Result<u64, Failed> {
        for _ in 0..ask.spends.div_ceil(10) {
            let _turn = disk.lock().await;
            if let Some(work) = work::current() {
                work.spend(10)?;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(ask.spends)
    }

    async fn run(
        stack: impl Layer<Handler, Service: Service<Ask, Response = u64, Error = Failed> + Clone>,
    ) -> (usize, usize) {
        let disk = Arc::new(tokio::sync::Mutex::new(()));
        let service = stack.layer(Handler(Arc::new(move |ask| Box::pin(read(disk.clone(), ask)))));
        let asks = (0..100u64).map(|number| (number, if number % 10 == 0 { ask(2_000) } else { ask(10) }));
        let ends = join_all(asks.map(|(number, ask)| {
            let service = service.clone();
            async move {
                tokio::time::sleep(Duration::from_millis(20 * number)).await;
                let end = tokio::time::timeout(SECOND, service.oneshot(ask)).await;
                (ask.estimate == 10, end.is_ok_and(|end| end.is_ok()))
            }
        }))
        .await;
        let answered = |cheap| ends.iter().filter(|end| **end == (cheap, true)).count();
        (answered(true), answered(false))
    }

    let limited = Stack::new().work_budget(Settings::try_new(3).expect("three"));
    let (cheap, _) = run(limited).await;
    assert!(cheap < 60, "{cheap} of 90 beside those that ask for 200 times as much");

    let weighed = seats(3).with_width(Ratio::percent(30));
    assert_eq!(run(Stack::new().work_budget(budget(weighed))).await, (90, 0), "what is too much is told so");

    let demoting = weighed.with_over_cost(OverCost::Demote(Demotion::try_new(1).expect("one")));
    let (cheap, _) = run(Stack::new().work_budget(budget(demoting))).await;
    assert_eq!(cheap, 90, "and one at a time takes no more than its turn");
}

type Answer = std::pin::Pin<Box<dyn Future<Output = Result<u64, Failed>>>>;

/// A handler of whatever closure.
#[derive(Clone)]
struct Handler(Arc<dyn Fn(Ask) -> Answer>);

impl Service<Ask> for Handler {
    type Response = u64;
    type Error = Failed;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> Poll<Result<(), Failed>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, ask: Ask) -> Answer {
        (self.0)(ask)
    }
}

//! Nothing is allocated on the ready path, nor for a refusal: in every room alone, and in all of them stacked.
#![cfg(feature = "testing")]

mod attempts;
mod budgets;
mod bulkhead;
mod keyed;
mod overload;
mod shuffle_shard;
mod stacks;
mod telemetry;

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    num::NonZeroU32,
    pin::pin,
    task::{Context, Poll, Waker},
};

use tower::Service;

/// Answers at once, and allocates nothing itself.
#[derive(Clone, Copy)]
struct Inner;

impl Service<u64> for Inner {
    type Response = u64;
    type Error = Infallible;
    type Future = Ready<Result<u64, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, req: u64) -> Self::Future {
        ready(Ok(req))
    }
}

/// Heap allocations of a thousand calls, all of which must be answered (or all refused) at the first poll.
fn allocations<S: Service<u64>>(mut service: S, answered: bool) -> u64 {
    let mut call = |req| {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(service.poll_ready(&mut cx).is_ready());
        let mut future = pin!(service.call(req));
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(result) => assert_eq!(result.is_ok(), answered),
            Poll::Pending => panic!("not answered at once"),
        }
    };
    call(0);
    allocation_counter::measure(|| (1..=1000).for_each(&mut call)).count_total
}

fn limit(limit: u32) -> plimsoll::bulkhead::Settings {
    plimsoll::bulkhead::Settings::new(NonZeroU32::new(limit).expect("not zero"))
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocation_counter::measure(|| drop(std::hint::black_box(Box::new(1)))).count_total, 1);
}

/// Fails at once, and allocates nothing itself.
#[derive(Clone, Copy)]
struct Failing;

impl Service<u64> for Failing {
    type Response = u64;
    type Error = ();
    type Future = Ready<Result<u64, ()>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: u64) -> Self::Future {
        ready(Err(()))
    }
}

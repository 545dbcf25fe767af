//! What the benches share: an inner service that answers at once, and a loop that polls by hand. No runtime and no
//! timers: what is measured is the layers.
#![allow(dead_code, unreachable_pub, reason = "each bench uses its part")]

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    hint::black_box,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use plimsoll::{
    Ratio, Stack, bulkhead,
    circuit_breaker::{self, CircuitBreaker},
    lift::Lift,
    rate_limit::Quota,
    retry,
    shuffle_shard::{
        Node, Nodes, ShuffleShard,
        sharded_bulkhead::{self, ShardedBulkhead},
    },
};
use tower::{
    Service, ServiceBuilder,
    balance::p2c::Balance,
    discover::ServiceList,
    load::{CompleteOnResponse, PendingRequests},
    retry::budget::{Budget, TpsBudget},
};

pub const SECOND: Duration = Duration::from_secs(1);

/// Always ready, answers the request.
#[derive(Clone, Copy)]
pub struct Inner;

impl Service<u64> for Inner {
    type Response = u64;
    type Error = Infallible;
    type Future = Ready<Result<u64, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, req: u64) -> Self::Future {
        ready(Ok(black_box(req)))
    }
}

/// One call: ready, called, polled once. Whether it was answered.
#[inline]
pub fn once<S: Service<u64>>(service: &mut S) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    if service.poll_ready(&mut cx).map_err(drop) != Poll::Ready(Ok(())) {
        return false;
    }
    let mut call = pin!(service.call(black_box(7)));
    matches!(black_box(call.as_mut().poll(&mut cx)), Poll::Ready(Ok(_)))
}

pub fn limit(limit: u32) -> bulkhead::Settings {
    bulkhead::Settings::try_new(limit).expect("not zero")
}

/// 64 cells, of which the tenant has four.
pub fn cells() -> ShardedBulkhead<impl Fn(&u64) -> u64 + Clone> {
    ShardedBulkhead::new(sharded_bulkhead::Settings::try_new(1000).expect("not zero"), |req: &u64| *req)
}

/// More often than anybody asks.
pub fn often() -> Quota {
    Quota::try_per_second(u32::MAX).expect("not zero")
}

pub fn breaker() -> circuit_breaker::Settings {
    circuit_breaker::Settings::new()
}

/// As little as a breaker can do: no clock.
pub fn plain_breaker() -> circuit_breaker::Settings {
    breaker().without_hung_after()
}

pub fn slow_breaker() -> circuit_breaker::Settings {
    breaker().with_slow_calls(SECOND, Ratio::HALF)
}

pub fn open_breaker() -> CircuitBreaker {
    let breaker = CircuitBreaker::new(breaker());
    let mut service =
        Stack::new().circuit_breaker(breaker.clone()).service(tower::service_fn(|_: u64| ready(Err::<u64, ()>(()))));
    for _ in 0..10 {
        assert!(!once(&mut service));
    }
    assert_eq!(breaker.handle().snapshot().state, circuit_breaker::State::Open);
    breaker
}

type Member = Lift<Inner>;

/// A router to so many members that answer at once.
pub fn sharded(nodes: usize) -> ShuffleShard<Member, fn(&Node) -> Member> {
    let nodes = (0..nodes).map(|n| Node::new(format!("node-{n}")));
    ShuffleShard::new(Nodes::try_new(nodes).expect("different names"), |_| Stack::new().service(Inner))
}

/// tower's way to so many endpoints: the less loaded of two.
pub fn tower_balance(endpoints: usize) -> impl Service<u64> {
    let endpoint = |_| PendingRequests::new(Inner, CompleteOnResponse::default());
    Balance::new(ServiceList::new((0..endpoints).map(endpoint)))
}

/// Four rooms, in the order of a client: the whole call, attempts, places, health, one attempt.
#[macro_export]
macro_rules! four_rooms {
    () => {
        plimsoll::Stack::new()
            .timeout(2 * support::SECOND)
            .retry(plimsoll::retry::Settings::new())
            .bulkhead(support::limit(1000))
            .circuit_breaker(support::plain_breaker())
            .timeout(support::SECOND)
    };
}

/// Never retries, and keeps a budget's books, as ours does.
#[derive(Clone)]
pub struct TowerRetry(Arc<TpsBudget>);

impl TowerRetry {
    pub fn new() -> Self {
        Self(Arc::new(TpsBudget::default()))
    }
}

impl<E> tower::retry::Policy<u64, u64, E> for TowerRetry {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut u64, result: &mut Result<u64, E>) -> Option<Ready<()>> {
        if result.is_ok() {
            self.0.deposit();
        }
        None
    }

    fn clone_request(&mut self, req: &u64) -> Option<u64> {
        Some(*req)
    }
}

/// tower's five layers, as far as they match ours.
pub fn tower_five() -> impl Service<u64> {
    ServiceBuilder::new()
        .timeout(SECOND)
        .load_shed()
        .concurrency_limit(1000)
        .rate_limit(u64::MAX, SECOND)
        .retry(TowerRetry::new())
        .service(Inner)
}

/// tower's layers that stand beside our four: two timeouts, retry, and a limit that sheds.
pub fn tower_four() -> impl Service<u64> + Clone {
    ServiceBuilder::new()
        .timeout(2 * SECOND)
        .retry(TowerRetry::new())
        .load_shed()
        .concurrency_limit(1000)
        .timeout(SECOND)
        .service(Inner)
}

pub fn retrying() -> retry::Settings {
    retry::Settings::new()
}

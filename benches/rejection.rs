//! What a refusal costs, beside tower's own.

mod support;

use std::{convert::Infallible, future::Future, num::NonZeroU32, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use plimsoll::{
    Stack,
    circuit_breaker::CircuitBreaker,
    clock::{self, Moment},
    gate::Ending,
    limit::{FixedLimit, Limit},
    rate_limit::{self, Quota},
    surge_queue::{self, SurgeQueue},
    timeout::TimeoutLayer,
};
use support::*;
use tower::{Service, ServiceBuilder, service_fn};

fn measure<S: Service<u64>>(criterion: &mut Criterion, name: &str, mut service: S) {
    assert!(!once(&mut service), "{name}: not refused");
    criterion.bench_function(name, |bencher| bencher.iter(|| once(&mut service)));
}

fn hang(_: u64) -> impl Future<Output = Result<u64, Infallible>> {
    std::future::pending()
}

/// A limit of one, whose place is taken for a long time.
struct Taken;

impl Limit for Taken {
    type Permit = ();

    fn take(&self, _: &Moment) -> Option<()> {
        None
    }

    fn take_anyway(&self, _: &Moment) {}

    fn put_back(&self, (): (), _: Ending, _: &Moment) {}

    fn limit(&self) -> u32 {
        1
    }

    fn latency(&self) -> Option<Duration> {
        Some(1000 * SECOND)
    }
}

fn rejection(criterion: &mut Criterion) {
    let mut full = Stack::new().bulkhead(limit(1)).service(service_fn(hang));
    let _held = full.call(0);
    measure(criterion, "bulkhead full", full.clone());

    // One waits, and it would take a thousand seconds for each: all others are told so.
    let queue = SurgeQueue::new(surge_queue::Settings::new()).in_front_of(Taken);
    let mut foretelling = Stack::new().surge_queue(queue).service(Inner);
    let _waits = foretelling.call(0);
    measure(criterion, "surge queue, wait foretold", foretelling.clone());
    let narrow = surge_queue::Settings::new().try_with_burst(Duration::MAX).and_then(|set| set.try_with_max_waiting(1));
    let queue = SurgeQueue::new(narrow.expect("valid")).in_front_of(FixedLimit::try_new(1).expect("not zero"));
    let mut packed = Stack::new().surge_queue(queue).service(service_fn(hang));
    let _waits_too = (packed.call(0), packed.call(0));
    measure(criterion, "surge queue full", packed.clone());

    let mut shedding = ServiceBuilder::new().load_shed().concurrency_limit(1).service(service_fn(hang));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(shedding.poll_ready(&mut cx).is_ready());
    let _held_too = shedding.call(0);
    measure(criterion, "tower concurrency limit full, shedding", shedding.clone());

    measure(criterion, "circuit open", Stack::new().circuit_breaker(open_breaker()).service(Inner));
    let held = CircuitBreaker::new(breaker());
    held.handle().force_open();
    measure(criterion, "circuit held open", Stack::new().circuit_breaker(held).service(Inner));

    // One in a day, which is gone.
    let day = || Quota::try_per_day(1).expect("not zero");
    let mut gone = Stack::new().rate_limit(day()).service(Inner);
    assert!(once(&mut gone));
    measure(criterion, "rate limit, gone", gone);
    let two = rate_limit::Settings::try_new(&[often(), day()]).expect("two");
    let mut one_gone = Stack::new().rate_limit(two).service(Inner);
    assert!(once(&mut one_gone));
    measure(criterion, "rate limit, one of two gone", one_gone);
    let mut foretelling =
        Stack::new().rate_limit(rate_limit::Settings::from(day()).with_wait(9, SECOND)).service(Inner);
    assert!(once(&mut foretelling));
    measure(criterion, "rate limit, wait too long", foretelling);
    let governor = governor::RateLimiter::direct(governor::Quota::per_hour(NonZeroU32::MIN));
    assert!(governor.check().is_ok());
    criterion.bench_function("rate limit, governor by hand", |bencher| bencher.iter(|| governor.check().is_ok()));

    let past = clock::now();
    let late = TimeoutLayer::new(Duration::MAX).deadline_by(move |_: &u64| Some(past));
    measure(criterion, "deadline past", Stack::new().timeout(late).service(Inner));

    let stack = Stack::new()
        .timeout(2 * SECOND)
        .retry(retrying())
        .bulkhead(limit(1000))
        .circuit_breaker(open_breaker())
        .timeout(SECOND);
    measure(criterion, "four rooms, circuit open", stack.service(Inner));
}

criterion_group!(benches, rejection);
criterion_main!(benches);

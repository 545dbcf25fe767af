//! What a call costs that is let in and answered at once: each room and the stack, beside tower's own, in one run.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use plimsoll::{
    Stack,
    limit::Fixed,
    load_shed,
    surge_queue::{self, SurgeQueue},
};
use support::*;
use tower::{Service, ServiceBuilder};

fn measure<S: Service<u64>>(criterion: &mut Criterion, name: &str, mut service: S) {
    assert!(once(&mut service), "{name}: not answered");
    println!("{name}: its future is {} bytes larger", size_of::<S::Future>().saturating_sub(size_of_inner()));
    criterion.bench_function(name, |bencher| bencher.iter(|| once(&mut service)));
}

fn size_of_inner() -> usize {
    size_of::<<Inner as Service<u64>>::Future>()
}

fn admission(criterion: &mut Criterion) {
    // tower's timeout and rate limit want a runtime to be made in; no timer is ever polled.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let _entered = runtime.enter();

    measure(criterion, "bare", Inner);
    measure(criterion, "bulkhead", Stack::new().bulkhead(limit(1000)).service(Inner));
    measure(criterion, "tower concurrency limit", ServiceBuilder::new().concurrency_limit(1000).service(Inner));
    let shed = ServiceBuilder::new().load_shed().concurrency_limit(1000).service(Inner);
    measure(criterion, "tower concurrency limit, shedding", shed);

    measure(criterion, "meter", Stack::new().metered("meter").service(Inner));

    measure(criterion, "timeout", Stack::new().timeout(SECOND).service(Inner));
    measure(criterion, "tower timeout", ServiceBuilder::new().timeout(SECOND).service(Inner));

    measure(criterion, "circuit breaker, no clock", Stack::new().circuit_breaker(plain_breaker()).service(Inner));
    measure(criterion, "circuit breaker, default", Stack::new().circuit_breaker(breaker()).service(Inner));
    measure(criterion, "circuit breaker, slow calls", Stack::new().circuit_breaker(slow_breaker()).service(Inner));

    measure(criterion, "load shed", Stack::new().load_shed(load_shed::Settings::new()).service(Inner));
    let queue = || SurgeQueue::new(surge_queue::Settings::new());
    let fixed = || Fixed::try_new(1000).expect("not zero");
    measure(
        criterion,
        "surge queue, fixed limit",
        Stack::new().surge_queue(queue().in_front_of(fixed())).service(Inner),
    );
    let both = Stack::new().overload_control(queue(), load_shed::Settings::new());
    measure(criterion, "surge queue, load shed", both.service(Inner));

    measure(criterion, "retry with budget", Stack::new().retry(retrying()).service(Inner));
    measure(criterion, "tower retry with budget", ServiceBuilder::new().retry(TowerRetry::new()).service(Inner));

    let fused = Stack::new().bulkhead(limit(1000)).circuit_breaker(plain_breaker()).bulkhead(limit(1000));
    measure(criterion, "three gates fused", fused.service(Inner));
    let nested = Stack::new()
        .bulkhead(limit(1000))
        .layer(tower::layer::util::Identity::new())
        .circuit_breaker(plain_breaker())
        .layer(tower::layer::util::Identity::new())
        .bulkhead(limit(1000));
    measure(criterion, "three gates nested", nested.service(Inner));

    measure(criterion, "four rooms (two timeouts)", four_rooms!().service(Inner));
    measure(criterion, "tower, likewise (no breaker)", tower_four());
    measure(criterion, "tower, five layers", tower_five());
}

criterion_group!(benches, admission);
criterion_main!(benches);

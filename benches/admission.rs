//! What a call costs that is let in and answered at once: each room and the stack, beside tower's own, in one run.

mod support;

use std::num::NonZeroU32;
use std::{
    convert::Infallible,
    future::Ready,
    hint::black_box,
    task::{Context, Poll},
};

use criterion::{Criterion, criterion_group, criterion_main};
use plimsoll::{
    Stack,
    bulkhead::Bulkhead,
    circuit_breaker::CircuitBreaker,
    keyed::{self, Keyed},
    limit::FixedLimit,
    load_shed,
    rate_limit::{self, RateLimit},
    surge_queue::{self, SurgeQueue},
    work::Work,
    work_budget::{self, Cost, WorkBudget},
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

/// As [`Inner`], and spends of its work.
#[derive(Clone, Copy)]
struct Spending;

impl Service<u64> for Spending {
    type Response = u64;
    type Error = Infallible;
    type Future = Ready<Result<u64, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Inner.poll_ready(cx)
    }

    fn call(&mut self, req: u64) -> Self::Future {
        assert!(plimsoll::work::current().is_some_and(|work| work.spend(req).is_ok()));
        Inner.call(req)
    }
}

fn admission(criterion: &mut Criterion) {
    // tower's timeout and rate limit want a runtime to be made in; no timer is ever polled.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let _entered = runtime.enter();

    measure(criterion, "bare", Inner);
    measure(criterion, "bulkhead", Stack::new().bulkhead(limit(1000)).service(Inner));
    measure(criterion, "sharded bulkhead", Stack::new().sharded_bulkhead(cells()).service(Inner));
    measure(criterion, "tower concurrency limit", ServiceBuilder::new().concurrency_limit(1000).service(Inner));
    let shed = ServiceBuilder::new().load_shed().concurrency_limit(1000).service(Inner);
    measure(criterion, "tower concurrency limit, shedding", shed);

    measure(criterion, "meter", Stack::new().metered("meter").service(Inner));
    let seats = work_budget::Settings::try_new(1000).and_then(|settings| settings.try_with_fuel_per_seat(5));
    let seats = seats.expect("not zero");
    let budget = |settings| Stack::new().work_budget(WorkBudget::new(settings).cost_by(|req: &u64| Cost::fuel(*req)));
    measure(criterion, "work budget, admission alone", budget(seats).service(Inner));
    let fuel = seats.try_with_fuel(100).expect("not zero");
    measure(criterion, "work budget, with fuel", budget(fuel).service(Inner));
    measure(criterion, "work budget, with fuel, one spend", budget(fuel).service(Spending));
    measure(criterion, "work budget, polls timed", budget(fuel.with_max_busy(SECOND)).service(Inner));
    let work = Work::new(u64::MAX);
    criterion.bench_function("work: spend", |bencher| bencher.iter(|| work.spend(black_box(1))));
    criterion.bench_function("work: child, which spends", |bencher| bencher.iter(|| work.child(9).spend(black_box(1))));

    measure(criterion, "timeout", Stack::new().timeout(SECOND).service(Inner));
    measure(criterion, "tower timeout", ServiceBuilder::new().timeout(SECOND).service(Inner));

    measure(criterion, "circuit breaker, no clock", Stack::new().circuit_breaker(plain_breaker()).service(Inner));
    measure(criterion, "circuit breaker, default", Stack::new().circuit_breaker(breaker()).service(Inner));
    measure(criterion, "circuit breaker, slow calls", Stack::new().circuit_breaker(slow_breaker()).service(Inner));

    measure(criterion, "load shed", Stack::new().load_shed(load_shed::Settings::new()).service(Inner));
    let queue = || SurgeQueue::new(surge_queue::Settings::new());
    let fixed = || FixedLimit::try_new(1000).expect("not zero");
    measure(
        criterion,
        "surge queue, fixed limit",
        Stack::new().surge_queue(queue().in_front_of(fixed())).service(Inner),
    );
    let both = Stack::new().overload_control(queue(), load_shed::Settings::new());
    measure(criterion, "surge queue, load shed", both.service(Inner));

    measure(criterion, "rate limit", Stack::new().rate_limit(often()).service(Inner));
    let two = rate_limit::Settings::try_new(&[often(), often()]).expect("two");
    measure(criterion, "rate limit, two quotas", Stack::new().rate_limit(two).service(Inner));
    let asked = RateLimit::new(often()).cost_by(|req: &u64| *req as u32).exempt_by(|req: &u64| *req == 1);
    measure(criterion, "rate limit, costs and exemptions", Stack::new().rate_limit(asked).service(Inner));
    let heeding = rate_limit::Settings::from(often()).with_max_hint(SECOND);
    measure(criterion, "rate limit, throttle hints", Stack::new().rate_limit(heeding).service(Inner));
    let governor = governor::RateLimiter::direct(governor::Quota::per_second(NonZeroU32::MAX));
    criterion.bench_function("rate limit, governor by hand", |bencher| bencher.iter(|| governor.check().is_ok()));
    measure(criterion, "rate limit, tower's", ServiceBuilder::new().rate_limit(u64::MAX, SECOND).service(Inner));

    let of_bulkheads = |keys: u64| {
        // Each call is for another key than the one before it, and all have a place.
        let turn = std::cell::Cell::new(0_u64);
        let key = move |_: &u64| turn.replace(if turn.get() + 1 < keys { turn.get() + 1 } else { 0 });
        let keyed = Keyed::new(keyed::Settings::new(), key, |_: &u64| Bulkhead::new(limit(1000)));
        let mut service = Stack::new().keyed(keyed).service(Inner);
        (0..keys).for_each(|_| assert!(once(&mut service)));
        service
    };
    measure(criterion, "bulkhead for each key, 1 key", of_bulkheads(1));
    measure(criterion, "bulkhead for each key, 1000 keys", of_bulkheads(1000));
    let next = || {
        let turn = std::cell::Cell::new(0_u64);
        move |_: &u64| turn.replace(if turn.get() + 1 < 1000 { turn.get() + 1 } else { 0 })
    };
    let each = RateLimit::from(often());
    let limits = Keyed::new(keyed::Settings::new(), next(), move |_: &u64| each.fresh());
    let mut limits = Stack::new().keyed(limits).service(Inner);
    (0..1000).for_each(|_| assert!(once(&mut limits)));
    measure(criterion, "rate limit for each key, 1000 keys", limits);
    let governor = governor::RateLimiter::hashmap(governor::Quota::per_second(NonZeroU32::MAX));
    let key = next();
    (0..1000).for_each(|_| assert!(governor.check_key(&key(&0)).is_ok()));
    criterion.bench_function("rate limit for each key, 1000 keys, governor by hand", |bencher| {
        bencher.iter(|| governor.check_key(&key(&0)).is_ok());
    });
    let breakers = Keyed::new(keyed::Settings::new(), |_: &u64| 7_u64, |_: &u64| CircuitBreaker::new(plain_breaker()));
    measure(criterion, "breaker for each key, no clock", Stack::new().keyed(breakers).service(Inner));

    measure(criterion, "retry with budget", Stack::new().retry(retrying()).service(Inner));
    measure(criterion, "tower retry with budget", ServiceBuilder::new().retry(TowerRetry::new()).service(Inner));

    measure(criterion, "shuffle shard, 8 nodes", sharded(8).tenant_by(|req: &u64| *req));
    measure(criterion, "shuffle shard, 100 nodes", sharded(100).tenant_by(|req: &u64| *req));
    measure(criterion, "shuffle shard, 2048 nodes", sharded(2048).tenant_by(|req: &u64| *req));
    measure(criterion, "shuffle shard, 8 nodes, of nobody", sharded(8));
    measure(criterion, "tower balance, 8 endpoints", tower_balance(8));

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
    let by_hand = Stack::new().timeout(SECOND).overload_control(queue(), load_shed::Settings::new());
    measure(criterion, "a server by hand", by_hand.service(Inner));
    measure(criterion, "a ready-made server", plimsoll::server().stack().service(Inner));
    measure(criterion, "a ready-made client", plimsoll::client().stack().service(Inner));
    measure(criterion, "tower, likewise (no breaker)", tower_four());
    measure(criterion, "tower, five layers", tower_five());
}

criterion_group!(benches, admission);
criterion_main!(benches);

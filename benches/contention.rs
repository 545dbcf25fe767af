//! Two threads on one service: nanoseconds a call for each of them. Where it stays what one thread pays, they do not
//! get in each other's way.

mod support;

use std::{
    sync::Barrier,
    time::{Duration, Instant},
};

use criterion::{Criterion, criterion_group, criterion_main};
use plimsoll::{Stack, work_budget};
use support::*;
use tower::{Service, ServiceBuilder};

fn measure<S: Service<u64> + Clone + Send>(criterion: &mut Criterion, name: &str, service: S) {
    for threads in [1, 2] {
        criterion.bench_function(&format!("{name}, {threads} threads"), |bencher| {
            bencher.iter_custom(|calls| spent(threads, calls, &service));
        });
    }
}

/// The longest that any of the threads took for its calls, all of them starting together.
fn spent<S: Service<u64> + Clone + Send>(threads: usize, calls: u64, service: &S) -> Duration {
    let start = Barrier::new(threads);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                let (mut service, start) = (service.clone(), &start);
                scope.spawn(move || {
                    start.wait();
                    let began = Instant::now();
                    for _ in 0..calls {
                        assert!(once(&mut service));
                    }
                    began.elapsed()
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().expect("no panic")).max().unwrap_or_default()
    })
}

fn contention(criterion: &mut Criterion) {
    measure(criterion, "bare", Inner);
    measure(criterion, "bulkhead", Stack::new().bulkhead(limit(1000)).service(Inner));
    measure(criterion, "sharded bulkhead", Stack::new().sharded_bulkhead(cells()).service(Inner));
    let budget = work_budget::Settings::try_new(1000).expect("not zero");
    measure(criterion, "work budget, admission alone", Stack::new().work_budget(budget).service(Inner));
    let fuel = budget.try_with_fuel(100).expect("not zero");
    measure(criterion, "work budget, with fuel", Stack::new().work_budget(fuel).service(Inner));
    measure(criterion, "tower concurrency limit", ServiceBuilder::new().concurrency_limit(1000).service(Inner));
    measure(criterion, "circuit breaker, no clock", Stack::new().circuit_breaker(plain_breaker()).service(Inner));
    measure(criterion, "circuit breaker, default", Stack::new().circuit_breaker(breaker()).service(Inner));
    measure(criterion, "rate limit", Stack::new().rate_limit(often()).service(Inner));
    measure(criterion, "shuffle shard, 8 nodes", sharded(8).tenant_by(|req: &u64| *req));
    measure(criterion, "retry with budget", Stack::new().retry(retrying()).service(Inner));
    measure(criterion, "tower retry with budget", ServiceBuilder::new().retry(TowerRetry::new()).service(Inner));
    measure(criterion, "four rooms (two timeouts)", four_rooms!().service(Inner));
}

criterion_group!(benches, contention);
criterion_main!(benches);

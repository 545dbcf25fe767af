//! What it costs to be watched: a wide stack with nothing, with a meter, with counters, with an observer; and a refusal
//! likewise.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use plimsoll::{
    Stack, load_shed, meter,
    rate_limit::Quota,
    surge_queue::{self, SurgeQueue},
    telemetry::Tracing,
    work_budget,
};
use support::*;
use tower::Service;

/// Rooms of every kind, in the order of a server that is a client too; after the first, whatever else is given.
macro_rules! wide {
    ($outermost:expr; $($more:tt)*) => {
        $outermost
            .timeout(2 * SECOND)
            $($more)*
            .rate_limit(Quota::try_per_second(u32::MAX).expect("not zero"))
            .overload_control(SurgeQueue::new(surge_queue::Settings::new()), load_shed::Settings::new())
            .work_budget(work_budget::Settings::try_new(1000).expect("not zero"))
            .bulkhead(limit(1000))
            .retry(retrying())
            .circuit_breaker(breaker())
            .timeout(SECOND)
    };
}

fn measure<S: Service<u64>>(criterion: &mut Criterion, name: &str, mut service: S) {
    assert!(once(&mut service), "{name}: not answered");
    criterion.bench_function(name, |bencher| bencher.iter(|| once(&mut service)));
}

fn refuse<S: Service<u64> + Clone>(criterion: &mut Criterion, name: &str, service: S) {
    let mut held = service.clone();
    let _held = held.call(7);
    let mut service = service;
    assert!(!once(&mut service), "{name}: let in");
    criterion.bench_function(name, |bencher| bencher.iter(|| once(&mut service)));
}

fn watching(criterion: &mut Criterion) {
    measure(criterion, "meter alone", Stack::new().metered("m").service(Inner));
    let counting = meter::Settings::new().without_times();
    measure(criterion, "meter alone, without times", Stack::new().metered(counting).service(Inner));

    let none = Stack::new;
    let apart = meter::Settings::new();
    measure(criterion, "watched by nothing", wide!(none();).service(Inner));
    measure(criterion, "watched by counters", wide!(none().counted();).service(Inner));
    measure(criterion, "watched by a meter", wide!(none(); .metered(apart)).service(Inner));
    measure(criterion, "watched by a meter apart", wide!(none().metered(apart);).service(Inner));
    measure(criterion, "watched by meter and counters", wide!(none().counted(); .metered(apart)).service(Inner));
    let all = wide!(none().counted().observe(Tracing::new()); .metered(apart));
    measure(criterion, "watched by meter, counters and tracing", all.service(Inner));
    let announcing = wide!(none().observe(Tracing::new()); .metered(apart.with_events()));
    measure(criterion, "watched by a meter that announces", announcing.service(Inner));

    refuse(criterion, "refused, watched by nothing", Stack::new().bulkhead(limit(1)).service(Inner));
    refuse(criterion, "refused, watched by counters", Stack::new().bulkhead(limit(1)).counted().service(Inner));
    let tracing = Stack::new().bulkhead(limit(1)).observe(Tracing::new());
    refuse(criterion, "refused, watched by tracing", tracing.service(Inner));
    let both = Stack::new().bulkhead(limit(1)).counted().observe(Tracing::new());
    refuse(criterion, "refused, watched by both", both.service(Inner));
}

criterion_group!(benches, watching);
criterion_main!(benches);

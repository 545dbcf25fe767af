//! Settings, holds and snapshots by the thousand while calls go on: nothing is left behind, nothing stands still, and what was
//! counted stays.

use std::{io, time::Duration};

use futures_util::future::join_all;
use plimsoll::{
    Stack, bulkhead,
    chance::Chance,
    circuit_breaker::{self, CircuitBreaker},
    control::{Registry, Snapshot},
    event::{Ended, Hold},
    load_shed::{self, LoadShed},
    meter,
    rate_limit::{self, Quota},
    retry::{self, RetryLayer},
    surge_queue::{self, SurgeQueue},
    telemetry::{Metric, Number},
    timeout, work_budget,
};
use tower::{Service, ServiceExt, service_fn};

use crate::{
    MS,
    crowd::{Breath, crowd},
};

const CHANGES: u32 = 1000;

/// Every room that can be changed.
macro_rules! everything {
    () => {
        Stack::new()
            .metered("front")
            .timeout(Duration::from_secs(60))
            .rate_limit(quota(0))
            .work_budget(seats(0))
            .overload_control(
                SurgeQueue::new(surge_queue::Settings::new()).chance(Chance::seeded(1)),
                LoadShed::new(load_shed::Settings::new()).chance(Chance::seeded(2)),
            )
            .retry(RetryLayer::new(retry::Settings::new()).chance(Chance::seeded(3)))
            .bulkhead(bulkhead::Settings::try_new(4).expect("not zero").with_wait(100, Duration::MAX))
            .circuit_breaker(CircuitBreaker::new(circuit_breaker::Settings::new()).chance(Chance::seeded(4)))
            .counted()
    };
}

/// So many requests a second that now and then some wait, and some are refused.
fn quota(n: u32) -> rate_limit::Settings {
    rate_limit::Settings::new(Quota::try_per_second(500 + n % 2000).expect("not zero")).with_wait(n % 50, 100 * MS)
}

fn seats(n: u32) -> work_budget::Settings {
    work_budget::Settings::try_new(8 + n % 9).expect("not zero").with_wait(n % 50, Duration::MAX)
}

/// The `n`th change: each handle gets other settings, one layer another hold, and somebody looks.
fn change(registry: &Registry, n: u32) {
    let is = |nth: u32| n.is_multiple_of(nth);
    let found = "its layer is there";
    let limit = bulkhead::Settings::try_new(1 + n % 7).expect("not zero").with_wait(n % 200, Duration::MAX);
    registry.handle::<bulkhead::Handle>("bulkhead").expect(found).update(limit);
    registry.handle::<rate_limit::Handle>("rate_limit").expect(found).update(quota(n));
    registry.handle::<work_budget::Handle>("work_budget").expect(found).update(seats(n));
    let patience = Duration::from_secs(60 + u64::from(n % 60));
    registry.handle::<timeout::Handle>("timeout").expect(found).update(patience);
    let attempts = retry::Settings::new().try_with_attempts(1 + n % 4).expect("not zero");
    registry.handle::<retry::Handle>("retry").expect(found).update(attempts);
    let breaker = circuit_breaker::Settings::new().with_ramp(n % 3 * MS);
    registry.handle::<circuit_breaker::Handle>("circuit_breaker").expect(found).update(breaker);
    let limits = load_shed::Settings::new().try_with_limits(1, 1 + n % 50).expect("valid");
    registry.handle::<load_shed::Handle>("load_shed").expect(found).update(limits);
    let queue = surge_queue::Settings::new().try_with_max_waiting(1 + n % 100).expect("not zero");
    registry.handle::<surge_queue::Handle<LoadShed>>("surge_queue").expect(found).update(queue);
    let meter = if is(5) { meter::Settings::new().without_times() } else { meter::Settings::new() };
    registry.handle::<meter::Handle>("front").expect(found).update(meter);
    let holds = [Hold::Open, Hold::Automatic, Hold::Closed, Hold::ObserveOnly];
    registry.hold("circuit_breaker", holds[n as usize % 4]).expect(found);
    let watching = if is(3) { Hold::ObserveOnly } else { Hold::Automatic };
    for layer in ["bulkhead", "load_shed", "surge_queue", "rate_limit", "work_budget"] {
        registry.hold(layer, watching).expect(found);
    }
    assert_eq!(registry.snapshot().layers.len(), registry.describe().layers().len());
}

/// No permit, no place to wait and no call, in whatever layer counts them.
fn expect_nothing_held(snapshot: &Snapshot) {
    let held = |metric| matches!(metric, Metric::InUse | Metric::Waiting | Metric::CallsActive | Metric::Parked);
    let mut gauges = 0;
    for (layer, sample) in snapshot.numbers().filter(|(_, sample)| held(sample.metric)) {
        assert_eq!(sample.number, Number::Gauge(0.0), "{} of {}", sample.metric, layer.label);
        gauges += 1;
    }
    assert!(gauges >= 9, "{gauges}: there are layers that hold something");
}

/// What must be true once nobody calls any more: `calls` were counted, and nothing is held.
fn expect_rest(registry: &Registry, calls: u64) {
    registry.hold_all(Hold::Automatic);
    let snapshot = registry.snapshot();
    expect_nothing_held(&snapshot);
    let front = registry.handle::<meter::Handle>("front").expect("there").snapshot();
    assert_eq!((front.calls(), front.active), (calls, 0), "{front:?}");
    let refused = snapshot.numbers_of(Metric::Refusals).map(|(_, sample)| match sample.number {
        Number::Counter(count) => count,
        _ => 0,
    });
    let (refused, answered) = (refused.sum::<u64>(), front.ended(Ended::Succeeded));
    assert!(refused > 0 && answered > 0, "some were answered, and while the circuit was held open some were refused");
}

/// In virtual time, and of seeded chance: the same each time.
#[tokio::test(start_paused = true)]
async fn a_thousand_changes_under_load_lose_nothing() {
    let stack = everything!();
    let registry = stack.control();
    let service = stack.service(service_fn(|n: u32| async move {
        tokio::time::sleep(n % 7 * MS).await;
        if n.is_multiple_of(50) { Err(io::Error::other("now and then")) } else { Ok(n) }
    }));
    let clients = (0..20_u32).map(|client| {
        let service = service.clone();
        async move {
            for call in 0..200_u32 {
                let call = service.clone().oneshot(client * 200 + call);
                // Every tenth is given up on, at whatever it is.
                if client.is_multiple_of(10) {
                    let _ = tokio::time::timeout(3 * MS, call).await;
                } else {
                    let _ = call.await;
                    tokio::time::sleep(MS).await;
                }
            }
        }
    });
    let changes = async {
        for n in 0..CHANGES {
            change(&registry, n);
            tokio::time::sleep(MS).await;
        }
        registry.hold_all(Hold::Automatic);
        let ample = bulkhead::Settings::try_new(100).expect("not zero");
        registry.handle::<bulkhead::Handle>("bulkhead").expect("there").update(ample);
    };
    let all = async { tokio::join!(join_all(clients), changes) };
    tokio::time::timeout(Duration::from_secs(3600), all).await.expect("nothing stands still");
    expect_rest(&registry, 20 * 200);
}

/// On threads that meet as they like: it must be true however they do.
#[test]
fn threads_call_while_others_change_everything() {
    let stack = everything!();
    let registry = stack.control();
    let service = stack.service(service_fn(|n: u32| async move {
        Breath::default().await;
        if n.is_multiple_of(50) { Err(io::Error::other("now and then")) } else { Ok(n) }
    }));
    let (threads, calls) = (3_u32, 1500_u32);
    let mut n = 0;
    crowd(
        threads.into(),
        |thread| {
            let mut service = service.clone();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
            for call in 0..calls {
                let future = service.call(thread as u32 * calls + call);
                // One in eight leaves at once.
                if call.is_multiple_of(8) {
                    drop(future);
                } else {
                    let _ = runtime.block_on(future);
                }
            }
        },
        || {
            change(&registry, n);
            n += 1;
        },
    );
    registry.hold_all(Hold::Automatic);
    let front = registry.handle::<meter::Handle>("front").expect("there").snapshot();
    assert_eq!((front.calls(), front.active), (u64::from(threads * calls), 0));
    expect_nothing_held(&registry.snapshot());
}

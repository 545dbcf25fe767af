use std::{
    hash::{BuildHasherDefault, DefaultHasher},
    time::Duration,
};

use plimsoll::{
    Stack,
    bulkhead::{self, Bulkhead},
    circuit_breaker::{self, CircuitBreaker, State},
    control::{Control, Registry},
    event::Hold,
    gate::PerKind,
    keyed::{self, Keyed},
    limit::FixedLimit,
    load_shed::{self, LoadShed},
    meter,
    rate_limit::{self, Quota},
    retry::{self, RetryLayer, Throttle, ThrottleSettings},
    shuffle_shard::{
        self, Node, Nodes, ShuffleShard,
        sharded_bulkhead::{self, ShardedBulkhead},
    },
    surge_queue::{self, Surge, SurgeQueue},
    telemetry::{Metric, Number, Page, Value},
    timeout, work_budget,
};
use tower::{Service, ServiceExt};

use crate::{MS, hanging, one};

/// Every room, most of them twice.
macro_rules! everything {
    () => {
        Stack::new()
            .metered("front")
            .timeout(Duration::from_secs(5))
            .rate_limit(Quota::try_per_second(10).expect("not zero"))
            .keyed(Keyed::new(keyed::Settings::new(), |(): &()| 0_u8, |_: &u8| Bulkhead::new(one())))
            .overload_control(
                surge_queue::Settings::new().with_surge(Surge::try_new(2).expect("not zero")),
                load_shed::Settings::new(),
            )
            .retry(retry::Settings::new().with_name("inventory"))
            .bulkhead(one().with_wait(3, MS))
            .circuit_breaker(circuit_breaker::Settings::new().with_name("inventory"))
            .work_budget(work_budget::Settings::try_new(8).expect("not zero"))
            .sharded_bulkhead(ShardedBulkhead::new(
                sharded_bulkhead::Settings::try_new(2).expect("not zero"),
                |(): &()| 7_u64,
            ))
            .layer(tower::util::MapRequestLayer::new(|req: ()| req))
            .gate(())
            .timeout(Duration::MAX)
    };
}

#[test]
fn a_description_names_each_layer_in_order_with_its_settings() {
    let described = everything!().describe().to_string();
    let expected = "\
1. meter \"front\": times yes, events no
2. timeout: limit 5s
3. rate_limit: quotas 10 per 1s, burst 10, max_waiting 0, max_wait 0ns, refunds yes, max_hint 0ns
4. keyed: capacity 16384, idle 600s, overflow Share
5. surge_queue: burst 100ms, max_waiting none, surge.concurrency 2, surge.max_waiting 1024, surge.ttl 60s, surge.demotion_after none, surge.lending 0.5, surge.ramp.burst 2, surge.ramp.step 0, surge.ramp.every for ever
6. load_shed: initial_limit 4, max_limit 65536, bottleneck Auto
7. retry \"inventory\": attempts 3, backoff.base 50ms, backoff.throttled_base 1s, backoff.cap 20s, backoff.jitter Full, max_hint 20s, budget.ratio 0.1, budget.cap 100, budget.refill 1
8. bulkhead: limit 1, max_waiting 3, max_wait 1ms, order OldestFirst, compartments none
9. circuit_breaker \"inventory#2\": consecutive_failures 10, failure_rate 0.5, slow_after none, slow_call_rate none, window.calls 100, window.length none, window.minimum 20, hung_after 1s, open_time 5s, open_time.max 300s, max_hint 300s, calm 60s, probes.successes 1, probes.of 1, probe_lease 30s, ramp 10s
10. work_budget: seats 8, width 0.15, fuel_per_seat none, fuel none, headroom 4, over_cost Refuse, max_waiting 0, max_wait 0ns, correction yes, max_page 100, max_busy for ever, long_poll for ever
11. sharded_bulkhead: permits 2, cells 64, hand 4
12. layer \"MapRequestLayer\"
13. gate \"()\"
14. timeout \"timeout#2\": limit for ever";
    assert_eq!(described, expected);
}

/// What bounds retries is told whichever it is.
#[test]
fn a_retry_is_described_with_its_throttle() {
    let throttle = Throttle::new(ThrottleSettings::try_new(4, 0.5).expect("in range"));
    let described = Stack::new().retry(RetryLayer::new(retry::Settings::new()).throttle(throttle)).describe();
    let retry = &described.layers()[0];
    assert_eq!(retry.setting("throttle.max_tokens"), Some(&Value::Whole(4)));
    assert_eq!(retry.setting("throttle.token_ratio"), Some(&Value::Real(0.5)));
    assert_eq!(retry.setting("budget.cap"), None);
}

/// At three in the morning somebody wants to know what a tenant may do, and the gates of no tenant in particular are asked.
#[test]
fn how_the_gate_of_each_key_is_set_is_told_if_somebody_says_how_that_is_known() {
    let keyed = |limit: u32| {
        let limit = bulkhead::Settings::try_new(limit).expect("not zero");
        Keyed::new(keyed::Settings::new(), |ask: &u8| *ask, move |_: &u8| Bulkhead::new(limit))
    };
    let told = keyed(7)
        .described_as(0, |bulkhead, page| bulkhead.handle().tell(page))
        .with_hasher(BuildHasherDefault::<DefaultHasher>::default());
    let handle = told.handle();
    let fresh = told.fresh();
    let registry = Stack::new().keyed(told).keyed(keyed(9)).keyed(fresh).control();
    let limits = || {
        let snapshot = registry.snapshot();
        let limit = |layer: &plimsoll::control::Layer| layer.setting("each.limit").cloned();
        snapshot.layers.iter().map(limit).collect::<Vec<_>>()
    };
    let whole = |limit| Some(Value::Whole(limit));
    assert_eq!(limits(), [whole(7), None, whole(7)]);
    let first = registry.describe().layers()[0].clone();
    assert_eq!((first.setting("each.hold"), first.number(Metric::Limit, "")), (None, None), "it stands for nobody");

    handle.update_gates(|_, bulkhead| {
        bulkhead.handle().update(one());
        bulkhead.handle().observe_only();
    });
    assert_eq!(limits(), [whole(1), None, whole(7)], "as a new one is made now");
    assert_eq!(registry.describe().layers()[0].setting("each.hold"), Some(&Value::Word("ObserveOnly".into())));
    assert!(handle.is_empty(), "and no key got a place by it");
}

/// The list is the stack's own: what is added to a clone is not there in the other, but what both have is the same layer.
#[test]
fn clones_share_their_layers_and_not_their_lists() {
    let stack = Stack::new().bulkhead(one());
    let (plain, longer) = (stack.control(), stack.clone().timeout(MS).control());
    assert_eq!(plain.labels().collect::<Vec<_>>(), ["bulkhead"]);
    assert_eq!(longer.labels().collect::<Vec<_>>(), ["bulkhead", "timeout"]);
    longer.handle::<bulkhead::Handle>("bulkhead").expect("there").update(one().with_wait(9, MS));
    let settings = plain.snapshot().layers[0].settings.clone();
    assert_eq!(settings[1], ("max_waiting".into(), Value::Whole(9)));
}

#[test]
fn layers_of_one_name_are_numbered_and_a_handle_is_found_by_its_kind() {
    let registry = everything!().control();
    let labels: Vec<_> = registry.labels().collect();
    assert_eq!(labels[6..9], ["inventory", "bulkhead", "inventory#2"]);
    assert!(registry.handle::<rate_limit::Handle>("rate_limit").is_ok());
    assert!(registry.handle::<keyed::Handle<u8, Bulkhead>>("keyed").is_ok());
    assert!(registry.handle::<work_budget::Handle>("work_budget").is_ok());
    assert!(registry.handle::<sharded_bulkhead::Handle>("sharded_bulkhead").is_ok());
    assert!(registry.handle::<retry::Handle>("inventory").is_ok());
    assert!(registry.handle::<circuit_breaker::Handle>("inventory").is_ok(), "by its name, as it is of another kind");
    assert!(registry.handle::<circuit_breaker::Handle>("inventory#2").is_ok());
    assert!(registry.handle::<surge_queue::Handle<LoadShed>>("surge_queue").is_ok());
    assert_eq!(registry.layer("inventory#2").map(Control::room).ok(), Some("circuit_breaker"));

    let error = registry.handle::<bulkhead::Handle>("inventory").expect_err("no bulkhead");
    let wanted = "there is no layer \"inventory\" with a bulkhead::Handle; there are: ";
    assert!(error.to_string().starts_with(wanted), "{error}");
    let error = registry.handle::<keyed::Handle<Own, Bulkhead>>("inventory").expect_err("nothing keyed").to_string();
    let wanted = " with a keyed::Handle<seen::control::Own, bulkhead::Bulkhead";
    assert!(error.contains(wanted), "{error}");
    let error = registry.handle::<sharded_bulkhead::Handle>("inventory").expect_err("no cells").to_string();
    assert!(error.contains(" with a shuffle_shard::sharded_bulkhead::Handle; "), "{error}");
}

/// Names are often typed, at three in the morning: whoever mistypes one is told what there is.
#[test]
fn whoever_asks_for_a_layer_that_is_not_there_is_told_which_are() {
    let registry = Stack::new().timeout(MS).bulkhead(one().with_name("inventory")).control();
    let error = registry.layer("inventry").map(Control::name).expect_err("nobody");
    assert_eq!(error.label(), "inventry");
    assert_eq!(error.to_string(), "there is no layer \"inventry\"; there are: timeout, inventory");
    let error = Stack::new().control().layer("inventory").map(Control::name).expect_err("nobody");
    assert_eq!(error.to_string(), "there is no layer \"inventory\"; there are none at all");
}

/// A user's name may be what a number would make of another.
#[test]
fn a_label_is_never_given_twice() {
    let named = |name| one().with_name(name);
    let stack = Stack::new().bulkhead(named("db#2")).bulkhead(named("db")).bulkhead(named("db")).bulkhead(named("db"));
    let registry = stack.control();
    assert_eq!(registry.labels().collect::<Vec<_>>(), ["db#2", "db", "db#3", "db#4"]);
}

#[test]
fn holding_by_name_means_all_that_can_be_held_so_and_by_a_numbered_label_that_one() {
    let named = |name| one().with_name(name);
    let breaker = || circuit_breaker::Settings::new().with_name("db");
    let stack = Stack::new().bulkhead(named("db")).circuit_breaker(breaker()).circuit_breaker(breaker()).timeout(MS);
    let registry = stack.control();
    let holds = || registry.snapshot().layers.iter().map(|layer| layer.hold).collect::<Vec<_>>();
    let (auto, open) = (Some(Hold::Automatic), Some(Hold::Open));

    registry.hold("db", Hold::ObserveOnly).expect("all of them can");
    assert_eq!(holds(), [Some(Hold::ObserveOnly), Some(Hold::ObserveOnly), Some(Hold::ObserveOnly), None]);
    registry.hold("db", Hold::Automatic).expect("all of them can");
    registry.hold("db#3", Hold::Open).expect("a circuit");
    assert_eq!(holds(), [auto, auto, open, None]);
    registry.hold("db", Hold::Open).expect("the circuits can");
    assert_eq!(holds(), [auto, open, open, None], "a bulkhead cannot be open");
    assert_eq!(registry.hold_all(Hold::Automatic), 3);

    let error = registry.hold("timeout", Hold::Open).expect_err("it cannot be held");
    assert_eq!(
        error.to_string(),
        "there is no layer \"timeout\" that can be held: Open; there are: db, db#2, db#3, timeout"
    );
    assert!(registry.hold("nobody", Hold::Automatic).is_err());
    let described = stack.describe().to_string();
    assert!(!described.contains("held"), "{described}");
}

#[tokio::test(start_paused = true)]
async fn what_is_held_is_said_and_done() {
    let stack = Stack::new().bulkhead(one()).circuit_breaker(circuit_breaker::Settings::new());
    let registry = stack.control();
    let mut service = stack.service(hanging());
    registry.hold("circuit_breaker", Hold::Open).expect("a circuit");
    assert!(service.call(()).await.is_err(), "held open");
    registry.hold("circuit_breaker", Hold::Closed).expect("a circuit");
    registry.hold("bulkhead", Hold::ObserveOnly).expect("a bulkhead");
    let _under_way = [service.call(()), service.call(())];
    let described = stack.describe().to_string();
    assert!(described.contains("compartments none (only observes)\n2."), "{described}");
    assert!(described.ends_with("ramp 10s (held closed)"), "{described}");
    let snapshot = registry.snapshot();
    let number = |label, metric, value| snapshot.layer(label).and_then(|layer| layer.number(metric, value)).cloned();
    assert_eq!(number("bulkhead", Metric::InUse, ""), Some(Number::Gauge(2.0)));
    assert_eq!(number("bulkhead", Metric::Held, "observe_only"), Some(Number::Gauge(1.0)));
    assert_eq!(number("circuit_breaker", Metric::Held, "closed"), Some(Number::Gauge(1.0)));
    assert_eq!(number("circuit_breaker", Metric::CircuitState, "closed"), Some(Number::Gauge(1.0)));
    assert_eq!(number("circuit_breaker", Metric::CircuitState, "open"), Some(Number::Gauge(0.0)));
}

#[tokio::test(start_paused = true)]
async fn gauges_are_what_the_handles_say() {
    let queue = SurgeQueue::new(surge_queue::Settings::new()).in_front_of(FixedLimit::try_new(1).expect("not zero"));
    let stack = Stack::new().surge_queue(queue);
    let mut service = stack.service(hanging());
    let _calls = [service.call(()), service.call(()), service.call(())];
    tokio::time::advance(20 * MS).await;
    let snapshot = stack.control().snapshot();
    let queue = snapshot.layer("surge_queue").expect("there");
    assert_eq!(queue.number(Metric::Waiting, "normal"), Some(&Number::Gauge(2.0)));
    assert_eq!(queue.number(Metric::Waiting, "critical"), Some(&Number::Gauge(0.0)));
    assert_eq!(queue.number(Metric::OldestWait, ""), Some(&Number::Gauge(0.02)));
    assert_eq!(queue.number(Metric::Limit, ""), Some(&Number::Gauge(1.0)));
    assert_eq!(queue.number(Metric::Limit, "no such"), None);
}

/// Whatever there is a number of, its metric says which kind of number that is.
#[test]
fn numbers_are_of_the_kind_that_the_table_says_and_no_series_is_told_twice() {
    let stack = everything!().counted();
    let snapshot = stack.control().snapshot();
    let mut seen = Vec::new();
    for (layer, sample) in snapshot.numbers() {
        let series = (layer.label.clone(), sample.metric, sample.attributes);
        assert!(!seen.contains(&series), "{series:?}");
        seen.push(series);
        let kind = match sample.number {
            Number::Counter(_) => plimsoll::telemetry::Kind::Counter,
            Number::Gauge(_) => plimsoll::telemetry::Kind::Gauge,
            Number::Histogram(_) => plimsoll::telemetry::Kind::Histogram,
        };
        assert_eq!(sample.metric.kind(), kind, "{}", sample.metric);
    }
    assert!(seen.len() > 35, "{}", seen.len());
}

/// The router is what the stack is put around, and is one of its layers all the same. Its handle once had to be given by hand.
#[tokio::test(start_paused = true)]
async fn a_router_is_a_layer_of_its_stack() {
    let nodes = Nodes::try_new(["a", "b", "c"].map(Node::new)).expect("three");
    let router = ShuffleShard::new(nodes, |_: &Node| {
        tower::service_fn(|(): ()| std::future::pending::<Result<(), plimsoll::Error<std::io::Error>>>())
    });
    let mut stack = Stack::new().bulkhead(one()).counted();
    let another = stack.clone();
    let mut service = stack.wrap_router(router);
    assert!(stack.describe().to_string().contains("\n2. shuffle_shard: "), "{}", stack.describe());
    assert_eq!(another.control().labels().collect::<Vec<_>>(), ["bulkhead"], "this stack was put around no router");
    let _under_way = service.call(());
    let registry = stack.control();
    assert!(registry.handle::<shuffle_shard::Handle>("shuffle_shard").expect("there").eject("b"));
    let snapshot = registry.snapshot();
    let router = snapshot.layer("shuffle_shard").expect("there");
    let number = |metric, value| router.number(metric, value).cloned();
    assert_eq!(number(Metric::Shards, "serving"), Some(Number::Gauge(2.0)));
    assert_eq!(number(Metric::Shards, "held"), Some(Number::Gauge(1.0)));
    assert_eq!(number(Metric::InUse, ""), Some(Number::Gauge(1.0)));
    assert_eq!(number(Metric::ShardEjections, "by_hand"), Some(Number::Counter(1)));
}

/// A stack that was put around the same router for each connection had a layer more each time; and one too many where it had
/// been told of the router before.
#[test]
fn a_router_is_told_once_however_often_a_stack_is_put_around_it() {
    let router = || {
        ShuffleShard::new(Nodes::try_new(["a"].map(Node::new)).expect("valid"), |_: &Node| {
            Stack::new().service(tower::service_fn(|(): ()| async { Ok::<_, std::io::Error>(()) }))
        })
    };
    let (one, other) = (router(), router());
    let mut stack = Stack::new().with_handle(one.handle());
    for _ in 0..3 {
        let _ = (stack.wrap_router(one.clone()), stack.wrap_router(other.clone()));
    }
    assert_eq!(stack.control().labels().collect::<Vec<_>>(), ["shuffle_shard", "shuffle_shard#2"]);
}

/// A handle on what the stack cannot see.
struct Own(&'static str);

impl Control for Own {
    fn room(&self) -> &'static str {
        "own"
    }

    fn name(&self) -> &'static str {
        self.0
    }

    fn tell(&self, page: &mut Page) {
        page.set("by", "hand").gauge(Metric::InUse, &[], 7_u32);
    }
}

#[test]
fn what_the_stack_cannot_see_may_be_told() {
    let kinds = [Bulkhead::new(one().with_name("a")), Bulkhead::new(one().with_name("b"))];
    let [a, b] = kinds.each_ref().map(Bulkhead::handle);
    let inner = Stack::new().circuit_breaker(CircuitBreaker::new(circuit_breaker::Settings::new()));
    let stack = Stack::new()
        .per_kind(PerKind::try_new(kinds, |(): &()| 0).expect("two"))
        .with_handle(a)
        .with_handle(b)
        .with_handle(Own("mine"));
    let registry = stack.control().and(&inner.control());
    assert_eq!(registry.labels().collect::<Vec<_>>(), ["Bulkhead", "a", "b", "mine", "circuit_breaker"]);
    assert!(registry.handle::<Own>("mine").is_ok());
    assert!(
        registry
            .handle::<circuit_breaker::Handle>("circuit_breaker")
            .is_ok_and(|h| h.snapshot().state == State::Closed)
    );
    assert!(stack.describe().to_string().ends_with("4. own \"mine\": by hand"));
    let alone = Registry::new().with(Own("x")).with(Own("x"));
    assert_eq!(format!("{alone:?}"), "Registry [\"x\", \"x#2\"]");
    assert!(Registry::new().snapshot().layers.is_empty());
}

/// It keeps the layers' state, and no services.
#[tokio::test(start_paused = true)]
async fn a_registry_outlives_its_services() {
    let stack = Stack::new().bulkhead(one()).metered("m");
    let registry = stack.control();
    let service = stack.service(tower::service_fn(|(): ()| async { Ok::<_, std::io::Error>(()) }));
    drop(stack);
    service.oneshot(()).await.expect("an answer");
    let meter = registry.handle::<meter::Handle>("m").expect("there").snapshot();
    assert_eq!((meter.calls(), meter.active), (1, 0));
    registry.handle::<bulkhead::Handle>("bulkhead").expect("there").update(one());
    assert!(registry.handle::<timeout::Handle>("bulkhead").is_err());
}

#[cfg(feature = "serde")]
#[tokio::test(start_paused = true)]
async fn a_snapshot_is_plain_json() {
    let stack = Stack::new().timeout(Duration::MAX).bulkhead(one().with_name("db")).metered("m").counted();
    let mut service = stack.service(hanging());
    let _held = service.call(());
    assert!(service.call(()).await.is_err());
    let timeout = serde_json::json!({"layer": "timeout", "room": "timeout", "settings": {"limit": null}});
    let settings = serde_json::json!(
        {"limit": 1, "max_waiting": 0, "max_wait": 0.0, "order": "OldestFirst", "compartments": null}
    );
    let mut db = serde_json::json!({"layer": "db", "room": "bulkhead", "hold": "automatic", "settings": settings});
    let m = serde_json::json!({"layer": "m", "room": "meter", "settings": {"times": true, "events": false}});
    assert_eq!(serde_json::to_value(stack.describe()).expect("json"), serde_json::json!([timeout, db, m]));

    let snapshot = serde_json::to_value(stack.control().snapshot()).expect("json");
    db["metrics"] = serde_json::json!([
        {"name": "plimsoll.limit", "value": 1.0},
        {"name": "plimsoll.in_use", "value": 1.0},
        {"name": "plimsoll.queue.depth", "value": 0.0},
        {"name": "plimsoll.refusals", "plimsoll.reason": "bulkhead_full", "value": 1},
    ]);
    assert_eq!(snapshot["layers"][1], db);
    let meter = &snapshot["layers"][2]["metrics"];
    assert_eq!(meter[0], serde_json::json!({"name": "plimsoll.calls.active", "value": 1.0}));
    let spread = serde_json::json!({"count": 0, "sum": 0.0, "buckets": []});
    let expected =
        serde_json::json!({"name": "plimsoll.call.duration", "plimsoll.outcome": "success", "value": spread});
    assert_eq!(meter[12], expected);
}

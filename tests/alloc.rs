//! Nothing is allocated on the ready path, nor for a refusal: in every room alone, and in all of them stacked.
#![cfg(feature = "testing")]

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    num::NonZeroU32,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use plimsoll::{
    Ratio, Stack,
    bulkhead::{self, Bulkhead},
    circuit_breaker::{self, CircuitBreaker, Window},
    gate::PerKind,
    keyed::{self, Keyed, Overflow},
    lift::Lift,
    limit::Fixed,
    load_shed::{self, LoadShed},
    meter::{self, Contributors},
    rate_limit::{self, Quota, RateLimit},
    retry,
    shuffle_shard::{
        Assign, BoundedOverlap, Dealt, HandSize, Node, Nodes, Pinned, Rendezvous, ShuffleShard,
        sharded_bulkhead::{self, ShardedBulkhead},
    },
    surge_queue::{self, Surge, SurgeQueue},
    timeout::TimeoutLayer,
    work,
    work_budget::{self, Cost, Demotion, OverCost, WorkBudget},
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

fn limit(limit: u32) -> bulkhead::Settings {
    bulkhead::Settings::new(NonZeroU32::new(limit).expect("not zero"))
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocation_counter::measure(|| drop(std::hint::black_box(Box::new(1)))).count_total, 1);
}

#[test]
fn a_bulkhead_allocates_nothing() {
    assert_eq!(allocations(Stack::new().bulkhead(limit(9)).service(Inner), true), 0);
    let weighted = Bulkhead::new(limit(9).try_with_compartments(&[3, 3]).expect("valid"))
        .weight_by(|req: &u64| *req as u32)
        .compartment_by(|req: &u64| *req as usize % 3);
    assert_eq!(allocations(Stack::new().bulkhead(weighted).service(Inner), true), 0);
}

#[test]
fn a_full_bulkhead_allocates_nothing() {
    let mut service = Stack::new().bulkhead(limit(1)).service(Inner);
    let _held = service.call(0);
    assert_eq!(allocations(service, false), 0);
}

#[test]
fn a_sharded_bulkhead_allocates_nothing_full_or_not() {
    let cells = || {
        let settings = sharded_bulkhead::Settings::try_new(1).and_then(|settings| settings.try_with_cells(8, 2));
        ShardedBulkhead::new(settings.expect("valid"), |req: &u64| *req)
    };
    assert_eq!(allocations(Stack::new().sharded_bulkhead(cells()).service(Inner), true), 0);
    let mut service = Stack::new().sharded_bulkhead(cells()).service(Inner);
    let _held: Vec<_> = (0..1000).map(|tenant| service.call(tenant)).collect();
    assert_eq!(allocations(service, false), 0);
}

#[test]
fn a_hand_is_dealt_without_allocating() {
    let zone = |n: usize| if n.is_multiple_of(2) { "even" } else { "odd" };
    let nodes = Nodes::try_new((0..100).map(|n| Node::new(n.to_string()).in_zone(zone(n)))).expect("a fleet");
    let rendezvous = Rendezvous::new(HandSize::new(5));
    let bounded = BoundedOverlap::try_new(5, 2).expect("valid");
    bounded.try_assign(1, &nodes).expect("a hand");
    let pinned = Pinned::new(rendezvous);
    pinned.pins().pin(1, ["1", "2"]).expect("room");
    pinned.pins().quarantine(2).expect("room");
    pinned.pins().set_apart(["3", "4"]).expect("room");
    let dealt = Dealt::try_new(100, 5).expect("a deck");
    let all: [&dyn Assign; 4] = [&rendezvous, &bounded, &pinned, &dealt];
    for assignment in all {
        let deal = || (0..10).for_each(|tenant| assert!(!assignment.hand(tenant, &nodes).is_empty()));
        // The first call divides the nodes.
        deal();
        assert_eq!(allocation_counter::measure(deal).count_total, 0);
    }
}

#[test]
fn a_surge_queue_allocates_nothing() {
    let limit = || Fixed::try_new(9).expect("valid");
    let queue = SurgeQueue::new(surge_queue::Settings::new()).in_front_of(limit());
    assert_eq!(allocations(Stack::new().surge_queue(queue).service(Inner), true), 0);
    let lane = Surge::try_new(3).expect("valid");
    let queue = SurgeQueue::new(surge_queue::Settings::new().with_surge(lane)).in_front_of(limit());
    let queue = queue.tenant_by(|req: &u64| *req).dead_letters(|_: plimsoll::dead_letter::DeadLetter<u64>| ());
    assert_eq!(allocations(Stack::new().surge_queue(queue).service(Inner), true), 0);
}

#[test]
fn a_full_surge_queue_allocates_nothing() {
    let settings = surge_queue::Settings::new().try_with_max_waiting(1).expect("valid");
    let queue = SurgeQueue::new(settings).tenant_by(|req: &u64| *req).in_front_of(Fixed::try_new(1).expect("valid"));
    let mut service = Stack::new().surge_queue(queue).service(Inner);
    let _held = (service.call(0), service.call(1));
    assert_eq!(allocations(service, false), 0);
}

/// One that knows how fast it drains: most are refused without a look at who waits.
#[tokio::test(start_paused = true)]
async fn a_surge_queue_that_foretells_a_wait_allocates_nothing() {
    let queue = SurgeQueue::new(surge_queue::Settings::new()).in_front_of(Fixed::try_new(1).expect("valid"));
    let mut service = Stack::new().surge_queue(queue).service(tower::service_fn(|req: u64| async move {
        tokio::time::sleep(Duration::from_millis(10)).await;
        Ok::<_, Infallible>(req)
    }));
    for _ in 0..10 {
        let calls: Vec<_> = (0..5).map(|req| service.call(req)).collect();
        futures_util::future::join_all(calls).await;
    }
    let held: Vec<_> = (0..40).map(|req| service.call(req)).collect();
    assert_eq!(allocations(service, false), 0);
    drop(held);
}

/// A load shedder of one place, for ever.
fn one_place() -> LoadShed {
    LoadShed::with_rule(load_shed::Settings::new().try_with_limits(1, 1).expect("valid"), load_shed::Fixed::new)
}

#[test]
fn a_load_shedder_allocates_nothing() {
    assert_eq!(allocations(Stack::new().load_shed(load_shed::Settings::new()).service(Inner), true), 0);
    let private = load_shed::Settings::new().with_bottleneck(load_shed::Bottleneck::Private);
    let asked = LoadShed::new(private)
        .exempt_by(|req: &u64| req.is_multiple_of(7))
        .deadline_by(|_: &u64| Some(plimsoll::clock::now().after(Duration::from_secs(1))));
    assert_eq!(allocations(Stack::new().load_shed(asked).service(Inner), true), 0);
}

#[test]
fn a_load_shedder_that_is_full_allocates_nothing() {
    let mut service = Stack::new().load_shed(one_place()).service(Inner);
    let _held = service.call(0);
    assert_eq!(allocations(service, false), 0);
}

/// One that knows how long a call takes, and says when to come back; and that looks at a window now and then.
#[tokio::test(start_paused = true)]
async fn a_load_shedder_that_has_learned_something_allocates_nothing() {
    let shed = LoadShed::new(load_shed::Settings::new().try_with_limits(1, 1).expect("valid"));
    let handle = shed.handle();
    let mut service = Stack::new().load_shed(shed).service(tower::service_fn(|req: u64| async move {
        if req > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok::<_, Infallible>(req)
    }));
    for _ in 0..200 {
        service.call(1).await.expect("answered");
    }
    assert!(handle.snapshot().latency.is_some());
    let mut at_once = || {
        tokio_test::assert_ready_ok!(pin!(service.call(0)).poll(&mut Context::from_waker(Waker::noop())));
    };
    assert_eq!(allocation_counter::measure(|| (0..1000).for_each(|_| at_once())).count_total, 0);
    let _held = service.call(1);
    assert_eq!(allocations(service.clone(), false), 0);
}

#[test]
fn overload_control_allocates_nothing() {
    let control = || Stack::new().overload_control(surge_queue::Settings::new(), load_shed::Settings::new());
    assert_eq!(allocations(control().service(Inner), true), 0);
    let narrow = surge_queue::Settings::new().try_with_max_waiting(1).expect("valid");
    let mut full = Stack::new().overload_control(narrow, one_place()).service(Inner);
    let _held = (full.call(0), full.call(1));
    assert_eq!(allocations(full, false), 0);
}

#[test]
fn a_gate_for_each_kind_allocates_nothing() {
    let sheds = [one_place(), one_place()];
    let kinds = PerKind::try_new(sheds, |req: &u64| *req as usize % 3).expect("two");
    let mut service = Stack::new().per_kind(kinds).service(Inner);
    assert_eq!(allocations(service.clone(), true), 0);
    let _held = (service.call(0), service.call(1));
    assert_eq!(allocations(service, false), 0);
}

/// A request is its own key.
type Itself = fn(&u64) -> u64;

/// A bulkhead of so many places for each number.
fn keyed(capacity: u32, overflow: Overflow, places: u32) -> Keyed<u64, Bulkhead, Itself, impl Fn(&u64) -> Bulkhead> {
    let settings = keyed::Settings::new().try_with_capacity(capacity).expect("not zero").with_overflow(overflow);
    Keyed::new(settings, (|req| *req) as Itself, move |_: &u64| Bulkhead::new(limit(places)))
}

#[test]
fn a_gate_for_each_key_allocates_nothing_for_a_key_that_is_known() {
    let mut service = Stack::new().keyed(keyed(2000, Overflow::Share, 1)).service(Inner);
    assert!(allocations(service.clone(), true) > 0, "they are made");
    assert_eq!(allocations(service.clone(), true), 0, "a thousand and one are known");
    let _held: Vec<_> = (0..=1000).map(|req| service.call(req)).collect();
    assert_eq!(allocations(service, false), 0);
    let breakers = Keyed::new(keyed::Settings::new(), |_: &u64| "callee", |_: &&str| CircuitBreaker::default());
    assert_eq!(allocations(Stack::new().keyed(breakers).service(Inner), true), 0);
}

#[test]
fn a_key_without_a_place_allocates_nothing() {
    for (overflow, answered) in [(Overflow::Share, true), (Overflow::Refuse, false), (Overflow::Admit, true)] {
        let mut service = Stack::new().keyed(keyed(1, overflow, 1)).service(Inner);
        let _held = service.call(7777);
        assert_eq!(allocations(service, answered), 0, "{overflow:?}");
    }
}

/// What comes of two hundred thousand keys that come once: the entries of a thousand, and no more memory, give or
/// take a hash table, than those had after the first twenty thousand. The key whose limit is reached is refused throughout.
#[test]
fn hostile_keys_leave_memory_flat_and_do_not_reset_a_limit() {
    for overflow in [Overflow::Share, Overflow::Refuse, Overflow::Admit] {
        let keyed = keyed(1024, overflow, 1);
        let handle = keyed.handle();
        let mut service = Stack::new().keyed(keyed).service(Inner);
        let (_held, full) = (service.call(u64::MAX), service.clone());
        let flood = |keys: std::ops::Range<u64>| {
            let mut service = full.clone();
            allocation_counter::measure(|| {
                let mut cx = Context::from_waker(Waker::noop());
                for key in keys {
                    assert!(matches!(pin!(service.call(key)).poll(&mut cx), Poll::Ready(Ok(_))));
                    assert!(matches!(pin!(service.call(u64::MAX)).poll(&mut cx), Poll::Ready(Err(_))), "at {key}");
                }
            })
        };
        let first = flood(0..20_000);
        let rest = flood(20_000..200_000);
        println!("{overflow:?}: {first:?}, then {rest:?}");
        assert_eq!(handle.len(), 1024);
        // A table that much is put into and taken out of doubles once, and then has room enough to tidy up in place.
        assert!(first.bytes_max < 1024 * 1024 && rest.bytes_max < 64 * 1024, "{first:?}, then {rest:?}");
    }
}

#[test]
fn a_rate_limit_allocates_nothing() {
    let often = || Quota::try_per_second(1_000_000).expect("valid");
    let two = rate_limit::Settings::try_new(&[often(), often()]).expect("two");
    for settings in [often().into(), two, two.with_throttle_hints(Duration::MAX), two.with_wait(9, Duration::MAX)] {
        assert_eq!(allocations(Stack::new().rate_limit(settings).service(Inner), true), 0);
        let asked = RateLimit::new(settings).cost_by(|req: &u64| *req as u32 % 3).exempt_by(|req: &u64| *req == 7);
        assert_eq!(allocations(Stack::new().rate_limit(asked).service(Inner), true), 0);
    }
}

#[test]
fn a_rate_limit_that_refuses_allocates_nothing() {
    let (often, day) = (Quota::try_per_second(1_000_000).expect("valid"), Quota::try_per_day(1).expect("valid"));
    let two = rate_limit::Settings::try_new(&[often, day]).expect("two");
    let short = rate_limit::Settings::new(day).with_wait(9, Duration::from_secs(1));
    for settings in [day.into(), two, short, short.without_refunds()] {
        let limit = RateLimit::new(settings);
        limit.handle().drain();
        assert_eq!(allocations(Stack::new().rate_limit(limit).service(Inner), false), 0);
    }
    let dear = RateLimit::new(often).cost_by(|_: &u64| u32::MAX);
    assert_eq!(allocations(Stack::new().rate_limit(dear).service(Inner), false), 0);
    // What is taken and put back at once, since the next gate refuses.
    let mut full = Stack::new().rate_limit(often).bulkhead(limit(1)).service(Inner);
    let _held = full.call(0);
    assert_eq!(allocations(full, false), 0);
}

/// Spends of its work, a checkpoint and a page among it; of a child too if it may, which is an allocation.
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
        let work = work::current().expect("there is a work budget around");
        assert!(work.spend(2).is_ok() && work.page(3, 2) == Ok(3) && work.refund(4) == 4);
        assert!(pin!(work.checkpoint(1)).poll(&mut Context::from_waker(Waker::noop())).is_ready());
        Inner.call(req)
    }
}

fn seats(seats: u32) -> work_budget::Settings {
    work_budget::Settings::try_new(seats).expect("not zero")
}

/// The ledgers of calls that have ended are used again.
#[test]
fn a_work_budget_allocates_nothing() {
    let asked = |settings| WorkBudget::new(settings).cost_by(|req: &u64| Cost::fuel(*req % 3)).kind_by(|_: &u64| 3);
    let metered = seats(9).try_with_fuel(100).expect("valid").with_headroom(NonZeroU32::MAX);
    assert_eq!(allocations(Stack::new().work_budget(asked(seats(9))).service(Inner), true), 0);
    assert_eq!(allocations(Stack::new().work_budget(asked(metered)).service(Spending), true), 0);
    let timed = asked(metered.with_max_busy(Duration::MAX / 2).with_long_poll(Duration::from_secs(9)));
    assert_eq!(allocations(Stack::new().work_budget(timed).service(Spending), true), 0);
    let nested = Stack::new().work_budget(asked(metered)).work_budget(asked(metered));
    assert_eq!(allocations(nested.service(Spending), true), 0);
    let nested = Stack::new().work_budget(asked(metered)).timeout(Duration::MAX).work_budget(asked(metered));
    assert_eq!(allocations(nested.service(Spending), true), 0);
}

#[test]
fn a_work_budget_that_is_full_or_is_asked_for_too_much_allocates_nothing() {
    let metered = seats(1).try_with_fuel(100).expect("valid");
    let mut full = Stack::new().work_budget(metered).service(Inner);
    let _held = full.call(0);
    assert_eq!(allocations(full, false), 0);
    let dear = WorkBudget::new(metered).cost_by(|_: &u64| Cost::fuel(101));
    assert_eq!(allocations(Stack::new().work_budget(dear).service(Inner), false), 0);
    let demoting = metered.with_over_cost(OverCost::Demote(Demotion::try_new(1).expect("one")));
    let dear = WorkBudget::new(demoting).cost_by(|_: &u64| Cost::seats(2));
    let mut demoted = Stack::new().work_budget(dear).service(Inner);
    assert_eq!(allocations(demoted.clone(), true), 0);
    let _held = demoted.call(0);
    assert_eq!(allocations(demoted, false), 0);
}

#[test]
fn a_timeout_allocates_nothing() {
    assert_eq!(allocations(Stack::new().timeout(Duration::from_secs(1)).service(Inner), true), 0);
}

#[test]
fn a_past_deadline_allocates_nothing() {
    let past = TimeoutLayer::new(Duration::MAX).deadline_by(|_: &u64| Some(plimsoll::clock::now()));
    assert_eq!(allocations(Stack::new().timeout(past).service(Inner), false), 0);
}

#[test]
fn a_circuit_breaker_allocates_nothing_whatever_it_looks_at() {
    let settings = circuit_breaker::Settings::new();
    let time = Window::try_time(Duration::from_secs(1), 5).expect("valid");
    for settings in [
        settings,
        settings.without_hung_after(),
        settings.with_slow_calls(Duration::from_secs(1), Ratio::HALF),
        settings.with_window(time),
    ] {
        assert_eq!(allocations(Stack::new().circuit_breaker(settings).service(Inner), true), 0);
    }
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

#[test]
fn neither_tripping_nor_an_open_circuit_allocates() {
    assert_eq!(allocations(Stack::new().circuit_breaker(circuit_breaker::Settings::new()).service(Failing), false), 0);
    let held = CircuitBreaker::new(circuit_breaker::Settings::new());
    held.handle().force_open();
    assert_eq!(allocations(Stack::new().circuit_breaker(held).service(Inner), false), 0);
}

#[test]
fn a_retry_that_has_nothing_to_retry_allocates_nothing() {
    assert_eq!(allocations(Stack::new().retry(retry::Settings::new()).service(Inner), true), 0);
}

#[test]
fn a_throttled_retry_that_has_nothing_to_retry_allocates_nothing() {
    let retry = retry::RetryLayer::new(retry::Settings::new()).throttle(retry::Throttle::default());
    assert_eq!(allocations(Stack::new().retry(retry).service(Inner), true), 0);
}

#[cfg(feature = "grpc")]
#[test]
fn an_answer_over_grpc_is_judged_without_an_allocation() {
    use plimsoll::{Classify, Error, Outcome, grpc::Codes};
    let (call, head) = (tonic::Response::new(7_u64), http::Response::new(7_u64));
    let judged = allocation_counter::measure(|| {
        assert_eq!(Codes.classify(Ok::<_, &tonic::Status>(&call)), Outcome::Success);
        assert_eq!(Codes.classify(Ok::<_, &Error<Infallible>>(&head)), Outcome::Success);
    });
    assert_eq!(judged.count_total, 0);
}

/// A timeout for the whole, retry, places, health, and a timeout for an attempt.
macro_rules! four_rooms {
    ($bulkhead:expr, $breaker:expr) => {
        Stack::new()
            .timeout(Duration::from_secs(2))
            .retry(retry::Settings::new())
            .bulkhead($bulkhead)
            .circuit_breaker($breaker)
            .timeout(Duration::from_secs(1))
    };
}

#[test]
fn the_four_rooms_stacked_allocate_nothing() {
    let stack = four_rooms!(limit(9), circuit_breaker::Settings::new());
    assert_eq!(allocations(stack.service(Inner), true), 0);
}

#[test]
fn a_refusal_through_the_four_rooms_allocates_nothing() {
    let mut full = four_rooms!(limit(1), circuit_breaker::Settings::new()).service(Inner);
    let _held = full.call(0);
    assert_eq!(allocations(full, false), 0);
    let open = CircuitBreaker::new(circuit_breaker::Settings::new());
    open.handle().force_open();
    assert_eq!(allocations(four_rooms!(limit(9), open).service(Inner), false), 0);
}

/// With everything on that can be, and with what can be left out left out.
#[test]
fn ready_made_stacks_allocate_nothing() {
    let often = Quota::try_per_second(1_000_000).expect("valid");
    let server = plimsoll::server()
        .tenant_by(|req: &u64| req % 3)
        .exempt_by(|req: &u64| req.is_multiple_of(7))
        .with_rate_limit(often)
        .with_work_budget(work_budget::Settings::try_new(9).expect("valid"))
        .with_bulkhead(limit(9));
    // The first request of a tenant makes its rate limit.
    let mut warm = server.stack().service(Inner);
    for tenant in 1..=3 {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(pin!(warm.call(tenant)).as_mut().poll(&mut cx).is_ready());
    }
    assert_eq!(allocations(warm, true), 0);
    let bare = server.without_timeout().without_overload_control().without_rate_limit().without_work_budget();
    assert_eq!(allocations(bare.stack().service(Inner), true), 0);
    let mut full = bare.with_bulkhead(limit(1)).exempt_by(|_: &u64| false).stack().service(Inner);
    let _held = full.call(0);
    assert_eq!(allocations(full, false), 0);
    assert_eq!(allocations(plimsoll::client().stack().service(Inner), true), 0);
    let bare = plimsoll::client().without_total_timeout().without_retry().without_bulkhead().without_attempt_timeout();
    assert_eq!(allocations(bare.without_circuit_breaker().stack().service(Inner), true), 0);
}

/// A timer lives in the future of its call: not even a call that takes its time allocates.
#[tokio::test(start_paused = true)]
async fn a_timeout_that_sets_its_timer_allocates_nothing() {
    let mut service = Stack::new()
        .timeout(Duration::from_secs(1))
        .service(tower::service_fn(|_: u64| std::future::pending::<Result<u64, Infallible>>()));
    let mut call = || {
        let mut future = pin!(service.call(0));
        assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    };
    call();
    assert_eq!(allocation_counter::measure(|| (0..1000).for_each(|_| call())).count_total, 0);
}

/// Each call past a meter, timed or not, with counters on, announced or not.
#[test]
fn neither_a_meter_nor_counters_allocate() {
    for settings in
        [meter::Settings::new(), meter::Settings::new().without_times(), meter::Settings::new().with_events()]
    {
        let stack = Stack::new().metered(settings).bulkhead(limit(9)).counted().observe(|_: &plimsoll::Event| ());
        assert_eq!(allocations(stack.service(Inner), true), 0);
    }
}

#[test]
fn a_refusal_that_is_counted_and_a_failure_that_is_timed_allocate_nothing() {
    let mut full = Stack::new().metered("m").bulkhead(limit(1)).counted().service(Inner);
    let _held = full.call(0);
    assert_eq!(allocations(full, false), 0);
    assert_eq!(allocations(Stack::new().metered("m").counted().service(Failing), false), 0);
}

/// However many keys come, of however many are kept.
#[test]
fn contributors_allocate_nothing() {
    let contributors = Contributors::try_new(20, |req: &u64| *req).expect("not zero");
    assert_eq!(allocations(Stack::new().gate(contributors).service(Inner), true), 0);
}

/// The HTTP annex on the way of an answer: refusals have headers, which allocate, but nobody pays for them before.
#[cfg(feature = "http")]
#[test]
fn the_http_layers_allocate_nothing_for_who_is_let_in() {
    use http::{HeaderName, Request, Response};
    use http_body_util::Full;
    use plimsoll::http::{BodyTimeout, ReplayBodies, RespondRejections, SendDeadline, TimeLeft, Trusted};

    let deadline = Trusted::everybody().deadline(TimeLeft::millis(HeaderName::from_static("x-left")));
    let stack = Stack::new()
        .layer(RespondRejections::problems())
        .timeout(TimeoutLayer::new(Duration::MAX).deadline_by(deadline))
        .bulkhead(limit(9))
        .until_body_ends()
        .layer(BodyTimeout::responses(Duration::from_secs(1)))
        .layer(SendDeadline::new(TimeLeft::envoy()))
        .layer(ReplayBodies::new());
    let mut service = stack.service(tower::service_fn(|req: Request<plimsoll::http::Replay<_>>| {
        drop::<Request<plimsoll::http::Replay<Full<bytes::Bytes>>>>(req);
        ready(Ok::<_, Infallible>(Response::new(Full::new(bytes::Bytes::from_static(b"static")))))
    }));
    let mut call = || {
        let mut cx = Context::from_waker(Waker::noop());
        let future = pin!(service.call(Request::new(Full::default())));
        assert!(matches!(future.poll(&mut cx), Poll::Ready(Ok(response)) if response.status().is_success()));
    };
    call();
    assert_eq!(allocation_counter::measure(|| (0..1000).for_each(|_| call())).count_total, 0);
}

#[allow(clippy::type_complexity, reason = "said once")]
fn router(nodes: usize) -> ShuffleShard<Lift<Inner>, fn(&Node) -> Lift<Inner>> {
    let nodes = Nodes::try_new((0..nodes).map(|n| Node::new(format!("node-{n}")))).expect("different names");
    ShuffleShard::new(nodes, |_| Stack::new().service(Inner))
}

#[test]
fn a_router_allocates_nothing() {
    assert_eq!(allocations(router(8).tenant_by(|req: &u64| *req), true), 0);
    assert_eq!(allocations(router(8), true), 0, "for requests of nobody");
    assert_eq!(allocations(router(0), false), 0, "for a refusal");
    let exhausted = router(2).tenant_by(|req: &u64| *req);
    assert!(["node-0", "node-1"].iter().all(|name| exhausted.handle().eject(name)));
    assert_eq!(allocations(exhausted, false), 0, "where all are out");
    let again = router(8).tenant_by(|req: &u64| *req).resend(retry::CloneRequest);
    assert_eq!(allocations(again, true), 1000, "one for each call that may be sent again");
}

#[test]
fn a_retry_over_a_router_allocates_nothing() {
    let mut stack = Stack::new().timeout(Duration::from_secs(1)).retry(retry::Settings::new());
    assert_eq!(allocations(stack.shuffle_shard(router(8).tenant_by(|req: &u64| *req)), true), 0);
}

//! Whatever a configuration file says: a number is refused by an error that names it, or it works. Stacks of all rooms
//! with settings from all over their range serve calls to their end; nothing panics, hangs or is left behind.
#![cfg(feature = "testing")]

use std::{
    num::{NonZeroU8, NonZeroU32, NonZeroU64},
    time::Duration,
};

use futures_util::future::join_all;
use plimsoll::{
    Error, InvalidSetting, Outcome, Ratio, Reason, Rejection, Stack,
    bulkhead::{self, Bulkhead, Order},
    chance::Chance,
    circuit_breaker::{self, CircuitBreaker, OpenTime, Probes, Window},
    classify::Failure,
    clock,
    keyed::{self, Keyed, Overflow},
    limit::Fixed,
    load_shed::{self, Aimd, Bottleneck, Gradient, LoadShed, Vegas},
    meter::{self, Meter},
    rate_limit::{self, Quota, RateLimit},
    request::Priority,
    retry::{self, Backoff, RetryLayer, Throttle, ThrottleSettings},
    shuffle_shard::{
        self, Exhausted, HandSize, Node, Nodes, Outliers, Rendezvous, ShuffleShard, SuccessRate,
        sharded_bulkhead::{self, ShardedBulkhead},
    },
    surge_queue::{self, Ramp, Surge, SurgeQueue},
    testing::{Mock, Reply},
    work,
    work_budget::{self, Cost, Demotion, OverCost, WorkBudget},
};
use proptest::prelude::*;
use tower::ServiceExt;

/// Nothing, next to nothing, something, nearly for ever, for ever.
fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        Just(Duration::ZERO),
        Just(Duration::from_nanos(1)),
        (0..20_000u64).prop_map(Duration::from_millis),
        any::<u64>().prop_map(Duration::from_nanos),
        any::<u64>().prop_map(Duration::from_secs),
        Just(Duration::MAX),
    ]
}

fn number() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), 1..10u32, any::<u32>(), Just(u32::MAX)]
}

fn share() -> impl Strategy<Value = f64> {
    prop_oneof![0.0..1.0, any::<f64>(), Just(1.0), Just(0.0), Just(f64::NAN), Just(f64::INFINITY)]
}

/// What was parsed, or `instead` after a look at the error: it has to name a setting of `room`.
fn parsed<T>(room: &str, parsed: Result<T, InvalidSetting>, instead: T) -> T {
    parsed.unwrap_or_else(|error| {
        assert!(error.setting().starts_with(room), "{error}");
        assert!(error.to_string().contains(error.allowed()), "{error}");
        instead
    })
}

fn any_bulkhead() -> impl Strategy<Value = Bulkhead> {
    let shares = proptest::collection::vec(number(), 0..10);
    (number(), number(), duration(), shares, any::<bool>()).prop_map(|(limit, places, wait, shares, newest)| {
        let settings =
            parsed("bulkhead.", bulkhead::Settings::try_new(limit), bulkhead::Settings::new(NonZeroU32::MIN));
        let settings = parsed("bulkhead.", settings.try_with_compartments(&shares), settings);
        let order = if newest { Order::NewestFirst } else { Order::OldestFirst };
        Bulkhead::new(settings.with_wait(places, wait).with_order(order))
    })
}

/// As many cells as a test has memory for.
fn any_cells() -> impl Strategy<Value = sharded_bulkhead::Settings> {
    (number(), number(), number(), any::<u128>()).prop_map(|(permits, cells, hand, seed)| {
        let room = "sharded_bulkhead.";
        let one = sharded_bulkhead::Settings::new(NonZeroU32::MIN);
        let settings = parsed(room, sharded_bulkhead::Settings::try_new(permits), one);
        let cells = if (1000..=1 << 26).contains(&cells) { cells % 1000 } else { cells };
        let settings = parsed(room, settings.try_with_cells(cells, hand as usize), settings);
        if seed.is_multiple_of(2) { settings } else { settings.with_seed(seed) }
    })
}

fn any_breaker() -> impl Strategy<Value = CircuitBreaker> {
    let windows = (number(), number(), duration(), any::<bool>());
    let times = (duration(), duration(), duration(), duration(), duration(), duration());
    (windows, times, number(), number(), share(), share()).prop_map(|(windows, times, row, of, rate, slow)| {
        let room = "circuit_breaker.";
        let mut settings = circuit_breaker::Settings::new();
        let (size, minimum, length, by_time) = windows;
        let window = if by_time { Window::try_time(length, minimum) } else { Window::try_calls(size, minimum) };
        if let Some(window) = parsed(room, window.map(Some), None) {
            settings = settings.with_window(window);
        }
        let (first, most, hung, calm, lease, ramp) = times;
        if let Some(open_time) = parsed(room, OpenTime::try_new(first, most).map(Some), None) {
            settings = settings.with_open_time(open_time);
        }
        if let Some(probes) = parsed(room, Probes::try_new(row, of).map(Some), None) {
            settings = settings.with_probes(probes);
        }
        let rate = parsed("rate", Ratio::try_new("rate", rate), Ratio::HALF);
        let slow = parsed("slow", Ratio::try_new("slow", slow), Ratio::HALF);
        settings = settings.with_failure_rate(rate).with_slow_calls(most, slow).with_hung_after(hung);
        settings = settings.with_calm(calm).with_probe_lease(lease).with_ramp(ramp).with_max_hint(first);
        if let Some(row) = NonZeroU32::new(row) {
            settings = settings.with_consecutive_failures(row);
        }
        CircuitBreaker::new(settings).chance(Chance::seeded(1))
    })
}

fn any_rate() -> impl Strategy<Value = rate_limit::Settings> {
    let quota = (number(), duration(), number()).prop_map(|(cells, per, burst)| {
        let quota = parsed("rate_limit.", Quota::try_new(cells, per), Quota::per_second(NonZeroU32::MIN));
        parsed("rate_limit.", quota.try_with_burst(burst), quota)
    });
    let quotas = proptest::collection::vec(quota, 0..6);
    (quotas, number(), duration(), duration(), number(), any::<bool>()).prop_map(
        |(quotas, places, wait, pause, cost, keeps)| {
            let one = rate_limit::Settings::new(Quota::per_day(NonZeroU32::MIN));
            let settings = parsed("rate_limit.", rate_limit::Settings::try_new(&quotas), one);
            let settings = parsed("rate_limit.", settings.try_with_costs_up_to(cost), settings);
            let settings = settings.with_wait(places, wait).with_throttle_hints(pause);
            if keeps { settings.without_refunds() } else { settings }
        },
    )
}

fn any_queue() -> impl Strategy<Value = SurgeQueue<Fixed>> {
    (any_queue_settings(), number()).prop_map(|(settings, limit)| {
        let limit = parsed("limit.", Fixed::try_new(limit), Fixed::new(NonZeroU32::MIN));
        SurgeQueue::new(settings).chance(Chance::seeded(1)).in_front_of(limit)
    })
}

fn any_meter() -> impl Strategy<Value = meter::Settings> {
    any::<[bool; 2]>().prop_map(|[times, events]| {
        let settings = meter::Settings::new();
        let settings = if times { settings } else { settings.without_times() };
        if events { settings.with_events() } else { settings }
    })
}

fn any_shed() -> impl Strategy<Value = LoadShed> {
    (number(), number(), duration(), 0..6u8).prop_map(|(initial, max, slow, which)| {
        let settings = load_shed::Settings::new();
        let settings = parsed("load_shed.", settings.try_with_limits(initial, max), settings);
        let shed = match which {
            0 => LoadShed::with_rule(settings, move |settings| Aimd::new(settings, slow)),
            1 => LoadShed::with_rule(settings, Gradient::new),
            2 => LoadShed::with_rule(settings, Vegas::new),
            3 => LoadShed::new(settings.with_bottleneck(Bottleneck::Private)),
            4 => LoadShed::new(settings.with_bottleneck(Bottleneck::Shared)),
            _ => LoadShed::new(settings),
        };
        shed.chance(Chance::seeded(1))
    })
}

fn any_queue_settings() -> impl Strategy<Value = surge_queue::Settings> {
    let numbers = (number(), number(), number(), number(), number());
    let times = (duration(), duration(), duration(), duration(), duration());
    (numbers, times, share(), any::<[bool; 3]>()).prop_map(|(numbers, times, share, [lanes, early, lends])| {
        let room = "surge_queue.";
        let (places, concurrency, surge_places, burst, step) = numbers;
        let (room_burst, ttl, every, idle, demotion) = times;
        let settings = surge_queue::Settings::new();
        let settings = parsed(room, settings.try_with_burst(room_burst), settings);
        let mut settings = parsed(room, settings.try_with_max_waiting(places), settings);
        if lanes {
            let lane = parsed(room, Surge::try_new(concurrency), Surge::new(NonZeroU32::MIN));
            let lane = parsed(room, lane.try_with_max_waiting(surge_places), lane);
            let mut lane = parsed(room, lane.try_with_ttl(ttl), lane).without_lending();
            if let Some(ramp) = parsed(room, Ramp::try_new(burst, step, every).map(Some), None) {
                lane = lane.with_ramp(ramp.with_idle(idle));
            }
            if early {
                lane = lane.with_demotion_after(demotion);
            }
            if lends {
                lane = lane.with_lending(parsed("lending", Ratio::try_new("lending", share), Ratio::HALF));
            }
            settings = settings.with_surge(lane);
        }
        settings
    })
}

/// Asks to be left alone, for a time.
fn throttled(result: Result<&(), &Error<std::io::Error>>) -> Outcome {
    match result {
        Err(Error::Inner(error)) => {
            Outcome::Failure(Failure::Throttled(error.to_string().parse().ok().map(Duration::from_secs)))
        }
        _ => Outcome::Success,
    }
}

fn any_keyed() -> impl Strategy<Value = keyed::Settings> {
    let overflow = prop_oneof![Just(Overflow::Share), Just(Overflow::Refuse), Just(Overflow::Admit)];
    (number(), duration(), overflow).prop_map(|(capacity, idle, overflow)| {
        let settings = keyed::Settings::new().with_overflow(overflow);
        let settings = parsed("keyed.", settings.try_with_capacity(capacity), settings);
        parsed("keyed.", settings.try_with_idle(idle), settings)
    })
}

fn any_budget() -> impl Strategy<Value = WorkBudget> {
    let numbers = (number(), number(), number(), number());
    let fuels = (any_u64(), any_u64(), any_u64());
    (numbers, fuels, (duration(), duration(), duration()), share(), 0..3u8, any::<bool>()).prop_map(
        |(numbers, fuels, times, width, over_cost, corrects)| {
            let room = "work_budget.";
            let (seats, places, demoted, times_over) = numbers;
            let (per_seat, fuel, demoted_fuel) = fuels;
            let (wait, busy, long) = times;
            let settings = work_budget::Settings::new(NonZeroU32::MIN);
            let settings = parsed(room, work_budget::Settings::try_new(seats), settings);
            let settings = parsed(room, settings.try_with_fuel_per_seat(per_seat), settings);
            let settings = parsed(room, settings.try_with_fuel(fuel), settings);
            let settings = parsed(room, settings.try_with_max_busy(busy), settings);
            let mut settings = parsed(room, settings.try_with_long_poll(long), settings);
            let demotion = parsed(room, Demotion::try_new(demoted), Demotion::new(NonZeroU32::MIN));
            settings = settings.with_over_cost(match over_cost {
                0 => OverCost::Refuse,
                1 => OverCost::Clamp,
                _ => OverCost::Demote(demotion.with_fuel(demoted_fuel.try_into().unwrap_or(NonZeroU64::MIN))),
            });
            if let Some(times) = NonZeroU32::new(times_over) {
                settings = settings.with_headroom(times).with_max_page(times);
            }
            if !corrects {
                settings = settings.without_correction();
            }
            let width = parsed("width", Ratio::try_new("width", width), Ratio::HALF);
            WorkBudget::new(settings.with_width(width).with_wait(places, wait))
        },
    )
}

fn any_u64() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 1..50u64, any::<u64>(), Just(u64::MAX)]
}

fn any_retry() -> impl Strategy<Value = RetryLayer> {
    let throttle = proptest::option::of((prop_oneof![number(), 1..=1000_u32], prop_oneof![share(), 0.001..1000.0]));
    (number(), duration(), duration(), duration(), throttle).prop_map(|(attempts, base, cap, hint, throttle)| {
        let settings = retry::Settings::new().with_max_hint(hint);
        let settings = parsed("retry.", settings.try_with_attempts(attempts), settings);
        let backoff = parsed("retry.", Backoff::try_new(base, cap), settings.backoff());
        let retry = RetryLayer::new(settings.with_backoff(backoff)).chance(Chance::seeded(1));
        let Some((most, ratio)) = throttle else { return retry };
        let throttled = parsed("retry.", ThrottleSettings::try_new(most, ratio), ThrottleSettings::new());
        retry.throttle(Throttle::new(throttled))
    })
}

fn any_outliers() -> impl Strategy<Value = Outliers> {
    let numbers = (number(), number(), number(), any::<[bool; 3]>());
    (numbers, duration(), duration(), duration(), share(), share(), share(), any::<f64>()).prop_map(
        |(numbers, interval, base, max, ejected, panic, good, deviations)| {
            let room = "shuffle_shard.";
            let (row, calls, members, [rows, rates, panics]) = numbers;
            let outliers =
                Outliers::new().with_max_ejected(parsed("ejected", Ratio::try_new("ejected", ejected), Ratio::HALF));
            let outliers = parsed(room, outliers.try_with_consecutive_failures(row), outliers);
            let outliers = parsed(room, outliers.try_with_interval(interval), outliers);
            let outliers = parsed(room, outliers.try_with_ejection_time(base, max), outliers);
            let rule = SuccessRate::new().with_good_enough(parsed("good", Ratio::try_new("good", good), Ratio::HALF));
            let rule = parsed(room, rule.try_with_deviations(deviations), rule);
            let rule = NonZeroU32::new(calls).map_or(rule, |calls| rule.with_min_calls(calls));
            let members = NonZeroU8::new(members as u8);
            let rule = members.map_or(rule, |members| rule.with_min_members(members));
            let panic = parsed("panic", Ratio::try_new("panic", panic), Ratio::ONE);
            let outliers = if rows { outliers } else { outliers.without_consecutive_failures() };
            let outliers = if rates { outliers.with_success_rate(rule) } else { outliers.without_success_rate() };
            if panics { outliers.with_panic_below(panic) } else { outliers.without_panic() }
        },
    )
}

fn any_fleet() -> impl Strategy<Value = shuffle_shard::Settings> {
    (any_outliers(), duration(), duration(), share(), any::<[bool; 2]>()).prop_map(
        |(outliers, hung, hint, spill, [spills, hangs])| {
            let settings = shuffle_shard::Settings::new().with_outliers(outliers).with_max_hint(hint);
            let spill = parsed("spill", Ratio::try_new("spill", spill), Ratio::ONE);
            let settings = if spills { settings.with_exhausted(Exhausted::Spill(spill)) } else { settings };
            if hangs { settings.with_hung_after(hung) } else { settings.without_hung_after() }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn every_call_ends_and_nothing_is_left_whatever_the_settings(
        patience in 0..100u64,
        attempt in duration(),
        bulkhead in any_bulkhead(),
        breaker in any_breaker(),
        queue in any_queue(),
        left in duration(),
        retry in any_retry(),
        keyed in any_keyed(),
        anew in any_keyed(),
        replies in proptest::collection::vec((0..4u8, 0..5_000u64), 8),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(async {
            let patience = Duration::from_secs(patience);
            let (inner, mock) = Mock::new(move |call, _: &u32| {
                let (kind, millis) = replies[call % replies.len()];
                let reply = match kind {
                    0 => Reply::err(std::io::Error::other("down")),
                    1 => Reply::hang(),
                    _ => Reply::ok(()),
                };
                reply.after(Duration::from_millis(millis))
            });
            let (handle, waits) = (bulkhead.handle(), queue.handle());
            let queue = queue.priority_by(|kind: &u32| Priority::from_level(*kind % 5)).tenant_by(|kind: &u32| (*kind % 3).into())
                .deadline_by(move |kind: &u32| kind.is_multiple_of(2).then(|| clock::now().after(left)));
            let bulkhead = bulkhead.weight_by(|weight: &u32| *weight).compartment_by(|kind: &u32| *kind as usize % 5);
            let breakers = Keyed::new(keyed, |kind: &u32| *kind % 3, move |_: &u32| breaker.fresh());
            let keys = breakers.handle();
            let service = Stack::new()
                .timeout(patience)
                .surge_queue(queue)
                .retry(retry)
                .bulkhead(bulkhead)
                .keyed(breakers)
                .timeout(attempt)
                .service(inner);

            for _ in 0..3 {
                let start = clock::now();
                let calls = (0..8u32).map(|call| service.clone().oneshot(call.wrapping_mul(u32::MAX / 5)));
                join_all(calls).await;
                prop_assert!(clock::now().since(start) <= patience + Duration::from_millis(1));
                prop_assert!(keys.len() <= 3);
                keys.update(anew);
                keys.sweep();
            }
            prop_assert!((0..3).all(|key| keys.get(&key).is_none() || keys.forget(&key)), "somebody holds a key");
            let left = handle.snapshot();
            prop_assert_eq!((left.in_use, left.waiting, mock.in_flight()), (0, 0, 0));
            let left = waits.snapshot();
            prop_assert_eq!((left.waiting, waits.limit().in_use()), ([0; 4], 0));
            prop_assert!(left.surge.is_none_or(|lane| (lane.waiting, lane.in_use, lane.lent) == ([0; 4], 0, 0)));
            Ok(())
        })?;
    }

    #[test]
    fn a_rate_limit_ends_every_call_and_lets_nobody_wait_for_ever_whatever_the_settings(
        first in any_rate(),
        second in any_rate(),
        third in any_rate(),
        pass in duration(),
        left in duration(),
        hint in any::<u64>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(async {
            let patience = Duration::from_secs(3);
            let (inner, mock) = Mock::new(move |call, _: &u32| match call % 3 {
                0 => Reply::err(std::io::Error::other(hint.to_string())),
                _ => Reply::ok(()).after(Duration::from_millis(call as u64 % 700)),
            });
            let limit = RateLimit::new(first);
            let handle = limit.handle();
            let limit = limit
                .cost_by(|kind: &u32| *kind)
                .exempt_by(|kind: &u32| *kind % 11 == 10)
                .deadline_by(move |kind: &u32| kind.is_multiple_of(3).then(|| clock::now().after(left)));
            let stack = Stack::new().timeout(patience).classify(throttled).rate_limit(limit);
            let full = bulkhead::Settings::new(NonZeroU32::MIN);
            let service = stack.gate(Bulkhead::new(full)).service(inner);
            for settings in [second, third, first, second] {
                let start = clock::now();
                let calls = (0..12u32).map(|call| service.clone().oneshot(if call < 8 { call } else { call.wrapping_mul(u32::MAX / 5) }));
                let change = async {
                    tokio::time::sleep(Duration::from_millis(500)).await;
                    handle.update(settings);
                    handle.observe_only();
                    handle.automatic();
                };
                futures_util::future::join(join_all(calls), change).await;
                prop_assert!(clock::now().since(start) <= patience + Duration::from_millis(1));
                let known = handle.snapshot();
                prop_assert_eq!((known.waiting, mock.in_flight()), (0, 0));
                prop_assert!(known.remaining.iter().flatten().all(|left| left.remaining <= left.limit), "{:?}", known);
                prop_assert!(known.tightest.remaining <= known.tightest.limit);
                tokio::time::advance(pass.min(Duration::from_secs(u32::MAX.into()))).await;
                handle.drain();
            }
            Ok(())
        })?;
    }

    #[test]
    fn a_server_ends_every_call_and_keeps_no_place_whatever_the_settings(
        cells in any_cells(),
        other_cells in any_cells(),
        settings in any_queue_settings(),
        shed in any_shed(),
        anew in any_shed(),
        meters in [any_meter(), any_meter(), any_meter()],
        left in duration(),
        replies in proptest::collection::vec((0..6u8, 0..500u64), 16),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(async {
            let patience = Duration::from_secs(2);
            let (inner, mock) = Mock::new(move |call, _: &u32| {
                let (kind, millis) = replies[call % replies.len()];
                let reply = match kind {
                    0 => Reply::err(std::io::Error::other("down")),
                    1 => Reply::hang(),
                    _ => Reply::ok(()),
                };
                reply.after(Duration::from_millis(millis))
            });
            let handle = shed.handle();
            let cells = ShardedBulkhead::new(cells, |kind: &u32| (*kind % 7).into());
            let in_cells = cells.handle();
            let queue = SurgeQueue::new(settings)
                .chance(Chance::seeded(1))
                .priority_by(|kind: &u32| Priority::from_level(*kind % 5))
                .exempt_by(|kind: &u32| *kind % 11 == 10)
                .deadline_by(move |kind: &u32| kind.is_multiple_of(3).then(|| clock::now().after(left)))
                .in_front_of(shed);
            let waits = queue.handle();
            let [callers, callee] = [meters[0], meters[1]].map(Meter::new);
            let counts = [callers.handle(), callee.handle()];
            let service = Stack::new()
                .metered(callers)
                .timeout(patience)
                .sharded_bulkhead(cells)
                .surge_queue(queue)
                .timeout(patience / 2)
                .metered(callee)
                .service(inner);
            for round in 1..=4 {
                let start = clock::now();
                join_all((0..40u32).map(|call| service.clone().oneshot(call))).await;
                prop_assert!(clock::now().since(start) <= patience + Duration::from_millis(1));
                let known = handle.snapshot();
                prop_assert!((1..=known.settings.max_limit().get()).contains(&known.limit), "{:?}", known);
                prop_assert_eq!((known.in_use, known.parked, mock.in_flight()), (0, 0, 0));
                prop_assert_eq!(waits.snapshot().waiting, [0; 4]);
                prop_assert_eq!(in_cells.snapshot().in_use(), 0);
                let counted = counts.each_ref().map(|handle| handle.snapshot());
                prop_assert_eq!((counted[0].calls(), counted[0].active), (40 * round, 0));
                prop_assert_eq!((counted[1].calls(), counted[1].active), (mock.calls() as u64, 0));
                counts.iter().for_each(|handle| handle.update(meters[2]));
                in_cells.update(other_cells);
                handle.update(anew.handle().snapshot().settings);
            }
            Ok(())
        })?;
    }

    #[test]
    fn a_work_budget_ends_every_call_and_keeps_no_seat_whatever_the_settings_and_the_costs(
        outer in any_budget(),
        inner in any_budget(),
        anew in any_budget(),
        costs in proptest::collection::vec((number(), any_u64(), any_u64(), 0..4u8, 0..500u64), 12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(async {
            let patience = Duration::from_secs(2);
            let costs = std::sync::Arc::new(costs);
            let (asked, spent) = (costs.clone(), costs.clone());
            let cost = move |call: &usize| match asked[call % asked.len()] {
                (seats, _, _, 0, _) => Cost::seats(seats),
                (seats, fuel, _, 1, _) => Cost::fuel(fuel).with_seats(seats),
                (_, fuel, ..) => Cost::fuel(fuel),
            };
            let (handle, handle_in) = (outer.handle(), inner.handle());
            let inner = inner.cost_by(cost.clone());
            let outer = outer.cost_by(cost).kind_by(|call: &usize| *call % 20);
            let stack = Stack::new().timeout(patience).work_budget(outer).work_budget(inner);
            let service = stack.service(tower::service_fn(move |call: usize| {
                let (_, _, fuel, kind, millis) = spent[call % spent.len()];
                async move {
                    if let Some(work) = work::current() {
                        let child = work.child(fuel / 2);
                        let all = work.granted().unwrap_or(u64::MAX);
                        let parts = [child.try_take(fuel), work.try_take(fuel), u64::from(work.spend(1).is_ok())];
                        assert!(parts.iter().map(|part| u128::from(*part)).sum::<u128>() <= all.into());
                        let _ = (work.page(usize::MAX, fuel), work.checkpoint(1).await, work.refund(fuel));
                    }
                    tokio::time::sleep(Duration::from_millis(millis)).await;
                    if kind == 3 { Err(std::io::Error::other("down")) } else { Ok(()) }
                }
            }));
            for round in 0..4usize {
                let start = clock::now();
                join_all((0..20).map(|call| service.clone().oneshot(call + round))).await;
                prop_assert!(clock::now().since(start) <= patience + Duration::from_millis(1));
                for handle in [&handle, &handle_in] {
                    let known = handle.snapshot();
                    let held = [known.seats, known.demoted].map(|usage| (usage.in_use, usage.waiting));
                    prop_assert_eq!(held, [(0, 0); 2]);
                    prop_assert!(known.spent <= known.granted);
                    prop_assert!(known.kinds.iter().all(|kind| (0.25..=4.0).contains(&kind.ratio)));
                }
                handle.update(anew.handle().snapshot().settings);
                if round == 2 {
                    handle_in.observe_only();
                }
            }
            Ok(())
        })?;
    }

    #[test]
    fn a_fleet_ends_every_call_and_counts_none_for_ever_whatever_the_settings(
        settings in any_fleet(),
        anew in any_fleet(),
        retry in any_retry(),
        nodes in 0..9usize,
        hand in any::<usize>(),
        replies in proptest::collection::vec((0..8u8, 0..5_000u64), 16),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(async {
            let patience = Duration::from_secs(20);
            let (inner, mock) = Mock::new(move |call, _: &u32| {
                let (kind, millis) = replies[call % replies.len()];
                let refusal = |reason| Reply::err(Rejection::new(reason, "member").with_retry_after(Duration::from_millis(millis)).into());
                let reply = match kind {
                    0 | 1 => Reply::err(Error::Inner(())),
                    2 => Reply::hang(),
                    3 => refusal(Reason::CircuitOpen),
                    4 => refusal(Reason::BulkheadFull),
                    _ => Reply::ok(()),
                };
                reply.after(Duration::from_millis(millis))
            });
            let nodes = Nodes::try_new((0..nodes).map(|n| Node::new(n.to_string()))).expect("different names");
            let hand = parsed("shuffle_shard.", HandSize::try_new(hand), HandSize::new(3));
            let router = ShuffleShard::new(nodes, move |_: &Node| inner.clone())
                .settings(settings)
                .chance(Chance::seeded(1))
                .assign_by(Rendezvous::new(hand))
                .tenant_by(|req: &u32| u64::from(req % 3));
            let handle = router.handle();
            let service = Stack::new().timeout(patience).retry(retry).shuffle_shard(router);
            for round in 0..4 {
                let start = clock::now();
                join_all((0..20u32).map(|call| service.clone().oneshot(call))).await;
                prop_assert!(clock::now().since(start) <= patience + Duration::from_millis(1));
                let known = handle.snapshot();
                prop_assert!(known.members.iter().all(|member| member.in_flight == 0), "{:?}", known);
                prop_assert_eq!(mock.in_flight(), 0);
                match round {
                    0 => handle.update(anew),
                    1 => prop_assert!(handle.insert(Node::new("late")).is_ok()),
                    _ => tokio::time::advance(Duration::from_secs(400)).await,
                }
            }
            Ok(())
        })?;
    }
}

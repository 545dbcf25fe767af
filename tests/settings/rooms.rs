//! Settings of each room, from all over their range.

use std::num::NonZeroU32;

use plimsoll::{
    Ratio,
    bulkhead::{self, Bulkhead, Order},
    chance::Chance,
    circuit_breaker::{self, CircuitBreaker, OpenTime, Probes, Window},
    keyed::{self, Overflow},
    limit::FixedLimit,
    load_shed::{self, Aimd, Bottleneck, Gradient, LoadShed, Vegas},
    meter,
    rate_limit::{self, Quota},
    retry::{self, Backoff, RetryLayer, Throttle, ThrottleSettings},
    shuffle_shard::{self, Exhausted, Outliers, SuccessRate, sharded_bulkhead},
    surge_queue::{self, Ramp, Surge, SurgeQueue},
    work_budget::{self, Demotion, OverCost, WorkBudget},
};
use proptest::prelude::*;

use crate::{duration, number, parsed, share};

pub(crate) fn any_bulkhead() -> impl Strategy<Value = Bulkhead> {
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
pub(crate) fn any_cells() -> impl Strategy<Value = sharded_bulkhead::Settings> {
    (number(), number(), number(), any::<u128>()).prop_map(|(permits, cells, hand, seed)| {
        let room = "sharded_bulkhead.";
        let one = sharded_bulkhead::Settings::new(NonZeroU32::MIN);
        let settings = parsed(room, sharded_bulkhead::Settings::try_new(permits), one);
        let cells = if (1000..=1 << 26).contains(&cells) { cells % 1000 } else { cells };
        let settings = parsed(room, settings.try_with_cells(cells, hand as usize), settings);
        let settings = parsed(room, settings.try_with_permits(permits), settings);
        if seed.is_multiple_of(2) { settings } else { settings.with_seed(seed) }
    })
}

pub(crate) fn any_breaker() -> impl Strategy<Value = CircuitBreaker> {
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

pub(crate) fn any_rate() -> impl Strategy<Value = rate_limit::Settings> {
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
            let settings = settings.with_wait(places, wait).with_max_hint(pause);
            if keeps { settings.without_refunds() } else { settings }
        },
    )
}

pub(crate) fn any_queue() -> impl Strategy<Value = SurgeQueue<FixedLimit>> {
    (any_queue_settings(), number()).prop_map(|(settings, limit)| {
        let limit = parsed("limit.", FixedLimit::try_new(limit), FixedLimit::new(NonZeroU32::MIN));
        SurgeQueue::new(settings).chance(Chance::seeded(1)).in_front_of(limit)
    })
}

pub(crate) fn any_meter() -> impl Strategy<Value = meter::Settings> {
    any::<[bool; 2]>().prop_map(|[times, events]| {
        let settings = meter::Settings::new();
        let settings = if times { settings } else { settings.without_times() };
        if events { settings.with_events() } else { settings }
    })
}

pub(crate) fn any_shed() -> impl Strategy<Value = LoadShed> {
    (number(), number(), duration(), 0..6u8).prop_map(|(initial, max, slow, which)| {
        let settings = load_shed::Settings::new();
        let settings = if slow.is_zero() {
            let settings = parsed("load_shed.", settings.try_with_initial_limit(initial), settings);
            parsed("load_shed.", settings.try_with_max_limit(max), settings)
        } else {
            parsed("load_shed.", settings.try_with_limits(initial, max), settings)
        };
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

pub(crate) fn any_queue_settings() -> impl Strategy<Value = surge_queue::Settings> {
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

pub(crate) fn any_keyed() -> impl Strategy<Value = keyed::Settings> {
    let overflow = prop_oneof![Just(Overflow::Share), Just(Overflow::Refuse), Just(Overflow::Admit)];
    (number(), duration(), overflow).prop_map(|(capacity, idle, overflow)| {
        let settings = keyed::Settings::new().with_overflow(overflow);
        let settings = parsed("keyed.", settings.try_with_capacity(capacity), settings);
        parsed("keyed.", settings.try_with_idle(idle), settings)
    })
}

pub(crate) fn any_budget() -> impl Strategy<Value = WorkBudget> {
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
                _ => OverCost::Demote(parsed(room, demotion.try_with_fuel(demoted_fuel), demotion)),
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

pub(crate) fn any_u64() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 1..50u64, any::<u64>(), Just(u64::MAX)]
}

pub(crate) fn any_retry() -> impl Strategy<Value = RetryLayer> {
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

pub(crate) fn any_outliers() -> impl Strategy<Value = Outliers> {
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
            let rule = parsed(room, rule.try_with_min_calls(calls), rule);
            let rule = parsed(room, rule.try_with_min_members(members as u8), rule);
            let panic = parsed("panic", Ratio::try_new("panic", panic), Ratio::ONE);
            let outliers = if rows { outliers } else { outliers.without_consecutive_failures() };
            let outliers = if rates { outliers.with_success_rate(rule) } else { outliers.without_success_rate() };
            if panics { outliers.with_panic_below(panic) } else { outliers.without_panic() }
        },
    )
}

pub(crate) fn any_fleet() -> impl Strategy<Value = shuffle_shard::Settings> {
    (any_outliers(), duration(), duration(), share(), any::<[bool; 2]>()).prop_map(
        |(outliers, hung, hint, spill, [spills, hangs])| {
            let settings = shuffle_shard::Settings::new().with_outliers(outliers).with_max_hint(hint);
            let spill = parsed("spill", Ratio::try_new("spill", spill), Ratio::ONE);
            let settings = if spills { settings.with_exhausted(Exhausted::Spill(spill)) } else { settings };
            if hangs { settings.with_hung_after(hung) } else { settings.without_hung_after() }
        },
    )
}

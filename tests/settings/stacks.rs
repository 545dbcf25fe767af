//! Stacks of all rooms with such settings.

use std::{num::NonZeroU32, time::Duration};

use futures_util::future::join_all;
use plimsoll::{
    Error, Outcome, Reason, Rejection, Stack,
    bulkhead::{self, Bulkhead},
    chance::Chance,
    classify::Failure,
    clock,
    keyed::Keyed,
    meter::Meter,
    rate_limit::RateLimit,
    request::Priority,
    shuffle_shard::{HandSize, Node, Nodes, Rendezvous, ShuffleShard, sharded_bulkhead::ShardedBulkhead},
    surge_queue::SurgeQueue,
    testing::{Mock, Reply},
    work,
    work_budget::Cost,
};
use proptest::{prelude::*, test_runner::FileFailurePersistence};
use tower::ServiceExt;

use crate::rooms::{
    any_breaker, any_budget, any_bulkhead, any_cells, any_fleet, any_keyed, any_meter, any_queue, any_queue_settings,
    any_rate, any_retry, any_shed, any_u64,
};
use crate::{duration, number, parsed};

/// Asks to be left alone, for a time.
fn throttled(result: Result<&(), &Error<std::io::Error>>) -> Outcome {
    match result {
        Err(Error::Inner(error)) => {
            Outcome::Failure(Failure::Throttled(error.to_string().parse().ok().map(Duration::from_secs)))
        }
        _ => Outcome::Success,
    }
}

/// Runs `test` on a clock of its own, which stands still until everybody waits.
fn in_virtual_time<F: Future>(test: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(test)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 512,
        // Beside this file: by default it is looked for in a folder that is not kept.
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("proptest-regressions"))),
        ..ProptestConfig::default()
    })]

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
        in_virtual_time(async {
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
        in_virtual_time(async {
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
                handle.use_up();
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
        in_virtual_time(async {
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
        in_virtual_time(async {
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
        in_virtual_time(async {
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
            let service = Stack::new().timeout(patience).retry(retry).wrap_router(router);
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

//! In a stack: a budget within a budget, below a retry, for each kind and for each key.

use std::{
    io,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use futures_util::future::join_all;
use plimsoll::{
    Error, Event, Reason, Stack,
    circuit_breaker::{self, CircuitBreaker},
    event::Stop,
    gate::PerKind,
    keyed::{self, Keyed},
    retry::{self, RetryLayer},
};
use tower::{Service, ServiceExt, service_fn};

use crate::{
    Ask, Budget, Failed, Heard, SECOND, ask, budget, compute, handle, reason, rejection, seats, spending, work,
};

#[tokio::test(start_paused = true)]
async fn a_budget_further_in_draws_from_the_one_further_out() {
    let inner = budget(seats(9).with_name("inner"));
    let handle_of = inner.handle();
    let narrow = seats(9).with_name("outer").with_headroom(NonZeroU32::MIN);
    let stack = Stack::new().work_budget(budget(narrow)).work_budget(inner);
    let service = stack.wrap(service_fn(|_: Ask| async {
        let work = work();
        let all = work.remaining();
        work.spend(3)?;
        Ok::<_, Failed>(all)
    }));
    assert_eq!(service.clone().oneshot(ask(5)).await.ok(), Some(5), "not the 20 of its own");
    assert_eq!((handle_of.snapshot().granted, handle_of.snapshot().spent), (5, 3));

    // Twice in a row, from one request further out: the second has what the first has left.
    let layer = Stack::new().work_budget(budget(seats(9).with_name("inner")));
    let further_in = layer.wrap(service_fn(|ask: Ask| async move { Ok::<_, Failed>(work().try_take(ask.spends)) }));
    let outer = Stack::new().work_budget(budget(seats(9))).wrap(service_fn(move |_: Ask| {
        let further_in = further_in.clone();
        async move {
            let mut spent = Vec::new();
            for _ in 0..4 {
                spent.push(further_in.clone().oneshot(spending(5, 8)).await);
            }
            Ok::<_, Failed>(spent)
        }
    }));
    let spent = outer.oneshot(ask(5)).await.expect("answered");
    let [Ok(8), Ok(8), Ok(4), Err(Error::Rejected(refused))] = spent[..] else { panic!("{spent:?}") };
    assert_eq!((refused.reason(), refused.was_dispatched()), (Reason::WorkExhausted, false), "nothing is left");
}

/// Three tries did three times the work that one request may do.
#[tokio::test(start_paused = true)]
async fn all_attempts_of_a_retry_spend_the_same_fuel_and_it_stops_when_that_is_used_up() {
    let heard = Heard::default();
    let tries = Arc::new(AtomicU32::new(0));
    let counted = tries.clone();
    let ten = NonZeroU32::new(10).expect("ten");
    let stack = Stack::new()
        .observe(heard.observer())
        .work_budget(budget(seats(9)))
        .retry(RetryLayer::new(retry::Settings::new().with_attempts(ten)).without_budget());
    let service = stack.wrap(service_fn(move |ask: Ask| {
        counted.fetch_add(1, Relaxed);
        async move {
            work().try_take(ask.spends);
            Err::<u64, Failed>(Error::Inner(io::Error::other("down")))
        }
    }));
    let error = service.oneshot(spending(5, 7)).await.expect_err("down");
    assert!(matches!(error, Error::Inner(_)), "the last result");
    assert_eq!(tries.load(Relaxed), 3, "of 20, 7 and 7 and 6");
    let stopped = Event::RetryStopped { layer: "retry", attempts: 3, stop: Stop::WorkExhausted };
    assert!(heard.all().contains(&stopped), "{:?}", heard.all());
}

/// Who asks for too much says nothing about the callee, and asking again is in vain.
#[tokio::test(start_paused = true)]
async fn exhaustion_is_not_tried_again_and_trips_no_breaker() {
    let breaker = CircuitBreaker::new(circuit_breaker::Settings::new());
    let circuit = breaker.handle();
    let tries = Arc::new(AtomicU32::new(0));
    let counted = tries.clone();
    let stack = Stack::new().retry(retry::Settings::new()).circuit_breaker(breaker).work_budget(budget(seats(9)));
    let service = stack.wrap(service_fn(move |ask: Ask| {
        counted.fetch_add(1, Relaxed);
        handle(ask)
    }));
    for _ in 0..30 {
        assert_eq!(reason(service.clone().oneshot(spending(10, 50)).await), Reason::WorkExhausted);
    }
    assert_eq!((tries.load(Relaxed), circuit.snapshot().state), (30, circuit_breaker::State::Closed));
}

#[tokio::test(start_paused = true)]
async fn one_that_only_observes_leaves_the_budget_further_out_in_force() {
    let inner = budget(seats(9).with_name("inner"));
    inner.handle().observe_only();
    let service = Stack::new().work_budget(budget(seats(9))).work_budget(inner).wrap(service_fn(handle));
    assert_eq!(reason(service.oneshot(spending(10, 50)).await), Reason::WorkExhausted);

    // Two at once, which spend of the same: nothing is set aside for the one that came first.
    let inner = budget(seats(9).with_name("inner"));
    inner.handle().observe_only();
    let further_in = Stack::new().work_budget(inner).wrap(service_fn(handle));
    let service = Stack::new().work_budget(budget(seats(9))).wrap(service_fn(move |ask: Ask| {
        let calls = [further_in.clone().oneshot(ask), further_in.clone().oneshot(ask)];
        async move {
            let ends = join_all(calls).await;
            Ok::<_, Failed>((ends.iter().all(Result::is_ok), work().remaining()))
        }
    }));
    assert_eq!(service.oneshot(spending(10, 15)).await.ok(), Some((true, 10)));
}

/// A budget for each kind of request, whose work is that of its own budget.
#[tokio::test(start_paused = true)]
async fn a_budget_for_each_kind_grants_its_own_work() {
    let budgets = [20, 50].map(|fuel| budget(seats(9).try_with_fuel(fuel).expect("not zero")));
    let per_kind = PerKind::try_new(budgets, |ask: &Ask| ask.kind).expect("two");
    let service =
        Stack::new().per_kind(per_kind).wrap(service_fn(|_: Ask| async { Ok::<_, Failed>(work().remaining()) }));
    for (kind, fuel) in [(0, 20), (1, 50)] {
        assert_eq!(service.clone().oneshot(Ask { kind, ..ask(20) }).await.ok(), Some(fuel));
    }
}

/// A gate for each key asked its gates for admission and told them how a call ended, and nothing in between: how much a
/// request spent was bounded by nobody.
#[tokio::test(start_paused = true)]
async fn each_key_may_have_a_budget_of_its_own_and_so_may_those_who_find_no_place() {
    let each = budget(seats(9).with_max_busy(SECOND));
    let one = keyed::Settings::new().try_with_capacity(1).expect("not zero");
    let keyed = Keyed::new(one, |ask: &Ask| ask.kind, move |_: &usize| each.fresh());
    let handle_of = keyed.handle();
    let stack = Stack::new().keyed(keyed);
    let busy = stack.wrap(service_fn(|_: Ask| async {
        loop {
            compute(600).await;
            tokio::task::yield_now().await;
        }
        #[allow(unreachable_code, reason = "it has a type")]
        Ok::<u64, Failed>(0)
    }));
    let service = stack.wrap(service_fn(handle));
    let _place = service.clone().call(spending(10, 40));
    for kind in [0, 1] {
        let call = |spends| Ask { kind, ..spending(10, spends) };
        assert_eq!(service.clone().oneshot(call(40)).await.ok(), Some(40));
        for spent_or_busy in [service.clone().oneshot(call(50)).await, busy.clone().oneshot(call(0)).await] {
            let refused = rejection(spent_or_busy);
            assert_eq!((refused.reason(), refused.was_dispatched()), (Reason::WorkExhausted, true));
        }
    }
    let in_use = |budget: &Budget| budget.handle().snapshot().seats.in_use;
    assert_eq!((handle_of.get(&0).map(|own| in_use(&own)), handle_of.overflow_gate().map(in_use)), (Some(1), Some(0)));
}

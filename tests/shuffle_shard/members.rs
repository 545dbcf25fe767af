//! What a member says of itself, by being ready or not, by refusing, failing, and not answering.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use plimsoll::{
    Error, Outcome, Reason, Rejection, Stack, bulkhead,
    circuit_breaker::{self, CircuitBreaker},
    classify::Failure,
    clock,
    shuffle_shard::{Health, Node, Settings, ShuffleShard},
};
use tower::Service;

use crate::world::{Answer, Boom, Mode, Req, SECOND, World, call, names, nodes, of, poll, rejection, state};

fn refusal(reason: Reason, after: Duration) -> Mode {
    Mode::Refuse(Rejection::new(reason, "member").with_retry_after(after))
}

/// How many calls each of two members has had.
fn calls(world: &World) -> [usize; 2] {
    [world.calls("node-0"), world.calls("node-1")]
}

#[tokio::test(start_paused = true)]
async fn who_is_not_ready_is_passed_over() {
    let world = World::default();
    let router = world.router(2, Settings::new());
    world.set("node-0", Mode::Unready);
    for _ in 0..5 {
        assert_eq!(call(&router, of(1)).await, Ok("node-1".into()));
    }
    assert!(router.snapshot().members.iter().all(|member| member.in_flight == 0));
}

#[tokio::test(start_paused = true)]
async fn where_nobody_is_ready_the_first_who_is_gets_the_call() {
    for late in names(2) {
        let world = World::default();
        let mut router = world.router(2, Settings::new());
        world.set_all(Mode::Unready);
        let mut call = tokio_test::task::spawn(router.call(of(1)));
        assert!(call.poll().is_pending());
        assert!(router.snapshot().members.iter().all(|member| member.in_flight == 1), "it waits at both doors");
        world.set(&late, Mode::Answer);
        // The first waker that each was given was nobody's.
        while world.member(&late).wake_one() {}
        assert!(call.is_woken());
        assert_eq!(call.poll(), std::task::Poll::Ready(Ok(late)));
        drop(call);
        assert!(router.snapshot().members.iter().all(|member| member.in_flight == 0));
    }
}

#[tokio::test(start_paused = true)]
async fn whose_readiness_fails_has_failed_and_another_is_asked() {
    let world = World::default();
    let router = world.router(2, Settings::new());
    world.set("node-0", Mode::ReadyFails);
    for _ in 0..20 {
        assert_eq!(call(&router, of(1)).await, Ok("node-1".into()));
    }
    assert!(state(&router.snapshot(), "node-0").failures_in_a_row > 0);
    world.set("node-1", Mode::ReadyFails);
    assert_eq!(call(&router, of(1)).await, Err(Error::Inner(Boom)), "the member's error, and no refusal");
}

#[tokio::test(start_paused = true)]
async fn who_fails_while_it_is_waited_for_leaves_the_others_to_be_waited_for() {
    let world = World::default();
    let mut router = world.router(2, Settings::new());
    world.set_all(Mode::Unready);
    let mut waiting = Box::pin(router.call(of(1)));
    assert!(poll(&mut waiting).is_pending());
    world.set("node-0", Mode::ReadyFails);
    assert!(poll(&mut waiting).is_pending());
    assert_eq!(state(&router.snapshot(), "node-0").in_flight, 0);
    world.set("node-1", Mode::ReadyFails);
    assert_eq!(poll(&mut waiting), std::task::Poll::Ready(Err(Error::Inner(Boom))));
}

/// A member whose circuit is open refuses at once and has nothing under way: without this it would draw all calls to
/// itself. But it is no outlier, and when it may be asked again, it is.
#[tokio::test(start_paused = true)]
async fn an_open_circuit_takes_its_member_out_until_it_may_be_asked_again() {
    let world = World::default();
    let router = world.router(2, Settings::new());
    world.set("node-0", refusal(Reason::CircuitOpen, 5 * SECOND));
    let mut refused = 0;
    for _ in 0..50 {
        refused += usize::from(call(&router, of(1)).await.is_err());
    }
    assert_eq!((refused, world.calls("node-0")), (1, 1));
    let now = state(&router.snapshot(), "node-0");
    assert_eq!((now.health, now.failures_in_a_row), (Health::Shut(5 * SECOND), 0));
    tokio::time::advance(5 * SECOND).await;
    world.set("node-0", Mode::Answer);
    for _ in 0..20 {
        call(&router, of(1)).await.expect("answered");
    }
    assert!(world.calls("node-0") > 5);
}

#[tokio::test(start_paused = true)]
async fn where_all_circuits_are_open_it_is_refused_with_the_soonest_return() {
    let world = World::default();
    let router = world.router(2, Settings::new());
    world.set("node-0", refusal(Reason::CircuitOpen, 9 * SECOND));
    world.set("node-1", refusal(Reason::CircuitOpen, 4 * SECOND));
    for _ in 0..2 {
        assert_eq!(rejection(call(&router, of(1)).await).reason(), Reason::CircuitOpen);
    }
    tokio::time::advance(SECOND).await;
    let refused = rejection(call(&router, of(1)).await);
    assert_eq!((refused.reason(), refused.retry_after()), (Reason::NoShard, Some(3 * SECOND)));
    assert_eq!(calls(&world), [1, 1]);
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_is_believed_up_to_a_limit() {
    let world = World::default();
    let router = world.router(1, Settings::new().with_max_hint(2 * SECOND));
    world.set("node-0", refusal(Reason::CircuitOpen, Duration::MAX));
    let _ = call(&router, of(1)).await;
    tokio::time::advance(2 * SECOND).await;
    world.set("node-0", Mode::Answer);
    call(&router, of(1)).await.expect("asked again");
}

/// Whoever has no room may have some any moment. Where nobody has room, the members' own answer is the best there is.
#[tokio::test(start_paused = true)]
async fn a_full_member_is_passed_over_and_asked_where_there_is_nobody_else() {
    let world = World::default();
    let router = world.router(2, Settings::new());
    world.set("node-0", refusal(Reason::BulkheadFull, 5 * SECOND));
    for _ in 0..20 {
        let _ = call(&router, of(1)).await;
    }
    assert_eq!(calls(&world)[0], 1);
    world.set("node-1", refusal(Reason::LimitReached, SECOND));
    for _ in 0..3 {
        let reason = rejection(call(&router, of(1)).await).reason();
        assert!(matches!(reason, Reason::BulkheadFull | Reason::LimitReached), "{reason:?}");
    }
    assert!(matches!(state(&router.snapshot(), "node-0").health, Health::Busy(_)));
}

#[tokio::test(start_paused = true)]
async fn refusals_that_are_about_the_request_say_nothing_about_the_member() {
    for reason in [Reason::DeadlineExceeded, Reason::DeadlineUnreachable, Reason::TooExpensive, Reason::WorkExhausted] {
        let world = World::default();
        let router = world.router(1, Settings::new());
        world.set("node-0", refusal(reason, SECOND));
        for _ in 0..20 {
            assert_eq!(rejection(call(&router, of(1)).await).reason(), reason);
        }
        assert_eq!(state(&router.snapshot(), "node-0").health, Health::Serving);
    }
}

/// The judge was asked about them, and one that takes whatever is refused for an overload had the member passed over.
#[tokio::test(start_paused = true)]
async fn no_judge_is_asked_about_refusals_that_no_member_has_seen() {
    let world = World::default();
    let router = world.router(2, Settings::new()).classify(|result: Result<&String, &Error<Boom>>| match result {
        Ok(_) => Outcome::Success,
        Err(_) => Outcome::Failure(Failure::Overload),
    });
    world.set_all(Mode::Refuse(Rejection::new(Reason::TooExpensive, "limit")));
    for tenant in 0..8 {
        assert_eq!(rejection(call(&router, of(tenant)).await).reason(), Reason::TooExpensive);
    }
    assert!(router.handle().snapshot().members.iter().all(|member| member.health == Health::Serving));
}

/// By the judge: an answer that asks to be left alone.
#[tokio::test(start_paused = true)]
async fn who_asks_for_less_is_passed_over_for_as_long_as_it_says() {
    let world = World::default();
    let judge = |result: Result<&String, &Error<Boom>>| match result {
        Ok(name) if name == "node-0" => Outcome::Failure(Failure::Throttled(Some(5 * SECOND))),
        Ok(_) => Outcome::Success,
        Err(_) => Outcome::Failure(Failure::Transient),
    };
    let router = world.router(2, Settings::new()).classify(judge);
    for _ in 0..20 {
        call(&router, of(1)).await.expect("answered");
    }
    assert_eq!(calls(&world)[0], 1);
    let now = state(&router.snapshot(), "node-0");
    assert_eq!((now.health, now.failures_in_a_row), (Health::Busy(5 * SECOND), 0));
}

/// Each with a breaker and a bulkhead of its own, in one line.
#[tokio::test(start_paused = true)]
async fn a_real_breaker_for_each_member_sends_the_calls_to_the_others() {
    let world = World::default();
    let member = world.factory();
    let breaker = CircuitBreaker::new(circuit_breaker::Settings::new());
    let settings = Settings::new()
        .with_outliers(plimsoll::shuffle_shard::Outliers::new().without_consecutive_failures().without_success_rate());
    let router = ShuffleShard::new(nodes(names(2)), move |node: &Node| {
        let places = bulkhead::Settings::try_new(64).expect("not zero");
        Stack::new().bulkhead(places).circuit_breaker(breaker.fresh()).wrap(member(node))
    })
    .settings(settings)
    .tenant_by(|req: &Req| req.tenant);
    world.set("node-0", Mode::Fail);
    world.set("node-1", Mode::Slow);
    let mut router = router;
    let (mut under_way, mut refused) = (Vec::new(), 0);
    for _ in 0..60 {
        let mut call = Box::pin(router.call(of(1)));
        match poll(&mut call) {
            std::task::Poll::Pending => under_way.push(call),
            std::task::Poll::Ready(Err(Error::Rejected(_))) => refused += 1,
            std::task::Poll::Ready(_) => {}
        }
    }
    assert_eq!((calls(&world)[0], refused), (10, 1), "ten failures open it, and one refusal says so");
    assert!(matches!(state(&router.snapshot(), "node-0").health, Health::Shut(_)));
}

#[tokio::test(start_paused = true)]
async fn a_failure_looks_like_load_until_it_is_forgotten() {
    let world = World::default();
    let router = world.router(2, Settings::new());
    world.set("node-0", Mode::Fail);
    let failures = async || {
        let mut failed = 0;
        for _ in 0..100 {
            failed += usize::from(call(&router, of(1)).await.is_err());
        }
        failed
    };
    assert_eq!(failures().await, 1);
    // One interval in which it was seen to fail, and one in which it was not seen.
    for failed in [0, 1] {
        tokio::time::advance(10 * SECOND).await;
        assert_eq!(failures().await, failed);
    }
}

#[tokio::test(start_paused = true)]
async fn who_hung_until_its_caller_left_has_failed_and_who_was_left_early_has_not() {
    let world = World::default();
    let mut router = world.router(1, Settings::new());
    world.set("node-0", Mode::Hang);
    let mut give_up_after = async |time| {
        let _ = tokio::time::timeout(time, router.call(of(1))).await;
        router.snapshot().members[0].failures_in_a_row
    };
    assert_eq!(give_up_after(SECOND / 2).await, 0);
    assert_eq!(give_up_after(SECOND).await, 1);
    let patient = world.router(1, Settings::new().without_hung_after());
    let _ = tokio::time::timeout(9 * SECOND, patient.clone().call(of(1))).await;
    assert_eq!(patient.snapshot().members[0].failures_in_a_row, 0);
}

/// It waits at every door at once. If that none of them opened in time spoke against those behind, one who leaves would put
/// out a whole hand.
#[tokio::test(start_paused = true)]
async fn who_leaves_before_it_was_sent_anywhere_says_nothing_about_anybody() {
    let world = World::default();
    let mut router = world.router(2, Settings::new());
    world.set_all(Mode::Unready);
    assert!(tokio::time::timeout(9 * SECOND, router.call(of(1))).await.is_err());
    let members = router.snapshot().members;
    assert!(members.iter().all(|member| (member.failures_in_a_row, member.in_flight) == (0, 0)), "{members:?}");
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failure_wherever_it_comes_from() {
    for mode in [Mode::Panic, Mode::PanicInCall, Mode::ReadyPanics] {
        let world = World::default();
        let router = world.router(1, Settings::new());
        world.set("node-0", mode);
        let mut future = Box::pin(call(&router, of(1)));
        assert!(catch_unwind(AssertUnwindSafe(|| poll(&mut future))).is_err());
        let now = state(&router.snapshot(), "node-0");
        assert_eq!((now.failures_in_a_row, now.in_flight), (1, 0), "{mode:?}");
    }
}

/// A judge that panics has its call counted as failed, and the next one is judged again.
#[tokio::test(start_paused = true)]
async fn a_judge_that_panics_leaves_nothing_behind() {
    let world = World::default();
    let judge = |_: Result<&String, &Error<Boom>>| -> Outcome { panic!("judge") };
    let router = world.router(1, Settings::new()).classify(judge);
    let mut future = Box::pin(call(&router, of(1)));
    assert!(catch_unwind(AssertUnwindSafe(|| poll(&mut future))).is_err());
    assert_eq!(router.snapshot().members[0].in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_held_is_given_back_as_the_call_ends_and_not_when_its_future_goes() {
    let world = World::default();
    let mut router = world.router(1, Settings::new());
    let mut future = Box::pin(router.call(of(1)));
    assert!(poll(&mut future).is_ready());
    assert_eq!((router.snapshot().members[0].in_flight, world.in_flight()), (0, 0));
    drop(future);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_takes_its_time_ends_when_its_member_answers() {
    let world = World::default();
    let router = world.router(4, Settings::new());
    world.set_all(Mode::Takes(3 * SECOND));
    let start = clock::now();
    let answers: Vec<Answer> = futures_util::future::join_all((0..40).map(|tenant| call(&router, of(tenant)))).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(clock::now().since(start), 3 * SECOND);
    assert_eq!(world.in_flight(), 0);
}

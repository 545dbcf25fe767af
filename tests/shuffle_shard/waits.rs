//! A call that waits for a member to become ready, while it is decided about members.

use std::{collections::BTreeSet, task::Poll, time::Duration};

use plimsoll::{
    Reason, Rejection,
    shuffle_shard::{Handle, Health, Settings, ShuffleShard},
};
use tokio_test::task::spawn;
use tower::Service;

use crate::world::{Mode, SECOND, World, call, names, nodes, of, rejection, state};

/// It once went to whoever was ready first of those who had been in service as it came.
#[tokio::test(start_paused = true)]
async fn who_waits_does_not_go_to_a_member_that_was_put_out_meanwhile() {
    let world = World::default();
    let mut router = world.router(2, Settings::new());
    let handle = router.handle();
    world.set_all(Mode::Unready);
    let mut waiting = spawn(router.call(of(1)));
    assert!(waiting.poll().is_pending());
    handle.eject("node-0");
    assert!(waiting.is_woken());
    world.set("node-0", Mode::Answer);
    assert!(waiting.poll().is_pending());
    assert_eq!((state(&handle.snapshot(), "node-0").in_flight, world.calls("node-0")), (0, 0));
    world.set("node-1", Mode::Answer);
    assert_eq!(waiting.poll(), Poll::Ready(Ok("node-1".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn who_waits_does_not_go_to_an_outlier() {
    let world = World::default();
    let mut router = world.router(2, Settings::new());
    world.set_all(Mode::Unready);
    let mut waiting = spawn(router.call(of(1)));
    assert!(waiting.poll().is_pending());
    world.set("node-0", Mode::Fail);
    for _ in 0..5 {
        call(&router, of(1)).await.expect_err("it fails");
    }
    assert!(waiting.is_woken());
    assert!(waiting.poll().is_pending());
    assert_eq!(world.calls("node-0"), 5);
}

/// It once waited for the other, however long the first had been back.
#[tokio::test(start_paused = true)]
async fn who_waits_goes_to_a_member_that_is_back() {
    let world = World::default();
    let mut router = world.router(2, Settings::new());
    let handle = router.handle();
    handle.eject("node-0");
    world.set("node-1", Mode::Unready);
    let mut waiting = spawn(router.call(of(1)));
    assert!(waiting.poll().is_pending());
    handle.restore("node-0");
    assert!(waiting.is_woken());
    assert_eq!(waiting.poll(), Poll::Ready(Ok("node-0".to_owned())));
    drop(waiting);
    assert!(handle.snapshot().members.iter().all(|member| member.in_flight == 0));
}

/// Time alone wakes nobody: the next call notices, whoever makes it, and tells those who wait.
#[tokio::test(start_paused = true)]
async fn who_waits_goes_to_a_member_whose_time_out_is_over() {
    let world = World::default();
    let mut router = world.router(2, Settings::new());
    world.set("node-0", Mode::Fail);
    world.set("node-1", Mode::Unready);
    for _ in 0..5 {
        call(&router, of(1)).await.expect_err("it fails");
    }
    let mut waiting = spawn(router.call(of(1)));
    assert!(waiting.poll().is_pending());
    world.set("node-0", Mode::Answer);
    tokio::time::advance(30 * SECOND).await;
    call(&router, of(1)).await.expect("answered");
    assert!(waiting.is_woken());
    assert_eq!(waiting.poll(), Poll::Ready(Ok("node-0".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn who_waits_goes_to_a_member_that_was_shut_and_is_put_back_by_hand() {
    let world = World::default();
    let mut router = world.router(2, Settings::new());
    let handle = router.handle();
    world.set("node-1", Mode::Unready);
    world.set("node-0", Mode::Refuse(Rejection::new(Reason::CircuitOpen, "member").with_retry_after(9 * SECOND)));
    call(&router, of(1)).await.expect_err("its circuit is open");
    world.set("node-0", Mode::Answer);
    let mut waiting = spawn(router.call(of(1)));
    assert!(waiting.poll().is_pending());
    assert_eq!(state(&handle.snapshot(), "node-0").health, Health::Shut(9 * SECOND));
    handle.restore("node-0");
    assert!(waiting.is_woken());
    assert_eq!(waiting.poll(), Poll::Ready(Ok("node-0".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn who_waits_and_has_all_members_put_out_is_refused() {
    let world = World::default();
    let mut router = world.router(2, Settings::new());
    world.set_all(Mode::Unready);
    let mut waiting = spawn(router.call(of(1)));
    assert!(waiting.poll().is_pending());
    for name in names(2) {
        assert!(router.handle().eject(&name));
    }
    assert!(waiting.is_woken());
    let Poll::Ready(answer) = waiting.poll() else { panic!("it waits for nobody") };
    assert_eq!(rejection(answer).reason(), Reason::NoShard);
}

/// Between the call and its first poll nobody can be woken.
#[tokio::test(start_paused = true)]
async fn what_is_decided_before_the_first_poll_is_seen_by_it() {
    let world = World::default();
    let mut router = world.router(2, Settings::new());
    let handle = router.handle();
    world.set_all(Mode::Unready);
    let mut leaves = spawn(router.call(of(1)));
    handle.eject("node-0");
    world.set("node-0", Mode::Answer);
    assert!(leaves.poll().is_pending());
    let mut returns = spawn(router.call(of(1)));
    handle.restore("node-0");
    assert_eq!(returns.poll(), Poll::Ready(Ok("node-0".to_owned())));
}

/// Requests of nobody that wait for fewer than two go to whoever is back; who waits for two has been dealt its own.
#[tokio::test(start_paused = true)]
async fn requests_of_nobody_notice_who_is_put_out_and_who_is_back() {
    let world = World::default();
    let mut router = ShuffleShard::new(nodes(names(3)), world.factory()).chance(plimsoll::chance::Chance::seeded(3));
    let handle = router.handle();
    world.set_all(Mode::Unready);
    for name in ["node-0", "node-1"] {
        handle.eject(name);
    }
    let mut waiting = spawn(router.call(of(1)));
    assert!(waiting.poll().is_pending());
    world.set("node-0", Mode::Answer);
    handle.restore("node-0");
    assert!(waiting.is_woken());
    assert_eq!(waiting.poll(), Poll::Ready(Ok("node-0".to_owned())));
    world.set("node-0", Mode::Unready);
    let mut waiting = spawn(router.call(of(1)));
    assert!(waiting.poll().is_pending());
    handle.restore("node-1");
    assert!(!waiting.is_woken());
    handle.eject("node-2");
    assert!(waiting.is_woken() && waiting.poll().is_pending());
    world.set("node-2", Mode::Answer);
    assert!(waiting.poll().is_pending());
    assert_eq!(state(&handle.snapshot(), "node-2").in_flight, 0);
}

/// What becomes of one member concerns those who have it in their hand.
#[tokio::test(start_paused = true)]
async fn a_decision_wakes_those_whom_it_concerns_and_hardly_anybody_else() {
    let world = World::default();
    let mut router = world.router(20, Settings::new());
    let handle = router.handle();
    world.set_all(Mode::Unready);
    let mut waiting: Vec<_> = (0..400).map(|tenant| (tenant, spawn(router.call(of(tenant))))).collect();
    assert!(waiting.iter_mut().all(|(_, call)| call.poll().is_pending()));
    let concerns = |tenant: u64, name: &str| {
        let hand: BTreeSet<_> =
            handle.explain(tenant).members.iter().map(|member| member.node.name().to_owned()).collect();
        hand.contains(name)
    };
    for decide in [Handle::eject as fn(&Handle, &str) -> bool, Handle::restore] {
        assert!(decide(&handle, "node-7"));
        let mut woken = 0;
        for (tenant, call) in &mut waiting {
            assert!(call.is_woken() || !concerns(*tenant, "node-7"));
            woken += usize::from(call.is_woken());
            if call.is_woken() {
                assert!(call.poll().is_pending());
            }
        }
        // A tenth of the tenants, and who has a member that shares its place in the list.
        assert!((25..=120).contains(&woken), "{woken}");
    }
    drop(waiting);
    assert!(handle.snapshot().members.iter().all(|member| member.in_flight == 0));
}

/// In a panic ejections do not count, and who waits may go to whoever was put out.
#[tokio::test(start_paused = true)]
async fn a_panic_lets_those_who_wait_go_to_whoever_was_put_out() {
    use plimsoll::shuffle_shard::Outliers;

    let world = World::default();
    let long = Duration::from_secs(300);
    let outliers = Outliers::new().without_panic().try_with_ejection_time(long, long).expect("valid");
    let mut router = world.router(2, Settings::new().with_outliers(outliers));
    let handle = router.handle();
    world.set("node-0", Mode::Fail);
    world.set("node-1", Mode::Unready);
    for _ in 0..5 {
        call(&router, of(1)).await.expect_err("it fails");
    }
    world.set("node-0", Mode::Answer);
    let mut waiting = spawn(router.call(of(1)));
    assert!(waiting.poll().is_pending());
    handle.update(Settings::new().with_outliers(outliers.with_panic_below(plimsoll::Ratio::ONE)));
    assert!(waiting.is_woken());
    assert_eq!(waiting.poll(), Poll::Ready(Ok("node-0".to_owned())));
}

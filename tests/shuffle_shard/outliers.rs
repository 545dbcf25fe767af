//! Who is put out, and for how long.

use std::num::NonZeroU32;

use plimsoll::{
    Error, Event, Ratio, Reason,
    event::Ejection,
    shuffle_shard::{Exhausted, HandSize, Health, Outliers, Rendezvous, Settings, SuccessRate},
};

use crate::world::{Boom, Heard, Mode, SECOND, World, call, is_out, names, of, rejection, state};

/// The first member fails, and is the only one that is not held.
async fn fail_in_a_row(
    world: &World,
    router: &(impl Clone + tower::Service<crate::world::Req, Response = String, Error = Error<Boom>>),
    times: usize,
) {
    world.set("node-0", Mode::Fail);
    for _ in 0..times {
        assert_eq!(call(router, of(1)).await, Err(Error::Inner(Boom)));
    }
}

/// So many failures in a row, and nothing else.
fn rows(failures: u32) -> Outliers {
    Outliers::new().without_success_rate().try_with_consecutive_failures(failures).expect("not zero")
}

#[tokio::test(start_paused = true)]
async fn failures_in_a_row_put_a_member_out_and_time_brings_it_back() {
    let (world, heard) = (World::default(), Heard::default());
    let router = world.router(2, Settings::new().with_name("fleet")).observe(heard.observer());
    let handle = router.handle();
    // Both fail, so neither looks better than the other.
    world.set_all(Mode::Fail);
    for _ in 0..12 {
        assert!(call(&router, of(1)).await.is_err());
    }
    let events = heard.take();
    let [Event::ShardEjected { layer: "fleet", node, cause: Ejection::ConsecutiveFailures, eject_for }] = events[..]
    else {
        panic!("{events:?}")
    };
    assert!((15 * SECOND..=30 * SECOND).contains(&eject_for));
    let out = handle.snapshot().members.into_iter().find(|member| member.node.id() == node).expect("a member");
    assert_eq!((out.health, out.ejections), (Health::Ejected(eject_for), 1));
    let name = out.node.name();
    let before = world.calls(name);
    for _ in 0..20 {
        let _ = call(&router, of(1)).await;
    }
    assert_eq!(world.calls(name), before, "while it is out it gets nothing");
    assert!(heard.take().is_empty(), "the last member is not put out");

    tokio::time::advance(eject_for).await;
    world.set_all(Mode::Answer);
    for _ in 0..40 {
        assert!(call(&router, of(1)).await.is_ok());
    }
    assert_eq!(heard.take(), [Event::ShardReturned { layer: "fleet", node }]);
}

/// A hand of one, so that there is no other to go to. The time out once shrank the streak as time in service does, where
/// the return was seen together with the end of an interval.
#[tokio::test(start_paused = true)]
async fn who_returns_and_fails_again_is_out_for_longer_after_one_failure() {
    let (world, heard) = (World::default(), Heard::default());
    let hand = Rendezvous::new(HandSize::new(1));
    let router = world.router(2, Settings::new().with_outliers(rows(3))).assign_by(hand).observe(heard.observer());
    world.set_all(Mode::Fail);
    let mut last = SECOND * 15;
    for failures in [3, 1, 1] {
        for _ in 0..failures {
            assert!(heard.take().is_empty());
            assert_eq!(call(&router, of(1)).await, Err(Error::Inner(Boom)));
        }
        let Some(Event::ShardEjected { eject_for, .. }) = heard.take().pop() else { panic!("not put out") };
        assert_eq!(rejection(call(&router, of(1)).await).retry_after(), Some(eject_for));
        assert!((last..=2 * last).contains(&eject_for), "{eject_for:?}");
        last += 15 * SECOND;
        tokio::time::advance(eject_for).await;
        heard.take();
    }
}

/// A hand of two may be out, of eight; a tenant who shares neither does not notice, and of the other six none is put out,
/// whatever they do.
#[tokio::test(start_paused = true)]
async fn no_more_than_a_hand_is_out_at_once() {
    let world = World::default();
    let router = world.router(8, Settings::new().with_outliers(rows(1)));
    world.set_all(Mode::Fail);
    for tenant in 0..200 {
        let _ = call(&router, of(tenant)).await;
    }
    let snapshot = router.snapshot();
    let out = names(8).iter().filter(|name| is_out(&snapshot, name)).count();
    assert_eq!((out, snapshot.panic), (2, false));
}

#[tokio::test(start_paused = true)]
async fn a_member_that_fails_far_more_than_the_others_is_put_out_at_the_end_of_the_interval() {
    let (world, heard) = (World::default(), Heard::default());
    let rule = SuccessRate::new().with_min_calls(NonZeroU32::new(20).expect("not zero"));
    let settings =
        Settings::new().with_outliers(Outliers::new().without_consecutive_failures().with_success_rate(rule));
    // Hands of one, so that a member that looks loaded is called all the same.
    let router = world.router(8, settings).assign_by(Rendezvous::new(HandSize::new(1))).observe(heard.observer());
    let handle = router.handle();
    for round in 0..10 {
        world.set("node-3", if round % 2 == 0 { Mode::Fail } else { Mode::Answer });
        for tenant in 0..100 {
            let _ = call(&router, of(tenant)).await;
        }
    }
    assert!(heard.take().is_empty(), "not before the interval is over");
    tokio::time::advance(10 * SECOND).await;
    call(&router, of(0)).await.expect("answered");
    let events = heard.take();
    assert!(matches!(events[..], [Event::ShardEjected { cause: Ejection::SuccessRate, .. }]), "{events:?}");
    assert!(is_out(&handle.snapshot(), "node-3"));
}

#[tokio::test(start_paused = true)]
async fn where_too_few_are_left_ejections_are_ignored_and_that_is_said() {
    let (world, heard) = (World::default(), Heard::default());
    let outliers = rows(1).with_max_ejected(Ratio::ONE);
    let router = world.router(4, Settings::new().with_name("fleet").with_outliers(outliers)).observe(heard.observer());
    world.set_all(Mode::Fail);
    for tenant in 0..100 {
        assert_eq!(call(&router, of(tenant)).await, Err(Error::Inner(Boom)), "nobody is refused in a panic");
        if router.snapshot().panic {
            break;
        }
    }
    assert!(router.snapshot().panic);
    assert_eq!(heard.take().last(), Some(&Event::PanicBegan { layer: "fleet", left: 1, of: 4 }));
    world.set_all(Mode::Answer);
    for tenant in 0..100 {
        assert!(call(&router, of(tenant)).await.is_ok());
    }
    tokio::time::advance(30 * SECOND).await;
    call(&router, of(0)).await.expect("answered");
    let events = heard.take();
    assert!(events.contains(&Event::PanicEnded { layer: "fleet" }), "{events:?}");
    assert!(!router.snapshot().panic);
}

#[tokio::test(start_paused = true)]
async fn without_a_panic_an_exhausted_hand_is_refused_and_knows_until_when() {
    let world = World::default();
    let outliers = rows(1).without_panic().try_with_ejection_time(8 * SECOND, 8 * SECOND).expect("valid");
    let router = world.router(8, Settings::new().with_outliers(outliers));
    world.set_all(Mode::Fail);
    for _ in 0..2 {
        assert_eq!(call(&router, of(1)).await, Err(Error::Inner(Boom)));
    }
    let refused = rejection(call(&router, of(1)).await);
    assert_eq!(refused.reason(), Reason::NoShard);
    let after = refused.retry_after().expect("known");
    assert!((4 * SECOND..=8 * SECOND).contains(&after), "{after:?}");
    tokio::time::advance(after).await;
    assert_eq!(call(&router, of(1)).await, Err(Error::Inner(Boom)), "it is honest");
}

#[tokio::test(start_paused = true)]
async fn who_is_taken_out_by_hand_stays_out_until_it_is_put_back() {
    let (world, heard) = (World::default(), Heard::default());
    let router = world.router(2, Settings::new().with_name("fleet")).observe(heard.observer());
    let handle = router.handle();
    assert!(handle.eject("node-0"));
    assert!(!handle.eject("nobody") && !handle.restore("nobody"));
    tokio::time::advance(3600 * SECOND).await;
    for _ in 0..20 {
        assert_eq!(call(&router, of(1)).await, Ok("node-1".into()));
    }
    handle.eject("node-1");
    let refused = rejection(call(&router, of(1)).await);
    assert_eq!((refused.reason(), refused.retry_after()), (Reason::NoShard, None));
    assert_eq!(state(&handle.snapshot(), "node-0").health, Health::Held);
    assert!(handle.restore("node-0"));
    assert_eq!(call(&router, of(1)).await, Ok("node-0".into()));
    let node = |name| state(&handle.snapshot(), name).node.id();
    let ejected = |name| Event::ShardEjected {
        layer: "fleet",
        node: node(name),
        cause: Ejection::ByHand,
        eject_for: std::time::Duration::MAX,
    };
    let returned = Event::ShardReturned { layer: "fleet", node: node("node-0") };
    assert_eq!(heard.take(), [ejected("node-0"), ejected("node-1"), returned]);
}

/// A restore of one who is in service forgets its failures; once the machine counted on in an epoch that no call had.
#[tokio::test(start_paused = true)]
async fn who_is_restored_begins_anew_and_is_judged_as_before() {
    let world = World::default();
    let router = world.router(2, Settings::new());
    let handle = router.handle();
    handle.eject("node-1");
    fail_in_a_row(&world, &router, 4).await;
    assert_eq!(state(&handle.snapshot(), "node-0").failures_in_a_row, 4);
    handle.restore("node-0");
    assert_eq!(state(&handle.snapshot(), "node-0").failures_in_a_row, 0);
    handle.restore("node-1");
    world.set_all(Mode::Fail);
    for _ in 0..20 {
        let _ = call(&router, of(1)).await;
    }
    let snapshot = handle.snapshot();
    assert_eq!(names(2).iter().filter(|name| is_out(&snapshot, name)).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn new_settings_are_heeded_at_once_and_the_name_stays() {
    let world = World::default();
    let router = world.router(4, Settings::new().with_name("fleet"));
    let handle = router.handle();
    handle.update(Settings::new().with_name("other").with_outliers(rows(1)));
    world.set_all(Mode::Fail);
    let _ = call(&router, of(1)).await;
    let snapshot = handle.snapshot();
    assert_eq!(snapshot.settings.name(), "fleet");
    assert_eq!(snapshot.settings.outliers().consecutive_failures(), NonZeroU32::new(1));
    assert_eq!(names(4).iter().filter(|name| is_out(&snapshot, name)).count(), 1);
}

/// Of what goes on, a tenth may spill; more is refused, whoever asks.
#[tokio::test(start_paused = true)]
async fn a_spill_is_bounded_by_the_traffic_and_its_edges_are_said() {
    let (world, heard) = (World::default(), Heard::default());
    let settings = Settings::new().with_name("fleet").with_exhausted(Exhausted::Spill(Ratio::percent(10)));
    let router = world.router(8, settings).observe(heard.observer());
    let handle = router.handle();
    let hand: Vec<_> = handle.explain(1).members.iter().map(|member| member.node.name().to_owned()).collect();
    let others: Vec<_> = (0..1000)
        .filter(|tenant| {
            let theirs = handle.explain(*tenant).members;
            theirs.iter().all(|member| !hand.contains(&member.node.name().to_owned()))
        })
        .take(20)
        .collect();
    hand.iter().for_each(|name| assert!(handle.eject(name)));
    heard.take();
    assert_eq!(rejection(call(&router, of(1)).await).reason(), Reason::NoShard, "nothing is known of the traffic");
    let traffic = async || {
        for round in 0..100 {
            call(&router, of(others[round % others.len()])).await.expect("answered");
        }
        tokio::time::advance(10 * SECOND).await;
    };
    traffic().await;
    let mut spilled = 0;
    for _ in 0..50 {
        match call(&router, of(1)).await {
            Ok(name) => {
                assert!(!hand.contains(&name));
                spilled += 1;
            }
            refused => assert_eq!(rejection(refused).reason(), Reason::NoShard),
        }
    }
    assert_eq!((spilled, handle.snapshot().spilled), (10, 10));
    assert_eq!(heard.take(), [Event::SpillBegan { layer: "fleet" }]);
    traffic().await;
    traffic().await;
    call(&router, of(others[0])).await.expect("answered");
    assert_eq!(heard.take(), [Event::SpillEnded { layer: "fleet" }]);
}

/// A call of before its member was put out fails after that is back: it is not counted against it.
#[tokio::test(start_paused = true)]
async fn what_began_before_its_member_was_put_out_says_nothing_after() {
    let world = World::default();
    let mut router = world.router(1, Settings::new());
    world.set("node-0", Mode::Slow);
    let mut old = Box::pin(tower::Service::call(&mut router, of(1)));
    assert!(crate::world::poll(&mut old).is_pending());
    let handle = router.handle();
    handle.eject("node-0");
    handle.restore("node-0");
    tokio::time::advance(9 * SECOND).await;
    drop(old);
    assert_eq!(state(&handle.snapshot(), "node-0").failures_in_a_row, 0, "it hung, but long ago");
}

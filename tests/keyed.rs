//! A gate for each key, through the public door.
#![cfg(feature = "testing")]

use std::{
    cell::Cell,
    collections::hash_map::DefaultHasher,
    hash::BuildHasherDefault,
    io,
    num::NonZeroU32,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Waker},
    time::Duration,
};

use plimsoll::{
    Error, Event, Gate, Outcome, Reason, Rejection, Stack,
    bulkhead::{self, Bulkhead},
    circuit_breaker::{self, CircuitBreaker},
    classify::Failure,
    clock::Moment,
    event::Events,
    gate::{Admission, Ending, Never},
    keyed::{Keyed, KeyedLayer, Overflow, Settings},
    rate_limit::{Quota, RateLimit},
    testing::{Mock, Reply},
};
use tower::{Layer, Service, ServiceExt};

const SECOND: Duration = Duration::from_secs(1);

/// A request: whose it is.
type Ask = u64;

fn settings(capacity: u32) -> Settings {
    Settings::new().try_with_capacity(capacity).expect("not zero")
}

fn places(limit: u32) -> bulkhead::Settings {
    bulkhead::Settings::try_new(limit).expect("not zero")
}

fn whose(ask: &Ask) -> u64 {
    *ask
}

type OfBulkheads = Keyed<u64, Bulkhead, fn(&Ask) -> u64, fn(&u64) -> Bulkhead>;

/// A bulkhead of one place for each key.
fn of_one(settings: Settings) -> OfBulkheads {
    Keyed::new(settings, whose as fn(&Ask) -> u64, |_: &u64| Bulkhead::new(places(1)))
}

/// Asks on behalf of a key, and keeps what it is given.
fn ask<G: Gate<Ask>>(gate: &G, key: u64) -> Result<G::Permit, Reason> {
    match gate.admit(&key, &Moment::new()) {
        Admission::Admitted(permit) => Ok(permit),
        Admission::Waiting(_) => panic!("it waits"),
        Admission::Refused(rejection) => Err(rejection.reason()),
    }
}

fn end<G: Gate<Ask>>(gate: &G, permit: G::Permit) {
    gate.settle(permit, Ending::Finished(Outcome::Success), &Moment::new());
}

/// Comes and goes.
fn pass<G: Gate<Ask>>(gate: &G, key: u64) -> Result<(), Reason> {
    ask(gate, key).map(|permit| end(gate, permit))
}

#[test]
fn each_key_has_a_limit_of_its_own() {
    let keyed = of_one(Settings::new());
    let (one, two) = (ask(&keyed, 1).expect("free"), ask(&keyed, 2).expect("free"));
    assert_eq!([pass(&keyed, 1), pass(&keyed, 2)], [Err(Reason::BulkheadFull); 2]);
    end(&keyed, one);
    assert_eq!([pass(&keyed, 1), pass(&keyed, 2)], [Ok(()), Err(Reason::BulkheadFull)]);
    end(&keyed, two);
    assert_eq!(keyed.handle().len(), 2);
}

#[test]
fn clones_share_the_keys_and_a_fresh_one_does_not() {
    let keyed = of_one(Settings::new());
    let _held = ask(&keyed.clone(), 1).expect("free");
    assert_eq!(pass(&keyed, 1), Err(Reason::BulkheadFull));
    assert_eq!((pass(&keyed.fresh(), 1), keyed.fresh().handle().is_empty()), (Ok(()), true));
}

#[test]
fn a_prototype_makes_the_gates_and_its_handle_those_to_come() {
    let prototype = Bulkhead::new(places(1));
    let handle = prototype.handle();
    let keyed = Keyed::new(Settings::new(), whose, move |_: &u64| prototype.fresh());
    let _held = ask(&keyed, 1).expect("free");
    assert_eq!((pass(&keyed, 1), pass(&keyed, 2)), (Err(Reason::BulkheadFull), Ok(())));
    handle.update(places(2));
    let _both = (ask(&keyed, 3).expect("free"), ask(&keyed, 3).expect("a second place"));
}

// What is forgotten, and what is not.

#[test]
fn an_idle_gate_that_remembers_nothing_makes_room() {
    let keyed = of_one(settings(1));
    for key in 0..100 {
        assert_eq!(pass(&keyed, key), Ok(()));
    }
    let snapshot = keyed.handle().snapshot();
    assert_eq!((snapshot.keys, snapshot.evicted, snapshot.expired, snapshot.overflowed), (1, 99, 0, 0));
}

#[test]
fn what_nobody_has_asked_for_lately_is_forgotten_first() {
    let keyed = of_one(settings(2));
    for key in [1, 2, 3, 4] {
        assert_eq!(pass(&keyed, key), Ok(()));
    }
    // For 3, the hand saw 2, and nobody has asked for it since; 3 is where 1 was, and new.
    let left = |key| keyed.handle().get(&key).is_some();
    assert_eq!([left(1), left(2), left(3), left(4)], [false, false, true, true]);
}

#[tokio::test(start_paused = true)]
async fn a_key_with_a_request_under_way_is_never_forgotten() {
    let keyed = of_one(settings(2).try_with_idle(SECOND).expect("not zero").with_overflow(Overflow::Refuse));
    let held = ask(&keyed, 7).expect("free");
    for key in 100..1000 {
        tokio::time::advance(SECOND).await;
        assert_eq!(pass(&keyed, key), Ok(()), "there is one more place");
        assert_eq!(pass(&keyed, 7), Err(Reason::BulkheadFull));
    }
    keyed.handle().sweep();
    assert!(!keyed.handle().forget(&7), "not by hand either");
    end(&keyed, held);
    assert_eq!(pass(&keyed, 7), Ok(()));
    assert!(keyed.handle().forget(&7));
}

/// A key that is up against its limit is asked for and refused, and the flood goes on around it.
#[tokio::test(start_paused = true)]
async fn a_key_that_is_refused_stays_refused_whatever_else_comes() {
    let trips = circuit_breaker::Settings::new().with_consecutive_failures(NonZeroU32::MIN);
    let trips = trips.with_open_time(circuit_breaker::OpenTime::constant(Duration::MAX));
    for overflow in [Overflow::Share, Overflow::Refuse, Overflow::Admit] {
        let settings = settings(64).with_overflow(overflow);
        let keyed = Keyed::new(settings, whose, move |_: &u64| CircuitBreaker::new(trips));
        let failed = ask(&keyed, 0).expect("closed");
        keyed.settle(failed, Ending::Finished(Outcome::Failure(Failure::Transient)), &Moment::new());
        for key in 1..50_000 {
            assert_eq!(pass(&keyed, key), Ok(()));
            assert_eq!(pass(&keyed, 0), Err(Reason::CircuitOpen), "forgotten after {key} others");
            if key % 1000 == 0 {
                tokio::time::advance(60 * SECOND).await;
            }
        }
        assert!(keyed.handle().len() <= 64);
    }
}

/// Two a minute, and a flood of a hundred new keys a second, most of which find no place: two at once, and one more each
/// thirty seconds, is what the key gets all the same, and no more.
#[tokio::test(start_paused = true)]
async fn a_quota_that_is_used_up_is_not_renewed_by_a_flood() {
    let each = RateLimit::new(Quota::try_per_minute(2).expect("not zero"));
    let keyed = Keyed::new(settings(16), whose, move |_: &u64| each.fresh());
    let (mut next, mut got) = (1, 0);
    for _ in 0..120 {
        for _ in 0..100 {
            let _ = pass(&keyed, next);
            next += 1;
            got += u32::from(pass(&keyed, 0).is_ok());
        }
        tokio::time::advance(SECOND).await;
    }
    let snapshot = keyed.handle().snapshot();
    assert!(snapshot.keys == 16 && snapshot.evicted > 0 && snapshot.overflowed > 10_000, "{snapshot:?}");
    assert_eq!(got, 2 + 3);
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_remembers_something_makes_no_room_until_it_is_idle() {
    let keyed = Keyed::new(settings(1).with_overflow(Overflow::Refuse), whose, |_: &u64| CircuitBreaker::default());
    let failed = ask(&keyed, 1).expect("closed");
    keyed.settle(failed, Ending::Finished(Outcome::Failure(Failure::Transient)), &Moment::new());
    assert_eq!(pass(&keyed, 2), Err(Reason::KeysFull), "one failure is something");
    tokio::time::advance(599 * SECOND).await;
    assert_eq!(pass(&keyed, 2), Err(Reason::KeysFull));
    tokio::time::advance(SECOND).await;
    assert_eq!(pass(&keyed, 2), Ok(()), "nobody has asked for it during ten minutes");
    let snapshot = keyed.handle().snapshot();
    assert_eq!((snapshot.keys, snapshot.evicted, snapshot.expired, snapshot.overflowed), (1, 0, 1, 2));
}

#[tokio::test(start_paused = true)]
async fn for_ever_is_for_ever() {
    let never = settings(1).try_with_idle(Duration::MAX).expect("not zero").with_overflow(Overflow::Refuse);
    let keyed = Keyed::new(never, whose, |_: &u64| CircuitBreaker::default());
    let failed = ask(&keyed, 1).expect("closed");
    keyed.settle(failed, Ending::Panicked, &Moment::new());
    tokio::time::advance(Duration::from_secs(1 << 31)).await;
    assert_eq!((keyed.handle().sweep(), pass(&keyed, 2)), (0, Err(Reason::KeysFull)));
}

/// The least idle time that there is: what nobody holds is forgotten, and what somebody holds is not.
#[test]
fn an_idle_time_of_next_to_nothing_forgets_what_nobody_holds() {
    let keyed = of_one(settings(8).try_with_idle(Duration::from_nanos(1)).expect("not zero"));
    let _held = ask(&keyed, 0).expect("free");
    (1..8).for_each(|key| assert_eq!(pass(&keyed, key), Ok(())));
    let later = |_| std::thread::sleep(Duration::from_micros(1));
    (0..3).for_each(|n| {
        later(n);
        keyed.handle().sweep();
    });
    assert_eq!((keyed.handle().len(), pass(&keyed, 0)), (1, Err(Reason::BulkheadFull)));
}

#[tokio::test(start_paused = true)]
async fn a_sweep_forgets_what_is_idle_and_newcomers_do_so_in_passing() {
    let keyed = of_one(settings(100).try_with_idle(SECOND).expect("not zero"));
    let handle = keyed.handle();
    (0..50).for_each(|key| assert_eq!(pass(&keyed, key), Ok(())));
    assert_eq!(handle.sweep(), 0, "they have just been asked for");
    tokio::time::advance(SECOND).await;
    assert_eq!(pass(&keyed, 7), Ok(()));
    assert_eq!((handle.sweep(), handle.len()), (49, 1));
    (50..60).for_each(|key| assert_eq!(pass(&keyed, key), Ok(())));
    handle.sweep();
    tokio::time::advance(SECOND).await;
    (60..70).for_each(|key| assert_eq!(pass(&keyed, key), Ok(())));
    let in_passing = handle.snapshot().expired - 49;
    assert!(in_passing >= 8 && handle.len() == 21 - in_passing as usize, "{in_passing} in passing");
}

#[test]
fn a_key_that_waits_is_not_forgotten_and_gets_its_turn() {
    let waiting = places(1).with_wait(4, Duration::MAX);
    let refuse = settings(1).with_overflow(Overflow::Refuse);
    let keyed = Keyed::new(refuse, whose, move |_: &u64| Bulkhead::new(waiting));
    let (now, mut cx) = (Moment::new(), Context::from_waker(Waker::noop()));
    let held = ask(&keyed, 1).expect("free");
    let Admission::Waiting(mut first) = keyed.admit(&1, &now) else { panic!("it does not wait") };
    let Admission::Waiting(second) = keyed.admit(&1, &now) else { panic!("it does not wait") };
    assert!(keyed.poll_wait(&mut first, &1, &now, &mut cx).is_pending());
    end(&keyed, held);
    assert!(!keyed.handle().forget(&1), "two wait");
    let std::task::Poll::Ready(Ok(permit)) = keyed.poll_wait(&mut first, &1, &now, &mut cx) else {
        panic!("its turn has come")
    };
    keyed.abandon(second);
    assert_eq!(pass(&keyed, 2), Err(Reason::KeysFull), "one is under way");
    end(&keyed, permit);
    assert_eq!(pass(&keyed, 2), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_ends_in_a_refusal_holds_nothing() {
    let keyed = Keyed::new(settings(1), whose, |_: &u64| Bulkhead::new(places(1).with_wait(1, SECOND)));
    let (inner, _) = Mock::new(|_, _: &Ask| Reply::<(), io::Error>::hang());
    let service = Stack::new().keyed(keyed.clone()).service(inner);
    let held = service.clone().call(1);
    let refused = service.oneshot(1).await.expect_err("it waited too long");
    assert!(matches!(refused, Error::Rejected(rejection) if rejection.reason() == Reason::WaitTimeout));
    drop(held);
    assert!(keyed.handle().forget(&1));
}

#[test]
fn keys_that_all_collide_are_told_apart() {
    #[derive(Clone, Default)]
    struct Alike;
    impl std::hash::Hasher for Alike {
        fn finish(&self) -> u64 {
            7
        }
        fn write(&mut self, _: &[u8]) {}
    }
    for capacity in [1, 8, 300] {
        let keyed = of_one(settings(capacity)).with_hasher(BuildHasherDefault::<Alike>::default());
        let held: Vec<_> = (0..u64::from(capacity)).map(|key| ask(&keyed, key).expect("free")).collect();
        assert!((0..u64::from(capacity)).all(|key| pass(&keyed, key) == Err(Reason::BulkheadFull)));
        assert_eq!(keyed.handle().len(), capacity as usize);
        held.into_iter().for_each(|permit| end(&keyed, permit));
        assert!((0..2 * u64::from(capacity)).all(|key| pass(&keyed, key) == Ok(())));
        assert_eq!(keyed.handle().len(), capacity as usize);
    }
}

/// Numbers that hash to themselves have nothing in their upper bits, and all were in one shard.
#[test]
fn a_hasher_that_mixes_nothing_fills_all_shards() {
    #[derive(Clone, Default)]
    struct Itself(u64);
    impl std::hash::Hasher for Itself {
        fn finish(&self) -> u64 {
            self.0
        }
        fn write(&mut self, _: &[u8]) {}
        fn write_u64(&mut self, number: u64) {
            self.0 = number;
        }
    }
    let keyed = of_one(settings(16_384)).with_hasher(BuildHasherDefault::<Itself>::default());
    let held: Vec<_> = (0..14_000).filter_map(|key| ask(&keyed, key).ok()).collect();
    assert_eq!((held.len(), keyed.handle().len()), (14_000, 14_000));
}

#[test]
fn a_fixed_hasher_makes_runs_alike() {
    let run = || {
        let refuse = settings(3000).with_overflow(Overflow::Refuse);
        let keyed = of_one(refuse).with_hasher(BuildHasherDefault::<DefaultHasher>::default());
        (0..5000_u64).map(|key| ask(&keyed, key).is_ok()).collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}

// Where there is no place.

/// One key for ever under way in a map of one, so that nobody else has a place.
fn full(overflow: Overflow) -> OfBulkheads {
    let keyed = of_one(settings(1).with_overflow(overflow));
    ask(&keyed, 0).expect("free");
    keyed
}

#[test]
fn who_finds_no_place_shares_a_gate_with_the_others() {
    let keyed = full(Overflow::Share);
    let held = ask(&keyed, 1).expect("the shared gate is free");
    assert_eq!([pass(&keyed, 1), pass(&keyed, 2)], [Err(Reason::BulkheadFull); 2]);
    end(&keyed, held);
    assert_eq!(pass(&keyed, 2), Ok(()));
    let handle = keyed.handle();
    assert_eq!((handle.len(), handle.snapshot().overflowed), (1, 4));
    assert_eq!(handle.overflow_gate().map(|gate| gate.handle().snapshot().in_use), Some(0));
}

#[test]
fn who_finds_no_place_is_refused_by_name_if_so_set() {
    let keyed = full(Overflow::Refuse);
    let Admission::Refused(rejection) = keyed.admit(&1, &Moment::new()) else { panic!("it is not refused") };
    assert_eq!((rejection.reason(), rejection.layer()), (Reason::KeysFull, "keyed"));
    assert_eq!((pass(&keyed, 0), keyed.handle().overflow_gate().is_none()), (Err(Reason::BulkheadFull), true));
}

#[test]
fn who_finds_no_place_passes_if_so_set() {
    let keyed = full(Overflow::Admit);
    let _all: Vec<_> = (0..100).map(|_| ask(&keyed, 1).expect("nobody asks")).collect();
    assert_eq!(pass(&keyed, 0), Err(Reason::BulkheadFull), "who has a place has a limit");
}

#[test]
fn the_shared_gate_may_be_made_as_for_a_key_of_your_choice() {
    let generous = |key: &u64| Bulkhead::new(places(if *key == 99 { 1 } else { 50 }));
    for (chosen, free) in [(false, 50), (true, 1)] {
        let keyed = Keyed::new(settings(1), whose, generous);
        let keyed = if chosen { keyed.overflow_as(99) } else { keyed };
        let _held = ask(&keyed, 0).expect("free");
        let through = (0..100).filter(|_| ask(&keyed, 1).is_ok()).count();
        assert_eq!(through, free);
    }
}

#[tokio::test(start_paused = true)]
async fn that_keys_are_full_is_news_once_and_that_they_fit_again_too() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&heard);
    let keyed = of_one(settings(1).with_name("tenants")).observe(move |event: &Event| {
        log.lock().expect("unpoisoned").push(*event);
    });
    let held = ask(&keyed, 0).expect("free");
    for key in 1..1000 {
        let _ = pass(&keyed, key);
    }
    assert_eq!(*heard.lock().expect("unpoisoned"), [Event::KeysFull { layer: "tenants" }]);
    assert!(keyed.handle().snapshot().is_full);
    end(&keyed, held);
    for key in 1..1000 {
        assert_eq!(pass(&keyed, key), Ok(()));
    }
    assert_eq!(heard.lock().expect("unpoisoned").len(), 1, "perhaps the next one finds none again");
    tokio::time::advance(10 * SECOND).await;
    assert_eq!((pass(&keyed, 0), pass(&keyed, 1)), (Ok(()), Ok(())));
    assert_eq!(heard.lock().expect("unpoisoned")[1..], [Event::KeysFit { layer: "tenants" }]);
    assert!(!keyed.handle().snapshot().is_full);
}

// In a stack.

#[tokio::test]
async fn a_breaker_for_each_endpoint_is_one_line_and_heard_through_the_stack() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&heard);
    let breakers = Keyed::new(Settings::new(), whose, |_: &u64| CircuitBreaker::default());
    let handle = breakers.handle();
    let (inner, mock) = Mock::new(|_, ask: &Ask| match ask {
        1 => Reply::err(io::Error::other("down")),
        _ => Reply::ok(()),
    });
    let stack = Stack::new().keyed(breakers).observe(move |event: &Event| {
        log.lock().expect("unpoisoned").push(*event);
    });
    let service = stack.service(inner);
    for _ in 0..20 {
        let _ = service.clone().oneshot(1).await;
        assert!(service.clone().oneshot(2).await.is_ok());
    }
    assert_eq!(mock.calls(), 30);
    let state = |key| handle.get(&key).expect("there").handle().snapshot().state;
    assert_eq!([state(1), state(2)], [circuit_breaker::State::Open, circuit_breaker::State::Closed]);
    let heard = heard.lock().expect("unpoisoned");
    assert!(matches!(heard[0], Event::CircuitOpened { .. }), "{heard:?}");
    assert_eq!(heard.iter().filter(|event| matches!(event, Event::Refused(_))).count(), 10);
}

#[tokio::test]
async fn it_works_alone_in_a_service_builder() {
    let layer = KeyedLayer::<_, _, _, _>::new(of_one(Settings::new()));
    let (inner, _) = Mock::new(|_, _: &Ask| Reply::<(), Error<io::Error>>::hang());
    let mut service = layer.layer(inner);
    let _held = service.call(1);
    assert!(matches!(service.call(1).await, Err(Error::Rejected(_))));
}

/// Of each region a limit for each tenant: a gate for each key is a gate, and so it may be one for each of other keys.
#[test]
fn it_may_be_the_gate_of_another() {
    let of_tenants = |_: &u64| Keyed::new(settings(4), |ask: &Ask| ask % 10, |_: &u64| Bulkhead::new(places(1)));
    let regions = Keyed::new(settings(2).with_overflow(Overflow::Refuse), |ask: &Ask| ask / 10, of_tenants);
    let held = ask(&regions, 11).expect("free");
    assert_eq!(
        [pass(&regions, 11), pass(&regions, 12), pass(&regions, 21)],
        [Err(Reason::BulkheadFull), Ok(()), Ok(())]
    );
    assert_eq!(pass(&regions, 31), Ok(()), "the second region had nothing to remember");
    end(&regions, held);
    assert_eq!([pass(&regions, 41), pass(&regions, 51), pass(&regions, 61)], [Ok(()); 3]);
    assert_eq!(regions.handle().len(), 2);
}

/// It may be forgotten as a whole where it is the gate of another. The shared gate is one of its gates, and whoever is inside
/// of one has not been settled, even if nothing speaks against the next.
#[tokio::test(start_paused = true)]
async fn a_gate_for_each_key_remembers_what_any_of_its_gates_does_and_who_is_inside() {
    let hours = |hours: u32| RateLimit::new(Quota::try_new(1, hours * 3600 * SECOND).expect("valid"));
    let settings = settings(1).try_with_idle(Duration::MAX).expect("not zero").with_overflow(Overflow::Share);
    let keyed = Keyed::new(settings, whose, move |key: &u64| hours(if *key == 1 { 1 } else { 3 }));
    let is_neutral = || Gate::<Ask>::is_neutral(&keyed, &Moment::new());
    assert!(is_neutral(), "a new one");
    let inside = ask(&keyed, 1).expect("a cell");
    tokio::time::advance(3600 * SECOND).await;
    assert!(!is_neutral(), "the cell is back, and who took it is still there");
    end(&keyed, inside);
    assert!(is_neutral());
    assert_eq!([pass(&keyed, 1), pass(&keyed, 2)], [Ok(()); 2], "one each, and the second has found no place");
    assert_eq!(keyed.handle().snapshot().overflowed, 1);
    assert!(!is_neutral());
    tokio::time::advance(3600 * SECOND).await;
    assert!(!is_neutral(), "the shared gate lets nobody in for two hours more");
    tokio::time::advance(7200 * SECOND).await;
    assert!(is_neutral());
}

#[test]
fn neither_keys_nor_closures_are_printed() {
    let keyed = Keyed::new(settings(5), |ask: &&'static str| *ask, |_: &&'static str| Bulkhead::new(places(3)));
    let Admission::Admitted(_permit) = keyed.admit(&"secret", &Moment::new()) else { panic!("it is free") };
    let kept = keyed.handle().get(&"secret").expect("there");
    for printed in [format!("{keyed:?}"), format!("{:?}", keyed.handle()), format!("{kept:?}")] {
        assert!(!printed.contains("secret") && (printed.contains("keys: 1") || printed.contains("in_use: 1")));
    }
    assert_eq!(*kept.key(), "secret");
}

// The handle.

#[test]
fn what_is_kept_is_not_forgotten() {
    let keyed = of_one(settings(1).with_overflow(Overflow::Refuse));
    let handle = keyed.handle();
    assert!(handle.get(&1).is_none(), "looking makes no place");
    assert_eq!(pass(&keyed, 1), Ok(()));
    let kept = handle.get(&1).expect("there");
    kept.handle().observe_only();
    assert_eq!((pass(&keyed, 2), handle.forget(&1)), (Err(Reason::KeysFull), false));
    drop(kept.clone());
    drop(kept);
    assert_eq!(pass(&keyed, 2), Err(Reason::KeysFull), "a bulkhead that only observes is not like a new one");
    assert!(handle.forget(&1) && !handle.forget(&1));
    assert_eq!(pass(&keyed, 2), Ok(()));
}

#[test]
fn an_update_of_the_gates_reaches_those_that_are_and_those_to_come() {
    let keyed = full(Overflow::Share);
    let handle = keyed.handle();
    handle.update_gates(|key, bulkhead| {
        bulkhead.handle().update(places(if key.is_none() { 5 } else { 2 }));
    });
    let free = |key| (0..9).map_while(|_| ask(&keyed, key).ok()).count();
    assert_eq!((free(0), free(1)), (1, 5), "one was under way already; the shared gate is the last to be made");
    let fresh = keyed.fresh();
    let free = |key| (0..9).map_while(|_| ask(&fresh, key).ok()).count();
    assert_eq!((free(7), free(8)), (2, 5), "and it is passed on");
    handle.update_gates(|_, bulkhead| bulkhead.handle().update(places(7)));
    let mut limits = Vec::new();
    handle.for_each(|key, bulkhead| limits.push((key.copied(), bulkhead.handle().snapshot().settings.limit().get())));
    assert_eq!(limits, [(Some(0), 7), (None, 7)]);
}

#[test]
fn everybody_who_is_there_is_met_once() {
    let keyed = of_one(settings(5000));
    (0..4000).for_each(|key| assert_eq!(pass(&keyed, key), Ok(())));
    (0..4000).step_by(3).for_each(|key| assert!(keyed.handle().forget(&key)));
    let mut met = Vec::new();
    keyed.handle().for_each(|key, _| met.extend(key.copied()));
    met.sort_unstable();
    assert_eq!(met, (0..4000).filter(|key| key % 3 > 0).collect::<Vec<_>>());
}

#[test]
fn it_grows_and_shrinks_while_it_serves() {
    let keyed = of_one(settings(4).with_overflow(Overflow::Refuse));
    let handle = keyed.handle();
    let held: Vec<_> = (0..4).map(|key| ask(&keyed, key).expect("free")).collect();
    assert_eq!(pass(&keyed, 4), Err(Reason::KeysFull));
    handle.update(settings(5).with_overflow(Overflow::Admit).with_name("ignored"));
    assert_eq!((pass(&keyed, 4), handle.capacity(), handle.snapshot().settings.name()), (Ok(()), 5, "keyed"));
    handle.update(settings(2).with_overflow(Overflow::Refuse));
    assert_eq!((pass(&keyed, 5), handle.len()), (Err(Reason::KeysFull), 4), "what nobody holds is gone");
    assert_eq!(pass(&keyed, 3), Err(Reason::BulkheadFull), "who is there stays");
    held.into_iter().for_each(|permit| end(&keyed, permit));
    assert_eq!((pass(&keyed, 5), handle.len()), (Ok(()), 2));
}

// What is the user's: a gate that does as it is told.

type Hook = Box<dyn Fn() + Send + Sync>;

/// Runs a hook at each of its steps. Lets one in at a time.
struct Told {
    inside: AtomicUsize,
    refused: Arc<AtomicUsize>,
    hooks: Arc<Hooks>,
}

#[derive(Default)]
struct Hooks {
    admit: OnceLock<Hook>,
    along: OnceLock<Hook>,
    settle: OnceLock<Hook>,
    is_neutral: OnceLock<Hook>,
    drop: OnceLock<Hook>,
    make: OnceLock<Hook>,
}

fn run(hook: &OnceLock<Hook>) {
    if let Some(hook) = hook.get() {
        hook();
    }
}

impl Gate<Ask> for Told {
    type Permit = ();
    type Wait = Never;

    fn admit(&self, _: &Ask, _: &Moment) -> Admission<(), Never> {
        run(&self.hooks.admit);
        if self.inside.swap(1, SeqCst) == 1 {
            return Admission::Refused(Rejection::new(Reason::Custom, "told"));
        }
        Admission::Admitted(())
    }

    fn refused(&self, _: Ask, _: &Rejection) -> Option<Ask> {
        self.refused.fetch_add(1, SeqCst);
        None
    }

    fn around<T>(&self, (): (), step: impl FnOnce() -> T) -> T {
        run(&self.hooks.along);
        step()
    }

    fn bound(&self, (): ()) -> Option<Rejection> {
        run(&self.hooks.along);
        None
    }

    fn settle(&self, (): (), _: Ending, _: &Moment) {
        self.inside.store(0, SeqCst);
        run(&self.hooks.settle);
    }

    fn is_neutral(&self, _: &Moment) -> bool {
        let neutral = self.inside.load(SeqCst) == 0;
        run(&self.hooks.is_neutral);
        neutral
    }

    fn events(&self) -> Option<&Events> {
        None
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        run(&self.hooks.drop);
    }
}

type OfTold = Keyed<u64, Told, fn(&Ask) -> u64, Box<dyn Fn(&u64) -> Told + Send + Sync>>;

fn told(settings: Settings) -> (OfTold, Arc<Hooks>, Arc<AtomicUsize>) {
    let (hooks, refused) = (Arc::new(Hooks::default()), Arc::new(AtomicUsize::new(0)));
    let (given, counter) = (Arc::clone(&hooks), Arc::clone(&refused));
    let make = move |_: &u64| {
        run(&given.make);
        Told { inside: AtomicUsize::new(0), refused: Arc::clone(&counter), hooks: Arc::clone(&given) }
    };
    (Keyed::new(settings, whose as fn(&Ask) -> u64, Box::new(make)), hooks, refused)
}

fn set(hook: &OnceLock<Hook>, run: impl Fn() + Send + Sync + 'static) {
    assert!(hook.set(Box::new(run)).is_ok());
}

/// Everything of the user's may look at the map and use it: no lock is held. This hung, were it not so.
#[test]
fn what_is_the_users_runs_without_a_lock() {
    let (keyed, hooks, _) = told(settings(2));
    let looks = Arc::new(AtomicUsize::new(0));
    for hook in [&hooks.admit, &hooks.along, &hooks.settle, &hooks.is_neutral, &hooks.drop, &hooks.make] {
        let (handle, looks) = (keyed.handle(), Arc::clone(&looks));
        set(hook, move || {
            let _ = (handle.snapshot(), handle.get(&1).is_some(), handle.sweep());
            looks.fetch_add(1, SeqCst);
        });
    }
    for key in 0..10 {
        let permit = ask(&keyed, key).expect("free");
        keyed.dispatch(permit, key, |key| keyed.around(permit, || keyed.bound(permit).is_none() && key < 10));
        end(&keyed, permit);
    }
    let handle = keyed.handle();
    handle.clone().for_each(|key, _| drop(key.map(|key| handle.get(key))));
    let again = keyed.handle();
    handle.update_gates(move |key, _| drop(key.map(|key| again.get(key))));
    (0..10).for_each(|key| {
        handle.forget(&key);
    });
    // Ten made, let in, dispatched, run, bounded and settled; eight asked and dropped to make room, and two dropped by hand.
    assert_eq!(looks.load(SeqCst), 10 + 10 + 3 * 10 + 10 + 8 + 10);
}

/// While a gate says that it remembers nothing, a request for its key comes. It must not be forgotten with that request
/// in it: the next request for the key would meet a new gate.
#[test]
fn a_request_that_comes_while_its_gate_is_looked_at_keeps_it() {
    for came_and_went in [false, true] {
        let (keyed, hooks, _) = told(settings(1).with_overflow(Overflow::Refuse));
        assert_eq!(pass(&keyed, 1), Ok(()));
        let (meanwhile, once) = (keyed.clone(), AtomicBool::new(false));
        set(&hooks.is_neutral, move || {
            if !once.swap(true, SeqCst) {
                let permit = ask(&meanwhile, 1).expect("free");
                if came_and_went {
                    end(&meanwhile, permit);
                }
            }
        });
        assert_eq!(pass(&keyed, 2), Err(Reason::KeysFull));
        assert_eq!(pass(&keyed, 1).is_ok(), came_and_went, "it meets the gate that it is in");
    }
}

/// The same with somebody who looked it up to change it.
#[test]
fn whoever_looks_a_gate_up_while_it_is_looked_at_keeps_it() {
    let (keyed, hooks, _) = told(settings(1).with_overflow(Overflow::Refuse));
    assert_eq!(pass(&keyed, 1), Ok(()));
    let (handle, once) = (keyed.handle(), AtomicBool::new(false));
    set(&hooks.is_neutral, move || {
        if !once.swap(true, SeqCst) {
            handle.for_each(|_, gate| gate.inside.store(1, SeqCst));
        }
    });
    assert_eq!(pass(&keyed, 2), Err(Reason::KeysFull));
    assert_eq!(pass(&keyed, 1), Err(Reason::Custom), "what was changed is still there");
}

/// While the gate for a new key is made, another request for the key comes, and makes one. There must be one of them.
#[test]
fn two_who_come_at_once_for_a_new_key_meet_one_gate() {
    let (keyed, hooks, _) = told(Settings::new());
    let (meanwhile, depth) = (keyed.clone(), AtomicUsize::new(0));
    set(&hooks.make, move || {
        if depth.fetch_add(1, SeqCst) == 0 {
            ask(&meanwhile, 1).expect("free");
        }
    });
    assert_eq!((ask(&keyed, 1).err(), keyed.handle().len()), (Some(Reason::Custom), 1));
}

/// While a gate is made, all gates are changed. It is changed before it is asked.
#[test]
fn a_gate_made_while_all_are_changed_is_changed_too() {
    for own in [true, false] {
        let (keyed, hooks, _) = told(settings(1));
        if !own {
            ask(&keyed, 0).expect("free");
        }
        let (handle, once) = (keyed.handle(), AtomicBool::new(false));
        set(&hooks.make, move || {
            if !once.swap(true, SeqCst) {
                let handle = handle.clone();
                handle.update_gates(|_, gate| gate.inside.store(1, SeqCst));
            }
        });
        assert_eq!(ask(&keyed, 1).err(), Some(Reason::Custom), "it is full, as the change would have it");
    }
}

/// The same, in the moment between the change of a new gate and its place.
#[test]
fn a_gate_that_is_changed_while_all_are_changed_again_is_changed_again() {
    for own in [true, false] {
        let (keyed, _, _) = told(settings(1));
        if !own {
            ask(&keyed, 0).expect("free");
        }
        let (handle, once) = (keyed.handle(), AtomicBool::new(false));
        keyed.handle().update_gates(move |key, _| {
            if key != Some(&0) && !once.swap(true, SeqCst) {
                handle.update_gates(|_, gate| gate.inside.store(1, SeqCst));
            }
        });
        assert_eq!(ask(&keyed, 1).err(), Some(Reason::Custom), "it is full, as the second change would have it");
    }
}

/// While the room for a newcomer is being made, others take it.
#[test]
fn whoever_is_beaten_to_the_last_place_looks_for_another() {
    let (keyed, hooks, _) = told(settings(2).with_overflow(Overflow::Refuse));
    let (meanwhile, depth) = (keyed.clone(), AtomicUsize::new(0));
    set(&hooks.make, move || {
        if depth.fetch_add(1, SeqCst) == 0 {
            let _held = (ask(&meanwhile, 10).expect("room"), pass(&meanwhile, 11).expect("room"));
        }
    });
    assert_eq!(pass(&keyed, 1), Ok(()), "in the place of 11");
    let handle = keyed.handle();
    assert!(handle.get(&10).is_some() && handle.get(&11).is_none() && handle.get(&1).is_some());
}

/// Whoever looked for somebody to forget held on to all whom it looked at: who came meanwhile found nobody, and was refused,
/// though half of all gates remembered nothing.
#[test]
fn newcomers_who_come_at_once_do_not_hide_from_each_other_who_may_be_forgotten() {
    let (keyed, hooks, _) = told(settings(2).with_overflow(Overflow::Refuse));
    (1..=2).for_each(|key| assert_eq!(pass(&keyed, key), Ok(())));
    let (meanwhile, depth) = (keyed.clone(), AtomicUsize::new(0));
    set(&hooks.make, move || {
        if depth.fetch_add(1, SeqCst) == 0 {
            assert_eq!(pass(&meanwhile, 11), Ok(()));
        }
    });
    assert_eq!(pass(&keyed, 10), Ok(()));
    let handle = keyed.handle();
    assert!(handle.get(&10).is_some() && handle.get(&11).is_some());
}

/// While somebody is looked for who may be forgotten, there comes to be room anyway.
#[test]
fn nobody_is_forgotten_for_room_that_has_come_to_be_there() {
    let (keyed, hooks, _) = told(settings(2));
    (1..=2).for_each(|key| assert_eq!(pass(&keyed, key), Ok(())));
    let handle = keyed.handle();
    set(&hooks.is_neutral, move || handle.update(settings(3)));
    assert_eq!((pass(&keyed, 3), keyed.handle().len(), keyed.handle().snapshot().evicted), (Ok(()), 3, 0));
}

#[test]
fn a_panic_of_the_users_leaves_nothing_held() {
    fn panics(run: impl FnOnce()) -> bool {
        catch_unwind(AssertUnwindSafe(run)).is_err()
    }
    thread_local!(static ARMED: Cell<bool> = const { Cell::new(false) });
    let scripted = || {
        if ARMED.replace(false) {
            panic!("scripted")
        }
    };
    let picks: [fn(&Hooks) -> &OnceLock<Hook>; 4] =
        [|hooks| &hooks.make, |hooks| &hooks.admit, |hooks| &hooks.settle, |hooks| &hooks.is_neutral];
    for (step, pick) in picks.into_iter().enumerate() {
        let (keyed, hooks, _) = told(settings(1).with_overflow(Overflow::Refuse));
        set(pick(&hooks), scripted);
        if step != 0 {
            assert_eq!(pass(&keyed, 1), Ok(()));
        }
        ARMED.set(true);
        assert!(panics(|| _ = pass(&keyed, if step == 3 { 2 } else { 1 })), "step {step}");
        assert_eq!(keyed.handle().forget(&1), step != 0, "step {step}: nobody holds it");
        assert_eq!(pass(&keyed, 3), Ok(()), "step {step}");
    }
    let key = |ask: &Ask| if *ask == 1 { panic!("scripted") } else { *ask };
    let keyed = Keyed::new(settings(1), key, |_: &u64| Bulkhead::new(places(1)));
    assert!(panics(|| _ = pass(&keyed, 1)));
    assert_eq!((pass(&keyed, 2), keyed.handle().len()), (Ok(()), 1));
}

#[test]
fn what_is_refused_is_offered_to_the_gate_of_its_key_and_none_is_made_for_it() {
    let rejection = Rejection::new(Reason::Custom, "told");
    let (keyed, _, refused) = told(settings(1));
    assert_eq!((keyed.refused(1, &rejection), keyed.handle().len()), (Some(1), 0));
    ask(&keyed, 1).expect("free");
    assert_eq!((keyed.refused(1, &rejection), refused.load(SeqCst)), (None, 1));
    assert_eq!(keyed.refused(2, &rejection), Some(2), "it has no gate, and there is none to share");
    ask(&keyed, 2).expect("the shared gate is free");
    assert_eq!((keyed.refused(3, &rejection), refused.load(SeqCst)), (None, 2));
}

// The rooms that may be forgotten.

#[test]
fn a_bulkhead_is_like_a_new_one_when_nobody_is_in_it_and_nobody_waits() {
    let compartments = places(3).try_with_compartments(&[1]).expect("fits").with_wait(2, Duration::MAX);
    let bulkhead = Bulkhead::new(compartments).compartment_by(|ask: &Ask| *ask as usize);
    let (now, is_neutral) = (Moment::new(), || Gate::<Ask>::is_neutral(&bulkhead, &Moment::new()));
    assert!(is_neutral());
    for compartment in [0, 9] {
        let permit = ask(&bulkhead, compartment).expect("free");
        assert!(!is_neutral(), "compartment {compartment}");
        end(&bulkhead, permit);
        assert!(is_neutral());
    }
    let held: Vec<_> = (0..3).map(|_| ask(&bulkhead, 0).expect("free")).collect();
    let Admission::Waiting(wait) = bulkhead.admit(&0, &now) else { panic!("it does not wait") };
    held.into_iter().for_each(|permit| end(&bulkhead, permit));
    assert!(!is_neutral(), "it has been handed a permit");
    Gate::<Ask>::abandon(&bulkhead, wait);
    assert!(is_neutral());
    bulkhead.handle().observe_only();
    assert!(!is_neutral());
    bulkhead.handle().automatic();
    assert!(is_neutral());
}

#[tokio::test(start_paused = true)]
async fn a_breaker_is_like_a_new_one_when_it_is_closed_and_nothing_speaks_against_the_callee() {
    let window = circuit_breaker::Window::try_time(10 * SECOND, 20).expect("valid");
    let set = circuit_breaker::Settings::new().with_slow_calls(SECOND, plimsoll::Ratio::HALF).with_window(window);
    let set = set.with_consecutive_failures(NonZeroU32::MIN.saturating_add(1)).with_ramp(SECOND).with_calm(60 * SECOND);
    let breaker = CircuitBreaker::new(set);
    let is_neutral = || Gate::<Ask>::is_neutral(&breaker, &Moment::new());
    let fail = |breaker: &CircuitBreaker| {
        let permit = ask(breaker, 1).expect("closed");
        Gate::<Ask>::settle(breaker, permit, Ending::Panicked, &Moment::new());
    };
    assert!(is_neutral() && pass(&breaker, 1).is_ok() && is_neutral(), "a success speaks against nobody");
    fail(&breaker);
    assert!(pass(&breaker, 1).is_ok() && !is_neutral(), "a failure in the window");
    tokio::time::advance(11 * SECOND).await;
    assert!(is_neutral(), "the row is broken, and the failure has left the window");
    fail(&breaker);
    tokio::time::advance(11 * SECOND).await;
    assert!(!is_neutral(), "the failure has left the window, and the row goes on");
    assert!(pass(&breaker, 1).is_ok() && is_neutral());
    let slow = ask(&breaker, 1).expect("closed");
    tokio::time::advance(2 * SECOND).await;
    end(&breaker, slow);
    assert!(!is_neutral(), "it was slow");
    tokio::time::advance(11 * SECOND).await;
    for hold in [circuit_breaker::Handle::force_closed, circuit_breaker::Handle::observe_only] {
        hold(&breaker.handle());
        assert!(!is_neutral());
        breaker.handle().automatic();
        assert!(is_neutral());
    }
    fail(&breaker);
    fail(&breaker);
    assert!(!is_neutral(), "open");
    tokio::time::advance(60 * SECOND).await;
    let probe = ask(&breaker, 1).expect("a probe");
    assert!(!is_neutral(), "half-open");
    end(&breaker, probe);
    assert!(!is_neutral(), "ramping");
    tokio::time::advance(2 * SECOND).await;
    assert!(pass(&breaker, 1).is_ok() && !is_neutral(), "closed, and its next open time would be a longer one");
    tokio::time::advance(60 * SECOND).await;
    assert!(is_neutral());
}

/// What a load shedder has learned is worth keeping, and a queue knows how fast it drains: neither is like a new one.
#[test]
fn a_load_shedder_and_a_queue_are_kept_until_they_are_idle() {
    use plimsoll::{limit::Fixed, load_shed::LoadShed, surge_queue};
    let shed = LoadShed::default();
    let queue = surge_queue::SurgeQueue::new(surge_queue::Settings::new()).in_front_of(Fixed::new(NonZeroU32::MIN));
    assert!(!Gate::<Ask>::is_neutral(&shed, &Moment::new()) && !Gate::<Ask>::is_neutral(&queue, &Moment::new()));
}

//! What is forgotten, and what is not.

use std::{
    num::NonZeroU32,
    task::{Context, Waker},
    time::Duration,
};

use plimsoll::{
    Gate, Outcome, Reason,
    bulkhead::Bulkhead,
    circuit_breaker::{self, CircuitBreaker},
    classify::Failure,
    clock::Moment,
    gate::{Admission, Ending},
    keyed::{Keyed, Overflow},
    rate_limit::{Quota, RateLimit},
};

use crate::{SECOND, ask, end, of_one, pass, places, settings, whose};

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

//! When the gate of each room is like a new one, and may be forgotten.

use std::{num::NonZeroU32, time::Duration};

use plimsoll::{
    Gate,
    bulkhead::Bulkhead,
    circuit_breaker::{self, CircuitBreaker},
    clock::Moment,
    gate::{Admission, Ending},
};

use crate::{Ask, SECOND, ask, end, pass, places};

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
    use plimsoll::{limit::FixedLimit, load_shed::LoadShed, surge_queue};
    let shed = LoadShed::default();
    let queue =
        surge_queue::SurgeQueue::new(surge_queue::Settings::new()).in_front_of(FixedLimit::new(NonZeroU32::MIN));
    assert!(!Gate::<Ask>::is_neutral(&shed, &Moment::new()) && !Gate::<Ask>::is_neutral(&queue, &Moment::new()));
}

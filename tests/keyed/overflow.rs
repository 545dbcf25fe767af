//! Where there is no place.

use std::sync::{Arc, Mutex};

use plimsoll::{
    Event, Gate, Reason,
    bulkhead::Bulkhead,
    clock::Moment,
    gate::Admission,
    keyed::{Keyed, Overflow},
};

use crate::{SECOND, ask, end, full, of_one, pass, places, settings, whose};

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

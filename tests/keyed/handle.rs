//! The handle: who looks, who changes all gates, and how the map grows and shrinks.

use plimsoll::{Reason, keyed::Overflow};

use crate::{ask, end, full, of_one, pass, places, settings};

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

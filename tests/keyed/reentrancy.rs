//! What is the user's may look at the map, change it and panic, at any step.

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
};

use plimsoll::{
    Gate, Reason, Rejection,
    bulkhead::Bulkhead,
    keyed::{Keyed, Overflow, Settings},
};

use crate::told::{Hook, Hooks, set, told};
use crate::{Ask, ask, end, pass, places, settings};

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

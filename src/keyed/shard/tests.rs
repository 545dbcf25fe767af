use std::{collections::HashMap, sync::Weak, time::Duration};

use proptest::prelude::*;

use super::*;
use crate::keyed::settings::Overflow;

const START: Instant = Instant::from_nanos(1 << 62);
const IDLE: Duration = Duration::from_secs(10);
const SECOND: Duration = Duration::from_secs(1);

fn shard(capacity: usize) -> Shard<u8, ()> {
    Shard::new(Bounds { capacity, idle: IDLE, overflow: Overflow::Share })
}

fn entry(key: u8) -> Arc<Entry<u8, ()>> {
    Arc::new(Entry::new(key, ()))
}

/// A key with a place, and no request at it.
fn settle(shard: &mut Shard<u8, ()>, key: u8, now: Instant) -> usize {
    let slot = shard.insert(key.into(), entry(key), now).expect("room");
    assert!(shard.go(slot).is_some());
    slot
}

fn key(candidate: &Candidate<u8, ()>) -> u8 {
    candidate.entry.upgrade().expect("it is there").key
}

fn keys(candidates: &[Option<Candidate<u8, ()>>]) -> Vec<(u8, bool)> {
    candidates.iter().flatten().map(|candidate| (key(candidate), candidate.quiet)).collect()
}

#[test]
fn the_hand_goes_round_and_offers_everybody_whom_nobody_holds() {
    let mut shard = shard(12);
    for key in 0..11 {
        settle(&mut shard, key, START);
    }
    let _held = shard.insert(11, entry(11), START);
    let mut offered: Vec<_> = (0..3).flat_map(|_| keys(&shard.look(START).candidates)).collect();
    assert_eq!(offered.len(), 22, "24 slots, of which that of 11 twice");
    offered.truncate(11);
    assert_eq!(offered.iter().map(|offer| offer.0).collect::<Vec<_>>(), (0..11).collect::<Vec<_>>());
}

#[test]
fn nobody_is_offered_while_there_is_room() {
    let mut shard = shard(3);
    settle(&mut shard, 1, START);
    settle(&mut shard, 2, START);
    assert!(keys(&shard.look(START).candidates).is_empty());
}

#[test]
fn whoever_was_asked_for_since_the_hand_came_by_is_not_quiet() {
    let mut shard = shard(2);
    let (one, _) = (settle(&mut shard, 1, START), settle(&mut shard, 2, START));
    assert_eq!(keys(&shard.look(START).candidates), [(1, false), (2, false)], "they are new");
    assert!(shard.come(1, &1).is_some() && shard.go(one).is_some());
    assert_eq!(keys(&shard.look(START).candidates), [(1, false), (2, true)]);
    assert_eq!(keys(&shard.look(START).candidates), [(1, true), (2, true)]);
}

#[test]
fn a_key_that_is_asked_for_all_the_time_is_never_idle() {
    let mut shard = shard(1);
    let slot = settle(&mut shard, 1, START);
    for second in (0..600).step_by(9) {
        let now = START.after(second * SECOND);
        assert!(shard.look(now).idle.iter().flatten().count() == 0, "after {second} s");
        assert!(shard.come(1, &1).is_some() && shard.go(slot).is_some());
    }
}

#[test]
fn a_key_that_is_held_for_an_hour_is_idle_an_idle_time_after_that() {
    let mut shard = shard(1);
    let slot = shard.insert(1, entry(1), START).expect("room");
    let hour = START.after(3600 * SECOND);
    assert!(shard.look(hour).idle.iter().flatten().count() == 0);
    assert!(shard.go(slot).is_some());
    assert!(shard.look(hour.after(IDLE)).idle.iter().flatten().count() == 0, "the hand has just seen that it ended");
    assert_eq!(shard.look(hour.after(2 * IDLE)).idle.iter().flatten().count(), 1);
    assert_eq!(shard.len(), 0);
}

/// Between the look and the eviction somebody came and went, whose request the gate may remember.
#[test]
fn whoever_has_been_asked_for_since_the_look_is_not_evicted() {
    let mut shard = shard(1);
    let slot = settle(&mut shard, 1, START);
    for change in ["come", "refused", "visited", "kept", "none"] {
        let looked = shard.look(START);
        let candidate = looked.candidates.iter().flatten().next().expect("one");
        let mut kept = None;
        match change {
            "come" => assert!(shard.come(1, &1).is_some() && shard.go(slot).is_some()),
            "refused" => shard.come(1, &1).expect("there").1.send_away(),
            "visited" => drop(shard.visit(1, &1)),
            "kept" => kept = shard.at(slot),
            _ => {}
        }
        assert_eq!(shard.evict(candidate).is_some(), change == "none", "{change}");
        drop(kept);
    }
    assert_eq!(shard.len(), 0);
}

#[test]
fn a_shard_that_has_shrunk_takes_nobody_in_until_enough_are_gone() {
    let mut shard = shard(4);
    for key in 0..4 {
        settle(&mut shard, key, START);
    }
    shard.bounds.capacity = 2;
    for left in [3, 2, 1] {
        assert!(shard.insert(9, entry(9), START).is_none());
        let looked = shard.look(START);
        assert!(shard.evict(looked.candidates.iter().flatten().next().expect("one")).is_some());
        assert_eq!(shard.len(), left);
    }
    assert!(shard.insert(9, entry(9), START).is_some());
}

#[derive(Clone, Debug)]
enum Step {
    Come(u8),
    Go(u8),
    SendAway(u8),
    Keep(u8),
    LetGo(u8),
    Visit(u8),
    Insert(u8),
    Forget(u8),
    Look,
    Sweep,
    Evict(usize),
    Pass(u64),
    Resize(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0..12_u8;
    prop_oneof![
        3 => key.clone().prop_map(Step::Come),
        5 => key.clone().prop_map(Step::Go),
        2 => key.clone().prop_map(Step::SendAway),
        1 => key.clone().prop_map(Step::Keep),
        2 => key.clone().prop_map(Step::LetGo),
        1 => key.clone().prop_map(Step::Visit),
        6 => key.clone().prop_map(Step::Insert),
        1 => key.prop_map(Step::Forget),
        3 => Just(Step::Look),
        1 => Just(Step::Sweep),
        4 => any::<usize>().prop_map(Step::Evict),
        2 => (0..25_u64).prop_map(Step::Pass),
        1 => (1..10_usize).prop_map(Step::Resize),
    ]
}

/// What is known of a key that has a place. The pointer is weak: a strong one would hold it.
struct Known {
    slot: usize,
    entry: Weak<Entry<u8, ()>>,
    requests: usize,
    changes: usize,
    asked: Instant,
}

impl Known {
    fn is(&self, entry: &Arc<Entry<u8, ()>>) -> bool {
        std::ptr::eq(self.entry.as_ptr(), Arc::as_ptr(entry))
    }

    /// Whether there are requests, or pointers beside the shard's own.
    fn is_held(&self) -> bool {
        self.requests > 0 || self.entry.strong_count() > 1
    }

    fn change(&mut self, now: Instant) {
        (self.changes, self.asked) = (self.changes + 1, now);
    }
}

proptest! {
    /// A map from key to what is known says what has to be there. What is forgotten is what may be: what nobody holds, and
    /// has been idle for long, or was offered and has not changed since. And nothing else ever is.
    #[test]
    fn it_is_a_map_that_forgets_nothing_but_what_it_may(
        steps in prop::collection::vec(step(), 0..300),
        collide in any::<bool>(),
    ) {
        let hash = |key: u8| if collide { 7 } else { u64::from(key) << 56 | u64::from(key) };
        let (mut shard, mut model, mut now) = (shard(6), HashMap::<u8, Known>::new(), START);
        let mut kept: Vec<Arc<Entry<u8, ()>>> = Vec::new();
        let mut offered: Vec<(Candidate<u8, ()>, usize)> = Vec::new();
        for step in steps {
            match step {
                Step::Come(key) => {
                    let found = shard.come(hash(key), &key);
                    prop_assert_eq!(found.is_some(), model.contains_key(&key));
                    if let (Some((slot, entry)), Some(known)) = (found, model.get_mut(&key)) {
                        prop_assert!(slot == known.slot && known.is(&entry));
                        known.requests += 1;
                        known.change(now);
                    }
                }
                Step::Go(key) => if let Some(known) = model.get_mut(&key).filter(|known| known.requests > 0) {
                    prop_assert!(shard.go(known.slot).is_some_and(|entry| known.is(&entry)));
                    known.requests -= 1;
                    known.change(now);
                },
                Step::SendAway(key) => if let Some(known) = model.get_mut(&key).filter(|known| known.requests > 0) {
                    known.entry.upgrade().expect("it is there").send_away();
                    known.requests -= 1;
                },
                Step::Keep(key) => if let Some(known) = model.get(&key) {
                    kept.extend(shard.at(known.slot));
                },
                Step::LetGo(key) => if let Some(at) = kept.iter().position(|entry| entry.key == key) {
                    kept.swap_remove(at);
                },
                Step::Visit(key) => {
                    prop_assert_eq!(shard.visit(hash(key), &key).is_some(), model.contains_key(&key));
                    model.entry(key).and_modify(|known| known.changes += 1);
                }
                Step::Insert(key) => if !model.contains_key(&key) {
                    let (room, entry) = (model.len() < shard.bounds.capacity, entry(key));
                    let weak = Arc::downgrade(&entry);
                    let slot = shard.insert(hash(key), entry, now);
                    prop_assert_eq!(slot.is_some(), room);
                    if let Some(slot) = slot {
                        model.insert(key, Known { slot, entry: weak, requests: 1, changes: 0, asked: now });
                    }
                },
                Step::Forget(key) => {
                    let may = model.get(&key).is_some_and(|known| !known.is_held());
                    prop_assert_eq!(shard.forget(hash(key), &key).is_some(), may);
                    if may {
                        model.remove(&key);
                    }
                }
                Step::Look | Step::Sweep => {
                    let full = model.len() >= shard.bounds.capacity;
                    let held: Vec<u8> = model.iter().filter(|(_, known)| known.is_held()).map(|(key, _)| *key).collect();
                    let looked = if matches!(step, Step::Look) { shard.look(now) } else { shard.sweep(now) };
                    for entry in looked.idle.iter().flatten() {
                        let known = model.remove(&entry.key).expect("it was there");
                        prop_assert!(!held.contains(&entry.key) && now.since(known.asked) >= IDLE);
                    }
                    for candidate in looked.candidates.into_iter().flatten() {
                        let key = key(&candidate);
                        let known = &model[&key];
                        prop_assert!(full && matches!(step, Step::Look));
                        prop_assert!(!held.contains(&key) && known.entry.ptr_eq(&candidate.entry));
                        offered.push((candidate, known.changes));
                    }
                }
                Step::Evict(any) => if !offered.is_empty() {
                    let (candidate, changes) = offered.swap_remove(any % offered.len());
                    let known = model.iter().find(|(_, known)| known.entry.ptr_eq(&candidate.entry));
                    let may = known.filter(|(_, known)| known.changes == changes && !known.is_held()).map(|(key, _)| *key);
                    prop_assert_eq!(shard.evict(&candidate).map(|entry| entry.key), may);
                    may.map(|key| model.remove(&key));
                },
                Step::Pass(seconds) => now = now.after(Duration::from_secs(seconds)),
                Step::Resize(capacity) => shard.bounds.capacity = capacity,
            }
            prop_assert_eq!(shard.len(), model.len());
            for key in 0..12 {
                prop_assert_eq!(shard.slot(hash(key), &key), model.get(&key).map(|known| known.slot));
            }
        }
        // Nothing is held for ever: once all have gone, all are forgotten.
        kept.clear();
        offered.clear();
        for known in model.values() {
            (0..known.requests).for_each(|_| known.entry.upgrade().expect("it is there").send_away());
        }
        for _ in 0..2 {
            (0..shard.round()).for_each(|_| drop(shard.sweep(now)));
            now = now.after(IDLE);
        }
        prop_assert_eq!((shard.len(), shard.slots.len()), (0, 0));
    }
}

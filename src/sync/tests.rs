//! Tests of the slots. They are no part of their file, which `tests/models` compiles with other atomics.

use super::slots::*;

#[test]
fn a_slot_that_was_put_back_is_taken_next_and_new_ones_are_made_when_there_is_none() {
    let slots = Slots::<u8>::new();
    let taken: Vec<_> = (0..100).filter_map(|_| slots.take()).collect();
    assert_eq!(taken, (0..100).collect::<Vec<_>>());
    slots.put(40);
    slots.put(7);
    assert_eq!([slots.take(), slots.take(), slots.take()], [Some(7), Some(40), Some(100)]);
    assert!(slots.get(100).is_some() && slots.get(1 << 20).is_none());
}

#[test]
fn every_number_has_a_place_of_its_own() {
    for (number, at) in [(0, (0, 0)), (7, (0, 7)), (8, (1, 0)), (23, (1, 15)), (24, (2, 0))] {
        assert_eq!(place(number), at);
    }
    assert_eq!(place(u32::MAX).0, CHUNKS - 1);
}

#[test]
fn a_head_that_came_back_is_not_the_same() {
    let (before, after) = (changed(0, 3), changed(changed(changed(0, 3), NONE), 3));
    assert_eq!((before as u32, after as u32), (3, 3));
    assert_ne!(before, after);
    assert_eq!(changed(u64::MAX, 1) >> 32, 0, "and the count goes round");
}

//! Hashers that are no good, and one that is fixed.

use std::{collections::hash_map::DefaultHasher, hash::BuildHasherDefault};

use plimsoll::{Reason, keyed::Overflow};

use crate::{ask, end, of_one, pass, settings};

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

//! The only source of randomness: seedable, shared, and never the same sequence twice.
//!
//! A generator that is cloned with its owner gives every clone the same "random" numbers, and a thousand retries
//! then wait equally long. Here each draw takes the next ticket from a shared counter, and the number depends on seed
//! and ticket alone. So a thousand draws from one source differ, however it is shared, and a seed makes them
//! repeatable.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rand::{
    Rng, SeedableRng, TryRng,
    rngs::{SysRng, Xoshiro256PlusPlus},
};

/// A source of random numbers that threads share without a lock.
#[derive(Debug)]
pub struct Chance {
    seed: u64,
    tickets: AtomicU64,
}

impl Chance {
    /// A source whose draws repeat from run to run: for tests and simulations.
    pub const fn seeded(seed: u64) -> Self {
        // Seeds are often neighbours, 1 and 2, and so are tickets. A multiple of the golden ratio keeps the ranges of
        // tickets of neighbouring seeds as far apart as there is room.
        Self { seed: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15), tickets: AtomicU64::new(0) }
    }

    /// A source seeded by the operating system, or by the clock if that has nothing to give.
    pub fn from_entropy() -> Self {
        let seed = SysRng.try_next_u64().unwrap_or_else(|_| crate::clock::now().as_nanos());
        Self::seeded(seed)
    }

    /// The next number, uniform over all of `u64`.
    pub fn draw(&self) -> u64 {
        let ticket = self.tickets.fetch_add(1, Relaxed);
        // Neighbouring seeds give unrelated generators: `seed_from_u64` expands them through a mixing generator.
        Xoshiro256PlusPlus::seed_from_u64(self.seed.wrapping_add(ticket)).next_u64()
    }
}

impl Default for Chance {
    fn default() -> Self {
        Self::from_entropy()
    }
}

/// `random`, uniform over `u64`, scaled to `0..=most` in integer arithmetic: no rounding to whole seconds, no
/// overflow, and a bias below one part in 2⁶⁴.
#[inline]
pub(crate) const fn scaled(random: u64, most: u64) -> u64 {
    ((random as u128 * (most as u128 + 1)) >> 64) as u64
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_thousand_draws_are_a_thousand_numbers() {
        let chance = Chance::seeded(7);
        let drawn: HashSet<u64> = (0..1000).map(|_| chance.draw()).collect();
        assert_eq!(drawn.len(), 1000);
    }

    #[test]
    fn a_seed_repeats_and_another_differs() {
        let draws = |seed| {
            let chance = Chance::seeded(seed);
            [chance.draw(), chance.draw(), chance.draw()]
        };
        assert_eq!(draws(1), draws(1));
        assert_ne!(draws(1), draws(3));
    }

    /// The second draw of one seed was the first draw of the next: clients seeded by their number had all the same
    /// delays, one after the other.
    #[test]
    fn neighbouring_seeds_have_no_number_in_common() {
        let draws = |seed| {
            let chance = Chance::seeded(seed);
            (0..100).map(|_| chance.draw()).collect::<Vec<_>>()
        };
        let drawn: HashSet<u64> = (0..100).flat_map(draws).collect();
        assert_eq!(drawn.len(), 100 * 100);
    }

    #[test]
    fn draws_are_even() {
        let chance = Chance::seeded(42);
        let mut tenths = [0; 10];
        for _ in 0..10_000 {
            tenths[scaled(chance.draw(), 9) as usize] += 1;
        }
        assert!(tenths.iter().all(|n| (850..1150).contains(n)), "{tenths:?}");
    }

    #[test]
    fn scaling_reaches_both_ends_and_no_further() {
        assert_eq!(scaled(0, 10), 0);
        assert_eq!(scaled(u64::MAX, 10), 10);
        assert_eq!(scaled(u64::MAX, u64::MAX), u64::MAX);
        assert_eq!(scaled(12345, 0), 0);
    }
}

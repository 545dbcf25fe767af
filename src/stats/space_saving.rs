use std::mem;

/// The keys that most is counted of, with bounds, in fixed memory: the Space-Saving algorithm (Metwally, Agrawal, El Abbadi:
/// *Efficient Computation of Frequent and Top-k Elements in Data Streams*, ICDT 2005).
///
/// Of so many places each has a key and a count. A key without a place takes that of the smallest count, and takes over the
/// count too, as the most by which its own may now be too large. So a count is never too small, and too large by at most its
/// error; and the errors are at most all that was ever counted, divided by the places: whoever has more than that has a place.
///
/// Keys are known by their hashes, which the caller makes. Counting is O(log places), on average; nothing is allocated but in
/// the beginning.
#[derive(Debug)]
pub(crate) struct SpaceSaving<K> {
    places: Vec<Place<K>>,
    /// Places in the order of a heap, the smallest count first.
    heap: Vec<u32>,
    /// For each value of a few bits of a hash the first place with that value, or `NOWHERE`.
    heads: Vec<u32>,
    room: usize,
    total: u64,
}

#[derive(Debug)]
struct Place<K> {
    key: K,
    hash: u64,
    count: u64,
    error: u64,
    /// Where in the heap it stands.
    rank: u32,
    /// The next place with the same few bits.
    next: u32,
}

/// What is known of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known<K> {
    pub(crate) key: K,
    pub(crate) count: u64,
    pub(crate) error: u64,
}

const NOWHERE: u32 = u32::MAX;

impl<K> SpaceSaving<K> {
    /// With so many places, at least one.
    pub(crate) fn new(places: u32) -> Self {
        let room = places.clamp(1, 1 << 20) as usize;
        let heads = (room * 2).next_power_of_two();
        Self {
            places: Vec::with_capacity(room),
            heap: Vec::with_capacity(room),
            heads: vec![NOWHERE; heads],
            room,
            total: 0,
        }
    }

    /// Counts `more` of a key. Returns a key that is not needed any more, for the caller to drop.
    pub(crate) fn count(&mut self, key: K, hash: u64, more: u64) -> Option<K> {
        if more == 0 {
            return Some(key);
        }
        self.total = self.total.saturating_add(more);
        if let Some(place) = self.find(hash) {
            self.add(place, more);
            return Some(key);
        }
        if self.places.len() < self.room {
            let place = self.places.len() as u32;
            self.places.push(Place { key, hash, count: more, error: 0, rank: place, next: NOWHERE });
            self.heap.push(place);
            self.link(place);
            self.rise(place);
            return None;
        }
        let smallest = *self.heap.first()?;
        self.unlink(smallest);
        let taken = self.places.get_mut(smallest as usize)?;
        let before = mem::replace(&mut taken.key, key);
        (taken.hash, taken.error) = (hash, taken.count);
        self.link(smallest);
        self.add(smallest, more);
        Some(before)
    }

    /// What is known, the largest count first.
    pub(crate) fn known(&self) -> Vec<Known<K>>
    where
        K: Clone,
    {
        let known = self.places.iter().map(|Place { key, count, error, .. }| Known {
            key: key.clone(),
            count: *count,
            error: *error,
        });
        let mut known: Vec<_> = known.collect();
        known.sort_by_key(|known| std::cmp::Reverse((known.count, known.count - known.error)));
        known
    }

    /// All that was counted.
    pub(crate) const fn total(&self) -> u64 {
        self.total
    }

    fn head(&self, hash: u64) -> usize {
        // The number of heads is a power of two.
        hash as usize & (self.heads.len() - 1)
    }

    fn find(&self, hash: u64) -> Option<u32> {
        let mut place = self.heads[self.head(hash)];
        while place != NOWHERE {
            let Place { hash: here, next, .. } = &self.places[place as usize];
            if *here == hash {
                return Some(place);
            }
            place = *next;
        }
        None
    }

    fn link(&mut self, place: u32) {
        let head = self.head(self.places[place as usize].hash);
        self.places[place as usize].next = mem::replace(&mut self.heads[head], place);
    }

    fn unlink(&mut self, place: u32) {
        let Place { hash, next, .. } = self.places[place as usize];
        let head = self.head(hash);
        let mut at = self.heads[head];
        if at == place {
            self.heads[head] = next;
            return;
        }
        while at != NOWHERE {
            let after = self.places[at as usize].next;
            if after == place {
                self.places[at as usize].next = next;
                return;
            }
            at = after;
        }
    }

    fn add(&mut self, place: u32, more: u64) {
        let grown = &mut self.places[place as usize];
        grown.count = grown.count.saturating_add(more);
        let rank = grown.rank;
        self.sink(rank);
    }

    fn count_at(&self, rank: u32) -> Option<u64> {
        self.heap.get(rank as usize).map(|place| self.places[*place as usize].count)
    }

    /// Moves towards the end of the heap what has grown.
    fn sink(&mut self, mut rank: u32) {
        while let Some(count) = self.count_at(rank) {
            let (left, right) = (2 * rank + 1, 2 * rank + 2);
            let Some(of_left) = self.count_at(left) else { return };
            let smaller = if self.count_at(right).is_some_and(|of_right| of_right < of_left) { right } else { left };
            if self.count_at(smaller).is_none_or(|child| child >= count) {
                return;
            }
            self.swap(rank, smaller);
            rank = smaller;
        }
    }

    /// Moves towards the front of the heap what is small.
    fn rise(&mut self, mut rank: u32) {
        while rank > 0 {
            let parent = (rank - 1) / 2;
            if self.count_at(parent) <= self.count_at(rank) {
                return;
            }
            self.swap(rank, parent);
            rank = parent;
        }
    }

    fn swap(&mut self, one: u32, other: u32) {
        self.heap.swap(one as usize, other as usize);
        for rank in [one, other] {
            let place = self.heap[rank as usize];
            self.places[place as usize].rank = rank;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn counted(places: u32, keys: &[(u8, u64)]) -> SpaceSaving<u8> {
        let mut sketch = SpaceSaving::new(places);
        for (key, more) in keys {
            // Hashes that collide in their last bits, so that chains have more than one link.
            sketch.count(*key, u64::from(*key) << 4, *more);
        }
        sketch
    }

    /// The example of the paper's idea: who is new takes the place and the count of the least.
    #[test]
    fn who_is_new_takes_over_the_smallest_count_as_its_error() {
        let sketch = counted(2, &[(1, 5), (2, 1), (3, 1)]);
        let known: Vec<_> = sketch.known().into_iter().map(|Known { key, count, error }| (key, count, error)).collect();
        assert_eq!((known, sketch.total()), (vec![(1, 5, 0), (3, 2, 1)], 7));
    }

    #[test]
    fn nothing_counts_as_nothing_and_too_much_saturates() {
        let sketch = counted(0, &[(1, 0), (1, u64::MAX), (1, u64::MAX), (2, 1)]);
        assert_eq!(sketch.known(), [Known { key: 2, count: u64::MAX, error: u64::MAX }]);
    }

    proptest! {
        /// The guarantees of the paper, against exact counts.
        #[test]
        fn counts_are_never_too_small_nor_too_large_by_more_than_their_error(
            places in 1..12u32,
            keys in prop::collection::vec((0..30u8, 0..50u64), 0..300),
        ) {
            let sketch = counted(places, &keys);
            let mut exact = HashMap::<u8, u64>::new();
            keys.iter().for_each(|(key, more)| *exact.entry(*key).or_default() += more);
            let total: u64 = exact.values().sum();
            prop_assert_eq!(sketch.total(), total);
            let known = sketch.known();
            prop_assert!(known.len() <= places as usize);
            prop_assert_eq!(known.iter().map(|known| known.count).sum::<u64>(), total, "nothing is lost");
            for Known { key, count, error } in &known {
                let exact = exact.get(key).copied().unwrap_or(0);
                prop_assert!(count - error <= exact && exact <= *count, "{key}: {exact}");
                prop_assert!(*error <= total / u64::from(places));
            }
            for (key, exact) in exact {
                let has_place = known.iter().any(|known| known.key == key);
                prop_assert!(has_place || exact <= total / u64::from(places), "{key} has {exact} of {total}");
            }
            prop_assert!(known.is_sorted_by_key(|known| std::cmp::Reverse(known.count)));
        }
    }
}

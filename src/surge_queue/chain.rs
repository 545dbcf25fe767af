//! Lists through the entries of a slab, that anybody may leave from the middle.

use slab::Slab;

/// No entry.
pub(super) const NOBODY: u32 = u32::MAX;

/// An entry's neighbours in one list: 32 bits each, since there is a pair in every waiter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Links {
    before: u32,
    after: u32,
}

impl Default for Links {
    fn default() -> Self {
        Self { before: NOBODY, after: NOBODY }
    }
}

/// The two ends of a list. Which of an entry's links it runs through is an argument, the same one in every call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chain {
    first: u32,
    last: u32,
}

impl Default for Chain {
    fn default() -> Self {
        Self { first: NOBODY, last: NOBODY }
    }
}

impl Chain {
    pub(super) fn first(&self) -> Option<u32> {
        (self.first != NOBODY).then_some(self.first)
    }

    pub(super) fn last(&self) -> Option<u32> {
        (self.last != NOBODY).then_some(self.last)
    }

    /// Puts an entry that is in no list at the end of this one.
    pub(super) fn push<X>(&mut self, entries: &mut Slab<X>, entry: u32, links: fn(&mut X) -> &mut Links) {
        *links(&mut entries[entry as usize]) = Links { before: self.last, after: NOBODY };
        match self.last {
            NOBODY => self.first = entry,
            last => links(&mut entries[last as usize]).after = entry,
        }
        self.last = entry;
    }

    /// Takes an entry of this list out of it, wherever it is.
    pub(super) fn unlink<X>(&mut self, entries: &mut Slab<X>, entry: u32, links: fn(&mut X) -> &mut Links) {
        let Links { before, after } = std::mem::take(links(&mut entries[entry as usize]));
        match before {
            NOBODY => self.first = after,
            before => links(&mut entries[before as usize]).after = after,
        }
        match after {
            NOBODY => self.last = before,
            after => links(&mut entries[after as usize]).before = before,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    fn links(entry: &mut Links) -> &mut Links {
        entry
    }

    proptest! {
        /// A deque says what should be there, whoever leaves.
        #[test]
        fn a_chain_keeps_its_order(steps in proptest::collection::vec(any::<Option<u8>>(), 0..100)) {
            let (mut entries, mut chain, mut model) = (Slab::new(), Chain::default(), VecDeque::new());
            for step in steps {
                match step {
                    Some(who) if !model.is_empty() => {
                        let entry = model.remove(usize::from(who) % model.len()).expect("in range");
                        chain.unlink(&mut entries, entry, links);
                        entries.remove(entry as usize);
                    }
                    _ => {
                        let entry = entries.insert(Links::default()) as u32;
                        chain.push(&mut entries, entry, links);
                        model.push_back(entry);
                    }
                }
                prop_assert_eq!((chain.first(), chain.last()), (model.front().copied(), model.back().copied()));
                let walked: Vec<_> =
                    std::iter::successors(chain.first(), |&at| Some(entries[at as usize].after).filter(|&at| at != NOBODY)).collect();
                prop_assert_eq!(&walked, &model.iter().copied().collect::<Vec<_>>());
            }
        }
    }
}

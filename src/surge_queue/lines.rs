//! Who waits, in which order: ranks, in a rank its tenants in turn, and of a tenant one after the other.
//!
//! Every operation is O(1) however many wait, leaving from the middle and finding the longest tenant too. A tenant is
//! here while somebody of it waits, so memory is in proportion to the most that ever waited, not to the tenants there
//! are.

use std::collections::HashMap;

use slab::Slab;

use super::chain::{Chain, Links, NOBODY};
use crate::clock::Instant;

/// A waiter's place, until it is [removed](Lines::remove).
pub(super) type Ticket = u32;

/// Waiters in lines, and with each of them a `T`.
#[derive(Debug)]
pub(super) struct Lines<T, const RANKS: usize> {
    waiters: Slab<Waiter<T>>,
    tenants: Slab<Tenant>,
    /// Keys may be chosen by whoever wants them to collide; the map's hash is seeded at random.
    by_key: HashMap<(u8, u64), u32>,
    ranks: [Rank; RANKS],
}

/// One waiter.
#[derive(Debug)]
pub(super) struct Waiter<T> {
    /// Its neighbours in its tenant's line.
    links: Links,
    /// Nobody once it is out of line: served, or turned away, and not removed yet.
    tenant: u32,
    /// When it came.
    pub(super) since: Instant,
    /// When it has waited long enough.
    pub(super) until: Instant,
    /// When its call can begin at the latest, to be over by its deadline.
    pub(super) in_time: Instant,
    pub(super) with: T,
}

#[derive(Debug)]
struct Tenant {
    key: u64,
    rank: u8,
    line: Chain,
    length: u32,
    /// Neighbours in the ring of tenants who take turns.
    ring: Links,
    /// Neighbours among the tenants of the same length.
    peers: Links,
}

#[derive(Debug, Default)]
struct Rank {
    waiting: u32,
    tenants: u32,
    /// Whose turn is next, and then the others'.
    ring: Chain,
    /// The tenants of each length. A length changes by one at a time, so the longest is always at hand.
    of_length: Vec<Chain>,
    longest: u32,
}

fn line<T>(waiter: &mut Waiter<T>) -> &mut Links {
    &mut waiter.links
}

fn ring(tenant: &mut Tenant) -> &mut Links {
    &mut tenant.ring
}

fn peers(tenant: &mut Tenant) -> &mut Links {
    &mut tenant.peers
}

impl<T, const RANKS: usize> Lines<T, RANKS> {
    pub(super) fn new() -> Self {
        Self {
            waiters: Slab::new(),
            tenants: Slab::new(),
            by_key: HashMap::new(),
            ranks: std::array::from_fn(|_| Rank::default()),
        }
    }

    /// Takes a place at the end of its tenant's line.
    pub(super) fn join(&mut self, rank: usize, key: u64, since: Instant, with: T) -> Ticket {
        let waiter =
            Waiter { links: Links::default(), tenant: NOBODY, since, until: Instant::FAR, in_time: Instant::FAR, with };
        let ticket = self.waiters.insert(waiter) as u32;
        self.enter(ticket, rank, key);
        ticket
    }

    /// Moves a waiter to the end of its tenant's line in another rank.
    pub(super) fn transfer(&mut self, ticket: Ticket, rank: usize) {
        let tenant = self.waiters[ticket as usize].tenant;
        if tenant != NOBODY {
            let key = self.tenants[tenant as usize].key;
            self.take_out(ticket);
            self.enter(ticket, rank, key);
        }
    }

    /// Takes a waiter out of line, if it is in one. It keeps its ticket.
    pub(super) fn take_out(&mut self, ticket: Ticket) {
        let at = std::mem::replace(&mut self.waiters[ticket as usize].tenant, NOBODY);
        if at == NOBODY {
            return;
        }
        let tenant = &mut self.tenants[at as usize];
        tenant.line.unlink(&mut self.waiters, ticket, line);
        let (rank, length) = (&mut self.ranks[usize::from(tenant.rank)], tenant.length);
        tenant.length -= 1;
        rank.waiting -= 1;
        rank.of_length[length as usize].unlink(&mut self.tenants, at, peers);
        if length == rank.longest && rank.of_length[length as usize].first().is_none() {
            // It is the longest still, only shorter.
            rank.longest -= 1;
        }
        if length > 1 {
            rank.of_length[length as usize - 1].push(&mut self.tenants, at, peers);
            return;
        }
        rank.tenants -= 1;
        rank.ring.unlink(&mut self.tenants, at, ring);
        let gone = self.tenants.remove(at as usize);
        self.by_key.remove(&(gone.rank, gone.key));
    }

    /// Takes a waiter out of line because its turn has come: the next turn is another tenant's.
    pub(super) fn serve(&mut self, ticket: Ticket) {
        let at = self.waiters[ticket as usize].tenant;
        if at != NOBODY {
            let rank = &mut self.ranks[usize::from(self.tenants[at as usize].rank)];
            rank.ring.unlink(&mut self.tenants, at, ring);
            rank.ring.push(&mut self.tenants, at, ring);
        }
        self.take_out(ticket);
    }

    /// Ends a wait, in line or not.
    pub(super) fn remove(&mut self, ticket: Ticket) -> Waiter<T> {
        self.take_out(ticket);
        self.waiters.remove(ticket as usize)
    }

    pub(super) fn get(&self, ticket: Ticket) -> &Waiter<T> {
        &self.waiters[ticket as usize]
    }

    pub(super) fn get_mut(&mut self, ticket: Ticket) -> &mut Waiter<T> {
        &mut self.waiters[ticket as usize]
    }

    /// The rank in whose lines a waiter is, if it is in one.
    pub(super) fn rank(&self, ticket: Ticket) -> Option<usize> {
        Some(usize::from(self.tenants.get(self.waiters[ticket as usize].tenant as usize)?.rank))
    }

    /// The oldest and the newest of the tenant whose turn is next.
    pub(super) fn ends(&self, rank: usize) -> Option<(Ticket, Ticket)> {
        let line = &self.tenants[self.ranks[rank].ring.first()? as usize].line;
        Some((line.first()?, line.last()?))
    }

    /// The newest of the longest tenant.
    pub(super) fn newest_of_longest(&self, rank: usize) -> Option<Ticket> {
        let rank = &self.ranks[rank];
        let tenant = rank.of_length.get(rank.longest as usize)?.first()?;
        self.tenants[tenant as usize].line.last()
    }

    /// How many wait in a rank.
    pub(super) fn waiting(&self, rank: usize) -> u32 {
        self.ranks[rank].waiting
    }

    /// How many tenants wait in a rank.
    pub(super) fn tenants(&self, rank: usize) -> u32 {
        self.ranks[rank].tenants
    }

    /// How many of one tenant wait in a rank.
    pub(super) fn of_tenant(&self, rank: usize, key: u64) -> u32 {
        self.by_key.get(&(rank as u8, key)).map_or(0, |&tenant| self.tenants[tenant as usize].length)
    }

    /// When the oldest of all came. This one looks at every tenant.
    pub(super) fn oldest(&self) -> Option<Instant> {
        let heads = self.tenants.iter().filter_map(|(_, tenant)| tenant.line.first());
        heads.map(|head| self.get(head).since).min()
    }

    fn enter(&mut self, ticket: Ticket, rank: usize, key: u64) {
        let at = *self.by_key.entry((rank as u8, key)).or_insert_with(|| {
            let tenant = Tenant {
                key,
                rank: rank as u8,
                line: Chain::default(),
                length: 0,
                ring: Links::default(),
                peers: Links::default(),
            };
            self.tenants.insert(tenant) as u32
        });
        self.waiters[ticket as usize].tenant = at;
        let tenant = &mut self.tenants[at as usize];
        tenant.line.push(&mut self.waiters, ticket, line);
        tenant.length += 1;
        let (rank, length) = (&mut self.ranks[rank], tenant.length);
        rank.waiting += 1;
        if length == 1 {
            rank.tenants += 1;
            rank.ring.push(&mut self.tenants, at, ring);
        } else {
            rank.of_length[length as usize - 1].unlink(&mut self.tenants, at, peers);
        }
        if rank.of_length.len() <= length as usize {
            rank.of_length.resize_with(length as usize + 1, Chain::default);
        }
        rank.of_length[length as usize].push(&mut self.tenants, at, peers);
        rank.longest = rank.longest.max(length);
    }

    /// Whether nothing is held for anybody.
    #[cfg(test)]
    pub(super) fn is_bare(&self) -> bool {
        self.waiters.is_empty() && self.tenants.is_empty() && self.by_key.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Instant = Instant::from_nanos(0);

    /// Who is here, the naive way: in order of arrival, with rank and tenant; and per rank whose turn it is.
    #[derive(Default)]
    struct Model {
        waiters: Vec<(Ticket, usize, u64)>,
        turns: [Vec<u64>; 2],
    }

    impl Model {
        fn join(&mut self, ticket: Ticket, rank: usize, key: u64) {
            self.waiters.push((ticket, rank, key));
            if !self.turns[rank].contains(&key) {
                self.turns[rank].push(key);
            }
        }

        fn leave(&mut self, ticket: Ticket) -> (usize, u64) {
            let at = self.waiters.iter().position(|waiter| waiter.0 == ticket).expect("is here");
            let (_, rank, key) = self.waiters.remove(at);
            if self.of(rank, key).is_empty() {
                self.turns[rank].retain(|&other| other != key);
            }
            (rank, key)
        }

        fn serve(&mut self, ticket: Ticket) {
            let (rank, key) = self.leave(ticket);
            if let Some(at) = self.turns[rank].iter().position(|&other| other == key) {
                let key = self.turns[rank].remove(at);
                self.turns[rank].push(key);
            }
        }

        fn of(&self, rank: usize, key: u64) -> Vec<Ticket> {
            self.waiters.iter().filter(|waiter| (waiter.1, waiter.2) == (rank, key)).map(|waiter| waiter.0).collect()
        }
    }

    proptest! {
        /// Nobody is lost, nobody is here twice, and the order is that of lists which are searched through.
        #[test]
        fn lines_are_in_the_order_of_a_naive_model(
            steps in proptest::collection::vec((0..6u8, 0..2usize, 0..4u64, any::<usize>()), 0..200),
        ) {
            let (mut lines, mut model) = (Lines::<(), 2>::new(), Model::default());
            let mut out = Vec::new();
            for (what, rank, key, any) in steps {
                let some = (!model.waiters.is_empty()).then(|| model.waiters[any % model.waiters.len().max(1)].0);
                match (what, some) {
                    (0, Some(ticket)) => { model.leave(ticket); lines.remove(ticket); }
                    (1, Some(_)) => if let Some((oldest, _)) = lines.ends(rank) {
                        model.serve(oldest);
                        lines.serve(oldest);
                        out.push(oldest);
                    },
                    (2, Some(ticket)) => {
                        let (_, key) = model.leave(ticket);
                        lines.transfer(ticket, rank);
                        model.join(ticket, rank, key);
                    }
                    _ => { let ticket = lines.join(rank, key, NOW, ()); model.join(ticket, rank, key); }
                }
                if any % 3 == 0 {
                    for ticket in out.drain(..) {
                        lines.remove(ticket);
                    }
                }
                for rank in 0..2 {
                    let next = model.turns[rank].first().map(|&key| model.of(rank, key));
                    prop_assert_eq!(lines.ends(rank), next.map(|of| (of[0], of[of.len() - 1])));
                    let lengths: Vec<_> = (0..4).map(|key| model.of(rank, key).len()).collect();
                    prop_assert_eq!(lines.waiting(rank) as usize, lengths.iter().sum::<usize>());
                    prop_assert_eq!(lines.tenants(rank) as usize, model.turns[rank].len());
                    let longest = lengths.iter().copied().max().unwrap_or(0);
                    let victim = lines.newest_of_longest(rank);
                    prop_assert_eq!(victim.is_some(), longest > 0);
                    if let Some(victim) = victim {
                        let (_, rank, key) = *model.waiters.iter().find(|waiter| waiter.0 == victim).expect("is here");
                        let of_tenant = model.of(rank, key);
                        prop_assert_eq!((of_tenant.len(), of_tenant.last()), (longest, Some(&victim)));
                        prop_assert_eq!(lines.of_tenant(rank, key) as usize, longest);
                    }
                }
            }
            let left: Vec<_> = model.waiters.iter().map(|waiter| waiter.0).chain(out).collect();
            for ticket in left {
                lines.remove(ticket);
            }
            prop_assert!(lines.is_bare());
        }
    }

    #[test]
    fn a_tenant_without_end_takes_no_turn_of_others() {
        let mut lines = Lines::<(), 1>::new();
        let flood: Vec<_> = (0..5).map(|_| lines.join(0, 7, NOW, ())).collect();
        let quiet = lines.join(0, 8, NOW, ());
        let mut served = Vec::new();
        while let Some((next, _)) = lines.ends(0) {
            lines.serve(next);
            served.push(next);
        }
        assert_eq!(served, [flood[0], quiet, flood[1], flood[2], flood[3], flood[4]]);
    }
}

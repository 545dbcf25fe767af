use std::task::Waker;

use slab::Slab;

use super::turn::{Turn, Wakeup};

/// Those who wait for a turn, in lanes, each lane in order of arrival.
///
/// Every operation is O(1), leaving from the middle too. A turn is handed over directly: it is stored with the one
/// waiter it is for, and only that one is woken. The structure is plain data for its owner to lock; it calls no
/// waker and drops none, it returns them, to be woken or dropped once the lock is gone.
#[derive(Debug)]
pub(crate) struct Waiters<P, const LANES: usize> {
    nodes: Slab<Node<P>>,
    lanes: [Lane; LANES],
    arrivals: u64,
}

/// A place among the waiters. Whoever holds it must end it exactly once: by [`Waiters::claim`] that gives the turn, or
/// by [`Waiters::leave`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket(usize);

#[derive(Clone, Copy, Debug, Default)]
struct Lane {
    oldest: Option<usize>,
    newest: Option<usize>,
}

#[derive(Debug)]
struct Node<P> {
    lane: usize,
    weight: u32,
    arrival: u64,
    older: Option<usize>,
    newer: Option<usize>,
    turn: Turn<P>,
}

impl<P, const LANES: usize> Waiters<P, LANES> {
    pub(crate) fn new() -> Self {
        Self { nodes: Slab::new(), lanes: [Lane::default(); LANES], arrivals: 0 }
    }

    /// Takes a place at the end of a lane.
    pub(crate) fn join(&mut self, lane: usize, weight: u32) -> Ticket {
        let older = self.lanes[lane].newest;
        let arrival = self.arrivals;
        self.arrivals += 1;
        let node = Node { lane, weight, arrival, older, newer: None, turn: Turn::default() };
        let index = self.nodes.insert(node);
        match older {
            Some(older) => self.nodes[older].newer = Some(index),
            None => self.lanes[lane].oldest = Some(index),
        }
        self.lanes[lane].newest = Some(index);
        Ticket(index)
    }

    /// Who has waited longest in a lane.
    pub(crate) fn oldest(&self, lane: usize) -> Option<Ticket> {
        self.lanes[lane].oldest.map(Ticket)
    }

    /// Who came last to a lane.
    pub(crate) fn newest(&self, lane: usize) -> Option<Ticket> {
        self.lanes[lane].newest.map(Ticket)
    }

    /// What a waiter weighs, and the number of its arrival.
    pub(crate) fn weight_and_arrival(&self, ticket: Ticket) -> (u32, u64) {
        let node = &self.nodes[ticket.0];
        (node.weight, node.arrival)
    }

    /// Hands a turn over. Whoever gets it is to be woken once the lock is gone.
    pub(crate) fn grant(&mut self, ticket: Ticket, turn: P) -> Wakeup {
        self.unlink(ticket.0);
        self.nodes[ticket.0].turn.grant(turn)
    }

    /// Takes the turn if it has come, and the place is given up. Otherwise `waker` will be told. What is in `waker`
    /// afterwards is of no more use, and is to be dropped once the lock is gone.
    pub(crate) fn claim(&mut self, ticket: Ticket, waker: &mut Option<Waker>) -> Option<P> {
        if self.nodes[ticket.0].turn.has_come(waker) { self.leave(ticket).ok() } else { None }
    }

    /// Gives the place up. If the turn has come meanwhile, it is returned, to be given to somebody else; if not, what
    /// would have woken them, to be dropped once the lock is gone.
    pub(crate) fn leave(&mut self, ticket: Ticket) -> Result<P, Wakeup> {
        if let Turn::Awaited(_) = self.nodes[ticket.0].turn {
            self.unlink(ticket.0);
        }
        self.nodes.remove(ticket.0).turn.end()
    }

    fn unlink(&mut self, index: usize) {
        let Node { lane, older, newer, .. } = self.nodes[index];
        match older {
            Some(older) => self.nodes[older].newer = newer,
            None => self.lanes[lane].oldest = newer,
        }
        match newer {
            Some(newer) => self.nodes[newer].older = older,
            None => self.lanes[lane].newest = older,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_turn_that_came_to_one_who_leaves_is_given_back() {
        let mut waiters = Waiters::<&str, 1>::new();
        let ticket = waiters.join(0, 1);
        assert!(waiters.grant(ticket, "turn").0.is_none(), "nobody has been polled yet");
        assert!(waiters.oldest(0).is_none());
        assert_eq!(waiters.leave(ticket).ok(), Some("turn"));
    }

    #[test]
    fn a_claim_replaces_the_waker_and_takes_the_turn_once_it_came() {
        let mut waiters = Waiters::<&str, 1>::new();
        let ticket = waiters.join(0, 1);
        let mut waker = Some(Waker::noop().clone());
        assert_eq!((waiters.claim(ticket, &mut waker), waker.is_some()), (None, false), "too early");
        waker = Some(Waker::noop().clone());
        assert_eq!((waiters.claim(ticket, &mut waker), waker.is_some()), (None, true), "too early, and replaced");
        assert!(waiters.grant(ticket, "turn").0.is_some());
        assert_eq!((waiters.claim(ticket, &mut waker), waker.is_some()), (Some("turn"), true));
        assert!(waiters.nodes.is_empty());
    }

    #[derive(Clone, Debug)]
    enum Op {
        Join(usize),
        GrantOldest(usize),
        GrantNewest(usize),
        Leave(usize),
    }

    fn ops() -> impl Strategy<Value = Vec<Op>> {
        let op = prop_oneof![
            (0..2usize).prop_map(Op::Join),
            (0..2usize).prop_map(Op::GrantOldest),
            (0..2usize).prop_map(Op::GrantNewest),
            any::<usize>().prop_map(Op::Leave),
        ];
        proptest::collection::vec(op, 0..200)
    }

    proptest! {
        /// Lanes of queues that anybody may leave from anywhere: two deques say what should be there.
        #[test]
        fn lanes_keep_their_order_whoever_leaves(ops in ops()) {
            let mut waiters = Waiters::<u64, 2>::new();
            let mut model: [VecDeque<(u64, Ticket)>; 2] = Default::default();
            let mut came = Vec::new();
            for (step, op) in ops.into_iter().enumerate() {
                match op {
                    Op::Join(lane) => {
                        let ticket = waiters.join(lane, 1);
                        model[lane].push_back((waiters.weight_and_arrival(ticket).1, ticket));
                    }
                    Op::GrantOldest(lane) => if let Some(ticket) = waiters.oldest(lane) {
                        let _ = waiters.grant(ticket, step as u64);
                        came.push((step as u64, model[lane].pop_front().expect("as many").1));
                    },
                    Op::GrantNewest(lane) => if let Some(ticket) = waiters.newest(lane) {
                        let _ = waiters.grant(ticket, step as u64);
                        came.push((step as u64, model[lane].pop_back().expect("as many").1));
                    },
                    Op::Leave(any) => {
                        let lane = any % 2;
                        if any % 3 == 0 && !came.is_empty() {
                            let (turn, ticket) = came.swap_remove(any % came.len());
                            prop_assert_eq!(waiters.leave(ticket).ok(), Some(turn));
                        } else if !model[lane].is_empty() {
                            let at = any % model[lane].len();
                            let (_, ticket) = model[lane].remove(at).expect("in range");
                            prop_assert!(waiters.leave(ticket).is_err());
                        }
                    }
                }
                for (lane, model) in model.iter().enumerate() {
                    let arrival = |ticket: Ticket| waiters.weight_and_arrival(ticket).1;
                    prop_assert_eq!(waiters.oldest(lane).map(arrival), model.front().map(|x| x.0));
                    prop_assert_eq!(waiters.newest(lane).map(arrival), model.back().map(|x| x.0));
                }
                prop_assert_eq!(waiters.nodes.len(), model[0].len() + model[1].len() + came.len());
            }
        }
    }
}

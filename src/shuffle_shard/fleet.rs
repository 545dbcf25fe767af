use std::{collections::BTreeMap, mem, sync::Arc};

use super::{
    assign::Assign,
    news::Topic,
    nodes::{Node, Nodes},
    outlier::Transitions,
    pick::Candidate,
    vitals::{Standing, Vitals},
    watch::Watch,
};
use crate::{clock::Instant, request::Tried, sync::Lock};

/// One member of a fleet. It lives on while it is in some fleet, or a call to it is under way.
#[derive(Debug)]
pub(super) struct Member<S> {
    pub(super) id: u64,
    pub(super) service: S,
    pub(super) vitals: Arc<Vitals>,
    pub(super) watch: Arc<Watch>,
}

/// The members at one moment, each at the position of its node. It does not change; each router keeps the one it last saw.
#[derive(Debug)]
pub(super) struct Fleet<S> {
    pub(super) nodes: Nodes,
    pub(super) members: Box<[Arc<Member<S>>]>,
    pub(super) watch: Arc<Watch>,
    /// Which of the fleets that the watch was over.
    pub(super) generation: u64,
}

impl<S> Member<S> {
    /// Whether it is neither put out nor shut by its own word.
    pub(super) fn takes_calls(&self, now: Instant) -> bool {
        !matches!(self.vitals.standing(now), Standing::Absent(_))
    }
}

impl<S> Fleet<S> {
    #[inline]
    pub(super) fn member(&self, position: u32) -> Option<&Arc<Member<S>>> {
        self.members.get(position as usize)
    }

    /// The member of an identity, and its position.
    pub(super) fn find(&self, id: u64) -> Option<(u32, &Arc<Member<S>>)> {
        let position = self.nodes.position_of_id(id)? as u32;
        self.member(position).map(|member| (position, member))
    }

    /// What there is to know about the member at a position.
    #[inline]
    pub(super) fn look(&self, position: u32, tried: &Tried, now: Instant) -> Option<Candidate> {
        let Member { id, vitals, .. } = &**self.member(position)?;
        let tried = if tried.is_empty() { None } else { tried.order_of(*id) };
        Some(Candidate { standing: vitals.standing(now), load: vitals.load(), tried })
    }
}

/// Where the clones of a router find the fleet.
#[derive(Debug)]
pub(super) struct Fleets<S>(Lock<Arc<Fleet<S>>>);

impl<S> Fleets<S> {
    /// The first fleet: a service for each node, in the order of their positions, and nothing known of any.
    pub(super) fn new(watch: Watch, nodes: Nodes, hand: usize, services: impl Iterator<Item = S>) -> Self {
        let watch = Arc::new(watch);
        let members = nodes.iter().zip(services).map(|(node, service)| member(&watch, node, service)).collect();
        let fleet = Arc::new(Fleet { nodes, members, generation: watch.generation() + 1, watch });
        fleet.enter(hand);
        Self(Lock::new(fleet))
    }

    pub(super) fn fleet(&self) -> Arc<Fleet<S>> {
        Arc::clone(&self.0.lock())
    }

    /// Makes the fleet one of `nodes`, unless it is no longer `before`, or there is a node that was no member then and is not
    /// among `made`. Whether it did.
    pub(super) fn change(
        &self,
        before: &Arc<Fleet<S>>,
        nodes: Nodes,
        made: &BTreeMap<u64, Arc<Member<S>>>,
        hand: usize,
        now: Instant,
    ) -> bool {
        let find = |node: &Node| {
            let known = before.find(node.id()).map(|(_, member)| member);
            known.or_else(|| made.get(&node.id())).cloned()
        };
        let Some(members) = nodes.iter().map(find).collect() else { return false };
        let watch = Arc::clone(&before.watch);
        let fleet = Arc::new(Fleet { nodes, members, generation: before.generation + 1, watch });
        let (gone, happened) = {
            let mut current = self.0.lock();
            if !Arc::ptr_eq(&current, before) {
                return false;
            }
            let happened = fleet.enter(hand);
            (mem::replace(&mut *current, Arc::clone(&fleet)), happened)
        };
        // A service that goes is somebody else's code.
        drop(gone);
        fleet.watch.news.tell(Topic::Fleet);
        fleet.watch.announce(&happened, now);
        true
    }
}

impl<S> Fleet<S> {
    /// Is the one that is watched from now on.
    fn enter(&self, hand: usize) -> Transitions {
        let vitals = self.members.iter().map(|member| Arc::clone(&member.vitals)).collect();
        self.watch.set(self.nodes.clone(), vitals, hand)
    }
}

/// A new member.
pub(super) fn member<S>(watch: &Arc<Watch>, node: &Node, service: S) -> Arc<Member<S>> {
    Arc::new(Member { id: node.id(), service, vitals: Arc::default(), watch: Arc::clone(watch) })
}

/// How many members a tenant is dealt, as far as one tenant tells.
pub(super) fn width(assign: &impl Assign, nodes: &Nodes) -> usize {
    assign.hand(0, nodes).len()
}

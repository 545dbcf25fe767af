use std::{
    sync::Arc,
    task::{Context, Poll},
};

use tower_service::Service;

use super::{
    assign::Assign,
    fleet::{Fleet, Member, Shared},
    flight::{Flight, watch},
    hand::Hand,
    pick::{pick, sample, soonest},
    settings::Exhausted,
};
use crate::{
    classify::Classify,
    clock::Instant,
    error::Refusal,
    event::Event,
    rejection::{Reason, Rejection},
    request::Tried,
};

/// The search of one request for a member that takes it.
#[derive(Clone, Copy)]
pub(super) struct Search {
    tenant: Option<u64>,
    hand: Hand,
    /// Who in the hand has been asked, a bit each.
    passed: u16,
    tried: Tried,
    now: Instant,
    /// Whether the hand is of members outside of the tenant's.
    spilled: bool,
}

/// A member that takes the request, and the instance that said so.
pub(super) struct Boarded<S> {
    pub(super) service: S,
    pub(super) flight: Flight<S>,
}

/// How a search ends.
pub(super) enum Found<S, E> {
    Ready(Boarded<S>),
    /// These are not ready yet.
    Waiting(Vec<Boarded<S>>),
    Nobody(E),
}

impl Search {
    /// Deals the hand. Who is nobody's tenant gets two of the whole fleet at random.
    #[inline]
    pub(super) fn new<S>(
        shared: &Shared<S>,
        fleet: &Fleet<S>,
        assign: &impl Assign,
        tenant: Option<u64>,
        tried: Tried,
        now: Instant,
    ) -> Self {
        let mut search = Self { tenant, hand: Hand::EMPTY, passed: 0, tried, now, spilled: false };
        search.hand = match tenant {
            Some(tenant) => assign.hand(tenant, &fleet.nodes),
            None => search.sample(shared, fleet, |_| true),
        };
        search
    }

    /// Deals anew, the fleet being another.
    pub(super) fn again<S>(&self, shared: &Shared<S>, fleet: &Fleet<S>, assign: &impl Assign, now: Instant) -> Self {
        Self::new(shared, fleet, assign, self.tenant, self.tried, now)
    }

    #[cold]
    fn sample<S>(&self, shared: &Shared<S>, fleet: &Fleet<S>, wanted: impl Fn(u32) -> bool) -> Hand {
        sample(fleet.members.len(), shared.chance.draw(), wanted, |position| {
            fleet.look(position, &self.tried, self.now)
        })
    }

    /// Whether a member may still get the request. A service that was made anew for a node that left and came back is another
    /// member.
    pub(super) fn has<S>(&self, fleet: &Fleet<S>, member: &Arc<Member<S>>) -> bool {
        let Some(position) = fleet.nodes.position_of_id(member.id).map(|position| position as u32) else {
            return false;
        };
        let is_same = fleet.member(position).is_some_and(|current| Arc::ptr_eq(current, member));
        is_same && (self.tenant.is_none() || self.hand.contains(&position))
    }

    /// Leaves out whoever `is_asked` already.
    pub(super) fn pass<S>(&mut self, fleet: &Fleet<S>, is_asked: impl Fn(u64) -> bool) {
        for (number, position) in self.hand.iter().enumerate() {
            if fleet.member(*position).is_some_and(|member| is_asked(member.id)) {
                self.passed |= 1 << number;
            }
        }
    }

    /// Asks one member after the other whether it is ready, the best first, until one is. Who is not is kept: if none is,
    /// the request waits for whichever of them is first. `waiting` are those who are asked already.
    #[inline]
    pub(super) fn ask<S, Req, C>(
        &mut self,
        shared: &Arc<Shared<S>>,
        fleet: &Fleet<S>,
        judge: &C,
        mut waiting: Vec<Boarded<S>>,
        cx: &mut Context<'_>,
    ) -> Found<S, S::Error>
    where
        S: Service<Req> + Clone,
        S::Error: Refusal,
        C: Classify<S::Response, S::Error>,
    {
        let mut failed = None;
        loop {
            let turn = shared.turn.next();
            let look = |position| fleet.look(position, &self.tried, self.now);
            let Some(number) = pick(&self.hand, self.passed, turn, look) else {
                if !waiting.is_empty() {
                    return Found::Waiting(waiting);
                }
                if let Some(error) = failed {
                    return Found::Nobody(error);
                }
                if self.spill(shared, fleet) {
                    continue;
                }
                return Found::Nobody(self.refuse(shared, fleet).into());
            };
            self.passed |= 1 << number;
            let Some(member) = fleet.member(self.hand[number]) else { continue };
            let mut service = member.service.clone();
            let mut flight = Flight::board(shared, member, self.now);
            match watch(&mut flight, |_| service.poll_ready(cx)) {
                Poll::Ready(Ok(())) => return Found::Ready(Boarded { service, flight }),
                Poll::Pending => waiting.push(Boarded { service, flight }),
                Poll::Ready(Err(error)) => {
                    flight.finish(Err(&error), judge);
                    failed = Some(error);
                }
            }
        }
    }

    /// Whether the request may go to members outside of its tenant's hand, which are then its hand.
    #[cold]
    fn spill<S>(&mut self, shared: &Shared<S>, fleet: &Fleet<S>) -> bool {
        if self.spilled || self.tenant.is_none() || shared.settings().exhausted() == Exhausted::FailFast {
            return false;
        }
        let hand = self.hand;
        let others = self.sample(shared, fleet, |position| !hand.contains(&position));
        let Some(is_first) = (if others.is_empty() { None } else { shared.spill.take() }) else { return false };
        if is_first {
            shared.events.emit(|| Event::SpillBegan { layer: shared.name });
        }
        (self.hand, self.passed, self.spilled) = (others, 0, true);
        true
    }

    #[cold]
    fn refuse<S>(&self, shared: &Shared<S>, fleet: &Fleet<S>) -> Rejection {
        let rejection = Rejection::new(Reason::NoShard, shared.name);
        let look = |position| fleet.look(position, &self.tried, self.now);
        let returns = match self.tenant {
            Some(_) => soonest(self.hand.iter().copied(), look),
            None => soonest((0..).take(fleet.members.len()), look),
        };
        let rejection = match returns {
            Some(at) => rejection.with_retry_after(at.since(self.now)),
            None => rejection,
        };
        shared.refuse();
        shared.events.emit(|| Event::Refused(rejection));
        rejection
    }
}

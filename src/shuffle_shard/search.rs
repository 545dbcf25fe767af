use std::{
    sync::Arc,
    task::{Context, Poll},
};

use tower_service::Service;

use super::{
    assign::Assign,
    fleet::{Fleet, Member},
    flight::{Flight, watch},
    hand::Hand,
    news::Topic,
    pick::{pick, sample, soonest},
    settings::Exhausted,
    watch::Watch,
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
    tried: Tried,
    now: Instant,
    turn: u32,
    /// How much had been decided about members when it looked at them, if it had to look at more than one.
    decisions: u64,
    /// Who in the hand has been asked, a bit each.
    passed: u16,
    /// Whether the hand is of members outside of the tenant's.
    spilled: bool,
    hand: Hand,
}

/// A member that takes the request, and the instance that said so.
pub(super) struct Boarded<S> {
    pub(super) service: S,
    pub(super) flight: Flight<S>,
}

/// How a search ends.
pub(super) enum Found<S, E> {
    Ready(Boarded<S>),
    /// These are not ready yet; and what the last one said that will not be.
    Waiting(Vec<Boarded<S>>, Option<E>),
    Nobody(E),
}

impl Search {
    /// Deals the hand. Whoever is nobody's tenant gets two of the whole fleet at random.
    #[inline]
    pub(super) fn new<S>(
        fleet: &Fleet<S>,
        assign: &impl Assign,
        tenant: Option<u64>,
        tried: Tried,
        now: Instant,
        turn: u32,
    ) -> Self {
        let hand = match tenant {
            Some(tenant) => assign.hand(tenant, &fleet.nodes),
            None => deal(fleet, &tried, now, |_| true),
        };
        Self { tenant, tried, now, turn, decisions: 0, passed: 0, spilled: false, hand }
    }

    /// Deals anew.
    pub(super) fn again<S>(&self, fleet: &Fleet<S>, assign: &impl Assign, now: Instant) -> Self {
        let decisions = fleet.watch.decisions();
        Self { decisions, ..Self::new(fleet, assign, self.tenant, self.tried, now, self.turn) }
    }

    /// The same hand, in which nobody has been asked.
    pub(super) fn anew(&self, watch: &Watch, now: Instant) -> Self {
        Self { decisions: watch.decisions(), now, passed: 0, ..*self }
    }

    /// Whether something was decided about members since it looked at them.
    pub(super) fn is_stale(&self, watch: &Watch) -> bool {
        self.decisions != watch.decisions()
    }

    /// Whether there are more than so many in the hand.
    pub(super) fn has_more_than(&self, members: usize) -> bool {
        self.hand.len() > members
    }

    /// Whether its hand is of any two: it is of nobody's tenant, or spilled.
    pub(super) fn is_of_any(&self) -> bool {
        self.tenant.is_none() || self.spilled
    }

    /// Whether it should go on to wait for so many members, and ask nobody else. Each deal is of two others: in the end it
    /// would wait for all of the fleet.
    pub(super) fn is_content(&self, members: usize) -> bool {
        members >= if self.tenant.is_none() { 2 } else { 1 } && self.is_of_any()
    }

    /// Whether a member may still get the request: it is in service, and in the hand where that is its tenant's. A service that
    /// was made anew for a node that left and came back is another member.
    pub(super) fn keeps<S>(&self, fleet: &Fleet<S>, member: &Arc<Member<S>>) -> bool {
        let known = fleet.find(member.id).filter(|(_, current)| Arc::ptr_eq(current, member));
        let is_in_hand = |position| self.tenant.is_none() || self.hand.contains(&position);
        known.is_some_and(|(position, _)| is_in_hand(position)) && member.takes_calls(self.now)
    }

    /// What it has to hear of while it waits for so many members.
    pub(super) fn topics<'a, S>(
        &self,
        fleet: &'a Fleet<S>,
        members: usize,
    ) -> impl Iterator<Item = Topic> + use<'a, S> {
        let returns = (self.tenant.is_none() && members < 2).then_some(Topic::Returns);
        let hand = self.hand;
        let hand = (0..hand.len()).filter_map(move |number| fleet.member(hand[number]));
        hand.map(|member| Topic::Member(member.id)).chain([Topic::Fleet]).chain(returns)
    }

    /// Leaves out whoever `is_asked` already.
    pub(super) fn pass<S>(&mut self, fleet: &Fleet<S>, is_asked: impl Fn(u64) -> bool) {
        for (number, position) in self.hand.iter().enumerate() {
            if fleet.member(*position).is_some_and(|member| is_asked(member.id)) {
                self.passed |= 1 << number;
            }
        }
    }

    /// The best of those who have not been asked.
    #[inline]
    pub(super) fn next<'a, S>(&mut self, fleet: &'a Fleet<S>) -> Option<&'a Arc<Member<S>>> {
        let look = |position| fleet.look(position, &self.tried, self.now);
        let number = pick(&self.hand, self.passed, self.turn, look)?;
        self.passed |= 1 << number;
        fleet.member(self.hand[number])
    }

    /// Asks one member whether it is ready.
    #[inline]
    pub(super) fn ask<S, Req, C>(
        &self,
        member: &Arc<Member<S>>,
        judge: &C,
        cx: &mut Context<'_>,
    ) -> Result<(Poll<()>, Boarded<S>), S::Error>
    where
        S: Service<Req> + Clone,
        S::Error: Refusal,
        C: Classify<S::Response, S::Error>,
    {
        let mut service = member.service.clone();
        let mut flight = Flight::board(member, self.now);
        match watch(&mut flight, |_| service.poll_ready(cx)) {
            Poll::Ready(Ok(())) => Ok((Poll::Ready(()), Boarded { service, flight })),
            Poll::Pending => Ok((Poll::Pending, Boarded { service, flight })),
            Poll::Ready(Err(error)) => {
                flight.finish(Err(&error), judge, false);
                Err(error)
            }
        }
    }

    /// Asks one after the other, the best first, until one is ready. Who is not is kept: if none is, the request waits for
    /// whichever of them is first. `waiting` are those who were asked before, and `failed` is what the last one said.
    #[cold]
    pub(super) fn go_on<S, Req, C>(
        &mut self,
        fleet: &Fleet<S>,
        judge: &C,
        mut waiting: Vec<Boarded<S>>,
        mut failed: Option<S::Error>,
        cx: &mut Context<'_>,
    ) -> Found<S, S::Error>
    where
        S: Service<Req> + Clone,
        S::Error: Refusal,
        C: Classify<S::Response, S::Error>,
    {
        // Before the looks that count: what is decided after them is noticed by who waits.
        self.decisions = fleet.watch.decisions();
        waiting.retain(|asked| asked.flight.member().takes_calls(self.now));
        loop {
            while let Some(member) = self.next(fleet) {
                match self.ask::<S, Req, C>(member, judge, cx) {
                    Ok((Poll::Ready(()), boarded)) => return Found::Ready(boarded),
                    Ok((Poll::Pending, boarded)) => waiting.push(boarded),
                    Err(error) => failed = Some(error),
                }
            }
            if !waiting.is_empty() {
                return Found::Waiting(waiting, failed);
            }
            if let Some(error) = failed {
                return Found::Nobody(error);
            }
            if !self.spill(fleet) {
                return Found::Nobody(self.refuse(fleet).into());
            }
        }
    }

    /// Whether the request may go to members outside of its tenant's hand, which are then its hand.
    fn spill<S>(&mut self, fleet: &Fleet<S>) -> bool {
        let watch = &*fleet.watch;
        if self.spilled || self.tenant.is_none() || watch.settings().exhausted() == Exhausted::FailFast {
            return false;
        }
        let others = deal(fleet, &self.tried, self.now, |position| !self.hand.contains(&position));
        let Some(is_first) = (if others.is_empty() { None } else { watch.spill.take() }) else { return false };
        if is_first {
            watch.events.emit(|| Event::SpillBegan { layer: watch.name });
        }
        (self.hand, self.passed, self.spilled) = (others, 0, true);
        true
    }

    fn refuse<S>(&self, fleet: &Fleet<S>) -> Rejection {
        let watch = &*fleet.watch;
        let rejection = Rejection::new(Reason::NoShard, watch.name);
        let look = |position| fleet.look(position, &self.tried, self.now);
        let returns = match self.tenant {
            Some(_) => soonest(self.hand.iter().copied(), look),
            None => soonest((0..).take(fleet.members.len()), look),
        };
        let rejection = match returns {
            Some(at) => rejection.with_retry_after(at.since(self.now)),
            None => rejection,
        };
        watch.count_refusal();
        watch.events.emit(|| Event::Refused(rejection));
        rejection
    }
}

/// Two of those in the fleet who are wanted, at random.
fn deal<S>(fleet: &Fleet<S>, tried: &Tried, now: Instant, wanted: impl Fn(u32) -> bool) -> Hand {
    let look = |position| fleet.look(position, tried, now);
    sample(fleet.members.len(), fleet.watch.chance.draw(), wanted, look)
}

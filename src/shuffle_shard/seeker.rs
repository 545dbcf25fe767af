use std::{sync::Arc, task::Context};

use tower_service::Service;

use super::{
    assign::Assign,
    fleet::{Fleet, Fleets},
    news::Topic,
    search::{Boarded, Found, Search},
    watch::Watch,
};
use crate::{classify::Classify, clock, error::Refusal};

/// A request's search for a member, with all that it takes to look again later.
pub(super) struct Seeker<S, A> {
    fleets: Arc<Fleets<S>>,
    pub(super) watch: Arc<Watch>,
    assign: Arc<A>,
    search: Search,
    /// Of the fleet that the hand is of.
    generation: u64,
    /// Who refused the request.
    refused_by: Vec<u64>,
}

impl<S, A: Assign> Seeker<S, A> {
    pub(super) fn new(fleets: &Arc<Fleets<S>>, fleet: &Fleet<S>, assign: &Arc<A>, search: Search) -> Self {
        let (fleets, watch, assign) = (Arc::clone(fleets), Arc::clone(&fleet.watch), Arc::clone(assign));
        Self { fleets, watch, assign, search, generation: fleet.generation, refused_by: Vec::new() }
    }

    /// Whether the fleet is another, or something was decided about a member, since it looked.
    pub(super) fn is_stale(&self) -> bool {
        self.generation != self.watch.generation() || self.search.is_stale(&self.watch)
    }

    /// What it has to hear of while it waits for so many members. Whoever refused it was one of those it was dealt, and it is
    /// dealt no other.
    pub(super) fn topics<'a>(
        &self,
        fleet: &'a Fleet<S>,
        members: usize,
    ) -> impl Iterator<Item = Topic> + use<'a, S, A> {
        self.search.topics(fleet, members + self.refused_by.len())
    }

    /// This member refused the request: it does not get it again.
    pub(super) fn leave_out(&mut self, member: u64) {
        self.refused_by.push(member);
    }

    /// Whether there may be somebody in the hand to send it to if the next one refuses it: everybody gets it once at most.
    pub(super) fn has_more(&self) -> bool {
        self.search.has_more_than(self.refused_by.len() + 1)
    }

    /// Whether somebody refused it already.
    pub(super) fn was_refused(&self) -> bool {
        !self.refused_by.is_empty()
    }

    /// Looks for a member as the fleet is now, and says which fleet that is. Of those who were `asked`, whoever is still wanted
    /// keeps the place that the request has there. `failed` is the answer if there is nobody. O(k) where the fleet is the same.
    #[cold]
    #[allow(clippy::type_complexity, reason = "said once")]
    pub(super) fn look_again<Req, C>(
        &mut self,
        mut asked: Vec<Boarded<S>>,
        failed: Option<S::Error>,
        judge: &C,
        cx: &mut Context<'_>,
    ) -> (Found<S, S::Error>, Arc<Fleet<S>>)
    where
        S: Service<Req> + Clone,
        S::Error: Refusal,
        C: Classify<S::Response, S::Error>,
    {
        let (fleet, now) = (self.fleets.fleet(), clock::now());
        let is_same = self.generation == fleet.generation;
        self.generation = fleet.generation;
        let again = || self.search.again(&fleet, &*self.assign, now);
        let mut search = if is_same { self.search.anew(&self.watch, now) } else { again() };
        asked.retain(|asked| search.keeps(&fleet, asked.flight.member()));
        let found = if search.is_content(asked.len()) {
            Found::Waiting(asked, failed)
        } else {
            if is_same && search.is_of_any() && !self.was_refused() {
                search = again();
            }
            let refused_by = &self.refused_by;
            search.pass(&fleet, |id| {
                asked.iter().any(|asked| asked.flight.member().id == id) || refused_by.contains(&id)
            });
            search.go_on::<S, Req, C>(&fleet, judge, asked, failed, cx)
        };
        self.search = search;
        (found, fleet)
    }
}

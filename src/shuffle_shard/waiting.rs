use std::{
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use tower_service::Service;

use super::{
    assign::Assign,
    fleet::{Fleet, Fleets},
    flight::watch,
    news::Subscription,
    search::{Boarded, Found, Search},
    watch::Watch,
};
use crate::{classify::Classify, clock, error::Refusal};

/// A request that waits for whichever member of its hand becomes ready first; or for another fleet, in which its hand may
/// be another; or for what is decided about a member, which may be in service again, or no longer.
pub(super) struct Waiting<S, A> {
    fleets: Arc<Fleets<S>>,
    watch: Arc<Watch>,
    assign: Arc<A>,
    search: Search,
    members: Vec<Boarded<S>>,
    /// Of the fleet that the hand is of.
    generation: u64,
    news: Subscription,
}

impl<S, A: Assign> Waiting<S, A> {
    pub(super) fn new(
        fleets: &Arc<Fleets<S>>,
        fleet: &Fleet<S>,
        assign: &Arc<A>,
        search: Search,
        members: Vec<Boarded<S>>,
    ) -> Self {
        let (fleets, watch, assign) = (Arc::clone(fleets), Arc::clone(&fleet.watch), Arc::clone(assign));
        let mut news = Subscription::new(&watch.news);
        news.follow(search.topics(fleet, members.len()));
        Self { fleets, watch, assign, search, members, generation: fleet.generation, news }
    }

    /// Asks all of them. Ready with the one that is, or with the error where none can become so.
    pub(super) fn poll<Req, C>(&mut self, judge: &C, cx: &mut Context<'_>) -> Poll<Result<Boarded<S>, S::Error>>
    where
        S: Service<Req> + Clone,
        S::Error: Refusal,
        C: Classify<S::Response, S::Error>,
    {
        // It listens before it looks: what changes after the look wakes, and what changed before it is seen.
        self.news.listen(cx);
        while self.generation != self.watch.generation() || self.search.is_stale(&self.watch) {
            match self.look_again::<Req, C>(judge, cx) {
                Found::Ready(boarded) => return Poll::Ready(Ok(boarded)),
                Found::Waiting(members) => self.members = members,
                Found::Nobody(error) => return Poll::Ready(Err(error)),
            }
            self.news.listen(cx);
        }
        let unwinding = Unwinding(&mut self.members);
        let polled = ask_all::<S, Req, C>(unwinding.0, judge, cx);
        mem::forget(unwinding);
        polled
    }

    /// The fleet is another, and so perhaps the hand; or somebody was put out or back. Who is still wanted keeps the place that
    /// it has in some queue. O(k) where the fleet is the same.
    #[cold]
    fn look_again<Req, C>(&mut self, judge: &C, cx: &mut Context<'_>) -> Found<S, S::Error>
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
        let mut kept = mem::take(&mut self.members);
        kept.retain(|asked| search.keeps(&fleet, asked.flight.member()));
        let found = if search.is_content(kept.len()) {
            Found::Waiting(kept)
        } else {
            if is_same && search.is_of_any() {
                search = again();
            }
            search.pass(&fleet, |id| kept.iter().any(|asked| asked.flight.member().id == id));
            search.go_on::<S, Req, C>(&fleet, judge, kept, None, cx)
        };
        if let Found::Waiting(members) = &found {
            self.news.follow(search.topics(&fleet, members.len()));
        }
        self.search = search;
        found
    }
}

/// Asks each whether it is ready, until one is; those who fail are out.
fn ask_all<S, Req, C>(
    members: &mut Vec<Boarded<S>>,
    judge: &C,
    cx: &mut Context<'_>,
) -> Poll<Result<Boarded<S>, S::Error>>
where
    S: Service<Req>,
    S::Error: Refusal,
    C: Classify<S::Response, S::Error>,
{
    let mut number = 0;
    let mut failed = None;
    while let Some(Boarded { service, flight }) = members.get_mut(number) {
        assert!(!flight.is_over(), "polled after it panicked");
        match watch(flight, |_| service.poll_ready(cx)) {
            Poll::Pending => number += 1,
            Poll::Ready(Ok(())) => return Poll::Ready(Ok(members.swap_remove(number))),
            Poll::Ready(Err(error)) => {
                members.swap_remove(number).flight.finish(Err(&error), judge);
                failed = Some(error);
            }
        }
    }
    match failed {
        Some(error) if members.is_empty() => Poll::Ready(Err(error)),
        None if members.is_empty() => panic!("polled after it panicked"),
        _ => Poll::Pending,
    }
}

/// When one of them panics, the others no longer count the request: its future may live on for long.
struct Unwinding<'a, S>(&'a mut Vec<Boarded<S>>);

impl<S> Drop for Unwinding<'_, S> {
    #[cold]
    fn drop(&mut self) {
        self.0.iter_mut().for_each(|asked| asked.flight.give_up());
    }
}

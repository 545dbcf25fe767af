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
    search::{Boarded, Found, Search},
    watch::Watch,
};
use crate::{
    classify::Classify,
    clock,
    error::Refusal,
    sync::{Ticket, Wakeup},
};

/// A request that waits for whichever member of its hand becomes ready first; or for another fleet, in which its hand may
/// be another.
pub(super) struct Waiting<S, A> {
    fleets: Arc<Fleets<S>>,
    watch: Arc<Watch>,
    assign: Arc<A>,
    search: Search,
    members: Vec<Boarded<S>>,
    /// Of the fleet that the hand is of.
    generation: u64,
    ticket: Option<Ticket>,
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
        Self { fleets, watch, assign, search, members, generation: fleet.generation, ticket: None }
    }

    /// Asks all of them. Ready with the one that is, or with the error where none can become so.
    pub(super) fn poll<Req, C>(&mut self, judge: &C, cx: &mut Context<'_>) -> Poll<Result<Boarded<S>, S::Error>>
    where
        S: Service<Req> + Clone,
        S::Error: Refusal,
        C: Classify<S::Response, S::Error>,
    {
        // Before the look at the generation: a change after it wakes, and one before it is seen.
        self.listen(cx);
        if self.generation != self.watch.generation() {
            match self.deal::<Req, C>(judge, cx) {
                Found::Ready(boarded) => return Poll::Ready(Ok(boarded)),
                Found::Waiting(members) => self.members = members,
                Found::Nobody(error) => return Poll::Ready(Err(error)),
            }
        }
        let unwinding = Unwinding(&mut self.members);
        let polled = ask_all::<S, Req, C>(unwinding.0, judge, cx);
        mem::forget(unwinding);
        polled
    }

    /// The fleet is another, and so perhaps the hand. Who is in both keeps the place that it has in some queue.
    #[cold]
    fn deal<Req, C>(&mut self, judge: &C, cx: &mut Context<'_>) -> Found<S, S::Error>
    where
        S: Service<Req> + Clone,
        S::Error: Refusal,
        C: Classify<S::Response, S::Error>,
    {
        let fleet = self.fleets.fleet();
        self.generation = fleet.generation;
        let mut search = self.search.again(&fleet, &*self.assign, clock::now());
        let mut kept = mem::take(&mut self.members);
        kept.retain(|asked| search.has(&fleet, asked.flight.member()));
        if search.is_nobodys() && kept.len() > 1 {
            // Each change deals two others: in the end it would wait for all of the fleet.
            self.search = search;
            return Found::Waiting(kept);
        }
        search.pass(&fleet, |id| kept.iter().any(|asked| asked.flight.member().id == id));
        let found = search.go_on::<S, Req, C>(&fleet, judge, kept, None, cx);
        self.search = search;
        found
    }

    /// Wants to be woken when the fleet is another.
    fn listen(&mut self, cx: &Context<'_>) {
        let mut waker = Some(cx.waker().clone());
        {
            let mut waiting = self.watch.waiting.lock();
            let ticket = self.ticket.take().unwrap_or_else(|| waiting.join(0, 1));
            let ticket = match waiting.claim(ticket, &mut waker) {
                None => ticket,
                Some(()) => {
                    let again = waiting.join(0, 1);
                    let _ = waiting.claim(again, &mut waker);
                    again
                }
            };
            self.ticket = Some(ticket);
        }
        // What it held before is somebody else's code, so it goes when the lock is free.
        drop(waker);
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

impl<S, A> Drop for Waiting<S, A> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            let left: Result<(), Wakeup> = self.watch.waiting.lock().leave(ticket);
            drop(left);
        }
    }
}

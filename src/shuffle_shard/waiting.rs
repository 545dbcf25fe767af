use std::{
    mem,
    task::{Context, Poll},
};

use tower_service::Service;

use super::{
    assign::Assign,
    fleet::Fleet,
    flight::watch,
    news::Subscription,
    search::{Boarded, Found},
    seeker::Seeker,
};
use crate::{classify::Classify, error::Refusal};

/// A request that waits for whichever member of its hand becomes ready first; or for another fleet, in which its hand may
/// be another; or for what is decided about a member, which may be in service again, or no longer.
pub(super) struct Waiting<S, A, E> {
    seeker: Seeker<S, A>,
    members: Vec<Boarded<S>>,
    news: Subscription,
    /// What the last one said, where it was refused: the answer if nobody else takes it. Where it waits for nobody, it has not
    /// looked for another yet.
    refused: Option<E>,
}

impl<S, A: Assign, E: Refusal> Waiting<S, A, E> {
    /// For these, who are in that fleet.
    pub(super) fn new(seeker: Seeker<S, A>, fleet: &Fleet<S>, members: Vec<Boarded<S>>) -> Self {
        let mut news = Subscription::new(&seeker.watch.news);
        news.follow(seeker.topics(fleet, members.len()));
        Self { seeker, members, news, refused: None }
    }

    /// For any but those who refused it, the last of them so. It looks for one when it is polled.
    pub(super) fn after_refusal(seeker: Seeker<S, A>, refused: E) -> Self {
        let news = Subscription::new(&seeker.watch.news);
        Self { seeker, members: Vec::new(), news, refused: Some(refused) }
    }

    /// Asks all of them. Ready with the one that is, or with the error where none can become so.
    pub(super) fn poll<Req, C>(&mut self, judge: &C, cx: &mut Context<'_>) -> Poll<Result<Boarded<S>, E>>
    where
        S: Service<Req, Error = E> + Clone,
        C: Classify<S::Response, E>,
    {
        // It listens before it looks: what changes after the look wakes, and what changed before it is seen.
        self.news.listen(cx);
        while self.members.is_empty() && self.refused.is_some() || self.seeker.is_stale() {
            let (asked, failed) = (mem::take(&mut self.members), self.refused.take());
            match self.seeker.look_again::<Req, C>(asked, failed, judge, cx) {
                (Found::Ready(boarded), _) => return Poll::Ready(Ok(boarded)),
                (Found::Nobody(error), _) => return Poll::Ready(Err(error)),
                (Found::Waiting(members, failed), fleet) => {
                    self.news.follow(self.seeker.topics(&fleet, members.len()));
                    self.members = members;
                    self.refused = failed.filter(|_| self.seeker.was_refused());
                }
            }
            self.news.listen(cx);
        }
        let unwinding = Unwinding(&mut self.members);
        let polled = ask_all::<S, Req, C>(unwinding.0, judge, cx);
        mem::forget(unwinding);
        polled
    }

    /// Nobody has to be waited for any more.
    pub(super) fn into_seeker(self) -> Seeker<S, A> {
        self.seeker
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
                members.swap_remove(number).flight.finish(Err(&error), judge, false);
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

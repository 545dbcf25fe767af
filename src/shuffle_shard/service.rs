use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use tower_service::Service;

use super::{
    assign::Assign,
    future::{Hooks, ResponseFuture},
    router::ShuffleShard,
    search::{Found, Search},
    seeker::Seeker,
    waiting::Waiting,
};
use crate::{
    classify::Classify,
    clock,
    error::Refusal,
    request::{self, Carry, Replay, TenantOf, Tried},
    sync::nobody,
};

impl<S, F, T, A, C, K, R, Req> Service<Req> for ShuffleShard<S, F, T, A, C, K, R>
where
    S: Service<Req> + Clone,
    S::Error: Refusal,
    T: TenantOf<Req>,
    A: Assign,
    C: Classify<S::Response, S::Error> + Clone,
    K: Carry<Req> + Clone,
    R: Replay<Req> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, Req, A, C, K, R>;

    /// Always ready: whose a request is, and so which member must be ready for it, is not known here.
    #[inline]
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, req: Req) -> Self::Future {
        if self.fleet.generation != self.fleet.watch.generation() {
            self.look_again();
        }
        let now = clock::now();
        if self.fleet.watch.is_due(now) {
            self.fleet.watch.tend(now);
        }
        let (tenant, tried) = (self.tenant.tenant(&req), self.tried(&req));
        self.turn = self.turn.wrapping_add(1);
        let Self { fleets, fleet, assign, judge, turn, carry, replay, .. } = self;
        let mut search = Search::new(fleet, &**assign, tenant, tried, now, *turn);
        // Whoever is not ready here is polled again by the future, which brings the true waker.
        let mut cx = nobody();
        let first = search.next(fleet).map(|member| search.ask::<S, Req, C>(member, judge, &mut cx));
        let hooks = Hooks { judge: judge.clone(), carry: carry.clone(), replay: replay.clone() };
        let seeker = |search| Seeker::new(fleets, fleet, assign, search);
        let (waiting, failed) = match first {
            Some(Ok((Poll::Ready(()), boarded))) => {
                return ResponseFuture::running(boarded, req, hooks, search.has_more_than(1), || seeker(search));
            }
            Some(Ok((Poll::Pending, boarded))) => (vec![boarded], None),
            Some(Err(error)) => (Vec::new(), Some(error)),
            None => (Vec::new(), None),
        };
        match search.go_on::<S, Req, C>(fleet, judge, waiting, failed, &mut cx) {
            Found::Ready(boarded) => {
                ResponseFuture::running(boarded, req, hooks, search.has_more_than(1), || seeker(search))
            }
            Found::Waiting(members, _) => {
                ResponseFuture::waiting(Waiting::new(seeker(search), fleet, members), req, hooks)
            }
            Found::Nobody(error) => ResponseFuture::ended(error, hooks),
        }
    }
}

impl<S, F, T, A, C, K, R> ShuffleShard<S, F, T, A, C, K, R> {
    /// Where earlier attempts of this request went.
    #[inline]
    fn tried<Req>(&self, req: &Req) -> Tried
    where
        K: Carry<Req>,
    {
        let tried = request::tried();
        if K::CARRIES && tried.is_empty() {
            return self.carry.get(req).map_or(tried, |carried| carried.tried);
        }
        tried
    }

    /// The fleet is another.
    #[cold]
    fn look_again(&mut self) {
        self.fleet = self.fleets.fleet();
    }
}

impl<S, F, T: Clone, A, C: Clone, K: Clone, R: Clone> Clone for ShuffleShard<S, F, T, A, C, K, R> {
    fn clone(&self) -> Self {
        Self {
            fleets: Arc::clone(&self.fleets),
            fleet: Arc::clone(&self.fleet),
            // Not where the other stands: clones that make one call each would all make the same.
            turn: self.fleet.watch.turn(),
            factory: Arc::clone(&self.factory),
            assign: Arc::clone(&self.assign),
            tenant: self.tenant.clone(),
            judge: self.judge.clone(),
            carry: self.carry.clone(),
            replay: self.replay.clone(),
        }
    }
}

/// Whatever the closures are: they need not be `Debug`.
impl<S, F, T, A, C, K, R> fmt::Debug for ShuffleShard<S, F, T, A, C, K, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (nodes, settings) = self.fleet.watch.read(|core| (core.nodes.clone(), core.settings));
        f.debug_struct("ShuffleShard").field("nodes", &nodes).field("settings", &settings).finish_non_exhaustive()
    }
}

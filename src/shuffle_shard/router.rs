use std::sync::Arc;

use super::{
    assign::Assign,
    fleet::{Fleet, Fleets, width},
    handle::{Handle, Operator},
    nodes::{Node, Nodes},
    rendezvous::Rendezvous,
    settings::Settings,
    snapshot::Snapshot,
    watch::Watch,
};
use crate::{
    chance::Chance,
    classify::Standard,
    event::{Events, Observer},
    request::{Scoped, SentOnce, Unasked},
};

/// Sends each request to a member of its tenant's hand. See the [room's page](super).
///
/// It is a service, and always ready. Each node's service is made by the factory, once: one with a circuit breaker of
/// its own, say. A clone costs four reference counts and shares everything; it keeps the fleet it last saw until its
/// next call, so the service of a member that left is dropped with the last clone to be called or dropped.
///
/// The members' services are cloned for each call, so they have to be `Clone`, with a `Refusal` for an error:
/// [`Stack::service`](crate::Stack::service) makes one of any. For the router to go from thread to thread, they have to
/// be `Sync` as well as `Send`; put one that is not behind `tower::buffer::Buffer`.
///
/// Its type parameters are closures, or traits that closures implement: `F` makes services, `T` says whose a request
/// is, `A` deals hands, `C` judges results, `K` reads what a request carries, `R` copies requests to resend.
#[must_use]
pub struct ShuffleShard<S, F, T = Unasked, A = Rendezvous, C = Standard, K = Scoped, R = SentOnce> {
    pub(super) fleets: Arc<Fleets<S>>,
    /// As it was last seen.
    pub(super) fleet: Arc<Fleet<S>>,
    pub(super) turn: u32,
    pub(super) factory: Arc<F>,
    pub(super) assign: Arc<A>,
    pub(super) tenant: T,
    pub(super) judge: C,
    pub(super) carry: K,
    pub(super) replay: R,
}

impl<S, F: Fn(&Node) -> S> ShuffleShard<S, F> {
    /// A router to `nodes`, each with the service that `factory` makes for it. Until it is told
    /// [whose](Self::tenant_by) requests are, each goes to the less loaded of two random members.
    pub fn new(nodes: Nodes, factory: F) -> Self {
        let hand = width(&Rendezvous::default(), &nodes);
        let watch = Watch::new(Settings::new(), Arc::default(), Events::default());
        let services = nodes.iter().map(&factory);
        let fleets = Fleets::new(watch, nodes.clone(), hand, services);
        Self {
            fleet: fleets.fleet(),
            fleets: Arc::new(fleets),
            turn: 0,
            factory: Arc::new(factory),
            assign: Arc::new(Rendezvous::default()),
            tenant: Unasked,
            judge: Standard,
            carry: Scoped,
            replay: SentOnce,
        }
    }
}

impl<S, F, T, A, C, K, R> ShuffleShard<S, F, T, A, C, K, R> {
    /// Treats members by `settings`. The state is new: take the [`handle`](Self::handle) afterwards.
    pub fn settings(self, settings: Settings) -> Self
    where
        S: Clone,
        A: Assign,
    {
        let chance = Arc::clone(&self.fleet.watch.chance);
        self.renewed(settings, chance)
    }

    /// Draws from `chance`; a seed makes what is left to chance repeatable. The state is new: take the
    /// [`handle`](Self::handle) afterwards.
    pub fn chance(self, chance: Chance) -> Self
    where
        S: Clone,
        A: Assign,
    {
        let settings = self.fleet.watch.settings();
        self.renewed(settings, Arc::new(chance))
    }

    /// Asks whose a request is: a closure such as `|r: &Req| r.tenant` qualifies. Requests of no tenant go to the less
    /// loaded of two random members of the whole fleet.
    pub fn tenant_by<New>(self, tenant: New) -> ShuffleShard<S, F, New, A, C, K, R> {
        let Self { fleets, fleet, turn, factory, assign, judge, carry, replay, .. } = self;
        ShuffleShard { fleets, fleet, turn, factory, assign, tenant, judge, carry, replay }
    }

    /// Deals hands by `assign`. The state is new: take the [`handle`](Self::handle) afterwards.
    pub fn assign_by<New>(self, assign: New) -> ShuffleShard<S, F, T, New, C, K, R>
    where
        S: Clone,
        New: Assign,
    {
        let (settings, chance) = (self.fleet.watch.settings(), Arc::clone(&self.fleet.watch.chance));
        let Self { fleets, fleet, turn, factory, tenant, judge, carry, replay, .. } = self;
        let assign = Arc::new(assign);
        ShuffleShard { fleets, fleet, turn, factory, assign, tenant, judge, carry, replay }.renewed(settings, chance)
    }

    /// Judges results by `judge`: a closure over `Result<&Res, &E>` qualifies. Refusals by a member that were not
    /// dispatched are not judged: they say "not now", and are no failures.
    pub fn classify<New>(self, judge: New) -> ShuffleShard<S, F, T, A, New, K, R> {
        let Self { fleets, fleet, turn, factory, assign, tenant, carry, replay, .. } = self;
        ShuffleShard { fleets, fleet, turn, factory, assign, tenant, judge, carry, replay }
    }

    /// Reads from requests where they were sent before, if no retry in this task knows: see
    /// [`Carried::tried`](crate::request::Carried::tried).
    pub fn carry<New>(self, carry: New) -> ShuffleShard<S, F, T, A, C, New, R> {
        let Self { fleets, fleet, turn, factory, assign, tenant, judge, replay, .. } = self;
        ShuffleShard { fleets, fleet, turn, factory, assign, tenant, judge, carry, replay }
    }

    /// Resends a request that one member refused (its circuit is open, its bulkhead is full) to another of the hand, at
    /// once. `replay` makes the copies: [`CloneRequest`](crate::request::CloneRequest), or a closure such as
    /// `|req: &Req, attempt: u32| -> Option<Req>`. By default nothing is resent, and the refusal is the answer.
    ///
    /// Only what was never dispatched is resent, so nothing is done twice, and only if the
    /// [reason](crate::Reason::is_retryable) is retryable. Each member gets the request at most once; if none takes it,
    /// the last refusal is the answer. This is no retry: it spends no delay, no budget and no attempt.
    ///
    /// Each call costs a copy and an allocation, for a hand of more than one.
    pub fn resend<New>(self, replay: New) -> ShuffleShard<S, F, T, A, C, K, New> {
        let Self { fleets, fleet, turn, factory, assign, tenant, judge, carry, .. } = self;
        ShuffleShard { fleets, fleet, turn, factory, assign, tenant, judge, carry, replay }
    }

    /// Tells `observer` what happens here. In [`Stack::wrap_router`](crate::Stack::wrap_router) the stack's
    /// observer is told unless this was called. The first observer set is the one told.
    pub fn observe(self, observer: impl Observer + 'static) -> Self {
        self.fleet.watch.events.observe(observer);
        self
    }

    /// Announces to `stack` what happens here, unless somebody hears it already.
    pub(crate) fn join(&self, stack: &Events) {
        self.fleet.watch.events.join(stack);
    }

    /// To look at it and change it while it serves. Take the handle before the router goes into a stack, and when all
    /// else is set.
    pub fn handle(&self) -> Handle
    where
        S: Send + Sync + 'static,
        F: Fn(&Node) -> S + Send + Sync + 'static,
        A: Assign + 'static,
    {
        let (fleets, factory, assign) = (Arc::clone(&self.fleets), Arc::clone(&self.factory), Arc::clone(&self.assign));
        Handle::new(Operator { fleets, watch: Arc::clone(&self.fleet.watch), factory, assign })
    }

    /// The router as it is at this moment: [`Handle::snapshot`], where there can be no handle.
    pub fn snapshot(&self) -> Snapshot {
        self.fleet.watch.snapshot()
    }

    /// The same settings, nodes, closures and observer, with new state and new services.
    pub fn fresh(&self) -> Self
    where
        F: Fn(&Node) -> S,
        T: Clone,
        A: Assign,
        C: Clone,
        K: Clone,
        R: Clone,
    {
        let (nodes, settings) = self.fleet.watch.read(|core| (core.nodes.clone(), core.settings));
        let chance = Arc::clone(&self.fleet.watch.chance);
        let services = nodes.iter().map(|node| (self.factory)(node));
        self.clone().over(nodes.clone(), settings, chance, services)
    }

    /// The same services, of which nothing is known.
    fn renewed(self, settings: Settings, chance: Arc<Chance>) -> Self
    where
        S: Clone,
        A: Assign,
    {
        let before = self.fleets.fleet();
        let services = before.members.iter().map(|member| member.service.clone());
        self.over(before.nodes.clone(), settings, chance, services)
    }

    fn over(mut self, nodes: Nodes, settings: Settings, chance: Arc<Chance>, services: impl Iterator<Item = S>) -> Self
    where
        A: Assign,
    {
        let hand = width(&*self.assign, &nodes);
        let watch = Watch::new(settings, chance, self.fleet.watch.events.clone());
        self.fleets = Arc::new(Fleets::new(watch, nodes, hand, services));
        self.fleet = self.fleets.fleet();
        self
    }
}

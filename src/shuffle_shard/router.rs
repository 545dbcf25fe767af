use std::sync::Arc;

use super::{
    assign::Assign,
    fleet::{Fleet, Member, Shared, muster, width},
    handle::{Handle, Operator, Snapshot},
    nodes::{Node, Nodes},
    rendezvous::Rendezvous,
    settings::Settings,
};
use crate::{
    chance::Chance,
    classify::Standard,
    event::{Events, Observer},
    request::{Scoped, Unasked},
};

/// Sends each request to a member of its tenant's hand. See the [room's page](super).
///
/// It is a service, and always ready. Each node's service is made by the factory, once: one with a circuit breaker of its
/// own, say. A clone costs four reference counts and shares everything; it keeps the fleet that it last saw until it is
/// next called, so that the services of members who left go with the last clone that is called or dropped.
///
/// The members' services are cloned for each call, so they have to be `Clone`, with a `Refusal` for an error:
/// [`Stack::service`](crate::Stack::service) makes one of any. For the router to go from thread to thread, they have to be
/// `Sync` as well as `Send`; one that is not goes over `tower::buffer::Buffer`.
///
/// Its types are the hooks: `F` makes services, `T` says whose a request is, `A` deals hands, `C` judges results, `K` reads
/// what a request carries.
#[must_use]
pub struct ShuffleShard<S, F, T = Unasked, A = Rendezvous, C = Standard, K = Scoped> {
    pub(super) shared: Arc<Shared<S>>,
    pub(super) fleet: Arc<Fleet<S>>,
    pub(super) generation: u64,
    pub(super) factory: Arc<F>,
    pub(super) assign: Arc<A>,
    pub(super) tenant: T,
    pub(super) judge: C,
    pub(super) carry: K,
}

impl<S, F: Fn(&Node) -> S> ShuffleShard<S, F> {
    /// A router to `nodes`, each with the service that `factory` makes of it. Until it is told [whose](Self::tenant_by)
    /// requests are, they go to the less loaded of two members at random.
    pub fn new(nodes: Nodes, factory: F) -> Self {
        let fleet = build(nodes, &factory);
        let hand = width(&Rendezvous::default(), &fleet.nodes);
        let shared = Shared::new(Settings::new(), Arc::default(), Events::default(), Arc::clone(&fleet), hand);
        Self {
            shared: Arc::new(shared),
            fleet,
            generation: 0,
            factory: Arc::new(factory),
            assign: Arc::new(Rendezvous::default()),
            tenant: Unasked,
            judge: Standard,
            carry: Scoped,
        }
    }
}

/// A fleet of nothing but new members.
fn build<S>(nodes: Nodes, factory: &impl Fn(&Node) -> S) -> Arc<Fleet<S>> {
    let service = |node: &Node| Some(Member::new(node.id(), factory(node)));
    let fleet = muster(nodes, None, service);
    Arc::new(fleet.unwrap_or_else(|| Fleet { nodes: Nodes::default(), members: Box::default() }))
}

impl<S, F, T, A, C, K> ShuffleShard<S, F, T, A, C, K> {
    /// Treats members by `settings`. The state is new: take the [`handle`](Self::handle) after.
    pub fn settings(self, settings: Settings) -> Self
    where
        A: Assign,
    {
        let chance = Arc::clone(&self.shared.chance);
        self.renewed(settings, chance)
    }

    /// Draws from `chance`: a seeded one makes what is left to chance repeat. The state is new: take the
    /// [`handle`](Self::handle) after.
    pub fn chance(self, chance: Chance) -> Self
    where
        A: Assign,
    {
        let settings = self.shared.settings();
        self.renewed(settings, Arc::new(chance))
    }

    fn renewed(mut self, settings: Settings, chance: Arc<Chance>) -> Self
    where
        A: Assign,
    {
        let (fleet, events) = (Arc::clone(&self.fleet), self.shared.events.clone());
        let hand = width(&*self.assign, &fleet.nodes);
        self.shared = Arc::new(Shared::new(settings, chance, events, fleet, hand));
        self.generation = 0;
        self
    }

    /// Asks whose a request is: a closure such as `|r: &Req| r.tenant` qualifies. Requests of nobody go to the less loaded
    /// of two members of the whole fleet at random.
    pub fn tenant_by<New>(self, tenant: New) -> ShuffleShard<S, F, New, A, C, K> {
        let Self { shared, fleet, generation, factory, assign, judge, carry, .. } = self;
        ShuffleShard { shared, fleet, generation, factory, assign, tenant, judge, carry }
    }

    /// Deals hands by `assign`. The state is new: take the [`handle`](Self::handle) after.
    pub fn assign_by<New: Assign>(self, assign: New) -> ShuffleShard<S, F, T, New, C, K> {
        let Self { shared, fleet, generation, factory, tenant, judge, carry, .. } = self;
        let assign = Arc::new(assign);
        let router = ShuffleShard { shared, fleet, generation, factory, assign, tenant, judge, carry };
        let (settings, chance) = (router.shared.settings(), Arc::clone(&router.shared.chance));
        router.renewed(settings, chance)
    }

    /// Judges results by `judge`: a closure over `Result<&Res, &E>` qualifies. Refusals of a member that were not
    /// dispatched are not asked about: they say "not now", and no failure.
    pub fn classify<New>(self, judge: New) -> ShuffleShard<S, F, T, A, New, K> {
        let Self { shared, fleet, generation, factory, assign, tenant, carry, .. } = self;
        ShuffleShard { shared, fleet, generation, factory, assign, tenant, judge, carry }
    }

    /// Reads from requests where they were sent before, where no retry in this task knows: see
    /// [`Carried::tried`](crate::request::Carried::tried).
    pub fn carry<New>(self, carry: New) -> ShuffleShard<S, F, T, A, C, New> {
        let Self { shared, fleet, generation, factory, assign, tenant, judge, .. } = self;
        ShuffleShard { shared, fleet, generation, factory, assign, tenant, judge, carry }
    }

    /// Lets `observer` hear what happens here; in [`Stack::shuffle_shard`](crate::Stack::shuffle_shard), the stack's observer
    /// does unless this was called. The first who asks is heard.
    pub fn observe(self, observer: impl Observer + 'static) -> Self {
        self.shared.events.observe(observer);
        self
    }

    /// Announces to `stack` what happens here, unless somebody hears it already.
    pub(crate) fn join(&self, stack: &Events) {
        self.shared.events.join(stack);
    }

    /// Looks at it and changes it while it serves. Take it before the router goes into a stack, and when all else is set.
    pub fn handle(&self) -> Handle
    where
        S: Send + Sync + 'static,
        F: Fn(&Node) -> S + Send + Sync + 'static,
        A: Assign + 'static,
    {
        let (shared, factory, assign) = (Arc::clone(&self.shared), Arc::clone(&self.factory), Arc::clone(&self.assign));
        Handle::new(Operator { shared, factory, assign })
    }

    /// The same settings, nodes, hooks and observer, with new state and new services.
    pub fn fresh(&self) -> Self
    where
        F: Fn(&Node) -> S,
        T: Clone,
        A: Assign,
        C: Clone,
        K: Clone,
    {
        let (nodes, settings) = self.shared.read(|core| (core.fleet.nodes.clone(), core.settings));
        let mut fresh = self.clone();
        fresh.fleet = build(nodes, &*self.factory);
        let chance = Arc::clone(&self.shared.chance);
        fresh.renewed(settings, chance)
    }

    /// The router as it is at this moment: as [`Handle::snapshot`] says it, where there can be no handle.
    pub fn snapshot(&self) -> Snapshot {
        self.shared.snapshot()
    }
}

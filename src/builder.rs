//! [`Stack`]: rooms in order, around any service. The other types here are what its methods return; nobody has to write
//! their names.

mod around;
mod seen;

use std::sync::Arc;

use tower_layer::{Identity, Layer, Stack as Nest};

pub use self::around::{Close, Wrapping};
use self::seen::Seen;
use crate::{
    bulkhead::Bulkhead,
    circuit_breaker::CircuitBreaker,
    classify::{Chosen, Judge, Standard, Unjudged},
    control::Opaque,
    event::Events,
    gate::{PerKind, Seq},
    keyed::Keyed,
    limit::Limit,
    load_shed::LoadShed,
    meter::Meter,
    rate_limit::RateLimit,
    retry::RetryLayer,
    shuffle_shard::{Assign, Node, ShuffleShard, sharded_bulkhead::ShardedBulkhead},
    surge_queue::{Nothing, SurgeQueue},
    timeout::TimeoutLayer,
    work_budget::WorkBudget,
};

/// Layers, the outermost first, to be put around a service.
///
/// Neighbouring gates fuse into one service. Whatever is layered from one stack, or from clones of it, shares its
/// state: two routes behind the same stack meet the same limit.
///
/// There are two ways to put it around a service. [`service`](Self::service) gives callers
/// [`Error`](crate::Error), whatever the inner service's error is. [`wrap`](Self::wrap) keeps the inner service's
/// error type, which must be able to hold a [`Rejection`](crate::Rejection). As a [`Layer`], a stack is `wrap`;
/// [`wrapping`](Self::wrapping) is the `Layer` form of `service`.
#[derive(Clone, Debug)]
#[must_use]
pub struct Stack<L = Identity, G = (), C = Unjudged> {
    /// What is finished, further out.
    outer: L,
    /// The gates that the next one fuses with.
    group: G,
    judge: C,
    events: Events,
    /// Apart from the layers: calls never come here.
    seen: Seen,
}

impl Stack {
    /// No layers yet.
    pub fn new() -> Self {
        Self { outer: Identity::new(), group: (), judge: Unjudged, events: Events::default(), seen: Seen::new() }
    }
}

impl Default for Stack {
    fn default() -> Self {
        Self::new()
    }
}

impl<L, G, C> Stack<L, G, C> {
    /// Adds a [`bulkhead`](crate::bulkhead): at most so many requests at once. Its settings will do.
    pub fn bulkhead<W, K, D>(self, bulkhead: impl Into<Bulkhead<W, K, D>>) -> Stack<L, Seq<G, Bulkhead<W, K, D>>, C> {
        let bulkhead = bulkhead.into();
        bulkhead.join(&self.events);
        self.with_handle(bulkhead.handle()).push(bulkhead)
    }

    /// Adds a [sharded bulkhead](crate::shuffle_shard::sharded_bulkhead): no tenant takes more than a few cells of
    /// many.
    pub fn sharded_bulkhead<T>(self, bulkhead: ShardedBulkhead<T>) -> Stack<L, Seq<G, ShardedBulkhead<T>>, C> {
        bulkhead.join(&self.events);
        self.with_handle(bulkhead.handle()).push(bulkhead)
    }

    /// Adds a [work budget](crate::work_budget): only as much work at once as it has seats, and no more for each
    /// request than one may do. Its settings will do.
    #[allow(clippy::type_complexity, reason = "said once, and nobody has to write it")]
    pub fn work_budget<B, K, D, W>(
        self,
        budget: impl Into<WorkBudget<B, K, D, W>>,
    ) -> Stack<L, Seq<G, WorkBudget<B, K, D, W>>, C> {
        let budget = budget.into();
        budget.join(&self.events);
        self.with_handle(budget.handle()).push(budget)
    }

    /// Adds a [`timeout`](crate::timeout): no call takes longer. A `Duration` will do.
    pub fn timeout<D, T, K>(self, timeout: impl Into<TimeoutLayer<D, T, K>>) -> Within<TimeoutLayer<D, T, K>, L, G, C>
    where
        G: Close<C>,
        C: Clone,
    {
        let timeout = timeout.into();
        timeout.join(&self.events);
        self.with_handle(timeout.handle()).nest(timeout)
    }

    /// Adds a gate of your own, or an `Option` of one. However often the stack is cloned or layered, all meet this one.
    ///
    /// [`describe`](Self::describe) knows only its type; [`with_handle`](Self::with_handle) can tell it more.
    pub fn gate<H>(self, gate: H) -> Stack<L, Seq<G, Arc<H>>, Judged<C>>
    where
        C: Judge,
    {
        self.with_handle(Opaque::new::<H>("gate")).judged().push(Arc::new(gate))
    }

    /// Adds [a gate for each kind](PerKind) of request. This stack's observer hears what happens in them. For
    /// [`control`](Self::control) to reach each, give their handles to [`with_handle`](Self::with_handle).
    pub fn per_kind<H, K>(self, gates: PerKind<H, K>) -> Stack<L, Seq<G, PerKind<H, K>>, Judged<C>>
    where
        C: Judge,
    {
        gates.join(&self.events);
        self.with_handle(Opaque::new::<H>("per_kind")).judged().push(gates)
    }

    /// Adds [a gate for each key](crate::keyed) of a request, a tenant or an endpoint, say. This stack's observer hears
    /// what happens in them, and the gates hear how calls ended. Keys and gates have to be `Send` and `Sync`, as they
    /// are shared with [`control`](Self::control); [`gate`](Self::gate) takes any.
    #[allow(clippy::type_complexity, reason = "said once, and nobody has to write it")]
    pub fn keyed<K, H, Q, M, S>(self, keyed: Keyed<K, H, Q, M, S>) -> Stack<L, Seq<G, Keyed<K, H, Q, M, S>>, Judged<C>>
    where
        K: Send + Sync + 'static,
        H: Send + Sync + 'static,
        S: Send + Sync + 'static,
        C: Judge,
    {
        keyed.join(&self.events);
        self.with_handle(keyed.handle()).judged().push(keyed)
    }

    /// Adds a [circuit breaker](crate::circuit_breaker), which stops calling what keeps failing: one of your own, or
    /// its settings.
    pub fn circuit_breaker(self, breaker: impl Into<CircuitBreaker>) -> Stack<L, Seq<G, CircuitBreaker>, Judged<C>>
    where
        C: Judge,
    {
        let breaker = breaker.into();
        breaker.join(&self.events);
        self.with_handle(breaker.handle()).judged().push(breaker)
    }

    /// Adds a [load shedder](crate::load_shed), which takes on what the service can do well and refuses the rest at
    /// once. Its settings will do.
    pub fn load_shed<D, X>(self, shed: impl Into<LoadShed<D, X>>) -> Stack<L, Seq<G, LoadShed<D, X>>, Judged<C>>
    where
        C: Judge,
    {
        let shed = shed.into();
        shed.join(&self.events);
        self.with_handle(shed.handle()).judged().push(shed)
    }

    /// Adds a [`meter`](crate::meter), which counts the calls that get this far, how they end, and how long they take.
    /// Its name will do.
    pub fn metered(self, meter: impl Into<Meter>) -> Stack<L, Seq<G, Meter>, Judged<C>>
    where
        C: Judge,
    {
        let meter = meter.into();
        meter.join(&self.events);
        self.with_handle(meter.handle()).judged().push(meter)
    }

    /// Adds any other tower layer. It may change requests, answers and errors. An optional one, a timeout or a retry of
    /// ours included, goes into `tower::util::option_layer`; an optional gate goes to [`gate`](Self::gate).
    pub fn layer<M>(self, layer: M) -> Within<M, L, G, C>
    where
        G: Close<C>,
        C: Clone,
    {
        self.with_handle(Opaque::new::<M>("layer")).nest(layer)
    }

    /// Adds a [rate limit](crate::rate_limit): no more often than that. Its settings or a single
    /// [`Quota`](crate::rate_limit::Quota) will do.
    pub fn rate_limit<W, X, D>(self, limit: impl Into<RateLimit<W, X, D>>) -> Stack<L, Seq<G, RateLimit<W, X, D>>, C> {
        let limit = limit.into();
        limit.join(&self.events);
        self.with_handle(limit.handle()).push(limit)
    }

    /// Tries again what failed: takes [`retry::Settings`](crate::retry::Settings), or a
    /// [`RetryLayer`] with a budget or hooks of its own. Results are judged by the stack's judge, unless the layer
    /// has one. See [`retry`](crate::retry).
    #[allow(clippy::type_complexity, reason = "said once, and nobody has to write it")]
    pub fn retry<R, X, K, D>(
        self,
        retry: impl Into<RetryLayer<R, X, K, D>>,
    ) -> Stack<Nest<RetryLayer<R, X::Or<Judged<C>>, K, D>, <G as Close<C>>::Outer<L>>, (), Judged<C>>
    where
        G: Close<C>,
        C: Judge + Clone,
        X: Judge,
    {
        let closed = self.close().judged();
        let retry = retry.into().judged(|own| own.or(closed.judge.clone()));
        retry.join(&closed.events);
        closed.with_handle(retry.handle()).nest(retry)
    }

    /// Adds a [surge queue](crate::surge_queue) in front of its limit: a burst waits its turn. The limit hears how
    /// calls ended. It has to be `Send` and `Sync`, as it is shared with [`control`](Self::control);
    /// [`gate`](Self::gate) takes a queue in front of any limit.
    #[allow(clippy::type_complexity, reason = "said once, and nobody has to write it")]
    pub fn surge_queue<Q, P, T, D, S, X>(
        self,
        queue: SurgeQueue<Q, P, T, D, S, X>,
    ) -> Stack<L, Seq<G, SurgeQueue<Q, P, T, D, S, X>>, Judged<C>>
    where
        Q: Limit<Permit: Send> + Send + Sync + 'static,
        C: Judge,
    {
        queue.join(&self.events);
        self.with_handle(queue.handle()).judged().push(queue)
    }

    /// Adds a [surge queue](crate::surge_queue) in front of a [load shedder](crate::load_shed): what a server needs
    /// against overload. It takes on what can be done well, the important first; lets bursts wait for a moment; and
    /// refuses the rest at once. Settings will do for either. Questions about requests, such as which are exempt, go to
    /// the queue.
    ///
    /// ```
    /// use plimsoll::{Stack, load_shed, request::Priority, surge_queue::{self, SurgeQueue}};
    ///
    /// // All requests alike:
    /// let stack = Stack::new().overload_control(surge_queue::Settings::new(), load_shed::Settings::new());
    /// # let _ = stack;
    ///
    /// // Checkouts first, and no tenant at the cost of the others:
    /// struct Request { checkout: bool, tenant: u64 }
    ///
    /// let queue = SurgeQueue::new(surge_queue::Settings::new())
    ///     .priority_by(|r: &Request| if r.checkout { Priority::Critical } else { Priority::Normal })
    ///     .tenant_by(|r: &Request| r.tenant);
    /// let stack = Stack::new().overload_control(queue, load_shed::Settings::new());
    /// # let _ = stack;
    /// ```
    #[allow(clippy::type_complexity, reason = "said once, and nobody has to write it")]
    pub fn overload_control<P, T, D, S, X>(
        self,
        queue: impl Into<SurgeQueue<Nothing, P, T, D, S, X>>,
        shed: impl Into<LoadShed>,
    ) -> Stack<L, Seq<G, SurgeQueue<LoadShed, P, T, D, S, X>>, Judged<C>>
    where
        C: Judge,
    {
        let shed = shed.into();
        shed.join(&self.events);
        let handle = shed.handle();
        self.surge_queue(queue.into().in_front_of(shed)).with_handle(handle)
    }

    /// Puts the stack around a [router](crate::shuffle_shard), as [`wrap`](Self::wrap) does, and lets the stack's
    /// observer hear what happens in the router. It is the innermost layer: further in, each of its members has a stack
    /// of its own.
    ///
    /// Nothing can come after the router, so this returns the service, and tells the stack itself of the router: from
    /// this call on [`control`](Self::control) reaches it, and [`describe`](Self::describe) lists it, once; a clone made
    /// before knows nothing of it. The router's parts have to be `Send` and `Sync`, as they are shared with `control`;
    /// [`wrap`](Self::wrap) takes any.
    ///
    /// ```
    /// use std::time::Duration;
    /// use plimsoll::{Stack, shuffle_shard::{self, Node, Nodes, ShuffleShard}};
    ///
    /// let nodes = Nodes::try_new(["red", "green"].map(Node::new))?;
    /// let router = ShuffleShard::new(nodes, |_: &Node| {
    ///     Stack::new().service(tower::service_fn(|(): ()| async { Ok::<_, std::io::Error>(()) }))
    /// });
    /// let mut stack = Stack::new().timeout(Duration::from_secs(5));
    /// let service = stack.wrap_router(router);
    /// assert!(stack.control().handle::<shuffle_shard::Handle>("shuffle_shard")?.eject("red"));
    /// # let _ = tower::ServiceExt::oneshot(service, ());
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[allow(clippy::type_complexity, reason = "said once, and nobody has to write it")]
    pub fn wrap_router<S, F, T, A, J, K, R>(
        &mut self,
        router: ShuffleShard<S, F, T, A, J, K, R>,
    ) -> <Self as Layer<ShuffleShard<S, F, T, A, J, K, R>>>::Service
    where
        Self: Layer<ShuffleShard<S, F, T, A, J, K, R>>,
        S: Send + Sync + 'static,
        F: Fn(&Node) -> S + Send + Sync + 'static,
        A: Assign + 'static,
    {
        router.join(&self.events);
        self.seen.add_router(router.handle());
        self.wrap(router)
    }

    /// Lets `judge` say what a result means, for the rooms that are added after this. A closure qualifies, but has to
    /// name its argument's type. The rooms added before keep the judge they had: by default [`Standard`].
    pub fn classify<D>(self, judge: D) -> Stack<<G as Close<C>>::Outer<L>, (), Chosen<D>>
    where
        G: Close<C>,
        C: Clone,
    {
        let closed = self.close();
        Stack { outer: closed.outer, group: (), judge: Chosen(judge), events: closed.events, seen: closed.seen }
    }

    /// Adds a gate to the group; whoever calls this has joined it to the events, and told of it.
    pub(crate) fn push<H>(self, gate: H) -> Stack<L, Seq<G, H>, C> {
        let Self { outer, group, judge, events, seen } = self;
        Stack { outer, group: Seq(group, gate), judge, events, seen }
    }

    /// From here on results are looked at.
    fn judged(self) -> Stack<L, G, Judged<C>>
    where
        C: Judge,
    {
        let Self { outer, group, judge, events, seen } = self;
        Stack { outer, group, judge: judge.or(Standard), events, seen }
    }

    fn close(self) -> Stack<G::Outer<L>, (), C>
    where
        G: Close<C>,
        C: Clone,
    {
        let Self { outer, group, judge, events, seen } = self;
        let outer = group.close(outer, judge.clone(), events.clone());
        Stack { outer, group: (), judge, events, seen }
    }

    /// Adds a layer; whoever calls this has joined it to the events, and told of it.
    pub(crate) fn nest<M>(self, layer: M) -> Within<M, L, G, C>
    where
        G: Close<C>,
        C: Clone,
    {
        let Stack { outer, judge, events, seen, .. } = self.close();
        Stack { outer: Nest::new(layer, outer), group: (), judge, events, seen }
    }
}

#[cfg(feature = "http")]
impl<L, A, B, C> Stack<L, Seq<A, B>, C> {
    /// Lets the gates just before this, back to the last layer that is not a gate, hold their permits until the
    /// response's *body* ends, and not only until its head is there: a stream takes a place for as long as it lasts.
    /// Only over services that answer with `http::Response`. See [`http::hold`](crate::http::hold).
    #[allow(clippy::type_complexity, reason = "said once, and nobody has to write it")]
    pub fn until_body_ends(self) -> Stack<Nest<crate::http::UntilBodyEnds<Seq<A, B>, C>, L>, (), C>
    where
        C: Clone,
    {
        let gates = crate::gate::GateLayer::in_stack(self.group, self.judge.clone(), self.events.clone());
        let outer = Nest::new(crate::http::UntilBodyEnds::new(gates), self.outer);
        Stack { outer, group: (), judge: self.judge, events: self.events, seen: self.seen }
    }
}

/// The judge of a stack in which somebody looks at outcomes: the user's, else [`Standard`].
pub type Judged<C> = <C as Judge>::Or<Standard>;

/// A stack with a layer `M` further in than all before; the gates before it are complete.
pub type Within<M, L, G, C> = Stack<Nest<M, <G as Close<C>>::Outer<L>>, (), C>;

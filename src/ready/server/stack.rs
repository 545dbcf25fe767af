use super::{Asks, Server, TenantLimit, tenants};
use crate::{
    Stack,
    bulkhead::Bulkhead,
    classify::{Chosen, Standard},
    control::Description,
    dead_letter::Discard,
    gate::{Seq, Unless},
    lint::{Rule, Subject, Warning},
    load_shed::LoadShed,
    rate_limit::RateLimit,
    ready::{
        End, Misfit, Perhaps,
        ends::{enter, put},
        misfit::{fitting, noted},
        pool,
    },
    request::Unasked,
    surge_queue::SurgeQueue,
    timeout::TimeoutLayer,
    work_budget::WorkBudget,
};
use tower_layer::{Identity, Stack as Nest};

/// What a [`Server`] becomes: for signatures and fields. Its parameters are the outermost layer and the
/// [questions](Asks), in this order.
pub type ServerStack<O = Identity, P = Unasked, T = Unasked, D = Unasked, X = Unasked, W = Unasked, C = Standard> =
    Stack<Nest<Perhaps<TimeoutLayer<D>>, Nest<O, Identity>>, Seq<(), Gates<P, T, D, X, W>>, Chosen<C>>;

/// The gates of a server, which some requests may pass by.
pub type Gates<P, T, D, X, W> = Unless<X, Four<Queue<P, T, D>, TenantLimit<T, D>, WorkBudget<W, Unasked, D>, Held<D>>>;

/// Overload control.
type Queue<P, T, D> = SurgeQueue<LoadShed, P, T, D, Discard, Unasked>;

type Held<D> = Bulkhead<Unasked, Unasked, D>;

/// Four gates that may each be left out.
type Four<A, B, C, D> = Seq<Seq<Seq<Option<A>, Option<B>>, Option<C>>, Option<D>>;

impl<O, P, T, D, X, W, C> Server<O, Asks<P, T, D, X, W, C>>
where
    O: End + Clone,
    P: Clone,
    T: Clone,
    D: Clone + Send + Sync + 'static,
    X: Clone,
    W: Clone,
    C: Clone,
{
    /// The stack as it is set, with state of its own. What does not fit together, errors included, is only logged, if
    /// feature `tracing` is on; where settings come from elsewhere, use [`try_stack`](Self::try_stack).
    pub fn stack(&self) -> ServerStack<O, P, T, D, X, W, C> {
        let stack = self.build();
        let found = self.look_over(&stack);
        noted(stack, &found)
    }

    /// The stack, if its settings fit together. Warnings are logged, if feature `tracing` is on.
    ///
    /// # Errors
    /// [`Misfit`] if a [rule](crate::lint) that is an error has found something; it says what to change.
    #[allow(clippy::type_complexity, reason = "an alias, and nobody has to write it")]
    pub fn try_stack(&self) -> Result<ServerStack<O, P, T, D, X, W, C>, Misfit> {
        let stack = self.build();
        let found = self.look_over(&stack);
        fitting(stack, found)
    }

    /// What does not fit together: what [`Stack::warnings`] finds, and what only this builder knows.
    pub fn warnings(&self) -> Vec<Warning> {
        self.look_over(&self.build())
    }

    fn build(&self) -> ServerStack<O, P, T, D, X, W, C> {
        let Asks { priority, tenant, deadline, exempt, cost, judge, .. } = self.asks.clone();
        let timeout = self.timeout.map(|settings| TimeoutLayer::new(settings).deadline_by(deadline.clone()));
        let shed = self.overload_control.map(|(_, shed)| LoadShed::new(shed));
        let queue = self.overload_control.zip(shed.clone()).map(|((queue, _), shed)| {
            let queue = SurgeQueue::new(queue).priority_by(priority).tenant_by(tenant.clone());
            queue.deadline_by(deadline.clone()).in_front_of(shed)
        });
        let rate_limit = self.rate_limit.map(|limit| tenants::limit(limit, tenant, deadline.clone()));
        let work = self.work_budget.map(|work| WorkBudget::new(work).cost_by(cost).deadline_by(deadline.clone()));
        let bulkhead = self.bulkhead.map(|bulkhead| Bulkhead::new(bulkhead).deadline_by(deadline));

        let stack = match self.observer.clone() {
            Some(observer) => Stack::new().observe(observer),
            None => Stack::new(),
        };
        let stack = put(stack, self.outermost.clone());
        let stack = enter!(stack, timeout).nest(Perhaps::new(timeout)).classify(judge);
        let stack = enter!(stack, queue);
        let stack = enter!(stack, shed);
        let stack = enter!(stack, rate_limit);
        let stack = enter!(stack, work);
        let stack = enter!(stack, bulkhead);
        stack.push(Unless::new(exempt, Seq(Seq(Seq(queue, rate_limit), work), bulkhead)))
    }

    fn look_over<L, G, J>(&self, stack: &Stack<L, G, J>) -> Vec<Warning> {
        let mut found = self.described(stack).warnings();
        if let (Some((limit, _)), false) = (self.rate_limit, self.asks.knows_tenants) {
            let quota = limit.quotas().first().map_or_else(String::new, ToString::to_string);
            found.push(Warning::new(Rule::OneQuotaForAll, Subject::said(limit.name(), "quota", quota), None));
        }
        found.extend(pool(self.bulkhead, self.pool));
        found
    }

    /// The stack's layers, and one tenant's rate limit, which is none of them.
    fn described<L, G, J>(&self, stack: &Stack<L, G, J>) -> Description {
        match self.rate_limit {
            Some((limit, _)) => stack.control().with(RateLimit::new(limit).handle()).describe(),
            None => stack.describe(),
        }
    }
}

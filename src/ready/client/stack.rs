use tower_layer::{Identity, Stack as Nest};

use super::{Asks, Client};
use crate::{
    Stack,
    builder::Within,
    bulkhead::Bulkhead,
    circuit_breaker::CircuitBreaker,
    classify::{Chosen, Standard},
    gate::{GateLayer, Seq},
    lint::Warning,
    ready::{
        End, Health, Misfit, Perhaps,
        ends::{enter, put},
        misfit::{fitting, noted},
        pool,
    },
    request::Unasked,
    retry::{CloneRequest, RetryLayer},
    timeout::TimeoutLayer,
};

/// What a [`Client`] becomes: for signatures and fields. Its parameters are the [questions](Asks), in this order, and
/// the layers just outside the retry and innermost.
pub type ClientStack<R = CloneRequest, C = Standard, D = Unasked, B = Identity, I = Identity> =
    Within<I, Inside<R, C, D, B>, (), Chosen<Health<C>>>;

/// All layers but the innermost.
type Inside<R, C, D, B> =
    Nest<Perhaps<TimeoutLayer>, Nest<GateLayer<Gates<D>, Chosen<Health<C>>>, Outside<R, C, D, B>>>;

/// The layers down to the retry.
type Outside<R, C, D, B> = Nest<Perhaps<RetryLayer<R, Chosen<C>>>, Nest<B, Nest<Perhaps<TimeoutLayer<D>>, Identity>>>;

/// The gates of a client.
type Gates<D> = Seq<Seq<(), Option<Bulkhead<Unasked, Unasked, D>>>, Option<CircuitBreaker>>;

impl<B, I, R, C, D> Client<B, I, Asks<R, C, D>>
where
    B: End + Clone,
    I: End + Clone,
    R: Clone,
    C: Clone,
    D: Clone,
{
    /// The stack as it is set, with state of its own. What does not fit together, errors included, is only logged, if
    /// feature `tracing` is on; where settings come from elsewhere, use [`try_stack`](Self::try_stack).
    pub fn stack(&self) -> ClientStack<R, C, D, B, I> {
        let stack = self.build();
        let found = self.look_over(&stack);
        noted(stack, &found)
    }

    /// The stack, if its settings fit together. Warnings are logged, if feature `tracing` is on.
    ///
    /// # Errors
    /// [`Misfit`] if a [rule](crate::lint) that is an error has found something; it says what to change.
    pub fn try_stack(&self) -> Result<ClientStack<R, C, D, B, I>, Misfit> {
        let stack = self.build();
        let found = self.look_over(&stack);
        fitting(stack, found)
    }

    /// What does not fit together: what [`Stack::warnings`] finds, and what only this builder knows.
    pub fn warnings(&self) -> Vec<Warning> {
        self.look_over(&self.build())
    }

    fn build(&self) -> ClientStack<R, C, D, B, I> {
        let Asks { replay, judge, deadline } = self.asks.clone();
        let health = Health::of(judge.clone());
        let health = if self.rooms.shedding_fails { health.with_shedding_as_failure() } else { health };
        let total = self.rooms.total.map(|settings| TimeoutLayer::new(settings).deadline_by(deadline.clone()));
        let retry = self.rooms.retry().map(|retry| retry.replay(replay).classify(judge));
        let bulkhead = self.rooms.bulkhead.map(|bulkhead| Bulkhead::new(bulkhead).deadline_by(deadline));
        let breaker = self.rooms.breaker.map(CircuitBreaker::new);
        let attempt = self.rooms.attempt.map(TimeoutLayer::new);

        let stack = match self.observer.clone() {
            Some(observer) => Stack::new().observe(observer),
            None => Stack::new(),
        };
        let stack = enter!(stack, total).nest(Perhaps::new(total));
        let stack = put(stack, self.before.clone());
        let stack = enter!(stack, retry).nest(Perhaps::new(retry)).classify(health);
        let stack = enter!(stack, bulkhead).push(bulkhead);
        let stack = enter!(stack, breaker).push(breaker);
        let stack = enter!(stack, attempt).nest(Perhaps::new(attempt));
        put(stack, self.innermost.clone())
    }

    fn look_over<L, G, J>(&self, stack: &Stack<L, G, J>) -> Vec<Warning> {
        let mut found = stack.warnings();
        found.extend(pool(self.rooms.bulkhead, self.rooms.pool));
        found
    }
}

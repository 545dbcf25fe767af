use std::num::NonZeroU32;

use super::{AT_ONCE, ATTEMPT, Client, TOTAL};
use crate::{
    bulkhead,
    chance::Chance,
    circuit_breaker,
    retry::{self, Budget, RetryLayer, Throttle},
    timeout,
};

/// How the rooms of a client are set, each as long as it is not left out.
#[derive(Clone, Debug)]
pub(super) struct Rooms {
    pub(super) total: Option<timeout::Settings>,
    pub(super) retry: Option<retry::Settings>,
    bound: Bound,
    seed: Option<u64>,
    pub(super) bulkhead: Option<bulkhead::Settings>,
    pub(super) pool: Option<u32>,
    pub(super) breaker: Option<circuit_breaker::Settings>,
    pub(super) shedding_fails: bool,
    pub(super) attempt: Option<timeout::Settings>,
}

const TOTAL_NAME: &str = "timeout.total";
const ATTEMPT_NAME: &str = "timeout.attempt";

/// What bounds retries.
#[derive(Clone, Debug)]
enum Bound {
    /// A budget with its defaults, of each stack's own.
    Own,
    Budget(Budget),
    Throttle(Throttle),
    Nothing,
}

impl Rooms {
    pub(super) fn new() -> Self {
        Self {
            total: Some(timeout::Settings::new(TOTAL).with_name(TOTAL_NAME)),
            retry: Some(retry::Settings::new()),
            bound: Bound::Own,
            seed: None,
            bulkhead: Some(bulkhead::Settings::new(NonZeroU32::new(AT_ONCE).unwrap_or(NonZeroU32::MIN))),
            pool: None,
            breaker: Some(circuit_breaker::Settings::new()),
            shedding_fails: false,
            attempt: Some(timeout::Settings::new(ATTEMPT).with_name(ATTEMPT_NAME)),
        }
    }

    /// The retry, without its hooks.
    pub(super) fn retry(&self) -> Option<RetryLayer> {
        let retry = RetryLayer::new(self.retry?);
        let retry = match self.bound.clone() {
            Bound::Own => retry,
            Bound::Budget(budget) => retry.budget(budget),
            Bound::Throttle(throttle) => retry.throttle(throttle),
            Bound::Nothing => retry.without_budget(),
        };
        Some(match self.seed {
            Some(seed) => retry.chance(Chance::seeded(seed)),
            None => retry,
        })
    }
}

impl<B, I, A> Client<B, I, A> {
    /// Gives a call at most this long, all attempts and pauses included; a `Duration` will do. Without a name of
    /// its own it is called `timeout.total`.
    /// With `Duration::MAX` only the deadlines that requests bring count.
    pub fn with_total_timeout(mut self, timeout: impl Into<timeout::Settings>) -> Self {
        self.rooms.total = Some(named(timeout.into(), TOTAL_NAME));
        self
    }

    /// Bounds no call as a whole.
    pub const fn without_total_timeout(mut self) -> Self {
        self.rooms.total = None;
        self
    }

    /// Sets how often a request is tried again, and after what pauses.
    pub const fn with_retry(mut self, retry: retry::Settings) -> Self {
        self.rooms.retry = Some(retry);
        self
    }

    /// Draws retries on `budget`, which others may draw on too: all stacks for one callee, say.
    pub fn with_budget(mut self, budget: Budget) -> Self {
        self.rooms.bound = Bound::Budget(budget);
        self
    }

    /// Bounds retries as gRPC clients do, in place of a budget.
    pub fn with_throttle(mut self, throttle: Throttle) -> Self {
        self.rooms.bound = Bound::Throttle(throttle);
        self
    }

    /// Bounds retries by nothing but the number of attempts: a callee that is down gets its load times that number.
    /// This [gives a warning](crate::lint::Rule::RetryWithoutBudget).
    pub fn without_budget(mut self) -> Self {
        self.rooms.bound = Bound::Nothing;
        self
    }

    /// Draws the pauses from this seed: for tests, which then repeat.
    pub const fn with_seed(mut self, seed: u64) -> Self {
        self.rooms.seed = Some(seed);
        self
    }

    /// Lets at most so many attempts be under way at once.
    pub const fn with_bulkhead(mut self, bulkhead: bulkhead::Settings) -> Self {
        self.rooms.bulkhead = Some(bulkhead);
        self
    }

    /// Lets any number of attempts be under way.
    pub const fn without_bulkhead(mut self) -> Self {
        self.rooms.bulkhead = None;
        self
    }

    /// Says how many connections the pool behind the bulkhead has. This changes nothing, but a wider bulkhead is [an
    /// error](crate::lint::Rule::LimitAbovePool).
    pub const fn with_pool(mut self, places: u32) -> Self {
        self.rooms.pool = Some(places);
        self
    }

    /// Sets when the circuit opens, and for how long.
    pub const fn with_circuit_breaker(mut self, breaker: circuit_breaker::Settings) -> Self {
        self.rooms.breaker = Some(breaker);
        self
    }

    /// Goes on calling what keeps failing.
    pub const fn without_circuit_breaker(mut self) -> Self {
        self.rooms.breaker = None;
        self
    }

    /// Lets the circuit open also when a callee only sheds load. By default it does not: see
    /// [`Health`](super::super::Health).
    pub const fn with_shedding_as_failure(mut self) -> Self {
        self.rooms.shedding_fails = true;
        self
    }

    /// Gives each attempt at most this long; a `Duration` will do. Without a name of its own it is called
    /// `timeout.attempt`.
    pub fn with_attempt_timeout(mut self, timeout: impl Into<timeout::Settings>) -> Self {
        self.rooms.attempt = Some(named(timeout.into(), ATTEMPT_NAME));
        self
    }

    /// Bounds no attempt by itself. The circuit breaker then notices a callee that hangs only by the calls that the
    /// total timeout cuts off.
    pub const fn without_attempt_timeout(mut self) -> Self {
        self.rooms.attempt = None;
        self
    }

    /// Names retry, bulkhead and circuit breaker, as far as they are there, after the callee: in refusals, events and
    /// handles.
    pub fn with_name(mut self, name: &'static str) -> Self {
        let Rooms { retry, bulkhead, breaker, .. } = &mut self.rooms;
        *retry = retry.map(|settings| settings.with_name(name));
        *bulkhead = bulkhead.map(|settings| settings.with_name(name));
        *breaker = breaker.map(|settings| settings.with_name(name));
        self
    }
}

/// These settings, named after their place unless they have a name of their own.
fn named(settings: timeout::Settings, name: &'static str) -> timeout::Settings {
    let unnamed = timeout::Settings::new(settings.limit());
    if settings == unnamed { unnamed.with_name(name) } else { settings }
}

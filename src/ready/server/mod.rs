//! A server's stack: its settings.

mod asks;
mod stack;
mod tenants;

use std::{fmt, time::Duration};

use tower_layer::Identity;

pub use self::{
    asks::Asks,
    stack::{Gates, ServerStack},
    tenants::{ByTenant, Quotas, TenantLimit},
};
use super::{End, observer::Shared};
use crate::{bulkhead, event::Observer, keyed, load_shed, rate_limit, surge_queue, timeout, work_budget};

/// A server's stack, to be set and built: see the [page](super) for what is in it, in which order, and why.
///
/// It is a plain value: [`stack`](Self::stack) may be called more than once, and returns a stack with state of its own
/// each time. Its type parameters are `O`, the outermost layer, and `A`, the questions; nobody has to write them.
#[derive(Clone)]
#[must_use]
pub struct Server<O = Identity, A = Asks> {
    outermost: O,
    timeout: Option<timeout::Settings>,
    overload_control: Option<(surge_queue::Settings, load_shed::Settings)>,
    rate_limit: Option<(rate_limit::Settings, keyed::Settings)>,
    work_budget: Option<work_budget::Settings>,
    bulkhead: Option<bulkhead::Settings>,
    pool: Option<u32>,
    observer: Option<Shared>,
    asks: A,
}

impl Server {
    /// The defaults: a timeout, and overload control.
    pub fn new() -> Self {
        Self {
            outermost: Identity::new(),
            timeout: Some(timeout::Settings::new(Duration::from_secs(10))),
            overload_control: Some((surge_queue::Settings::new(), load_shed::Settings::new())),
            rate_limit: None,
            work_budget: None,
            bulkhead: None,
            pool: None,
            observer: None,
            asks: Asks::NONE,
        }
    }
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

/// Where a tenant's rate limit is kept: under a name that says so.
const TENANTS: keyed::Settings = keyed::Settings::new().with_name("rate_limit.tenants");

impl<O, A> Server<O, A> {
    /// Puts another layer outermost, which answers refused callers. The stacks for HTTP and gRPC have one, and set it
    /// themselves.
    pub fn outermost<New: End>(self, outermost: New) -> Server<New, A> {
        self.map(|_| outermost, |asks| asks)
    }

    /// Gives a call at most this long, waiting included; a `Duration` will do. With `Duration::MAX` only the deadlines
    /// that requests bring count.
    pub fn with_timeout(mut self, timeout: impl Into<timeout::Settings>) -> Self {
        self.timeout = Some(timeout.into());
        self
    }

    /// Bounds no call in time; requests' deadlines only end their waiting.
    pub fn without_timeout(mut self) -> Self {
        self.timeout = None;
        self
    }

    /// Sets the queue and the load shedder behind it.
    pub const fn with_overload_control(mut self, queue: surge_queue::Settings, shed: load_shed::Settings) -> Self {
        self.overload_control = Some((queue, shed));
        self
    }

    /// Has neither queue nor load shedder: for where it is known how many requests can be served at once, and a
    /// [bulkhead](Self::with_bulkhead) has that number.
    pub const fn without_overload_control(mut self) -> Self {
        self.overload_control = None;
        self
    }

    /// Limits how often requests may come: each [tenant](Self::tenant_by) has this quota, and all requests without a
    /// tenant have one together. A single [`Quota`](rate_limit::Quota) will do.
    pub fn with_rate_limit(mut self, limit: impl Into<rate_limit::Settings>) -> Self {
        let tenants = self.rate_limit.map_or(TENANTS, |(_, tenants)| tenants);
        self.rate_limit = Some((limit.into(), tenants));
        self
    }

    /// As [`with_rate_limit`](Self::with_rate_limit), and says how many tenants are remembered, and for how long.
    pub fn with_rate_limit_of(mut self, limit: impl Into<rate_limit::Settings>, tenants: keyed::Settings) -> Self {
        self.rate_limit = Some((limit.into(), tenants));
        self
    }

    /// Has no rate limit, which is the default.
    pub const fn without_rate_limit(mut self) -> Self {
        self.rate_limit = None;
        self
    }

    /// Bounds the work that is done at once, and by each request, by what requests [cost](Self::cost_by).
    pub const fn with_work_budget(mut self, budget: work_budget::Settings) -> Self {
        self.work_budget = Some(budget);
        self
    }

    /// Has no work budget, which is the default.
    pub const fn without_work_budget(mut self) -> Self {
        self.work_budget = None;
        self
    }

    /// Lets in at most so many requests at once: for something behind it whose number is known, such as a connection
    /// pool.
    pub const fn with_bulkhead(mut self, bulkhead: bulkhead::Settings) -> Self {
        self.bulkhead = Some(bulkhead);
        self
    }

    /// Has no bulkhead, which is the default.
    pub const fn without_bulkhead(mut self) -> Self {
        self.bulkhead = None;
        self
    }

    /// Says how many places the pool behind the bulkhead has. This changes nothing, but a wider bulkhead is [an
    /// error](crate::lint::Rule::LimitAbovePool).
    pub const fn with_pool(mut self, places: u32) -> Self {
        self.pool = Some(places);
        self
    }

    /// Lets `observer` hear what happens in every room.
    pub fn observe(mut self, observer: impl Observer + 'static) -> Self {
        self.observer = Some(Shared::new(observer));
        self
    }

    /// The same with another end and other questions.
    fn map<P, B>(self, end: impl FnOnce(O) -> P, ask: impl FnOnce(A) -> B) -> Server<P, B> {
        let Self { outermost, timeout, overload_control, rate_limit, work_budget, bulkhead, pool, observer, asks } =
            self;
        let (outermost, asks) = (end(outermost), ask(asks));
        Server { outermost, timeout, overload_control, rate_limit, work_budget, bulkhead, pool, observer, asks }
    }
}

/// Whatever the questions are: closures are not `Debug`.
impl<O, A> fmt::Debug for Server<O, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("timeout", &self.timeout)
            .field("overload_control", &self.overload_control)
            .field("rate_limit", &self.rate_limit)
            .field("work_budget", &self.work_budget)
            .field("bulkhead", &self.bulkhead)
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}

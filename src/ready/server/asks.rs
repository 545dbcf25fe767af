use super::Server;
use crate::{classify::Standard, request::Unasked};

/// The questions that a [`Server`] asks about requests and results, each once for all rooms: `P` how important, `T`
/// whose, `D` by when, `X` whether exempt, `W` at what cost, `C` how the call went.
#[derive(Clone, Copy, Debug)]
pub struct Asks<P = Unasked, T = Unasked, D = Unasked, X = Unasked, W = Unasked, C = Standard> {
    pub(super) priority: P,
    pub(super) tenant: T,
    pub(super) deadline: D,
    pub(super) exempt: X,
    pub(super) cost: W,
    pub(super) judge: C,
    pub(super) knows_tenants: bool,
}

impl Asks {
    /// Nothing is asked.
    pub(super) const NONE: Self = Self {
        priority: Unasked,
        tenant: Unasked,
        deadline: Unasked,
        exempt: Unasked,
        cost: Unasked,
        judge: Standard,
        knows_tenants: false,
    };
}

impl<O, P, T, D, X, W, C> Server<O, Asks<P, T, D, X, W, C>> {
    /// Says how important a request is, `|r: &Req| r.priority`: the queue serves the important first. Asked only when
    /// there is no place at once. By default all are alike.
    pub fn priority_by<F>(self, priority: F) -> Server<O, Asks<F, T, D, X, W, C>> {
        self.ask(|asks| {
            let Asks { tenant, deadline, exempt, cost, judge, knows_tenants, .. } = asks;
            Asks { priority, tenant, deadline, exempt, cost, judge, knows_tenants }
        })
    }

    /// Says whose a request is, `|r: &Req| r.tenant`, a `u64`: in the queue tenants take turns, and each has its own
    /// rate limit, if there is one. By default there are no tenants.
    pub fn tenant_by<F>(self, tenant: F) -> Server<O, Asks<P, F, D, X, W, C>> {
        self.ask(|asks| {
            let Asks { priority, deadline, exempt, cost, judge, .. } = asks;
            Asks { priority, tenant, deadline, exempt, cost, judge, knows_tenants: true }
        })
    }

    /// Says by when the caller wants an answer, `|r: &Req| r.deadline`: the call ends then, or by the timeout if that
    /// is earlier, and nobody waits for longer. By default the timeout alone counts.
    pub fn deadline_by<F>(self, deadline: F) -> Server<O, Asks<P, T, F, X, W, C>> {
        self.ask(|asks| {
            let Asks { priority, tenant, exempt, cost, judge, knows_tenants, .. } = asks;
            Asks { priority, tenant, deadline, exempt, cost, judge, knows_tenants }
        })
    }

    /// Says which requests are exempt, `|r: &Req| r.path == "/health"`: they bypass all gates, so they are neither
    /// refused nor counted, and do not wait. The timeout holds for them as well. By default none are.
    pub fn exempt_by<F>(self, exempt: F) -> Server<O, Asks<P, T, D, F, W, C>> {
        self.ask(|asks| {
            let Asks { priority, tenant, deadline, cost, judge, knows_tenants, .. } = asks;
            Asks { priority, tenant, deadline, exempt, cost, judge, knows_tenants }
        })
    }

    /// Says what a request costs, `|r: &Req| Cost::fuel(r.rows)`, to the work budget, if there is one. By default all
    /// cost one seat.
    pub fn cost_by<F>(self, cost: F) -> Server<O, Asks<P, T, D, X, F, C>> {
        self.ask(|asks| {
            let Asks { priority, tenant, deadline, exempt, judge, knows_tenants, .. } = asks;
            Asks { priority, tenant, deadline, exempt, cost, judge, knows_tenants }
        })
    }

    /// Judges results: only a success tells the load shedder how long a call takes. By default every answer is one.
    pub fn classify<F>(self, judge: F) -> Server<O, Asks<P, T, D, X, W, F>> {
        self.ask(|asks| {
            let Asks { priority, tenant, deadline, exempt, cost, knows_tenants, .. } = asks;
            Asks { priority, tenant, deadline, exempt, cost, judge, knows_tenants }
        })
    }

    fn ask<B>(self, ask: impl FnOnce(Asks<P, T, D, X, W, C>) -> B) -> Server<O, B> {
        self.map(|end| end, ask)
    }
}

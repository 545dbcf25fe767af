//! A rate limit for each tenant.

use crate::{
    control::Control,
    keyed::{self, Keyed},
    rate_limit::{self, RateLimit},
    request::{KeyOf, TenantOf, Unasked},
};

/// A rate limit for each tenant, and one for all together who have none.
pub type TenantLimit<T = Unasked, D = Unasked> =
    Keyed<Option<u64>, RateLimit<Unasked, Unasked, D>, ByTenant<T>, Quotas<D>>;

/// Makes a tenant's rate limit.
pub type Quotas<D = Unasked> = Box<dyn Fn(&Option<u64>) -> RateLimit<Unasked, Unasked, D> + Send + Sync>;

/// The key of a request is its tenant.
#[derive(Clone, Copy, Debug, Default)]
pub struct ByTenant<T>(T);

impl<Req, T: TenantOf<Req>> KeyOf<Req> for ByTenant<T> {
    type Key = Option<u64>;

    #[inline]
    fn key(&self, req: &Req) -> Option<u64> {
        self.0.tenant(req)
    }
}

/// A limit like this for each tenant.
pub(super) fn limit<T, D>(
    (settings, tenants): (rate_limit::Settings, keyed::Settings),
    tenant: T,
    deadline: D,
) -> TenantLimit<T, D>
where
    D: Clone + Send + Sync + 'static,
{
    let make: Quotas<D> = Box::new(move |_| RateLimit::new(settings).deadline_by(deadline.clone()));
    // All have the same, so any tells what each has; no tenant is one of them.
    Keyed::of(tenants, ByTenant(tenant), make).described_as(None, |limit, page| limit.handle().tell(page))
}

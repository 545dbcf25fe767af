//! Who calls: three classes, ten tenants, and the headers that say so.

use http::{HeaderMap, HeaderValue};
use plimsoll::request::Priority;
use rand::{Rng, RngExt};

/// The classes, and the share of the requests that is of each.
pub(crate) const CLASSES: [(Priority, f64); 3] =
    [(Priority::Critical, 0.1), (Priority::Normal, 0.6), (Priority::Sheddable, 0.3)];

/// Tenants that share the service.
pub(crate) const TENANTS: u64 = 10;

/// The one of them that is noisy, where one is.
pub(crate) const NOISY: u64 = 0;

const CLASS: &str = "x-class";
const TENANT: &str = "x-tenant";

/// Whose a request is, and how important.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) class: Priority,
    pub(crate) tenant: u64,
}

impl Caller {
    /// Any one of them, of any class.
    pub(crate) fn any(rng: &mut impl Rng) -> Self {
        let mut left: f64 = rng.random();
        let class = CLASSES.into_iter().find_map(|(class, share)| {
            left -= share;
            (left < 0.0).then_some(class)
        });
        Self { class: class.unwrap_or(Priority::Sheddable), tenant: rng.random_range(0..TENANTS) }
    }

    /// Any one of them, where the noisy tenant makes `noise` of all requests. All are of one class: classes come before
    /// tenants, and this is to show what tenants do.
    pub(crate) fn with_noise(rng: &mut impl Rng, noise: f64) -> Self {
        let tenant = if rng.random_bool(noise) { NOISY } else { rng.random_range(NOISY + 1..TENANTS) };
        Self { class: Priority::Normal, tenant }
    }

    /// Says in the headers who it is.
    pub(crate) fn sign(self, headers: &mut HeaderMap) {
        headers.insert(CLASS, HeaderValue::from(self.class.level() as u64));
        headers.insert(TENANT, HeaderValue::from(self.tenant));
    }

    /// What the headers say. This server believes them because there is no client but the example's own. Elsewhere
    /// nobody may choose his class by himself, or his tenant: under overload everybody would be critical, and each
    /// request a tenant. Take the class from the route, and the tenant from what has been authenticated.
    pub(crate) fn read(headers: &HeaderMap) -> Self {
        let number = |name| headers.get(name)?.to_str().ok()?.parse().ok();
        Self {
            class: number(CLASS).map_or(Priority::default(), |level| Priority::from_level(level as u32)),
            tenant: number(TENANT).unwrap_or(u64::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn what_is_signed_is_read() {
        for (class, _) in CLASSES {
            let (mut headers, caller) = (HeaderMap::new(), Caller { class, tenant: 7 });
            caller.sign(&mut headers);
            assert_eq!(Caller::read(&headers), caller);
        }
    }

    #[test]
    fn who_says_nothing_is_normal_and_not_of_any_tenant() {
        assert_eq!(Caller::read(&HeaderMap::new()), Caller { class: Priority::Normal, tenant: u64::MAX });
    }

    fn share(callers: &[Caller], of: impl Fn(&Caller) -> bool) -> f64 {
        callers.iter().filter(|caller| of(caller)).count() as f64 / callers.len() as f64
    }

    #[test]
    fn classes_come_in_their_shares_and_tenants_alike() {
        let mut rng = rand::rngs::StdRng::seed_from_u64(1);
        let callers: Vec<_> = (0..10_000).map(|_| Caller::any(&mut rng)).collect();
        for (class, expected) in CLASSES {
            assert!((share(&callers, |caller| caller.class == class) - expected).abs() < 0.02, "{class:?}");
        }
        for tenant in 0..TENANTS {
            assert!((share(&callers, |caller| caller.tenant == tenant) - 0.1).abs() < 0.02, "{tenant}");
        }
    }

    #[test]
    fn the_noisy_one_comes_more_often_than_the_others() {
        let mut rng = rand::rngs::StdRng::seed_from_u64(1);
        let callers: Vec<_> = (0..10_000).map(|_| Caller::with_noise(&mut rng, 0.7)).collect();
        assert!((share(&callers, |caller| caller.tenant == NOISY) - 0.7).abs() < 0.02);
        for tenant in NOISY + 1..TENANTS {
            assert!((share(&callers, |caller| caller.tenant == tenant) - 0.3 / 9.0).abs() < 0.01, "{tenant}");
        }
    }
}

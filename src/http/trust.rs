use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use ::http::{HeaderMap, HeaderName};

use super::{headed::Headed, priority::priority, time_left::TimeLeft};
use crate::{
    clock::{self, Instant},
    request::{DeadlineOf, Priority, PriorityOf, TenantOf},
};

/// Whether a request comes from somebody whose headers are believed. A closure such as
/// `|req: &Request<B>| req.extensions().get::<Verified>().is_some()` qualifies.
pub trait Trust<Req> {
    /// Whether this one does.
    fn trusts(&self, req: &Req) -> bool;
}

impl<F: Fn(&Req) -> bool, Req> Trust<Req> for F {
    #[inline]
    fn trusts(&self, req: &Req) -> bool {
        self(req)
    }
}

/// Believes every request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Everybody;

impl<Req> Trust<Req> for Everybody {
    #[inline]
    fn trusts(&self, _: &Req) -> bool {
        true
    }
}

/// Reads deadline, priority and tenant from the headers of trusted callers.
///
/// Whoever sets these decides who is served under overload, so you have to say who may: strangers would all be
/// critical, and each a new tenant. Headers of callers that are not trusted are ignored.
///
/// ```
/// use std::time::Duration;
/// use http::{HeaderName, Request};
/// use plimsoll::{
///     Stack,
///     http::{TimeLeft, Trusted},
///     load_shed,
///     surge_queue::{self, SurgeQueue},
///     timeout::TimeoutLayer,
/// };
///
/// # #[derive(Clone)] struct Verified;
/// // Set by what checks certificates:
/// let inside = Trusted::when(|req: &Request<()>| req.extensions().get::<Verified>().is_some());
///
/// let timeout = TimeoutLayer::new(Duration::from_secs(10)).deadline_by(inside.deadline(TimeLeft::envoy()));
/// let queue = SurgeQueue::new(surge_queue::Settings::new())
///     .priority_by(inside.priority())
///     .tenant_by(inside.tenant(HeaderName::from_static("x-tenant")));
/// let stack = Stack::new().timeout(timeout).overload_control(queue, load_shed::Settings::new());
/// # let _ = stack.service(tower::service_fn(|_: Request<()>| async { Ok::<_, std::io::Error>(http::Response::new(())) }));
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Trusted<T = Everybody> {
    trust: T,
}

impl Trusted {
    /// Believes every request: for a service that nobody outside can reach.
    pub const fn everybody() -> Self {
        Self { trust: Everybody }
    }
}

impl<T> Trusted<T> {
    /// Believes the requests that `trust` accepts.
    pub const fn when(trust: T) -> Self {
        Self { trust }
    }
}

impl<T: Clone> Trusted<T> {
    /// How long the caller will wait: for [`TimeoutLayer::deadline_by`](crate::timeout::TimeoutLayer::deadline_by) and
    /// its like. At most an hour, as nobody waits that long; [change it](Believed::with_longest) if somebody does.
    pub fn deadline(&self, header: TimeLeft) -> Believed<T, Deadline> {
        self.believe(Deadline { header, longest: Duration::from_secs(3600), margin: Duration::ZERO })
    }

    /// How urgent the request is, by the `Priority` field of [RFC 9218](https://www.rfc-editor.org/rfc/rfc9218): for
    /// [`SurgeQueue::priority_by`](crate::surge_queue::SurgeQueue::priority_by).
    ///
    /// | urgency | class |
    /// |---|---|
    /// | `u=0` to `u=2` | [`Critical`](Priority::Critical) |
    /// | `u=3`, the RFC's default, also where the field says nothing intelligible | [`Normal`](Priority::Normal) |
    /// | `u=4` to `u=6` | [`Sheddable`](Priority::Sheddable) |
    /// | `u=7`, which the RFC keeps for the background | [`Background`](Priority::Background) |
    pub fn priority(&self) -> Believed<T, Urgency> {
        self.believe(Urgency)
    }

    /// Whose the request is, by a header of this name: for
    /// [`SurgeQueue::tenant_by`](crate::surge_queue::SurgeQueue::tenant_by). The number is a hash of the value under a
    /// random key: nobody can choose it, and it differs from process to process. A value may be anything; an empty one,
    /// or a header that occurs twice, counts as none.
    pub fn tenant(&self, header: HeaderName) -> Believed<T, Tenant> {
        self.believe(Tenant { header, hash: RandomState::new() })
    }

    fn believe<What>(&self, what: What) -> Believed<T, What> {
        Believed { trust: self.trust.clone(), what }
    }
}

/// What headers say about a request, if its sender is [`Trusted`].
#[derive(Clone, Debug)]
pub struct Believed<T, What> {
    trust: T,
    what: What,
}

/// The question: when is the answer of no use any more?
#[derive(Clone, Debug)]
pub struct Deadline {
    header: TimeLeft,
    longest: Duration,
    margin: Duration,
}

/// The question: how urgent is a request?
#[derive(Clone, Copy, Debug, Default)]
pub struct Urgency;

/// The question: whose is a request?
#[derive(Clone, Debug)]
pub struct Tenant {
    header: HeaderName,
    hash: RandomState,
}

impl<T> Believed<T, Deadline> {
    /// Believes no caller to wait longer than this.
    #[must_use]
    pub fn with_longest(mut self, longest: Duration) -> Self {
        self.what.longest = longest;
        self
    }

    /// Ends this much before the caller's deadline, so that a caller that leaves on time, as tonic's clients do, still
    /// hears that the time was not enough. By default not at all.
    #[must_use]
    pub fn with_margin(mut self, margin: Duration) -> Self {
        self.what.margin = margin;
        self
    }
}

impl<T, What> Believed<T, What> {
    #[inline]
    fn headers<'a, Req: Headed>(&self, req: &'a Req) -> Option<&'a HeaderMap>
    where
        T: Trust<Req>,
    {
        self.trust.trusts(req).then(|| req.headers())
    }
}

impl<T: Trust<Req>, Req: Headed> DeadlineOf<Req> for Believed<T, Deadline> {
    fn deadline(&self, req: &Req) -> Option<Instant> {
        let left = self.what.header.read(self.headers(req)?)?;
        Some(clock::now().after(left.min(self.what.longest).saturating_sub(self.what.margin)))
    }
}

impl<T: Trust<Req>, Req: Headed> PriorityOf<Req> for Believed<T, Urgency> {
    fn priority(&self, req: &Req) -> Priority {
        self.headers(req).map_or(Priority::Normal, priority)
    }
}

impl<T: Trust<Req>, Req: Headed> TenantOf<Req> for Believed<T, Tenant> {
    fn tenant(&self, req: &Req) -> Option<u64> {
        let mut values = self.headers(req)?.get_all(&self.what.header).iter();
        let (value, second) = (values.next()?, values.next());
        (second.is_none() && !value.is_empty()).then(|| self.what.hash.hash_one(value.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use ::http::Request;

    use super::*;

    const TENANT: HeaderName = HeaderName::from_static("x-tenant");
    const LEFT: TimeLeft = TimeLeft::millis(HeaderName::from_static("x-left"));

    fn request(fields: &[(&str, &str)]) -> Request<()> {
        fields
            .iter()
            .fold(Request::builder(), |request, (name, value)| request.header(*name, *value))
            .body(())
            .expect("good")
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_is_what_is_left_from_now_and_not_longer_than_allowed() {
        let deadline = Trusted::everybody().deadline(LEFT);
        let left = |text| deadline.deadline(&request(&[("x-left", text)])).map(|at| at.since(clock::now()));
        assert_eq!(left("250"), Some(Duration::from_millis(250)));
        assert_eq!(left("0"), Some(Duration::ZERO));
        assert_eq!(left("99999999999999999999999"), Some(Duration::from_secs(3600)));
        assert_eq!(left("-1"), None);
        assert_eq!(deadline.deadline(&request(&[("x-left", "1"), ("x-left", "2")])), None);
        let impatient = deadline.clone().with_longest(Duration::from_millis(1));
        let at = impatient.deadline(&request(&[("x-left", "250")]));
        assert_eq!(at, Some(clock::now().after(Duration::from_millis(1))));
        let early = deadline.with_margin(Duration::from_millis(50));
        let at = |left| early.deadline(&request(&[("x-left", left)]));
        assert_eq!(at("250"), Some(clock::now().after(Duration::from_millis(200))));
        assert_eq!(at("50"), Some(clock::now()), "at once, and never before");
    }

    #[test]
    fn tenants_differ_and_one_is_always_the_same() {
        let tenant = Trusted::everybody().tenant(TENANT);
        let of = |name| tenant.tenant(&request(&[("x-tenant", name)]));
        assert!(of("a").is_some() && of("a") == of("a") && of("a") != of("b"));
        assert_eq!(tenant.clone().tenant(&request(&[("x-tenant", "a")])), of("a"), "a clone is the same question");
        assert_eq!((of(""), tenant.tenant(&request(&[]))), (None, None));
        assert_eq!(tenant.tenant(&request(&[("x-tenant", "a"), ("x-tenant", "b")])), None, "which one was added?");
    }

    #[test]
    fn of_a_stranger_nothing_is_known() {
        let inside = Trusted::when(|req: &Request<()>| req.headers().contains_key("x-inside"));
        let fields = [("x-tenant", "a"), ("x-left", "5"), ("priority", "u=0"), ("x-inside", "yes")];
        let (known, stranger) = (request(&fields), request(&fields[..3]));
        let asked = |req| {
            let (deadline, priority) = (inside.deadline(LEFT), inside.priority());
            (deadline.deadline(req).is_some(), priority.priority(req), inside.tenant(TENANT).tenant(req).is_some())
        };
        assert_eq!(asked(&known), (true, Priority::Critical, true));
        assert_eq!(asked(&stranger), (false, Priority::Normal, false));
    }
}

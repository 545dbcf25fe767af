use super::{Quota, QuotaOf, TellQuota};
use crate::rate_limit::{Handle, Remaining};

impl Quota {
    /// What is left of a rate limit's quota, under this name.
    pub const fn of(name: &'static str, left: &Remaining) -> Self {
        Self::new(name, left.limit as u64).with_window(left.window).left(left.remaining as u64, left.reset)
    }
}

/// One limit that all callers share: the tightest of its quotas is told, under the limit's name, which is also the
/// policy that [`Problems`](crate::http::Problems) name as violated.
impl<Req> QuotaOf<Req> for Handle {
    type Later = Self;

    fn later(&self, _: &Req) -> Self {
        self.clone()
    }
}

/// Takes the limit's lock for a moment.
impl TellQuota for Handle {
    type Quotas = Option<Quota>;

    fn tell(self) -> Option<Quota> {
        let limit = self.snapshot();
        Some(Quota::of(limit.settings.name(), &limit.tightest))
    }
}

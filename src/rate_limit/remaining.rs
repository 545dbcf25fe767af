use std::time::Duration;

use super::{gcra::Gcra, quota::Quota};
use crate::clock::Instant;

/// What is left of a quota at one moment, as the [`RateLimit` header fields] say it.
///
/// | field | parameter | is |
/// |---|---|---|
/// | `RateLimit-Policy` | `q` | [`limit`](Self::limit) |
/// | | `w` | [`window`](Self::window), in seconds, rounded up |
/// | `RateLimit` | `r` | [`remaining`](Self::remaining) |
/// | | `t` | [`reset`](Self::reset), in seconds, rounded up |
///
/// [`RateLimit` header fields]: https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Remaining {
    /// The quota itself.
    pub quota: Quota,
    /// The most cells that there can be: its burst.
    pub limit: u32,
    /// The cells that a request could have now. None while others wait, or while the callee asked to be left alone.
    pub remaining: u32,
    /// How long until all of them are there, if nothing more is taken. Zero if they are.
    pub reset: Duration,
    /// The time in which all of them come back: the quota's period, where the burst is its default.
    pub window: Duration,
}

impl Remaining {
    /// `open` says whether a request could have any.
    pub(super) fn new(gcra: &Gcra, now: Instant, open: bool, paused_until: Instant) -> Self {
        let quota = *gcra.quota();
        Self {
            quota,
            limit: quota.burst().get(),
            remaining: if open { gcra.remaining(now) } else { 0 },
            reset: gcra.full_at().max(paused_until).since(now),
            window: Duration::from_nanos(quota.window()),
        }
    }

    /// The tighter of two: the one with less remaining, or the longer reset.
    pub(super) fn tighter(self, other: Self) -> Self {
        let by_what_is_left = self.remaining.cmp(&other.remaining);
        if by_what_is_left.then(other.reset.cmp(&self.reset)).is_le() { self } else { other }
    }
}

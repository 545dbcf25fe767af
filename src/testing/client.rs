//! How callers behave.

use std::{ops::RangeInclusive, time::Duration};

use super::span::unit;
use crate::{clock::Instant, rejection::Reason};

/// How a caller behaves: how long it waits, and what it does afterwards.
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use]
pub struct Client {
    pub(super) timeout: Duration,
    pub(super) retries: u32,
    pause: (Duration, Duration),
    pub(super) hangs_up: bool,
    pub(super) tells_deadline: bool,
}

impl Client {
    /// Waits a second for each attempt, then drops its future; never retries, and keeps its deadline to itself.
    pub const fn new() -> Self {
        Self {
            timeout: Duration::from_secs(1),
            retries: 0,
            pause: (Duration::ZERO, Duration::ZERO),
            hangs_up: true,
            tells_deadline: false,
        }
    }

    /// How long it waits for each attempt. [`Duration::MAX`] is for ever.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Retries up to this many times after a refusal, a failure or a timeout, each time after a pause drawn uniformly
    /// from `pause`: as naive as most callers are.
    pub const fn retries(mut self, retries: u32, pause: RangeInclusive<Duration>) -> Self {
        self.retries = retries;
        self.pause = (*pause.start(), *pause.end());
        self
    }

    /// The service is not told that a caller has given up: the future of an attempt that timed out is polled to its
    /// end, and its answer comes too late. That is how it is where requests go through a queue, or over HTTP/1 to a
    /// server that does not look at its socket while it works.
    pub const fn goes_unnoticed(mut self) -> Self {
        self.hangs_up = false;
        self
    }

    /// Sends the end of its timeout along with each attempt, in [`Arrival::deadline`].
    pub const fn tells_deadline(mut self) -> Self {
        self.tells_deadline = true;
        self
    }

    /// A pause before the next attempt, in nanoseconds.
    pub(super) fn pause(&self, random: u64) -> u64 {
        let (least, most) = (crate::clock::nanos(self.pause.0), crate::clock::nanos(self.pause.1));
        least + (unit(random) * most.saturating_sub(least) as f64) as u64
    }

    /// The longest that a request of this client can be under way, in nanoseconds.
    pub(super) fn patience(&self) -> u64 {
        let (timeout, pause) = (crate::clock::nanos(self.timeout), crate::clock::nanos(self.pause.0.max(self.pause.1)));
        let retries = u64::from(self.retries);
        timeout.saturating_mul(retries + 1).saturating_add(pause.saturating_mul(retries))
    }
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

/// What is known about an attempt when its request is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Arrival {
    /// The number of the request among those of its load, from 0; the same for all its attempts.
    pub number: u64,
    /// Which attempt this is; the first is 1.
    pub attempt: u32,
    /// The request's class, from 0.
    pub class: u8,
    /// The tenant the request belongs to, from 0.
    pub tenant: u64,
    /// When the client gives up on this attempt, if it [says so](Client::tells_deadline).
    pub deadline: Option<Instant>,
    /// A random number, uniform over `u64`, the same for all attempts of the request and in all runs of the seed.
    pub random: u64,
}

/// How the result of an attempt counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// The caller got what it asked for.
    Success,
    /// Somebody refused to serve the request.
    Refused(Reason),
    /// Anything else.
    Failed,
}

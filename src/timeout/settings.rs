use std::time::Duration;

use crate::settings::InvalidSetting;

/// The settings of a timeout: a plain value. Wherever one is asked for, a [`Duration`] will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Settings {
    name: &'static str,
    limit: Duration,
}

impl Settings {
    /// Calls take at most `limit`. Zero lets through only what is answered at the first poll; [`Duration::MAX`] is no
    /// limit: only the deadlines of requests count then.
    pub const fn new(limit: Duration) -> Self {
        Self { name: "timeout", limit }
    }

    /// As [`new`](Self::new), checked.
    ///
    /// # Errors
    /// [`InvalidSetting`] if `limit` is zero.
    pub fn try_new(limit: Duration) -> Result<Self, InvalidSetting> {
        longer_than_zero("timeout.limit", limit).map(Self::new)
    }

    /// A timeout for a whole call, retries and delays included, and one for each attempt: the first goes outside retry,
    /// the second inside. They are named `timeout.total` and `timeout.attempt`.
    ///
    /// # Errors
    /// [`InvalidSetting`] if either is zero, or if `attempt` is not shorter than `total`: it would never end an attempt
    /// before the call is over.
    pub fn try_total_and_attempt(total: Duration, attempt: Duration) -> Result<(Self, Self), InvalidSetting> {
        let total = longer_than_zero("timeout.total", total)?;
        if attempt.is_zero() || attempt >= total {
            return Err(InvalidSetting::new("timeout.attempt", attempt, "above zero and shorter than the total"));
        }
        Ok((Self::new(total).with_name("timeout.total"), Self::new(attempt).with_name("timeout.attempt")))
    }

    /// The name in its refusals. By default `timeout`.
    pub const fn with_name(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// The name in its refusals.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// How long a call may take; [`Duration::MAX`] is for ever.
    pub const fn limit(&self) -> Duration {
        self.limit
    }
}

impl From<Duration> for Settings {
    fn from(limit: Duration) -> Self {
        Self::new(limit)
    }
}

fn longer_than_zero(setting: &'static str, time: Duration) -> Result<Duration, InvalidSetting> {
    if time.is_zero() { Err(InvalidSetting::new(setting, time, "above zero")) } else { Ok(time) }
}

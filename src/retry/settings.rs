use std::{num::NonZeroU32, time::Duration};

use super::Backoff;
use crate::settings::{InvalidSetting, at_least_one};

/// How often, and after what delays, a request is tried again. The defaults and their reasons are on the
/// [room's page](super#defaults).
///
/// ```
/// use std::time::Duration;
/// use plimsoll::retry::{Backoff, Settings};
///
/// let settings = Settings::new()
///     .with_name("inventory")
///     .try_with_attempts(4)?
///     .with_backoff(Backoff::try_new(Duration::from_millis(20), Duration::from_secs(1))?);
/// assert!(settings.try_with_attempts(0).is_err());
/// # Ok::<_, plimsoll::InvalidSetting>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Settings {
    name: &'static str,
    attempts: NonZeroU32,
    backoff: Backoff,
    max_hint: Duration,
}

impl Settings {
    /// The defaults: three attempts, [`Backoff::new`], and hints up to 20 s.
    pub const fn new() -> Self {
        Self {
            name: "retry",
            attempts: match NonZeroU32::new(3) {
                Some(attempts) => attempts,
                None => NonZeroU32::MIN,
            },
            backoff: Backoff::new(),
            max_hint: Backoff::new().cap(),
        }
    }

    /// The name that events carry.
    pub const fn with_name(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// How often a request is sent at most, the first time included. With one, nothing is retried.
    pub const fn with_attempts(mut self, attempts: NonZeroU32) -> Self {
        self.attempts = attempts;
        self
    }

    /// How often a request is sent at most, the first time included.
    ///
    /// # Errors
    /// [`InvalidSetting`] for zero.
    pub fn try_with_attempts(self, attempts: u32) -> Result<Self, InvalidSetting> {
        Ok(self.with_attempts(at_least_one("retry.attempts", attempts)?))
    }

    /// How long to wait before an attempt.
    pub const fn with_backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// How long a callee may ask to be left alone. One that asks for longer is not called again for this request.
    pub const fn with_max_hint(mut self, max_hint: Duration) -> Self {
        self.max_hint = max_hint;
        self
    }

    /// The name that events carry.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// How often a request is sent at most, the first time included.
    pub const fn attempts(&self) -> NonZeroU32 {
        self.attempts
    }

    /// How long to wait before an attempt.
    pub const fn backoff(&self) -> Backoff {
        self.backoff
    }

    /// How long a callee may ask to be left alone.
    pub const fn max_hint(&self) -> Duration {
        self.max_hint
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::new()
    }
}

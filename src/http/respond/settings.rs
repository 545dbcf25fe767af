use ::http::StatusCode;

use super::hint::spread;
use crate::{
    rejection::{Reason, Rejection},
    settings::{InvalidSetting, Ratio},
};

const REASONS: usize = Reason::ALL.len();

/// What a refused caller is told: a status for each reason, and how exactly when to come back. A plain value.
///
/// ```
/// use plimsoll::{Ratio, Reason, http::respond::Settings};
///
/// let settings = Settings::new()
///     .try_with_status(Reason::Timeout, 503)?       // a proxy in front takes 504 for its own
///     .try_with_grpc_code(Reason::QueueFull, 8)?    // RESOURCE_EXHAUSTED
///     .with_jitter(Ratio::HALF);
/// assert_eq!(settings.status(Reason::Timeout), 503);
/// # Ok::<_, plimsoll::InvalidSetting>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Settings {
    statuses: [StatusCode; REASONS],
    codes: [u8; REASONS],
    jitter: Option<Ratio>,
}

impl Settings {
    /// The statuses of the [table of reasons](Reason), and hints as they are.
    pub const fn new() -> Self {
        let (mut statuses, mut codes) = ([StatusCode::SERVICE_UNAVAILABLE; REASONS], [0; REASONS]);
        let mut at = 0;
        while at < REASONS {
            let reason = Reason::ALL[at];
            if let Ok(status) = StatusCode::from_u16(reason.http_status()) {
                statuses[reason as usize] = status;
            }
            codes[reason as usize] = reason.grpc_code() as u8;
            at += 1;
        }
        Self { statuses, codes, jitter: None }
    }

    /// Answers refusals for this reason with `status`.
    ///
    /// # Errors
    /// [`InvalidSetting`] unless it is an error: 400 to 599.
    pub fn try_with_status(mut self, reason: Reason, status: u16) -> Result<Self, InvalidSetting> {
        let invalid = || InvalidSetting::new("respond.status", status, "from 400 to 599");
        let code = StatusCode::from_u16(status).map_err(|_| invalid())?;
        if !code.is_client_error() && !code.is_server_error() {
            return Err(invalid());
        }
        self.statuses[reason as usize] = code;
        Ok(self)
    }

    /// Answers refusals for this reason over gRPC with `code`.
    ///
    /// # Errors
    /// [`InvalidSetting`] unless it is one of gRPC's errors: 1 to 16.
    pub fn try_with_grpc_code(mut self, reason: Reason, code: i32) -> Result<Self, InvalidSetting> {
        if !(1..=16).contains(&code) {
            return Err(InvalidSetting::new("respond.grpc_code", code, "from 1 to 16"));
        }
        self.codes[reason as usize] = code as u8;
        Ok(self)
    }

    /// Sends callers that find no room (503, and gRPC's 14 `UNAVAILABLE`) away for up to this share longer than
    /// necessary, so that they do not come back all at once. A caller's own rate limit (429) is always told exactly.
    pub const fn with_jitter(mut self, jitter: Ratio) -> Self {
        self.jitter = Some(jitter);
        self
    }

    /// The status for this reason.
    pub const fn status(&self, reason: Reason) -> u16 {
        self.statuses[reason as usize].as_u16()
    }

    /// The gRPC code for this reason.
    pub const fn grpc_code(&self, reason: Reason) -> i32 {
        self.codes[reason as usize] as i32
    }

    /// How much longer than necessary some are sent away.
    pub const fn jitter(&self) -> Option<Ratio> {
        self.jitter
    }

    pub(super) const fn code(&self, reason: Reason) -> StatusCode {
        self.statuses[reason as usize]
    }

    /// `Retry-After` in seconds, where it is known. Rounded up, and never zero: whoever comes back a moment early is refused
    /// again.
    pub(super) fn seconds(&self, rejection: &Rejection, random: impl FnOnce() -> u64) -> Option<u64> {
        let nanos = rejection.retry_after()?.as_nanos();
        let seconds = nanos.div_ceil(1_000_000_000).max(1) as u64;
        let spreads = self.code(rejection.reason()) == StatusCode::SERVICE_UNAVAILABLE;
        Some(spread(seconds, self.jitter.filter(|_| spreads), random))
    }

    /// gRPC's pushback in milliseconds, where it is known: as `seconds`, and at most what the field can say, 24 days.
    pub(super) fn millis(&self, rejection: &Rejection, random: impl FnOnce() -> u64) -> Option<u64> {
        let nanos = rejection.retry_after()?.as_nanos();
        let millis = nanos.div_ceil(1_000_000).max(1) as u64;
        let spreads = self.grpc_code(rejection.reason()) == 14;
        Some(spread(millis, self.jitter.filter(|_| spreads), random).min(i32::MAX as u64))
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn refused(reason: Reason, after: Duration) -> Rejection {
        Rejection::new(reason, "test").with_retry_after(after)
    }

    #[test]
    fn every_reason_begins_with_what_its_table_says() {
        for reason in Reason::ALL {
            assert_eq!(Settings::new().status(*reason), reason.http_status());
            assert_eq!(Settings::new().grpc_code(*reason), reason.grpc_code());
        }
    }

    #[test]
    fn one_reason_is_changed_and_no_other() {
        let settings = Settings::new().try_with_status(Reason::QueueFull, 529).expect("an error");
        let settings = settings.try_with_grpc_code(Reason::QueueFull, 8).expect("an error");
        for reason in Reason::ALL.iter().filter(|reason| **reason != Reason::QueueFull) {
            assert_eq!(settings.status(*reason), reason.http_status());
            assert_eq!(settings.grpc_code(*reason), reason.grpc_code());
        }
        assert_eq!((settings.status(Reason::QueueFull), settings.grpc_code(Reason::QueueFull)), (529, 8));
    }

    #[test]
    fn a_refusal_is_never_told_as_a_success() {
        for status in [0, 99, 100, 200, 204, 304, 399, 600, 999, 1000, u16::MAX] {
            assert!(Settings::new().try_with_status(Reason::Custom, status).is_err(), "{status}");
        }
        for code in [i32::MIN, -1, 0, 17, i32::MAX] {
            assert!(Settings::new().try_with_grpc_code(Reason::Custom, code).is_err(), "{code}");
        }
    }

    #[test]
    fn a_hint_is_rounded_up_and_never_zero() {
        let settings = Settings::new();
        let told = |after| {
            let rejection = refused(Reason::CircuitOpen, after);
            (settings.seconds(&rejection, || 0), settings.millis(&rejection, || 0))
        };
        assert_eq!(told(Duration::ZERO), (Some(1), Some(1)));
        assert_eq!(told(Duration::from_nanos(1_000_000_001)), (Some(2), Some(1001)));
        assert_eq!(told(Duration::from_secs(3)), (Some(3), Some(3000)));
        assert_eq!(told(Duration::MAX), (Some(18_446_744_074), Some(i32::MAX as u64)), "584 years");
        let unknown = Rejection::new(Reason::CircuitOpen, "test");
        assert_eq!((settings.seconds(&unknown, || 0), settings.millis(&unknown, || 0)), (None, None));
    }

    #[test]
    fn who_finds_no_room_is_spread_and_whose_rate_is_limited_is_told_exactly() {
        let settings = Settings::new().with_jitter(Ratio::HALF);
        let ten = Duration::from_secs(10);
        let (full, limited) = (refused(Reason::QueueFull, ten), refused(Reason::RateLimited, ten));
        assert_eq!([0, u64::MAX].map(|random| settings.seconds(&full, || random)), [Some(10), Some(15)]);
        assert_eq!([0, u64::MAX].map(|random| settings.millis(&full, || random)), [Some(10_000), Some(15_000)]);
        assert_eq!(settings.seconds(&limited, || u64::MAX), Some(10));
        assert_eq!(settings.millis(&limited, || u64::MAX), Some(10_000));
    }
}

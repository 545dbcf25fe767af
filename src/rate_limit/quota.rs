use std::{fmt, num::NonZeroU32, time::Duration};

use crate::settings::{InvalidSetting, at_least_one};

/// A number of cells in a period, and at most a burst of them at once: a plain value.
///
/// A *cell* is the unit in which requests are charged; a request costs one, unless
/// [told otherwise](super::RateLimit::cost_by). Cells come back evenly: at ten per second, one each 100 ms.
///
/// ```
/// use std::time::Duration;
/// use plimsoll::rate_limit::Quota;
///
/// # fn main() -> Result<(), plimsoll::InvalidSetting> {
/// let quota = Quota::try_per_second(10)?;
/// assert_eq!(quota, Quota::try_new(10, Duration::from_secs(1))?);
/// assert_eq!(quota.burst().get(), 10);
/// // As often, and never more than two at once:
/// let smooth = quota.try_with_burst(2)?;
/// # let _ = smooth;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Quota {
    cells: NonZeroU32,
    /// In nanoseconds; not zero.
    per: u64,
    burst: NonZeroU32,
}

const SECOND: u64 = 1_000_000_000;
const HUNDRED_YEARS: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

impl Quota {
    /// `cells` each second, and as many at once.
    pub const fn per_second(cells: NonZeroU32) -> Self {
        Self::each(cells, SECOND)
    }

    /// `cells` each minute, and as many at once.
    pub const fn per_minute(cells: NonZeroU32) -> Self {
        Self::each(cells, 60 * SECOND)
    }

    /// `cells` each hour, and as many at once.
    pub const fn per_hour(cells: NonZeroU32) -> Self {
        Self::each(cells, 3600 * SECOND)
    }

    /// `cells` each 24 hours, and as many at once.
    pub const fn per_day(cells: NonZeroU32) -> Self {
        Self::each(cells, 24 * 3600 * SECOND)
    }

    /// As [`per_second`](Self::per_second), from a plain number.
    ///
    /// # Errors
    /// [`InvalidSetting`] if `cells` is zero.
    pub fn try_per_second(cells: u32) -> Result<Self, InvalidSetting> {
        at_least_one("rate_limit.cells", cells).map(Self::per_second)
    }

    /// As [`per_minute`](Self::per_minute), from a plain number.
    ///
    /// # Errors
    /// [`InvalidSetting`] if `cells` is zero.
    pub fn try_per_minute(cells: u32) -> Result<Self, InvalidSetting> {
        at_least_one("rate_limit.cells", cells).map(Self::per_minute)
    }

    /// As [`per_hour`](Self::per_hour), from a plain number.
    ///
    /// # Errors
    /// [`InvalidSetting`] if `cells` is zero.
    pub fn try_per_hour(cells: u32) -> Result<Self, InvalidSetting> {
        at_least_one("rate_limit.cells", cells).map(Self::per_hour)
    }

    /// As [`per_day`](Self::per_day), from a plain number.
    ///
    /// # Errors
    /// [`InvalidSetting`] if `cells` is zero.
    pub fn try_per_day(cells: u32) -> Result<Self, InvalidSetting> {
        at_least_one("rate_limit.cells", cells).map(Self::per_day)
    }

    /// `cells` in each `per`, and as many at once.
    ///
    /// # Errors
    /// [`InvalidSetting`] if either is zero, if `per` is longer than a hundred years, or so short that there would be
    /// eight or more cells a nanosecond, which no clock could tell apart.
    pub fn try_new(cells: u32, per: Duration) -> Result<Self, InvalidSetting> {
        let cells = at_least_one("rate_limit.cells", cells)?;
        let refuse = |allowed| Err(InvalidSetting::new("rate_limit.per", per, allowed));
        if per.is_zero() || per > HUNDRED_YEARS {
            return refuse("longer than nothing and at most a hundred years");
        }
        let per = crate::clock::nanos(per);
        if u64::from(cells.get()) >= per.saturating_mul(8) {
            return refuse("long enough for fewer than eight cells a nanosecond");
        }
        Ok(Self::each(cells, per))
    }

    /// At most `burst` cells at once, after a time without requests. By default as many as the quota has for its whole
    /// period: a caller with a hundred an hour may use them in its first minute. A smaller burst spreads them.
    pub const fn with_burst(mut self, burst: NonZeroU32) -> Self {
        self.burst = burst;
        self
    }

    /// As [`with_burst`](Self::with_burst), from a plain number.
    ///
    /// # Errors
    /// [`InvalidSetting`] if `burst` is zero.
    pub fn try_with_burst(self, burst: u32) -> Result<Self, InvalidSetting> {
        at_least_one("rate_limit.burst", burst).map(|burst| self.with_burst(burst))
    }

    /// How many cells come back each [`per`](Self::per).
    pub const fn cells(&self) -> NonZeroU32 {
        self.cells
    }

    /// The period in which that many come back.
    pub const fn per(&self) -> Duration {
        Duration::from_nanos(self.per)
    }

    /// The most cells there can be at once. A request that costs more can never pass.
    pub const fn burst(&self) -> NonZeroU32 {
        self.burst
    }

    /// The time in which the whole burst comes back, in nanoseconds, rounded up.
    pub(super) const fn window(&self) -> u64 {
        let exact = (self.per as u128 * self.burst.get() as u128).div_ceil(self.cells.get() as u128);
        if exact > u64::MAX as u128 { u64::MAX } else { exact as u64 }
    }

    const fn each(cells: NonZeroU32, per: u64) -> Self {
        Self { cells, per, burst: cells }
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} per {:?}, burst {}", self.cells, self.per(), self.burst)
    }
}

/// As `Display` has it: the field itself is a number of nanoseconds.
impl fmt::Debug for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Elsewhere a function of this name once meant one in so many seconds, and was deployed so.
    #[test]
    fn per_second_is_per_second() {
        let quota = Quota::try_per_second(20).expect("valid");
        assert_eq!((quota.cells().get(), quota.per(), quota.burst().get()), (20, Duration::from_secs(1), 20));
        let hour = Quota::try_per_hour(7).expect("valid");
        assert_eq!((hour.cells().get(), hour.per()), (7, Duration::from_secs(3600)));
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        let setting =
            |quota: Result<Quota, InvalidSetting>| quota.map(|_| "none").unwrap_or_else(|error| error.setting());
        let second = Duration::from_secs(1);
        for zero in [Quota::try_per_second, Quota::try_per_minute, Quota::try_per_hour, Quota::try_per_day] {
            assert_eq!(setting(zero(0)), "rate_limit.cells");
        }
        assert_eq!(setting(Quota::try_new(0, second)), "rate_limit.cells");
        assert_eq!(setting(Quota::try_new(1, Duration::ZERO)), "rate_limit.per");
        assert_eq!(setting(Quota::try_new(1, Duration::MAX)), "rate_limit.per");
        assert_eq!(setting(Quota::try_new(8, Duration::from_nanos(1))), "rate_limit.per");
        assert_eq!(setting(Quota::try_new(7, Duration::from_nanos(1))), "none");
        assert_eq!(setting(Quota::try_new(u32::MAX, second)), "none");
        assert_eq!(setting(Quota::try_new(1, second).and_then(|quota| quota.try_with_burst(0))), "rate_limit.burst");
        let error = Quota::try_per_second(0).expect_err("zero");
        assert_eq!((error.value(), error.allowed()), ("0", "at least 1"));
    }

    #[test]
    fn a_quota_is_printed_for_people() {
        let quota = Quota::try_per_minute(90).and_then(|quota| quota.try_with_burst(10)).expect("valid");
        assert_eq!(format!("{quota} {quota:?}"), "90 per 60s, burst 10 90 per 60s, burst 10");
    }

    #[test]
    fn the_window_is_the_time_of_a_burst() {
        let quota = Quota::try_new(3, Duration::from_secs(1)).and_then(|quota| quota.try_with_burst(2)).expect("valid");
        assert_eq!(quota.window(), 666_666_667);
        let endless = Quota::try_new(1, HUNDRED_YEARS).and_then(|quota| quota.try_with_burst(u32::MAX));
        assert_eq!(endless.expect("valid").window(), u64::MAX);
    }
}

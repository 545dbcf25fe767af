use std::{
    fmt,
    time::{Duration, SystemTime},
};

/// The wall clock, by which HTTP writes dates. It may be set, and be wrong, so nothing else goes by it: a date is
/// turned into a wait as soon as it is read.
///
/// In tests it can be any other clock:
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
/// use plimsoll::http::{ByStatus, Wall};
///
/// let judge = ByStatus::new().wall(Wall::new(|| UNIX_EPOCH + Duration::from_secs(784_111_777)));
/// # let mut headers = http::HeaderMap::new();
/// # headers.insert("retry-after", "Sun, 06 Nov 1994 08:49:47 GMT".parse()?);
/// assert_eq!(judge.retry_after(&headers), Some(Duration::from_secs(10)));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
pub struct Wall(fn() -> SystemTime);

impl Wall {
    /// The system's clock.
    pub const SYSTEM: Self = Self(SystemTime::now);

    /// A clock of your own.
    pub const fn new(now: fn() -> SystemTime) -> Self {
        Self(now)
    }

    /// How long it is until an HTTP date, in any of its three forms; zero if it is past. `None` if it is no date.
    pub(super) fn until(self, date: &str) -> Option<Duration> {
        let date = httpdate::parse_http_date(date).ok()?;
        Some(date.duration_since((self.0)()).unwrap_or(Duration::ZERO))
    }
}

impl Default for Wall {
    fn default() -> Self {
        Self::SYSTEM
    }
}

impl fmt::Debug for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wall")
    }
}

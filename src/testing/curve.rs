//! Numbers that change over time: a rate, a speed, a share.

use std::{f64::consts::TAU, fmt, ops::Range, sync::Arc, time::Duration};

use crate::clock::nanos;

/// A number that changes over time. It begins as one value, and each change added acts on the result of those before
/// it: the last one has the last word. Times count from the start of the run.
///
/// Steps take effect at their nanosecond. Smooth changes (ramps, waves, functions) are held for a millisecond at a
/// time, at the value of its middle. NaN and values below zero count as zero.
///
/// ```
/// use std::time::Duration;
/// use plimsoll::testing::Curve;
///
/// let secs = Duration::from_secs;
/// let rate = Curve::constant(100.0).during(secs(5)..secs(6), 500.0).then(secs(9), 0.0);
/// assert_eq!((rate.at(secs(4)), rate.at(secs(5)), rate.at(secs(6)), rate.at(secs(60))), (100.0, 500.0, 100.0, 0.0));
/// ```
#[derive(Clone)]
#[must_use]
pub struct Curve {
    base: Base,
    changes: Vec<Change>,
}

#[derive(Clone)]
enum Base {
    Constant(f64),
    Of(Arc<dyn Fn(f64) -> f64 + Send + Sync>),
}

/// Times are in nanoseconds.
#[derive(Clone, Copy, Debug)]
enum Change {
    From { start: u64, value: f64 },
    During { start: u64, end: u64, value: f64 },
    Ramp { start: u64, end: u64, value: f64 },
    Wave { period: u64, swing: f64 },
    Every { period: u64, length: u64, value: f64 },
}

/// A value, and until when it holds, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Piece {
    pub(super) value: f64,
    pub(super) until: u64,
}

impl Piece {
    /// Before anything was looked at.
    pub(super) const NONE: Self = Self { value: 0.0, until: 0 };
    /// Nothing for ever.
    pub(super) const NOTHING: Self = Self { value: 0.0, until: u64::MAX };

    /// The sum of both.
    pub(super) fn and(self, other: Self) -> Self {
        Self { value: self.value + other.value, until: self.until.min(other.until) }
    }
}

/// For how long something smooth is held: a millisecond.
const GRAIN: u64 = 1_000_000;

/// What is seen of a curve at one moment.
struct Look {
    value: f64,
    /// The next moment at which it may jump.
    until: u64,
    smooth: bool,
}

impl Curve {
    /// The same value for ever.
    pub const fn constant(value: f64) -> Self {
        Self { base: Base::Constant(value), changes: Vec::new() }
    }

    /// The function `value` of the seconds since the start. It must be pure, or runs do not repeat.
    pub fn of(value: impl Fn(f64) -> f64 + Send + Sync + 'static) -> Self {
        Self { base: Base::Of(Arc::new(value)), changes: Vec::new() }
    }

    /// Is `value` from `start` on.
    pub fn then(self, start: Duration, value: f64) -> Self {
        self.with(Change::From { start: nanos(start), value })
    }

    /// Is `value` during `when`, and then as before.
    pub fn during(self, when: Range<Duration>, value: f64) -> Self {
        self.with(Change::During { start: nanos(when.start), end: nanos(when.end), value })
    }

    /// Goes linearly from what it was to `value`, and stays there.
    pub fn ramp(self, when: Range<Duration>, value: f64) -> Self {
        self.with(Change::Ramp { start: nanos(when.start), end: nanos(when.end), value })
    }

    /// Swings around what it was: multiplied by 1 + `swing` · sin(2π·t / `period`). A period of zero is no wave.
    pub fn wave(self, period: Duration, swing: f64) -> Self {
        self.with(Change::Wave { period: nanos(period), swing })
    }

    /// Is `value` for the first `length` of every `period` but the first one: a pause that comes again and again. A
    /// period shorter than a millisecond never comes.
    pub fn every(self, period: Duration, length: Duration, value: f64) -> Self {
        self.with(Change::Every { period: nanos(period), length: nanos(length), value })
    }

    /// The value at a moment.
    pub fn at(&self, since_start: Duration) -> f64 {
        self.look(nanos(since_start)).value
    }

    /// The value from `at` on, and until when it holds: longer than `at`, unless that is the end of time.
    pub(super) fn piece(&self, at: u64) -> Piece {
        let look = self.look(at);
        if !look.smooth {
            return Piece { value: look.value, until: look.until };
        }
        let until = look.until.min((at / GRAIN + 1).saturating_mul(GRAIN));
        Piece { value: self.look(at + (until - at) / 2).value, until }
    }

    fn with(mut self, change: Change) -> Self {
        self.changes.push(change);
        self
    }

    fn look(&self, at: u64) -> Look {
        let mut look = match &self.base {
            Base::Constant(value) => Look { value: *value, until: u64::MAX, smooth: false },
            Base::Of(value) => Look { value: value(secs(at)), until: u64::MAX, smooth: true },
        };
        for change in &self.changes {
            change.act(at, &mut look);
        }
        look.value = if look.value > 0.0 { look.value.min(MOST) } else { 0.0 };
        look
    }
}

/// More than any rate or speed that can be played.
const MOST: f64 = 1e9;

impl Change {
    fn act(self, at: u64, look: &mut Look) {
        match self {
            Self::From { start, .. } | Self::During { start, .. } | Self::Ramp { start, .. } if at < start => {
                look.until = look.until.min(start);
            }
            Self::During { end, value, .. } if at < end => {
                *look = Look { value, until: look.until.min(end), smooth: false };
            }
            Self::During { .. } => {}
            Self::Ramp { start, end, value } if at < end => {
                let way = (at - start) as f64 / (end - start) as f64;
                let value = look.value + (value - look.value) * way;
                *look = Look { value, until: look.until.min(end), smooth: true };
            }
            Self::From { value, .. } | Self::Ramp { value, .. } => {
                *look = Look { value, until: u64::MAX, smooth: false };
            }
            Self::Wave { period: 0, .. } | Self::Every { period: 0..GRAIN, .. } => {}
            Self::Wave { period, swing } => {
                look.value *= 1.0 + swing * (TAU * (at % period) as f64 / period as f64).sin();
                look.smooth = true;
            }
            Self::Every { period, length, value } => {
                let start = at - at % period;
                let end = start.saturating_add(length.min(period));
                if start > 0 && at < end {
                    *look = Look { value, until: look.until.min(end), smooth: false };
                } else {
                    look.until = look.until.min(start.saturating_add(period));
                }
            }
        }
    }
}

/// As [`Curve::constant`].
impl From<f64> for Curve {
    fn from(value: f64) -> Self {
        Self::constant(value)
    }
}

impl fmt::Debug for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.base {
            Base::Constant(value) => write!(f, "{value}")?,
            Base::Of(_) => f.write_str("a function")?,
        }
        self.changes.iter().try_for_each(|change| write!(f, ", {change:?}"))
    }
}

/// Nanoseconds as seconds.
pub(super) fn secs(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECS: fn(u64) -> Duration = Duration::from_secs;
    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn steps_hold_until_the_nanosecond_of_the_next() {
        let curve = Curve::constant(1.0).during(SECS(2)..SECS(3), 5.0).then(SECS(4), 2.0);
        let mut seen = Vec::new();
        let mut at = 0;
        while at < u64::MAX {
            let piece = curve.piece(at);
            seen.push((at / SECOND, piece.value));
            at = piece.until;
        }
        assert_eq!(seen, [(0, 1.0), (2, 5.0), (3, 1.0), (4, 2.0)]);
    }

    #[test]
    fn a_ramp_is_a_line_of_milliseconds_and_stays_where_it_went() {
        let curve = Curve::constant(0.0).ramp(SECS(0)..SECS(1), 1000.0);
        let half = curve.piece(500_000_000);
        assert!((half.value - 500.5).abs() < 1e-9 && half.until == 501_000_000, "{half:?}");
        assert_eq!(curve.piece(SECOND), Piece { value: 1000.0, until: u64::MAX });
    }

    #[test]
    fn a_pause_comes_again_and_again_but_not_at_the_start() {
        let curve = Curve::constant(1.0).every(SECS(10), SECS(1), 0.0);
        let at = [0, 9, 10, 11, 19, 20].map(|at| curve.at(SECS(at)));
        assert_eq!(at, [1.0, 1.0, 0.0, 1.0, 1.0, 0.0]);
        assert_eq!(curve.piece(0).until, 10 * SECOND);
        assert_eq!(curve.piece(10 * SECOND).until, 11 * SECOND);
    }

    #[test]
    fn nonsense_is_zero_and_time_goes_on() {
        for value in [f64::NAN, -1.0, f64::NEG_INFINITY] {
            assert_eq!(Curve::constant(value).at(SECS(1)), 0.0);
            assert_eq!(Curve::of(move |_| value).at(SECS(1)), 0.0);
        }
        let odd = Curve::constant(1.0)
            .wave(Duration::ZERO, f64::NAN)
            .every(Duration::ZERO, SECS(1), 0.0)
            .every(Duration::from_nanos(1), Duration::MAX, 3.0)
            .ramp(SECS(5)..SECS(5), 1.0)
            .during(SECS(9)..SECS(3), 1.0)
            .wave(Duration::MAX, 0.5);
        for at in [0, 1, SECOND, 5 * SECOND, u64::MAX - 1] {
            assert!(odd.piece(at).until > at, "{at}");
        }
    }
}

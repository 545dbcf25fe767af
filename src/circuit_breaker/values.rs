//! What settings are made of where two numbers must fit one another: each is parsed by one constructor.

use std::{num::NonZeroU32, time::Duration};

use crate::{
    clock::nanos,
    settings::{InvalidSetting, at_least_one},
    stats::{CountWindow, TimeWindow},
};

/// For constants, which are not zero.
pub(super) const fn nonzero(value: u32) -> NonZeroU32 {
    match NonZeroU32::new(value) {
        Some(value) => value,
        None => NonZeroU32::MIN,
    }
}

/// Over which calls the rates are computed, and how many it takes to say anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Window {
    pub(super) shape: Shape,
    pub(super) minimum: NonZeroU32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Calls(NonZeroU32),
    Time(Duration),
}

impl Window {
    /// Exactly the last `size` calls; no rate is computed from fewer than `minimum`. Four bytes for each call.
    ///
    /// # Errors
    /// [`InvalidSetting`] unless `size` is 1 to 1024, and `minimum` 1 to `size`.
    pub fn try_calls(size: u32, minimum: u32) -> Result<Self, InvalidSetting> {
        let in_range = NonZeroU32::new(size).filter(|size| size.get() <= CountWindow::MOST);
        let size =
            in_range.ok_or_else(|| InvalidSetting::new("circuit_breaker.window.size", size, "from 1 to 1024"))?;
        let minimum = NonZeroU32::new(minimum).filter(|minimum| *minimum <= size).ok_or_else(|| {
            InvalidSetting::new("circuit_breaker.window.minimum", minimum, "at least 1 and at most the window's size")
        })?;
        Ok(Self { shape: Shape::Calls(size), minimum })
    }

    /// The calls that ended in the last `length`, in steps of a tenth of it; no rate is computed from fewer than
    /// `minimum`. 240 bytes whatever the traffic. Costs a clock read at the end of each call.
    ///
    /// # Errors
    /// [`InvalidSetting`] if `length` is below 100 ms, or `minimum` is 0.
    pub fn try_time(length: Duration, minimum: u32) -> Result<Self, InvalidSetting> {
        if length < TimeWindow::SHORTEST {
            return Err(InvalidSetting::new("circuit_breaker.window.length", length, "at least 100 ms"));
        }
        let minimum = at_least_one("circuit_breaker.window.minimum", minimum)?;
        Ok(Self { shape: Shape::Time(length), minimum })
    }

    /// How many of the last calls it holds; `None` if it goes by time.
    pub const fn calls(&self) -> Option<NonZeroU32> {
        match self.shape {
            Shape::Calls(size) => Some(size),
            Shape::Time(_) => None,
        }
    }

    /// How long calls stay in it; `None` if it goes by number.
    pub const fn length(&self) -> Option<Duration> {
        match self.shape {
            Shape::Calls(_) => None,
            Shape::Time(length) => Some(length),
        }
    }

    /// The fewest calls from which a rate is computed.
    pub const fn minimum(&self) -> NonZeroU32 {
        self.minimum
    }
}

/// How long a circuit stays open: `first`, then twice as long each time it opens again without having been
/// [calm](super::Settings::with_calm) in between, but never longer than `max`. Up to half of each time is taken off at
/// random, so that many clients of one callee do not return together ("equal jitter": AWS Architecture Blog,
/// *Exponential Backoff and Jitter*).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct OpenTime {
    pub(super) first: Duration,
    pub(super) max: Duration,
}

impl OpenTime {
    /// From `first` to `max`. With a `first` of zero, the next call is always a probe.
    ///
    /// # Errors
    /// [`InvalidSetting`] if `first` is longer than `max`.
    pub fn try_new(first: Duration, max: Duration) -> Result<Self, InvalidSetting> {
        if first <= max {
            Ok(Self { first, max })
        } else {
            Err(InvalidSetting::new("circuit_breaker.open_time.first", first, "at most open_time.max"))
        }
    }

    /// Always the same, apart from the jitter.
    pub const fn constant(duration: Duration) -> Self {
        Self { first: duration, max: duration }
    }

    /// How long it stays open at first.
    pub const fn first(&self) -> Duration {
        self.first
    }

    /// How long it stays open at most.
    pub const fn max(&self) -> Duration {
        self.max
    }

    /// In nanoseconds, without the jitter.
    pub(super) fn backoff(self, streak: u32) -> u64 {
        let doubled = 1_u64.checked_shl(streak.saturating_sub(1)).unwrap_or(u64::MAX);
        nanos(self.first).saturating_mul(doubled).min(nanos(self.max))
    }
}

/// How many calls test a callee that was failing, and how many of them must succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Probes {
    pub(super) successes: NonZeroU32,
    pub(super) of: NonZeroU32,
}

impl Probes {
    /// `successes` of `of`. At most `of` are under way at once; the circuit leaves half-open as soon as `successes` of
    /// them succeeded, and opens again as soon as that many no longer can.
    ///
    /// # Errors
    /// [`InvalidSetting`] unless `of` is 1 to 100 and `successes` 1 to `of`.
    pub fn try_new(successes: u32, of: u32) -> Result<Self, InvalidSetting> {
        let of = NonZeroU32::new(of)
            .filter(|of| of.get() <= 100)
            .ok_or_else(|| InvalidSetting::new("circuit_breaker.probes.of", of, "from 1 to 100"))?;
        let successes = NonZeroU32::new(successes).filter(|successes| *successes <= of).ok_or_else(|| {
            InvalidSetting::new("circuit_breaker.probes.successes", successes, "at least 1 and at most probes.of")
        })?;
        Ok(Self { successes, of })
    }

    /// How many must succeed.
    pub const fn successes(&self) -> NonZeroU32 {
        self.successes
    }

    /// How many there are.
    pub const fn of(&self) -> NonZeroU32 {
        self.of
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn combinations_that_make_no_sense_cannot_be_made() {
        let windows = [Window::try_calls(0, 1), Window::try_calls(1025, 1), Window::try_calls(10, 11)];
        assert!(windows.into_iter().all(|window| window.is_err()));
        assert!(Window::try_time(Duration::ZERO, 1).is_err());
        assert!(Window::try_time(Duration::MAX, 0).is_err());
        let error = Probes::try_new(3, 2).expect_err("three of two");
        assert_eq!(error.setting(), "circuit_breaker.probes.successes");
        assert!(Probes::try_new(0, 1).is_err() && Probes::try_new(1, 101).is_err());
        assert!(OpenTime::try_new(2 * SECOND, SECOND).is_err());
    }
}

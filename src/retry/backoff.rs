//! How long to wait before another attempt: pure arithmetic in whole nanoseconds.

use std::time::Duration;

use crate::{chance::scaled, classify::Failure, clock::nanos, settings::InvalidSetting};

/// How long to wait before another attempt: exponential, capped, and spread at random.
///
/// The ceiling before the *n*th retry is `min(cap, base × 2ⁿ⁻¹)`, and [`Jitter`] says where below it the delay falls.
/// The cap comes before the jitter, so no delay is ever above the cap, and delays at the cap are spread like all
/// others.
///
/// There are two bases. A callee that asked for less, or had no room ([`Failure::Throttled`],
/// [`Failure::Overload`]), is given more time than one that merely failed. The numbers are those of the AWS SDKs'
/// retry behaviour of 2026: 50 ms, 1 s, and a cap of 20 s.
///
/// ```
/// use std::time::Duration;
/// use plimsoll::retry::{Backoff, Jitter};
///
/// let backoff = Backoff::try_new(Duration::from_millis(20), Duration::from_secs(2))?.with_jitter(Jitter::Equal);
/// assert!(Backoff::try_new(Duration::from_secs(2), Duration::from_millis(20)).is_err());
/// # Ok::<_, plimsoll::InvalidSetting>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Backoff {
    base: Duration,
    throttled_base: Duration,
    cap: Duration,
    jitter: Jitter,
}

/// Where below its ceiling a delay falls.
///
/// After M. Brooker, *Exponential Backoff And Jitter* (AWS Architecture Blog, 2015). With `v` the ceiling:
///
/// | jitter | delay | mean |
/// |---|---|---|
/// | `Full` | even over `0..=v` | `v / 2` |
/// | `Equal` | even over `v / 2..=v` | `3v / 4` |
/// | `Decorrelated` | even over `base..=min(cap, 3 × the delay before)` | about `1.5ⁿ × base` |
/// | `None` | `v` | `v` |
///
/// The article clamps the decorrelated delay after drawing it, so that in the end two of three delays are exactly the
/// cap; here the range is clamped, and delays near the cap stay apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Jitter {
    /// Anywhere below the ceiling. In the article's contention model it needs the fewest calls.
    #[default]
    Full,
    /// In the upper half: never much too early, less spread.
    Equal,
    /// From the base to three times the delay before.
    Decorrelated,
    /// At the ceiling. Clients that failed together then come back together: for tests, and for a single client.
    None,
}

impl Backoff {
    /// No delay at all: where each attempt goes to another member of a pool, and in tests.
    pub const IMMEDIATE: Self =
        Self { base: Duration::ZERO, throttled_base: Duration::ZERO, cap: Duration::ZERO, jitter: Jitter::Full };

    /// 50 ms, or 1 s after throttling or overload, doubling up to 20 s, with full jitter.
    pub const fn new() -> Self {
        Self {
            base: Duration::from_millis(50),
            throttled_base: Duration::from_secs(1),
            cap: Duration::from_secs(20),
            jitter: Jitter::Full,
        }
    }

    /// `base`, doubling up to `cap`, with full jitter. After throttling or overload it begins at 1 s, but not below
    /// `base` nor above `cap`.
    ///
    /// # Errors
    /// [`InvalidSetting`] if `base` is zero or above `cap`. For no delay there is [`Backoff::IMMEDIATE`].
    pub fn try_new(base: Duration, cap: Duration) -> Result<Self, InvalidSetting> {
        let base = within("retry.backoff.base", base, cap)?;
        let throttled_base = Self::new().throttled_base.max(base).min(cap);
        Ok(Self { base, throttled_base, cap, jitter: Jitter::Full })
    }

    /// Begins at `base` after throttling or overload.
    ///
    /// # Errors
    /// [`InvalidSetting`] if `base` is zero or above the cap.
    pub fn try_with_throttled_base(self, base: Duration) -> Result<Self, InvalidSetting> {
        Ok(Self { throttled_base: within("retry.backoff.throttled_base", base, self.cap)?, ..self })
    }

    /// Spreads delays by `jitter`.
    pub const fn with_jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = jitter;
        self
    }

    /// The ceiling before the first retry.
    pub const fn base(&self) -> Duration {
        self.base
    }

    /// The ceiling before the first retry, after throttling or overload.
    pub const fn throttled_base(&self) -> Duration {
        self.throttled_base
    }

    /// The longest delay.
    pub const fn cap(&self) -> Duration {
        self.cap
    }

    /// How delays are spread.
    pub const fn jitter(&self) -> Jitter {
        self.jitter
    }

    /// The delay before the `retry`th retry (the first is 1) of a request that failed by `failure`, if the retry before
    /// waited for `previous`. `random` is uniform over `u64`; the same number gives the same delay. O(1).
    pub const fn delay(&self, retry: u32, failure: Failure, previous: Duration, random: u64) -> Duration {
        let base = match failure {
            Failure::Throttled(_) | Failure::Overload | Failure::PushedBack => nanos(self.throttled_base),
            Failure::Permanent | Failure::Timeout | Failure::Transient => nanos(self.base),
        };
        let cap = nanos(self.cap);
        let ceiling = least(doubled(base, retry.saturating_sub(1)), cap);
        Duration::from_nanos(match self.jitter {
            Jitter::Full => scaled(random, ceiling),
            Jitter::Equal => {
                let half = ceiling / 2;
                half + scaled(random, ceiling - half)
            }
            Jitter::Decorrelated => {
                let last = nanos(previous);
                let tripled = (if last < base { base } else { last }).saturating_mul(3);
                // The cap is at least the base, and so is three times more than the base.
                base + scaled(random, least(tripled, cap).saturating_sub(base))
            }
            Jitter::None => ceiling,
        })
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}

/// `base × 2^times`, or all there is.
const fn doubled(base: u64, times: u32) -> u64 {
    let wide = (base as u128) << if times < 64 { times } else { 64 };
    if wide > u64::MAX as u128 { u64::MAX } else { wide as u64 }
}

const fn least(a: u64, b: u64) -> u64 {
    if a < b { a } else { b }
}

fn within(setting: &'static str, base: Duration, cap: Duration) -> Result<Duration, InvalidSetting> {
    if base.is_zero() || base > cap {
        return Err(InvalidSetting::new(setting, base, "above zero and at most the cap"));
    }
    Ok(base)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::chance::Chance;

    const ALL: [Jitter; 4] = [Jitter::Full, Jitter::Equal, Jitter::Decorrelated, Jitter::None];
    const MS: Duration = Duration::from_millis(1);

    fn delays(backoff: Backoff, retry: u32, previous: Duration) -> Vec<Duration> {
        let chance = Chance::seeded(1);
        (0..1000).map(|_| backoff.delay(retry, Failure::Transient, previous, chance.draw())).collect()
    }

    #[test]
    fn ceilings_double_up_to_the_cap() {
        let backoff = Backoff::new().with_jitter(Jitter::None);
        let ceilings = |failure| [1, 2, 3, 9, 10, 1_000_000].map(|n| backoff.delay(n, failure, Duration::ZERO, 0));
        assert_eq!(ceilings(Failure::Transient), [50, 100, 200, 12_800, 20_000, 20_000].map(|ms| ms * MS));
        assert_eq!(ceilings(Failure::Overload), [1000, 2000, 4000, 20_000, 20_000, 20_000].map(|ms| ms * MS));
    }

    #[test]
    fn each_jitter_keeps_its_range() {
        let range = |jitter, previous| {
            let backoff = Backoff::new().with_jitter(jitter);
            let at = |random| backoff.delay(2, Failure::Timeout, previous, random);
            (at(0), at(u64::MAX))
        };
        assert_eq!(range(Jitter::Full, Duration::ZERO), (Duration::ZERO, 100 * MS));
        assert_eq!(range(Jitter::Equal, Duration::ZERO), (50 * MS, 100 * MS));
        assert_eq!(range(Jitter::Decorrelated, Duration::ZERO), (50 * MS, 150 * MS));
        assert_eq!(range(Jitter::Decorrelated, 80 * MS), (50 * MS, 240 * MS));
        assert_eq!(range(Jitter::None, Duration::ZERO), (100 * MS, 100 * MS));
    }

    /// Another library's jitter was cut to whole seconds wherever the base was whole seconds: everybody waited for
    /// exactly one.
    #[test]
    fn whole_seconds_jitter_below_the_second() {
        let second = Duration::from_secs(1);
        let backoff = Backoff::try_new(second, 2 * second).expect("a backoff").with_jitter(Jitter::Equal);
        let parts: HashSet<u32> = delays(backoff, 1, Duration::ZERO).iter().map(Duration::subsec_nanos).collect();
        assert!(parts.len() > 990, "{}", parts.len());
    }

    /// Another library left jitter only what room there was between the delay and the cap: none at the cap, where
    /// all clients of a dead callee are before long.
    #[test]
    fn delays_at_the_cap_stay_apart() {
        for jitter in [Jitter::Full, Jitter::Equal, Jitter::Decorrelated] {
            let backoff = Backoff::new().with_jitter(jitter);
            let distinct: HashSet<Duration> = delays(backoff, 1_000_000, backoff.cap()).into_iter().collect();
            assert!(distinct.len() > 990, "{jitter:?}: {}", distinct.len());
        }
    }

    /// Another library added jitter after the cap (1.5 s of at most 1 s), and had no cap by default: its twentieth
    /// delay was 29 hours.
    #[test]
    fn no_delay_is_above_the_cap() {
        for jitter in ALL {
            let backoff = Backoff::new().with_jitter(jitter);
            for retry in [1, 20, 64, 65, 1_000_000, u32::MAX] {
                let longest = delays(backoff, retry, backoff.cap()).into_iter().max();
                assert!(longest <= Some(Duration::from_secs(20)), "{jitter:?} {retry}: {longest:?}");
            }
        }
    }

    #[test]
    fn a_base_is_above_zero_and_at_most_the_cap() {
        let refused = |base, cap| Backoff::try_new(base, cap).expect_err("nonsense").setting();
        assert_eq!(refused(Duration::ZERO, MS), "retry.backoff.base");
        assert_eq!(refused(2 * MS, MS), "retry.backoff.base");
        let tight = Backoff::try_new(MS, MS).expect("a backoff");
        assert_eq!(tight.throttled_base(), MS);
        let error = tight.try_with_throttled_base(2 * MS).expect_err("nonsense");
        assert_eq!(error.setting(), "retry.backoff.throttled_base");
    }

    proptest! {
        #[test]
        fn whatever_the_numbers_the_delay_is_within_the_cap(
            base in 1u64.., throttled in 1u64.., cap in 1u64.., retry: u32, previous: u64, random: u64,
            jitter in prop::sample::select(&ALL[..]), throttle: bool,
        ) {
            let (base, throttled) = (base.min(cap), throttled.min(cap));
            let backoff = Backoff::try_new(Duration::from_nanos(base), Duration::from_nanos(cap))
                .and_then(|backoff| backoff.try_with_throttled_base(Duration::from_nanos(throttled)))
                .expect("within the cap")
                .with_jitter(jitter);
            let failure = if throttle { Failure::Throttled(None) } else { Failure::Transient };
            let delay = backoff.delay(retry, failure, Duration::from_nanos(previous), random);
            prop_assert!(delay <= backoff.cap());
        }
    }
}

//! Whether retries are of use at all just now: gRPC's count of what fails.

use std::sync::Arc;

use super::throttle_settings::{TOKEN, ThrottleSettings};
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// gRPC's throttle on retries: each failed attempt takes a token, each success gives back a part of one, and while no
/// more than half of the tokens are left nothing is retried.
///
/// A [`Budget`](super::Budget) is spent by retries, so a callee that is down still gets one now and then. A throttle
/// loses tokens to *failures*, retried or not, so it needs no clock, and stops all retries while most calls fail: to a
/// callee that is down, until it answers again. Use it where your clients should do what other gRPC clients do with
/// `retryThrottling: {maxTokens, tokenRatio}`; one for each callee. Clones share it, and
/// each is a handle on it.
///
/// It counts thousandths of a token and rounds nothing. Every operation is O(1), one compare-and-swap, without a lock.
/// After [gRPC's proposal A6](https://github.com/grpc/proposal/blob/master/A6-client-retries.md#throttling-retry-attempts-and-hedged-rpcs).
///
/// ```
/// use plimsoll::retry::{RetryLayer, Settings, Throttle, ThrottleSettings};
///
/// let retry = RetryLayer::new(Settings::new()).throttle(Throttle::new(ThrottleSettings::new()));
/// # let _ = retry;
///
/// let throttle = Throttle::new(ThrottleSettings::try_new(4, 0.5)?);
/// assert!(throttle.failed());      // 3 of 4 left
/// assert!(!throttle.failed());     // half: no retry
/// throttle.succeeded();            // 2.5
/// assert!(!throttle.failed());     // 1.5
/// # Ok::<_, plimsoll::InvalidSetting>(())
/// ```
#[derive(Clone, Debug)]
pub struct Throttle(Arc<Counter>);

/// A throttle at one moment. The numbers are read one after the other, while calls go on.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct ThrottleSnapshot {
    /// The settings in force.
    pub settings: ThrottleSettings,
    /// How many tokens are left.
    pub balance: f64,
}

/// All in thousandths of a token.
#[derive(Debug)]
struct Counter {
    /// What is left, and above it in the same word how many there are at most: they change together.
    tokens: AtomicU64,
    ratio: AtomicU32,
}

/// What there is of how much.
#[derive(Clone, Copy)]
struct Tokens {
    left: u32,
    most: u32,
}

impl Tokens {
    const fn from_word(word: u64) -> Self {
        Self { left: word as u32, most: (word >> 32) as u32 }
    }

    const fn word(self) -> u64 {
        (self.most as u64) << 32 | self.left as u64
    }
}

impl Throttle {
    /// With all its tokens.
    pub fn new(settings: ThrottleSettings) -> Self {
        let tokens = Tokens { left: settings.most, most: settings.most };
        Self(Arc::new(Counter { tokens: AtomicU64::new(tokens.word()), ratio: AtomicU32::new(settings.ratio) }))
    }

    /// Counts an attempt that failed, and says whether the request may be tried again: if more than half of the tokens
    /// are left afterwards.
    pub fn failed(&self) -> bool {
        let tokens = self.change(|tokens| Tokens { left: tokens.left.saturating_sub(TOKEN), ..tokens });
        tokens.left > tokens.most / 2
    }

    /// Counts a request that succeeded. A full throttle is only looked at.
    #[inline]
    pub fn succeeded(&self) {
        let tokens = Tokens::from_word(self.0.tokens.load(Relaxed));
        if tokens.left < tokens.most {
            self.refill();
        }
    }

    /// Changes the settings. The share of tokens left stays the same, so that the change by itself allows no retries
    /// that were stopped.
    pub fn update(&self, settings: ThrottleSettings) {
        self.0.ratio.store(settings.ratio, Relaxed);
        self.change(|Tokens { left, most }| {
            let left = u64::from(left) * u64::from(settings.most) / u64::from(most.max(1));
            Tokens { left: left as u32, most: settings.most }
        });
    }

    /// The throttle as it is at this moment.
    pub fn snapshot(&self) -> ThrottleSnapshot {
        ThrottleSnapshot { settings: self.settings(), balance: self.balance() }
    }

    pub(super) fn settings(&self) -> ThrottleSettings {
        let most = Tokens::from_word(self.0.tokens.load(Relaxed)).most;
        ThrottleSettings { most, ratio: self.0.ratio.load(Relaxed) }
    }

    /// How many tokens are left, as in its [`snapshot`](Self::snapshot).
    pub fn balance(&self) -> f64 {
        f64::from(Tokens::from_word(self.0.tokens.load(Relaxed)).left) / f64::from(TOKEN)
    }

    #[cold]
    fn refill(&self) {
        let ratio = self.0.ratio.load(Relaxed);
        self.change(|tokens| Tokens { left: tokens.left.saturating_add(ratio).min(tokens.most), ..tokens });
    }

    /// What there is after the change.
    fn change(&self, change: impl Fn(Tokens) -> Tokens) -> Tokens {
        let mut word = self.0.tokens.load(Relaxed);
        loop {
            let after = change(Tokens::from_word(word));
            match self.0.tokens.compare_exchange_weak(word, after.word(), Relaxed, Relaxed) {
                Ok(_) => return after,
                Err(changed) => word = changed,
            }
        }
    }
}

impl Default for Throttle {
    fn default() -> Self {
        Self::new(ThrottleSettings::new())
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use proptest::prelude::*;

    use super::*;

    fn throttle(max_tokens: u32, token_ratio: f64) -> Throttle {
        Throttle::new(ThrottleSettings::try_new(max_tokens, token_ratio).expect("in range"))
    }

    fn fail(throttle: &Throttle, times: u32) {
        for _ in 0..times {
            throttle.failed();
        }
    }

    #[test]
    fn the_figures_of_the_proposal_stop_retries_at_the_fifth_failure() {
        let throttle = Throttle::default();
        let allowed = (0..20).map(|_| throttle.failed()).take_while(|allowed| *allowed).count();
        assert_eq!(allowed, 4, "9, 8, 7 and 6 are more than half of ten");
        fail(&throttle, 20);
        assert_eq!(throttle.balance(), 0.0, "and not less");
    }

    #[test]
    fn it_takes_so_many_successes_to_be_let_go() {
        let throttle = throttle(10, 0.1);
        fail(&throttle, 20);
        (0..60).for_each(|_| throttle.succeeded());
        assert!(!throttle.failed(), "5 of 10 is half, and no more than that");
        (0..11).for_each(|_| throttle.succeeded());
        assert!(throttle.failed(), "5.1");
        (0..1000).for_each(|_| throttle.succeeded());
        assert_eq!(throttle.balance(), 10.0);
    }

    #[test]
    fn an_update_lets_nobody_go_and_stops_nobody() {
        let throttle = throttle(10, 0.1);
        fail(&throttle, 4);
        let larger = ThrottleSettings::try_new(1000, 1.0).expect("in range");
        throttle.update(larger);
        assert_eq!(throttle.snapshot(), ThrottleSnapshot { settings: larger, balance: 600.0 });
        throttle.update(ThrottleSettings::new());
        assert_eq!(throttle.balance(), 6.0);
    }

    #[test]
    fn threads_together_lose_no_failure_and_no_success() {
        let throttle = throttle(1000, 0.5);
        fail(&throttle, 1000);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..400).for_each(|_| throttle.succeeded()));
            }
        });
        assert_eq!(throttle.balance(), 800.0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| fail(&throttle, 50));
            }
        });
        assert_eq!(throttle.balance(), 600.0);
    }

    proptest! {
        /// A6 in so many words, in exact thousandths.
        #[test]
        fn it_counts_as_the_proposal_says(
            max in 1u32..=1000, ratio in 1u32..=3000, steps in prop::collection::vec(any::<bool>(), 0..300),
        ) {
            let throttle = Throttle::new(ThrottleSettings { most: max * TOKEN, ratio });
            let (mut count, most) = (i64::from(max) * 1000, i64::from(max) * 1000);
            for success in steps {
                if success {
                    throttle.succeeded();
                    count = most.min(count + i64::from(ratio));
                } else {
                    count = 0.max(count - 1000);
                    prop_assert_eq!(throttle.failed(), 2 * count > most);
                }
                prop_assert_eq!(throttle.balance(), count as f64 / 1000.0);
            }
        }
    }
}

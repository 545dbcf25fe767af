//! Spans of time that are drawn: how long work takes, how long a caller thinks.

use std::time::Duration;

/// Where random numbers come from: each call gives one, uniform over `u64`.
pub(super) type Draw<'a> = &'a mut dyn FnMut() -> u64;

/// A distribution of spans of time.
///
/// Nonsense (a share or spread that is NaN or below zero) draws nothing but zeros. No draw is longer than a thousand
/// years.
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use]
pub struct Span(Kind);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Constant(f64),
    Uniform(f64, f64),
    Exponential(f64),
    /// The mean, and the standard deviation of the logarithm.
    Lognormal(f64, f64),
    /// The common one, the rare one, and the share of the rare.
    Bimodal(f64, f64, f64),
    /// The least, the most, and the exponent of the tail.
    Pareto(f64, f64, f64),
}

/// A thousand years, in seconds: sums of many such still keep their distance from the end of every scale.
const LONGEST: f64 = 3.2e10;

impl Span {
    /// Always the same.
    pub const fn constant(span: Duration) -> Self {
        Self(Kind::Constant(span.as_secs_f64()))
    }

    /// Anything between the two, equally likely.
    pub const fn uniform(least: Duration, most: Duration) -> Self {
        Self(Kind::Uniform(least.as_secs_f64(), most.as_secs_f64()))
    }

    /// Exponential: memoryless. With Poisson arrivals, the server of the textbooks.
    pub const fn exponential(mean: Duration) -> Self {
        Self(Kind::Exponential(mean.as_secs_f64()))
    }

    /// Lognormal with this mean; `sigma` is the standard deviation of the logarithm. 0.8 is a common service: its
    /// median is 73 % of the mean, its 99th percentile 4.7 times the mean.
    pub const fn lognormal(mean: Duration, sigma: f64) -> Self {
        Self(Kind::Lognormal(mean.as_secs_f64(), sigma))
    }

    /// `common`, except for a share of `share` that takes `rare`: a cache and its misses.
    pub const fn bimodal(common: Duration, rare: Duration, share: f64) -> Self {
        Self(Kind::Bimodal(common.as_secs_f64(), rare.as_secs_f64(), share))
    }

    /// A heavy tail between `least` and `most`: the bounded Pareto distribution, P(longer than x) ∝ x^−`alpha`. Sizes of
    /// files and of jobs have an `alpha` of 1 to 2.
    pub const fn pareto(least: Duration, most: Duration, alpha: f64) -> Self {
        Self(Kind::Pareto(least.as_secs_f64(), most.as_secs_f64(), alpha))
    }

    /// What it is on average.
    pub fn mean(&self) -> Duration {
        Duration::from_secs_f64(self.mean_secs())
    }

    /// The mean, in seconds.
    pub(super) fn mean_secs(&self) -> f64 {
        sane(match self.0 {
            Kind::Constant(span) | Kind::Exponential(span) => span,
            Kind::Uniform(least, most) => (least + most) / 2.0,
            Kind::Lognormal(mean, sigma) if sigma >= 0.0 => mean,
            Kind::Lognormal(..) => 0.0,
            Kind::Bimodal(common, rare, share) => common + (rare - common) * share_of(share),
            Kind::Pareto(least, most, alpha) => pareto_mean(least, most, alpha),
        })
    }

    /// One span, in seconds.
    pub(super) fn draw(&self, random: Draw<'_>) -> f64 {
        sane(match self.0 {
            Kind::Constant(span) => span,
            Kind::Uniform(least, most) => least + (most - least) * unit(random()),
            Kind::Exponential(mean) => mean * exponential(random()),
            Kind::Lognormal(mean, sigma) if sigma >= 0.0 => {
                // The mean of a lognormal is e^(µ + σ²/2).
                mean * (sigma * normal(random) - sigma * sigma / 2.0).exp()
            }
            Kind::Lognormal(..) => 0.0,
            Kind::Bimodal(common, rare, share) => {
                if unit(random()) < share_of(share) {
                    rare
                } else {
                    common
                }
            }
            Kind::Pareto(least, most, alpha) => {
                let (random, most) = (unit(random()), most.max(least));
                // The distribution function turned round.
                let tail = (least / most).powf(alpha);
                least / (1.0 - random * (1.0 - tail)).powf(1.0 / alpha)
            }
        })
    }
}

/// As [`Span::constant`].
impl From<Duration> for Span {
    fn from(span: Duration) -> Self {
        Self::constant(span)
    }
}

fn pareto_mean(least: f64, most: f64, alpha: f64) -> f64 {
    if most <= least {
        return least;
    }
    let tail = (least / most).powf(alpha);
    if (alpha - 1.0).abs() < 1e-9 {
        return least * (most / least).ln() / (1.0 - tail);
    }
    alpha / (alpha - 1.0) * (least - most * tail) / (1.0 - tail)
}

fn sane(secs: f64) -> f64 {
    // Not a number is less than nothing.
    if secs > 0.0 { secs.min(LONGEST) } else { 0.0 }
}

fn share_of(share: f64) -> f64 {
    if share > 0.0 { share.min(1.0) } else { 0.0 }
}

/// A random number as a fraction: at least 0, less than 1.
pub(super) fn unit(random: u64) -> f64 {
    (random >> 11) as f64 / (1_u64 << 53) as f64
}

/// One draw of the exponential distribution with mean 1.
pub(super) fn exponential(random: u64) -> f64 {
    -(1.0 - unit(random)).ln()
}

/// One draw of the normal distribution, by Box and Muller.
fn normal(random: Draw<'_>) -> f64 {
    (2.0 * exponential(random())).sqrt() * (std::f64::consts::TAU * unit(random())).cos()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Chance;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn drawn(span: Span) -> f64 {
        let chance = Chance::seeded(3);
        let draws = 200_000;
        (0..draws).map(|_| span.draw(&mut || chance.draw())).sum::<f64>() / f64::from(draws)
    }

    #[test]
    fn draws_have_the_mean_that_is_told() {
        for span in [
            Span::constant(MS(10)),
            Span::uniform(MS(10), MS(30)),
            Span::exponential(MS(10)),
            Span::lognormal(MS(10), 0.8),
            Span::bimodal(MS(5), MS(105), 0.05),
            Span::pareto(MS(1), MS(1000), 1.5),
            Span::pareto(MS(1), MS(1000), 1.0),
        ] {
            let (drawn, told) = (drawn(span), span.mean_secs());
            assert!((drawn / told - 1.0).abs() < 0.02, "{span:?}: {drawn} is not {told}");
        }
    }

    #[test]
    fn nonsense_draws_a_span_that_is_finite_and_not_negative() {
        for value in [f64::NAN, f64::INFINITY, -1.0, 0.0] {
            for span in [
                Span::lognormal(Duration::MAX, value),
                Span::bimodal(Duration::ZERO, Duration::MAX, value),
                Span::pareto(MS(5), MS(1), value),
                Span::pareto(Duration::ZERO, Duration::ZERO, value),
                Span::uniform(Duration::MAX, Duration::ZERO),
            ] {
                let chance = Chance::seeded(1);
                for _ in 0..100 {
                    let drawn = span.draw(&mut || chance.draw());
                    assert!((0.0..=LONGEST).contains(&drawn), "{span:?}: {drawn}");
                }
                assert!((0.0..=LONGEST).contains(&span.mean_secs()), "{span:?}");
            }
        }
    }
}

//! Who comes when.

use std::{ops::Range, time::Duration};

use super::{
    curve::{Curve, Piece},
    span::{Draw, Span, exponential},
};

/// When requests come.
///
/// An *open* loop has a rate, whatever becomes of the requests: people on the internet do not wait for one another. A
/// *closed* loop has callers that each wait for their answer, think, and ask again: workers, a batch job. Overload
/// comes from open loops; a closed one can never have more requests in flight than callers.
///
/// Rates are requests a second, first attempts only; retries come on top. More than a million a second counts as a
/// million.
#[derive(Clone, Debug)]
#[must_use]
pub struct Load {
    pub(super) kind: Kind,
    pub(super) batch: u32,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Poisson(Curve),
    Even(Curve),
    Closed { callers: u32, think: Span },
}

/// More callers would be too much as well.
const MOST_CALLERS: u32 = 1_000_000;

/// More a second would not be a simulation but a hang.
const MOST: f64 = 1e6;

impl Load {
    /// Requests that know nothing of one another: a Poisson process, with a rate that may change.
    pub fn poisson(rate: impl Into<Curve>) -> Self {
        Self { kind: Kind::Poisson(rate.into()), batch: 1 }
    }

    /// Requests evenly spaced.
    pub fn even(rate: impl Into<Curve>) -> Self {
        Self { kind: Kind::Even(rate.into()), batch: 1 }
    }

    /// `callers` callers, each of which waits for its answer (retries included), then thinks, then asks again. They
    /// begin after a first thought. A thought is at least a microsecond; more than a million callers count as a
    /// million.
    pub fn closed(callers: u32, think: impl Into<Span>) -> Self {
        Self { kind: Kind::Closed { callers: callers.min(MOST_CALLERS), think: think.into() }, batch: 1 }
    }

    /// Makes requests come in batches of this many at the same instant; the rate is still that of requests. For open
    /// loops. Zero counts as one.
    pub const fn in_batches_of(mut self, batch: u32) -> Self {
        self.batch = if batch == 0 { 1 } else { batch };
        self
    }

    /// Has this rate during `when`, then the one before. For open loops.
    pub fn spike(self, when: Range<Duration>, rate: f64) -> Self {
        self.change(|curve| curve.during(when, rate))
    }

    /// Has this rate from `start` on. For open loops.
    pub fn step(self, start: Duration, rate: f64) -> Self {
        self.change(|curve| curve.then(start, rate))
    }

    /// Goes linearly to this rate and stays there. For open loops.
    pub fn ramp(self, when: Range<Duration>, rate: f64) -> Self {
        self.change(|curve| curve.ramp(when, rate))
    }

    /// Swings around the rate it had: multiplied by 1 + `swing` · sin(2π·t / `period`). For open loops.
    pub fn wave(self, period: Duration, swing: f64) -> Self {
        self.change(|curve| curve.wave(period, swing))
    }

    fn change(mut self, change: impl FnOnce(Curve) -> Curve) -> Self {
        self.kind = match self.kind {
            Kind::Poisson(curve) => Kind::Poisson(change(curve)),
            Kind::Even(curve) => Kind::Even(change(curve)),
            closed @ Kind::Closed { .. } => closed,
        };
        self
    }
}

/// The moments at which an open loop's requests come, one after another.
#[derive(Debug)]
pub(super) struct Arrivals {
    curve: Curve,
    random: bool,
    batch: u32,
    /// Of the batch that came last, how many are still to be told.
    left: u32,
    now: u64,
    piece: Piece,
}

impl Arrivals {
    /// `None` for a closed loop.
    pub(super) fn new(load: &Load) -> Option<Self> {
        let (curve, random) = match &load.kind {
            Kind::Poisson(curve) => (curve.clone(), true),
            Kind::Even(curve) => (curve.clone(), false),
            Kind::Closed { .. } => return None,
        };
        Some(Self { curve, random, batch: load.batch, left: 0, now: 0, piece: Piece::NONE })
    }

    /// When the next request comes, in nanoseconds; `None` if none does until `end`.
    pub(super) fn next(&mut self, end: u64, random: Draw<'_>) -> Option<u64> {
        if self.left > 0 {
            self.left -= 1;
            return Some(self.now);
        }
        // Each request comes when the integral of the rate has grown by so much: exact for every rate that is made of
        // steps, and there is no need to know the highest one.
        let mut growth = if self.random { exponential(random()) } else { 1.0 } * f64::from(self.batch);
        loop {
            if self.now >= self.piece.until {
                self.piece = self.curve.piece(self.now);
            }
            let rate = self.piece.value.min(MOST) / 1e9;
            let wait = growth / rate;
            let room = self.piece.until - self.now;
            // A rate of zero, and a wait that is not a number, is a wait for ever.
            if wait < room as f64 {
                self.now = self.now.saturating_add(wait.round() as u64);
                self.left = self.batch - 1;
                return (self.now < end).then_some(self.now);
            }
            growth -= rate * room as f64;
            self.now = self.piece.until;
            if self.now >= end {
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Chance;

    const SECS: fn(u64) -> Duration = Duration::from_secs;
    const SECOND: u64 = 1_000_000_000;

    fn come(load: Load, end: u64) -> Vec<u64> {
        let chance = Chance::seeded(5);
        let mut arrivals = Arrivals::new(&load).expect("an open loop");
        std::iter::from_fn(|| arrivals.next(end, &mut || chance.draw())).collect()
    }

    #[test]
    fn even_requests_come_at_their_nanosecond_across_a_step() {
        let come = come(Load::even(2.0).step(SECS(1), 4.0), 2 * SECOND);
        assert_eq!(come, [500_000_000, 1_000_000_000, 1_250_000_000, 1_500_000_000, 1_750_000_000]);
    }

    #[test]
    fn a_poisson_process_has_its_rate_and_its_variance() {
        let come = come(Load::poisson(1000.0), 100 * SECOND);
        let mut counts = [0_f64; 1000];
        come.iter().for_each(|at| counts[(at / (SECOND / 10)) as usize] += 1.0);
        let mean = counts.iter().sum::<f64>() / 1000.0;
        let variance = counts.iter().map(|n| (n - mean).powi(2)).sum::<f64>() / 1000.0;
        assert!((mean - 100.0).abs() < 1.5, "{mean}");
        assert!((variance / mean - 1.0).abs() < 0.15, "{variance}");
    }

    #[test]
    fn a_wave_brings_as_many_as_its_mean() {
        let come = come(Load::poisson(1000.0).wave(SECS(8), 0.8), 80 * SECOND);
        assert!((come.len() as f64 / 80_000.0 - 1.0).abs() < 0.02, "{}", come.len());
        let high = come.iter().filter(|at| **at % (8 * SECOND) < 4 * SECOND).count() as f64;
        // The mean of 1 + 0.8 sin over its upper half is 1 + 1.6 / π.
        assert!((high / 40_000.0 - 1.509).abs() < 0.03, "{high}");
    }

    #[test]
    fn batches_come_at_once_and_keep_the_rate() {
        let come = come(Load::even(10.0).in_batches_of(5), SECOND + 1);
        assert_eq!(come, [[SECOND / 2; 5], [SECOND; 5]].concat());
    }

    #[test]
    fn no_rate_and_nonsense_bring_nobody() {
        for rate in [0.0, -5.0, f64::NAN] {
            assert!(come(Load::poisson(rate), u64::MAX).is_empty());
        }
        assert!(come(Load::even(f64::INFINITY), SECOND / 1000).len() <= 1000);
    }
}

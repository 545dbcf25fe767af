//! How fast jobs go when there are so many at once.

/// How the speed of a server depends on how many jobs it works at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Law {
    /// Processor sharing over so many cores; with more jobs than the knee each core loses to switching, caches and
    /// garbage.
    Cores { cores: u32, knee: u32, linear: f64, square: f64 },
    /// The Universal Scalability Law of N. Gunther.
    Usl { sigma: f64, kappa: f64 },
    /// So many workers, and a queue in front of them that nobody sees.
    Pool { workers: u32 },
    /// Processor sharing up to so many jobs; with more, a small share of the speed is left.
    Cliff { cores: u32, jobs: u32, left: f64 },
}

impl Law {
    /// How many jobs it works at; the others queue.
    pub(super) fn places(self) -> usize {
        match self {
            Self::Pool { workers } => workers as usize,
            _ => usize::MAX,
        }
    }

    /// The speed of each of `jobs` jobs: 1 is that of a job which is alone.
    pub(super) fn each(self, jobs: usize) -> f64 {
        if jobs == 0 {
            return 0.0;
        }
        let n = jobs as f64;
        match self {
            Self::Cores { cores: 0, .. } | Self::Cliff { cores: 0, .. } => 0.0,
            Self::Cores { cores, knee, linear, square } => {
                let (cores, knee) = (f64::from(cores), f64::from(knee.max(1)));
                let beyond = ((n - knee) / knee).max(0.0);
                let loss = sane(linear) * beyond + sane(square) * beyond * beyond;
                n.min(cores) / n / (1.0 + loss)
            }
            Self::Usl { sigma, kappa } => 1.0 / (1.0 + sane(sigma) * (n - 1.0) + sane(kappa) * n * (n - 1.0)),
            Self::Pool { .. } => 1.0,
            Self::Cliff { cores, jobs: edge, left } => {
                let share = f64::from(cores).min(n) / n;
                if jobs <= edge as usize { share } else { share * sane(left).min(1.0) }
            }
        }
    }

    /// The highest speed of all jobs together: how many seconds of work it does in a second, at its best.
    pub(super) fn peak(self) -> f64 {
        match self {
            Self::Cores { cores, .. } => f64::from(cores),
            Self::Pool { workers } => f64::from(workers),
            Self::Cliff { cores, jobs, left } => f64::from(cores.min(jobs)).max(f64::from(cores) * sane(left).min(1.0)),
            Self::Usl { sigma, kappa } => {
                // The peak is at √((1 − σ) / κ); without one, the limit for many jobs, which no server has.
                let at = ((1.0 - sane(sigma).min(1.0)) / sane(kappa)).sqrt().clamp(1.0, 1e6);
                [at.floor(), at.ceil()].into_iter().map(|n| n * self.each(n as usize)).fold(0.0, f64::max)
            }
        }
    }

    /// By how much a second of work for something else sets each of `jobs` jobs back: as much as they do while the whole
    /// server, at its best, does a second of work.
    pub(super) fn set_back(self, jobs: usize) -> f64 {
        let peak = self.peak();
        if peak > 0.0 { self.each(jobs) / peak } else { 0.0 }
    }
}

fn sane(coefficient: f64) -> f64 {
    if coefficient > 0.0 { coefficient.min(1e9) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_knee_loses_as_much_as_was_measured() {
        let knee = Law::Cores { cores: 8, knee: 8, linear: 0.016, square: 0.00128 };
        let share = |jobs: usize| (jobs as f64 * knee.each(jobs) / 8.0 * 100.0).round();
        assert_eq!([1, 8, 16, 64, 200, 1000].map(share), [13.0, 100.0, 98.0, 85.0, 47.0, 4.0]);
        assert_eq!(knee.peak(), 8.0);
    }

    #[test]
    fn scalability_peaks_where_the_law_says() {
        let law = Law::Usl { sigma: 0.03, kappa: 0.0015 };
        let speed = |jobs: usize| jobs as f64 * law.each(jobs);
        let best = (1..1000).max_by(|a, b| speed(*a).total_cmp(&speed(*b)));
        assert_eq!(best, Some(25));
        assert!((law.peak() - speed(25)).abs() < 1e-9);
    }

    #[test]
    fn nonsense_is_a_server_that_hangs_or_has_no_penalty() {
        let hung =
            [Law::Cores { cores: 0, knee: 0, linear: 0.0, square: 0.0 }, Law::Cliff { cores: 0, jobs: 1, left: 1.0 }];
        assert!(hung.iter().all(|law| law.each(5) == 0.0 && law.peak() == 0.0));
        for value in [f64::NAN, -1.0, f64::INFINITY] {
            for law in [
                Law::Cores { cores: 2, knee: 2, linear: value, square: value },
                Law::Usl { sigma: value, kappa: value },
                Law::Cliff { cores: 2, jobs: 0, left: value },
            ] {
                assert!((0.0..=1.0).contains(&law.each(3)), "{law:?}");
                assert!(law.peak().is_finite(), "{law:?}");
            }
        }
    }
}

//! Who requests belong to.

use super::span::unit;

/// Weights, made to be drawn from.
#[derive(Clone, Debug, Default)]
pub(super) struct Weights {
    /// Up to and with each.
    sums: Vec<f64>,
}

impl Weights {
    /// Weights that are not a number, or below zero, are zero.
    pub(super) fn new(weights: impl IntoIterator<Item = f64>) -> Self {
        let sums = weights.into_iter().scan(0.0, |sum, weight| {
            *sum += if weight > 0.0 { weight.min(1e12) } else { 0.0 };
            Some(*sum)
        });
        Self { sums: sums.collect() }
    }

    /// Which one a random number means; the first where there is nothing to choose from.
    pub(super) fn pick(&self, random: u64) -> usize {
        let sum = self.sums.last().copied().unwrap_or(0.0);
        let at = unit(random) * sum;
        Some(self.sums.partition_point(|up_to| *up_to <= at)).filter(|index| *index < self.sums.len()).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Chance;

    #[test]
    fn each_is_drawn_as_often_as_it_weighs() {
        let (chance, weights) = (Chance::seeded(1), Weights::new([1.0, 0.0, 6.0, f64::NAN, 3.0, -4.0]));
        let mut drawn = [0_i32; 6];
        (0..10_000).for_each(|_| drawn[weights.pick(chance.draw())] += 1);
        assert!(drawn[0].abs_diff(1000) < 100 && drawn[2].abs_diff(6000) < 200, "{drawn:?}");
        assert_eq!((drawn[1], drawn[3], drawn[5]), (0, 0, 0));
    }

    #[test]
    fn nothing_to_choose_from_is_the_first() {
        for weights in [vec![], vec![0.0, 0.0], vec![f64::NAN]] {
            assert_eq!(Weights::new(weights).pick(u64::MAX), 0);
        }
    }
}

//! How much hands have in common: the numbers to choose a hand's size by.
//!
//! All of them are for hands of k of n nodes, dealt at random without regard to zones. Where there are fewer than k
//! nodes, a hand is all of them. They take at most some microseconds, whatever the numbers.
//!
//! With hands of 5 of 100 nodes: how likely is it that a noisy tenant shares at least half of my hand, and that four of
//! them take all of it?
//!
//! ```
//! use plimsoll::shuffle_shard::{HandSize, probability};
//!
//! let five = HandSize::new(5);
//! let half: f64 = (3..=5).map(|shared| probability::overlap(100, five, shared)).sum();
//! assert!(half < 0.000_6);
//! assert!(probability::cover(100, five, 4) < 0.000_2);
//! assert_eq!(probability::combinations(100, 5), Some(75_287_520));
//! ```

use super::hand::{HandSize, MAX_HAND};

/// A chance for each number of nodes from none to a whole hand.
type Chances = [f64; MAX_HAND + 1];

/// How many hands of k there are of n nodes: C(n, k) = n! / (k! (n−k)!), exactly. Zero where k is more than n; `None`
/// where it is more than a `u128` holds. At most 128 steps.
///
/// ```
/// use plimsoll::shuffle_shard::probability::combinations;
///
/// assert_eq!(combinations(2048, 4), Some(730_862_190_080));
/// assert_eq!(combinations(4, 5), Some(0));
/// assert_eq!(combinations(1000, 500), None);
/// ```
pub const fn combinations(n: u64, k: u64) -> Option<u128> {
    if k > n {
        return Some(0);
    }
    let k = if k > n - k { n - k } else { k };
    // C(n, k) is at least 2ᵏ, if k is at most the half of n.
    if k > 128 {
        return None;
    }
    let (mut ways, mut step) = (1u128, 0);
    while step < k {
        // The divisor goes into one factor or the other: the product is never larger than the result.
        let divisor = (step + 1) as u128;
        let common = greatest_common_divisor(ways, divisor);
        let rest = (n - step) as u128 / (divisor / common);
        ways = match (ways / common).checked_mul(rest) {
            Some(ways) => ways,
            None => return None,
        };
        step += 1;
    }
    Some(ways)
}

const fn greatest_common_divisor(mut one: u128, mut other: u128) -> u128 {
    while other != 0 {
        (one, other) = (other, one % other);
    }
    one
}

/// How likely it is that two hands have exactly `shared` nodes in common: the hypergeometric distribution,
/// C(k, x)·C(n−k, k−x) / C(n, k).
pub fn overlap(nodes: u64, hand: HandSize, shared: usize) -> f64 {
    let hand = size(nodes, hand);
    if shared > hand { 0.0 } else { hypergeometric(nodes, hand, hand, shared) }
}

/// How many nodes two hands have in common on average: k²/n; 0 where there are no nodes.
pub fn expected_overlap(nodes: u64, hand: HandSize) -> f64 {
    let hand = size(nodes, hand) as f64;
    if nodes == 0 { 0.0 } else { hand * hand / nodes as f64 }
}

/// How likely it is that each node of a hand is also in one of `others` other hands: that this many floods at once
/// leave a tenant without any node. For an empty hand, where there are no nodes, it is certain.
///
/// By a recurrence over how many of the hand's nodes are taken: with r nodes not yet taken, another hand takes i of
/// them with the probability C(r, i)·C(n−r, k−i) / C(n, k). All terms are positive, so the smallest results are exact
/// to some thirteen digits. O(k³ log `others`).
pub fn cover(nodes: u64, hand: HandSize, others: u64) -> f64 {
    let hand = size(nodes, hand);
    let mut step = Step::of_a_hand(nodes, hand);
    let mut taken = Chances::default();
    taken[0] = 1.0;
    let mut left = others;
    while left > 0 {
        if left % 2 == 1 {
            taken = step.from(&taken);
        }
        step = step.twice();
        left /= 2;
    }
    taken[hand].min(1.0)
}

/// What so many more hands do to a hand of which some nodes are taken already: how likely it is that more are. Kept by
/// what changes, and not by what stays, which for a large fleet is so close to one that a float cannot tell the difference.
struct Step {
    hand: usize,
    /// `more[before][after]`, for `after` above `before`.
    more: [Chances; MAX_HAND + 1],
    /// The sums of its rows.
    any: Chances,
}

impl Step {
    fn of_a_hand(nodes: u64, hand: usize) -> Self {
        let mut step = Self { hand, more: [Chances::default(); MAX_HAND + 1], any: Chances::default() };
        for before in 0..hand {
            for after in before + 1..=hand {
                step.more[before][after] = hypergeometric(nodes, hand - before, hand, after - before);
            }
            step.any[before] = step.more[before].iter().sum();
        }
        step
    }

    fn from(&self, chances: &Chances) -> Chances {
        std::array::from_fn(|after| {
            let from_less: f64 = (0..after).map(|before| chances[before] * self.more[before][after]).sum();
            from_less + chances[after] * (1.0 - self.any[after])
        })
    }

    /// Twice as many hands.
    fn twice(&self) -> Self {
        let mut twice = Self { hand: self.hand, more: [Chances::default(); MAX_HAND + 1], any: Chances::default() };
        for before in 0..self.hand {
            for after in before + 1..=self.hand {
                let once = self.more[before][after] * ((1.0 - self.any[before]) + (1.0 - self.any[after]));
                let by_steps =
                    (before + 1..after).map(|between| self.more[before][between] * self.more[between][after]);
                twice.more[before][after] = once + by_steps.sum::<f64>();
            }
            twice.any[before] = self.any[before] * (2.0 - self.any[before]);
        }
        twice
    }
}

/// The most hands there can be if no two may have more than `shared` nodes in common: ⌊C(n, λ+1) / C(k, λ+1)⌋, since
/// each uses up C(k, λ+1) of the sets of λ+1 nodes. (It is a bound: for hands of 3 of 5 nodes with one in common it
/// says 3, and there are 2.) `None` where there is no bound, as hands may be the same, or where it is more than a
/// `u128` holds.
pub fn packing_bound(nodes: u64, hand: HandSize, shared: usize) -> Option<u128> {
    let more = (shared as u64).checked_add(1)?;
    combinations(nodes, more)?.checked_div(combinations(size(nodes, hand) as u64, more)?)
}

/// How many pairs of `tenants` have the same hand on average: T(T−1)/2 / C(n, k), the birthday problem.
pub fn expected_identical_pairs(tenants: u64, nodes: u64, hand: HandSize) -> f64 {
    let tenants = tenants as f64;
    let same = overlap(nodes, hand, size(nodes, hand));
    (tenants * (tenants - 1.0) / 2.0).max(0.0) * same
}

/// How many nodes a hand really has.
fn size(nodes: u64, hand: HandSize) -> usize {
    nodes.min(hand.get() as u64) as usize
}

/// How likely it is that of `drawn` nodes exactly `hits` are among the `marked`: C(drawn, hits) orders, each as likely as
/// the one in which all hits come first. No factor is above one, so nothing overflows.
fn hypergeometric(nodes: u64, marked: usize, drawn: usize, hits: usize) -> f64 {
    let factor = |part: u64, whole: u64| if part == 0 { 0.0 } else { part as f64 / whole as f64 };
    let (marked, hits) = (marked as u64, hits as u64);
    let misses = drawn as u64 - hits;
    let hit = (0..hits).map(|i| factor(marked.saturating_sub(i), nodes - i));
    let miss = (0..misses).map(|i| factor((nodes - marked).saturating_sub(i), nodes - hits - i));
    let orders = combinations(drawn as u64, hits).unwrap_or(0) as f64;
    orders * hit.chain(miss).product::<f64>()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn k(size: usize) -> HandSize {
        HandSize::try_new(size).expect("a size")
    }

    #[track_caller]
    fn close(found: f64, expected: f64, relative: f64) {
        assert!((found - expected).abs() <= expected.abs() * relative, "{found:e} is not {expected:e}");
    }

    /// The collision table of Kubernetes' priority and fairness (KEP-1040): the chance that 1, 4 and 16 elephants squish a
    /// mouse, by hand and number of queues.
    #[test]
    fn it_is_the_collision_table_of_kubernetes() {
        const TABLE: [(usize, u64, [f64; 3]); 11] = [
            (12, 32, [4.428838398950118e-09, 0.11431348830099144, 0.9935089607656024]),
            (10, 32, [1.550093439632541e-08, 0.0626479840223545, 0.9753101519027554]),
            (10, 64, [6.601827268370426e-12, 0.00045571320990370776, 0.49999929150089345]),
            (9, 64, [3.6310049976037345e-11, 0.00045501212304112273, 0.4282314876454858]),
            (8, 64, [2.25929199850899e-10, 0.0004886697053040446, 0.35935114681123076]),
            (8, 128, [6.994461389026097e-13, 3.4055790161620863e-06, 0.02746173137155063]),
            (7, 128, [1.0579122850901972e-11, 6.960839379258192e-06, 0.02406157386340147]),
            (7, 256, [7.597695465552631e-14, 6.728547142019406e-08, 0.0006709661542533682]),
            (6, 256, [2.7134626662687968e-12, 2.9516464018476436e-07, 0.0008895654642000348]),
            (6, 512, [4.116062922897309e-14, 4.982983350480894e-09, 2.26025764343413e-05]),
            (6, 1024, [6.337324016514285e-16, 8.09060164312957e-11, 4.517408062903668e-07]),
        ];
        for (hand, queues, squished) in TABLE {
            for (elephants, squished) in [1, 4, 16].into_iter().zip(squished) {
                close(cover(queues, k(hand), elephants), squished, 1e-9);
            }
        }
    }

    #[test]
    fn a_hand_is_covered_as_often_as_others_have_computed() {
        let rounded = [
            (6, 64, [(1, 1.3338e-08), (4, 7.4716e-04), (16, 0.24202)]),
            (6, 128, [(1, 1.8438e-10), (4, 1.6143e-05), (16, 0.022118)]),
            (4, 16, [(1, 5.4945e-04), (4, 0.19361), (16, 0.96033)]),
            (4, 16, [(2, 0.0216), (4, 0.194), (8, 0.648)]),
            (2, 8, [(2, 0.162), (4, 0.450), (8, 0.807)]),
            (4, 32, [(2, 0.0015), (4, 0.0231), (8, 0.174)]),
            (2, 64, [(2, 0.0029), (4, 0.0126), (8, 0.0479)]),
            (4, 64, [(2, 9.7e-5), (4, 0.0020), (8, 0.0236)]),
            (5, 100, [(2, 2.9e-6), (4, 1.4e-4), (8, 0.0036)]),
        ];
        for (hand, nodes, expected) in rounded {
            for (others, expected) in expected {
                close(cover(nodes, k(hand), others), expected, 0.03);
            }
        }
    }

    #[test]
    fn the_published_numbers_of_hands() {
        assert_eq!(combinations(8, 2), Some(28));
        assert_eq!(combinations(100, 2), Some(4_950));
        assert_eq!(combinations(100, 3), Some(161_700));
        assert_eq!(combinations(100, 5), Some(75_287_520));
        assert_eq!(combinations(2048, 4), Some(730_862_190_080));
        close(cover(8, k(2), 1), 1.0 / 28.0, 1e-12);
        close(cover(100, k(2), 1), 1.0 / 4_950.0, 1e-12);
        close(cover(2048, k(4), 1), 1.0 / 730_862_190_080.0, 1e-12);
    }

    #[test]
    fn the_published_overlaps() {
        let percent: [(u64, usize, &[f64]); 4] = [
            (8, 2, &[53.5714, 42.8571, 3.5714]),
            (20, 2, &[80.5263, 18.9474, 0.5263]),
            (100, 5, &[76.9590, 21.1426, 1.8385, 0.0593, 0.00063, 0.0000013]),
            (2048, 4, &[99.2205, 0.7778, 0.0017, 1.12e-6, 1.37e-10]),
        ];
        for (nodes, hand, expected) in percent {
            for (shared, expected) in expected.iter().enumerate() {
                close(100.0 * overlap(nodes, k(hand), shared), *expected, 0.03);
            }
        }
        // Exact fractions: C(2,x)·C(6,2−x)/28.
        for (shared, ways) in [(0, 15.0), (1, 12.0), (2, 1.0), (3, 0.0)] {
            close(overlap(8, k(2), shared), ways / 28.0, 1e-12);
        }
        assert_eq!(expected_overlap(8, k(2)), 0.5);
    }

    #[test]
    fn the_published_packing_bounds() {
        let bounds = [
            (8, 2, 0, 4),
            (8, 2, 1, 28),
            (20, 2, 1, 190),
            (5, 3, 1, 3),
            (100, 5, 1, 495),
            (100, 5, 2, 16_170),
            (2048, 4, 2, 357_389_824),
        ];
        for (nodes, hand, shared, expected) in bounds {
            assert_eq!(packing_bound(nodes, k(hand), shared), Some(expected));
        }
        assert_eq!(packing_bound(8, k(2), 2), None, "all may have the same");
        assert_eq!(packing_bound(8, k(2), usize::MAX), None);
    }

    #[test]
    fn a_hundred_thousand_tenants_of_a_hundred_nodes_have_66_pairs_alike() {
        close(expected_identical_pairs(100_000, 100, k(5)), 66.4, 0.001);
        assert_eq!([0, 1].map(|tenants| expected_identical_pairs(tenants, 100, k(5))), [0.0, 0.0]);
        assert_eq!(expected_identical_pairs(3, 0, k(5)), 3.0);
    }

    #[test]
    fn combinations_are_exact_up_to_what_a_u128_holds() {
        assert_eq!([combinations(0, 0), combinations(0, 1), combinations(7, 7)], [Some(1), Some(0), Some(1)]);
        // The largest of the middle that fits, and the next.
        assert_eq!(combinations(130, 65), Some(95_067_625_827_960_698_145_584_333_020_095_113_100));
        assert_eq!(combinations(132, 66), None);
        assert_eq!(combinations(u64::MAX, 2), Some(u128::from(u64::MAX) * u128::from(u64::MAX / 2)));
        assert_eq!([combinations(u64::MAX, 3), combinations(u64::MAX, u64::MAX / 2)], [None, None]);
        assert_eq!(combinations(u64::MAX, u64::MAX - 1), Some(u128::from(u64::MAX)));
    }

    #[test]
    fn the_ends_of_all_ranges_are_defined() {
        for nodes in [0, 1, 2, 15, 16, 17, 1 << 53, u64::MAX] {
            for hand in [1, 2, MAX_HAND] {
                let all: f64 = (0..=MAX_HAND).map(|shared| overlap(nodes, k(hand), shared)).sum();
                close(all, 1.0, 1e-12);
                for others in [0, 1, 2, u64::from(u32::MAX), u64::MAX] {
                    let covered = cover(nodes, k(hand), others);
                    assert!((0.0..=1.0 + 1e-9).contains(&covered), "{nodes} {hand} {others}: {covered}");
                }
            }
        }
        assert_eq!(overlap(8, k(2), usize::MAX), 0.0);
        assert_eq!([cover(0, k(2), 0), cover(8, k(2), 0), cover(2, k(3), 1)], [1.0, 0.0, 1.0]);
        close(cover(100, k(5), u64::MAX), 1.0, 1e-9);
        // As many hands as nodes: each node is left out with a probability of 1/eᵏ.
        close(cover(u64::MAX, k(2), u64::MAX), (1.0 - (-2.0f64).exp()).powi(2), 1e-9);
        assert_eq!(expected_overlap(0, k(3)), 0.0);
    }

    proptest! {
        #[test]
        fn what_is_expected_is_the_mean(nodes in 0..5_000u64, hand in 1..=MAX_HAND) {
            let mean: f64 = (0..=hand).map(|shared| shared as f64 * overlap(nodes, k(hand), shared)).sum();
            prop_assert!((mean - expected_overlap(nodes, k(hand))).abs() < 1e-9);
        }

        #[test]
        fn combinations_are_those_of_pascals_triangle(n in 1..200u64, of in 1..200u64) {
            if let (Some(left), Some(right)) = (combinations(n - 1, of - 1), combinations(n - 1, of)) {
                prop_assert_eq!(combinations(n, of), left.checked_add(right));
            }
        }

        #[test]
        fn more_hands_cover_more(nodes in 0..500u64, hand in 1..=MAX_HAND, others in 0..100u64) {
            let (fewer, more) = (cover(nodes, k(hand), others), cover(nodes, k(hand), others + 1));
            prop_assert!(fewer <= more + 1e-12);
        }
    }
}

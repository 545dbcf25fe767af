use crate::{chance::scaled, settings::Ratio};

/// `least` and up to `jitter` of it more, in whole units: uniform, and never less, since less is in vain. Draws nothing
/// where nothing is spread.
pub(super) fn spread(least: u64, jitter: Option<Ratio>, random: impl FnOnce() -> u64) -> u64 {
    let Some(jitter) = jitter else { return least };
    // At least one unit: a second that is spread over none is not spread.
    let most = (u128::from(least) * u128::from(jitter.as_millionths())).div_ceil(1_000_000);
    least.saturating_add(scaled(random(), most as u64))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_second_is_spread_too() {
        let jitter = Some(Ratio::percent(10));
        assert_eq!([0, u64::MAX].map(|random| spread(1, jitter, || random)), [1, 2]);
    }

    proptest! {
        #[test]
        fn nobody_is_called_back_early_or_later_than_allowed(least: u64, percent in 1u8..=100, random: u64) {
            let spread = spread(least, Some(Ratio::percent(percent)), || random);
            prop_assert!(spread >= least);
            prop_assert!(u128::from(spread) <= u128::from(least) * (100 + u128::from(percent)) / 100 + 1);
        }
    }
}

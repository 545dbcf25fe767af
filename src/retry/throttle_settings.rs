use std::fmt;

use crate::settings::InvalidSetting;

/// How many thousandths make a token; gRPC counts no finer.
pub(super) const TOKEN: u32 = 1000;

/// The settings of a [`Throttle`](super::Throttle), in the words of gRPC's service configuration: a plain value.
///
/// | setting | default | why |
/// |---|---|---|
/// | max tokens | 10 | the figure of proposal A6; five failures in a row end retries |
/// | token ratio | 0.1 | from the same proposal; ten successes make up for a failure |
#[derive(Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct ThrottleSettings {
    /// In thousandths of a token.
    pub(super) most: u32,
    /// In thousandths of a token.
    pub(super) ratio: u32,
}

impl ThrottleSettings {
    /// The defaults.
    pub const fn new() -> Self {
        Self { most: 10 * TOKEN, ratio: 100 }
    }

    /// At most, and at first, `max_tokens`; each success is worth `token_ratio` of one, truncated to thousandths, as A6
    /// has it.
    ///
    /// # Errors
    /// [`InvalidSetting`] unless `max_tokens` is from 1 to 1000, and `token_ratio` from 0.001 to 1000; for NaN too.
    pub fn try_new(max_tokens: u32, token_ratio: f64) -> Result<Self, InvalidSetting> {
        if !(1..=1000).contains(&max_tokens) {
            return Err(InvalidSetting::new("retry.throttle.max_tokens", max_tokens, "from 1 to 1000"));
        }
        if !(0.001..=1000.0).contains(&token_ratio) {
            return Err(InvalidSetting::new("retry.throttle.token_ratio", token_ratio, "from 0.001 to 1000"));
        }
        // A binary 0.29 is a little less than 0.29, and 290 thousandths were meant.
        let thousandths = token_ratio * f64::from(TOKEN);
        let nearest = thousandths.round();
        let exact = if (thousandths - nearest).abs() < 1e-6 { nearest } else { thousandths.floor() };
        Ok(Self { most: max_tokens * TOKEN, ratio: exact as u32 })
    }

    /// How many tokens there are at most, and at first.
    pub const fn max_tokens(&self) -> u32 {
        self.most / TOKEN
    }

    /// What a success is worth, in tokens.
    pub fn token_ratio(&self) -> f64 {
        f64::from(self.ratio) / f64::from(TOKEN)
    }
}

/// In tokens, as they are set, and not in thousandths.
impl fmt::Debug for ThrottleSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThrottleSettings")
            .field("max_tokens", &self.max_tokens())
            .field("token_ratio", &self.token_ratio())
            .finish()
    }
}

impl Default for ThrottleSettings {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_has_three_places() {
        let ratio = |ratio| ThrottleSettings::try_new(10, ratio).map(|settings| settings.ratio);
        for thousandths in 1..=1000 {
            assert_eq!(ratio(f64::from(thousandths) / 1000.0), Ok(thousandths));
        }
        assert_eq!(ratio(0.5466), Ok(546), "A6: what is finer is ignored");
        assert_eq!(ratio(1000.0), Ok(1_000_000));
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        let refused = |max, ratio| ThrottleSettings::try_new(max, ratio).expect_err("nonsense").setting();
        for max in [0, 1001, u32::MAX] {
            assert_eq!(refused(max, 0.1), "retry.throttle.max_tokens");
        }
        for ratio in [0.0, -1.0, 0.0009, 1000.1, f64::NAN, f64::INFINITY] {
            assert_eq!(refused(10, ratio), "retry.throttle.token_ratio");
        }
    }
}

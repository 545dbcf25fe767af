//! Numbers parsed at the door.
//!
//! A room's settings are made of types that cannot hold nonsense. Where a number comes from a configuration file, a
//! `try_` constructor parses it and [`InvalidSetting`] says which setting, which value, and what is allowed.

use std::{fmt, num::NonZeroU32};

/// A setting whose value makes no sense: which one, what it was, and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting} = {value} is not allowed: it must be {allowed}")]
pub struct InvalidSetting {
    setting: &'static str,
    value: String,
    allowed: &'static str,
}

impl InvalidSetting {
    /// `setting` had `value`, but must be `allowed` ("at least 1").
    pub fn new(setting: &'static str, value: impl fmt::Debug, allowed: &'static str) -> Self {
        Self { setting, value: format!("{value:?}"), allowed }
    }

    /// The name of the setting, as `room.setting`.
    pub fn setting(&self) -> &'static str {
        self.setting
    }

    /// The value that was refused, printed.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// What is allowed, in words.
    pub fn allowed(&self) -> &'static str {
        self.allowed
    }
}

/// A share of a whole: more than nothing and at most all, exact to a millionth.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ratio(NonZeroU32);

impl Ratio {
    const WHOLE: u32 = 1_000_000;

    /// All.
    pub const ONE: Self = Self::millionths(Self::WHOLE);
    /// Half.
    pub const HALF: Self = Self::millionths(Self::WHOLE / 2);

    /// `percent` hundredths. Zero counts as one and more than a hundred as a hundred; to have them refused, use
    /// [`Ratio::try_new`].
    pub const fn percent(percent: u8) -> Self {
        Self::millionths((percent as u32).saturating_mul(Self::WHOLE / 100))
    }

    /// A share written as a fraction of one: above 0, at most 1, rounded to a millionth.
    ///
    /// # Errors
    /// [`InvalidSetting`] naming `setting` for anything else, NaN included.
    pub fn try_new(setting: &'static str, share: f64) -> Result<Self, InvalidSetting> {
        let millionths = (share * f64::from(Self::WHOLE)).round();
        if millionths >= 1.0 && share <= 1.0 {
            Ok(Self::millionths(millionths as u32))
        } else {
            Err(InvalidSetting::new(setting, share, "above 0 and at most 1"))
        }
    }

    /// Clamped to the nearest share there is.
    pub(crate) const fn millionths(millionths: u32) -> Self {
        let millionths = if millionths > Self::WHOLE { Self::WHOLE } else { millionths };
        match NonZeroU32::new(millionths) {
            Some(millionths) => Self(millionths),
            None => Self(NonZeroU32::MIN),
        }
    }

    /// The share in millionths: 1 to 1,000,000.
    pub const fn as_millionths(self) -> u32 {
        self.0.get()
    }

    /// The share as a fraction of one.
    pub fn as_f64(self) -> f64 {
        f64::from(self.0.get()) / f64::from(Self::WHOLE)
    }

    /// Whether `part` is this share of `whole` or more, in exact integers. Zero of zero is not.
    #[inline]
    pub const fn is_reached(self, part: u64, whole: u64) -> bool {
        whole > 0 && part as u128 * Self::WHOLE as u128 >= whole as u128 * self.0.get() as u128
    }
}

impl fmt::Debug for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // In integers: a float would show its own dust.
        let (percent, rest) = (self.as_millionths() / 10_000, self.as_millionths() % 10_000);
        match rest {
            0 => write!(f, "{percent} %"),
            _ => write!(f, "{percent}.{} %", format!("{rest:04}").trim_end_matches('0')),
        }
    }
}

/// `value`, or the error that names `setting` where it is zero.
pub(crate) fn at_least_one(setting: &'static str, value: u32) -> Result<NonZeroU32, InvalidSetting> {
    NonZeroU32::new(value).ok_or_else(|| InvalidSetting::new(setting, value, "at least 1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_above_nothing_and_at_most_all() {
        for bad in [0.0, -0.1, 1.000_001, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e-9] {
            let error = Ratio::try_new("room.share", bad).expect_err("nonsense");
            assert_eq!(error.setting(), "room.share");
        }
        assert_eq!(Ratio::try_new("room.share", 1.0), Ok(Ratio::ONE));
        assert_eq!(Ratio::try_new("room.share", 0.3).map(Ratio::as_millionths), Ok(300_000));
    }

    #[test]
    fn reaching_is_exact() {
        let third = Ratio::try_new("room.share", 0.3).expect("a share");
        assert!(third.is_reached(3, 10));
        assert!(!third.is_reached(299_999, 1_000_000));
        assert!(third.is_reached(u64::MAX, u64::MAX));
        assert!(!Ratio::percent(1).is_reached(0, 0));
    }

    #[test]
    fn a_share_is_printed_without_dust() {
        let printed = |millionths| Ratio::millionths(millionths).to_string();
        assert_eq!([printed(1), printed(70_000), printed(123_400)], ["0.0001 %", "7 %", "12.34 %"]);
    }

    #[test]
    fn an_error_names_setting_value_and_what_is_allowed() {
        let error = at_least_one("bulkhead.limit", 0).expect_err("zero");
        assert_eq!(error.to_string(), "bulkhead.limit = 0 is not allowed: it must be at least 1");
    }
}

use std::{
    borrow::Cow,
    fmt,
    num::{NonZeroU32, NonZeroUsize},
    time::Duration,
};

use crate::settings::Ratio;

/// The value of a setting, to be printed or serialised.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// It is not set.
    Unset,
    /// Yes or no.
    Flag(bool),
    /// A number of things.
    Whole(u64),
    /// A number that may have a fraction.
    Real(f64),
    /// A time; [`Duration::MAX`] is for ever.
    Time(Duration),
    /// A choice.
    Word(Cow<'static, str>),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unset => f.write_str("none"),
            Self::Flag(flag) => f.write_str(if *flag { "yes" } else { "no" }),
            Self::Whole(whole) => write!(f, "{whole}"),
            Self::Real(real) => write!(f, "{real}"),
            Self::Time(Duration::MAX) => f.write_str("for ever"),
            Self::Time(time) => write!(f, "{time:?}"),
            Self::Word(word) => f.write_str(word),
        }
    }
}

/// Writes conversions, a row each.
macro_rules! from {
    ($($type:ty, $value:ident => $into:expr;)*) => {
        $(impl From<$type> for Value {
            fn from($value: $type) -> Self {
                $into
            }
        })*
    };
}

from! {
    bool, flag => Self::Flag(flag);
    u32, whole => Self::Whole(whole.into());
    u64, whole => Self::Whole(whole);
    usize, whole => Self::Whole(whole as u64);
    NonZeroU32, whole => Self::Whole(whole.get().into());
    NonZeroUsize, whole => Self::Whole(whole.get() as u64);
    f64, real => Self::Real(real);
    Ratio, share => Self::Real(share.as_f64());
    Duration, time => Self::Time(time);
    &'static str, word => Self::Word(Cow::Borrowed(word));
    String, word => Self::Word(Cow::Owned(word));
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Unset, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_printed_for_people() {
        let printed = |value: Value| value.to_string();
        assert_eq!(printed(None::<u32>.into()), "none");
        assert_eq!(printed(Duration::MAX.into()), "for ever");
        assert_eq!(printed(Some(Duration::from_millis(1500)).into()), "1.5s");
        assert_eq!(printed(Ratio::HALF.into()), "0.5");
        assert_eq!(printed(u64::MAX.into()), "18446744073709551615");
        assert_eq!(printed(true.into()), "yes");
    }
}

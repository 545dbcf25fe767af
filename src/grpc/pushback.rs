//! What a callee says about trying again: pure.

use std::{fmt, time::Duration};

use crate::rejection::Rejection;

/// What a callee says about retries: the value of `grpc-retry-pushback-ms`, by [gRPC's proposal
/// A6](https://github.com/grpc/proposal/blob/master/A6-client-retries.md#pushback). A callee that says nothing leaves
/// it to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "the field can say no more")]
pub enum Pushback {
    /// Not before this long from now.
    After(Duration),
    /// Not at all.
    Never,
}

impl Pushback {
    /// The most that the field can say, 24 days: a signed number of 32 bits.
    const MOST: u128 = i32::MAX as u128;

    /// What a value of the field says. A negative number, or anything that is not a 32-bit number, says
    /// [`Never`](Self::Never), as A6 has it: a client that does not understand its callee keeps off. O(1).
    pub fn parse(value: &[u8]) -> Self {
        let number = value.iter().try_fold(0_u32, |number, digit| {
            let digit = digit.is_ascii_digit().then(|| u32::from(digit - b'0'))?;
            number.checked_mul(10)?.checked_add(digit)
        });
        match number {
            Some(millis @ 0..=0x7fff_ffff) if !value.is_empty() => Self::After(Duration::from_millis(millis.into())),
            _ => Self::Never,
        }
    }

    /// What a caller is told who was refused so: not to come back where the reason is not
    /// [retryable](crate::Reason::is_retryable), else when, where that is known.
    pub(super) fn of_rejection(rejection: &Rejection) -> Option<Self> {
        if !rejection.reason().is_retryable() {
            return Some(Self::Never);
        }
        rejection.retry_after().map(Self::After)
    }
}

impl fmt::Display for Pushback {
    /// The value of the field: whole milliseconds, rounded up and never zero, since a caller that comes back a moment
    /// early is refused again. `-1` means never.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::After(after) => write!(f, "{}", after.as_nanos().div_ceil(1_000_000).clamp(1, Self::MOST)),
            Self::Never => f.write_str("-1"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rejection::Reason;

    fn after(millis: u64) -> Pushback {
        Pushback::After(Duration::from_millis(millis))
    }

    #[test]
    fn a_number_is_exactly_that_many_milliseconds() {
        assert_eq!(Pushback::parse(b"0"), after(0));
        assert_eq!(Pushback::parse(b"25"), after(25));
        assert_eq!(Pushback::parse(b"0025"), after(25));
        assert_eq!(Pushback::parse(b"2147483647"), after(2_147_483_647));
    }

    #[test]
    fn what_cannot_be_read_says_never() {
        for junk in
            ["", "-1", "-0", "+5", "1.5", "5ms", " 5", "0x5", "2147483648", "4294967296", "99999999999999999999"]
        {
            assert_eq!(Pushback::parse(junk.as_bytes()), Pushback::Never, "{junk:?}");
        }
        assert_eq!(Pushback::parse(&[0xff; 1 << 20]), Pushback::Never);
    }

    #[test]
    fn a_moment_is_rounded_up_and_never_none() {
        let written = |after| Pushback::After(after).to_string();
        assert_eq!(written(Duration::ZERO), "1");
        assert_eq!(written(Duration::from_nanos(1_000_001)), "2");
        assert_eq!(written(Duration::MAX), "2147483647");
        assert_eq!(Pushback::Never.to_string(), "-1");
    }

    #[test]
    fn who_cannot_be_helped_is_told_not_to_come_back() {
        for reason in Reason::ALL {
            let rejection = Rejection::new(*reason, "test");
            let unknown = (!reason.is_retryable()).then_some(Pushback::Never);
            assert_eq!(Pushback::of_rejection(&rejection), unknown, "{reason:?}");
            let known = if reason.is_retryable() { after(7) } else { Pushback::Never };
            let rejection = rejection.with_retry_after(Duration::from_millis(7));
            assert_eq!(Pushback::of_rejection(&rejection), Some(known), "{reason:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_never_earlier(nanos in 0u64..2_147_483_647_000_000) {
            let at = Duration::from_nanos(nanos);
            let Pushback::After(read) = Pushback::parse(Pushback::After(at).to_string().as_bytes()) else {
                return Err(TestCaseError::fail("a number"));
            };
            prop_assert!(read >= at && read <= at + Duration::from_millis(1));
        }

        #[test]
        fn any_other_text_says_never(text: Vec<u8>, number: i64) {
            let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
            prop_assert!(digits || Pushback::parse(&text) == Pushback::Never);
            let known = i32::try_from(number).is_ok_and(|number| number >= 0);
            prop_assert_eq!(Pushback::parse(number.to_string().as_bytes()) != Pushback::Never, known);
        }
    }
}

//! The value of a `grpc-timeout` field: pure.
//!
//! By gRPC's [PROTOCOL-HTTP2](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md), one to eight digits and a
//! unit: `H`ours, `M`inutes, `S`econds, `m`illi-, `u` micro- or `n`anoseconds.

use std::time::Duration;

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// The units and their nanoseconds, the finest first.
const UNITS: [(u8, u128); 6] = [
    (b'n', 1),
    (b'u', 1000),
    (b'm', 1_000_000),
    (b'S', NANOS_PER_SECOND),
    (b'M', 60 * NANOS_PER_SECOND),
    (b'H', 3600 * NANOS_PER_SECOND),
];

/// As much as eight digits can say.
const MOST: u128 = 99_999_999;

/// The time that a `grpc-timeout` gives, or `None` for what is none: nothing is guessed, and a call with junk in this field
/// is one that said nothing. Zero is none either by the specification, but clients write it, and mean no time at all. O(1).
pub(super) fn parse(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if !(1..=8).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let amount = digits.iter().fold(0, |amount, digit| amount * 10 + u128::from(digit - b'0'));
    let (_, nanos) = UNITS.iter().find(|(letter, _)| letter == unit)?;
    Some(from_nanos(amount * nanos))
}

/// `left` as a `grpc-timeout`: in the finest unit of which eight digits are enough, rounded down, so that it is never longer;
/// zero is `0n`. More than the field can say, 11,415 years, is as much as it can. O(1); the text is allocated.
pub(super) fn format(left: Duration) -> String {
    let nanos = left.as_nanos();
    let written = UNITS.iter().map(|(unit, size)| (nanos / size, *unit)).find(|(amount, _)| *amount <= MOST);
    let (amount, unit) = written.unwrap_or((MOST, b'H'));
    format!("{amount}{}", char::from(unit))
}

/// Of `u128` nanoseconds, which are at most `99999999H` here.
fn from_nanos(nanos: u128) -> Duration {
    Duration::new((nanos / NANOS_PER_SECOND) as u64, (nanos % NANOS_PER_SECOND) as u32)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn each_unit_is_read() {
        let read = |text: &str| parse(text.as_bytes());
        assert_eq!(read("2H"), Some(2 * HOUR));
        assert_eq!(read("3M"), Some(Duration::from_secs(180)));
        assert_eq!(read("4S"), Some(Duration::from_secs(4)));
        assert_eq!(read("5m"), Some(Duration::from_millis(5)));
        assert_eq!(read("6u"), Some(Duration::from_micros(6)));
        assert_eq!(read("7n"), Some(Duration::from_nanos(7)));
        assert_eq!(read("00000007n"), Some(Duration::from_nanos(7)));
        assert_eq!(read("0S"), Some(Duration::ZERO));
        assert_eq!(read("99999999H"), Some(99_999_999 * HOUR));
    }

    #[test]
    fn junk_says_nothing() {
        for junk in
            ["", "S", "5", "5s", "5h", "+5S", "-5S", " 5S", "5S ", "5 S", "1.5S", "123456789n", "5SS", "５S", "5é"]
        {
            assert_eq!(parse(junk.as_bytes()), None, "{junk:?}");
        }
        assert_eq!(parse(&[b'9'; 10 << 20]), None);
    }

    #[test]
    fn the_finest_unit_that_fits_is_written() {
        assert_eq!(format(Duration::ZERO), "0n");
        assert_eq!(format(Duration::from_nanos(99_999_999)), "99999999n");
        assert_eq!(format(Duration::from_nanos(100_000_999)), "100000u", "rounded down");
        assert_eq!(format(Duration::from_secs(30)), "30000000u");
        assert_eq!(format(HOUR), "3600000m");
        assert_eq!(format(Duration::from_secs(100_000_001)), "1666666M");
        assert_eq!(format(Duration::MAX), "99999999H");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_never_longer(secs: u64, nanos in 0u32..1_000_000_000, shift in 0u32..64) {
            let left = Duration::new(secs >> shift, nanos);
            let written = format(left);
            let read = parse(written.as_bytes()).expect("well formed");
            prop_assert!(read <= left);
            // A thousand times as coarse begins with six digits, so that less than a part in a hundred thousand is lost.
            let lost = (left - read).as_nanos();
            prop_assert!(lost * 100_000 <= left.as_nanos() || written == "99999999H");
        }

        #[test]
        fn whatever_comes_nothing_breaks(value: Vec<u8>, digits in "[0-9]{0,9}[A-Za-z]") {
            let _ = parse(&value);
            let read = parse(digits.as_bytes());
            let known = digits.ends_with(['H', 'M', 'S', 'm', 'u', 'n']) && (2..=9).contains(&digits.len());
            prop_assert_eq!(read.is_some(), known);
        }
    }
}

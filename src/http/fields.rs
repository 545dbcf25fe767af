//! How fields are read that anybody may have written: what is not exactly as it should be is not there.

use ::http::{HeaderMap, header::AsHeaderName};

/// Longer than any number, date or list of priorities; what is longer was not written by anybody who means well.
const LONGEST: usize = 256;

/// The value of a field that stands alone: not twice, not in other letters than ASCII, and not endless.
pub(super) fn only(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() || value.len() > LONGEST {
        return None;
    }
    Some(value.to_str().ok()?.trim_matches([' ', '\t']))
}

/// A number of nothing but digits, at most `u64::MAX`. `u64::from_str` would take a sign too.
pub(super) fn digits(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use ::http::HeaderValue;

    use super::*;

    fn read(values: &[&[u8]]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("x", HeaderValue::from_bytes(value).expect("a value"));
        }
        only(&headers, "x").map(str::to_owned)
    }

    #[test]
    fn what_is_doubtful_is_not_there() {
        assert_eq!(read(&[b" 7\t"]), Some("7".to_owned()));
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[b"7", b"7"]), None, "who put the second one there?");
        assert_eq!(read(&["sieben\u{e9}".as_bytes()]), None);
        assert_eq!(read(&[&[b'7'; LONGEST]]).map(|text| text.len()), Some(LONGEST));
        assert_eq!(read(&[&[b'7'; LONGEST + 1]]), None);
    }

    #[test]
    fn a_number_is_digits_and_never_too_large() {
        assert_eq!(digits("0"), Some(0));
        assert_eq!(digits("007"), Some(7));
        assert_eq!(digits("18446744073709551615"), Some(u64::MAX));
        assert_eq!(digits("99999999999999999999999"), Some(u64::MAX));
        for junk in ["", "-1", "+1", "1.5", "1e3", "0x10", "1 2", "١", "NaN"] {
            assert_eq!(digits(junk), None, "{junk:?}");
        }
    }
}

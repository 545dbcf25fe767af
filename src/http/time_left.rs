use std::time::Duration;

use ::http::{HeaderMap, HeaderName, HeaderValue};

use super::{
    fields::{digits, only},
    grpc_timeout,
};

/// How the time left for a request is written into a header: which header, and in which unit. A plain value, read by
/// [`Trusted::deadline`](super::Trusted::deadline) and written by [`SendDeadline`](super::SendDeadline).
///
/// What travels is the time left, not a point in time: the clocks of two machines do not agree. The time it takes to
/// travel is not subtracted; that is the sender's [margin](super::SendDeadline::with_margin).
///
/// ```
/// use http::HeaderName;
/// use plimsoll::http::TimeLeft;
///
/// const MILLIS: TimeLeft = TimeLeft::millis(HeaderName::from_static("x-time-left-ms"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct TimeLeft {
    name: HeaderName,
    unit: Unit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Seconds,
    Millis,
    /// Milliseconds, of which zero is no limit.
    Envoy,
    /// Up to eight digits, and the first letter of the unit.
    Grpc,
}

impl TimeLeft {
    /// Whole milliseconds, in a header of this name.
    pub const fn millis(name: HeaderName) -> Self {
        Self { name, unit: Unit::Millis }
    }

    /// Whole seconds, in a header of this name.
    pub const fn seconds(name: HeaderName) -> Self {
        Self { name, unit: Unit::Seconds }
    }

    /// `x-envoy-expected-rq-timeout-ms`, which Envoy sets on requests to its own upstreams. Zero is no limit there.
    pub const fn envoy() -> Self {
        Self { name: HeaderName::from_static("x-envoy-expected-rq-timeout-ms"), unit: Unit::Envoy }
    }

    /// `grpc-timeout`, which every gRPC client with a deadline sends.
    pub const fn grpc() -> Self {
        Self { name: HeaderName::from_static("grpc-timeout"), unit: Unit::Grpc }
    }

    /// The header's name.
    pub const fn name(&self) -> &HeaderName {
        &self.name
    }

    /// The time left by this header. `None` if it is missing, occurs twice, or is not as its format has it; digits
    /// beyond a `u64` count as `u64::MAX`.
    pub fn read(&self, headers: &HeaderMap) -> Option<Duration> {
        let text = only(headers, &self.name)?;
        match self.unit {
            Unit::Seconds => digits(text).map(Duration::from_secs),
            Unit::Millis => digits(text).map(Duration::from_millis),
            Unit::Envoy => digits(text).filter(|millis| *millis > 0).map(Duration::from_millis),
            Unit::Grpc => grpc_timeout::parse(text.as_bytes()),
        }
    }

    /// Writes the time left, over whatever stood there. Rounded up: a callee given part of a second too much does a
    /// little too much, one told zero does nothing at all. But gRPC's header, which can say nanoseconds, is rounded
    /// down: callees say `DEADLINE_EXCEEDED` at the end, and their callers should still hear it.
    pub fn write(&self, headers: &mut HeaderMap, left: Duration) {
        let value = match self.unit {
            Unit::Seconds => HeaderValue::from(units(left, 1_000_000_000)),
            Unit::Millis => HeaderValue::from(units(left, 1_000_000)),
            Unit::Envoy => HeaderValue::from(units(left, 1_000_000).max(1)),
            Unit::Grpc => match HeaderValue::try_from(grpc_timeout::format(left)) {
                Ok(value) => value,
                Err(_) => return,
            },
        };
        // A map that is full refuses, where `insert` would panic. Nothing is said then, rather than what stood there.
        if headers.try_insert(self.name.clone(), value).is_err() {
            headers.remove(&self.name);
        }
    }
}

/// `left` in units of so many nanoseconds, rounded up.
fn units(left: Duration, nanos: u64) -> u64 {
    u64::try_from(left.as_nanos().div_ceil(u128::from(nanos))).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAME: HeaderName = HeaderName::from_static("x-left");

    fn read(format: &TimeLeft, text: &str) -> Option<Duration> {
        format.read(&HeaderMap::from_iter([(format.name.clone(), text.parse().expect("a value"))]))
    }

    fn written(format: &TimeLeft, left: Duration) -> String {
        let mut headers = HeaderMap::from_iter([(format.name.clone(), HeaderValue::from_static("stale"))]);
        format.write(&mut headers, left);
        only(&headers, &format.name).expect("one value").to_owned()
    }

    #[test]
    fn each_format_is_read_in_its_unit() {
        let ms = Duration::from_millis;
        assert_eq!(read(&TimeLeft::millis(NAME), "1500"), Some(ms(1500)));
        assert_eq!(read(&TimeLeft::seconds(NAME), "2"), Some(ms(2000)));
        assert_eq!(read(&TimeLeft::envoy(), "15000"), Some(ms(15_000)));
        for (text, left) in [("250m", ms(250)), ("2S", ms(2000)), ("1M", ms(60_000)), ("1H", ms(3_600_000))] {
            assert_eq!(read(&TimeLeft::grpc(), text), Some(left), "{text}");
        }
        assert_eq!(read(&TimeLeft::grpc(), "7u"), Some(Duration::from_micros(7)));
        assert_eq!(read(&TimeLeft::grpc(), "0n"), Some(Duration::ZERO));
    }

    #[test]
    fn nothing_left_is_nothing_and_for_envoy_no_limit() {
        assert_eq!(read(&TimeLeft::millis(NAME), "0"), Some(Duration::ZERO));
        assert_eq!(read(&TimeLeft::envoy(), "0"), None);
        assert_eq!(written(&TimeLeft::millis(NAME), Duration::ZERO), "0");
        assert_eq!(written(&TimeLeft::envoy(), Duration::ZERO), "1");
    }

    #[test]
    fn junk_is_no_deadline() {
        for junk in ["", "-5", "+5", "1.5", "5 ms", "NaN", "5,5", "0x5"] {
            for format in [TimeLeft::millis(NAME), TimeLeft::seconds(NAME), TimeLeft::envoy(), TimeLeft::grpc()] {
                assert_eq!(read(&format, junk), None, "{format:?}: {junk:?}");
            }
        }
        for junk in ["5", "S", "5s", "+5S", "123456789m", "5é"] {
            assert_eq!(read(&TimeLeft::grpc(), junk), None, "{junk:?}");
        }
    }

    #[test]
    fn a_request_with_as_many_fields_as_there_can_be_goes_without() {
        let mut headers = HeaderMap::from_iter([(NAME, HeaderValue::from_static("99"))]);
        let many = (0..).map(|number| HeaderName::try_from(format!("x-{number}")).expect("a name"));
        for name in many {
            if headers.try_insert(name, HeaderValue::from_static("")).is_err() {
                break;
            }
        }
        TimeLeft::grpc().write(&mut headers, Duration::from_secs(1));
        TimeLeft::millis(NAME).write(&mut headers, Duration::from_millis(7));
        assert_eq!((headers.contains_key("grpc-timeout"), headers.contains_key(NAME)), (false, false));
    }

    #[test]
    fn more_than_fits_is_as_much_as_fits() {
        assert!(read(&TimeLeft::millis(NAME), "99999999999999999999999").is_some());
        assert_eq!(written(&TimeLeft::seconds(NAME), Duration::MAX), u64::MAX.to_string());
        assert_eq!(written(&TimeLeft::grpc(), Duration::MAX), "99999999H");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again_and_at_most_a_unit_longer(nanos in 1u64..) {
            let left = Duration::from_nanos(nanos);
            for format in [TimeLeft::millis(NAME), TimeLeft::seconds(NAME), TimeLeft::envoy()] {
                let again = read(&format, &written(&format, left)).expect("ours");
                let unit = match format.unit {
                    Unit::Seconds => 1_000_000_000,
                    _ => 1_000_000,
                };
                prop_assert!(again >= left, "{format:?}");
                prop_assert!(again - left <= Duration::from_nanos(unit), "{format:?}");
            }
        }

        #[test]
        fn whatever_stands_there_is_read_or_not(bytes in prop::collection::vec(32u8..127, 0..300)) {
            for format in [TimeLeft::millis(NAME), TimeLeft::seconds(NAME), TimeLeft::envoy(), TimeLeft::grpc()] {
                let value = HeaderValue::from_bytes(&bytes).expect("visible");
                let _ = format.read(&HeaderMap::from_iter([(format.name.clone(), value)]));
            }
        }
    }
}

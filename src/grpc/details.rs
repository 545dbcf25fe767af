//! A refusal as details of a status, and back: pure.
//!
//! Details are a `google.rpc.Status` with messages of
//! [error_details.proto](https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto): `RetryInfo`
//! says when to come back, which clients of Google's libraries and of OpenTelemetry go by; `ErrorInfo` says why, in words for
//! machines ([AIP-193](https://google.aip.dev/193)), so that a client of ours knows a full queue from a dead dependency where
//! the code is the same.

use std::time::Duration;

use super::{
    pushback::Pushback,
    wire::{Fields, Message},
};
use crate::rejection::{Reason, Rejection};

const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";
const ERROR_INFO: &str = "type.googleapis.com/google.rpc.ErrorInfo";
/// Whose reasons these are.
const DOMAIN: &str = "plimsoll";
/// The key in an `ErrorInfo` that says that the request may have reached whom the refusing layer protects.
const DISPATCHED: &str = "dispatched";

/// The longest that protobuf's `Duration` may say: 10,000 years.
const LONGEST: u64 = 315_576_000_000;

/// What the details of a status say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Details {
    /// `RetryInfo`: when to come back.
    pub(super) retry_delay: Option<Duration>,
    /// `ErrorInfo` of ours: why, and whether the request may have been dispatched.
    pub(super) reason: Option<(Reason, bool)>,
}

impl Details {
    /// Of the bytes of a `grpc-status-details-bin`, whoever wrote them. O(n) in their number.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let mut details = Self::default();
        for any in Fields(bytes).bytes_of(3) {
            let url = Fields(any).bytes_of(1).last().unwrap_or_default();
            let value = Fields(any).bytes_of(2).last().unwrap_or_default();
            if url == RETRY_INFO.as_bytes() {
                details.retry_delay = details.retry_delay.or(retry_delay(value));
            } else if url == ERROR_INFO.as_bytes() {
                details.reason = details.reason.or(reason(value));
            }
        }
        details
    }

    /// The bytes that tell a caller of `rejection`, with the code, the message and the pushback that it is told beside them.
    pub(super) fn write(code: i32, message: &str, pushback: Option<Pushback>, rejection: &Rejection) -> Vec<u8> {
        let status = Message::default().number(1, code as u64).bytes(2, message.as_bytes());
        let status = match pushback {
            Some(Pushback::After(after)) => status.bytes(3, &packed(RETRY_INFO, retry_info(after))),
            Some(Pushback::Never) | None => status,
        };
        status.bytes(3, &packed(ERROR_INFO, error_info(rejection))).into_bytes()
    }
}

fn packed(url: &str, value: Message) -> Vec<u8> {
    Message::default().bytes(1, url.as_bytes()).bytes(2, &value.into_bytes()).into_bytes()
}

fn retry_info(after: Duration) -> Message {
    let seconds = after.as_secs().min(LONGEST);
    let duration = Message::default().number(1, seconds).number(2, after.subsec_nanos().into());
    Message::default().bytes(1, &duration.into_bytes())
}

fn error_info(rejection: &Rejection) -> Message {
    let info = Message::default().bytes(1, name(rejection.reason()).as_bytes()).bytes(2, DOMAIN.as_bytes());
    if !rejection.was_dispatched() {
        return info;
    }
    let entry = Message::default().bytes(1, DISPATCHED.as_bytes()).bytes(2, b"maybe");
    info.bytes(3, &entry.into_bytes())
}

fn retry_delay(retry_info: &[u8]) -> Option<Duration> {
    let duration = Fields(retry_info).bytes_of(1).last()?;
    let (seconds, nanos) = (Fields(duration).number_of(1), Fields(duration).number_of(2));
    // What is negative is far beyond either, as its bits are taken here.
    let in_range = seconds <= LONGEST && nanos < 1_000_000_000;
    in_range.then(|| Duration::new(seconds, nanos as u32))
}

fn reason(error_info: &[u8]) -> Option<(Reason, bool)> {
    if Fields(error_info).bytes_of(2).last()? != DOMAIN.as_bytes() {
        return None;
    }
    let named = Fields(error_info).bytes_of(1).last()?;
    let reason = Reason::ALL.iter().find(|reason| name(**reason).as_bytes() == named)?;
    let mut keys = Fields(error_info).bytes_of(3).filter_map(|entry| Fields(entry).bytes_of(1).last());
    Some((*reason, keys.any(|key| key == DISPATCHED.as_bytes())))
}

/// `BulkheadFull` in the words of AIP-193: `BULKHEAD_FULL`.
fn name(reason: Reason) -> String {
    let mut name = String::new();
    for letter in format!("{reason:?}").chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(rejection: &Rejection) -> Vec<u8> {
        Details::write(14, "not now", Pushback::of_rejection(rejection), rejection)
    }

    #[test]
    fn reasons_have_names_for_machines() {
        assert_eq!(name(Reason::BulkheadFull), "BULKHEAD_FULL");
        for reason in Reason::ALL {
            let name = name(*reason);
            let allowed = |letter: char| letter.is_ascii_uppercase() || letter == '_';
            assert!(name.len() <= 63 && name.chars().all(allowed) && !name.ends_with('_'), "{name}");
        }
    }

    #[test]
    fn every_refusal_is_known_again() {
        for reason in Reason::ALL {
            let plain = Rejection::new(*reason, "test");
            let known = Some((*reason, false));
            assert_eq!(Details::read(&written(&plain)), Details { retry_delay: None, reason: known });
            let after = Duration::from_nanos(1_234_567_890);
            let helpful = plain.with_retry_after(after).dispatched();
            let retry_delay = reason.is_retryable().then_some(after);
            let known = Some((*reason, true));
            assert_eq!(Details::read(&written(&helpful)), Details { retry_delay, reason: known });
        }
    }

    #[test]
    fn reasons_of_others_are_not_ours() {
        let theirs = Message::default().bytes(1, b"BULKHEAD_FULL").bytes(2, b"example.com");
        let unknown = Message::default().bytes(1, b"NO_SUCH").bytes(2, DOMAIN.as_bytes());
        for info in [theirs, unknown, Message::default()] {
            let bytes = Message::default().bytes(3, &packed(ERROR_INFO, info)).into_bytes();
            assert_eq!(Details::read(&bytes), Details::default());
        }
    }

    /// A later version may tell more. What was not sent further in may be sent again, whatever else is said of it.
    #[test]
    fn what_is_told_beside_does_not_make_a_refusal_one_that_was_sent() {
        let entry = |key: &[u8]| Message::default().bytes(1, key).bytes(2, b"yes").into_bytes();
        let told = |keys: &[&[u8]]| {
            let info = error_info(&Rejection::new(Reason::QueueFull, "test"));
            let info = keys.iter().fold(info, |info, key| info.bytes(3, &entry(key)));
            Details::read(&Message::default().bytes(3, &packed(ERROR_INFO, info)).into_bytes()).reason
        };
        assert_eq!(told(&[b"queue", b"dispatche"]), Some((Reason::QueueFull, false)));
        assert_eq!(told(&[b"queue", DISPATCHED.as_bytes()]), Some((Reason::QueueFull, true)));
    }

    #[test]
    fn a_delay_that_is_negative_or_endless_is_none() {
        let read = |seconds: u64, nanos: u64| {
            let duration = Message::default().number(1, seconds).number(2, nanos).into_bytes();
            let info = Message::default().bytes(1, &duration);
            Details::read(&Message::default().bytes(3, &packed(RETRY_INFO, info)).into_bytes()).retry_delay
        };
        assert_eq!(read(0, 0), Some(Duration::ZERO));
        assert_eq!(read(LONGEST, 999_999_999), Some(Duration::new(LONGEST, 999_999_999)));
        for (seconds, nanos) in [(LONGEST + 1, 0), (-1_i64 as u64, 0), (0, 1_000_000_000), (0, -1_i64 as u64)] {
            assert_eq!(read(seconds, nanos), None, "{seconds} {nanos}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_nothing_breaks(bytes: Vec<u8>, at: prop::sample::Index, flip: u8) {
            let _ = Details::read(&bytes);
            let rejection = Rejection::new(Reason::QueueFull, "test").with_retry_after(Duration::from_secs(1));
            let mut damaged = written(&rejection);
            let at = at.index(damaged.len());
            damaged[at] ^= flip;
            let _ = Details::read(&damaged);
            let _ = Details::read(&damaged[..at]);
        }
    }
}

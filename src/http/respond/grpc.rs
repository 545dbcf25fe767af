//! gRPC without a gRPC library: who speaks it, and an answer of headers alone (a "trailers-only" response in
//! [PROTOCOL-HTTP2](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md)).

use std::fmt::Write;

use ::http::{
    HeaderMap, HeaderName, HeaderValue, Response,
    header::{CONTENT_TYPE, InvalidHeaderValue},
};

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// Whether a request is gRPC. gRPC-Web is not: its clients are browsers, and look for trailers in the body.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    let Some(name) = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes) else { return false };
    let Some((start, rest)) = name.split_at_checked("application/grpc".len()) else { return false };
    start.eq_ignore_ascii_case(b"application/grpc") && matches!(rest.first(), None | Some(b'+' | b';' | b' ' | b'\t'))
}

/// The head of a trailers-only response.
pub(super) fn head(code: i32, message: &str, pushback: Option<Pushback>) -> Response<()> {
    let mut response = Response::new(());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(STATUS, HeaderValue::from(code));
    if let Ok(message) = percent_encoded(message) {
        headers.insert(MESSAGE, message);
    }
    if let Some(pushback) = pushback {
        headers.insert(PUSHBACK, pushback.into());
    }
    response
}

/// What a client's retries are told, by gRPC's proposal A6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pushback {
    /// So many milliseconds.
    After(u64),
    /// Not at all: a negative number says so.
    Never,
}

impl From<Pushback> for HeaderValue {
    fn from(pushback: Pushback) -> Self {
        match pushback {
            Pushback::After(millis) => Self::from(millis),
            Pushback::Never => Self::from_static("-1"),
        }
    }
}

/// What is not printable ASCII, and the percent sign, as `%XX` for each byte.
fn percent_encoded(message: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut encoded = String::with_capacity(message.len());
    for byte in message.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => encoded.push(char::from(byte)),
            // Writing to a string does not fail.
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    HeaderValue::try_from(encoded)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn speaks(content_type: &'static str) -> bool {
        is_grpc(&HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]))
    }

    #[test]
    fn grpc_is_known_by_its_content_type() {
        for grpc in ["application/grpc", "application/grpc+proto", "application/grpc; a=b", "APPLICATION/gRPC+json"] {
            assert!(speaks(grpc), "{grpc}");
        }
        for other in ["application/grpc-web", "application/grpc-web+proto", "application/grpcs", "application/grp", ""]
        {
            assert!(!speaks(other), "{other}");
        }
        assert!(!is_grpc(&HeaderMap::new()));
    }

    #[test]
    fn a_message_of_any_letters_fits_a_header() {
        let encoded = |message| percent_encoded(message).expect("printable");
        assert_eq!(encoded("50 % off: ~é\r\n"), "50 %25 off: ~%C3%A9%0D%0A");
        assert_eq!(encoded("the queue is full"), "the queue is full");
    }

    proptest! {
        #[test]
        fn a_message_comes_out_as_it_went_in(message: String) {
            let encoded = percent_encoded(&message).expect("printable");
            let mut bytes = encoded.as_bytes().iter();
            let mut decoded = Vec::new();
            while let Some(byte) = bytes.next() {
                decoded.push(match byte {
                    b'%' => {
                        let digits: String = bytes.by_ref().take(2).map(|byte| char::from(*byte)).collect();
                        u8::from_str_radix(&digits, 16).expect("two digits")
                    }
                    byte => *byte,
                });
            }
            prop_assert_eq!(decoded, message.as_bytes());
        }
    }
}

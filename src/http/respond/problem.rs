use std::fmt::Write;

use ::http::{HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use bytes::Bytes;
use http_body_util::{Either, Full};

use super::Answer;
use crate::rejection::Rejection;

const QUOTA: &str = "https://iana.org/assignments/http-problem-types#quota-exceeded";
const CAPACITY: &str = "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity";

/// Says what is the matter in a body for programs to read: `application/problem+json` of RFC 9457. Works with any body.
///
/// 429 and 503 have the types that the `RateLimit` draft (draft-ietf-httpapi-ratelimit-headers-10) registers, and a 429
/// names the layer as the violated policy; other responses have no type, and the status's own title. Callers are told
/// no other name. Costs an allocation or two for each refusal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Problems;

impl<B> Answer<B> for Problems {
    type Body = Either<B, Full<Bytes>>;

    #[inline]
    fn pass(&self, response: Response<B>) -> Response<Self::Body> {
        response.map(Either::Left)
    }

    fn answer(&self, rejection: &Rejection, mut response: Response<()>) -> Response<Self::Body> {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        let problem = problem(response.status(), rejection);
        response.map(|()| Either::Right(Full::new(problem.into())))
    }

    fn answer_grpc(&self, _: &Rejection, response: Response<()>) -> Response<Self::Body> {
        response.map(|()| Either::Right(Full::default()))
    }
}

fn problem(status: StatusCode, rejection: &Rejection) -> String {
    let mut text = String::with_capacity(256);
    text.push('{');
    let (kind, title) = match status {
        StatusCode::TOO_MANY_REQUESTS => {
            (Some(QUOTA), "Request cannot be satisfied as assigned quota has been exceeded")
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            (Some(CAPACITY), "Request cannot be satisfied due to temporary server capacity constraints")
        }
        // No type is `about:blank`, and then the title should be the status's.
        other => (None, other.canonical_reason().unwrap_or("Refused")),
    };
    if let Some(kind) = kind {
        member(&mut text, "type", kind);
        text.push(',');
    }
    member(&mut text, "title", title);
    // Writing to a string does not fail.
    let _ = write!(text, ",\"status\":{},", status.as_u16());
    let _ = write!(text, "\"detail\":\"{}\"", rejection.reason());
    if status == StatusCode::TOO_MANY_REQUESTS {
        text.push_str(",\"violated-policies\":[");
        string(&mut text, rejection.layer());
        text.push(']');
    }
    text.push('}');
    text
}

fn member(text: &mut String, name: &str, value: &str) {
    string(text, name);
    text.push(':');
    string(text, value);
}

/// A JSON string (RFC 8259, section 7).
fn string(text: &mut String, value: &str) {
    text.push('"');
    for letter in value.chars() {
        match letter {
            '"' | '\\' => text.extend(['\\', letter]),
            '\0'..='\x1f' => {
                let _ = write!(text, "\\u{:04x}", u32::from(letter));
            }
            _ => text.push(letter),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rejection::Reason;

    #[test]
    fn a_problem_reads_as_it_should() {
        let late = problem(StatusCode::GATEWAY_TIMEOUT, &Rejection::new(Reason::Timeout, "t"));
        assert_eq!(late, r#"{"title":"Gateway Timeout","status":504,"detail":"the call timed out"}"#);
    }

    #[test]
    fn letters_that_mean_something_are_escaped() {
        let mut text = String::new();
        string(&mut text, "\"a\\b\"\n\0é");
        assert_eq!(text, r#""\"a\\b\"\u000a\u0000é""#);
    }
}

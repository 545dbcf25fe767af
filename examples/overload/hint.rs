//! When to come back: how the server says it, and how the client hears it.

use std::time::Duration;

use axum::body::Body;
use http::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use plimsoll::{
    Rejection,
    http::{Answer, HeadersOnly},
};

use crate::wire::Response;

/// `Retry-After` counts in whole seconds. For a queue that is a tenth of one long, that is an age, and so some servers and
/// their clients agree on this one beside it.
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");

/// The answer to a request that was refused.
pub(crate) fn answer(rejection: &Rejection) -> http::Response<Body> {
    let mut response = HeadersOnly.answer(rejection);
    if let Some(after) = rejection.retry_after() {
        response.headers_mut().insert(RETRY_AFTER_MS, HeaderValue::from(after.as_millis() as u64));
    }
    response
}

/// How long the server wants to be left alone, as exactly as it says. The other form of `Retry-After`, a date, is not one
/// that this server sends.
pub(crate) fn read(response: &Response) -> Option<Duration> {
    let number = |name| number(response.headers(), name);
    number(RETRY_AFTER_MS).map(Duration::from_millis).or_else(|| number(RETRY_AFTER).map(Duration::from_secs))
}

fn number(headers: &HeaderMap, name: HeaderName) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use plimsoll::Reason;

    use super::*;

    #[test]
    fn is_heard_as_it_was_said() {
        let rejection = Rejection::new(Reason::QueueFull, "queue").with_retry_after(Duration::from_millis(75));
        let (head, _) = answer(&rejection).into_parts();
        assert_eq!(head.headers.get(RETRY_AFTER), Some(&HeaderValue::from_static("1")));
        let response = Response::from_parts(head, Default::default());
        assert_eq!(read(&response), Some(Duration::from_millis(75)));
    }

    #[test]
    fn is_not_made_up() {
        assert_eq!(read(&Response::default()), None);
        let (head, _) = answer(&Rejection::new(Reason::Timeout, "timeout")).into_parts();
        assert_eq!(read(&Response::from_parts(head, Default::default())), None);
    }
}

//! When to come back: how the server says so, and how the client hears it.

use std::time::Duration;

use axum::body::Body;
use http::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use plimsoll::Rejection;

use crate::wire::Response;

/// `Retry-After` counts in whole seconds. For a queue that is a tenth of one long, that is an age, and so some servers and
/// their clients agree on this one beside it.
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");

/// The answer to a request that was refused: what it would be anyway, and the exact time beside it.
pub(crate) fn answer(rejection: &Rejection, mut response: http::Response<()>) -> http::Response<Body> {
    if let Some(after) = rejection.retry_after() {
        response.headers_mut().insert(RETRY_AFTER_MS, HeaderValue::from(after.as_millis() as u64));
    }
    response.map(|()| Body::empty())
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
        let (head, _) = answer(&rejection, http::Response::new(())).into_parts();
        let response = Response::from_parts(head, Default::default());
        assert_eq!(read(&response), Some(Duration::from_millis(75)));
    }

    #[test]
    fn is_not_made_up() {
        assert_eq!(read(&Response::default()), None);
        let (head, _) = answer(&Rejection::new(Reason::Timeout, "timeout"), http::Response::new(())).into_parts();
        assert_eq!(read(&Response::from_parts(head, Default::default())), None);
    }
}

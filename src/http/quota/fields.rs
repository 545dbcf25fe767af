use std::{fmt::Write, time::Duration};

use ::http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{Entry, RETRY_AFTER},
};

use crate::http::fields::{digits, only};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// The largest integer of a structured field (RFC 9651, section 3.3.1).
const LARGEST: u64 = 999_999_999_999_999;

/// A caller's quota, and how much is left of it: plain numbers. The name may be anything; characters that a field
/// cannot hold are left out. Numbers of more than fifteen digits are written as fifteen nines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Quota {
    name: &'static str,
    limit: u64,
    window: Option<Duration>,
    left: Option<(u64, Duration)>,
}

impl Quota {
    /// `limit` requests (or whatever is counted), under this name.
    pub const fn new(name: &'static str, limit: u64) -> Self {
        Self { name, limit, window: None, left: None }
    }

    /// The time within which the limit may be used up. Written in whole seconds, at least one.
    pub const fn with_window(mut self, window: Duration) -> Self {
        self.window = Some(window);
        self
    }

    /// `remaining` is left, and the quota is whole again after `reset`, which is written in whole seconds, rounded up.
    pub const fn left(mut self, remaining: u64, reset: Duration) -> Self {
        self.left = Some((remaining, reset));
        self
    }

    /// Adds this to both fields, after whatever stands there. Where the response has a `Retry-After`, the reset is
    /// written as no later than that, as the draft asks.
    pub fn write(&self, headers: &mut HeaderMap) {
        let mut name = String::with_capacity(self.name.len() + 2);
        name.push('"');
        for letter in self.name.chars().filter(|letter| matches!(letter, ' '..='~')) {
            if matches!(letter, '"' | '\\') {
                name.push('\\');
            }
            name.push(letter);
        }
        name.push('"');

        let mut policy = format!("{name};q={}", self.limit.min(LARGEST));
        if let Some(window) = self.window {
            // Writing to a string does not fail.
            let _ = write!(policy, ";w={}", seconds(window).max(1));
        }
        append(headers, POLICY, policy);

        if let Some((remaining, reset)) = self.left {
            let after = only(headers, RETRY_AFTER).and_then(digits).unwrap_or(u64::MAX);
            append(headers, LIMIT, format!("{name};r={};t={}", remaining.min(LARGEST), seconds(reset).min(after)));
        }
    }
}

fn seconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0)).min(LARGEST)
}

/// Both fields are lists: more than one line is one list.
fn append(headers: &mut HeaderMap, name: HeaderName, item: String) {
    let Ok(item) = HeaderValue::try_from(item) else { return };
    // A map that is full refuses, where `append` would panic.
    if let Ok(entry) = headers.try_entry(name) {
        match entry {
            Entry::Occupied(mut entry) => entry.append(item),
            Entry::Vacant(entry) => drop(entry.try_insert(item)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(quota: Quota, retry_after: Option<&'static str>) -> (String, Option<String>) {
        let mut headers = HeaderMap::new();
        if let Some(after) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(after));
        }
        quota.write(&mut headers);
        let text = |name| only(&headers, name).map(str::to_owned);
        (text(POLICY).expect("always"), text(LIMIT))
    }

    #[test]
    fn the_fields_are_as_the_draft_has_them() {
        let minute = Quota::new("default", 100).with_window(Duration::from_secs(60));
        let fields = written(minute.left(50, Duration::from_millis(29_001)), None);
        assert_eq!(fields, ("\"default\";q=100;w=60".to_owned(), Some("\"default\";r=50;t=30".to_owned())));
        assert_eq!(written(Quota::new("x", 0), None), ("\"x\";q=0".to_owned(), None));
    }

    /// The draft: `Retry-After` should not be earlier than the reset.
    #[test]
    fn the_reset_is_not_told_later_than_retry_after() {
        let quota = Quota::new("x", 1).left(0, Duration::from_secs(30));
        let reset = |after| written(quota, Some(after)).1.expect("left");
        assert_eq!(reset("3"), "\"x\";r=0;t=3");
        assert_eq!(reset("60"), "\"x\";r=0;t=30");
        assert_eq!(reset("Sun, 06 Nov 1994 08:49:37 GMT"), "\"x\";r=0;t=30");
    }

    #[test]
    fn quotas_add_up_to_a_list() {
        let mut headers = HeaderMap::new();
        Quota::new("a", 1).write(&mut headers);
        Quota::new("b", 2).write(&mut headers);
        let lines: Vec<_> = headers.get_all(POLICY).iter().collect();
        assert_eq!(lines, ["\"a\";q=1", "\"b\";q=2"]);
    }

    #[test]
    fn no_number_and_no_name_is_too_large_or_too_odd() {
        let quota = Quota::new("na\"me\\ é\r\n", u64::MAX).with_window(Duration::ZERO).left(u64::MAX, Duration::MAX);
        let (policy, limit) = written(quota, None);
        assert_eq!(policy, "\"na\\\"me\\\\ \";q=999999999999999;w=1");
        assert_eq!(limit.as_deref(), Some("\"na\\\"me\\\\ \";r=999999999999999;t=999999999999999"));
    }

    proptest! {
        #[test]
        fn any_quota_is_two_fields(limit: u64, remaining: u64, window: Duration, reset: Duration) {
            let (policy, limit) = written(Quota::new("x", limit).with_window(window).left(remaining, reset), None);
            prop_assert!(policy.len() < 64 && limit.is_some_and(|limit| limit.len() < 64));
        }
    }
}

use std::time::Duration;

use ::http::{HeaderMap, Response, StatusCode, header::RETRY_AFTER};

use super::{
    fields::{digits, only},
    wall::Wall,
};
use crate::{
    classify::{Classify, Failure, Health, Outcome, Standard},
    error::Refusal,
};

/// Judges responses by their status, and errors as [`Standard`] does.
///
/// | status | means |
/// |---|---|
/// | 429 | throttled, with the hint of `Retry-After` |
/// | 503 with `Retry-After` | throttled, with that hint |
/// | 503 | overload |
/// | 504 | a timeout |
/// | 501, 505 | success, as gRPC's `UNIMPLEMENTED` is: a callee that answers that it does not have this method, or this version of HTTP, is up (RFC 9110, sections 15.6.2 and 15.6.6). It is not tried again, and opens no circuit for all else |
/// | other 5xx | a transient failure |
/// | all others | success: a client's mistake is not the callee's failure |
///
/// `Retry-After` is a number of seconds or a date in any of HTTP's three forms (RFC 9110, sections 5.6.7 and 10.2.3); a
/// field that is neither, or occurs twice, counts as absent. Layers that follow hints have bounds of their own beside
/// [`with_max_hint`](Self::with_max_hint).
///
/// ```
/// use plimsoll::{Classify, Error, Outcome, classify::Failure, http::ByStatus};
/// # use http::{Response, StatusCode};
///
/// // What the callee does not know yet, it will know in a moment:
/// let judge = ByStatus::new().adjust(|status: StatusCode, _: &http::HeaderMap, outcome: Outcome| match status {
///     StatusCode::NOT_FOUND => Outcome::Failure(Failure::Transient),
///     _ => outcome,
/// });
/// let mut response = Response::new(());
/// *response.status_mut() = StatusCode::NOT_FOUND;
/// assert_eq!(judge.classify(Ok::<_, &Error<()>>(&response)), Outcome::Failure(Failure::Transient));
/// ```
///
/// To judge responses of other types, say [how to look at them](Self::of).
///
/// This is for retries and limits. A circuit breaker asks whether the callee is well, and has a judge of its own:
/// [`health`](Self::health).
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct ByStatus<H = Plain, A = Unadjusted> {
    head: H,
    adjust: A,
    wall: Wall,
    max_hint: Duration,
}

impl ByStatus {
    /// Judges `http::Response`s. Hints are believed up to an hour: a callee that needs longer can say so again, and a
    /// date that is wrong by a year takes nobody out for a year.
    pub const fn new() -> Self {
        Self { head: Plain, adjust: Unadjusted, wall: Wall::SYSTEM, max_hint: Duration::from_secs(3600) }
    }
}

impl Default for ByStatus {
    fn default() -> Self {
        Self::new()
    }
}

impl<H, A> ByStatus<H, A> {
    /// Judges responses of another type, at which `head` looks. For reqwest's:
    /// `|r: &reqwest::Response| (r.status(), r.headers())`.
    // The bound is `Fn` and not `HeadOf`, or the compiler would not see that the closure lends what it was lent.
    pub fn of<Res, New>(self, head: New) -> ByStatus<New, A>
    where
        New: for<'a> Fn(&'a Res) -> (StatusCode, &'a HeaderMap),
    {
        ByStatus { head, adjust: self.adjust, wall: self.wall, max_hint: self.max_hint }
    }

    /// Lets `adjust` have the last word: a closure `|status: StatusCode, headers: &HeaderMap, outcome: Outcome| …`.
    pub fn adjust<New>(self, adjust: New) -> ByStatus<H, New> {
        ByStatus { head: self.head, adjust, wall: self.wall, max_hint: self.max_hint }
    }

    /// Judges whether the callee is well, for a circuit breaker or a router: 429 and 503 say nothing about that, since
    /// a server that sheds load does what it should. The rest of the table applies.
    ///
    /// ❌ One judge for both. A server that sheds half of the requests opens the circuit, and loses the other half too:
    ///
    /// ```
    /// # use plimsoll::{Stack, circuit_breaker, http::ByStatus, retry};
    /// let stack = Stack::new()
    ///     .classify(ByStatus::new())
    ///     .retry(retry::Settings::new())
    ///     .circuit_breaker(circuit_breaker::Settings::new());
    /// # let _ = stack;
    /// ```
    ///
    /// ✅ A judge for each:
    ///
    /// ```
    /// # use plimsoll::{Stack, circuit_breaker, http::ByStatus, retry};
    /// let stack = Stack::new()
    ///     .classify(ByStatus::new())
    ///     .retry(retry::Settings::new())
    ///     .classify(ByStatus::new().health())
    ///     .circuit_breaker(circuit_breaker::Settings::new());
    /// # let _ = stack;
    /// ```
    ///
    /// Some proxies say 503 when they find nobody to pass a request on to, and then it does mean that the callee is
    /// down. If all your 503s are of that kind, [say so](Health::with_shedding_as_failure); if you know how your proxy
    /// marks them, an [`adjust`](Self::adjust) before this tells them apart:
    ///
    /// ```
    /// # use http::{HeaderMap, StatusCode};
    /// # use plimsoll::{Outcome, classify::Failure, http::ByStatus};
    /// let judge = ByStatus::new().adjust(|_: StatusCode, headers: &HeaderMap, outcome: Outcome| {
    ///     if headers.contains_key("x-no-upstream") { Outcome::Failure(Failure::Transient) } else { outcome }
    /// });
    /// let health = judge.health();
    /// # let _ = health;
    /// ```
    pub const fn health(self) -> Health<Self> {
        Health::of(self)
    }

    /// Takes no hint to be longer than this.
    pub const fn with_max_hint(mut self, max_hint: Duration) -> Self {
        self.max_hint = max_hint;
        self
    }

    /// Reads dates by this clock.
    pub const fn wall(mut self, wall: Wall) -> Self {
        self.wall = wall;
        self
    }

    /// How long `Retry-After` asks to be left alone.
    pub fn retry_after(&self, headers: &HeaderMap) -> Option<Duration> {
        let text = only(headers, RETRY_AFTER)?;
        let hint = digits(text).map(Duration::from_secs).or_else(|| self.wall.until(text))?;
        Some(hint.min(self.max_hint))
    }

    /// What a response with this head says about the callee.
    pub fn outcome(&self, status: StatusCode, headers: &HeaderMap) -> Outcome
    where
        A: Adjust,
    {
        let outcome = match status {
            StatusCode::TOO_MANY_REQUESTS => Outcome::Failure(Failure::Throttled(self.retry_after(headers))),
            StatusCode::SERVICE_UNAVAILABLE => Outcome::Failure(match self.retry_after(headers) {
                Some(hint) => Failure::Throttled(Some(hint)),
                None => Failure::Overload,
            }),
            StatusCode::GATEWAY_TIMEOUT => Outcome::Failure(Failure::Timeout),
            StatusCode::NOT_IMPLEMENTED | StatusCode::HTTP_VERSION_NOT_SUPPORTED => Outcome::Success,
            status if status.is_server_error() => Outcome::Failure(Failure::Transient),
            _ => Outcome::Success,
        };
        self.adjust.adjust(status, headers, outcome)
    }
}

impl<Res, E, H, A> Classify<Res, E> for ByStatus<H, A>
where
    E: Refusal,
    H: HeadOf<Res>,
    A: Adjust,
{
    fn classify(&self, result: Result<&Res, &E>) -> Outcome {
        match result {
            Ok(response) => {
                let (status, headers) = self.head.head(response);
                self.outcome(status, headers)
            }
            Err(error) => Standard.classify(Err::<&Res, _>(error)),
        }
    }
}

/// Where a response keeps its status and headers, for types that are not `http::Response`. A closure over `&Res`
/// qualifies.
pub trait HeadOf<Res> {
    /// The status, and the headers.
    fn head<'a>(&self, response: &'a Res) -> (StatusCode, &'a HeaderMap);
}

impl<F, Res> HeadOf<Res> for F
where
    F: for<'a> Fn(&'a Res) -> (StatusCode, &'a HeaderMap),
{
    fn head<'a>(&self, response: &'a Res) -> (StatusCode, &'a HeaderMap) {
        self(response)
    }
}

/// The head of an `http::Response` is its own, and so are the headers of an `http::Request`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plain;

impl<B> HeadOf<Response<B>> for Plain {
    fn head<'a>(&self, response: &'a Response<B>) -> (StatusCode, &'a HeaderMap) {
        (response.status(), response.headers())
    }
}

/// Has the last word about a response. A closure qualifies: see [`ByStatus::adjust`].
pub trait Adjust {
    /// What a response with this head says, which the table says is `outcome`.
    fn adjust(&self, status: StatusCode, headers: &HeaderMap, outcome: Outcome) -> Outcome;
}

impl<F: Fn(StatusCode, &HeaderMap, Outcome) -> Outcome> Adjust for F {
    fn adjust(&self, status: StatusCode, headers: &HeaderMap, outcome: Outcome) -> Outcome {
        self(status, headers, outcome)
    }
}

/// The table has the last word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unadjusted;

impl Adjust for Unadjusted {
    fn adjust(&self, _: StatusCode, _: &HeaderMap, outcome: Outcome) -> Outcome {
        outcome
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::{
        error::Error,
        rejection::{Reason, Rejection},
    };

    /// 1994-11-06 08:49:37, the time of RFC 9110's examples.
    const NOW: Duration = Duration::from_secs(784_111_777);

    fn judged(status: u16, retry_after: Option<&'static str>) -> Outcome {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::from_u16(status).expect("a status");
        if let Some(hint) = retry_after {
            response.headers_mut().insert(RETRY_AFTER, hint.parse().expect("a value"));
        }
        ByStatus::new().wall(Wall::new(|| UNIX_EPOCH + NOW)).classify(Ok::<_, &Error<()>>(&response))
    }

    fn throttled(seconds: u64) -> Outcome {
        Outcome::Failure(Failure::Throttled(Some(Duration::from_secs(seconds))))
    }

    #[test]
    fn every_status_means_what_the_table_says() {
        for status in 100..600 {
            let expected = match status {
                429 => Outcome::Failure(Failure::Throttled(None)),
                503 => Outcome::Failure(Failure::Overload),
                504 => Outcome::Failure(Failure::Timeout),
                501 | 505 => Outcome::Success,
                500.. => Outcome::Failure(Failure::Transient),
                _ => Outcome::Success,
            };
            assert_eq!(judged(status, None), expected, "{status}");
        }
    }

    #[test]
    fn a_hint_is_seconds_or_one_of_three_kinds_of_date() {
        let ten_seconds_later =
            ["10", "Sun, 06 Nov 1994 08:49:47 GMT", "Sunday, 06-Nov-94 08:49:47 GMT", "Sun Nov  6 08:49:47 1994"];
        for hint in ten_seconds_later {
            assert_eq!(judged(503, Some(hint)), throttled(10), "{hint}");
            assert_eq!(judged(429, Some(hint)), throttled(10), "{hint}");
        }
        assert_eq!(judged(429, Some("Sun, 06 Nov 1994 08:49:27 GMT")), throttled(0), "a date that is past");
        assert_eq!(judged(200, Some("10")), Outcome::Success);
        assert_eq!(judged(500, Some("10")), Outcome::Failure(Failure::Transient));
    }

    #[test]
    fn junk_is_no_hint_and_a_huge_one_is_cut() {
        for junk in ["-1", "+3", "1.5", "soon", "", "1994-11-06T08:49:47Z", "NaN", "10, 20"] {
            assert_eq!(judged(503, Some(junk)), Outcome::Failure(Failure::Overload), "{junk}");
        }
        for huge in ["3601", "99999999999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"] {
            assert_eq!(judged(503, Some(huge)), throttled(3600), "{huge}");
        }
    }

    #[test]
    fn a_refusal_from_further_in_is_judged_as_ever() {
        let judged = |error: Error<()>| ByStatus::new().classify(Err::<&Response<()>, _>(&error));
        assert_eq!(judged(Rejection::new(Reason::CircuitOpen, "t").into()), Outcome::Ignored);
        assert_eq!(judged(Error::Inner(())), Outcome::Failure(Failure::Transient));
    }

    #[test]
    fn a_response_of_another_type_is_judged_through_a_closure() {
        struct Foreign(StatusCode, HeaderMap);
        let judge = ByStatus::new().of(|response: &Foreign| (response.0, &response.1));
        let response = Foreign(StatusCode::BAD_GATEWAY, HeaderMap::new());
        assert_eq!(judge.classify(Ok::<_, &Error<()>>(&response)), Outcome::Failure(Failure::Transient));
    }

    #[test]
    fn who_sheds_load_is_not_ill() {
        let adjusted =
            ByStatus::new().adjust(|status: StatusCode, _: &HeaderMap, outcome: Outcome| match status.as_u16() {
                404 => Outcome::Failure(Failure::Transient),
                418 => Outcome::Failure(Failure::Overload),
                _ => outcome,
            });
        let health = |status: u16| {
            let mut response = Response::new(());
            *response.status_mut() = StatusCode::from_u16(status).expect("a status");
            adjusted.health().classify(Ok::<_, &Error<()>>(&response))
        };
        for status in 100..600 {
            let expected = match status {
                418 | 429 | 503 => Outcome::Ignored,
                504 => Outcome::Failure(Failure::Timeout),
                501 | 505 => Outcome::Success,
                404 | 500.. => Outcome::Failure(Failure::Transient),
                _ => Outcome::Success,
            };
            assert_eq!(health(status), expected, "{status}");
        }
    }
}

use std::{
    task::{Context, Poll},
    time::Duration,
};

use ::http::HeaderMap;
use tower_layer::Layer;
use tower_service::Service;

use super::{carry::Extensions, headed::Headed, judge::Plain, time_left::TimeLeft};
use crate::{
    clock::{self, Instant},
    request::{Carry, current},
};

/// Tells the callee how long the caller will wait: a layer for clients, innermost, so that each attempt says what time
/// is left for it.
///
/// The time left is up to the earliest end among the timeouts around it and the deadline that the request
/// [carries](super::Extensions), less a margin. A header that says less already is kept, and any header is kept where
/// there is no end. Where nothing is left, zero is sent, and the callee may refuse at once. Costs a clock read where
/// there is an end. It holds nothing: its future is the inner one.
///
/// ```
/// use std::time::Duration;
/// use http::Request;
/// use plimsoll::{Stack, http::{SendDeadline, TimeLeft}, retry};
///
/// let stack = Stack::new()
///     .timeout(Duration::from_secs(5))
///     .retry(retry::Settings::new())
///     .timeout(Duration::from_secs(1))
///     .layer(SendDeadline::new(TimeLeft::envoy()).with_margin(Duration::from_millis(5)));
/// # let _ = stack.service(tower::service_fn(|_: Request<()>| async { Ok::<_, std::io::Error>(()) }));
/// ```
///
/// For requests of other types, say [where their headers are](Self::of).
#[derive(Clone, Debug)]
#[must_use]
pub struct SendDeadline<H = Plain> {
    headers: H,
    header: TimeLeft,
    margin: Duration,
}

impl SendDeadline {
    /// Writes what is left into this header, with no margin.
    pub const fn new(header: TimeLeft) -> Self {
        Self { headers: Plain, header, margin: Duration::ZERO }
    }
}

impl<H> SendDeadline<H> {
    /// Writes it into requests of another type, whose headers `headers` finds. For reqwest's:
    /// `|req: &mut reqwest::Request| req.headers_mut()`. What such a request carries is not known: only the timeouts
    /// around it count.
    // The bound is `Fn` and not `HeadersOf`, or the compiler would not see that the closure lends what it was lent.
    pub fn of<Req, New>(self, headers: New) -> SendDeadline<New>
    where
        New: for<'a> Fn(&'a mut Req) -> &'a mut HeaderMap,
    {
        SendDeadline { headers, header: self.header, margin: self.margin }
    }

    /// Tells the callee that this much less is left: for the way there and back. An answer that is under way when the
    /// time is up has been worked on for nothing.
    pub const fn with_margin(mut self, margin: Duration) -> Self {
        self.margin = margin;
        self
    }
}

/// Where a request keeps its headers, for types that are not `http::Request`. A closure over `&mut Req` qualifies.
pub trait HeadersOf<Req> {
    /// The headers, to be changed.
    fn headers_mut<'a>(&self, req: &'a mut Req) -> &'a mut HeaderMap;

    /// When the deadline that the request carries ends; [`Instant::FAR`] if it carries none.
    fn carried(&self, req: &Req) -> Instant {
        let _ = req;
        Instant::FAR
    }
}

impl<F, Req> HeadersOf<Req> for F
where
    F: for<'a> Fn(&'a mut Req) -> &'a mut HeaderMap,
{
    #[inline]
    fn headers_mut<'a>(&self, req: &'a mut Req) -> &'a mut HeaderMap {
        self(req)
    }
}

impl<Req> HeadersOf<Req> for Plain
where
    Req: Headed,
    Extensions: Carry<Req>,
{
    #[inline]
    fn headers_mut<'a>(&self, req: &'a mut Req) -> &'a mut HeaderMap {
        req.headers_mut()
    }

    #[inline]
    fn carried(&self, req: &Req) -> Instant {
        Extensions.get(req).map_or(Instant::FAR, |carried| carried.deadline)
    }
}

impl<S, H: Clone> Layer<S> for SendDeadline<H> {
    type Service = SendingDeadline<S, H>;

    fn layer(&self, inner: S) -> Self::Service {
        SendingDeadline { inner, layer: self.clone() }
    }
}

/// A service whose requests say how much time is left. Made by [`SendDeadline`].
#[derive(Clone, Debug)]
pub struct SendingDeadline<S, H = Plain> {
    inner: S,
    layer: SendDeadline<H>,
}

impl<S, H, Req> Service<Req> for SendingDeadline<S, H>
where
    S: Service<Req>,
    H: HeadersOf<Req>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, mut req: Req) -> S::Future {
        let deadline = self.layer.headers.carried(&req).min(current().deadline);
        if deadline != Instant::FAR {
            let left = deadline.since(clock::now()).saturating_sub(self.layer.margin);
            let header = &self.layer.header;
            let headers = self.layer.headers.headers_mut(&mut req);
            if header.read(headers).is_none_or(|asked| asked > left) {
                header.write(headers, left);
            }
        }
        self.inner.call(req)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use ::http::{HeaderName, HeaderValue, Request};

    use super::*;
    use crate::{Stack, request::Carried, timeout::TimeoutLayer};

    const LEFT: HeaderName = HeaderName::from_static("x-left");

    /// Answers with what it was told.
    #[derive(Clone)]
    struct Told;

    impl Service<Request<()>> for Told {
        type Response = Option<HeaderValue>;
        type Error = Infallible;
        type Future = std::future::Ready<Result<Option<HeaderValue>, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, req: Request<()>) -> Self::Future {
            std::future::ready(Ok(req.headers().get(LEFT).cloned()))
        }
    }

    fn send() -> SendDeadline {
        SendDeadline::new(TimeLeft::millis(LEFT)).with_margin(Duration::from_millis(5))
    }

    #[tokio::test(start_paused = true)]
    async fn the_earliest_of_all_ends_is_told_less_the_margin() {
        let stack = Stack::new().timeout(Duration::from_secs(3)).timeout(Duration::from_millis(250)).layer(send());
        let told = stack.service(Told).call(Request::new(())).await.expect("answered");
        assert_eq!(told, Some(HeaderValue::from_static("245")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_is_carried_counts_too() {
        let mut req = Request::new(());
        let deadline = clock::now().after(Duration::from_millis(100));
        Extensions.insert(&mut req, Carried { deadline, ..Carried::NONE });
        let stack = Stack::new().timeout(Duration::from_secs(3)).layer(send());
        let told = stack.service(Told).call(req).await.expect("answered");
        assert_eq!(told, Some(HeaderValue::from_static("95")));
    }

    /// What an application asked for itself was written over by what the timeouts around it allow, which was more.
    #[tokio::test(start_paused = true)]
    async fn what_was_asked_for_is_not_put_off() {
        let stack = Stack::new().timeout(Duration::from_secs(3)).layer(send());
        for (asked, sent) in [("20", "20"), ("2995", "2995"), ("2996", "2995"), ("junk", "2995")] {
            let mut req = Request::new(());
            req.headers_mut().insert(LEFT, HeaderValue::from_static(asked));
            let told = stack.service(Told).call(req).await.expect("answered");
            assert_eq!(told, Some(HeaderValue::from_static(sent)), "{asked}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_margin_eats_is_zero() {
        let stack = Stack::new().timeout(Duration::from_millis(4)).layer(send());
        let told = stack.service(Told).call(Request::new(())).await.expect("answered");
        assert_eq!(told, Some(HeaderValue::from_static("0")));
    }

    #[tokio::test(start_paused = true)]
    async fn without_an_end_nothing_is_told_and_nothing_taken_away() {
        let stack = Stack::new().timeout(TimeoutLayer::new(Duration::MAX)).layer(send());
        let told = stack.service(Told).call(Request::new(())).await.expect("answered");
        assert_eq!(told, None);
        let mut req = Request::new(());
        req.headers_mut().insert(LEFT, HeaderValue::from_static("mine"));
        let told = stack.service(Told).call(req).await.expect("answered");
        assert_eq!(told, Some(HeaderValue::from_static("mine")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_of_another_type_is_told_too() {
        let foreign =
            tower::service_fn(|req: (HeaderMap,)| async move { Ok::<_, Infallible>(req.0.get(LEFT).cloned()) });
        let layer = send().of(|req: &mut (HeaderMap,)| &mut req.0);
        let stack = Stack::new().timeout(Duration::from_millis(250)).layer(layer);
        let told = stack.service(foreign).call((HeaderMap::new(),)).await.expect("answered");
        assert_eq!(told, Some(HeaderValue::from_static("245")));
    }
}

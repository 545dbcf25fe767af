//! The ready-made stacks of HTTP.

use super::{
    Client, ClientAsks, ClientStack, End, Perhaps, Served, Server, ServerAsks, ServerStack, ends::sealed::Sealed,
};
use crate::{
    http::{ByStatus, HeadersOnly, ReplayBodies, ReplayRequests, RespondRejections, SendDeadline, TimeLeft},
    request::Unasked,
};

/// A server's stack with the recommended order and defaults, which turns refusals into responses: see
/// [`ready`](crate::ready#http).
///
/// It believes no header: say [whom you trust](crate::http::Trusted), if anybody.
///
/// ```
/// use axum::{Router, body::Body, extract::Request, routing::get};
///
/// let stack = plimsoll::http::server()
///     .exempt_by(|req: &Request<Body>| req.uri().path() == "/health")
///     .stack();
/// let app: Router = Router::new().route("/", get(|| async { "hello" })).layer(stack.wrapping());
/// # let _ = app;
/// ```
pub fn server() -> HttpServer {
    Server::new().outermost(RespondRejections::new()).classify(Served::of(ByStatus::new()))
}

/// A client's stack with the recommended order and defaults, which understands HTTP: see [`ready`](crate::ready#http).
///
/// The transport gets `Request<Replay<B>>`, which hyper's clients take.
///
/// ```
/// use http::Request;
/// # use http_body_util::Full;
/// # let transport = tower::service_fn(|_: Request<plimsoll::http::Replay<Full<bytes::Bytes>>>| async {
/// #     Ok::<_, std::io::Error>(http::Response::new(()))
/// # });
///
/// let stack = plimsoll::http::client().with_name("inventory").try_stack()?;
/// let inventory = stack.service(transport);
/// # tokio_test::block_on(tower::ServiceExt::oneshot(inventory, Request::new(Full::default()))).expect("answered");
/// # Ok::<_, plimsoll::ready::Misfit>(())
/// ```
pub fn client() -> HttpClient {
    let header = SendDeadline::new(TimeLeft::envoy());
    let client = Client::new().ends(ReplayBodies::new(), Perhaps::new(Some(header)));
    client.replay(ReplayRequests::new()).classify(ByStatus::new())
}

/// A [`Server`] that speaks HTTP.
pub type HttpServer =
    Server<RespondRejections<HeadersOnly>, ServerAsks<Unasked, Unasked, Unasked, Unasked, Unasked, Served<ByStatus>>>;

/// What an [`HttpServer`] becomes: for signatures and fields. Its parameters are the questions, as of [`ServerStack`].
pub type HttpServerStack<P = Unasked, T = Unasked, D = Unasked, X = Unasked, W = Unasked, C = Served<ByStatus>> =
    ServerStack<RespondRejections<HeadersOnly>, P, T, D, X, W, C>;

/// A [`Client`] that speaks HTTP.
pub type HttpClient<R = ReplayRequests, C = ByStatus, D = Unasked> =
    Client<ReplayBodies, Perhaps<SendDeadline>, ClientAsks<R, C, D>>;

/// What an [`HttpClient`] becomes: for signatures and fields.
pub type HttpClientStack<R = ReplayRequests, C = ByStatus, D = Unasked> =
    ClientStack<R, C, D, ReplayBodies, Perhaps<SendDeadline>>;

impl<I: End, A> Client<ReplayBodies, I, A> {
    /// Sets how much of each body is kept for another attempt: with `ReplayBodies::new().with_cap(0)` only requests
    /// without a body are tried again.
    pub fn with_replay_bodies(self, bodies: ReplayBodies) -> Self {
        self.map(|_| bodies, |innermost| innermost)
    }
}

impl<B: End, A> Client<B, Perhaps<SendDeadline>, A> {
    /// Tells the callee how much time is left in another header, or with a margin.
    pub fn with_deadline_header(self, header: SendDeadline) -> Self {
        self.map(|before| before, |_| Perhaps::new(Some(header)))
    }

    /// Does not tell the callee how much time is left.
    pub fn without_deadline_header(self) -> Self {
        self.map(|before| before, |_| Perhaps::new(None))
    }
}

impl<A> Sealed for RespondRejections<A> {}

impl<A> End for RespondRejections<A> {
    fn name(&self) -> Option<&'static str> {
        Some("RespondRejections")
    }
}

impl Sealed for ReplayBodies {}

impl End for ReplayBodies {
    fn name(&self) -> Option<&'static str> {
        Some("ReplayBodies")
    }
}

impl Sealed for SendDeadline {}

impl End for SendDeadline {
    fn name(&self) -> Option<&'static str> {
        Some("SendDeadline")
    }
}

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tower_service::Service;

use super::{Served, Server};

/// A [`Server`] in front of a service of your own, made by [`Server::before`]: takes the server's time, then calls the
/// service, and answers as that does. The answer is up to the service: failures of the [`Model`](super::Model) do not
/// count here, and outside a run it takes no time.
#[derive(Clone, Debug)]
pub struct Before<S> {
    pub(super) server: Server,
    pub(super) inner: S,
}

impl<S, Req> Service<Req> for Before<S>
where
    S: Service<Req> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BeforeFuture<S, Req>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, req: Req) -> Self::Future {
        // The one that was polled ready is the one that will be called.
        let clone = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, clone);
        BeforeFuture { state: State::Working { served: self.server.request(), then: Some((inner, req)) } }
    }
}

pin_project! {
    /// The future of a [`Before`].
    pub struct BeforeFuture<S, Req>
    where
        S: Service<Req>,
    {
        #[pin]
        state: State<S, Req>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, Req>
    where
        S: Service<Req>,
    {
        Working { #[pin] served: Served, then: Option<(S, Req)> },
        Calling { #[pin] call: S::Future },
    }
}

impl<S, Req> Future for BeforeFuture<S, Req>
where
    S: Service<Req>,
{
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProj::Working { served, then } => {
                    let _ = ready!(served.poll(cx));
                    // Gone only if the service panicked when it was called.
                    let Some((mut inner, req)) = then.take() else { return Poll::Pending };
                    let call = inner.call(req);
                    this.state.set(State::Calling { call });
                }
                StateProj::Calling { call } => return call.poll(cx),
            }
        }
    }
}

impl<S, Req> std::fmt::Debug for BeforeFuture<S, Req>
where
    S: Service<Req>,
{
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BeforeFuture").finish_non_exhaustive()
    }
}

//! A load, and where it goes.

use std::{fmt, future::poll_fn, ops::Range, rc::Rc, time::Duration};

use tower_service::Service;

use super::{
    client::{Arrival, Client, Verdict},
    engine::{Caller, Send},
    load::Load,
    people::Weights,
    report::Report,
    run::Run,
};
use crate::error::Refusal;

/// A load of a [`Run`] that is being put together: how its clients behave, and which tenants its requests belong to.
#[must_use = "a load does nothing until it is sent somewhere"]
pub struct Traffic<'a> {
    run: Run<'a>,
    name: &'static str,
    load: Load,
    client: Client,
    classes: Weights,
    tenants: Weights,
}

impl<'a> Traffic<'a> {
    pub(super) fn new(run: Run<'a>, load: Load) -> Self {
        let (classes, tenants) = (Weights::default(), Weights::default());
        Self { run, name: "load", load, client: Client::new(), classes, tenants }
    }

    /// A name for its part of the report.
    pub const fn named(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// How its clients behave. By default they wait a second and try once.
    pub const fn client(mut self, client: Client) -> Self {
        self.client = client;
        self
    }

    /// The shares of classes 0, 1, 2, …; they need not add up to 1. By default all requests are of class 0.
    pub fn classes(mut self, shares: impl IntoIterator<Item = f64>) -> Self {
        self.classes = Weights::new(shares);
        self
    }

    /// The weights of tenants 0, 1, 2, …: `[21.0, 1.0, 1.0]` for a noisy one. By default all requests are of tenant 0.
    pub fn tenants(mut self, weights: impl IntoIterator<Item = f64>) -> Self {
        self.tenants = Weights::new(weights);
        self
    }

    /// As [`Run::measure`].
    pub fn measure(mut self, window: Range<Duration>) -> Self {
        self.run = self.run.measure(window);
        self
    }

    /// As [`Run::until`].
    pub fn until(mut self, end: Duration) -> Self {
        self.run = self.run.until(end);
        self
    }

    /// Sends this load to `service`, a clone for each attempt, with the requests that `request` makes. `Ok` is a
    /// success, a [`Rejection`](crate::Rejection) in the error a refusal, and any other error a failure.
    pub fn to<S, Req>(self, service: S, request: impl FnMut(&Arrival) -> Req + 'a) -> Run<'a>
    where
        S: Service<Req> + Clone + 'a,
        S::Error: Refusal,
        Req: 'a,
    {
        self.to_judged(service, request, |result| match result {
            Ok(_) => Verdict::Success,
            Err(error) => match error.rejection() {
                Some(rejection) => Verdict::Refused(rejection.reason()),
                None => Verdict::Failed,
            },
        })
    }

    /// As [`to`](Self::to), with a say in how results count: for a response of status 503, for instance.
    pub fn to_judged<S, Req>(
        mut self,
        service: S,
        mut request: impl FnMut(&Arrival) -> Req + 'a,
        judge: impl Fn(Result<&S::Response, &S::Error>) -> Verdict + 'a,
    ) -> Run<'a>
    where
        S: Service<Req> + Clone + 'a,
        Req: 'a,
    {
        let judge = Rc::new(judge);
        let send: Send<'a> = Box::new(move |arrival| {
            let (request, mut service, judge) = (request(arrival), service.clone(), Rc::clone(&judge));
            Box::pin(async move {
                if let Err(error) = poll_fn(|cx| service.poll_ready(cx)).await {
                    return judge(Err(&error));
                }
                let result = service.call(request).await;
                judge(result.as_ref())
            })
        });
        let Self { name, load, client, classes, tenants, .. } = self;
        self.run.callers.push(Caller { name, load, client, classes, tenants, send });
        self.run
    }

    /// Sends this load [to](Self::to) `service` and [plays](Run::play) the run.
    ///
    /// # Panics
    /// As [`Run::play`].
    pub async fn run<S, Req>(self, service: S, request: impl FnMut(&Arrival) -> Req + 'a) -> Report
    where
        S: Service<Req> + Clone + 'a,
        S::Error: Refusal,
        Req: 'a,
    {
        self.to(service, request).play().await
    }
}

impl fmt::Debug for Traffic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, load, client, .. } = self;
        f.debug_struct("Traffic")
            .field("name", name)
            .field("load", load)
            .field("client", client)
            .finish_non_exhaustive()
    }
}

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use plimsoll::{Error, Event, clock, event::Stop};
use tower::Service;

pub(crate) const MS: Duration = Duration::from_millis(1);

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Boom(pub(crate) u32);

pub(crate) type Answer = Result<u32, Error<Boom>>;

/// The `n`th failure, counted from 1.
pub(crate) fn boom(n: u32) -> Answer {
    Err(Error::Inner(Boom(n)))
}

type Script<Req> = dyn Fn(u32, &Req) -> Answer + Send + Sync;
type Readiness = dyn Fn(u32) -> Poll<Result<(), Error<Boom>>> + Send + Sync;

/// A service that answers the `n`th call by a script, and insists that each instance is ready before it is called.
pub(crate) struct Mock<Req = u32> {
    script: Arc<Script<Req>>,
    readiness: Arc<Readiness>,
    calls: Arc<AtomicU32>,
    alive: Arc<AtomicU32>,
    ready: bool,
}

impl<Req> Mock<Req> {
    pub(crate) fn new(script: impl Fn(u32, &Req) -> Answer + Send + Sync + 'static) -> Self {
        Self {
            script: Arc::new(script),
            readiness: Arc::new(|_| Poll::Ready(Ok(()))),
            calls: Arc::default(),
            alive: Arc::default(),
            ready: false,
        }
    }

    /// Fails `times` times, then answers with the number of the call.
    pub(crate) fn failing(times: u32) -> Self {
        Self::new(move |n, _| if n <= times { boom(n) } else { Ok(n) })
    }

    /// Readiness depends on how many calls there were.
    pub(crate) fn ready(
        mut self,
        readiness: impl Fn(u32) -> Poll<Result<(), Error<Boom>>> + Send + Sync + 'static,
    ) -> Self {
        self.readiness = Arc::new(readiness);
        self
    }

    pub(crate) fn calls(&self) -> u32 {
        self.calls.load(Relaxed)
    }

    /// How many of its futures have not been dropped.
    pub(crate) fn alive(&self) -> u32 {
        self.alive.load(Relaxed)
    }
}

impl<Req> Clone for Mock<Req> {
    fn clone(&self) -> Self {
        let Self { script, readiness, calls, alive, .. } = self;
        let (script, readiness, calls, alive) = (script.clone(), readiness.clone(), calls.clone(), alive.clone());
        Self { script, readiness, calls, alive, ready: false }
    }
}

impl<Req> Service<Req> for Mock<Req> {
    type Response = u32;
    type Error = Error<Boom>;
    type Future = Reply;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error<Boom>>> {
        let readiness = (self.readiness)(self.calls());
        self.ready = matches!(readiness, Poll::Ready(Ok(())));
        readiness
    }

    fn call(&mut self, req: Req) -> Reply {
        assert!(std::mem::take(&mut self.ready), "called an instance that was not ready");
        let n = self.calls.fetch_add(1, Relaxed) + 1;
        self.alive.fetch_add(1, Relaxed);
        Reply { answer: Some((self.script)(n, &req)), alive: self.alive.clone() }
    }
}

pub(crate) struct Reply {
    answer: Option<Answer>,
    alive: Arc<AtomicU32>,
}

impl Future for Reply {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Answer> {
        Poll::Ready(self.answer.take().expect("polled once"))
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Relaxed);
    }
}

/// What a stack announced.
#[derive(Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<Vec<Event>>>);

impl Heard {
    pub(crate) fn observer(&self) -> impl Fn(&Event) + Send + Sync + 'static {
        let heard = self.0.clone();
        move |event| heard.lock().expect("unpoisoned").push(*event)
    }

    pub(crate) fn all(&self) -> Vec<Event> {
        self.0.lock().expect("unpoisoned").clone()
    }

    /// The attempts made and the reason, of every end.
    pub(crate) fn stops(&self) -> Vec<(u32, Stop)> {
        let stop = |event: &Event| match event {
            Event::RetryStopped { attempts, stop, .. } => Some((*attempts, *stop)),
            _ => None,
        };
        self.all().iter().filter_map(stop).collect()
    }

    pub(crate) fn delays(&self) -> Vec<Duration> {
        let delay = |event: &Event| match event {
            Event::Retrying { delay, .. } => Some(*delay),
            _ => None,
        };
        self.all().iter().filter_map(delay).collect()
    }
}

/// Calls a service once it is ready, and says how long it took.
pub(crate) async fn timed<S: Service<Req>, Req>(
    service: &mut S,
    req: Req,
) -> (Result<S::Response, S::Error>, Duration) {
    let start = clock::now();
    if let Err(error) = std::future::poll_fn(|cx| service.poll_ready(cx)).await {
        return (Err(error), Duration::ZERO);
    }
    let result = service.call(req).await;
    (result, clock::now().since(start))
}

/// Polls a future once.
pub(crate) fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

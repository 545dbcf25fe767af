use std::{
    collections::VecDeque,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use tokio::time::{Sleep, sleep};
use tower_service::Service;

use super::reply::{Delay, End, Readiness, Reply};
use crate::sync::Lock;

type Script<Req, Res, E> = dyn Fn(usize, &Req) -> Reply<Res, E> + Send + Sync;
type ReadyScript<E> = dyn Fn(usize) -> Readiness<E> + Send + Sync;

/// A service that does as it is told. Clones are the same service: they share the script and the [`Handle`].
pub struct Mock<Req, Res, E> {
    script: Arc<Script<Req, Res, E>>,
    ready: Arc<ReadyScript<E>>,
    world: Arc<Lock<World>>,
}

/// What has happened so far.
#[derive(Debug, Default)]
struct World {
    asked_ready: usize,
    calls: usize,
    answered: usize,
    abandoned: usize,
    in_flight: usize,
    peak: usize,
    sleepers: VecDeque<Waker>,
}

impl<Req, Res, E> Mock<Req, Res, E> {
    /// A service that treats its `n`th call, counted from 0, as `script` says.
    pub fn new(script: impl Fn(usize, &Req) -> Reply<Res, E> + Send + Sync + 'static) -> (Self, Handle) {
        let world = Arc::new(Lock::new(World::default()));
        let mock = Self { script: Arc::new(script), ready: Arc::new(|_| Readiness::Ready), world: Arc::clone(&world) };
        (mock, Handle(world))
    }

    /// A service that answers at once with what `answer` makes of the request.
    pub fn answering(answer: impl Fn(&Req) -> Result<Res, E> + Send + Sync + 'static) -> (Self, Handle) {
        Self::new(move |_, req| match answer(req) {
            Ok(response) => Reply::ok(response),
            Err(error) => Reply::err(error),
        })
    }

    /// Makes its `n`th `poll_ready`, counted from 0 over all clones, say what `ready` says. Without this it is always
    /// ready.
    #[must_use]
    pub fn with_readiness(mut self, ready: impl Fn(usize) -> Readiness<E> + Send + Sync + 'static) -> Self {
        self.ready = Arc::new(ready);
        self
    }
}

impl<Req, Res, E> Clone for Mock<Req, Res, E> {
    fn clone(&self) -> Self {
        Self { script: Arc::clone(&self.script), ready: Arc::clone(&self.ready), world: Arc::clone(&self.world) }
    }
}

impl<Req, Res, E> fmt::Debug for Mock<Req, Res, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mock").field("world", &self.world).finish_non_exhaustive()
    }
}

impl<Req, Res, E> Service<Req> for Mock<Req, Res, E> {
    type Response = Res;
    type Error = E;
    type Future = MockFuture<Res, E>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        let asked = {
            let mut world = self.world.lock();
            world.asked_ready += 1;
            world.asked_ready - 1
        };
        match (self.ready)(asked) {
            Readiness::Fail(error) => Poll::Ready(Err(error)),
            Readiness::Panic => panic!("a mock was told to panic while it became ready"),
            Readiness::Ready => Poll::Ready(Ok(())),
            Readiness::Wake => {
                self.world.lock().sleepers.push_back(cx.waker().clone());
                Poll::Pending
            }
            Readiness::Yield => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    fn call(&mut self, req: Req) -> Self::Future {
        let call = {
            let mut world = self.world.lock();
            world.calls += 1;
            world.calls - 1
        };
        let reply = (self.script)(call, &req);
        if let End::PanicInCall = reply.end {
            panic!("a mock was told to panic when called");
        }
        MockFuture::new(reply, &self.world)
    }
}

/// The future of a [`Mock`].
pub struct MockFuture<Res, E> {
    delays: VecDeque<Delay>,
    sleep: Option<Pin<Box<Sleep>>>,
    end: Option<End<Res, E>>,
    world: Arc<Lock<World>>,
}

// Nothing in it is pinned in place: the timer is on the heap, and the answer is moved out.
impl<Res, E> Unpin for MockFuture<Res, E> {}

impl<Res, E> MockFuture<Res, E> {
    fn new(reply: Reply<Res, E>, world: &Arc<Lock<World>>) -> Self {
        let mut inside = world.lock();
        inside.in_flight += 1;
        inside.peak = inside.peak.max(inside.in_flight);
        drop(inside);
        Self { delays: reply.delays, sleep: None, end: Some(reply.end), world: Arc::clone(world) }
    }
}

impl<Res, E> Future for MockFuture<Res, E> {
    type Output = Result<Res, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        loop {
            if let Some(sleep) = &mut this.sleep {
                ready!(sleep.as_mut().poll(cx));
                this.sleep = None;
            }
            match this.delays.pop_front() {
                Some(Delay::Time(time)) => this.sleep = Some(Box::pin(sleep(time))),
                Some(Delay::Wake) => {
                    this.world.lock().sleepers.push_back(cx.waker().clone());
                    return Poll::Pending;
                }
                Some(Delay::Yield) => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                None => break,
            }
        }
        match this.end.take() {
            Some(End::Answer(result)) => {
                let mut world = this.world.lock();
                world.answered += 1;
                world.in_flight -= 1;
                Poll::Ready(result)
            }
            Some(End::Hang) => {
                this.end = Some(End::Hang);
                Poll::Pending
            }
            Some(end @ (End::Panic | End::PanicInCall)) => {
                this.end = Some(end);
                panic!("a mock was told to panic");
            }
            None => panic!("a mock was polled after it was ready"),
        }
    }
}

impl<Res, E> Drop for MockFuture<Res, E> {
    fn drop(&mut self) {
        if self.end.is_some() {
            let mut world = self.world.lock();
            world.abandoned += 1;
            world.in_flight -= 1;
        }
    }
}

impl<Res, E> fmt::Debug for MockFuture<Res, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockFuture").field("delays", &self.delays).finish_non_exhaustive()
    }
}

/// Tells what was asked of a [`Mock`], and wakes calls that wait in it.
#[derive(Clone, Debug)]
pub struct Handle(Arc<Lock<World>>);

impl Handle {
    /// Calls so far.
    pub fn calls(&self) -> usize {
        self.0.lock().calls
    }

    /// Calls that were answered, or failed.
    pub fn answered(&self) -> usize {
        self.0.lock().answered
    }

    /// Calls whose future was dropped before it was done, also by a panic.
    pub fn abandoned(&self) -> usize {
        self.0.lock().abandoned
    }

    /// Calls under way now.
    pub fn in_flight(&self) -> usize {
        self.0.lock().in_flight
    }

    /// The most calls that were under way at once.
    pub fn peak(&self) -> usize {
        self.0.lock().peak
    }

    /// How often its readiness was polled.
    pub fn asked_ready(&self) -> usize {
        self.0.lock().asked_ready
    }

    /// Wakes the call that has waited longest to be woken, and says whether there was one.
    pub fn wake_one(&self) -> bool {
        let sleeper = self.0.lock().sleepers.pop_front();
        sleeper.map(Waker::wake).is_some()
    }
}

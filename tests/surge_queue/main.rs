//! The surge queue through the public door, in paused time.
#![cfg(feature = "testing")]

use std::{
    future::Future,
    io,
    num::NonZeroU32,
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};

use plimsoll::{
    Error, Rejection,
    limit::{FixedLimit, Limit},
    request::Priority::{self, Normal},
    surge_queue::{Handle, Settings, Surge},
    testing::{Mock, Reply},
};
use tokio_test::{
    assert_pending, assert_ready,
    task::{self, Spawn},
};
use tower::Service;

/// A queue in front of so many places, which asks everything.
macro_rules! asking {
    ($settings:expr, $limit:expr) => {
        SurgeQueue::new($settings)
            .priority_by(|ask: &Ask| ask.priority)
            .tenant_by(|ask: &Ask| ask.tenant)
            .deadline_by(|ask: &Ask| ask.left.map(|left| clock::now().after(left)))
            .chance(Chance::seeded(1))
            .in_front_of(fixed($limit))
    };
}

/// A service that hangs behind a queue, who reached it in which order, and the queue's handle.
macro_rules! behind {
    ($queue:expr) => {{
        let queue = $queue;
        let handle = queue.handle();
        let (inner, reached) = callee();
        (Stack::new().surge_queue(queue).service(inner), reached, handle)
    }};
}

mod admission;
mod control;
mod dead_letter;
mod surge_lane;
mod turn;
mod wait;

const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq)]
struct Ask {
    id: u32,
    priority: Priority,
    tenant: u64,
    /// Until its deadline, from the moment it is asked.
    left: Option<Duration>,
}

fn ask(id: u32) -> Ask {
    Ask { id, priority: Normal, tenant: 0, left: None }
}

fn fixed(limit: u32) -> FixedLimit {
    FixedLimit::new(NonZeroU32::new(limit).expect("not zero"))
}

fn settings() -> Settings {
    Settings::new()
}

fn surge(concurrency: u32) -> Surge {
    Surge::try_new(concurrency).expect("valid").without_lending()
}

type Answer = Result<u32, Error<io::Error>>;
type Reached = Arc<Mutex<Vec<u32>>>;

fn callee() -> (Mock<Ask, u32, io::Error>, Reached) {
    let reached = Reached::default();
    let log = reached.clone();
    let (inner, _) = Mock::new(move |_, ask: &Ask| {
        log.lock().expect("unpoisoned").push(ask.id);
        Reply::hang()
    });
    (inner, reached)
}

fn ids(reached: &Reached) -> Vec<u32> {
    reached.lock().expect("unpoisoned").clone()
}

/// Calls in this order, each polled once, of which none is answered or refused.
fn pending<S>(service: &mut S, asks: impl IntoIterator<Item = Ask>) -> Vec<Spawn<S::Future>>
where
    S: Service<Ask, Response = u32, Error = Error<io::Error>>,
{
    let mut calls: Vec<_> = asks.into_iter().map(|ask| task::spawn(service.call(ask))).collect();
    calls.iter_mut().for_each(|call| assert_pending!(call.poll()));
    calls
}

/// Polls who was woken, and returns the ends.
fn poll_woken<F: Future<Output = Answer>>(calls: &mut Vec<Spawn<F>>) -> Vec<Answer> {
    let mut ends = Vec::new();
    calls.retain_mut(|call| match if call.is_woken() { call.poll() } else { Poll::Pending } {
        Poll::Ready(end) => {
            ends.push(end);
            false
        }
        Poll::Pending => true,
    });
    ends
}

/// Ends one call after the other, from the `held` on; whoever is woken goes on. Nobody is left in the end.
fn serve_all<F: Future<Output = Answer>>(held: Vec<Spawn<F>>, mut waiting: Vec<Spawn<F>>) {
    drop(held);
    while let Some(next) = waiting.iter().position(Spawn::is_woken) {
        let mut next = waiting.remove(next);
        assert!(!waiting.iter().any(Spawn::is_woken), "one place, and several are woken");
        assert_pending!(next.poll());
    }
    assert_eq!(waiting.len(), 0, "forgotten");
}

fn refusal(result: Answer) -> Rejection {
    match result {
        Err(Error::Rejected(rejection)) => rejection,
        other => panic!("not refused: {other:?}"),
    }
}

/// What a call is told at once.
fn refused<S>(service: &mut S, ask: Ask) -> Rejection
where
    S: Service<Ask, Response = u32, Error = Error<io::Error>>,
{
    refusal(assert_ready!(task::spawn(service.call(ask)).poll()))
}

fn waiting<L: Limit>(handle: &Handle<L>) -> u32 {
    let snapshot = handle.snapshot();
    snapshot.waiting.iter().chain(snapshot.surge.iter().flat_map(|lane| &lane.waiting)).sum()
}

//! The surge queue through the public door, in paused time.
#![cfg(feature = "testing")]

use std::{
    io,
    num::NonZeroU32,
    sync::{Arc, Mutex},
    time::Duration,
};

use plimsoll::{
    Error, Event, Reason, Rejection, Stack,
    chance::Chance,
    clock,
    limit::{Fixed, Limit},
    request::Priority,
    surge_queue::{Handle, Settings, SurgeQueue},
    testing::{Mock, Reply},
};
use tokio::time::advance;
use tokio_test::{assert_pending, assert_ready, task, task::Spawn};
use tower::Service;

const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug)]
struct Ask {
    id: u32,
    priority: Priority,
    tenant: u64,
    /// From the moment it is asked.
    left: Option<Duration>,
}

const ASK: Ask = Ask { id: 0, priority: Priority::Normal, tenant: 0, left: None };

fn fixed(limit: u32) -> Fixed {
    Fixed::new(NonZeroU32::new(limit).expect("not zero"))
}

/// A queue in front of so many places, and a callee that answers when it is told to.
macro_rules! queue {
    ($settings:expr, $limit:expr) => {{
        let queue = SurgeQueue::new($settings)
            .priority_by(|ask: &Ask| ask.priority)
            .tenant_by(|ask: &Ask| ask.tenant)
            .deadline_by(|ask: &Ask| ask.left.map(|left| clock::now().after(left)))
            .chance(Chance::seeded(1))
            .in_front_of(fixed($limit));
        let handle = queue.handle();
        let (inner, callee) = Mock::<Ask, u32, io::Error>::new(|_, ask: &Ask| Reply::ok(ask.id).after_wakes(1));
        (Stack::new().surge_queue(queue).service(inner), callee, handle)
    }};
}

/// The calls of a service, each polled once.
macro_rules! calls {
    ($service:ident, $asks:expr) => {
        $asks
            .into_iter()
            .map(|ask| {
                let mut call = task::spawn($service.call(ask));
                let over = call.poll();
                (call, over)
            })
            .collect::<Vec<_>>()
    };
}

fn rejection<T: std::fmt::Debug>(result: Result<T, Error<io::Error>>) -> Rejection {
    match result {
        Err(Error::Rejected(rejection)) => rejection,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn who_finds_a_place_does_not_wait_and_who_finds_none_waits_its_turn() {
    let (mut service, callee, handle) = queue!(Settings::new(), 1);
    let mut first = task::spawn(service.call(ASK));
    let mut second = task::spawn(service.call(Ask { id: 2, ..ASK }));
    let mut third = task::spawn(service.call(Ask { id: 3, ..ASK }));
    assert_pending!(first.poll());
    assert_pending!(second.poll());
    assert_pending!(third.poll());
    assert_eq!((callee.in_flight(), handle.snapshot().waiting), (1, [0, 2, 0, 0]));
    assert!(callee.wake_one());
    assert_ready!(first.poll()).expect("answered");
    assert!(second.is_woken() && !third.is_woken(), "exactly the next");
    assert_pending!(second.poll());
    assert_eq!((callee.in_flight(), handle.snapshot().waiting), (1, [0, 1, 0, 0]));
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_in_time_though_nothing_ends() {
    let (mut service, _, handle) = queue!(Settings::new(), 1);
    let _held = service.call(ASK);
    let start = clock::now();
    let refused = rejection(service.call(ASK).await);
    assert_eq!((refused.reason(), refused.layer()), (Reason::WaitTimeout, "surge_queue"));
    assert_eq!(clock::now().since(start), 200 * MILLI);
    assert!(refused.retry_after().expect("known") >= 50 * MILLI);
    assert_eq!(handle.snapshot().waiting, [0; 4]);
}

//! The surge queue through the public door, in paused time.
#![cfg(feature = "testing")]

use std::{
    future::Future,
    io,
    num::NonZeroU32,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};

use plimsoll::{
    Error, Event, Ratio, Reason, Rejection, Stack, bulkhead,
    chance::Chance,
    clock,
    dead_letter::{Cause, DeadLetter},
    limit::{Fixed, Limit},
    request::Priority::{self, Background, Critical, Normal, Sheddable},
    surge_queue::{Handle, Ramp, Settings, Surge, SurgeQueue},
    testing::{Mock, Reply},
};
use tokio::time::advance;
use tokio_test::{
    assert_pending, assert_ready,
    task::{self, Spawn},
};
use tower::Service;

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

fn fixed(limit: u32) -> Fixed {
    Fixed::new(NonZeroU32::new(limit).expect("not zero"))
}

fn settings() -> Settings {
    Settings::new()
}

fn surge(concurrency: u32) -> Surge {
    Surge::try_new(concurrency).expect("valid").without_lending()
}

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

mod whose_turn_it_is {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn is_that_of_who_came_first_and_only_they_are_woken() {
        let (mut service, reached, handle) = behind!(asking!(settings(), 1));
        let held = pending(&mut service, [ask(1)]);
        let calls = pending(&mut service, [ask(2), ask(3), ask(4)]);
        assert_eq!((ids(&reached), handle.snapshot().waiting), (vec![1], [0, 3, 0, 0]));
        serve_all(held, calls);
        assert_eq!((ids(&reached), waiting(&handle), handle.limit().in_use()), (vec![1, 2, 3, 4], 0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn is_that_of_the_most_important_first() {
        let (mut service, reached, _) = behind!(asking!(settings(), 1));
        let held = pending(&mut service, [ask(0)]);
        let classes = [Background, Sheddable, Normal, Critical, Background, Critical];
        let asks = (1..).zip(classes).map(|(id, priority)| Ask { priority, ..ask(id) });
        let calls = pending(&mut service, asks);
        serve_all(held, calls);
        assert_eq!(ids(&reached), [0, 4, 6, 3, 2, 1, 5]);
    }

    /// Tenants are dealt with in turn, so that a flood is its own problem.
    #[tokio::test(start_paused = true)]
    async fn is_that_of_each_tenant_in_turn() {
        let (mut service, reached, handle) = behind!(asking!(settings(), 1));
        let held = pending(&mut service, [ask(0)]);
        let tenants = [7, 7, 7, 7, 8, u64::MAX];
        let asks = (1..).zip(tenants).map(|(id, tenant)| Ask { tenant, ..ask(id) });
        let calls = pending(&mut service, asks);
        assert_eq!(handle.snapshot().tenants, [0, 3, 0, 0]);
        serve_all(held, calls);
        assert_eq!(ids(&reached), [0, 1, 5, 6, 2, 3, 4]);
    }

    /// Not all can be served in time any more; so at least some are.
    #[tokio::test(start_paused = true)]
    async fn is_that_of_the_newest_once_the_oldest_is_stale() {
        let (mut service, reached, _) = behind!(asking!(settings(), 1));
        let held = pending(&mut service, [ask(0)]);
        let mut calls = pending(&mut service, [ask(1)]);
        advance(150 * MILLI).await;
        calls.extend(pending(&mut service, [ask(2), ask(3)]));
        serve_all(held, calls);
        assert_eq!(ids(&reached), [0, 3, 2, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn passes_on_from_who_was_given_it_and_left() {
        let (mut service, reached, handle) = behind!(asking!(settings(), 1));
        let held = pending(&mut service, [ask(1)]);
        let never_polled = service.call(ask(2));
        let mut calls = pending(&mut service, [ask(3), ask(4)]);
        drop(held);
        assert!(!calls[0].is_woken(), "the first of them has it, though it was never polled");
        drop(never_polled);
        assert!(calls[0].is_woken() && !calls[1].is_woken());
        drop(calls.remove(0));
        assert!(calls[0].is_woken());
        assert_pending!(calls[0].poll());
        assert_eq!((ids(&reached), waiting(&handle)), (vec![1, 4], 0));
    }

    #[tokio::test(start_paused = true)]
    async fn is_nobodys_who_comes_while_others_wait() {
        let (mut service, _, handle) = behind!(asking!(settings(), 1));
        let held = pending(&mut service, [ask(1)]);
        let never_polled = service.call(ask(2));
        drop(held);
        let late = pending(&mut service, [ask(3)]);
        assert!(!late[0].is_woken() && waiting(&handle) == 1);
        drop(never_polled);
        assert!(late[0].is_woken());
    }

    #[tokio::test(start_paused = true)]
    async fn comes_to_as_many_as_a_grown_limit_has_room_for() {
        let (mut service, reached, handle) = behind!(asking!(settings(), 1));
        let mut held = pending(&mut service, [ask(1)]);
        let mut calls = pending(&mut service, (2..12).map(ask));
        handle.limit().resize(NonZeroU32::new(8).expect("not zero"));
        drop(held.pop());
        assert_eq!(calls.iter().filter(|call| call.is_woken()).count(), 8);
        poll_woken(&mut calls);
        assert_eq!((ids(&reached), waiting(&handle)), ((1..10).collect(), 2));
    }

    #[tokio::test(start_paused = true)]
    async fn comes_only_when_a_shrunken_limit_is_worked_off() {
        let (mut service, _, handle) = behind!(asking!(settings(), 3));
        let mut held = pending(&mut service, (0..3).map(ask));
        let calls = pending(&mut service, [ask(4)]);
        handle.limit().resize(NonZeroU32::MIN);
        held.truncate(1);
        assert!(!calls[0].is_woken());
        drop(held);
        assert!(calls[0].is_woken());
    }
}

mod who_may_wait {
    use super::*;

    /// Behind it, one call at a time takes 10 ms; so much was seen of it.
    macro_rules! measured {
        () => {
            measured!(asking!(settings(), 1))
        };
        ($queue:expr) => {{
            let queue = $queue;
            let handle = queue.handle();
            let (inner, callee) = Mock::new(|_, ask: &Ask| Reply::ok(ask.id).after(10 * MILLI));
            let mut service = Stack::new().surge_queue(queue).service(inner);
            for _ in 0..10 {
                let calls: Vec<_> = (0..5).map(|id| service.call(ask(id))).collect();
                for answer in futures_util::future::join_all(calls).await {
                    answer.expect("served");
                }
            }
            (service, callee, handle)
        }};
    }

    #[tokio::test(start_paused = true)]
    async fn is_told_at_once_when_the_wait_would_be_too_long() {
        let (mut service, _, handle) = measured!();
        let rate = handle.snapshot().drain_rate.expect("measured");
        assert!((90.0..110.0).contains(&rate), "{rate} a second");
        let mut calls: Vec<_> = (0..40).map(|id| task::spawn(service.call(ask(id)))).collect();
        let refusals: Vec<_> = calls
            .iter_mut()
            .filter_map(|call| match call.poll() {
                Poll::Ready(end) => Some(refusal(end)),
                Poll::Pending => None,
            })
            .collect();
        // One is under way, and ten are served within a burst of 100 ms.
        assert!((27..=31).contains(&refusals.len()), "{} were refused", refusals.len());
        for refusal in &refusals {
            assert_eq!((refusal.reason(), refusal.layer()), (Reason::WaitTooLong, "surge_queue"));
            let after = refusal.retry_after().expect("told");
            assert!(after >= 100 * MILLI && after < 200 * MILLI, "{after:?}");
        }
        let mut told: Vec<_> = refusals.iter().map(Rejection::retry_after).collect();
        told.sort();
        told.dedup();
        assert!(told.len() > 20, "they come back together: {told:?}");
        let wait = handle.snapshot().foretold_wait[1].expect("measured");
        assert!(wait > 18 * MILLI && wait < 23 * MILLI, "{wait:?}, for a tenant who has nobody here and is second");
        // It is not shut for longer than that.
        drop(calls);
        let (mut first, mut second) = (task::spawn(service.call(ask(0))), task::spawn(service.call(ask(1))));
        assert_pending!(first.poll());
        assert_pending!(second.poll());
    }

    /// Most of a flood is refused without a look at who waits; but not once that cannot be right any more.
    #[tokio::test(start_paused = true)]
    async fn is_told_without_a_look_only_as_long_as_that_is_right() {
        let (mut service, _, handle) = measured!(SurgeQueue::new(settings()).in_front_of(fixed(1)));
        let wait = handle.snapshot().foretold_wait[1].expect("measured");
        assert!(wait > 9 * MILLI && wait < 11 * MILLI, "{wait:?}");
        let held = pending(&mut service, [ask(0)]);
        let calls: Vec<_> = (0..40).map(|id| service.call(ask(id))).collect();
        let wait = handle.snapshot().foretold_wait[1].expect("measured");
        assert!(wait > 90 * MILLI && wait < 120 * MILLI, "without tenants it is behind all: {wait:?}");
        let full = waiting(&handle);
        assert_eq!(refused(&mut service, ask(41)).reason(), Reason::WaitTooLong);
        // All leave but the one under way, in no time.
        drop(calls);
        assert!(full >= 8 && waiting(&handle) == 0);
        let again = pending(&mut service, [ask(42)]);
        assert_eq!(waiting(&handle), 1);
        drop((again, held));
    }

    #[tokio::test(start_paused = true)]
    async fn is_who_is_more_important_though_others_are_refused() {
        let (mut service, _, _) = measured!();
        let calls: Vec<_> = (0..40).map(|id| service.call(ask(id))).collect();
        let mut critical = task::spawn(service.call(Ask { priority: Critical, ..ask(40) }));
        assert_pending!(critical.poll());
        assert_eq!(refused(&mut service, ask(41)).reason(), Reason::WaitTooLong);
        assert_eq!(refused(&mut service, Ask { priority: Sheddable, ..ask(42) }).reason(), Reason::WaitTooLong);
        drop(calls);
    }

    #[tokio::test(start_paused = true)]
    async fn is_who_is_one_of_few_of_its_tenant() {
        let (mut service, _, _) = measured!();
        let flood: Vec<_> = (0..40).map(|id| service.call(ask(id))).collect();
        let mut quiet = task::spawn(service.call(Ask { tenant: 9, ..ask(40) }));
        assert_pending!(quiet.poll());
        assert_eq!(refused(&mut service, ask(41)).reason(), Reason::WaitTooLong);
        drop(flood);
    }

    #[tokio::test(start_paused = true)]
    async fn is_not_who_would_miss_a_deadline_by_waiting() {
        let (mut service, _, _) = measured!();
        let calls: Vec<_> = (0..6).map(|id| service.call(ask(id))).collect();
        // Fifty milliseconds are in front of it, and no more is what it has.
        let short = Ask { left: Some(50 * MILLI), ..ask(9) };
        let refusal = refused(&mut service, short);
        assert_eq!((refusal.reason(), refusal.retry_after()), (Reason::DeadlineUnreachable, None));
        assert_pending!(task::spawn(service.call(Ask { left: Some(SECOND), ..short })).poll());
        drop(calls);
    }

    /// A server with a timeout of 300 ms, which every request has for a deadline, told its callers of every second
    /// refusal that their time was up: a 504, from which their circuits opened.
    #[tokio::test(start_paused = true)]
    async fn is_not_who_would_wait_for_much_of_its_time_and_may_come_back() {
        let (mut service, _, _) = measured!();
        let calls: Vec<_> = (0..6).map(|id| service.call(ask(id))).collect();
        // Fifty milliseconds are in front of it, and more than 15 % of what it has.
        let refusal = refused(&mut service, Ask { left: Some(200 * MILLI), ..ask(9) });
        assert_eq!(refusal.reason(), Reason::WaitTooLong);
        assert!(refusal.retry_after().is_some_and(|after| after >= 50 * MILLI), "{refusal:?}");
        drop(calls);
    }

    #[tokio::test(start_paused = true)]
    async fn is_one_more_where_a_less_important_one_can_go() {
        let (mut service, _, handle) = behind!(asking!(settings().try_with_max_waiting(3).expect("valid"), 1));
        let _held = pending(&mut service, [ask(0)]);
        let class = |id, priority, tenant| Ask { priority, tenant, ..ask(id) };
        let asks = [class(1, Background, 1), class(2, Background, 2), class(3, Background, 2)];
        let mut calls = pending(&mut service, asks);
        assert_eq!(refused(&mut service, class(4, Background, 3)).reason(), Reason::QueueFull);
        let critical = pending(&mut service, [class(5, Critical, 1)]);
        let displaced = poll_woken(&mut calls);
        assert_eq!(calls.len(), 2);
        let [displaced] = <[Answer; 1]>::try_from(displaced).expect("one");
        assert_eq!(refusal(displaced).reason(), Reason::Displaced);
        assert_eq!(handle.snapshot().waiting, [1, 0, 0, 2]);
        assert_eq!(handle.snapshot().tenants, [1, 0, 0, 2], "the newest of the longest");
        drop(critical);
    }

    #[tokio::test(start_paused = true)]
    async fn is_a_bounded_number_by_default_whatever_comes() {
        let (mut service, _, handle) = behind!(asking!(settings(), 1));
        let calls: Vec<_> = (0..10_000).map(|id| service.call(Ask { tenant: id.into(), ..ask(id) })).collect();
        assert_eq!(waiting(&handle), 64);
        drop(calls);
        assert_eq!((waiting(&handle), handle.limit().in_use()), (0, 0));
    }
}

mod how_long_they_wait {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn ends_though_nothing_ends() {
        let (mut service, _, handle) = behind!(asking!(settings().with_name("front"), 1));
        let _held = pending(&mut service, [ask(0)]);
        let start = clock::now();
        let refused = refusal(service.call(ask(1)).await);
        assert_eq!((refused.reason(), refused.layer()), (Reason::WaitTimeout, "front"));
        assert_eq!(clock::now().since(start), 200 * MILLI, "twice the burst");
        assert!(refused.retry_after().expect("told") >= 50 * MILLI);
        assert!(!refused.was_dispatched());
        assert_eq!(waiting(&handle), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn ends_with_the_deadline() {
        let (mut service, reached, _) = behind!(asking!(settings(), 1));
        let _held = pending(&mut service, [ask(0)]);
        let start = clock::now();
        let refused = refusal(service.call(Ask { left: Some(30 * MILLI), ..ask(1) }).await);
        assert_eq!((refused.reason(), refused.retry_after()), (Reason::DeadlineExceeded, None));
        assert_eq!((clock::now().since(start), ids(&reached)), (30 * MILLI, vec![0]));
    }

    #[tokio::test(start_paused = true)]
    async fn is_no_time_at_all_where_the_deadline_has_passed() {
        let (mut service, _, _) = behind!(asking!(settings(), 1));
        let _held = pending(&mut service, [ask(0)]);
        let late = Ask { left: Some(Duration::ZERO), ..ask(1) };
        assert_eq!(refused(&mut service, late).reason(), Reason::DeadlineUnreachable);
    }

    #[tokio::test(start_paused = true)]
    async fn is_bounded_by_a_timeout_further_out() {
        let (inner, _) = callee();
        let queue = asking!(settings(), 1);
        let handle = queue.handle();
        let mut service = Stack::new().timeout(50 * MILLI).surge_queue(queue).service(inner);
        let _held = pending(&mut service, [ask(0)]);
        let start = clock::now();
        let refused = refusal(service.call(ask(1)).await);
        assert!(matches!(refused.reason(), Reason::DeadlineExceeded | Reason::Timeout), "{refused:?}");
        assert_eq!((clock::now().since(start), waiting(&handle)), (50 * MILLI, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn ends_for_many_at_once_who_do_not_come_back_together() {
        let (mut service, _, _) = behind!(asking!(settings(), 1));
        let _held = pending(&mut service, [ask(0)]);
        let mut calls = pending(&mut service, (0..60).map(ask));
        advance(200 * MILLI).await;
        let mut told: Vec<_> = poll_woken(&mut calls).into_iter().map(|end| refusal(end).retry_after()).collect();
        told.sort();
        told.dedup();
        assert!(told.len() == 60 && told[59] > told[0].map(|first| first + 20 * MILLI), "{told:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn may_be_for_ever_if_so_set() {
        let forever = settings().try_with_burst(Duration::MAX).expect("valid");
        let (mut service, reached, _) = behind!(asking!(forever, 1));
        let held = pending(&mut service, [ask(0)]);
        let calls = pending(&mut service, [ask(1)]);
        advance(Duration::from_secs(86_400)).await;
        serve_all(held, calls);
        assert_eq!(ids(&reached), [0, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn is_no_turn_of_a_tenants_when_it_ends_in_vain() {
        let (mut service, reached, _) = behind!(asking!(settings(), 1));
        let held = pending(&mut service, [ask(0)]);
        let short = Ask { left: Some(10 * MILLI), tenant: 7, ..ask(1) };
        let hung = pending(&mut service, [short]);
        let calls = pending(&mut service, [Ask { tenant: 7, ..ask(2) }, Ask { tenant: 8, ..ask(3) }]);
        advance(20 * MILLI).await;
        serve_all(held, calls);
        assert_eq!(ids(&reached), [0, 2, 3]);
        drop(hung);
    }

    /// One whose time is up, and whose task hangs, must not hold up those behind it.
    #[tokio::test(start_paused = true)]
    async fn does_not_keep_late_ones_in_the_way() {
        let (mut service, reached, handle) = behind!(asking!(settings(), 1));
        let held = pending(&mut service, [ask(0)]);
        // Never polled again, as by a task that hangs.
        let hung = pending(&mut service, [Ask { left: Some(10 * MILLI), ..ask(1) }]);
        let mut calls = pending(&mut service, [ask(2)]);
        advance(20 * MILLI).await;
        drop(held);
        assert!(calls[0].is_woken());
        assert_pending!(calls[0].poll());
        assert_eq!((ids(&reached), waiting(&handle)), (vec![0, 2], 0));
        drop(hung);
        assert_eq!(handle.limit().in_use(), 1);
    }
}

mod the_second_lane {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn takes_who_waited_too_long_in_the_first() {
        let (mut service, reached, handle) = behind!(asking!(settings().with_surge(surge(1)), 1));
        let mut calls = pending(&mut service, [ask(0), ask(1), ask(2)]);
        advance(200 * MILLI).await;
        assert!(poll_woken(&mut calls).is_empty());
        let lane = handle.snapshot().surge.expect("there is one");
        assert_eq!((lane.in_use, lane.waiting, lane.demoted), (1, [0, 1, 0, 0], 2));
        assert_eq!((ids(&reached).len(), handle.snapshot().waiting), (2, [0; 4]));
        drop(calls);
        let lane = handle.snapshot().surge.expect("there is one");
        assert_eq!((lane.in_use, waiting(&handle), handle.limit().in_use()), (0, 0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn takes_at_once_whom_the_first_has_no_place_for() {
        let settings = settings().try_with_max_waiting(1).expect("valid").with_surge(surge(1));
        let (mut service, reached, handle) = behind!(asking!(settings, 1));
        let calls = pending(&mut service, (0..4).map(ask));
        assert_eq!(ids(&reached), [0, 2], "one in its place, one in a place of the second lane");
        assert_eq!(handle.snapshot().waiting, [0, 1, 0, 0]);
        assert_eq!(handle.snapshot().surge.expect("there is one").waiting, [0, 1, 0, 0]);
        drop(calls);
    }

    #[tokio::test(start_paused = true)]
    async fn takes_nobody_whose_deadline_has_come() {
        let (mut service, _, handle) = behind!(asking!(settings().with_surge(surge(1)), 1));
        let _held = pending(&mut service, [ask(0)]);
        let refused = refusal(service.call(Ask { left: Some(30 * MILLI), ..ask(1) }).await);
        assert_eq!(refused.reason(), Reason::DeadlineExceeded);
        let late = Ask { left: Some(Duration::ZERO), ..ask(2) };
        assert_eq!(super::refused(&mut service, late).reason(), Reason::DeadlineUnreachable);
        let lane = handle.snapshot().surge.expect("there is one");
        assert_eq!((lane.in_use, lane.demoted), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn moves_them_when_they_are_as_old_as_is_set() {
        let settings = settings().with_surge(surge(1).with_demotion_after(10 * MILLI));
        let (mut service, reached, _) = behind!(asking!(settings, 1));
        let _calls = pending(&mut service, [ask(0)]);
        let start = clock::now();
        let mut moved = task::spawn(service.call(ask(1)));
        assert_pending!(moved.poll());
        advance(10 * MILLI).await;
        assert!(moved.is_woken());
        assert_pending!(moved.poll());
        assert_eq!((ids(&reached), clock::now().since(start)), (vec![0, 1], 10 * MILLI));
    }

    #[tokio::test(start_paused = true)]
    async fn gives_up_on_who_is_too_old_even_there() {
        let settings = settings().with_surge(surge(1).try_with_ttl(SECOND).expect("valid"));
        let (mut service, _, handle) = behind!(asking!(settings, 1));
        let mut calls = pending(&mut service, [ask(0), ask(1)]);
        advance(200 * MILLI).await;
        poll_woken(&mut calls);
        let start = clock::now();
        let refused = refusal(service.call(ask(2)).await);
        assert_eq!((refused.reason(), clock::now().since(start)), (Reason::WaitTimeout, SECOND));
        assert_eq!(waiting(&handle), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn serves_the_newest_of_each_tenant_in_turn() {
        let settings = settings().with_surge(surge(1).with_demotion_after(Duration::ZERO));
        let (mut service, reached, _) = behind!(asking!(settings, 1));
        let _warm = pending(&mut service, [ask(0)]);
        let mut held = pending(&mut service, [ask(1)]);
        let tenants = [7, 7, 8, 7];
        let calls = pending(&mut service, (2..).zip(tenants).map(|(id, tenant)| Ask { tenant, ..ask(id) }));
        assert_eq!(ids(&reached), [0, 1]);
        serve_all(vec![held.remove(0)], calls);
        assert_eq!(ids(&reached), [0, 1, 5, 4, 3, 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn borrows_what_nobody_waits_for_up_to_its_share() {
        let lane = Surge::try_new(1).expect("valid").with_demotion_after(Duration::ZERO).with_lending(Ratio::HALF);
        let (mut service, reached, handle) = behind!(asking!(settings().with_surge(lane), 4));
        let mut warm = pending(&mut service, (0..4).map(ask));
        let mut calls = pending(&mut service, (10..20).map(ask));
        assert_eq!(ids(&reached).len(), 5);
        warm.clear();
        poll_woken(&mut calls);
        let lane = handle.snapshot().surge.expect("there is one");
        assert_eq!((lane.lent, lane.in_use, handle.limit().in_use(), ids(&reached).len()), (2, 1, 2, 7));
        // What is left is for the first lane, however many wait in the second.
        let warm = pending(&mut service, [ask(50), ask(51)]);
        assert_eq!(ids(&reached)[7..], [50, 51]);
        drop(warm);
        assert_eq!(handle.snapshot().surge.expect("there is one").lent, 2);
        drop(calls);
        let lane = handle.snapshot().surge.expect("there is one");
        assert_eq!((lane.lent, lane.in_use, handle.limit().in_use(), waiting(&handle)), (0, 0, 0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn borrows_nothing_that_somebody_waits_for() {
        let lane = Surge::try_new(1).expect("valid").with_lending(Ratio::ONE);
        let (mut service, reached, _) = behind!(asking!(settings().with_surge(lane), 1));
        let held = pending(&mut service, [ask(0)]);
        let mut old = pending(&mut service, [ask(1), ask(2)]);
        advance(200 * MILLI).await;
        poll_woken(&mut old);
        let fresh = pending(&mut service, [ask(3)]);
        drop(held);
        assert!(fresh[0].is_woken() && !old.iter().any(Spawn::is_woken));
        assert_eq!(ids(&reached).len(), 2);
    }

    /// Nothing ends, and nobody comes: who waits there has to look for itself.
    #[tokio::test(start_paused = true)]
    async fn grows_with_time_alone() {
        let ramp = Ramp::try_new(1, 2, SECOND).expect("valid");
        let settings = settings().with_surge(surge(4).with_ramp(ramp).with_demotion_after(Duration::ZERO));
        let (mut service, reached, handle) = behind!(asking!(settings, 1));
        let mut calls = pending(&mut service, (0..8).map(ask));
        let mut served = vec![ids(&reached).len()];
        for _ in 0..4 {
            advance(SECOND).await;
            while !calls.iter().all(|call| !call.is_woken()) {
                poll_woken(&mut calls);
            }
            served.push(ids(&reached).len());
        }
        assert_eq!(served, [2, 4, 5, 5, 5]);
        assert_eq!(handle.snapshot().surge.expect("there is one").provisioned, 4);
    }

    #[tokio::test(start_paused = true)]
    async fn may_be_prewarmed() {
        let ramp = Ramp::try_new(1, 1, SECOND).expect("valid");
        let settings = settings().with_surge(surge(4).with_ramp(ramp).with_demotion_after(Duration::ZERO));
        let (mut service, reached, handle) = behind!(asking!(settings, 1));
        let mut calls = pending(&mut service, (0..8).map(ask));
        assert_eq!(ids(&reached).len(), 2);
        handle.prewarm(99);
        poll_woken(&mut calls);
        assert_eq!(ids(&reached).len(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn that_is_taken_away_serves_who_is_in_it() {
        let with = settings().with_surge(surge(1).with_demotion_after(Duration::ZERO));
        let (mut service, reached, handle) = behind!(asking!(with, 1));
        let _warm = pending(&mut service, [ask(0)]);
        let held = pending(&mut service, [ask(1)]);
        let calls = pending(&mut service, [ask(2), ask(3)]);
        handle.update(settings());
        let last = pending(&mut service, [ask(4)]);
        assert_eq!(handle.snapshot().waiting, [0, 1, 0, 0]);
        serve_all(held, calls);
        assert_eq!(ids(&reached), [0, 1, 3, 2]);
        drop(last);
    }
}

mod a_letter {
    use super::*;

    type Letters = Arc<Mutex<Vec<DeadLetter<Ask>>>>;

    macro_rules! writing {
        ($settings:expr) => {{
            let letters = Letters::default();
            let sink = letters.clone();
            let queue = asking!($settings, 1);
            let queue =
                queue.dead_letters(move |letter: DeadLetter<Ask>| sink.lock().expect("unpoisoned").push(letter));
            (queue, letters)
        }};
    }

    fn received(letters: &Letters) -> Vec<(Ask, Reason)> {
        let letters = letters.lock().expect("unpoisoned");
        let written = letters.iter().map(|letter| match letter.cause {
            Cause::Refused(rejection) => (letter.request, rejection.reason()),
            other => panic!("{other:?}"),
        });
        written.collect()
    }

    #[tokio::test(start_paused = true)]
    async fn is_written_of_what_expired_and_of_what_was_displaced() {
        let (queue, letters) = writing!(settings().try_with_max_waiting(1).expect("valid"));
        let (mut service, _, handle) = behind!(queue);
        let _held = pending(&mut service, [ask(0)]);
        let mut low = pending(&mut service, [Ask { priority: Background, ..ask(1) }]);
        let mut high = pending(&mut service, [ask(2)]);
        assert_eq!(poll_woken(&mut low).len(), 1);
        advance(SECOND).await;
        assert_eq!(poll_woken(&mut high).len(), 1);
        let (low, high) = (Ask { priority: Background, ..ask(1) }, ask(2));
        assert_eq!(received(&letters), [(low, Reason::Displaced), (high, Reason::WaitTimeout)]);
        assert_eq!(handle.snapshot().dead_letters, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn is_not_written_of_who_left_nor_of_who_was_refused_on_arrival() {
        let (queue, letters) = writing!(settings().try_with_max_waiting(1).expect("valid"));
        let (mut service, _, handle) = behind!(queue);
        let _held = pending(&mut service, [ask(0)]);
        let left = pending(&mut service, [ask(1)]);
        assert_eq!(refused(&mut service, ask(2)).reason(), Reason::QueueFull);
        drop(left);
        assert_eq!((received(&letters).len(), handle.snapshot().dead_letters), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn is_not_written_of_what_another_gate_refused() {
        let (queue, letters) = writing!(settings());
        let (inner, _) = callee();
        let full = bulkhead::Settings::try_new(1).expect("valid").with_wait(1, MILLI);
        let bulkhead = bulkhead::Bulkhead::new(full);
        let mut service = Stack::new().bulkhead(bulkhead).surge_queue(queue).service(inner);
        let _held = pending(&mut service, [ask(0)]);
        assert_eq!(refusal(service.call(ask(1)).await).layer(), "bulkhead");
        assert_eq!(received(&letters).len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn that_a_sink_panics_at_costs_nobody_an_answer() {
        let queue = asking!(settings(), 1).dead_letters(|_: DeadLetter<Ask>| panic!("the sink is full"));
        let (mut service, _, handle) = behind!(queue);
        let _held = pending(&mut service, [ask(0)]);
        assert_eq!(refusal(service.call(ask(1)).await).reason(), Reason::WaitTimeout);
        let snapshot = handle.snapshot();
        assert_eq!((snapshot.dead_letters, snapshot.dead_letters_lost), (0, 1));
    }
}

mod by_hand {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_only_observes_and_refuses_again() {
        let events = Arc::new(Mutex::new(0));
        let heard = events.clone();
        let queue = asking!(settings().try_with_max_waiting(2).expect("valid"), 1).observe(move |event: &Event| {
            *heard.lock().expect("unpoisoned") += u32::from(matches!(event, Event::WouldRefuse(_)));
        });
        let (mut service, reached, handle) = behind!(queue);
        let mut calls = pending(&mut service, (0..3).map(ask));
        handle.observe_only();
        poll_woken(&mut calls);
        let others = pending(&mut service, (3..9).map(ask));
        assert_eq!((ids(&reached).len(), waiting(&handle)), (9, 0));
        assert_eq!((handle.limit().in_use(), *events.lock().expect("unpoisoned")), (9, 8));
        handle.automatic();
        let last = pending(&mut service, [ask(10)]);
        assert_eq!((ids(&reached).len(), waiting(&handle)), (9, 1));
        drop((calls, others, last));
        assert_eq!((handle.limit().in_use(), waiting(&handle)), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn it_drains_closes_and_opens() {
        let (mut service, reached, handle) = behind!(asking!(settings().with_surge(surge(1)), 1));
        let mut calls = pending(&mut service, (0..4).map(ask));
        handle.drain();
        assert_eq!(refused(&mut service, ask(4)).reason(), Reason::QueueFull);
        assert_eq!(waiting(&handle), 3, "who waits stays");
        drop(calls.remove(0));
        poll_woken(&mut calls);
        assert_eq!(ids(&reached), [0, 1]);
        handle.close();
        let ends = poll_woken(&mut calls);
        assert_eq!(ends.len(), 2);
        ends.into_iter().for_each(|end| assert_eq!(refusal(end).reason(), Reason::WaitTimeout));
        assert!(handle.snapshot().closed);
        handle.open();
        let again = pending(&mut service, [ask(5)]);
        assert_eq!(waiting(&handle), 1);
        drop(again);
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_updated_while_thousands_wait() {
        let wide = settings().try_with_max_waiting(5_000).expect("valid");
        let (mut service, _, handle) = behind!(asking!(wide, 1));
        let mut calls: Vec<_> = (0..5_001).map(|id| task::spawn(service.call(ask(id)))).collect();
        assert_eq!(refused(&mut service, ask(0)).reason(), Reason::QueueFull);
        handle.update(settings().with_name("other").try_with_max_waiting(1).expect("valid"));
        assert_eq!((waiting(&handle), handle.snapshot().settings.name()), (5_000, "surge_queue"));
        assert_eq!(refused(&mut service, ask(0)).reason(), Reason::QueueFull);
        handle.update(settings().try_with_max_waiting(6_000).expect("valid").with_surge(surge(1)));
        calls.push(task::spawn(service.call(ask(1))));
        assert_eq!(waiting(&handle), 5_001);
        drop(calls);
        assert_eq!((waiting(&handle), handle.limit().in_use()), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_stands_and_drains_is_announced() {
    let events = Arc::new(Mutex::new(Vec::new()));
    let heard = events.clone();
    let queue = asking!(settings().with_surge(surge(1)), 1);
    let (inner, _) = callee();
    let stack = Stack::new().surge_queue(queue).observe(move |event: &Event| {
        heard.lock().expect("unpoisoned").push(*event);
    });
    let mut service = stack.service(inner);
    let mut calls = pending(&mut service, [ask(0), ask(1)]);
    advance(150 * MILLI).await;
    calls.extend(pending(&mut service, [ask(2)]));
    advance(50 * MILLI).await;
    poll_woken(&mut calls);
    drop(calls);
    let layer = "surge_queue";
    let expected = [Event::QueueStanding { layer }, Event::Demoted { layer }, Event::QueueDrained { layer }];
    assert_eq!(*events.lock().expect("unpoisoned"), expected);
}

#[tokio::test(start_paused = true)]
async fn clones_and_layers_meet_the_same_queue_and_a_fresh_one_does_not() {
    let queue = asking!(settings(), 1);
    let (handle, fresh) = (queue.handle(), queue.fresh(fixed(1)));
    let stack = Stack::new().surge_queue(queue);
    let (inner, reached) = callee();
    let (mut one, mut other) = (stack.service(inner.clone()), stack.clone().service(inner.clone()));
    let calls = (pending(&mut one, [ask(0)]), pending(&mut other, [ask(1)]));
    assert_eq!((ids(&reached), waiting(&handle)), (vec![0], 1));
    let mut apart = Stack::new().surge_queue(fresh).service(inner);
    let _call = pending(&mut apart, [ask(2)]);
    assert_eq!(ids(&reached), [0, 2]);
    drop(calls);
}

#[tokio::test(start_paused = true)]
async fn a_question_that_panics_loses_nothing() {
    let queue = SurgeQueue::new(settings())
        .tenant_by(|ask: &Ask| if ask.id == 13 { panic!("no tenant") } else { ask.tenant })
        .in_front_of(fixed(1));
    let (mut service, _, handle) = behind!(queue);
    let held = pending(&mut service, [ask(0)]);
    assert!(catch_unwind(AssertUnwindSafe(|| drop(service.call(ask(13))))).is_err());
    let calls = pending(&mut service, [ask(1)]);
    drop(held);
    assert!(calls[0].is_woken());
    drop(calls);
    assert_eq!((handle.limit().in_use(), waiting(&handle)), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn questions_are_asked_only_when_there_is_no_place() {
    let asked = Arc::new(Mutex::new(0));
    let counter = asked.clone();
    let queue = SurgeQueue::new(settings()).in_front_of(fixed(1)).priority_by(move |_: &Ask| {
        *counter.lock().expect("unpoisoned") += 1;
        Normal
    });
    let (mut service, _, _) = behind!(queue);
    let calls = pending(&mut service, [ask(0)]);
    assert_eq!(*asked.lock().expect("unpoisoned"), 0);
    let _waits = pending(&mut service, [ask(1)]);
    assert_eq!(*asked.lock().expect("unpoisoned"), 1);
    drop(calls);
}

#[test]
fn what_makes_no_sense_is_refused_by_name() {
    let settings_that_fail = [
        settings().try_with_burst(Duration::ZERO).expect_err("zero"),
        settings().try_with_max_waiting(0).expect_err("zero"),
        Surge::try_new(0).expect_err("zero"),
        surge(1).try_with_ttl(Duration::ZERO).expect_err("zero"),
        surge(1).try_with_max_waiting(0).expect_err("zero"),
        Ramp::try_new(0, 1, SECOND).expect_err("zero"),
        Ramp::try_new(1, 1, Duration::ZERO).expect_err("zero"),
    ];
    for error in settings_that_fail {
        assert!(error.setting().starts_with("surge_queue."), "{error}");
    }
}

/// Each with its timer, its place in line, and a tenant of its own.
#[tokio::test(start_paused = true)]
async fn ten_thousand_who_wait_take_four_megabytes_and_leave_nothing() {
    let wide = settings().try_with_max_waiting(20_000).expect("valid");
    let (mut service, _, handle) = behind!(asking!(wide, 1));
    let _held = pending(&mut service, [ask(0)]);
    let mut calls: Vec<_> =
        (0..10_000).map(|id| Box::pin(service.call(Ask { tenant: id.into(), ..ask(id) }))).collect();
    assert_eq!(waiting(&handle), 10_000);
    calls.clear();
    assert_eq!(waiting(&handle), 0);
    drop(calls);

    let (mut service, _, handle) = behind!(asking!(wide, 1));
    let _held = pending(&mut service, [ask(0)]);
    let mut calls = Vec::with_capacity(10_000);
    let measured = allocation_counter::measure(|| {
        for id in 0..10_000 {
            let mut call = Box::pin(service.call(Ask { tenant: id.into(), ..ask(id) }));
            let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(call.as_mut().poll(&mut cx).is_pending());
            calls.push(call);
        }
    });
    println!("{} bytes", measured.bytes_current);
    assert_eq!(waiting(&handle), 10_000);
    let futures = (calls.len() * size_of_val(&*calls[0])) as i64;
    assert!(
        measured.bytes_current - futures <= 4 << 20,
        "{} bytes beside the futures",
        measured.bytes_current - futures
    );
}

//! How long they wait, and what memory that takes.

use std::{future::Future, time::Duration};

use plimsoll::{Reason, Stack, chance::Chance, clock, surge_queue::SurgeQueue};
use tokio::time::advance;
use tokio_test::assert_pending;
use tower::Service;

use crate::{Ask, MILLI, ask, callee, fixed, ids, pending, poll_woken, refusal, refused, serve_all, settings, waiting};

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

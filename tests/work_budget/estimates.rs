//! What is learned of a kind of request, and how similar requests are.

use plimsoll::{Reason, Stack};
use tower::{Service, ServiceExt, service_fn};

use crate::{Ask, ask, budget, handle, reason, seats, spending};

#[tokio::test(start_paused = true)]
async fn what_requests_of_a_kind_spend_corrects_the_next_estimate_of_that_kind() {
    let budget = budget(seats(9));
    let handle_of = budget.handle();
    let mut service = Stack::new().work_budget(budget).wrap(service_fn(handle));
    let of_kind = |kind, spends| Ask { kind, ..spending(10, spends) };
    for _ in 0..40 {
        assert!(service.call(of_kind(1, 30)).await.is_ok());
    }
    let known = handle_of.snapshot();
    assert!((2.9..=3.0).contains(&known.kinds[1].ratio) && known.kinds[1].measured == 40, "{:?}", known.kinds[1]);
    assert_eq!((known.kinds[0].ratio, known.kinds[0].measured), (1.0, 0));
    let wide = service.call(of_kind(1, 30));
    assert_eq!(handle_of.snapshot().seats.in_use, 3, "as many seats as it turns out to need");
    let narrow = service.call(of_kind(0, 10));
    assert_eq!(handle_of.snapshot().seats.in_use, 4);
    drop((wide, narrow));
    handle_of.update(seats(9).without_correction());
    let _plain = service.call(of_kind(1, 30));
    assert_eq!(handle_of.snapshot().seats.in_use, 1, "as estimated");
}

/// The estimates were too low, requests ended for want of fuel, and those that did were not counted: it never learned.
#[tokio::test(start_paused = true)]
async fn requests_that_ran_out_are_learned_from_too() {
    let budget = budget(seats(9));
    let handle_of = budget.handle();
    let service = Stack::new().work_budget(budget).wrap(service_fn(handle));
    for _ in 0..40 {
        assert_eq!(reason(service.clone().oneshot(spending(10, 50)).await), Reason::WorkExhausted);
    }
    assert!(handle_of.snapshot().kinds[0].ratio > 3.9, "{:?}", handle_of.snapshot().kinds[0]);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_says_how_similar_requests_are() {
    let budget = budget(seats(99));
    let handle_of = budget.handle();
    let service = Stack::new().work_budget(budget).wrap(service_fn(handle));
    assert_eq!(handle_of.snapshot().spread, None);
    for number in 0..100 {
        let spends = if number < 98 { 10 } else { 640 };
        assert!(service.clone().oneshot(ask(spends)).await.is_ok());
    }
    let spread = handle_of.snapshot().spread.expect("measured");
    assert_eq!((spread.median, spread.p99, spread.ratio()), (10, 640, 64.0));
}

//! What one may ask for, and how much work that may be: the rate limit and the work budget.

use std::{
    convert::Infallible,
    future::{Future, Ready},
    num::NonZeroU32,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use plimsoll::{
    Stack,
    rate_limit::{self, Quota, RateLimit},
    work,
    work_budget::{self, Cost, Demotion, OverCost, WorkBudget},
};
use tower::Service;

use crate::{Inner, allocations, limit};

#[test]
fn a_rate_limit_allocates_nothing() {
    let often = || Quota::try_per_second(1_000_000).expect("valid");
    let two = rate_limit::Settings::try_new(&[often(), often()]).expect("two");
    for settings in [often().into(), two, two.with_max_hint(Duration::MAX), two.with_wait(9, Duration::MAX)] {
        assert_eq!(allocations(Stack::new().rate_limit(settings).service(Inner), true), 0);
        let asked = RateLimit::new(settings).cost_by(|req: &u64| *req as u32 % 3).exempt_by(|req: &u64| *req == 7);
        assert_eq!(allocations(Stack::new().rate_limit(asked).service(Inner), true), 0);
    }
}

#[test]
fn a_rate_limit_that_refuses_allocates_nothing() {
    let (often, day) = (Quota::try_per_second(1_000_000).expect("valid"), Quota::try_per_day(1).expect("valid"));
    let two = rate_limit::Settings::try_new(&[often, day]).expect("two");
    let short = rate_limit::Settings::new(day).with_wait(9, Duration::from_secs(1));
    for settings in [day.into(), two, short, short.without_refunds()] {
        let limit = RateLimit::new(settings);
        limit.handle().use_up();
        assert_eq!(allocations(Stack::new().rate_limit(limit).service(Inner), false), 0);
    }
    let dear = RateLimit::new(often).cost_by(|_: &u64| u32::MAX);
    assert_eq!(allocations(Stack::new().rate_limit(dear).service(Inner), false), 0);
    // What is taken and put back at once, since the next gate refuses.
    let mut full = Stack::new().rate_limit(often).bulkhead(limit(1)).service(Inner);
    let _held = full.call(0);
    assert_eq!(allocations(full, false), 0);
}

/// Spends of its work, a checkpoint and a page among it; of a child too if it may, which is an allocation.
#[derive(Clone, Copy)]
struct Spending;

impl Service<u64> for Spending {
    type Response = u64;
    type Error = Infallible;
    type Future = Ready<Result<u64, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Inner.poll_ready(cx)
    }

    fn call(&mut self, req: u64) -> Self::Future {
        let work = work::current().expect("there is a work budget around");
        assert!(work.spend(2).is_ok() && work.page(3, 2) == Ok(3) && work.refund(4) == 4);
        assert!(pin!(work.checkpoint(1)).poll(&mut Context::from_waker(Waker::noop())).is_ready());
        Inner.call(req)
    }
}

fn seats(seats: u32) -> work_budget::Settings {
    work_budget::Settings::try_new(seats).expect("not zero")
}

/// The ledgers of calls that have ended are used again.
#[test]
fn a_work_budget_allocates_nothing() {
    let asked = |settings| WorkBudget::new(settings).cost_by(|req: &u64| Cost::fuel(*req % 3)).kind_by(|_: &u64| 3);
    let metered = seats(9).try_with_fuel(100).expect("valid").with_headroom(NonZeroU32::MAX);
    assert_eq!(allocations(Stack::new().work_budget(asked(seats(9))).service(Inner), true), 0);
    assert_eq!(allocations(Stack::new().work_budget(asked(metered)).service(Spending), true), 0);
    let timed = asked(metered.with_max_busy(Duration::MAX / 2).with_long_poll(Duration::from_secs(9)));
    assert_eq!(allocations(Stack::new().work_budget(timed).service(Spending), true), 0);
    let nested = Stack::new().work_budget(asked(metered)).work_budget(asked(metered));
    assert_eq!(allocations(nested.service(Spending), true), 0);
    let nested = Stack::new().work_budget(asked(metered)).timeout(Duration::MAX).work_budget(asked(metered));
    assert_eq!(allocations(nested.service(Spending), true), 0);
}

#[test]
fn a_work_budget_that_is_full_or_is_asked_for_too_much_allocates_nothing() {
    let metered = seats(1).try_with_fuel(100).expect("valid");
    let mut full = Stack::new().work_budget(metered).service(Inner);
    let _held = full.call(0);
    assert_eq!(allocations(full, false), 0);
    let dear = WorkBudget::new(metered).cost_by(|_: &u64| Cost::fuel(101));
    assert_eq!(allocations(Stack::new().work_budget(dear).service(Inner), false), 0);
    let demoting = metered.with_over_cost(OverCost::Demote(Demotion::try_new(1).expect("one")));
    let dear = WorkBudget::new(demoting).cost_by(|_: &u64| Cost::seats(2));
    let mut demoted = Stack::new().work_budget(dear).service(Inner);
    assert_eq!(allocations(demoted.clone(), true), 0);
    let _held = demoted.call(0);
    assert_eq!(allocations(demoted, false), 0);
}

//! What is counted, timed and announced.

use plimsoll::{
    Stack,
    meter::{self, Contributors},
};
use tower::Service;

use crate::{Failing, Inner, allocations, limit};

/// Each call past a meter, timed or not, with counters on, announced or not.
#[test]
fn neither_a_meter_nor_counters_allocate() {
    for settings in
        [meter::Settings::new(), meter::Settings::new().without_times(), meter::Settings::new().with_events()]
    {
        let stack = Stack::new().metered(settings).bulkhead(limit(9)).counted().observe(|_: &plimsoll::Event| ());
        assert_eq!(allocations(stack.service(Inner), true), 0);
    }
}

#[test]
fn a_refusal_that_is_counted_and_a_failure_that_is_timed_allocate_nothing() {
    let mut full = Stack::new().metered("m").bulkhead(limit(1)).counted().service(Inner);
    let _held = full.call(0);
    assert_eq!(allocations(full, false), 0);
    assert_eq!(allocations(Stack::new().metered("m").counted().service(Failing), false), 0);
}

/// However many keys come, of however many are kept.
#[test]
fn contributors_allocate_nothing() {
    let contributors = Contributors::try_new(20, |req: &u64| *req).expect("not zero");
    assert_eq!(allocations(Stack::new().gate(contributors).service(Inner), true), 0);
}

//! Every rule finds what it is for, and nothing in what is right.

use std::{collections::HashSet, time::Duration};

use plimsoll::{
    Ratio, Stack,
    bulkhead::{self, Order},
    circuit_breaker::{self, Window},
    lint::{Rule, Warning},
    load_shed,
    rate_limit::{self, Quota},
    retry::{self, Backoff, RetryLayer, Throttle},
    surge_queue::{self, Surge, SurgeQueue},
    work_budget,
};

const SECOND: Duration = Duration::from_secs(1);

fn bulkhead() -> bulkhead::Settings {
    bulkhead::Settings::try_new(9).expect("not zero")
}

fn breaker() -> circuit_breaker::Settings {
    circuit_breaker::Settings::new()
}

fn quota() -> Quota {
    Quota::try_per_second(9).expect("not zero")
}

fn unbounded() -> RetryLayer {
    RetryLayer::new(retry::Settings::new()).without_budget()
}

fn rules(warnings: &[Warning]) -> Vec<Rule> {
    warnings.iter().map(Warning::rule).collect()
}

/// For each rule a stack in which it finds something, and nothing else does; and the same put right.
fn cases() -> Vec<(Rule, Vec<Warning>, Vec<Warning>)> {
    let try_again = retry::Settings::new;
    let time = |length| breaker().with_window(Window::try_time(length, 20).expect("long enough"));
    let blind = breaker().without_consecutive_failures().without_failure_rate();
    let pool = |places| plimsoll::client().with_bulkhead(bulkhead()).with_pool(places).warnings();
    vec![
        (
            Rule::TimeoutOfZero,
            Stack::new().timeout(Duration::ZERO).warnings(),
            Stack::new().timeout(Duration::from_nanos(1)).warnings(),
        ),
        (
            Rule::TimeoutNeverActs,
            Stack::new().timeout(SECOND).timeout(SECOND).warnings(),
            Stack::new().timeout(SECOND).timeout(SECOND / 2).warnings(),
        ),
        (
            Rule::AttemptsDoNotFit,
            Stack::new().timeout(3 * SECOND).retry(try_again()).timeout(SECOND).warnings(),
            // Three of them, 50 ms and 100 ms.
            Stack::new().timeout(Duration::from_millis(3150)).retry(try_again()).timeout(SECOND).warnings(),
        ),
        (
            Rule::RetryUnbounded,
            Stack::new().retry(try_again()).timeout(SECOND).warnings(),
            Stack::new().layer(tower::timeout::TimeoutLayer::new(SECOND)).retry(try_again()).warnings(),
        ),
        (
            Rule::RetryWithoutBudget,
            Stack::new().timeout(9 * SECOND).retry(unbounded()).timeout(SECOND).warnings(),
            Stack::new()
                .timeout(9 * SECOND)
                .retry(unbounded().throttle(Throttle::default()))
                .timeout(SECOND)
                .warnings(),
        ),
        (
            Rule::TwoRetries,
            Stack::new().timeout(SECOND).retry(try_again()).retry(try_again()).warnings(),
            Stack::new().timeout(SECOND).retry(try_again()).retry(unbounded_once()).warnings(),
        ),
        (
            Rule::BreakerOutsideRetry,
            Stack::new().timeout(9 * SECOND).circuit_breaker(breaker()).retry(try_again()).timeout(SECOND).warnings(),
            Stack::new().timeout(9 * SECOND).retry(try_again()).circuit_breaker(breaker()).timeout(SECOND).warnings(),
        ),
        (
            Rule::LimitOutsideRetry,
            Stack::new().timeout(SECOND).load_shed(load_shed::Settings::new()).retry(try_again()).warnings(),
            Stack::new().timeout(SECOND).retry(try_again()).load_shed(load_shed::Settings::new()).warnings(),
        ),
        (
            Rule::RateOutsideRetry,
            Stack::new().timeout(SECOND).rate_limit(quota()).retry(try_again()).warnings(),
            Stack::new().timeout(SECOND).retry(try_again()).rate_limit(quota()).warnings(),
        ),
        (
            Rule::BreakerCannotOpen,
            Stack::new().circuit_breaker(blind).warnings(),
            Stack::new().circuit_breaker(blind.with_slow_calls(SECOND, Ratio::HALF)).warnings(),
        ),
        (
            Rule::BreakerMissesHangs,
            Stack::new().timeout(SECOND / 2).circuit_breaker(breaker()).warnings(),
            Stack::new().timeout(SECOND / 2).circuit_breaker(breaker().with_hung_after(SECOND / 2)).warnings(),
        ),
        (
            Rule::WindowTooShort,
            Stack::new().circuit_breaker(time(SECOND)).timeout(SECOND).warnings(),
            Stack::new().circuit_breaker(time(2 * SECOND)).timeout(SECOND).warnings(),
        ),
        (
            Rule::LeaseTooShort,
            Stack::new().circuit_breaker(breaker().with_probe_lease(SECOND / 2)).timeout(SECOND).warnings(),
            Stack::new().circuit_breaker(breaker().with_probe_lease(SECOND)).timeout(SECOND).warnings(),
        ),
        (
            Rule::WaitTooLong,
            Stack::new().timeout(SECOND).bulkhead(bulkhead().with_wait(9, SECOND)).warnings(),
            Stack::new().timeout(SECOND).bulkhead(bulkhead().with_wait(0, SECOND)).warnings(),
        ),
        (
            Rule::WaitOutsideTimeout,
            Stack::new().bulkhead(bulkhead().with_wait(9, SECOND)).timeout(SECOND).warnings(),
            Stack::new().timeout(2 * SECOND).bulkhead(bulkhead().with_wait(9, SECOND)).timeout(SECOND).warnings(),
        ),
        (
            Rule::PlaceHeldInWait,
            Stack::new()
                .load_shed(load_shed::Settings::new())
                .rate_limit(rate_limit::Settings::new(quota()).with_wait(9, SECOND))
                .warnings(),
            Stack::new()
                .rate_limit(rate_limit::Settings::new(quota()).with_wait(9, SECOND))
                .load_shed(load_shed::Settings::new())
                .warnings(),
        ),
        (Rule::LimitAbovePool, pool(8), pool(9)),
        (
            Rule::OneQuotaForAll,
            plimsoll::server().with_rate_limit(quota()).warnings(),
            plimsoll::server().with_rate_limit(quota()).tenant_by(|req: &u64| *req).warnings(),
        ),
    ]
}

/// A retry that has nothing to try again, and needs no budget.
fn unbounded_once() -> RetryLayer {
    RetryLayer::new(retry::Settings::new().try_with_attempts(1).expect("not zero")).without_budget()
}

#[test]
fn every_rule_finds_what_it_is_for_and_nothing_in_what_is_right() {
    let mut seen = HashSet::new();
    for (rule, wrong, right) in cases() {
        assert_eq!(rules(&wrong), [rule], "{wrong:?}");
        assert_eq!(right, [], "{rule:?}");
        assert!(seen.insert(rule));
    }
    assert_eq!(seen.len(), Rule::ALL.len());
}

#[test]
fn a_warning_names_layers_values_and_what_to_change() {
    let window = breaker().with_name("db").with_window(Window::try_time(SECOND, 20).expect("long enough"));
    let stack = Stack::new().circuit_breaker(window).timeout(SECOND);
    let [warning] = &stack.warnings()[..] else { panic!("one") };
    assert_eq!(
        warning.to_string(),
        "db (window.length 1s) is less than twice as long as timeout (limit 1s): calls that hang end too rarely within one \
         window to be counted together. Lengthen the window to two timeouts at least, or count calls instead of time"
    );
    assert_eq!((&*warning.first().layer, warning.second().map(|second| &*second.layer)), ("db", Some("timeout")));
    for rule in Rule::ALL {
        assert!(rule.why().ends_with(char::is_alphabetic) && rule.remedy().starts_with(char::is_uppercase), "{rule:?}");
    }
}

#[test]
fn the_guides_orders_are_right() {
    let client = Stack::new()
        .timeout(5 * SECOND)
        .retry(retry::Settings::new())
        .bulkhead(bulkhead())
        .circuit_breaker(breaker())
        .timeout(SECOND);
    assert_eq!(client.warnings(), []);
    let server = Stack::new()
        .timeout(2 * SECOND)
        .overload_control(surge_queue::Settings::new(), load_shed::Settings::new())
        .bulkhead(bulkhead());
    assert_eq!(server.warnings(), []);
}

#[test]
fn a_queue_waits_for_two_bursts_and_a_second_lane_for_its_lifetime() {
    let queue = |burst, surge: Option<Surge>| {
        let settings = surge_queue::Settings::new().try_with_burst(burst).expect("not zero");
        let settings = surge.map_or(settings, |surge| settings.with_surge(surge));
        let queue = SurgeQueue::new(settings);
        Stack::new().timeout(SECOND).overload_control(queue, load_shed::Settings::new()).warnings()
    };
    assert_eq!(rules(&queue(SECOND / 2, None)), [Rule::WaitTooLong]);
    assert_eq!(queue(SECOND / 3, None), []);
    let minute = queue(SECOND / 3, Some(Surge::try_new(1).expect("not zero")));
    let [warning] = &minute[..] else { panic!("{minute:?}") };
    assert_eq!(warning.first().setting.as_ref().map(|(name, _)| *name), Some("surge.ttl"));
}

#[test]
fn a_second_queue_further_in_is_found() {
    let waiting = bulkhead().with_wait(9, SECOND / 10).with_order(Order::NewestFirst);
    let stack = Stack::new()
        .timeout(SECOND)
        .overload_control(surge_queue::Settings::new(), load_shed::Settings::new())
        .bulkhead(waiting);
    assert_eq!(rules(&stack.warnings()), [Rule::PlaceHeldInWait]);
    let seats = work_budget::Settings::try_new(9).expect("not zero").with_wait(9, SECOND / 10);
    let stack = Stack::new().timeout(SECOND).work_budget(seats).bulkhead(waiting);
    assert_eq!(rules(&stack.warnings()), [Rule::PlaceHeldInWait]);
}

#[test]
fn what_is_changed_while_it_serves_is_looked_at_as_it_is_then() {
    let stack = Stack::new().timeout(2 * SECOND).timeout(SECOND);
    assert_eq!(stack.warnings(), []);
    let handles = stack.control();
    handles.handle::<plimsoll::timeout::Handle>("timeout#2").expect("there").update(3 * SECOND);
    assert_eq!(rules(&stack.warnings()), [Rule::TimeoutNeverActs]);
    assert_eq!(rules(&handles.describe().warnings()), [Rule::TimeoutNeverActs]);
}

/// The sum of pauses is no loop over attempts, and does not overflow.
#[test]
fn numbers_at_their_ends_are_looked_at() {
    let attempts = retry::Settings::new().try_with_attempts(u32::MAX).expect("not zero");
    for backoff in [
        Backoff::IMMEDIATE,
        Backoff::new(),
        Backoff::try_new(Duration::from_nanos(1), Duration::MAX).expect("valid"),
        Backoff::try_new(Duration::MAX, Duration::MAX).expect("valid"),
    ] {
        let stack = Stack::new().timeout(SECOND).retry(attempts.with_backoff(backoff)).timeout(SECOND / 2);
        assert_eq!(rules(&stack.warnings()), [Rule::AttemptsDoNotFit], "{backoff:?}");
    }
    let stack = Stack::new().timeout(Duration::MAX).retry(attempts).timeout(Duration::MAX);
    assert_eq!(rules(&stack.warnings()), [Rule::RetryUnbounded], "a timeout for ever is none");
}

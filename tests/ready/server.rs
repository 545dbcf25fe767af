//! The ready-made server over mocks, in virtual time.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::future::join_all;
use plimsoll::{
    Error, Event, Reason, bulkhead, clock, keyed,
    lint::Rule,
    load_shed,
    rate_limit::Quota,
    ready::{Around, ServerStack},
    request::Priority,
    surge_queue,
    testing::{Mock, Reply},
    timeout,
    work_budget::{self, Cost},
};
use tower::{Service, ServiceExt, service_fn};

const MS: Duration = Duration::from_millis(1);

#[derive(Clone, Copy, Debug, Default)]
struct Ask {
    tenant: u64,
    is_health: bool,
    is_checkout: bool,
    left: Option<Duration>,
}

fn reason<T>(result: Result<T, Error<io::Error>>) -> Option<Reason> {
    match result {
        Err(Error::Rejected(rejection)) => Some(rejection.reason()),
        _ => None,
    }
}

/// Takes so long for each request.
fn takes(time: Duration) -> Mock<Ask, u64, io::Error> {
    Mock::new(move |_, ask: &Ask| Reply::ok(ask.tenant).after(time)).0
}

#[test]
fn the_defaults_fit_together() {
    assert_eq!(plimsoll::server().warnings(), []);
    assert!(plimsoll::server().try_stack().is_ok());
    let full = plimsoll::server()
        .tenant_by(|ask: &Ask| ask.tenant)
        .with_rate_limit(Quota::try_per_second(9).expect("not zero"))
        .with_work_budget(work_budget::Settings::try_new(9).expect("not zero"))
        .with_bulkhead(bulkhead::Settings::try_new(9).expect("not zero"));
    assert_eq!(full.warnings(), []);
}

#[test]
fn its_layers_are_in_the_recommended_order_and_only_those_that_are_there() {
    let labels = |stack: plimsoll::control::Registry| stack.labels().map(str::to_owned).collect::<Vec<_>>();
    let server = plimsoll::server()
        .with_rate_limit(Quota::try_per_second(9).expect("not zero"))
        .with_work_budget(work_budget::Settings::try_new(9).expect("not zero"))
        .with_bulkhead(bulkhead::Settings::try_new(9).expect("not zero").with_name("db"));
    let all = ["timeout", "surge_queue", "load_shed", "rate_limit.tenants", "work_budget", "db"];
    assert_eq!(labels(server.stack().control()), all);
    let none = server.without_timeout().without_overload_control().without_rate_limit().without_work_budget();
    assert_eq!(labels(none.without_bulkhead().stack().control()), [""; 0]);
    assert_eq!(labels(plimsoll::server().stack().control()), all[..3]);
}

#[test]
fn what_each_tenant_may_ask_is_described() {
    let quota = Quota::try_per_second(9).expect("not zero");
    let stack = plimsoll::server().tenant_by(|ask: &Ask| ask.tenant).with_rate_limit(quota).stack();
    let described = stack.describe().to_string();
    let tenants =
        "4. keyed \"rate_limit.tenants\": capacity 16384, idle 600s, overflow Share, each.quotas 9 per 1s, burst 9, ";
    assert!(described.contains(tenants), "{described}");
    assert_eq!(stack.control().labels().count(), 4, "and it is no layer");
}

#[tokio::test(start_paused = true)]
async fn a_burst_waits_a_flood_is_refused_and_the_important_come_first() {
    let stack = plimsoll::server()
        .priority_by(|ask: &Ask| if ask.is_checkout { Priority::Critical } else { Priority::Sheddable })
        .tenant_by(|ask: &Ask| ask.tenant)
        .stack();
    let (mock, handle) = Mock::new(|_, ask: &Ask| Reply::<_, io::Error>::ok(ask.tenant).after(10 * MS));
    let server = stack.service(mock);
    let burst = join_all((0..8).map(|tenant| server.clone().oneshot(Ask { tenant, ..Ask::default() })));
    assert!(burst.await.into_iter().all(|answer| answer.is_ok()), "it was a burst");

    let ask = |n| Ask { tenant: n, is_checkout: n % 10 == 0, ..Ask::default() };
    let flood: Vec<_> = join_all((0..1000).map(|n| server.clone().oneshot(ask(n)))).await;
    let served = |flood: &[Result<u64, _>], is_checkout| {
        flood.iter().enumerate().filter(|(n, answer)| answer.is_ok() && (n % 10 == 0) == is_checkout).count()
    };
    let (important, others) = (served(&flood, true), served(&flood, false));
    assert!(important > others && important + others < 500, "{important} and {others} of 1000");
    assert!(handle.peak() < 500, "and no more at once than it found are done well");
    assert_eq!(handle.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_hangs_is_over_after_ten_seconds_and_a_hurried_one_when_its_caller_leaves() {
    let left = |ask: &Ask| ask.left.map(|left| clock::now().after(left));
    let mut server = plimsoll::server().deadline_by(left).stack().service(takes(Duration::from_secs(100)));
    let began = clock::now();
    assert_eq!(reason(server.call(Ask::default()).await), Some(Reason::Timeout));
    assert_eq!(clock::now().since(began), Duration::from_secs(10));
    let began = clock::now();
    let hurried = Ask { left: Some(70 * MS), ..Ask::default() };
    assert_eq!(reason(server.call(hurried).await), Some(Reason::DeadlineExceeded));
    assert_eq!(clock::now().since(began), 70 * MS);
}

#[tokio::test(start_paused = true)]
async fn each_tenant_has_a_quota_and_all_who_have_none_share_one() {
    let quota = Quota::try_per_second(2).expect("not zero");
    let one = plimsoll::server().with_rate_limit(quota).tenant_by(|ask: &Ask| ask.tenant);
    let mut server = one.stack().service(takes(MS));
    let mut refused = Vec::new();
    for n in 0..8 {
        refused.push(reason(server.call(Ask { tenant: n % 2, ..Ask::default() }).await).is_some());
    }
    assert_eq!(refused, [false, false, false, false, true, true, true, true]);

    let strangers = plimsoll::server().with_rate_limit_of(quota, keyed::Settings::new());
    assert_eq!(strangers.warnings()[0].rule(), Rule::OneQuotaForAll);
    let mut server = strangers.stack().service(takes(MS));
    for n in 0..4 {
        let result = server.call(Ask { tenant: n, ..Ask::default() }).await;
        assert_eq!(reason(result), (n >= 2).then_some(Reason::RateLimited));
    }
}

#[tokio::test(start_paused = true)]
async fn a_health_check_passes_by_every_gate_and_is_bound_by_the_timeout() {
    let stack = plimsoll::server()
        .exempt_by(|ask: &Ask| ask.is_health)
        .with_timeout(500 * MS)
        .with_rate_limit(Quota::try_per_day(1).expect("not zero"))
        .with_bulkhead(bulkhead::Settings::try_new(1).expect("not zero"))
        .stack();
    let handle = stack.control();
    let (mock, _) = Mock::new(|_, ask: &Ask| if ask.is_health { Reply::ok(1).after(MS) } else { Reply::hang() });
    let server = stack.service(mock);
    let mut held = server.clone();
    let held = held.call(Ask::default());
    let health = Ask { is_health: true, ..Ask::default() };
    assert_eq!(reason(server.clone().oneshot(Ask::default()).await), Some(Reason::RateLimited));
    for _ in 0..9 {
        assert_eq!(server.clone().oneshot(health).await.expect("well"), 1);
    }
    let bulkhead = handle.handle::<bulkhead::Handle>("bulkhead").expect("there");
    assert_eq!(bulkhead.snapshot().in_use, 1, "the one that hangs");
    drop(held);
    assert_eq!(bulkhead.snapshot().in_use, 0);

    let hung = plimsoll::server().exempt_by(|_: &Ask| true).with_timeout(500 * MS).stack();
    assert_eq!(reason(hung.service(takes(501 * MS)).oneshot(health).await), Some(Reason::Timeout));
}

#[tokio::test(start_paused = true)]
async fn work_is_bounded_by_what_requests_cost() {
    let seats = work_budget::Settings::try_new(10).expect("not zero").try_with_fuel_per_seat(1).expect("not zero");
    let server = plimsoll::server().cost_by(|ask: &Ask| Cost::fuel(ask.tenant)).with_work_budget(seats).stack();
    let server = server.service(takes(MS));
    assert_eq!(reason(server.clone().oneshot(Ask { tenant: 9, ..Ask::default() }).await), Some(Reason::TooExpensive));
    assert_eq!(server.oneshot(Ask { tenant: 1, ..Ask::default() }).await.expect("cheap"), 1);
}

/// A gate around the others that did not say that they go along kept their work from them: the handler had none to spend,
/// and could not be held to any. A request that passes by has none.
#[tokio::test(start_paused = true)]
async fn a_handler_spends_of_the_work_that_it_was_granted_and_no_more() {
    let settings = work_budget::Settings::try_new(9).and_then(|settings| settings.try_with_fuel(9)).expect("valid");
    let stack = plimsoll::server()
        .exempt_by(|ask: &Ask| ask.is_health)
        .cost_by(|_: &Ask| Cost::fuel(9))
        .with_work_budget(settings)
        .stack();
    // How much of what it is asked to spend it may.
    let spend = |ask: Ask| async move {
        tokio::task::yield_now().await;
        let spent = plimsoll::work::current().map(|work| (0..ask.tenant).filter(|_| work.spend(1).is_ok()).count());
        Ok::<_, io::Error>(spent)
    };
    let server = stack.service(service_fn(spend));
    let ask = |tenant, is_health| server.clone().oneshot(Ask { tenant, is_health, ..Ask::default() });
    assert_eq!(ask(5, false).await.expect("within"), Some(5));
    assert_eq!(ask(20, true).await.expect("let by"), None);
    assert_eq!(ask(20, false).await.expect("it ends by itself"), Some(9), "all that it was granted");
}

#[tokio::test(start_paused = true)]
async fn handles_reach_every_layer_and_one_observer_hears_them() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ears = Arc::clone(&heard);
    let server = plimsoll::server().with_bulkhead(bulkhead::Settings::try_new(1).expect("not zero"));
    let server = server.observe(move |event: &Event| ears.lock().expect("unpoisoned").push(event.layer()));
    let (one, other) = (server.stack(), server.stack());
    let handles = one.control();
    handles.handle::<timeout::Handle>("timeout").expect("there").update(5 * MS);
    assert!(handles.handle::<load_shed::Handle>("load_shed").is_ok());
    assert!(handles.handle::<surge_queue::Handle<load_shed::LoadShed>>("surge_queue").is_ok());

    let slow = one.service(takes(6 * MS));
    assert_eq!(reason(slow.clone().oneshot(Ask::default()).await), Some(Reason::Timeout));
    assert!(other.service(takes(6 * MS)).oneshot(Ask::default()).await.is_ok(), "another stack has state of its own");
    let (mut first, mut second) = (slow.clone(), slow);
    let _held = first.call(Ask::default());
    assert_eq!(reason(second.call(Ask::default()).await), Some(Reason::BulkheadFull));
    let heard = heard.lock().expect("unpoisoned");
    assert!(heard.contains(&"timeout") && heard.contains(&"bulkhead"), "{heard:?}");
}

#[test]
fn what_does_not_fit_is_not_built_and_says_what_to_change() {
    let wide = bulkhead::Settings::try_new(64).expect("not zero").with_name("db");
    let server = plimsoll::server().with_bulkhead(wide).with_pool(32).with_timeout(Duration::ZERO);
    let misfit = server.try_stack().expect_err("neither fits");
    assert_eq!(
        misfit.errors().iter().map(|error| error.rule()).collect::<Vec<_>>(),
        [Rule::TimeoutOfZero, Rule::LimitAbovePool]
    );
    let text = misfit.to_string();
    assert!(text.contains("db (limit 64) is above the size of the pool (places 32): "), "{text}");
    assert!(text.ends_with("Lower the limit to the size of the pool, and let requests wait in front of it"), "{text}");
    assert_eq!(server.stack().control().labels().last(), Some("db"), "by `stack` it is built all the same");
}

/// The rate limit is behind a key, where no description shows it.
#[test]
fn a_tenants_wait_is_looked_at_too() {
    let quota = plimsoll::rate_limit::Settings::new(Quota::try_per_second(9).expect("not zero"));
    let server = plimsoll::server().tenant_by(|ask: &Ask| ask.tenant);
    let rules = |wait| {
        let server = server.clone().with_rate_limit(quota.with_wait(9, wait));
        server.warnings().iter().map(|warning| warning.rule()).collect::<Vec<_>>()
    };
    assert_eq!(rules(Duration::ZERO), []);
    assert_eq!(rules(Duration::from_secs(1)), [Rule::PlaceHeldInWait]);
    assert_eq!(rules(Duration::from_secs(10)), [Rule::WaitTooLong, Rule::PlaceHeldInWait]);
}

/// Types that can be written down, and are the same whatever is left out.
struct Shop<S> {
    service: Around<ServerStack, S>,
}

#[tokio::test]
async fn it_goes_into_a_field_and_into_tower() {
    let mock = Mock::<Ask, u64, io::Error>::answering(|ask| Ok(ask.tenant)).0;
    let whole = Shop { service: plimsoll::server().stack().service(mock.clone()) };
    let bare = Shop { service: plimsoll::server().without_timeout().without_overload_control().stack().service(mock) };
    for shop in [whole, bare] {
        assert_eq!(shop.service.oneshot(Ask { tenant: 3, ..Ask::default() }).await.expect("answered"), 3);
    }
    let layered = tower::ServiceBuilder::new()
        .layer(plimsoll::server().stack().wrapping())
        .service(service_fn(|ask: Ask| async move { Ok::<_, io::Error>(ask.tenant) }));
    assert_eq!(layered.oneshot(Ask::default()).await.expect("answered"), 0);
}

/// Those that `service` takes, and those that `wrap` keeps.
#[tokio::test]
async fn it_goes_over_every_kind_of_error_and_can_be_printed() {
    fn full() -> ServerStack {
        let server = plimsoll::server().with_bulkhead(bulkhead::Settings::try_new(1).expect("not zero"));
        let stack = server.stack();
        stack.control().handle::<bulkhead::Handle>("bulkhead").expect("there").observe_only();
        stack
    }
    fn answers<E: Send + 'static>() -> Mock<Ask, u64, E> {
        Mock::answering(|ask: &Ask| Ok(ask.tenant)).0
    }
    let ask = Ask::default();
    assert_eq!(full().service(answers::<std::convert::Infallible>()).oneshot(ask).await, Ok(0));
    assert!(full().service(answers::<io::Error>()).oneshot(ask).await.is_ok());
    assert!(full().wrap(answers::<plimsoll::BoxError>()).oneshot(ask).await.is_ok());
    let asking = plimsoll::server().tenant_by(|ask: &Ask| ask.tenant).exempt_by(|ask: &Ask| ask.is_health);
    let (client, stack) = (plimsoll::client().replay(|ask: &Ask, _: u32| Some(*ask)), asking.stack());
    for printed in [format!("{asking:?}"), format!("{stack:?}"), format!("{client:?}"), format!("{:?}", client.stack())]
    {
        assert!(printed.contains("limit: 10s"), "{printed}");
    }
}

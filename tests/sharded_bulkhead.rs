//! The sharded bulkhead through the public door.
#![cfg(feature = "testing")]

use std::{
    io,
    num::NonZeroU32,
    sync::{Arc, Mutex},
    time::Duration,
};

use plimsoll::{
    Error, Event, Gate, Reason, Stack,
    clock::Moment,
    gate::{Admission, Ending},
    request::TenantOf,
    shuffle_shard::sharded_bulkhead::{Handle, Settings, ShardedBulkhead, ShardedBulkheadLayer},
    testing::{Client, Load, Mock, Model, Reply, Report, Simulation},
};
use tokio_test::{assert_pending, assert_ready, task};
use tower::{Layer, Service};

/// A request, by whose it is.
type Whose = u64;

type Hang = Mock<Whose, (), io::Error>;

/// Answers when it is told to.
fn callee() -> (Hang, plimsoll::testing::Handle) {
    Mock::new(|_, _: &Whose| Reply::ok(()).after_wakes(1))
}

fn settings(cells: u32, hand: usize, permits: u32) -> Settings {
    let settings = Settings::try_new(permits).and_then(|settings| settings.try_with_cells(cells, hand));
    settings.expect("valid").with_seed(1)
}

fn bulkhead(settings: Settings) -> ShardedBulkhead<fn(&Whose) -> u64> {
    ShardedBulkhead::new(settings, |whose| *whose)
}

fn reason(result: Result<(), Error<io::Error>>) -> Reason {
    match result {
        Err(Error::Rejected(rejection)) => rejection.reason(),
        other => panic!("not refused: {other:?}"),
    }
}

/// The first tenant after `than` whose hand has so many cells in common with that of `than`.
fn sharing(handle: &Handle, than: u64, shared: usize) -> u64 {
    let alike = |tenant: &u64| handle.hand(*tenant).overlap(&handle.hand(than)) == shared;
    (than + 1..).find(alike).expect("somebody")
}

#[tokio::test]
async fn a_tenant_has_hand_times_permits_at_once_and_is_refused_the_next() {
    let (inner, mock) = callee();
    let mut service = Stack::new().sharded_bulkhead(bulkhead(settings(16, 3, 2))).service(inner);
    let held: Vec<_> = (0..6).map(|_| service.call(7)).collect();
    let mut more = task::spawn(service.call(7));
    assert_eq!(reason(assert_ready!(more.poll())), Reason::BulkheadFull);
    assert_eq!((mock.in_flight(), held.len()), (6, 6));
}

#[tokio::test]
async fn a_refusal_says_by_whom_and_was_not_dispatched() {
    let (inner, _) = callee();
    let named = bulkhead(settings(1, 1, 1).with_name("tenants"));
    let mut service = Stack::new().sharded_bulkhead(named).service(inner);
    let _held = service.call(7);
    let Err(Error::Rejected(rejection)) = service.call(7).await else { panic!("let in") };
    assert_eq!((rejection.layer(), rejection.was_dispatched()), ("tenants", false));
}

/// The point of it all: whoever shares all cells but one with a flood is served in that one.
#[tokio::test]
async fn a_flood_leaves_a_cell_to_everybody_who_does_not_share_all_of_its_own() {
    let (inner, _) = callee();
    let bulkhead = bulkhead(settings(12, 3, 2));
    let handle = bulkhead.handle();
    let mut service = Stack::new().sharded_bulkhead(bulkhead).service(inner);
    let _flood: Vec<_> = (0..1000).map(|_| service.call(0)).collect();
    assert_eq!((handle.snapshot().in_use(), handle.snapshot().full()), (6, 3));
    for (shared, served) in [(3, 0), (2, 2), (1, 4), (0, 6)] {
        let other = sharing(&handle, 0, shared);
        let calls: Vec<_> = (0..10).map(|_| service.call(other)).collect();
        assert_eq!(handle.snapshot().in_use(), 6 + served, "who shares {shared} cells");
        drop(calls);
    }
}

#[tokio::test]
async fn a_place_is_free_as_soon_as_a_call_ends_or_is_given_up() {
    let (inner, mock) = callee();
    let bulkhead = bulkhead(settings(4, 1, 1));
    let handle = bulkhead.handle();
    let mut service = Stack::new().sharded_bulkhead(bulkhead).service(inner);
    let mut first = task::spawn(service.call(1));
    assert_pending!(first.poll());
    assert!(mock.wake_one());
    assert_ready!(first.poll()).expect("answered");
    assert_eq!(handle.snapshot().in_use(), 0, "though its future is still there");
    let second = service.call(1);
    assert_eq!(handle.snapshot().in_use(), 1);
    drop(second);
    assert_eq!(handle.snapshot().in_use(), 0);
}

#[test]
fn it_may_be_forgotten_while_nothing_is_in_its_cells() {
    let (bulkhead, now) = (bulkhead(settings(4, 1, 1)), Moment::new());
    let neutral = || Gate::<Whose>::is_neutral(&bulkhead, &now);
    assert!(neutral());
    let Admission::Admitted(permit) = bulkhead.admit(&7, &now) else { panic!("refused") };
    assert!(!neutral());
    Gate::<Whose>::settle(&bulkhead, permit, Ending::Cancelled, &now);
    assert!(neutral());
}

/// Even numbers are tenants; whoever sent an odd one is not known.
#[derive(Clone, Copy)]
struct Known;

impl TenantOf<u64> for Known {
    fn tenant(&self, whose: &u64) -> Option<u64> {
        whose.is_multiple_of(2).then_some(*whose)
    }
}

/// Were nobody's requests let into every cell, a flood without a name would fill them all.
#[tokio::test]
async fn requests_of_nobody_share_one_hand() {
    let (inner, mock) = callee();
    let bulkhead = ShardedBulkhead::new(settings(64, 4, 2), Known);
    let mut service = Stack::new().sharded_bulkhead(bulkhead).service(inner);
    let _strangers: Vec<_> = (0..1000).map(|n| service.call(2 * n + 1)).collect();
    assert_eq!(mock.in_flight(), 8);
    let _tenants: Vec<_> = (0..10).map(|n| service.call(2 * n)).collect();
    assert_eq!(mock.in_flight(), 18);
}

#[tokio::test]
async fn permits_are_changed_below_what_is_in_flight() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let log = heard.clone();
    let bulkhead =
        bulkhead(settings(4, 2, 2)).observe(move |event: &Event| log.lock().expect("unpoisoned").push(*event));
    let handle = bulkhead.handle();
    let (inner, mock) = callee();
    let mut service = Stack::new().sharded_bulkhead(bulkhead).service(inner);
    let mut held: Vec<_> = (0..4).map(|_| service.call(7)).collect();

    handle.update(settings(4, 2, 1));
    held.truncate(2);
    assert_eq!(reason(service.call(7).await), Reason::BulkheadFull, "what ended is not replaced");
    held.clear();
    held.extend((0..3).map(|_| service.call(7)));
    assert_eq!(mock.in_flight(), 2);

    handle.update(settings(4, 2, u32::MAX));
    held.extend((0..100).map(|_| service.call(7)));
    assert_eq!(mock.in_flight(), 102);
    handle.update(settings(4, 2, u32::MAX));

    let layer = "sharded_bulkhead";
    let resized = |from, to| Event::BulkheadResized { layer, from, to };
    let heard = heard.lock().expect("unpoisoned");
    let resizes: Vec<_> = heard.iter().filter(|event| !matches!(event, Event::Refused(_))).collect();
    assert_eq!(resizes, [&resized(2, 1), &resized(1, u32::MAX)], "once for each change");
}

#[tokio::test]
async fn an_update_leaves_name_cells_and_hands_alone() {
    let bulkhead = bulkhead(settings(4, 2, 1).with_name("mine"));
    let handle = bulkhead.handle();
    let before = (handle.snapshot().cells.len(), handle.hand(7));
    let other = settings(64, 4, 9).with_seed(99).with_name("another");
    handle.update(other);
    let after = handle.snapshot();
    assert_eq!((after.cells.len(), handle.hand(7)), before);
    let settings = after.settings;
    assert_eq!((settings.name(), settings.cells(), settings.permits().get()), ("mine", 4, 9));
}

#[tokio::test]
async fn observing_refuses_nobody_and_says_whom_it_would() {
    let heard = Arc::new(Mutex::new(0));
    let log = heard.clone();
    let bulkhead = bulkhead(settings(4, 2, 1)).observe(move |event: &Event| {
        assert!(matches!(event, Event::WouldRefuse(rejection) if rejection.reason() == Reason::BulkheadFull));
        *log.lock().expect("unpoisoned") += 1;
    });
    let handle = bulkhead.handle();
    handle.observe_only();
    let (inner, mock) = callee();
    let mut service = Stack::new().sharded_bulkhead(bulkhead).service(inner);
    let held: Vec<_> = (0..10).map(|_| service.call(7)).collect();
    assert_eq!((mock.in_flight(), handle.snapshot().in_use(), *heard.lock().expect("unpoisoned")), (10, 10, 8));
    assert!(handle.snapshot().observe_only);
    drop(held);
    handle.automatic();
    assert_eq!(handle.snapshot().in_use(), 0);
}

#[tokio::test]
async fn clones_and_layers_meet_the_same_cells_and_a_fresh_one_does_not() {
    let shared = bulkhead(settings(4, 2, 1));
    let handle = shared.handle();
    let (inner, _) = callee();
    let stack = Stack::new().sharded_bulkhead(shared.clone());
    let (mut one, mut other) = (stack.service(inner.clone()), stack.clone().service(inner.clone()));
    let _held = (one.call(7), other.call(7));
    assert_eq!(reason(one.call(7).await), Reason::BulkheadFull);

    let fresh = shared.fresh();
    assert_eq!(fresh.handle().hand(7), handle.hand(7), "of the same seed");
    let (own, mut service) = (fresh.handle(), ShardedBulkheadLayer::new(fresh).layer(Stack::new().service(inner)));
    let _too = service.call(7);
    assert_eq!((own.snapshot().in_use(), handle.snapshot().in_use()), (1, 2));
}

/// A seed that is known, or the same in every process, lets tenants search for a number that shares another's cells.
#[test]
fn without_a_seed_every_bulkhead_deals_other_hands() {
    let unseeded = ShardedBulkhead::new(Settings::new(NonZeroU32::MIN), |whose: &Whose| *whose);
    let hands = |handle: Handle| (0..100).map(|tenant| handle.hand(tenant)).collect::<Vec<_>>();
    let (one, other) = (hands(unseeded.handle()), hands(unseeded.fresh().handle()));
    assert_ne!(one, other);
    assert_eq!(hands(unseeded.handle()), one, "but always the same");
}

#[test]
fn settings_that_make_no_sense_are_refused_by_name() {
    assert_eq!(Settings::try_new(0).expect_err("zero").setting(), "sharded_bulkhead.permits");
    let one = Settings::new(NonZeroU32::MIN);
    for (cells, hand) in [(0, 1), ((1 << 26) + 1, 1), (u32::MAX, 2), (8, 0), (8, 9), (64, 17), (512, 12), (2048, 6)] {
        let error = one.try_with_cells(cells, hand).expect_err("nonsense");
        assert_eq!(error.setting(), "sharded_bulkhead.cells", "{cells} {hand}");
    }
    assert_eq!((one.cells(), one.hand_size().get(), one.most_of_a_tenant()), (64, 4, 4));
    assert_eq!(settings(16, 15, u32::MAX).most_of_a_tenant(), 15 * u64::from(u32::MAX));
    assert!(!format!("{:?}", one.with_seed(0xDEAD_BEEF)).contains("3735928559"), "a seed is not printed");
}

/// One of a hundred and one tenants sends ten times what the server can do; the others send half of it together. The server
/// has a queue, in which all would wait for that one.
async fn flooded<S>(stack: impl FnOnce(plimsoll::testing::Server) -> S) -> Report
where
    S: Service<Whose, Error: plimsoll::Refusal> + Clone + 'static,
{
    let sim = Simulation::new(7);
    let server = sim.server(Model::cores(16).work(Duration::from_millis(160)));
    let weights = std::iter::once(2000.0).chain(std::iter::repeat_n(1.0, 100));
    sim.load(Load::poisson(1050.0))
        .tenants(weights)
        .client(Client::new().timeout(Duration::from_secs(1)))
        .measure(Duration::from_secs(2)..Duration::from_secs(12))
        .run(stack(server), |arrival| arrival.tenant)
        .await
}

#[tokio::test(start_paused = true)]
async fn beside_a_flood_the_quiet_are_served() {
    let plain = plimsoll::bulkhead::Settings::try_new(64).expect("valid");
    let one_limit = flooded(|server| Stack::new().bulkhead(plain).service(server)).await;
    println!("one limit: quiet {:.3}, flood {:.3}", one_limit.success_of_the_quiet(), one_limit.success_of_tenant(0));
    let cells = bulkhead(settings(64, 4, 1));
    let sharded = flooded(|server| Stack::new().sharded_bulkhead(cells).service(server)).await;
    println!(
        "cells: quiet {:.3}, flood {:.3}\n{sharded}",
        sharded.success_of_the_quiet(),
        sharded.success_of_tenant(0)
    );
    assert!(one_limit.success_of_the_quiet() < 0.5, "the flood is one");
    assert!(sharded.success_of_the_quiet() > 0.95);
    assert!(sharded.success_of_tenant(0) < one_limit.success_of_tenant(0));
}

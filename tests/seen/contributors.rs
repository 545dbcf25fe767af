use std::io;

use plimsoll::{Stack, meter::Contributors};
use tower::{ServiceExt, service_fn};

use crate::one;

#[derive(Clone)]
struct Ask {
    tenant: String,
    rows: u32,
}

fn ask(tenant: &str, rows: u32) -> Ask {
    Ask { tenant: tenant.to_owned(), rows }
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_most_and_who_is_refused_most_is_known() {
    let tenants =
        Contributors::try_new(8, |ask: &Ask| ask.tenant.clone()).expect("not zero").cost_by(|ask: &Ask| ask.rows);
    let service = Stack::new().gate(tenants.clone()).bulkhead(one()).service(service_fn(|ask: Ask| async move {
        if ask.tenant == "holds" {
            std::future::pending::<()>().await;
        }
        Ok::<_, io::Error>(())
    }));
    for (tenant, rows) in [("a", 3), ("b", 100), ("a", 4), ("free", 0)] {
        assert!(service.clone().oneshot(ask(tenant, rows)).await.is_ok());
    }
    let mut holder = service.clone();
    let _held = tower::Service::call(&mut holder, ask("holds", 1));
    for tenant in ["a", "a", "c"] {
        assert!(service.clone().oneshot(ask(tenant, 10)).await.is_err());
    }
    let standings = tenants.standings();
    let plain = |standings: &[plimsoll::meter::Standing<String>]| {
        standings.iter().map(|standing| (standing.key.clone(), standing.count, standing.error)).collect::<Vec<_>>()
    };
    let asked = plain(&standings.asked);
    assert_eq!(asked[..2], [("b".to_owned(), 100, 0), ("a".to_owned(), 27, 0)]);
    assert_eq!(plain(&standings.refused), [("a".to_owned(), 20, 0), ("c".to_owned(), 10, 0)]);
    assert_eq!((standings.asked_in_all, standings.refused_in_all), (138, 30));
    tenants.reset();
    let standings = tenants.standings();
    assert!(standings.asked.is_empty() && standings.refused.is_empty(), "of either");
    assert_eq!((standings.asked_in_all, standings.refused_in_all), (0, 0));
}

/// A million tenants that come once each, and one that comes a tenth of the time.
#[tokio::test(start_paused = true)]
async fn a_flood_of_keys_takes_no_memory_and_hides_nobody() {
    let tenants = Contributors::try_new(20, |tenant: &u64| *tenant).expect("not zero");
    let service = Stack::new().gate(tenants.clone()).service(service_fn(|_: u64| async { Ok::<_, io::Error>(()) }));
    for number in 1..=100_000_u64 {
        let tenant = if number % 10 == 0 { 0 } else { number };
        assert!(service.clone().oneshot(tenant).await.is_ok());
    }
    let standings = tenants.standings();
    let first = &standings.asked[0];
    assert_eq!((first.key, standings.asked.len()), (0, 20));
    assert!(first.count >= 10_000 && first.count - first.error <= 10_000 && first.error <= 100_000 / 20);
}

#[test]
fn places_that_make_no_sense_are_refused_by_name() {
    let refused = Contributors::try_new(0, |(): &()| 0_u8).expect_err("no places");
    assert_eq!(refused.setting(), "contributors.places");
    let most = Contributors::try_new(u32::MAX, |(): &()| 0_u8).expect("as many as there can be");
    assert!(format!("{most:?}").starts_with("Contributors"));
}

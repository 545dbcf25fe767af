//! What makes no sense has a result all the same: no panic, and an end.

use std::{io, time::Duration};

use plimsoll::{
    Error, Stack,
    testing::{Broken, Client, Curve, Load, Model, Simulation, Span, simulate},
};
use tower::{Service, ServiceExt, service_fn};

use crate::{MS, SECS, bare, limit};

#[test]
fn a_server_that_hangs_is_waited_for_as_long_as_clients_do_and_then_a_minute() {
    for client in [Client::new(), Client::new().timeout(Duration::MAX).retries(3, MS(10)..=MS(50))] {
        let report = bare(Model::cores(0), Load::even(10.0), client, 5);
        assert_eq!((report.successes(), report.timed_out()), (0, report.attempts()));
        assert_eq!((report.goodput(), report.best()), (1.0, 0.0));
    }
    assert_eq!(bare(Model::pool(0), Load::even(10.0), Client::new(), 5).successes(), 0);
}

#[test]
fn no_load_is_an_empty_report() {
    for load in [Load::poisson(0.0), Load::even(f64::NAN), Load::poisson(-3.0), Load::closed(0, MS(1))] {
        let report = bare(Model::knee(), load, Client::new(), 5);
        assert_eq!((report.requests(), report.attempts()), (0, 0));
        assert_eq!((report.goodput(), report.success(), report.wasted()), (1.0, 1.0, 0.0));
        assert_eq!((report.latency(0.99), report.attempts_per_request()), (Duration::ZERO, 0.0));
        assert!(!report.to_string().contains("NaN"), "{report}");
    }
    let nothing = simulate(async || Simulation::new(1).begin().play().await);
    assert_eq!((nothing.requests(), nothing.loads().len()), (0, 0));
    assert!(!nothing.to_string().is_empty());
}

#[test]
fn numbers_that_are_none_end_in_a_report() {
    for value in [f64::NAN, f64::INFINITY, -1.0, 0.0] {
        for model in [
            Model::cores(2).penalty(value, value),
            Model::cores(2).cliff(0, value),
            Model::usl(value, value),
            Model::cores(2).speed(value),
            Model::cores(2).failures(value),
            Model::cores(2).holders(value, MS(1)),
            Model::cores(2).mix(value, Span::lognormal(MS(1), value)),
            Model::cores(2).delay(MS(1)).delay_scale(Curve::of(move |_| value)),
        ] {
            let report = bare(model.clone(), Load::poisson(50.0), Client::new(), 2);
            assert!(report.requests() > 50, "{model:?}");
            assert!(report.goodput().is_finite(), "{model:?}");
        }
    }
}

#[test]
fn extremes_of_time_and_number_end_in_a_report() {
    let server = || Model::cores(2).work(Duration::MAX).delay(Duration::MAX).refusal_cost(Duration::MAX);
    let _ = bare(server(), Load::closed(3, Duration::MAX), Client::new().timeout(Duration::ZERO), 2);
    let _ = bare(server(), Load::even(5.0), Client::new().retries(u32::MAX, Duration::MAX..=Duration::ZERO), 2);
    let retries = Client::new().timeout(Duration::MAX).retries(u32::MAX, Duration::MAX..=Duration::MAX);
    let _ = bare(
        Model::cores(2).work(Duration::ZERO).failures(1.0),
        Load::even(5.0).in_batches_of(u32::MAX / 1_000_000),
        retries,
        2,
    );
    let backwards = simulate(async || {
        let sim = Simulation::new(u64::MAX);
        let service = Stack::new().service(sim.server(Model::knee()));
        #[allow(clippy::reversed_empty_ranges, reason = "that is what it is about")]
        sim.load(Load::even(5.0)).measure(SECS(5)..SECS(2)).classes([]).tenants([f64::NAN]).run(service, |_| ()).await
    });
    assert_eq!(backwards.requests(), 0);
    for quantile in [f64::NAN, -1.0, 2.0, f64::INFINITY] {
        let _ = bare(Model::knee(), Load::even(5.0), Client::new(), 1).latency(quantile);
    }
}

#[test]
fn a_retry_without_a_pause_and_without_an_end_ends_all_the_same() {
    let client = Client::new().timeout(SECS(1)).retries(u32::MAX, Duration::ZERO..=MS(1));
    let report = simulate(async || {
        let sim = Simulation::new(1);
        let service = Stack::new().bulkhead(limit(1)).service(sim.server(Model::cores(0)));
        sim.load(Load::even(2.0)).client(client).measure(SECS(0)..SECS(2)).run(service, |_| ()).await
    });
    assert_eq!(report.successes(), 0);
}

#[test]
fn more_classes_than_a_byte_holds_are_the_last_one() {
    let report = simulate(async || {
        let sim = Simulation::new(1);
        let service = Stack::new().service(sim.server(Model::knee()));
        let classes = std::iter::repeat_n(0.0, 300).chain([1.0]);
        sim.load(Load::even(50.0)).classes(classes).run(service, |_| ()).await
    });
    assert_eq!(report.classes()[255].0, report.requests());
}

#[tokio::test(start_paused = true)]
async fn outside_of_a_run_a_server_is_broken() {
    let sim = Simulation::new(1);
    let mut server = sim.server(Model::knee());
    assert_eq!(ServiceExt::<()>::ready(&mut server).await.expect("ready").call(()).await, Err(Broken));
    let before = server.before(service_fn(|n: u32| async move { Ok::<_, io::Error>(n + 1) }));
    assert_eq!(before.oneshot(1).await.expect("no time at all"), 2);
    assert_eq!(Stack::new().service(server).oneshot(()).await, Err(Error::Inner(Broken)));
}

#[test]
fn too_much_to_play_is_cut_short_and_says_so() {
    let report = bare(Model::cores(0), Load::even(1e9).in_batches_of(3_000_000), Client::new(), 10);
    assert!(report.is_cut_short() && report.to_string().contains("CUT SHORT"));
    assert!(!bare(Model::knee(), Load::even(1.0), Client::new(), 1).is_cut_short());
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "something else moved the paused clock")]
async fn a_service_that_moves_the_clock_is_found_out() {
    let service = Stack::new().service(service_fn(|()| async {
        tokio::time::advance(MS(1)).await;
        Ok::<_, io::Error>(())
    }));
    let _ = Simulation::new(1).load(Load::even(10.0)).run(service, |_| ()).await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "one run at a time")]
async fn two_runs_of_one_simulation_at_once_are_a_mistake() {
    let sim = Simulation::new(1);
    let service = Stack::new().service(sim.server(Model::knee()));
    let run = || sim.load(Load::even(10.0)).run(service.clone(), |_| ());
    let _ = tokio::join!(run(), run());
}

/// Tokio's own panic, "time is not frozen", came out of its own code and did not say what to do.
#[tokio::test]
#[should_panic(expected = "#[tokio::test(start_paused = true)]")]
async fn a_clock_that_runs_is_found_out() {
    let service = Stack::new().service(service_fn(|()| async { Ok::<_, io::Error>(()) }));
    let _ = Simulation::new(1).load(Load::even(10.0)).run(service, |_| ()).await;
}

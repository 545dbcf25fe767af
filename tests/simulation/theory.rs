//! Each model does what queueing theory says of it.

use plimsoll::{
    Stack,
    testing::{Client, Curve, Load, Model, Report, Simulation, Span, simulate},
};

use crate::{MS, SECS, bare};
use std::time::Duration;

/// Long enough for means to settle to a few percent at a load of 0.7.
const LONG: u64 = 150;

fn patient() -> Client {
    Client::new().timeout(Duration::MAX)
}

fn mean_ms(report: &Report) -> f64 {
    report.mean_latency().as_secs_f64() * 1e3
}

#[track_caller]
fn assert_near(is: f64, should: f64, within: f64) {
    assert!((is / should - 1.0).abs() < within, "{is} should be {should}");
}

#[test]
fn one_worker_and_no_memory_is_the_queue_of_the_textbook() {
    let model = Model::pool(1).work(Span::exponential(MS(1)));
    // M/M/1: a mean sojourn of 1 / (µ − λ).
    assert_near(mean_ms(&bare(model, Load::poisson(700.0), patient(), LONG)), 1e3 / 300.0, 0.05);
}

#[test]
fn workers_share_a_queue_as_erlang_says() {
    let (workers, rate, service) = (4, 2800.0, 0.001);
    let model = Model::pool(workers).work(Span::exponential(MS(1)));
    // Erlang C, from the recursion of Erlang B.
    let offered: f64 = rate * service;
    let blocked = (1..=workers).fold(1.0, |b, n| offered * b / (f64::from(n) + offered * b));
    let load = offered / f64::from(workers);
    let waits = blocked / (1.0 - load * (1.0 - blocked));
    let sojourn = service + waits * service / (f64::from(workers) * (1.0 - load));
    assert_near(mean_ms(&bare(model, Load::poisson(rate), patient(), LONG / 2)), sojourn * 1e3, 0.04);
}

#[test]
fn work_that_is_always_the_same_waits_half_as_long() {
    let model = Model::pool(1).work(MS(1));
    // M/D/1: the wait is ρ / (2(1 − ρ)) services.
    let sojourn = 1.0 + 0.7 / 0.6;
    assert_near(mean_ms(&bare(model, Load::poisson(700.0), patient(), LONG)), sojourn, 0.05);
}

#[test]
fn a_shared_processor_does_not_care_how_work_is_spread() {
    // M/G/1-PS: s / (1 − ρ), whatever the distribution.
    for work in [
        Span::constant(MS(1)),
        Span::bimodal(Duration::from_micros(500), Duration::from_micros(10_500), 0.05),
        Span::lognormal(MS(1), 0.8),
    ] {
        let model = Model::cores(1).work(work);
        assert_near(mean_ms(&bare(model, Load::poisson(700.0), patient(), LONG)), 1.0 / 0.3, 0.06);
    }
}

#[test]
fn a_shared_processor_slows_small_and_large_alike() {
    let report = simulate(async || {
        let sim = Simulation::new(3);
        let server = sim.server(Model::cores(1).work(MS(1)).work_of(1, MS(10)));
        let service = Stack::new().service(server);
        sim.load(Load::poisson(350.0))
            .client(patient())
            .to(service.clone(), |_| ())
            .load(Load::poisson(35.0))
            .classes([0.0, 1.0])
            .client(patient())
            .to(service, |_| ())
            .measure(SECS(0)..SECS(LONG))
            .play()
            .await
    });
    let [small, large] = report.loads() else { panic!("two loads") };
    assert_near(mean_ms(small), 1.0 / 0.3, 0.08);
    assert_near(mean_ms(large), 10.0 / 0.3, 0.08);
}

#[test]
fn throughput_follows_the_scalability_law_and_bends_down_behind_its_peak() {
    let (sigma, kappa) = (0.03, 0.0015);
    let throughput = |callers: u32| {
        let model = Model::usl(sigma, kappa).work(MS(10));
        let report = bare(model, Load::closed(callers, Duration::from_micros(1)), patient(), 20);
        report.answered() as f64 / 20.0
    };
    let law = |n: f64| 100.0 * n / (1.0 + sigma * (n - 1.0) + kappa * n * (n - 1.0));
    for callers in [1, 5, 25, 100] {
        assert_near(throughput(callers), law(f64::from(callers)), 0.01);
    }
    assert!(throughput(25) > throughput(20) && throughput(25) > throughput(31));
    let peak = simulate(async || Simulation::new(1).server(Model::usl(sigma, kappa).work(MS(10))).capacity(SECS(0)));
    assert_near(peak, law(25.0), 1e-6);
}

#[test]
fn cores_lose_speed_as_they_are_told() {
    let closed = |model: Model, callers: u32| {
        bare(model.work(MS(10)), Load::closed(callers, Duration::from_micros(1)), patient(), 10).answered() as f64
            / 10.0
    };
    assert_near(closed(Model::knee(), 8), 800.0, 0.01);
    assert_near(closed(Model::knee(), 200), 800.0 / (1.0 + 0.016 * 24.0 + 0.00128 * 576.0), 0.01);
    let cliff = || Model::cores(8).cliff(32, 0.1);
    assert_near(closed(cliff(), 32), 800.0, 0.01);
    assert_near(closed(cliff(), 33), 80.0, 0.05);
}

#[test]
fn what_a_request_waits_for_elsewhere_costs_no_capacity() {
    let model = || Model::cores(8).work(MS(2)).delay(MS(18));
    let alone = bare(model(), Load::even(10.0), patient(), 10);
    assert_eq!((alone.latency(0.0), alone.latency(1.0)), (MS(20), MS(20)));
    let first = bare(Model::cores(8).work(MS(2)).delay_first(MS(18)), Load::even(10.0), patient(), 10);
    assert_eq!((first.latency(0.0), first.latency(1.0)), (MS(20), MS(20)));

    let slow = || model().delay_scale(Curve::constant(5.0));
    assert_eq!(bare(slow(), Load::even(10.0), patient(), 10).latency(1.0), MS(92));
    let full = bare(slow().work(Span::exponential(MS(2))), Load::closed(2000, Duration::from_micros(1)), patient(), 10);
    let answers: u32 = full.answers().filter(|(at, _)| *at >= SECS(2) && *at < SECS(10)).map(|(_, count)| count).sum();
    assert_near(f64::from(answers) / 8.0, 4000.0, 0.02);
}

#[test]
fn those_who_hold_their_place_do_no_work() {
    let model = Model::cores(1).work(MS(10)).holders(0.5, SECS(5));
    let report = bare(model, Load::even(100.0), patient(), 20);
    assert_eq!(report.latency(1.0), SECS(5));
    // Half of a hundred a second are 50 %, so nobody waits long.
    assert!(report.latency(0.4) < MS(30), "{:?}", report.latency(0.4));
    assert!(report.peak_in_flight() > 230, "{}", report.peak_in_flight());
    assert!(report.best() >= 1998.0, "holders are no work for the best either: {}", report.best());
}

#[test]
fn a_refusal_that_costs_takes_its_time_from_the_others() {
    let goodput = |model: Model, cost: Duration| {
        simulate(async || {
            let sim = Simulation::new(1);
            let server = sim.server(model.work(MS(10)).refusal_cost(cost));
            let stack = Stack::new().bulkhead(crate::limit(16));
            sim.load(Load::poisson(4800.0)).run(stack.service(server), |_| ()).await.goodput()
        })
    };
    for model in [Model::cores(8), Model::pool(8)] {
        assert!(goodput(model.clone(), Duration::ZERO) > 0.98);
        // Of 8 cores: some 4000 refusals a second, 400 µs each, are 1.6 and leave 0.8.
        let costly = goodput(model.clone(), Duration::from_micros(400));
        assert!((costly - 0.79).abs() < 0.03, "{costly}");
        // Eight cores that do nothing but refuse.
        assert!(goodput(model, MS(2)) < 0.05);
    }
}

#[test]
fn a_class_of_streams_holds_its_places_beside_the_others() {
    let report = simulate(async || {
        let sim = Simulation::new(1);
        let service = Stack::new().service(sim.server(Model::cores(1).work(MS(10)).hold_of(1, SECS(3))));
        sim.load(Load::even(20.0))
            .to(service.clone(), |_| ())
            .load(Load::even(10.0))
            .classes([0.0, 1.0])
            .client(patient())
            .to(service, |_| ())
            .play()
            .await
    });
    let [others, streams] = report.loads() else { panic!("two loads") };
    assert_eq!((others.latency(1.0), streams.latency(0.0), streams.latency(1.0)), (MS(10), SECS(3), SECS(3)));
    assert_eq!(report.peak_in_flight(), 31);
    assert_eq!((report.success(), report.wasted()), (1.0, 0.0));
}

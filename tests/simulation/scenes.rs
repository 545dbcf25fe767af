//! Scenes of overload, as users play them.

use std::{cell::Cell, io, rc::Rc};

use plimsoll::{
    Reason, Stack,
    testing::{Client, Curve, Load, Model, Report, Simulation, Span, Verdict, simulate},
};
use tower::service_fn;

use crate::{MS, SECS, bare, limit, naive};

fn spike(seed: u64, at_once: u32) -> Report {
    simulate(async || {
        let sim = Simulation::new(seed);
        let server = sim.server(Model::knee());
        sim.load(Load::poisson(560.0).spike(SECS(5)..SECS(10), 4000.0))
            .client(naive())
            .measure(SECS(2)..SECS(20))
            .run(Stack::new().bulkhead(limit(at_once)).service(server), |_| ())
            .await
    })
}

#[test]
fn a_limit_survives_a_spike_that_nothing_does_not() {
    let (with, without) = (spike(7, 16), spike(7, 100_000));
    assert!(with.goodput() > 0.9, "{with}");
    assert!(without.goodput() < 0.25, "{without}");
    assert!(with.recovery(SECS(10)).expect("it recovers") < MS(500));
    assert_eq!(without.recovery(SECS(10)), None, "retries keep it down for good");
}

#[test]
fn a_hidden_queue_answers_nobody_in_time() {
    let report = bare(Model::pool(8).work(Span::lognormal(MS(10), 0.8)), Load::poisson(1200.0), naive(), 28);
    assert!(report.goodput() < 0.5 && report.wasted() > 0.5, "{report}");
}

#[test]
fn a_mix_that_shifts_is_seen_by_the_server_and_by_the_best() {
    let model = Model::cores(8).work(MS(10)).mix(Curve::constant(0.0).then(SECS(5), 0.5), MS(110));
    let report = simulate(async || {
        let sim = Simulation::new(1);
        let server = sim.server(model);
        assert!((server.capacity(SECS(0)) - 800.0).abs() < 1e-9);
        assert!((server.capacity(SECS(9)) - 8.0 / 0.06).abs() < 1e-9);
        let stack = Stack::new().bulkhead(limit(16));
        sim.load(Load::poisson(560.0)).measure(SECS(0)..SECS(20)).run(stack.service(server), |_| ()).await
    });
    // 5 s · 560, and 15 s · 133; and what had come before but was served after.
    assert!((report.best() / 4800.0 - 1.0).abs() < 0.06, "{}", report.best());
}

#[test]
fn a_service_of_ones_own_is_called_when_its_time_is_over_and_judged_as_one_likes() {
    let called = Rc::new(Cell::new(0));
    let report = simulate(async || {
        let sim = Simulation::new(1);
        let server = sim.server(Model::cores(8).work(MS(10)));
        let counting = Rc::clone(&called);
        let handler = server.before(service_fn(move |number: u64| {
            counting.set(counting.get() + 1);
            async move { Ok::<_, io::Error>(if number.is_multiple_of(4) { 503 } else { 200 }) }
        }));
        sim.load(Load::even(100.0))
            .client(Client::new())
            .to_judged(
                handler,
                |arrival| arrival.number,
                |status| match status {
                    Ok(503) => Verdict::Refused(Reason::Custom),
                    Ok(_) => Verdict::Success,
                    Err(_) => Verdict::Failed,
                },
            )
            .play()
            .await
    });
    assert!(called.get() >= report.requests());
    assert_eq!(report.latency(1.0), MS(10));
    assert_eq!(report.refused_for(Reason::Custom), report.attempts().div_ceil(4));
}

#[test]
fn a_closed_loop_has_no_more_in_flight_than_its_callers() {
    let report = bare(Model::cores(8).work(MS(10)), Load::closed(12, MS(5)), Client::new(), 10);
    assert_eq!(report.peak_in_flight(), 12);
    assert_eq!(report.success(), 1.0);
    // Twelve callers that ask every 20 ms when 12 share 8 cores.
    assert!(report.requests() > 5000 && report.requests() < 8100, "{}", report.requests());
}

#[test]
fn servers_and_reports_go_wherever_services_go() {
    fn anywhere<T: Send + Sync + 'static>(_: &T) {}
    let sim = Simulation::new(1);
    let server = sim.server(Model::knee());
    anywhere(&server);
    anywhere(&tower::Service::<()>::call(&mut server.clone(), ()));
    anywhere(&server.before(limit(1)));
    anywhere(&sim);
    anywhere(&bare(Model::knee(), Load::even(1.0), Client::new(), 1));
}

/// Many at once, on a thread each: what a bench or a search over settings does.
#[test]
fn simulations_on_threads_do_not_disturb_one_another() {
    let alone = spike(3, 16);
    let threads: Vec<_> = (0..3).map(|_| std::thread::spawn(|| spike(3, 16))).collect();
    for thread in threads {
        assert_eq!(thread.join().expect("it plays"), alone);
    }
}

//! The report adds up.

use plimsoll::{
    Reason, Stack,
    testing::{Client, Curve, Load, Model, Report, Simulation, Span, simulate},
};
use proptest::prelude::*;

use crate::{MS, SECS, bare, limit, naive};

fn spike(seed: u64, at_once: u32, client: Client, model: Model) -> Report {
    simulate(async || {
        let sim = Simulation::new(seed);
        let server = sim.server(model);
        sim.load(Load::poisson(560.0).spike(SECS(2)..SECS(3), 4000.0))
            .client(client)
            .classes([0.1, 0.6, 0.3])
            .tenants([1.5, 1.0, 1.0])
            .measure(SECS(1)..SECS(6))
            .run(Stack::new().bulkhead(limit(at_once)).service(server), |_| ())
            .await
    })
}

fn adds_up(report: &Report) {
    assert_eq!(report.requests(), report.successes() + report.failures());
    let ended = report.answered() + report.refused() + report.failed() + report.timed_out();
    assert_eq!(report.attempts(), ended, "{report}");
    for parts in [report.classes(), report.tenants()] {
        let sum = parts.iter().fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
        assert_eq!(sum, (report.requests(), report.successes()));
    }
    let refused: u64 = Reason::ALL.iter().map(|reason| report.refused_for(*reason)).sum();
    assert_eq!(report.refused(), refused);
    assert!((0.0..=1.0).contains(&report.wasted()));
    assert!(report.best() <= report.requests() as f64 * 1.5);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_happens_every_request_and_every_attempt_is_counted_once(
        seed: u64,
        at_once in prop::sample::select(vec![1_u32, 8, 64, 500]),
        retries in 0_u32..4,
        timeout in 5_u64..400,
        unnoticed: bool,
        cancels: bool,
        fails in 0.0..0.5,
        model in prop::sample::select(vec![0, 1, 2, 3]),
    ) {
        let model = match model {
            0 => Model::knee(),
            1 => Model::pool(8).work(Span::pareto(MS(2), MS(500), 1.5)),
            2 => Model::usl(0.03, 0.0015).speed(Curve::constant(1.0).during(SECS(3)..SECS(4), 0.0)),
            _ => Model::cores(8).work(MS(2)).delay(MS(18)).holders(0.02, SECS(1)),
        };
        let model = model.failures(fails);
        let client = Client::new().timeout(MS(timeout)).retries(retries, MS(0)..=MS(50));
        let client = if unnoticed { client.goes_unnoticed() } else { client };
        let model = if cancels { model.cancels() } else { model };
        adds_up(&spike(seed, at_once, client, model));
    }
}

#[test]
fn a_seed_repeats_to_the_last_digit_and_another_differs() {
    let run = |seed| spike(seed, 16, naive(), Model::knee());
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}

#[test]
fn the_same_requests_come_whatever_becomes_of_them() {
    let (some, all) = (spike(7, 4, naive(), Model::knee()), spike(7, 1000, naive(), Model::knee()));
    assert_ne!(some.successes(), all.successes());
    let came = |report: &Report| report.tenants().iter().map(|tenant| tenant.0).collect::<Vec<_>>();
    assert_eq!((came(&some), some.best()), (came(&all), all.best()));
}

#[test]
fn work_for_those_who_hung_up_is_wasted_unless_the_server_notices() {
    let hasty = Client::new().timeout(MS(5));
    let (deaf, attentive) = (Model::cores(8).work(MS(10)), Model::cores(8).work(MS(10)).cancels());
    let deaf = bare(deaf, Load::even(100.0), hasty, 10);
    assert_eq!((deaf.wasted(), deaf.timed_out()), (1.0, deaf.attempts()));
    assert_eq!(bare(attentive, Load::even(100.0), hasty, 10).wasted(), 1.0);

    let mixed = Model::cores(8).work(Span::bimodal(MS(4), MS(40), 0.5));
    let wasted = |model| bare(model, Load::even(50.0), Client::new().timeout(MS(20)), 100).wasted();
    assert!((wasted(mixed.clone()) - 40.0 / 44.0).abs() < 0.01, "{}", wasted(mixed));
    // Of 40 ms, 20 are done until the caller goes.
    let stopped = wasted(mixed.cancels());
    assert!((stopped - 20.0 / 24.0).abs() < 0.01, "{stopped}");
}

#[test]
fn where_hanging_up_goes_unnoticed_places_stay_taken_and_answers_come_too_late() {
    let run = |client: Client| {
        simulate(async || {
            let sim = Simulation::new(1);
            let server = sim.server(Model::cores(8).delay(MS(485)));
            let service = Stack::new().bulkhead(limit(5)).service(server);
            sim.load(Load::even(20.0)).client(client.timeout(MS(100))).run(service, |_| ()).await
        })
    };
    let (hung_up, unnoticed) = (run(Client::new()), run(Client::new().goes_unnoticed()));
    assert_eq!((hung_up.refused(), hung_up.timed_out()), (0, hung_up.attempts()));
    // Five places for half a second each are ten a second, of twenty.
    assert!((unnoticed.refused_share() - 0.5).abs() < 0.03, "{unnoticed}");
    assert_eq!((unnoticed.answered(), unnoticed.wasted()), (0, 1.0));
    adds_up(&unnoticed);
}

#[test]
fn loads_have_reports_of_their_own_that_add_up_to_the_whole() {
    let report = simulate(async || {
        let sim = Simulation::new(1);
        let server = sim.server(Model::knee());
        let mut run = sim.begin();
        for _ in 0..4 {
            let stack = Stack::new().bulkhead(limit(4));
            run = run.load(Load::poisson(400.0)).named("one of four").to(stack.service(server.clone()), |_| ());
        }
        run.play().await
    });
    adds_up(&report);
    assert_eq!(report.loads().len(), 4);
    assert!(report.loads().iter().all(|load| load.name() == "one of four" && load.loads().is_empty()));
    let sum = |count: fn(&Report) -> u64| report.loads().iter().map(count).sum::<u64>();
    assert_eq!(sum(Report::attempts), report.attempts());
    assert_eq!(sum(Report::successes), report.successes());
    let best: f64 = report.loads().iter().map(Report::best).sum();
    assert!((best - report.best()).abs() < 1e-6);
    assert_eq!(report.peak_in_flight(), 16);
    assert!(report.goodput() > 0.95, "{report}");
}

#[test]
fn a_stall_is_recovered_from_when_its_backlog_is_gone() {
    let model = Model::cores(8).work(MS(10)).speed(Curve::constant(1.0).during(SECS(3)..SECS(6), 0.0)).cancels();
    let report = bare(model, Load::poisson(400.0), Client::new(), 20);
    assert_eq!(report.recovery(SECS(1)), Some(MS(0)));
    // Who comes in the last second of the stall may still be served.
    let recovery = report.recovery(SECS(3)).expect("it recovers");
    assert!(recovery > MS(1500) && recovery < MS(3100), "{recovery:?}");
    assert_eq!(report.answers().filter(|(at, _)| *at >= MS(3100) && *at < SECS(6)).map(|(_, n)| n).sum::<u32>(), 0);
    assert_eq!(report.recovery(SECS(600)), None);

    let dead =
        bare(Model::cores(8).speed(Curve::constant(1.0).then(SECS(3), 0.0)), Load::poisson(400.0), Client::new(), 10);
    assert_eq!(dead.recovery(SECS(3)), None);
}

#[test]
fn the_noisy_tenant_is_told_apart_from_the_quiet() {
    let report = simulate(async || {
        let sim = Simulation::new(1);
        let server = sim.server(Model::knee());
        let service = Stack::new().bulkhead(limit(16)).service(server);
        sim.load(Load::poisson(2400.0)).tenants([21.0].into_iter().chain([1.0; 9])).run(service, |_| ()).await
    });
    let noisy = report.tenants()[0].0 as f64 / report.requests() as f64;
    assert!((noisy - 0.7).abs() < 0.01, "{noisy}");
    let (all, quiet) = (report.success(), report.success_of_the_quiet());
    assert!((all - quiet).abs() < 0.03, "a bulkhead cannot tell them apart: {all} {quiet}");
    assert!(report.to_string().contains("of all tenants but 0"));
    assert!(!spike(7, 16, naive(), Model::knee()).to_string().contains("tenants"), "nobody is noisy there");
}

#[test]
fn a_table_has_a_column_for_each_load_and_says_nothing_twice() {
    let report = simulate(async || {
        let sim = Simulation::new(1);
        let service = Stack::new().service(sim.server(Model::knee()));
        sim.load(Load::even(50.0))
            .named("web")
            .to(service.clone(), |_| ())
            .load(Load::closed(3, MS(20)))
            .named("batch")
            .to(service, |_| ())
            .play()
            .await
    });
    let table = report.to_string();
    let titles: Vec<_> = table.lines().next().expect("titles").split_whitespace().collect();
    assert_eq!(titles, ["all", "loads", "web", "batch"]);
    assert!(table.contains("answers over time") && !table.contains("refuse,") && !table.contains("failed"), "{table}");
    let twice = report.beside("before", [("after", &report)]).to_string();
    assert!(twice.lines().next().expect("titles").ends_with("before       after"), "{twice}");
}

/// The second call of an attempt drew what the first had drawn.
#[test]
fn two_calls_of_one_attempt_are_different_work() {
    let same = std::rc::Rc::new(std::cell::Cell::new(0));
    simulate(async || {
        let sim = Simulation::new(3);
        let server = sim.server(Model::cores(1000).work(Span::exponential(MS(10))));
        let inner = tower::service_fn(|()| {
            let (mut server, same) = (server.clone(), same.clone());
            async move {
                let start = plimsoll::clock::now();
                tower::Service::call(&mut server, ()).await?;
                let between = plimsoll::clock::now();
                tower::Service::call(&mut server, ()).await?;
                let is_same = between.since(start) == plimsoll::clock::now().since(between);
                same.set(same.get() + u32::from(is_same));
                Ok::<_, plimsoll::testing::Broken>(())
            }
        });
        let report = sim.load(Load::even(100.0)).run(Stack::new().service(inner), |_| ()).await;
        assert!(report.answered() > 900);
    });
    assert_eq!(same.get(), 0);
}

#[cfg(feature = "serde")]
#[test]
fn a_report_is_serialized_under_the_names_of_its_methods() {
    let report = spike(7, 16, naive(), Model::knee());
    let value = serde_json::to_value(&report).expect("it is plain data");
    assert_eq!(value["goodput"], report.goodput());
    assert_eq!(value["attempts"], report.attempts());
    assert_eq!(value["refused_for"]["BulkheadFull"], report.refused());
    assert_eq!(value["latency"]["p99"], report.latency(0.99).as_secs_f64() * 1e3);
    assert_eq!(value["classes"][1][0], report.classes()[1].0);
    assert_eq!(value["loads"], serde_json::json!([]));
}

/// What a server drew depended on who had come before, and two stacks were compared on different days.
#[test]
fn a_request_is_the_same_work_whatever_stack_it_meets() {
    let works = |at_once| {
        simulate(async || {
            let sim = Simulation::new(3);
            // Cores enough for all: the latency is the work.
            let server = sim.server(Model::cores(1_000_000).work(Span::lognormal(MS(10), 0.8)));
            let answered = std::rc::Rc::new(std::cell::RefCell::new(std::collections::BTreeMap::new()));
            let inner = tower::service_fn(|number: u64| {
                let (mut server, answered, began) = (server.clone(), answered.clone(), plimsoll::clock::now());
                async move {
                    tower::Service::call(&mut server, ()).await?;
                    answered.borrow_mut().insert(number, plimsoll::clock::now().since(began));
                    Ok::<_, plimsoll::testing::Broken>(())
                }
            });
            let service = Stack::new().bulkhead(limit(at_once)).service(inner);
            let _ = sim.load(Load::poisson(100.0)).run(service, |arrival| arrival.number).await;
            answered.take()
        })
    };
    let (few, all) = (works(1), works(1000));
    assert!(few.len() > 300 && few.len() < all.len(), "{} {}", few.len(), all.len());
    assert!(few.iter().all(|(number, work)| all[number] == *work));
}

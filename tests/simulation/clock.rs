//! Things happen when they are due.

use std::{cell::RefCell, io, rc::Rc, time::Duration};

use plimsoll::{
    Reason, Stack,
    clock::{Instant, now},
    testing::{Client, Curve, Load, Model, Report, Simulation, Span, simulate},
};
use tower::{buffer::Buffer, service_fn};

use crate::{MS, SECS, bare};

const MICROS: fn(u64) -> Duration = Duration::from_micros;

#[test]
fn a_server_answers_at_its_nanosecond() {
    let odd = Duration::from_nanos(1_234_567);
    let report = bare(Model::cores(1).work(odd), Load::even(10.0), Client::new(), 10);
    assert_eq!((report.latency(0.0), report.latency(1.0)), (odd, odd));
}

#[test]
fn a_stall_stops_what_is_under_way_and_a_slow_down_stretches_it() {
    let once = |speed: Curve| {
        // The only request comes at one second.
        let model = Model::cores(1).work(MS(10)).speed(speed);
        bare(model, Load::even(1.0).step(MS(1500), 0.0), Client::new(), 5).latency(1.0)
    };
    let one = Curve::constant(1.0);
    assert_eq!(once(one.clone().during(MS(1005)..MS(1105), 0.0)), MS(110));
    assert_eq!(once(one.clone().then(MS(1005), 0.2)), MS(30));
    assert_eq!(once(one.every(MS(1005), MS(2), 0.0)), MS(12));
}

/// What a stack with a service that sleeps for so long sees.
fn sleeper(sleep: Duration) -> Report {
    simulate(async || {
        let service = Stack::new().service(service_fn(move |()| async move {
            tokio::time::sleep(sleep).await;
            Ok::<_, io::Error>(())
        }));
        Simulation::new(1).load(Load::even(100.0)).run(service, |_| ()).await
    })
}

#[test]
fn timers_of_tokio_are_due_at_their_millisecond_and_not_at_the_next_event() {
    let whole = sleeper(MS(5));
    assert_eq!((whole.latency(0.0), whole.latency(1.0)), (MS(5), MS(5)));
    let odd = sleeper(MICROS(5300));
    assert_eq!((odd.latency(0.0), odd.latency(1.0)), (MS(6), MS(6)));
}

#[test]
fn a_timeout_of_a_stack_is_on_time_while_nothing_else_happens() {
    let report = simulate(async || {
        let sim = Simulation::new(1);
        let server = sim.server(Model::cores(0));
        let service = Stack::new().timeout(MS(30)).service(server);
        sim.load(Load::even(1.0)).client(Client::new()).run(service, |_| ()).await
    });
    assert_eq!(report.refused_for(Reason::Timeout), report.attempts());
    assert_eq!((report.time_to_refuse(0.0), report.time_to_refuse(1.0)), (MS(30), MS(30)));
}

#[test]
fn requests_are_made_when_they_come_and_know_their_deadline() {
    let made = Rc::new(RefCell::new(Vec::<(Instant, Option<Instant>)>::new()));
    simulate(async || {
        let sim = Simulation::new(1);
        let start = now();
        let service = Stack::new().service(sim.server(Model::cores(1)));
        let report = sim
            .load(Load::even(4.0))
            .client(Client::new().timeout(MS(700)).tells_deadline())
            .measure(SECS(0)..SECS(1))
            .until(SECS(1))
            .run(service, |arrival| made.borrow_mut().push((now(), arrival.deadline)))
            .await;
        assert_eq!(report.requests(), 3);
        let due = |ms: u64| (start.after(MS(ms)), Some(start.after(MS(ms + 700))));
        assert_eq!(*made.borrow(), [due(250), due(500), due(750)]);
    });
}

#[test]
fn tasks_that_a_service_spawns_have_their_turn() {
    let report = simulate(async || {
        let sim = Simulation::new(1);
        let server = sim.server(Model::cores(4).work(MS(10)));
        let buffer = Buffer::new(server, 64);
        sim.load(Load::even(100.0)).run(buffer, |_| ()).await
    });
    assert_eq!(report.success(), 1.0);
    assert_eq!((report.latency(0.0), report.latency(1.0)), (MS(10), MS(10)));
}

#[tokio::test(start_paused = true)]
async fn a_run_takes_its_time_from_the_clock_of_the_test() {
    let start = now();
    let sim = Simulation::new(1);
    let service = Stack::new().service(sim.server(Model::cores(1)));
    let report = sim.load(Load::even(1.0)).measure(SECS(0)..SECS(3)).until(SECS(3)).run(service, |_| ()).await;
    assert_eq!(report.requests(), 2);
    assert!(now().since(start) >= SECS(2) && now().since(start) < SECS(4), "{:?}", now().since(start));
}

/// Futures are many and the task is one; tokio lets a task poll 128 things and then makes all of them wait.
#[test]
fn a_thousand_timers_at_one_instant_all_fire_then() {
    let report = simulate(async || {
        let service = Stack::new().service(service_fn(|()| async {
            tokio::time::sleep(MS(5)).await;
            Ok::<_, io::Error>(())
        }));
        Simulation::new(1).load(Load::even(1000.0).in_batches_of(1000)).run(service, |_| ()).await
    });
    assert_eq!((report.latency(0.0), report.latency(1.0)), (MS(5), MS(5)));
}

/// A run ended at any nanosecond, and the next one met tokio's timers at another part of their millisecond.
#[tokio::test(start_paused = true)]
async fn a_second_run_on_the_same_clock_is_like_the_first() {
    let sim = Simulation::new(1);
    let server = sim.server(Model::knee().work(Span::exponential(Duration::from_nanos(3_333_333))));
    let hasty = Stack::new().timeout(MICROS(3300)).service(server.clone());
    let first = sim.load(Load::poisson(500.0)).run(hasty.clone(), |_| ()).await;
    assert!(first.refused_for(Reason::Timeout) > 0 && first.answered() > 0, "{first}");

    let patient = Stack::new().service(server);
    let between = sim.load(Load::even(300.0)).measure(SECS(0)..SECS(1)).run(patient, |_| ()).await;
    assert_eq!(between.success(), 1.0, "it ends with an answer, and not with a timer");
    assert_eq!(sim.load(Load::poisson(500.0)).run(hasty, |_| ()).await, first);
}

/// It wakes itself until the time is later, and the time became later only when nobody was awake.
#[test]
fn a_future_that_does_not_sleep_while_it_waits_does_not_stop_the_clock() {
    let report = simulate(async || {
        let service = Stack::new().service(service_fn(|()| {
            let due = now().after(MS(5));
            std::future::poll_fn(move |cx| {
                if now() >= due {
                    return std::task::Poll::Ready(Ok::<_, io::Error>(()));
                }
                cx.waker().wake_by_ref();
                std::task::Poll::Pending
            })
        }));
        Simulation::new(1).load(Load::even(10.0)).measure(SECS(0)..SECS(1)).run(service, |_| ()).await
    });
    assert_eq!((report.success(), report.latency(1.0)), (1.0, MS(5)));
}

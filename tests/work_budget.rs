//! The work budget through the public door, in paused time.
#![cfg(feature = "testing")]

use std::{
    future::{Future, poll_fn},
    io,
    num::{NonZeroU32, NonZeroU64},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    task::Poll,
    time::Duration,
};

use futures_util::future::join_all;
use plimsoll::{
    Error, Event, Gate, Ratio, Reason, Rejection, Stack,
    circuit_breaker::{self, CircuitBreaker},
    clock::{self, Moment},
    event::Stop,
    gate::PerKind,
    keyed::{self, Keyed},
    retry::{self, RetryLayer},
    testing::Mock,
    timeout::TimeoutLayer,
    work::{self, CarryWork, Cause, Exhausted, Work},
    work_budget::{Cost, Demotion, OverCost, Settings, WorkBudget, WorkBudgetLayer},
};
use tokio_test::{assert_pending, task};
use tower::{Layer, Service, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

/// What is asked for: so much is estimated, and spent.
#[derive(Clone, Copy, Debug)]
struct Ask {
    estimate: u64,
    spends: u64,
    kind: usize,
}

fn ask(estimate: u64) -> Ask {
    Ask { estimate, spends: estimate, kind: 0 }
}

fn spending(estimate: u64, spends: u64) -> Ask {
    Ask { spends, ..ask(estimate) }
}

type Failed = Error<io::Error>;

/// Of so many seats, one for each 10, one request may take all; it may spend 1,000.
fn seats(seats: u32) -> Settings {
    let settings = Settings::try_new(seats).and_then(|settings| settings.try_with_fuel_per_seat(10));
    settings.and_then(|settings| settings.try_with_fuel(1_000)).expect("valid").with_width(Ratio::ONE)
}

type Budget = WorkBudget<fn(&Ask) -> Cost, fn(&Ask) -> usize>;

fn budget(settings: Settings) -> Budget {
    WorkBudget::new(settings)
        .cost_by((|ask| Cost::fuel(ask.estimate)) as fn(&Ask) -> Cost)
        .kind_by((|ask| ask.kind) as fn(&Ask) -> usize)
}

fn work() -> Work {
    work::current().expect("a work budget is around")
}

/// A handler that spends what it is told to, a tenth of it at a time, each tenth taking a tenth of a second.
async fn handle(ask: Ask) -> Result<u64, Failed> {
    let work = work();
    let mut left = ask.spends;
    while left > 0 {
        let part = left.min(ask.spends.div_ceil(10));
        work.spend(part)?;
        left -= part;
        tokio::time::sleep(SECOND / 10).await;
    }
    Ok(ask.spends)
}

fn rejection<T: std::fmt::Debug>(result: Result<T, Failed>) -> Rejection {
    match result {
        Err(Error::Rejected(rejection)) => rejection,
        other => panic!("not refused: {other:?}"),
    }
}

fn reason<T: std::fmt::Debug>(result: Result<T, Failed>) -> Reason {
    rejection(result).reason()
}

#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<Event>>>);

impl Heard {
    fn observer(&self) -> impl Fn(&Event) + Send + Sync + use<> {
        let log = self.0.clone();
        move |event: &Event| log.lock().expect("unpoisoned").push(*event)
    }

    fn all(&self) -> Vec<Event> {
        self.0.lock().expect("unpoisoned").clone()
    }
}

// Admission.

#[tokio::test(start_paused = true)]
async fn requests_take_room_by_their_cost_and_give_it_back() {
    let budget = budget(seats(5));
    let handle_of = budget.handle();
    let mut service = Stack::new().work_budget(budget).wrap(service_fn(handle));
    let calls = [service.call(ask(11)), service.call(ask(30))];
    assert_eq!(handle_of.snapshot().seats.in_use, 5, "two and three");
    let refused = rejection(service.call(ask(1)).await);
    assert_eq!(
        (refused.reason(), refused.layer(), refused.was_dispatched()),
        (Reason::LimitReached, "work_budget", false)
    );
    assert!(join_all(calls).await.iter().all(Result::is_ok));
    let snapshot = handle_of.snapshot();
    assert_eq!((snapshot.seats.in_use, snapshot.granted, snapshot.spent), (0, 44 + 120, 41));
}

/// One scan of everything, and all others wait for it: nobody may take more than a share.
#[tokio::test(start_paused = true)]
async fn what_costs_too_much_is_refused_before_it_is_dispatched() {
    let (inner, mock) = Mock::answering(|_: &Ask| Ok::<_, io::Error>(()));
    let settings = seats(20).with_width(Ratio::percent(15));
    let heard = Heard::default();
    let service = Stack::new().observe(heard.observer()).work_budget(budget(settings)).service(inner);
    assert!(service.clone().oneshot(ask(30)).await.is_ok(), "three seats of twenty");
    for estimate in [31, 1_001, u64::MAX] {
        let refused = rejection(service.clone().oneshot(ask(estimate)).await);
        assert_eq!((refused.reason(), refused.was_dispatched()), (Reason::TooExpensive, false));
        assert_eq!(heard.all().last(), Some(&Event::Refused(refused)));
    }
    assert_eq!(mock.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_clamped_goes_on_with_as_much_as_one_may_have() {
    let settings = seats(20).with_width(Ratio::percent(15)).with_over_cost(OverCost::Clamp);
    let budget = budget(settings);
    let handle_of = budget.handle();
    let mut service = Stack::new().work_budget(budget).wrap(service_fn(handle));
    let call = service.call(spending(u64::MAX, 1_001));
    assert_eq!(handle_of.snapshot().seats.in_use, 3);
    assert_eq!(reason(call.await), Reason::WorkExhausted, "it wanted more than one may have");
    assert_eq!(service.call(spending(u64::MAX, 1_000)).await.ok(), Some(1_000));
}

/// Two dear requests, and there was room for nobody else. Those that are demoted never take the others' seats, nor their
/// places to wait, whatever comes.
#[tokio::test(start_paused = true)]
async fn those_that_are_demoted_are_among_themselves() {
    let heard = Heard::default();
    let settings = seats(20)
        .with_width(Ratio::percent(15))
        .with_over_cost(OverCost::Demote(Demotion::try_new(2).expect("two")))
        .with_wait(3, 60 * SECOND);
    let budget = budget(settings).observe(heard.observer());
    let handle_of = budget.handle();
    let mut service = Stack::new().work_budget(budget).wrap(service_fn(handle));

    let dear: Vec<_> = (0..8).map(|_| service.call(ask(5_000))).collect();
    let known = handle_of.snapshot();
    assert_eq!((known.demoted.in_use, known.demoted.waiting, known.seats.in_use), (2, 3, 0));
    assert!(
        heard.all().iter().all(|event| matches!(event, Event::Demoted { layer: "work_budget" } | Event::Refused(_)))
    );

    // All the seats are there for the others, and places to wait as well.
    let cheap: Vec<_> = (0..23).map(|_| service.call(ask(10))).collect();
    let known = handle_of.snapshot();
    assert_eq!((known.seats.in_use, known.seats.waiting), (20, 3));
    let start = clock::now();
    assert!(join_all(cheap).await.iter().all(Result::is_ok));
    assert_eq!(clock::now().since(start), 2 * SECOND);
    let ends = join_all(dear).await;
    assert_eq!(ends.iter().filter(|end| end.is_ok()).count(), 5, "two, and the three that could wait");
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_in_a_lane_that_is_there_no_more_for_ever() {
    let demoting = seats(2).with_over_cost(OverCost::Demote(Demotion::try_new(1).expect("one")));
    let budget = budget(demoting.with_wait(9, Duration::MAX));
    let handle_of = budget.handle();
    let mut service = Stack::new().work_budget(budget).wrap(service_fn(handle));
    let calls: Vec<_> = (0..3).map(|_| service.call(ask(5_000))).collect();
    handle_of.update(seats(2));
    assert_eq!(reason(service.call(ask(5_000)).await), Reason::TooExpensive);
    let ends = tokio::time::timeout(60 * SECOND, join_all(calls)).await.expect("one after another");
    assert!(ends.iter().all(Result::is_ok));
}

#[tokio::test(start_paused = true)]
async fn who_waits_goes_in_order_and_nobody_narrow_passes_one_who_is_wide() {
    let settings = seats(4).with_wait(9, 60 * SECOND);
    let mut service = Stack::new().work_budget(budget(settings)).wrap(service_fn(handle));
    let mut first = task::spawn(service.call(ask(30)));
    let mut wide = task::spawn(service.call(ask(40)));
    let mut narrow = task::spawn(service.call(ask(1)));
    assert_pending!(first.poll());
    assert_pending!(wide.poll());
    assert_pending!(narrow.poll());
    drop(first);
    assert!(wide.is_woken() && !narrow.is_woken());
    drop(wide);
    assert!(narrow.is_woken());
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_in_time_and_at_the_deadline_of_the_request() {
    let settings = seats(1).with_wait(9, 2 * SECOND);
    let mut service = Stack::new()
        .work_budget(budget(settings).deadline_by(|ask: &Ask| (ask.kind == 1).then(|| clock::now().after(SECOND))))
        .wrap(service_fn(|_: Ask| std::future::pending::<Result<u64, Failed>>()));
    let _held = service.call(ask(1));
    let (late, by_deadline) = (service.call(ask(1)), service.call(Ask { kind: 1, ..ask(1) }));
    let (late, by_deadline) = tokio::join!(late, by_deadline);
    assert_eq!([reason(late), reason(by_deadline)], [Reason::WaitTimeout, Reason::DeadlineExceeded]);
}

/// The seats became fewer while it waited: what is wider than all of them would wait for ever.
#[tokio::test(start_paused = true)]
async fn what_is_wider_than_seats_that_became_fewer_runs_alone() {
    let budget = budget(seats(4).with_wait(9, Duration::MAX));
    let handle_of = budget.handle();
    let mut service = Stack::new().work_budget(budget).wrap(service_fn(handle));
    let first = service.call(ask(10));
    let mut wide = task::spawn(service.call(ask(40)));
    assert_pending!(wide.poll());
    handle_of.update(seats(2).with_wait(9, Duration::MAX));
    assert_eq!(first.await.ok(), Some(10));
    assert!(wide.is_woken());
    assert_pending!(wide.poll());
    let known = handle_of.snapshot().seats;
    assert_eq!((known.capacity, known.in_use), (2, 2), "all there are");
    assert_eq!(reason(service.call(ask(40)).await), Reason::TooExpensive, "it would be too wide if it came now");
    assert!(wide.await.is_ok());
}

// Fuel.

#[tokio::test(start_paused = true)]
async fn a_request_spends_what_it_was_granted_and_no_more() {
    let heard = Heard::default();
    let budget = budget(seats(9)).observe(heard.observer());
    let handle_of = budget.handle();
    let service = Stack::new().work_budget(budget).wrap(service_fn(handle));
    assert!(service.clone().oneshot(spending(10, 40)).await.is_ok(), "four times what was estimated");
    let refused = rejection(service.clone().oneshot(spending(10, 50)).await);
    assert_eq!((refused.reason(), refused.was_dispatched()), (Reason::WorkExhausted, true));
    assert_eq!(heard.all(), [Event::WorkExhausted { layer: "work_budget", granted: 40 }]);
    let known = handle_of.snapshot();
    assert_eq!((known.exhausted, known.granted, known.spent, known.seats.in_use), (1, 80, 80, 0));
}

#[tokio::test(start_paused = true)]
async fn without_fuel_there_is_no_work_and_with_no_end_of_it_there_is_no_bound() {
    let none = Settings::try_new(1).expect("one");
    let seen = service_fn(|_: Ask| async {
        Ok::<_, Failed>(work::current().map(|work| (work.granted(), work.remaining() > 0)))
    });
    let known = |settings| Stack::new().work_budget(budget(settings)).wrap(seen).oneshot(ask(3));
    assert_eq!(known(none).await.expect("answered"), None);
    let endless = none.with_fuel(NonZeroU64::MAX);
    assert_eq!(known(endless).await.expect("answered"), Some((Some(12), true)));
    assert_eq!(
        known(endless.with_headroom(NonZeroU32::MAX)).await.expect("answered"),
        Some((Some(3 * u64::from(u32::MAX)), true))
    );
    assert!(work::current().is_none(), "and nobody else has any");
}

/// What a spawned task kept it went on spending, when its request was long over: by then it was another request's.
#[tokio::test(start_paused = true)]
async fn a_task_that_outlives_its_request_spends_nothing_of_anybody() {
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keeps = kept.clone();
    let service = Stack::new().work_budget(budget(seats(9))).wrap(service_fn(move |ask: Ask| {
        let keeps = keeps.clone();
        async move {
            keeps.lock().expect("unpoisoned").extend([work(), work().child(2)]);
            work().spend(ask.spends)?;
            Ok::<_, Failed>(work().remaining())
        }
    }));
    assert_eq!(service.clone().oneshot(ask(5)).await.ok(), Some(20 - 2 - 5));
    let late: Vec<_> = kept.lock().expect("unpoisoned").drain(..).collect();
    let mut call = task::spawn(Stack::new().work_budget(budget(seats(9))).wrap(service_fn(handle)).oneshot(ask(5)));
    assert_pending!(call.poll());
    for late in &late {
        assert_eq!(late.spend(0).map_err(|exhausted: Exhausted| exhausted.cause()), Err(Cause::Over));
        assert_eq!((late.try_take(1), late.refund(1), late.remaining(), late.child(1).remaining()), (0, 0, 0, 0));
    }
    assert_eq!(service.oneshot(ask(5)).await.ok(), Some(13), "the next one has all of its own");
}

/// However a call ends, its work is closed: cancelled, panicked, answered.
#[tokio::test(start_paused = true)]
async fn the_work_of_a_call_that_was_given_up_is_over() {
    let kept = Arc::new(Mutex::new(None));
    let keeps = kept.clone();
    let budget = budget(seats(9));
    let handle_of = budget.handle();
    let mut service = Stack::new().work_budget(budget).wrap(service_fn(move |_: Ask| {
        *keeps.lock().expect("unpoisoned") = Some(work());
        std::future::pending::<Result<u64, Failed>>()
    }));
    let mut call = task::spawn(service.call(ask(5)));
    assert_pending!(call.poll());
    let late: Work = kept.lock().expect("unpoisoned").take().expect("called");
    assert_eq!(late.spend(5), Ok(()));
    drop(call);
    assert!(late.spend(1).is_err() && late.remaining() == 0);
    let known = handle_of.snapshot();
    assert_eq!(
        (known.spent, known.kinds[0].measured, known.spread),
        (5, 0, None),
        "half-way says nothing of the whole"
    );
}

#[tokio::test(start_paused = true)]
async fn a_budget_further_in_draws_from_the_one_further_out() {
    let inner = budget(seats(9).with_name("inner"));
    let handle_of = inner.handle();
    let narrow = seats(9).with_name("outer").with_headroom(NonZeroU32::MIN);
    let stack = Stack::new().work_budget(budget(narrow)).work_budget(inner);
    let service = stack.wrap(service_fn(|_: Ask| async {
        let work = work();
        let all = work.remaining();
        work.spend(3)?;
        Ok::<_, Failed>(all)
    }));
    assert_eq!(service.clone().oneshot(ask(5)).await.ok(), Some(5), "not the 20 of its own");
    assert_eq!((handle_of.snapshot().granted, handle_of.snapshot().spent), (5, 3));

    // Twice in a row, from one request further out: the second has what the first has left.
    let layer = Stack::new().work_budget(budget(seats(9).with_name("inner")));
    let further_in = layer.wrap(service_fn(|ask: Ask| async move { Ok::<_, Failed>(work().try_take(ask.spends)) }));
    let outer = Stack::new().work_budget(budget(seats(9))).wrap(service_fn(move |_: Ask| {
        let further_in = further_in.clone();
        async move {
            let mut spent = Vec::new();
            for _ in 0..4 {
                spent.push(further_in.clone().oneshot(spending(5, 8)).await);
            }
            Ok::<_, Failed>(spent)
        }
    }));
    let spent = outer.oneshot(ask(5)).await.expect("answered");
    let [Ok(8), Ok(8), Ok(4), Err(Error::Rejected(refused))] = spent[..] else { panic!("{spent:?}") };
    assert_eq!((refused.reason(), refused.was_dispatched()), (Reason::WorkExhausted, false), "nothing is left");
}

/// Three tries did three times the work that one request may do.
#[tokio::test(start_paused = true)]
async fn all_attempts_of_a_retry_spend_the_same_fuel_and_it_stops_when_that_is_used_up() {
    let heard = Heard::default();
    let tries = Arc::new(AtomicU32::new(0));
    let counted = tries.clone();
    let ten = NonZeroU32::new(10).expect("ten");
    let stack = Stack::new()
        .observe(heard.observer())
        .work_budget(budget(seats(9)))
        .retry(RetryLayer::new(retry::Settings::new().with_attempts(ten)).without_budget());
    let service = stack.wrap(service_fn(move |ask: Ask| {
        counted.fetch_add(1, Relaxed);
        async move {
            work().try_take(ask.spends);
            Err::<u64, Failed>(Error::Inner(io::Error::other("down")))
        }
    }));
    let error = service.oneshot(spending(5, 7)).await.expect_err("down");
    assert!(matches!(error, Error::Inner(_)), "the last result");
    assert_eq!(tries.load(Relaxed), 3, "of 20, 7 and 7 and 6");
    let stopped = Event::RetryStopped { layer: "retry", attempts: 3, stop: Stop::WorkExhausted };
    assert!(heard.all().contains(&stopped), "{:?}", heard.all());
}

/// Who asks for too much says nothing about the callee, and asking again is in vain.
#[tokio::test(start_paused = true)]
async fn exhaustion_is_not_tried_again_and_trips_no_breaker() {
    let breaker = CircuitBreaker::new(circuit_breaker::Settings::new());
    let circuit = breaker.handle();
    let tries = Arc::new(AtomicU32::new(0));
    let counted = tries.clone();
    let stack = Stack::new().retry(retry::Settings::new()).circuit_breaker(breaker).work_budget(budget(seats(9)));
    let service = stack.wrap(service_fn(move |ask: Ask| {
        counted.fetch_add(1, Relaxed);
        handle(ask)
    }));
    for _ in 0..30 {
        assert_eq!(reason(service.clone().oneshot(spending(10, 50)).await), Reason::WorkExhausted);
    }
    assert_eq!((tries.load(Relaxed), circuit.snapshot().state), (30, circuit_breaker::State::Closed));
}

#[derive(Clone)]
struct Carrying {
    ask: Ask,
    work: Option<Work>,
}

#[derive(Clone, Copy)]
struct InRequest;

impl CarryWork<Carrying> for InRequest {
    fn get(&self, req: &Carrying) -> Option<Work> {
        req.work.clone()
    }

    fn insert(&self, req: &mut Carrying, work: Work) {
        req.work = Some(work);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_carries_its_work_across_a_spawn_and_draws_from_what_it_brought() {
    let budget = || WorkBudget::new(seats(9)).cost_by(|req: &Carrying| Cost::fuel(req.ask.estimate)).carry(InRequest);
    let further_in = Stack::new().work_budget(budget()).wrap(service_fn(|req: Carrying| async move {
        req.work.expect("carried").spend(req.ask.spends)?;
        Ok::<_, Failed>(())
    }));
    let service = Stack::new().work_budget(budget()).wrap(service_fn(move |req: Carrying| {
        let (further_in, outer) = (further_in.clone(), req.work.clone().expect("carried"));
        async move {
            assert!(outer.remaining() == 20);
            tokio::spawn(further_in.oneshot(req)).await.expect("no panic")?;
            Ok::<_, Failed>(outer.remaining())
        }
    }));
    let answer = service.oneshot(Carrying { ask: spending(5, 8), work: None }).await;
    assert_eq!(answer.ok(), Some(12));
}

#[cfg(feature = "http")]
#[tokio::test(start_paused = true)]
async fn an_http_request_carries_its_work_among_its_extensions() {
    let budget = WorkBudget::new(seats(9)).carry(plimsoll::http::Extensions);
    let service = Stack::new().work_budget(budget).wrap(service_fn(|req: http::Request<()>| async move {
        let work = req.extensions().get::<Work>().expect("carried");
        work.spend(1)?;
        Ok::<_, Failed>(work.remaining())
    }));
    assert_eq!(service.oneshot(http::Request::new(())).await.ok(), Some(999));
}

#[tokio::test(start_paused = true)]
async fn work_knows_by_when_it_has_to_be_done() {
    let budget = budget(seats(9)).deadline_by(|ask: &Ask| (ask.kind == 1).then(|| clock::now().after(SECOND)));
    let total = TimeoutLayer::new(2 * SECOND);
    let service = Stack::new().timeout(total).work_budget(budget).wrap(service_fn(|ask: Ask| async move {
        let (start, work) = (clock::now(), work());
        let left = work.deadline().expect("known").since(start);
        if ask.kind == 1 {
            tokio::time::advance(SECOND).await;
            work.checkpoint(1).await?;
        }
        Ok::<_, Failed>(left)
    }));
    assert_eq!(service.clone().oneshot(ask(1)).await.ok(), Some(2 * SECOND));
    let late = rejection(service.oneshot(Ask { kind: 1, ..ask(1) }).await);
    assert_eq!((late.reason(), late.was_dispatched()), (Reason::DeadlineExceeded, true));
}

// Bounds on polls.

/// A step of so many milliseconds without an await: time goes by within one poll.
async fn compute(millis: u64) {
    let mut advance = Box::pin(tokio::time::advance(Duration::from_millis(millis)));
    poll_fn(|cx| {
        // Its first poll sets the clock forward, and is pending after that.
        let _ = advance.as_mut().poll(cx);
        Poll::Ready(())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_keeps_the_thread_for_too_long_in_all_is_ended() {
    let heard = Heard::default();
    let steps = Arc::new(AtomicU32::new(0));
    let counted = steps.clone();
    let budget = budget(seats(9).with_max_busy(SECOND));
    let handle_of = budget.handle();
    let service = Stack::new().observe(heard.observer()).work_budget(budget).wrap(service_fn(move |ask: Ask| {
        let counted = counted.clone();
        async move {
            loop {
                counted.fetch_add(1, Relaxed);
                compute(ask.spends).await;
                // Time in which it waits does not count.
                tokio::time::sleep(SECOND).await;
            }
            #[allow(unreachable_code, reason = "it has a type")]
            Ok::<u64, Failed>(0)
        }
    }));
    let refused = rejection(service.clone().oneshot(spending(1, 300)).await);
    assert_eq!((refused.reason(), refused.was_dispatched()), (Reason::WorkExhausted, true));
    assert_eq!((steps.load(Relaxed), handle_of.snapshot().seats.in_use), (4, 0), "after 1.2 seconds");
    assert_eq!(heard.all(), [Event::Refused(refused)], "and nothing is said of fuel");

    // What is done at once is an answer, however long it took.
    let slow = WorkBudgetLayer::new(WorkBudget::new(seats(9).with_max_busy(SECOND)));
    let answer = slow.layer(service_fn(|(): ()| async {
        compute(5_000).await;
        Ok::<_, Failed>(7)
    }));
    assert_eq!(answer.oneshot(()).await.ok(), Some(7));
}

#[tokio::test(start_paused = true)]
async fn one_that_only_observes_ends_nobody_who_keeps_the_thread_for_too_long() {
    let heard = Heard::default();
    let budget = budget(seats(9).with_max_busy(SECOND)).observe(heard.observer());
    budget.handle().observe_only();
    let service = Stack::new().work_budget(budget).wrap(service_fn(|ask: Ask| async move {
        for _ in 0..4 {
            compute(ask.spends).await;
            tokio::time::sleep(SECOND).await;
        }
        Ok::<_, Failed>(())
    }));
    assert!(service.oneshot(spending(1, 300)).await.is_ok());
    let would = Rejection::new(Reason::WorkExhausted, "work_budget").dispatched();
    assert_eq!(heard.all(), [Event::WouldRefuse(would)]);
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_is_announced_and_a_short_one_is_not() {
    let heard = Heard::default();
    let budget = budget(seats(9).with_long_poll(Duration::from_millis(10))).observe(heard.observer());
    let service = Stack::new().work_budget(budget).wrap(service_fn(|ask: Ask| async move {
        compute(ask.spends).await;
        Ok::<_, Failed>(())
    }));
    for (millis, long) in [(9, 0), (10, 1), (25, 2)] {
        assert!(service.clone().oneshot(spending(1, millis)).await.is_ok());
        assert_eq!(heard.all().len(), long);
    }
    assert_eq!(heard.all()[1], Event::LongPoll { layer: "work_budget", took: Duration::from_millis(25) });
}

// What is learned.

#[tokio::test(start_paused = true)]
async fn what_requests_of_a_kind_spend_corrects_the_next_estimate_of_that_kind() {
    let budget = budget(seats(9));
    let handle_of = budget.handle();
    let mut service = Stack::new().work_budget(budget).wrap(service_fn(handle));
    let of_kind = |kind, spends| Ask { kind, ..spending(10, spends) };
    for _ in 0..40 {
        assert!(service.call(of_kind(1, 30)).await.is_ok());
    }
    let known = handle_of.snapshot();
    assert!((2.9..=3.0).contains(&known.kinds[1].ratio) && known.kinds[1].measured == 40, "{:?}", known.kinds[1]);
    assert_eq!((known.kinds[0].ratio, known.kinds[0].measured), (1.0, 0));
    let wide = service.call(of_kind(1, 30));
    assert_eq!(handle_of.snapshot().seats.in_use, 3, "as many seats as it turns out to need");
    let narrow = service.call(of_kind(0, 10));
    assert_eq!(handle_of.snapshot().seats.in_use, 4);
    drop((wide, narrow));
    handle_of.update(seats(9).without_correction());
    let _plain = service.call(of_kind(1, 30));
    assert_eq!(handle_of.snapshot().seats.in_use, 1, "as estimated");
}

/// The estimates were too low, requests ended for want of fuel, and those that did were not counted: it never learned.
#[tokio::test(start_paused = true)]
async fn requests_that_ran_out_are_learned_from_too() {
    let budget = budget(seats(9));
    let handle_of = budget.handle();
    let service = Stack::new().work_budget(budget).wrap(service_fn(handle));
    for _ in 0..40 {
        assert_eq!(reason(service.clone().oneshot(spending(10, 50)).await), Reason::WorkExhausted);
    }
    assert!(handle_of.snapshot().kinds[0].ratio > 3.9, "{:?}", handle_of.snapshot().kinds[0]);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_says_how_similar_requests_are() {
    let budget = budget(seats(99));
    let handle_of = budget.handle();
    let service = Stack::new().work_budget(budget).wrap(service_fn(handle));
    assert_eq!(handle_of.snapshot().spread, None);
    for number in 0..100 {
        let spends = if number < 98 { 10 } else { 640 };
        assert!(service.clone().oneshot(ask(spends)).await.is_ok());
    }
    let spread = handle_of.snapshot().spread.expect("measured");
    assert_eq!((spread.median, spread.p99, spread.ratio()), (10, 640, 64.0));
}

// Whole runs.

/// Many that ask for little beside some that ask for everything, in two seconds. Nobody cheap is refused, nor waits longer
/// than it takes the widest that may be to end; by a limit on requests alone, most of them were.
#[tokio::test(start_paused = true)]
async fn cheap_requests_go_on_beside_expensive_ones() {
    /// A handler whose work all goes over one disk: a thousandth of a second for each unit, shared by all who are under way.
    async fn read(disk: Arc<tokio::sync::Mutex<()>>, ask: Ask) -> Result<u64, Failed> {
        for _ in 0..ask.spends.div_ceil(10) {
            let _turn = disk.lock().await;
            if let Some(work) = work::current() {
                work.spend(10)?;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(ask.spends)
    }

    async fn run(
        stack: impl Layer<Handler, Service: Service<Ask, Response = u64, Error = Failed> + Clone>,
    ) -> (usize, usize) {
        let disk = Arc::new(tokio::sync::Mutex::new(()));
        let service = stack.layer(Handler(Arc::new(move |ask| Box::pin(read(disk.clone(), ask)))));
        let asks = (0..100u64).map(|number| (number, if number % 10 == 0 { ask(2_000) } else { ask(10) }));
        let ends = join_all(asks.map(|(number, ask)| {
            let service = service.clone();
            async move {
                tokio::time::sleep(Duration::from_millis(20 * number)).await;
                let end = tokio::time::timeout(SECOND, service.oneshot(ask)).await;
                (ask.estimate == 10, end.is_ok_and(|end| end.is_ok()))
            }
        }))
        .await;
        let answered = |cheap| ends.iter().filter(|end| **end == (cheap, true)).count();
        (answered(true), answered(false))
    }

    let limited = Stack::new().work_budget(Settings::try_new(3).expect("three"));
    let (cheap, _) = run(limited).await;
    assert!(cheap < 60, "{cheap} of 90 beside those that ask for 200 times as much");

    let weighed = seats(3).with_width(Ratio::percent(30));
    assert_eq!(run(Stack::new().work_budget(budget(weighed))).await, (90, 0), "what is too much is told so");

    let demoting = weighed.with_over_cost(OverCost::Demote(Demotion::try_new(1).expect("one")));
    let (cheap, _) = run(Stack::new().work_budget(budget(demoting))).await;
    assert_eq!(cheap, 90, "and one at a time takes no more than its turn");
}

type Answer = std::pin::Pin<Box<dyn Future<Output = Result<u64, Failed>>>>;

/// A handler of whatever closure.
#[derive(Clone)]
struct Handler(Arc<dyn Fn(Ask) -> Answer>);

impl Service<Ask> for Handler {
    type Response = u64;
    type Error = Failed;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> Poll<Result<(), Failed>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, ask: Ask) -> Answer {
        (self.0)(ask)
    }
}

// Changes at run time, and the rest of what every room does.

#[tokio::test(start_paused = true)]
async fn one_that_only_observes_refuses_nothing_and_says_what_it_would_have() {
    let heard = Heard::default();
    let budget = budget(seats(2).with_max_busy(SECOND)).observe(heard.observer());
    let handle_of = budget.handle();
    let mut service = Stack::new().work_budget(budget).wrap(service_fn(handle));
    handle_of.observe_only();
    assert!(handle_of.snapshot().observe_only);
    let would = |reason| Event::WouldRefuse(Rejection::new(reason, "work_budget"));
    assert!(service.call(ask(2_000)).await.is_ok());
    assert_eq!(
        heard.all(),
        [
            would(Reason::TooExpensive),
            Event::WouldRefuse(Rejection::new(Reason::WorkExhausted, "work_budget").dispatched())
        ]
    );
    let calls = [service.call(ask(20)), service.call(ask(20))];
    assert_eq!((handle_of.snapshot().seats.in_use, heard.all().last()), (4, Some(&would(Reason::LimitReached))));
    assert!(join_all(calls).await.iter().all(Result::is_ok));
    assert!(service.call(spending(10, 50)).await.is_ok());
    handle_of.automatic();
    assert_eq!(reason(service.call(ask(2_000)).await), Reason::TooExpensive);
    assert_eq!(reason(service.call(spending(10, 50)).await), Reason::WorkExhausted);
    assert_eq!(handle_of.snapshot().seats.in_use, 0);
}

#[tokio::test(start_paused = true)]
async fn one_that_only_observes_leaves_the_budget_further_out_in_force() {
    let inner = budget(seats(9).with_name("inner"));
    inner.handle().observe_only();
    let service = Stack::new().work_budget(budget(seats(9))).work_budget(inner).wrap(service_fn(handle));
    assert_eq!(reason(service.oneshot(spending(10, 50)).await), Reason::WorkExhausted);

    // Two at once, which spend of the same: nothing is set aside for the one that came first.
    let inner = budget(seats(9).with_name("inner"));
    inner.handle().observe_only();
    let further_in = Stack::new().work_budget(inner).wrap(service_fn(handle));
    let service = Stack::new().work_budget(budget(seats(9))).wrap(service_fn(move |ask: Ask| {
        let calls = [further_in.clone().oneshot(ask), further_in.clone().oneshot(ask)];
        async move {
            let ends = join_all(calls).await;
            Ok::<_, Failed>((ends.iter().all(Result::is_ok), work().remaining()))
        }
    }));
    assert_eq!(service.oneshot(spending(10, 15)).await.ok(), Some((true, 10)));
}

#[tokio::test(start_paused = true)]
async fn an_update_keeps_what_is_in_flight_and_lets_in_who_has_room_now() {
    let heard = Heard::default();
    let budget = budget(seats(1).with_wait(9, Duration::MAX)).observe(heard.observer());
    let handle_of = budget.handle();
    let mut service = Stack::new().work_budget(budget).wrap(service_fn(handle));
    let first = service.call(spending(10, 40));
    let mut second = task::spawn(service.call(ask(10)));
    assert_pending!(second.poll());
    let wider = seats(2).try_with_fuel(5).expect("five").with_name("ignored");
    handle_of.update(wider);
    assert!(second.is_woken());
    assert!(second.await.is_ok());
    assert_eq!(first.await.ok(), Some(40), "with the fuel that it was granted");
    assert_eq!(handle_of.snapshot().settings.name(), "work_budget");
    assert_eq!(heard.all(), [Event::BudgetResized { layer: "work_budget", from: 1, to: 2 }]);
    assert_eq!(reason(service.call(ask(6)).await), Reason::TooExpensive);
}

#[tokio::test(start_paused = true)]
async fn one_is_neutral_while_a_new_one_would_decide_the_same() {
    let budget = budget(seats(9));
    let is_neutral = |budget: &Budget| Gate::<Ask>::is_neutral(budget, &Moment::new());
    let mut service = Stack::new().work_budget(budget.clone()).wrap(service_fn(handle));
    assert!(is_neutral(&budget));
    let call = service.call(ask(10));
    assert!(!is_neutral(&budget), "a call is under way");
    assert!(call.await.is_ok() && is_neutral(&budget), "it was right about that");
    assert!(service.call(spending(10, 20)).await.is_ok());
    assert!(!is_neutral(&budget), "it has learned something");
    let fresh = budget.fresh();
    assert!(is_neutral(&fresh));
    fresh.handle().update(seats(1));
    assert!(!is_neutral(&fresh), "it was changed");
}

/// A budget for each kind of request, whose work is that of its own budget.
#[tokio::test(start_paused = true)]
async fn a_budget_for_each_kind_grants_its_own_work() {
    let budgets = [20, 50].map(|fuel| budget(seats(9).try_with_fuel(fuel).expect("not zero")));
    let per_kind = PerKind::try_new(budgets, |ask: &Ask| ask.kind).expect("two");
    let service =
        Stack::new().per_kind(per_kind).wrap(service_fn(|_: Ask| async { Ok::<_, Failed>(work().remaining()) }));
    for (kind, fuel) in [(0, 20), (1, 50)] {
        assert_eq!(service.clone().oneshot(Ask { kind, ..ask(20) }).await.ok(), Some(fuel));
    }
}

/// A gate for each key asked its gates for admission and told them how a call ended, and nothing in between: how much a
/// request spent was bounded by nobody.
#[tokio::test(start_paused = true)]
async fn each_key_may_have_a_budget_of_its_own_and_so_may_those_who_find_no_place() {
    let each = budget(seats(9).with_max_busy(SECOND));
    let one = keyed::Settings::new().try_with_capacity(1).expect("not zero");
    let keyed = Keyed::new(one, |ask: &Ask| ask.kind, move |_: &usize| each.fresh());
    let handle_of = keyed.handle();
    let stack = Stack::new().keyed(keyed);
    let busy = stack.wrap(service_fn(|_: Ask| async {
        loop {
            compute(600).await;
            tokio::task::yield_now().await;
        }
        #[allow(unreachable_code, reason = "it has a type")]
        Ok::<u64, Failed>(0)
    }));
    let service = stack.wrap(service_fn(handle));
    let _place = service.clone().call(spending(10, 40));
    for kind in [0, 1] {
        let call = |spends| Ask { kind, ..spending(10, spends) };
        assert_eq!(service.clone().oneshot(call(40)).await.ok(), Some(40));
        for spent_or_busy in [service.clone().oneshot(call(50)).await, busy.clone().oneshot(call(0)).await] {
            let refused = rejection(spent_or_busy);
            assert_eq!((refused.reason(), refused.was_dispatched()), (Reason::WorkExhausted, true));
        }
    }
    let in_use = |budget: &Budget| budget.handle().snapshot().seats.in_use;
    assert_eq!((handle_of.get(&0).map(|own| in_use(&own)), handle_of.overflow_gate().map(in_use)), (Some(1), Some(0)));
}

#[test]
fn nonsense_is_refused_by_name() {
    let one = Settings::try_new(1).expect("one");
    let names = [
        Settings::try_new(0),
        one.try_with_fuel(0),
        one.try_with_fuel_per_seat(0),
        one.try_with_max_busy(Duration::ZERO),
        one.try_with_long_poll(Duration::ZERO),
    ]
    .map(|result| result.map(|_| ()).expect_err("nonsense").setting());
    assert_eq!(
        names,
        ["seats", "fuel", "fuel_per_seat", "max_busy", "long_poll"].map(|name| format!("work_budget.{name}"))
    );
    assert_eq!(Demotion::try_new(0).expect_err("nonsense").setting(), "work_budget.demotion");
}

/// What is spent by many tasks of one request is no more than what it was granted, whatever each tries.
#[tokio::test]
async fn many_tasks_of_one_request_spend_no_more_than_was_granted() {
    let spent = Arc::new(AtomicU64::new(0));
    let sum = spent.clone();
    let service = Stack::new().work_budget(budget(seats(9))).wrap(service_fn(move |_: Ask| {
        let sum = sum.clone();
        async move {
            let tasks = (0..8u64).map(|number| {
                let (work, sum) = (work(), sum.clone());
                tokio::spawn(async move {
                    let part = work.child(5 + number);
                    sum.fetch_add(part.try_take(7), Relaxed);
                    if work.spend(3).is_ok() {
                        sum.fetch_add(3, Relaxed);
                    }
                })
            });
            join_all(tasks).await;
            Ok::<_, Failed>(work().remaining())
        }
    }));
    let left = service.oneshot(ask(10)).await.expect("answered");
    assert_eq!(spent.load(Relaxed) + left, 40);
}

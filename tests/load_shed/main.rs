//! The load shedder through the public door, in paused time.
#![cfg(feature = "testing")]

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex,
        atomic::{
            AtomicU32,
            Ordering::{Relaxed, SeqCst},
        },
        mpsc,
    },
    time::Duration,
};

use futures_util::future::join_all;
use plimsoll::{
    Error, Event, Outcome, Reason, Refusal, Rejection, Stack, bulkhead,
    chance::Chance,
    classify::Failure,
    clock,
    gate::PerKind,
    load_shed::{Bottleneck, Fixed, Handle, LoadShed, LoadShedLayer, Rule, Settings, Step, Window},
    surge_queue::{self, SurgeQueue},
    testing::{Mock, Reply},
};
use tokio::time::{advance, sleep};
use tokio_test::{
    assert_pending, assert_ready_err, assert_ready_ok,
    task::{self, Spawn},
};
use tower::{Service, ServiceBuilder, ServiceExt};

const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
/// Longer than a window is left alone at least.
const TICK: Duration = Duration::from_millis(3);

/// What the callee does: it takes so many milliseconds, or…
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ask {
    Takes(u64),
    Hang,
    Fail,
    Panic,
}

use Ask::{Fail, Hang, Panic, Takes};

fn callee() -> Mock<Ask, (), io::Error> {
    let (inner, _) = Mock::new(|_, ask: &Ask| match ask {
        Takes(0) => Reply::ok(()),
        Takes(millis) => Reply::ok(()).after(MILLI * *millis as u32),
        Hang => Reply::hang(),
        Fail => Reply::err(io::Error::other("down")),
        Panic => Reply::panic(),
    });
    inner
}

fn limits(initial: u32, max: u32) -> Settings {
    Settings::new().try_with_limits(initial, max).expect("valid")
}

/// A load shedder of so many places, for ever.
fn fixed(limit: u32) -> LoadShed {
    LoadShed::with_rule(limits(limit, 1000), Fixed::new).chance(Chance::seeded(1))
}

/// What a rule was shown.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Seen {
    calls: u32,
    overloads: u32,
    patience: Option<Duration>,
}

/// A rule that closes every window it is shown, and keeps what was in those in which something was. Beyond its limit goes
/// nobody, unless it is told to be lenient.
#[derive(Clone, Debug, Default)]
struct Script {
    limit: Arc<AtomicU32>,
    lenient: bool,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Script {
    fn of(limit: u32) -> Self {
        Self { limit: Arc::new(limit.into()), ..Self::default() }
    }

    fn shed(&self, settings: Settings) -> LoadShed {
        let script = self.clone();
        LoadShed::with_rule(settings, move |_| script.clone())
    }

    /// All that was seen since this was last asked, added up.
    fn seen(&self) -> Seen {
        let add = |sum: Seen, seen: Seen| Seen {
            calls: sum.calls + seen.calls,
            overloads: sum.overloads + seen.overloads,
            patience: seen.patience,
        };
        std::mem::take(&mut *self.seen.lock().expect("unpoisoned")).into_iter().fold(Seen::default(), add)
    }
}

impl Rule for Script {
    fn limit(&self) -> f64 {
        self.limit.load(Relaxed).into()
    }

    fn look(&mut self, window: &Window<'_>) -> Step {
        let seen = Seen { calls: window.calls(), overloads: window.overloads(), patience: window.patience() };
        self.seen.lock().expect("unpoisoned").push(seen);
        Step::CLOSE
    }

    fn is_strict(&self) -> bool {
        !self.lenient
    }
}

/// Puts a load shedder around the callee; its handle.
macro_rules! behind {
    ($shed:expr) => {{
        let shed = $shed;
        let handle = shed.handle();
        (Stack::new().load_shed(shed).service(callee()), handle)
    }};
}

fn call<S: Service<Ask>>(service: &mut S, ask: Ask) -> Spawn<S::Future> {
    task::spawn(service.call(ask))
}

/// So many calls that hang.
fn held<S>(service: &mut S, calls: usize) -> Vec<Spawn<S::Future>>
where
    S: Service<Ask, Response = (), Error = Error<io::Error>>,
{
    let mut held: Vec<_> = (0..calls).map(|_| call(service, Hang)).collect();
    held.iter_mut().for_each(|call| assert_pending!(call.poll()));
    held
}

#[track_caller]
fn refusal<S>(service: &mut S) -> Rejection
where
    S: Service<Ask, Response = (), Error = Error<io::Error>>,
{
    *assert_ready_err!(call(service, Hang).poll()).rejection().expect("refused")
}

/// Has the rule look at whatever has ended by now: a look ahead of a call's end shows what ended before it.
async fn look<S>(service: &mut S)
where
    S: Service<Ask, Response = (), Error = Error<io::Error>>,
{
    for _ in 0..3 {
        advance(TICK).await;
        // A failure ends a call, and is no sample.
        assert!(service.call(Fail).await.is_err());
    }
}

fn heard() -> (Arc<Mutex<Vec<Event>>>, impl Fn(&Event) + Send + Sync + 'static) {
    let heard = Arc::<Mutex<Vec<Event>>>::default();
    let log = Arc::clone(&heard);
    (heard, move |event: &Event| log.lock().expect("unpoisoned").push(*event))
}

fn taken(heard: &Mutex<Vec<Event>>) -> Vec<Event> {
    std::mem::take(&mut *heard.lock().expect("unpoisoned"))
}

/// Callers that call again and again for so long, so many at once; how often they were answered.
async fn load<S>(service: &S, callers: usize, ask: Ask, lasts: Duration) -> usize
where
    S: Service<Ask, Response = (), Error = Error<io::Error>> + Clone,
{
    let end = clock::now().after(lasts);
    let caller = || async {
        let mut answered = 0;
        while clock::now() < end {
            match service.clone().oneshot(ask).await {
                Ok(()) => answered += 1,
                Err(_) => sleep(10 * MILLI).await,
            }
        }
        answered
    };
    join_all((0..callers).map(|_| caller())).await.into_iter().sum()
}

mod who_finds_no_place {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn is_refused_at_once_and_let_in_when_a_call_ends() {
        let (mut service, handle) = behind!(fixed(2));
        let mut calls = held(&mut service, 2);
        let rejection = refusal(&mut service);
        assert_eq!((rejection.reason(), rejection.layer()), (Reason::LimitReached, "load_shed"));
        assert_eq!((rejection.was_dispatched(), rejection.retry_after()), (false, None));
        drop(calls.pop());
        assert_eq!(handle.snapshot().in_use, 1);
        assert_ready_ok!(call(&mut service, Takes(0)).poll());
    }

    #[tokio::test(start_paused = true)]
    async fn hears_when_to_come_back_once_calls_were_seen() {
        let (mut service, handle) = behind!(fixed(1));
        for _ in 0..3 {
            service.call(Takes(200)).await.expect("answered");
        }
        look(&mut service).await;
        let latency = handle.snapshot().latency.expect("known");
        assert!((190 * MILLI..=210 * MILLI).contains(&latency), "{latency:?}");
        let _held = held(&mut service, 1);
        let mut after: Vec<_> =
            (0..100).map(|_| refusal(&mut service).retry_after().expect("known").as_secs_f64()).collect();
        after.sort_by(f64::total_cmp);
        let share = |after: f64| after / latency.as_secs_f64();
        assert!((0.5..0.6).contains(&share(after[0])), "half at least: {after:?}");
        assert!((1.4..=1.5).contains(&share(after[99])), "half as much again at most: {after:?}");
        after.dedup();
        assert!(after.len() > 90, "they come back together: {after:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn never_hears_to_come_back_at_once() {
        let (mut service, handle) = behind!(fixed(1));
        for _ in 0..3 {
            service.call(Takes(0)).await.expect("answered");
        }
        look(&mut service).await;
        assert!(handle.snapshot().latency.is_some_and(|latency| latency < MILLI));
        let _held = held(&mut service, 1);
        for _ in 0..100 {
            let after = refusal(&mut service).retry_after().expect("known");
            assert!((25 * MILLI..=75 * MILLI).contains(&after), "{after:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn passes_if_exempt_and_is_not_counted() {
        let script = Script::of(1);
        let (mut service, handle) = behind!(script.shed(limits(1, 1)).exempt_by(|ask: &Ask| *ask == Takes(5)));
        let _held = held(&mut service, 1);
        assert_eq!(refusal(&mut service).reason(), Reason::LimitReached);
        let exempt = task::spawn(service.call(Takes(5)));
        assert_eq!((handle.snapshot().in_use, handle.snapshot().parked), (1, 0));
        exempt.into_inner().await.expect("answered");
        assert_eq!(handle.snapshot().in_use, 1);
        advance(SECOND).await;
        let _ = refusal(&mut service);
        advance(SECOND).await;
        let _ = refusal(&mut service);
        assert_eq!(script.seen().calls, 0, "an exempt call says nothing");
    }
}

mod the_limit {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn grows_under_load_and_only_while_it_is_reached() {
        let (service, handle) = behind!(LoadShed::new(Settings::new()));
        load(&service, 3, Takes(10), 5 * SECOND).await;
        assert_eq!(handle.snapshot().limit, 4, "three are below it");
        load(&service, 40, Takes(10), 5 * SECOND).await;
        let grown = handle.snapshot();
        assert!(grown.limit >= 32, "{grown:?}");
        assert!(grown.limit < 200, "forty reach no more: {grown:?}");
        assert_eq!(grown.in_use, 0);
        assert!(grown.baseline.is_some_and(|baseline| (8 * MILLI..=13 * MILLI).contains(&baseline)), "{grown:?}");
        load(&service, 3, Takes(10), 5 * SECOND).await;
        assert!(handle.snapshot().limit >= 32, "it is not forgotten for want of callers");
    }

    #[tokio::test(start_paused = true)]
    async fn is_cut_by_timeouts_further_in() {
        let shed = LoadShed::new(limits(64, 64));
        let handle = shed.handle();
        let service = Stack::new().load_shed(shed).timeout(100 * MILLI).service(callee());
        let answered = load(&service, 100, Hang, 3 * SECOND).await;
        assert_eq!(answered, 0);
        assert!(handle.snapshot().limit < 64, "{:?}", handle.snapshot());
    }

    #[tokio::test(start_paused = true)]
    async fn may_be_set_below_what_is_under_way() {
        let (mut service, handle) = behind!(fixed(4));
        let mut calls = held(&mut service, 4);
        handle.update(limits(1, 2));
        assert_eq!((handle.snapshot().limit, handle.snapshot().in_use), (2, 4));
        drop(calls.split_off(2));
        assert_eq!(refusal(&mut service).reason(), Reason::LimitReached);
        drop(calls.pop());
        assert_pending!(call(&mut service, Hang).poll());
        handle.update(limits(1, 1000));
        assert_eq!(handle.snapshot().limit, 4, "and be set free again");
        drop(calls);
        assert_eq!(handle.snapshot().in_use, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn is_announced_when_it_moves_and_not_otherwise() {
        let (heard, observer) = heard();
        let script = Script::of(5);
        let (mut service, handle) = behind!(script.shed(limits(5, 50).with_name("mine")).observe(observer));
        let moves = |heard: &Mutex<Vec<Event>>| {
            taken(heard).into_iter().filter(|event| matches!(event, Event::LimitChanged { .. })).collect::<Vec<_>>()
        };
        look(&mut service).await;
        assert_eq!(moves(&heard), []);
        script.limit.store(8, SeqCst);
        look(&mut service).await;
        assert_eq!(moves(&heard), [Event::LimitChanged { layer: "mine", from: 5, to: 8 }]);
        handle.update(limits(1, 6).with_name("not this"));
        assert_eq!(moves(&heard), [Event::LimitChanged { layer: "mine", from: 8, to: 6 }]);
        assert_eq!(handle.snapshot().settings.name(), "mine");
    }

    #[tokio::test(start_paused = true)]
    async fn is_shared_by_clones_and_layers_and_not_by_a_fresh_one() {
        let shed = fixed(1);
        let fresh = shed.fresh();
        let stack = Stack::new().load_shed(shed.clone());
        let (mut one, mut other) = (stack.service(callee()), stack.clone().service(callee()));
        let mut clone = one.clone();
        let mut alone = ServiceBuilder::new()
            .layer(LoadShedLayer::<_, _>::new(shed))
            .service(tower::service_fn(|_: Ask| async { Ok::<_, Error<io::Error>>(()) }));
        let _held = held(&mut one, 1);
        for service in [&mut other, &mut clone] {
            assert_eq!(refusal(service).reason(), Reason::LimitReached);
        }
        assert_eq!(refusal(&mut alone).reason(), Reason::LimitReached);
        let (mut service, handle) = behind!(fresh);
        assert_eq!((handle.snapshot().in_use, handle.snapshot().limit), (0, 1));
        assert_pending!(call(&mut service, Hang).poll());
    }

    #[tokio::test(start_paused = true)]
    async fn only_observes_and_refuses_again() {
        let (heard, observer) = heard();
        let (mut service, handle) = behind!(fixed(1).observe(observer));
        handle.observe_only();
        let calls = held(&mut service, 3);
        let would: Vec<_> = taken(&heard);
        assert!(
            matches!(would[..], [Event::WouldRefuse(one), Event::WouldRefuse(_)] if one.reason() == Reason::LimitReached),
            "{would:?}"
        );
        let snapshot = handle.snapshot();
        assert_eq!((snapshot.in_use, snapshot.limit, snapshot.observe_only), (3, 1, true));
        handle.automatic();
        assert_eq!(refusal(&mut service).reason(), Reason::LimitReached);
        drop(calls);
        assert_eq!((handle.snapshot().in_use, handle.snapshot().observe_only), (0, false));
    }

    #[tokio::test(start_paused = true)]
    async fn stays_what_it_is_while_the_clock_stands_still_and_moves_when_it_leaps() {
        let (mut service, handle) = behind!(LoadShed::new(Settings::new()));
        for _ in 0..10_000 {
            assert_ready_ok!(call(&mut service, Takes(0)).poll());
        }
        let frozen = handle.snapshot();
        assert_eq!((frozen.limit, frozen.in_use), (4, 0));
        for _ in 0..5 {
            advance(365 * 24 * 3600 * SECOND).await;
            let calls = held(&mut service, 4);
            assert_eq!(refusal(&mut service).reason(), Reason::LimitReached);
            drop(calls);
            for _ in 0..100 {
                assert_ready_ok!(call(&mut service, Takes(0)).poll());
            }
        }
        assert!(handle.snapshot().limit >= 1);
        assert!(load(&service, 20, Takes(10), 20 * SECOND).await > 2000, "{:?}", handle.snapshot());
    }
}

mod a_sample {
    use super::*;

    /// A service whose mean is known to be 100 ms, and its script.
    async fn known() -> (impl Service<Ask, Response = (), Error = Error<io::Error>>, Script, Handle) {
        let script = Script::of(50);
        let (mut service, handle) = behind!(script.shed(limits(50, 50)));
        for _ in 0..5 {
            service.call(Takes(100)).await.expect("answered");
        }
        look(&mut service).await;
        let seen = script.seen();
        assert!(seen.calls >= 4, "all but what ended before the first window: {seen:?}");
        assert!(handle.snapshot().latency.is_some());
        (service, script, handle)
    }

    #[tokio::test(start_paused = true)]
    async fn is_a_call_given_up_on_after_the_mean_and_not_one_before() {
        let (mut service, script, _) = known().await;
        let early = held(&mut service, 3);
        advance(60 * MILLI).await;
        drop(early);
        look(&mut service).await;
        assert_eq!(script.seen().calls, 0);
        let late = held(&mut service, 3);
        advance(150 * MILLI).await;
        drop(late);
        look(&mut service).await;
        assert_eq!(script.seen().calls, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn is_no_call_given_up_on_while_nothing_is_known() {
        let script = Script::of(5);
        let (mut service, _) = behind!(script.shed(limits(5, 50)));
        look(&mut service).await;
        let calls = held(&mut service, 3);
        advance(100 * SECOND).await;
        drop(calls);
        look(&mut service).await;
        assert_eq!(script.seen(), Seen::default());
    }

    #[tokio::test(start_paused = true)]
    async fn is_no_failure_and_no_panic() {
        let (mut service, script, handle) = known().await;
        for _ in 0..5 {
            assert!(service.call(Fail).await.is_err());
            let mut panics = call(&mut service, Panic);
            assert!(catch_unwind(AssertUnwindSafe(|| panics.poll())).is_err());
        }
        look(&mut service).await;
        assert_eq!((script.seen(), handle.snapshot().in_use), (Seen::default(), 0));
    }

    #[tokio::test(start_paused = true)]
    async fn is_no_overload_further_in_which_is_counted_by_itself() {
        for failure in [Failure::Overload, Failure::Throttled(Some(SECOND)), Failure::Timeout, Failure::Transient] {
            let script = Script::of(5);
            let judge = move |result: Result<&(), &Error<io::Error>>| match result {
                Ok(()) => Outcome::Success,
                Err(_) => Outcome::Failure(failure),
            };
            let shed = script.shed(limits(5, 50));
            let mut service = Stack::new().classify(judge).load_shed(shed).service(callee());
            look(&mut service).await;
            let seen = script.seen();
            let counted = failure != Failure::Transient;
            assert_eq!((seen.calls, seen.overloads > 0), (0, counted), "{failure:?}: {seen:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn is_no_timeout_further_in_which_is_an_overload() {
        let script = Script::of(5);
        let shed = script.shed(limits(5, 50));
        let mut service = Stack::new().load_shed(shed).timeout(SECOND).service(callee());
        look(&mut service).await;
        assert!(service.call(Hang).await.is_err());
        look(&mut service).await;
        assert_eq!(script.seen(), Seen { calls: 0, overloads: 1, patience: None });
    }

    #[tokio::test(start_paused = true)]
    async fn knows_how_long_callers_wait_where_the_bottleneck_is_private() {
        let private = limits(5, 50).with_bottleneck(Bottleneck::Private);
        for (settings, patience) in [(private, Some(3 * SECOND)), (limits(5, 50), None)] {
            let script = Script::of(5);
            let shed = script.shed(settings);
            let handle = shed.handle();
            let mut service = Stack::new().timeout(3 * SECOND).load_shed(shed).service(callee());
            look(&mut service).await;
            assert_eq!(script.seen().patience, patience);
            handle.update(limits(5, 50));
            look(&mut service).await;
            assert_eq!(script.seen().patience, None, "once it is private no more, that is forgotten");
        }
        let script = Script::of(5);
        let shed = script.shed(private).deadline_by(|_: &Ask| Some(clock::now().after(7 * SECOND)));
        let mut service = Stack::new().load_shed(shed).service(callee());
        look(&mut service).await;
        assert_eq!(script.seen().patience, Some(7 * SECOND), "and by requests' deadlines");
    }
}

mod a_stream {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn that_others_overtake_makes_room_and_its_end_is_no_sample() {
        let script = Script::of(4);
        let (mut service, handle) = behind!(script.shed(limits(4, 40)));
        let streams = held(&mut service, 3);
        for _ in 0..4 * 17 {
            assert_ready_ok!(call(&mut service, Takes(0)).poll());
        }
        assert_eq!((handle.snapshot().in_use, handle.snapshot().parked), (0, 3));
        let more = held(&mut service, 4);
        assert_eq!(refusal(&mut service).reason(), Reason::LimitReached);
        drop(more);
        look(&mut service).await;
        script.seen();
        advance(100 * SECOND).await;
        drop(streams);
        look(&mut service).await;
        assert_eq!(script.seen().calls, 0, "longer than the mean, and still none");
        assert_eq!((handle.snapshot().in_use, handle.snapshot().parked), (0, 0));
    }

    /// Where all places are held by streams nobody can overtake them.
    #[tokio::test(start_paused = true)]
    async fn that_keeps_everybody_out_is_found_out_by_one_that_goes_beyond_the_limit() {
        let script = Script { lenient: true, ..Script::of(2) };
        let (mut service, handle) = behind!(script.shed(limits(2, 40)));
        let streams = held(&mut service, 2);
        assert_eq!(refusal(&mut service).reason(), Reason::LimitReached, "nobody knows yet");
        advance(60 * MILLI).await;
        for _ in 0..17 {
            assert_ready_ok!(call(&mut service, Takes(0)).poll());
        }
        assert_eq!((handle.snapshot().in_use, handle.snapshot().parked), (0, 2));
        drop(streams);
        assert_eq!((handle.snapshot().in_use, handle.snapshot().parked), (0, 0));
    }

    /// More calls would only make a queue there.
    #[tokio::test(start_paused = true)]
    async fn is_not_what_a_service_holds_that_stands_still_into_which_ever_fewer_go() {
        for (lenient, max, went) in [(true, 40, vec![50, 150, 350, 750]), (true, 3, vec![50]), (false, 40, vec![])] {
            let script = Script { lenient, ..Script::of(2) };
            let (mut service, handle) = behind!(script.shed(limits(2, max)));
            let mut stuck = held(&mut service, 2);
            let mut beyond = Vec::new();
            for millis in 0..1000 {
                let mut one = call(&mut service, Hang);
                if one.poll().is_pending() {
                    beyond.push(millis);
                    stuck.push(one);
                }
                advance(MILLI).await;
            }
            assert_eq!(beyond, went, "lenient: {lenient}, at most {max}");
            drop(stuck);
            assert_eq!((handle.snapshot().in_use, handle.snapshot().parked), (0, 0));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn is_no_service_that_stands_still() {
        let script = Script { lenient: true, ..Script::of(4) };
        let (mut service, handle) = behind!(script.shed(limits(4, 50)));
        let stuck = held(&mut service, 4);
        let mut scouts = Vec::new();
        for _ in 0..10_000 {
            advance(MILLI).await;
            let mut scout = call(&mut service, Hang);
            if scout.poll().is_pending() {
                scouts.push(scout);
            }
        }
        assert!((1..=8).contains(&scouts.len()), "ever fewer go: {}", scouts.len());
        drop((stuck, scouts));
        assert_eq!((handle.snapshot().in_use, handle.snapshot().parked), (0, 0));
    }

    /// Whoever was refused further in was taken for one that had overtaken: a bulkhead below that refused a flood had all
    /// that it served parked, and nothing was measured any more.
    #[tokio::test(start_paused = true)]
    async fn is_not_what_a_bulkhead_further_in_serves() {
        let script = Script::of(10);
        for fused in [true, false] {
            let shed = script.shed(limits(10, 10));
            let handle = shed.handle();
            let (above, below) = (Stack::new().load_shed(shed), bulkhead::Settings::try_new(3).expect("valid"));
            let mut service = if fused {
                above.bulkhead(below).service(callee()).boxed_clone()
            } else {
                above.layer(tower::layer::util::Identity::new()).bulkhead(below).service(callee()).boxed_clone()
            };
            let served = held(&mut service, 3);
            for _ in 0..5000 {
                assert_eq!(refusal(&mut service).reason(), Reason::BulkheadFull);
            }
            assert_eq!((handle.snapshot().in_use, handle.snapshot().parked), (3, 0), "fused: {fused}");
            drop(served);
        }
    }
}

mod a_rule_of_ones_own {
    use super::*;

    /// Answers with this, or panics at every word.
    #[derive(Debug)]
    struct Says(Option<f64>);

    impl Rule for Says {
        fn limit(&self) -> f64 {
            self.0.expect("a rule that panics")
        }

        fn look(&mut self, _: &Window<'_>) -> Step {
            self.0.map(|_| Step::CLOSE).expect("a rule that panics")
        }

        fn baseline(&self) -> Option<f64> {
            Some(self.0.expect("a rule that panics"))
        }

        fn is_probing(&self) -> bool {
            self.0.map(|_| true).expect("a rule that panics")
        }

        fn update(&mut self, _: &Settings) {
            self.0.expect("a rule that panics");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn may_say_anything_and_one_is_served_at_least() {
        let says = [
            (Some(0.0), 1),
            (Some(-1.0), 1),
            (Some(f64::NEG_INFINITY), 1),
            (Some(f64::INFINITY), 9),
            (Some(1e300), 9),
            (Some(f64::MIN_POSITIVE), 1),
            (Some(f64::NAN), 3),
            (None, 3),
        ];
        for (says, limit) in says {
            let (mut service, handle) = behind!(LoadShed::with_rule(limits(3, 9), move |_| Says(says)));
            for _ in 0..10 {
                look(&mut service).await;
                service.call(Takes(20)).await.expect("answered");
            }
            let calls = held(&mut service, limit);
            assert_eq!(refusal(&mut service).reason(), Reason::LimitReached, "{says:?}");
            let snapshot = handle.snapshot();
            assert_eq!((snapshot.limit, snapshot.in_use), (limit as u32, limit as u32), "{says:?}");
            assert!(format!("{handle:?}").contains("limit"));
            drop(calls);
            handle.update(limits(1, 2));
            assert_eq!(handle.snapshot().limit, 2.min(limit as u32));
            assert_eq!(handle.snapshot().in_use, 0);
        }
    }

    /// A permit is given back while a call unwinds, which is when the rule may be asked: a second panic would abort.
    #[tokio::test(start_paused = true)]
    async fn may_panic_while_a_call_does() {
        let (mut service, handle) = behind!(LoadShed::with_rule(limits(3, 9), |_| Says(None)));
        for _ in 0..5 {
            advance(2 * SECOND).await;
            let mut panics = call(&mut service, Panic);
            assert!(catch_unwind(AssertUnwindSafe(|| panics.poll())).is_err());
        }
        assert_eq!(handle.snapshot().in_use, 0);
        assert_ready_ok!(call(&mut service, Takes(0)).poll());
    }

    #[derive(Debug)]
    struct Never;

    impl Rule for Never {
        fn limit(&self) -> f64 {
            2.0
        }

        fn look(&mut self, _: &Window<'_>) -> Step {
            Step::Close(Duration::MAX)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn may_wish_never_to_look_again() {
        let (mut service, handle) = behind!(LoadShed::with_rule(limits(1, 9), |_| Never));
        for _ in 0..5 {
            look(&mut service).await;
        }
        assert_eq!((handle.snapshot().limit, handle.snapshot().in_use), (2, 0));
    }
}

mod a_queue_in_front {
    use super::*;

    fn patient() -> surge_queue::Settings {
        surge_queue::Settings::new().try_with_burst(Duration::MAX).expect("valid")
    }

    /// Nobody is told under the lock of the queue: whoever looks at the queue when the limit moves once waited for ever.
    #[tokio::test(start_paused = true)]
    async fn may_be_looked_at_by_who_hears_that_the_limit_moved() {
        let script = Script::of(1);
        let (asks, asked) = mpsc::channel::<mpsc::Sender<()>>();
        // A panic in an observer is caught, so it is counted who came through.
        let through = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&through);
        let shed = script.shed(limits(1, 50)).observe(move |event: &Event| {
            if matches!(event, Event::LimitChanged { .. }) {
                let (answer, answered) = mpsc::channel();
                asks.send(answer).expect("the looker is there");
                answered.recv_timeout(Duration::from_secs(10)).expect("the queue is locked");
                counter.fetch_add(1, SeqCst);
            }
        });
        let queue = SurgeQueue::new(patient()).in_front_of(shed);
        let handle = queue.handle();
        // Another thread, so that a lock that is held is found, and not waited for.
        std::thread::spawn(move || {
            while let Ok(answer) = asked.recv() {
                let _ = handle.snapshot();
                let _ = answer.send(());
            }
        });
        let mut service = Stack::new().surge_queue(queue).service(callee());
        let _held = held(&mut service, 2);
        script.limit.store(3, SeqCst);
        advance(SECOND).await;
        let _more = held(&mut service, 1);
        assert_eq!(through.load(SeqCst), 1, "it was looked at, on arrival");
    }

    /// Nothing ends, and so nobody would look.
    #[tokio::test(start_paused = true)]
    async fn goes_on_when_the_limit_grows_while_nothing_ends() {
        let script = Script::of(1);
        let queue = SurgeQueue::new(patient()).in_front_of(script.shed(limits(1, 50)));
        let handle = queue.handle();
        let mut service = Stack::new().surge_queue(queue).service(callee());
        let mut calls = held(&mut service, 4);
        assert_eq!(handle.snapshot().waiting, [0, 3, 0, 0]);
        script.limit.store(4, SeqCst);
        advance(SECOND).await;
        let last = held(&mut service, 1);
        assert_eq!(handle.snapshot().waiting, [0, 1, 0, 0], "who came last waits");
        assert!(calls[1..].iter().all(Spawn::is_woken));
        calls.iter_mut().for_each(|call| assert_pending!(call.poll()));
        assert_eq!(handle.limit().handle().snapshot().in_use, 4);
        drop((calls, last));
        let end = handle.limit().handle().snapshot();
        assert_eq!((end.in_use, end.parked, handle.snapshot().waiting), (0, 0, [0; 4]));
    }

    #[tokio::test(start_paused = true)]
    async fn goes_on_when_a_call_that_ends_shows_that_there_is_more_room() {
        let script = Script::of(1);
        let queue = SurgeQueue::new(patient()).in_front_of(script.shed(limits(1, 50)));
        let mut service = Stack::new().surge_queue(queue).service(callee());
        look(&mut service).await;
        let mut calls = held(&mut service, 5);
        script.limit.store(3, SeqCst);
        advance(SECOND).await;
        drop(calls.remove(0));
        assert_eq!(calls.iter().filter(|call| call.is_woken()).count(), 3);
    }

    /// A queue by itself: its exempt requests neither wait nor count.
    #[tokio::test(start_paused = true)]
    async fn lets_the_exempt_pass() {
        let queue = SurgeQueue::new(patient()).exempt_by(|ask: &Ask| *ask == Takes(0)).in_front_of(fixed(1));
        let handle = queue.handle();
        let mut service = Stack::new().surge_queue(queue).service(callee());
        let _held = held(&mut service, 2);
        assert_eq!(handle.snapshot().waiting, [0, 1, 0, 0]);
        assert_ready_ok!(call(&mut service, Takes(0)).poll());
        assert_eq!(handle.limit().handle().snapshot().in_use, 1);
        handle.close();
        assert_ready_ok!(call(&mut service, Takes(0)).poll());
    }

    #[tokio::test(start_paused = true)]
    async fn holds_ten_thousand_in_four_megabytes() {
        let wide = patient().try_with_max_waiting(20_000).expect("valid");
        let queue = SurgeQueue::new(wide).in_front_of(fixed(1));
        let handle = queue.handle();
        let mut service = Stack::new().surge_queue(queue).service(callee());
        let _held = held(&mut service, 1);
        let mut calls = Vec::with_capacity(10_000);
        let measured = allocation_counter::measure(|| {
            for _ in 0..10_000 {
                let mut call = Box::pin(service.call(Hang));
                let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
                assert!(call.as_mut().poll(&mut cx).is_pending());
                calls.push(call);
            }
        });
        assert_eq!(handle.snapshot().waiting, [0, 10_000, 0, 0]);
        let beside = measured.bytes_current - (calls.len() * size_of_val(&*calls[0])) as i64;
        assert!(beside <= 4 << 20, "{beside} bytes beside the futures");
        calls.clear();
        assert_eq!(handle.snapshot().waiting, [0; 4]);
    }
}

mod one_for_each_kind {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn keeps_one_kinds_trouble_from_the_others_and_is_heard_by_the_stack() {
        let (heard, observer) = heard();
        let names = ["hanging", "others"];
        let sheds = names.map(|name| LoadShed::with_rule(limits(2, 9).with_name(name), Fixed::new));
        let handles = sheds.each_ref().map(LoadShed::handle);
        let kinds = PerKind::try_new(sheds, |ask: &Ask| if *ask == Hang { 0 } else { 7 }).expect("two");
        let mut service = Stack::new().per_kind(kinds).observe(observer).service(callee());
        let calls = held(&mut service, 2);
        assert_eq!(refusal(&mut service).layer(), "hanging");
        assert_ready_ok!(call(&mut service, Takes(0)).poll());
        assert_eq!(handles.each_ref().map(|handle| handle.snapshot().in_use), [2, 0]);
        handles[1].update(limits(1, 1));
        assert!(matches!(
            taken(&heard)[..],
            [Event::Refused(_), Event::LimitChanged { layer: "others", from: 2, to: 1 }]
        ));
        drop(calls);
        assert_eq!(handles[0].snapshot().in_use, 0);
    }
}

//! The load shedder through the public door, in paused time.
#![cfg(feature = "testing")]

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use Ask::{Fail, Hang, Panic, Takes};
use futures_util::future::join_all;
use plimsoll::{
    Error, Event, Refusal, Rejection,
    chance::Chance,
    clock,
    load_shed::{Fixed, LoadShed, Rule, Settings, Step, Window},
    testing::{Mock, Reply},
};
use tokio::time::{advance, sleep};
use tokio_test::{
    assert_pending, assert_ready_err,
    task::{self, Spawn},
};
use tower::{Service, ServiceExt};

/// Puts a load shedder around the callee; its handle.
macro_rules! behind {
    ($shed:expr) => {{
        let shed = $shed;
        let handle = shed.handle();
        (Stack::new().load_shed(shed).service(callee()), handle)
    }};
}

mod limit;
mod per_kind;
mod queue;
mod refusal;
mod rule;
mod sample;
mod stream;

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

    /// All that was seen since this was last asked, added up; whoever asks has had it look.
    fn seen(&self) -> Seen {
        let add = |sum: Seen, seen: Seen| Seen {
            calls: sum.calls + seen.calls,
            overloads: sum.overloads + seen.overloads,
            patience: seen.patience,
        };
        let seen = std::mem::take(&mut *self.seen.lock().expect("unpoisoned"));
        assert!(!seen.is_empty(), "it has not looked");
        seen.into_iter().fold(Seen::default(), add)
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

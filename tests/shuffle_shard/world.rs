//! A fleet of scripted members.

use std::{
    collections::{BTreeMap, HashMap},
    future::Future,
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use plimsoll::{
    Error, Event, Rejection,
    chance::Chance,
    shuffle_shard::{Health, MemberSnapshot, Node, Nodes, Settings, ShuffleShard, Snapshot},
    testing::{self, Mock, Readiness, Reply},
};
use tower::{Service, ServiceExt};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Boom;

/// A request of a tenant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Req {
    pub(crate) tenant: u64,
    /// Kills whoever handles it.
    pub(crate) poison: bool,
}

pub(crate) fn of(tenant: u64) -> Req {
    Req { tenant, poison: false }
}

/// Who answered.
pub(crate) type Answer = Result<String, Error<Boom>>;
pub(crate) type Member = Mock<Req, String, Error<Boom>>;

/// What a member does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mode {
    Answer,
    /// As long as nobody wakes it, it takes its time.
    Slow,
    Takes(Duration),
    Fail,
    Hang,
    Panic,
    PanicInCall,
    Refuse(Rejection),
    Unready,
    ReadyFails,
    ReadyPanics,
}

type Modes = Arc<Mutex<HashMap<String, Mode>>>;

/// The members' scripts, which can be changed as they serve, and what they have seen.
#[derive(Clone, Default)]
pub(crate) struct World {
    modes: Modes,
    seen: Arc<Mutex<BTreeMap<String, testing::Handle>>>,
    made: Arc<Mutex<Vec<String>>>,
}

/// `node-0` and so on.
pub(crate) fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("node-{n}")).collect()
}

pub(crate) fn nodes(names: impl IntoIterator<Item = impl Into<String>>) -> Nodes {
    Nodes::try_new(names.into_iter().map(|name| Node::new(name.into()))).expect("different names")
}

impl World {
    pub(crate) fn set(&self, name: &str, mode: Mode) {
        self.modes.lock().expect("unpoisoned").insert(name.to_owned(), mode);
    }

    pub(crate) fn set_all(&self, mode: Mode) {
        let names: Vec<_> = self.seen.lock().expect("unpoisoned").keys().cloned().collect();
        names.iter().for_each(|name| self.set(name, mode));
    }

    /// How many calls a member has had.
    pub(crate) fn calls(&self, name: &str) -> usize {
        self.member(name).calls()
    }

    pub(crate) fn member(&self, name: &str) -> testing::Handle {
        self.seen.lock().expect("unpoisoned").get(name).expect("a member").clone()
    }

    /// How many calls are under way, in all members together.
    pub(crate) fn in_flight(&self) -> usize {
        self.seen.lock().expect("unpoisoned").values().map(testing::Handle::in_flight).sum()
    }

    /// For which nodes a service was made, in that order.
    pub(crate) fn made(&self) -> Vec<String> {
        self.made.lock().expect("unpoisoned").clone()
    }

    /// Makes the service of a node.
    pub(crate) fn factory(&self) -> impl Fn(&Node) -> Member + Clone + Send + Sync + 'static {
        let world = self.clone();
        move |node: &Node| {
            let name = node.name().to_owned();
            let mode = {
                let (modes, name) = (Arc::clone(&world.modes), name.clone());
                move || modes.lock().expect("unpoisoned").get(&name).copied().unwrap_or(Mode::Answer)
            };
            let (ready, modes, answer) = (mode.clone(), Arc::clone(&world.modes), name.clone());
            let (mock, handle) = Mock::new(move |_, req: &Req| {
                if req.poison {
                    modes.lock().expect("unpoisoned").insert(answer.clone(), Mode::Fail);
                }
                match mode() {
                    Mode::Fail => Reply::err(Error::Inner(Boom)),
                    Mode::Hang => Reply::hang(),
                    Mode::Panic => Reply::panic(),
                    Mode::PanicInCall => Reply::panic_in_call(),
                    Mode::Refuse(rejection) => Reply::err(rejection.into()),
                    Mode::Slow => Reply::ok(answer.clone()).after_wakes(1),
                    Mode::Takes(time) => Reply::ok(answer.clone()).after(time),
                    _ => Reply::ok(answer.clone()),
                }
            });
            let mock = mock.with_readiness(move |_| match ready() {
                Mode::Unready => Readiness::Wake,
                Mode::ReadyFails => Readiness::Fail(Error::Inner(Boom)),
                Mode::ReadyPanics => Readiness::Panic,
                _ => Readiness::Ready,
            });
            world.made.lock().expect("unpoisoned").push(name.clone());
            world.seen.lock().expect("unpoisoned").insert(name, handle);
            mock
        }
    }

    /// A router to so many nodes.
    #[allow(clippy::type_complexity, reason = "said once, and nobody has to write it")]
    pub(crate) fn router(
        &self,
        count: usize,
        settings: Settings,
    ) -> ShuffleShard<Member, impl Fn(&Node) -> Member + Clone + Send + Sync + 'static, fn(&Req) -> u64> {
        ShuffleShard::new(nodes(names(count)), self.factory())
            .settings(settings)
            .chance(Chance::seeded(7))
            .tenant_by((|req| req.tenant) as fn(&Req) -> u64)
    }
}

/// One call to its end.
pub(crate) async fn call<S>(router: &S, req: Req) -> Answer
where
    S: Service<Req, Response = String, Error = Error<Boom>> + Clone,
{
    router.clone().oneshot(req).await
}

/// One poll, by nobody in particular.
pub(crate) fn poll<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Poll<T> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

pub(crate) fn rejection(answer: Answer) -> Rejection {
    match answer {
        Err(Error::Rejected(rejection)) => rejection,
        other => panic!("not refused: {other:?}"),
    }
}

pub(crate) fn state(snapshot: &Snapshot, name: &str) -> MemberSnapshot {
    snapshot.members.iter().find(|member| member.node.name() == name).expect("a member").clone()
}

pub(crate) fn is_out(snapshot: &Snapshot, name: &str) -> bool {
    matches!(state(snapshot, name).health, Health::Ejected(_) | Health::Held)
}

/// Everything that was announced.
#[derive(Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<Vec<Event>>>);

impl Heard {
    pub(crate) fn observer(&self) -> impl Fn(&Event) + Send + Sync + 'static {
        let events = Arc::clone(&self.0);
        move |event: &Event| events.lock().expect("unpoisoned").push(*event)
    }

    /// What was heard since this was last asked, refusals left out.
    pub(crate) fn take(&self) -> Vec<Event> {
        let mut events = std::mem::take(&mut *self.0.lock().expect("unpoisoned"));
        events.retain(|event| !matches!(event, Event::Refused(_)));
        events
    }
}

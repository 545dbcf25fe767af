//! The scripted world below a stack, and the gauges of what is held in it.

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, HashSet, VecDeque},
    error, fmt,
    rc::Rc,
    sync::{Arc, Mutex},
    time::Duration,
};

use plimsoll::{
    Gate, Ratio,
    bulkhead::{self, Bulkhead, Settings},
    chance::Chance,
    clock::Moment,
    gate::Admission,
    keyed::{self, Keyed},
    limit::{FixedLimit, Limit},
    load_shed::{self, LoadShed},
    rate_limit::{self, Quota, RateLimit},
    request::Priority,
    retry::{self, RetryLayer},
    shuffle_shard::{
        self, Node, Nodes, ShuffleShard,
        sharded_bulkhead::{self, ShardedBulkhead},
    },
    surge_queue::{self, SurgeQueue},
    testing::{Handle, Mock, Readiness},
    work_budget::{self, Cost, OverCost, WorkBudget},
};

use super::{
    finding::{Finding, Kind},
    ledger::{Ledger, Place, Watched},
    lock,
    scripts::{Body, Ready},
};

/// How long the subjects' bulkheads let a request wait: shorter than [`LIMIT`].
pub(crate) const WAIT: Duration = Duration::from_secs(2);
/// How long the subjects' timeouts let a call take.
pub(crate) const LIMIT: Duration = Duration::from_secs(5);

/// Tries again, and draws the same delays each time.
pub(crate) fn quick() -> RetryLayer {
    RetryLayer::new(retry::Settings::new()).chance(Chance::seeded(7))
}

/// A queue that asks for class and tenant: a request's compartment, and its weight.
pub(crate) type Queue<L> = SurgeQueue<L, fn(&Ask) -> Priority, fn(&Ask) -> u64>;

/// A bulkhead for each compartment.
pub(crate) type OfBulkheads = Keyed<usize, Bulkhead, fn(&Ask) -> usize, Box<dyn Fn(&usize) -> Bulkhead + Send + Sync>>;
/// A work budget that asks for a request's weight.
pub(crate) type Budget = WorkBudget<fn(&Ask) -> Cost>;

/// A request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    pub(crate) id: usize,
    pub(crate) weight: u32,
    pub(crate) compartment: usize,
}

impl Ask {
    /// The least that can be asked for.
    pub(crate) const fn light(id: usize) -> Self {
        Self { id, weight: 1, compartment: 0 }
    }
}

/// The inner service's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Boom;

impl fmt::Display for Boom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("boom")
    }
}

impl error::Error for Boom {}

/// What a subject's room holds just now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) in_use: usize,
    pub(crate) waiting: usize,
    pub(crate) limit: usize,
    /// A request of weight 1 waits, and there is room for it.
    pub(crate) idle: bool,
}

type Gauge = Box<dyn Fn() -> Load>;
/// Shared with what is made only once there is an inner service.
type Gauges = Rc<RefCell<Vec<Gauge>>>;
type Resizer = Box<dyn Fn(u32)>;
type Count = Box<dyn Fn() -> usize>;

/// The world below one stack. Stacks are built from it, so that it can look into them.
pub(crate) struct Kit {
    pub(crate) inner: Handle,
    mock: Mock<Ask, u32, Boom>,
    plan: Arc<Mutex<Plan>>,
    gauges: Gauges,
    handles: RefCell<Vec<bulkhead::Handle>>,
    resizers: RefCell<Vec<Resizer>>,
    keys: RefCell<Vec<Count>>,
    pub(crate) ledger: Ledger,
    /// Instances of the inner service that were asked whether they are ready, and then left.
    pub(crate) left_behind: Rc<Cell<usize>>,
}

/// What the inner service will do, and whom it has seen.
struct Plan {
    readiness: VecDeque<Ready>,
    bodies: HashMap<usize, Body>,
    /// Whose step this is: only theirs is scripted.
    scripted: bool,
    reached: HashSet<usize>,
}

impl Kit {
    pub(crate) fn new() -> Self {
        let plan =
            Plan { readiness: VecDeque::new(), bodies: HashMap::new(), scripted: false, reached: HashSet::new() };
        let plan = Arc::new(Mutex::new(plan));
        let (bodies, readiness) = (Arc::clone(&plan), Arc::clone(&plan));
        let (mock, inner) = Mock::new(move |_, ask: &Ask| {
            let mut plan = lock(&bodies);
            plan.reached.insert(ask.id);
            plan.bodies.get(&ask.id).copied().unwrap_or(Body::ANSWER_WHEN_WOKEN).reply()
        });
        let mock = mock.with_readiness(move |_| {
            let mut plan = lock(&readiness);
            let scripted = if plan.scripted { plan.readiness.pop_front() } else { None };
            scripted.unwrap_or(Readiness::Ready)
        });
        let (gauges, handles, resizers) = (Gauges::default(), RefCell::default(), RefCell::default());
        let keys = RefCell::default();
        let (ledger, left_behind) = (Ledger::default(), Rc::default());
        Self { inner, mock, plan, gauges, handles, resizers, keys, ledger, left_behind }
    }

    /// The service at the bottom.
    pub(crate) fn mock(&self) -> Mock<Ask, u32, Boom> {
        self.mock.clone()
    }

    /// A bulkhead that can be looked into. It lets `limit` through.
    pub(crate) fn bulkhead(&self, limit: u32) -> Bulkhead {
        self.set(settings(limit))
    }

    /// As [`bulkhead`](Self::bulkhead), where up to eight may wait.
    pub(crate) fn waiting(&self, limit: u32, wait: Duration) -> Bulkhead {
        self.set(settings(limit).with_wait(8, wait))
    }

    /// Any bulkhead, so that it can be looked into.
    pub(crate) fn set(&self, settings: Settings) -> Bulkhead {
        let bulkhead = Bulkhead::new(settings);
        let handle = bulkhead.handle();
        self.handles.borrow_mut().push(handle.clone());
        self.gauge(move || load(&handle.snapshot()));
        bulkhead
    }

    /// A sharded bulkhead of which a tenant, who is a request's compartment, has two cells of five, of so many permits each.
    pub(crate) fn sharded(&self, permits: u32) -> ShardedBulkhead<fn(&Ask) -> u64> {
        let settings = sharded_bulkhead::Settings::try_new(permits).and_then(|settings| settings.try_with_cells(5, 2));
        let sharded = ShardedBulkhead::new(
            settings.expect("valid").with_seed(1),
            (|ask| ask.compartment as u64) as fn(&Ask) -> u64,
        );
        let handle = sharded.handle();
        self.gauge(move || {
            let snapshot = handle.snapshot();
            let limit = snapshot.settings.most_of_a_tenant() as usize;
            Load { in_use: snapshot.in_use() as usize, waiting: 0, limit, idle: false }
        });
        sharded
    }

    /// A rate limit that can be looked into, of which there is enough for everybody.
    pub(crate) fn rate(&self, settings: rate_limit::Settings) -> RateLimit {
        let limit = RateLimit::new(settings);
        let handle = limit.handle();
        self.gauge(move || Load { waiting: handle.snapshot().waiting, ..Load::default() });
        limit
    }

    /// A work budget that can be looked into: of so many seats, all of which one request may take.
    pub(crate) fn budget(&self, set: work_budget::Settings) -> Budget {
        let budget = WorkBudget::new(set);
        let (handle, resized) = (budget.handle(), budget.handle());
        self.gauge(move || budget_load(&handle.snapshot()));
        self.resizers.borrow_mut().push(Box::new(move |to| {
            let settings = seats(to).with_wait(set.max_waiting(), set.max_wait()).with_over_cost(set.over_cost());
            resized.update(set.fuel().map_or(settings, |fuel| settings.with_fuel(fuel)));
        }));
        budget.cost_by((|ask| Cost::seats(ask.weight)) as fn(&Ask) -> Cost)
    }

    /// A queue in front of `limit` places, that can be looked into.
    pub(crate) fn queue(&self, limit: u32, settings: surge_queue::Settings) -> Queue<FixedLimit> {
        let fixed = FixedLimit::try_new(limit).expect("not zero");
        self.queue_over(fixed, settings, FixedLimit::in_use, |limit, to| limit.resize(to.try_into().expect("not zero")))
    }

    /// A load shedder whose limit stays where it is, and that can be looked into.
    pub(crate) fn shed(&self, limit: u32) -> LoadShed {
        let shed = steady(limit);
        let (handle, resized) = (shed.handle(), shed.handle());
        self.gauge(move || shed_load(&handle.snapshot()));
        self.resizers.borrow_mut().push(Box::new(move |to| resized.update(at_most(to))));
        shed
    }

    /// A queue in front of such a one.
    pub(crate) fn queue_over_shed(&self, limit: u32, settings: surge_queue::Settings) -> Queue<LoadShed> {
        let in_use = |shed: &LoadShed| shed_load(&shed.handle().snapshot()).in_use as u32;
        self.queue_over(steady(limit), settings, in_use, |shed, to| shed.handle().update(at_most(to)))
    }

    /// A gate for each compartment: that of an even number meets the first bulkhead, of an odd one the second. Which of them
    /// are held can be looked into.
    pub(crate) fn keyed(&self, settings: keyed::Settings, bulkheads: [Bulkhead; 2]) -> OfBulkheads {
        let make = Box::new(move |compartment: &usize| bulkheads[compartment % 2].clone());
        let keyed = Keyed::new(settings, (|ask| ask.compartment) as fn(&Ask) -> usize, make as Box<_>);
        let handle = keyed.handle();
        // What nobody holds can be forgotten; a bulkhead that is handed in again is none the worse for it.
        let is_held = move |key: &usize| handle.get(key).is_some() && !handle.forget(key);
        self.keys.borrow_mut().push(Box::new(move || (0..8).filter(&is_held).count()));
        keyed
    }

    fn queue_over<L: Limit + 'static>(
        &self,
        limit: L,
        settings: surge_queue::Settings,
        in_use: fn(&L) -> u32,
        resize: fn(&L, u32),
    ) -> Queue<L> {
        let queue = SurgeQueue::new(settings)
            .priority_by((|ask| Priority::from_level(ask.compartment as u32)) as fn(&Ask) -> Priority)
            .tenant_by((|ask| ask.weight.into()) as fn(&Ask) -> u64)
            .in_front_of(limit);
        let (handle, resized) = (queue.handle(), queue.handle());
        self.gauge(move || queue_load(&handle.snapshot(), in_use(handle.limit())));
        self.resizers.borrow_mut().push(Box::new(move |to| {
            resize(resized.limit(), to);
            // Whoever has room now need not wait for the next end.
            resized.update(settings);
        }));
        queue
    }

    /// Makes fleets of any inner service, that can be looked into.
    pub(crate) fn muster(&self, nodes: usize) -> Muster {
        Muster { nodes, gauges: Rc::clone(&self.gauges) }
    }

    /// Resizes every queue and load shedder.
    pub(crate) fn resize(&self, to: u32) {
        self.resizers.borrow().iter().for_each(|resize| resize(to));
    }

    pub(crate) fn handles(&self) -> Vec<bulkhead::Handle> {
        self.handles.borrow().clone()
    }

    /// A gate whose every permit and wait is entered in the book, at the top of the stack and right on the inner
    /// service.
    pub(crate) fn on_inner<G>(&self, gate: G) -> Watched<G> {
        self.ledger.watch(gate, Place::OnInner)
    }

    /// As [`on_inner`](Self::on_inner), at the top with other layers below.
    pub(crate) fn outermost<G>(&self, gate: G) -> Watched<G> {
        self.ledger.watch(gate, Place::Outermost)
    }

    /// As [`on_inner`](Self::on_inner), anywhere.
    pub(crate) fn inside<G>(&self, gate: G) -> Watched<G> {
        self.ledger.watch(gate, Place::Inside)
    }

    pub(crate) fn gauge(&self, gauge: impl Fn() -> Load + 'static) {
        self.gauges.borrow_mut().push(Box::new(gauge));
    }

    pub(crate) fn loads(&self) -> Vec<Load> {
        self.gauges.borrow().iter().map(|gauge| gauge()).collect()
    }

    /// What the inner service says when it is asked for readiness in a scripted step.
    pub(crate) fn plan_readiness(&self, readiness: &[Ready]) {
        lock(&self.plan).readiness = readiness.iter().copied().collect();
    }

    /// What the inner service does with the request of this number. Without a plan it answers once woken.
    pub(crate) fn plan_body(&self, id: usize, body: Body) {
        lock(&self.plan).bodies.insert(id, body);
    }

    /// Runs a step in which readiness goes by the script.
    pub(crate) fn scripted<T>(&self, step: impl FnOnce() -> T) -> T {
        lock(&self.plan).scripted = true;
        let result = step();
        lock(&self.plan).scripted = false;
        result
    }

    /// Whether the inner service has seen the request of this number.
    pub(crate) fn reached(&self, id: usize) -> bool {
        lock(&self.plan).reached.contains(&id)
    }

    /// What is still held, though nobody is there.
    pub(crate) fn remains(&self, held: Kind, at: &str) -> Vec<Finding> {
        let mut findings = Vec::new();
        for load in self.loads() {
            let mut found = |kind| findings.push(Finding { kind, at: format!("{at}: {load:?}") });
            if load.in_use > 0 {
                found(held);
            }
            if load.waiting > 0 {
                found(Kind::StillWaiting);
            }
        }
        for keys in self.keys.borrow().iter().map(|keys| keys()).filter(|keys| *keys > 0) {
            findings.push(Finding { kind: held, at: format!("{at}: {keys} keys") });
        }
        // A future that panicked keeps what is in it until it is dropped; it does not keep its permit.
        if self.inner.in_flight() > 0 && held == Kind::Leak {
            findings.push(Finding { kind: Kind::StillInside, at: format!("{at}: {} inside", self.inner.in_flight()) });
        }
        findings
    }
}

/// Two a second, one at once, where eight may wait without end.
pub(crate) fn slow() -> rate_limit::Settings {
    let quota = Quota::try_per_second(2).and_then(|quota| quota.try_with_burst(1)).expect("not zero");
    rate_limit::Settings::new(quota).with_wait(8, Duration::MAX)
}

/// Makes a fleet of an inner service.
#[derive(Clone)]
pub(crate) struct Muster {
    nodes: usize,
    gauges: Gauges,
}

impl Muster {
    /// So many clones of it, for a tenant to each compartment.
    #[allow(clippy::type_complexity, reason = "said once, and nobody has to write it")]
    pub(crate) fn fleet<S>(&self, inner: S) -> ShuffleShard<S, impl Fn(&Node) -> S + use<S>, fn(&Ask) -> u64>
    where
        S: Clone + 'static,
    {
        self.fleet_of(move |_| inner.clone())
    }

    /// As many of what `member` makes.
    pub(crate) fn fleet_of<S, F>(&self, member: F) -> ShuffleShard<S, F, fn(&Ask) -> u64>
    where
        S: Clone + 'static,
        F: Fn(&Node) -> S + 'static,
    {
        let nodes = Nodes::try_new((0..self.nodes).map(|n| Node::new(format!("node-{n}")))).expect("different names");
        let router = ShuffleShard::new(nodes, member)
            .chance(Chance::seeded(1))
            .tenant_by((|ask| ask.compartment as u64) as fn(&Ask) -> u64);
        let looked_into = router.clone();
        self.gauges.borrow_mut().push(Box::new(move || {
            let in_flight = |member: &shuffle_shard::MemberSnapshot| member.in_flight as usize;
            let in_use = looked_into.snapshot().members.iter().map(in_flight).sum();
            Load { in_use, waiting: 0, limit: usize::MAX, idle: false }
        }));
        router
    }
}

pub(crate) fn settings(limit: u32) -> Settings {
    Settings::try_new(limit).expect("not zero")
}

/// A work budget of so many seats, all of which one request may take, with fuel, where up to eight may wait.
pub(crate) fn seats(seats: u32) -> work_budget::Settings {
    let settings = work_budget::Settings::try_new(seats).and_then(|settings| settings.try_with_fuel(100));
    settings.expect("not zero").with_width(Ratio::ONE).with_wait(8, Duration::MAX)
}

fn budget_load(snapshot: &work_budget::Snapshot) -> Load {
    let usages = [snapshot.seats, snapshot.demoted];
    let demotes = matches!(snapshot.settings.over_cost(), OverCost::Demote(_));
    let sum = |of: fn(&work_budget::Usage) -> usize| usages.iter().map(of).sum();
    Load {
        in_use: sum(|usage| usage.in_use as usize),
        waiting: sum(|usage| usage.waiting),
        limit: (snapshot.seats.capacity + if demotes { snapshot.demoted.capacity } else { 0 }) as usize,
        idle: usages.iter().any(|usage| usage.waiting > 0 && usage.in_use < usage.capacity),
    }
}

fn load(snapshot: &bulkhead::Snapshot) -> Load {
    let room = |usage: &bulkhead::Usage| usage.in_use < usage.capacity;
    let own = |usage: &bulkhead::Usage| usage.waiting > 0 && room(usage);
    let guaranteed: u32 = snapshot.compartments.iter().map(|pool| pool.capacity).sum();
    Load {
        in_use: snapshot.in_use as usize,
        waiting: snapshot.waiting,
        limit: (snapshot.common.capacity + guaranteed) as usize,
        idle: snapshot.waiting > 0 && room(&snapshot.common) || snapshot.compartments.iter().any(own),
    }
}

/// Eight at most, as its rule would have it; held to `limit` by its settings.
fn steady(limit: u32) -> LoadShed {
    let shed = LoadShed::with_rule(at_most(8).try_with_limits(8, 8).expect("valid"), load_shed::Fixed::new);
    shed.handle().update(at_most(limit));
    shed.chance(Chance::seeded(1))
}

fn at_most(limit: u32) -> load_shed::Settings {
    load_shed::Settings::new().try_with_limits(1, limit).expect("not zero")
}

fn shed_load(snapshot: &load_shed::Snapshot) -> Load {
    let in_use = (snapshot.in_use + snapshot.parked) as usize;
    Load { in_use, waiting: 0, limit: snapshot.limit as usize, idle: false }
}

/// One whose only place is taken for ever, so that every request shares a gate with the others: that of compartment 0.
pub(crate) fn packed(keyed: OfBulkheads) -> OfBulkheads {
    let taken = keyed.admit(&Ask { compartment: 9, ..Ask::light(0) }, &Moment::new());
    assert!(matches!(taken, Admission::Admitted(_)));
    keyed.overflow_as(0)
}

/// A queue where eight may wait, without end.
pub(crate) fn patient() -> surge_queue::Settings {
    let settings = surge_queue::Settings::new().try_with_max_waiting(8);
    settings.and_then(|settings| settings.try_with_burst(Duration::MAX)).expect("valid")
}

/// The same, that has a second lane of one place, for whoever finds none in the first.
pub(crate) fn two_lanes() -> surge_queue::Settings {
    let lane = surge_queue::Surge::try_new(1).and_then(|lane| lane.try_with_ttl(Duration::MAX)).expect("valid");
    patient().with_surge(lane.with_demotion_after(Duration::ZERO))
}

fn queue_load(snapshot: &surge_queue::Snapshot, in_use: u32) -> Load {
    let first: u32 = snapshot.waiting.iter().sum();
    let (second, own, places) = snapshot.surge.map_or((0, 0, 0), |lane| {
        let places = snapshot.settings.surge().map_or(0, |surge| surge.concurrency().get());
        (lane.waiting.iter().sum(), lane.in_use, places)
    });
    Load {
        in_use: (in_use + own) as usize,
        waiting: (first + second) as usize,
        limit: (snapshot.limit + places) as usize,
        idle: first > 0 && in_use < snapshot.limit || second > 0 && own < places,
    }
}
